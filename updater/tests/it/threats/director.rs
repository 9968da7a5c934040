//! Who says what a terminal shall run: without the director's key, and with it (rows 17 and 18).

use super::Stage;
use crate::support::fault::Fault;
use crate::support::{EvilDirector, at, in_an_hour};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use updater::wire::Designation;

/// Answers check-ins with documents that the test changes as it goes.
struct Forged {
    told: Arc<Mutex<Value>>,
    member: Arc<Mutex<Value>>,
}

impl Forged {
    /// Documents signed by `director`; what is set replaces single members of an honest answer.
    async fn of(stage: &Stage, director: EvilDirector) -> Forged {
        let forged = Forged { told: Arc::new(Mutex::new(json!({}))), member: Arc::new(Mutex::new(json!({}))) };
        let (told, member) = (forged.told.clone(), forged.member.clone());
        let merged = |mut document: Value, changes: &Value| {
            for (name, value) in changes.as_object().unwrap() {
                document[name] = value.clone();
            }
            document
        };
        let answer = move |terminal: &str, counter| {
            let honest = EvilDirector::assignment(&[at("acme/stable", 2)], counter);
            let told = merged(honest, &told.lock().unwrap());
            director.answer(&told, &merged(EvilDirector::membership(terminal, counter), &member.lock().unwrap()))
        };
        stage.terminal.is_answered(&stage.world.url, answer).await;
        forged
    }

    async fn is_refused(&self, stage: &Stage, told: Value, member: Value, code: &str) {
        let what = format!("{told} {member}");
        (*self.told.lock().unwrap(), *self.member.lock().unwrap()) = (told, member);
        stage.refuses(code, &what).await;
    }
}

/// Nobody without the director's key assigns anything: other keys, the keys of other roles, no signature, one for another kind of document.
#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_the_director_did_not_sign() {
    let stage = Stage::new().await;
    let clean = stage.template();
    for key in ["targets", "snapshot", "timestamp"] {
        let role = EvilDirector::of_role(&stage.world, key);
        stage.terminal.is_answered(&stage.world.url, role.assigns(&[at("acme/stable", 2)])).await;
        stage.refuses("assignment_unsigned", key).await;
    }
    let stranger = EvilDirector::stranger(&stage.world);
    stage.terminal.is_answered(&stage.world.url, stranger.assigns(&[at("acme/stable", 2)])).await;
    stage.refuses("assignment_unsigned", "a stranger").await;

    let evil = EvilDirector::of(&stage.world);
    let honest = evil.assigns(&[at("acme/stable", 2)]);
    let unsigned = {
        let honest = honest.clone();
        move |terminal: &str, counter| {
            let mut answer = honest(terminal, counter);
            answer["assignment"]["signatures"] = json!([]);
            answer
        }
    };
    stage.terminal.is_answered(&stage.world.url, unsigned).await;
    stage.refuses("assignment_unsigned", "no signature").await;
    let mixed_up = move |terminal: &str, counter| {
        let mut answer = honest(terminal, counter);
        answer["assignment"] = evil.signed("membership", &EvilDirector::assignment(&[at("acme/stable", 2)], counter));
        answer
    };
    stage.terminal.is_answered(&stage.world.url, mixed_up).await;
    stage.refuses("assignment_unsigned", "signed as a membership").await;
    stage.restore(&clean);
    stage.honest_cycle().await;
}

/// The answer to an earlier check-in, and the one to another terminal's, are worth nothing to whoever recorded them.
#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_of_before_or_of_another_terminal() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let other = stage.world.terminal("two", &["acme/stable"], Designation::Own).await;
    for (terminal, code) in [(&stage.terminal, "assignment_replayed"), (&other, "assignment_of_another")] {
        let recorded = terminal.check_in_by_hand(&client, &stage.world.url).await;
        stage.proxy.always("/check-in", Fault::Serve(recorded));
        stage.refuses(code, code).await;
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}

/// What the director's own key cannot do: revive, go back, take from others, or name a blob that the maker did not sign.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_director_is_held_to_time_number_and_cohort() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let forged = Forged::of(&stage, EvilDirector::of(&stage.world)).await;
    let past = in_an_hour() - 7200;
    for (told, member, code) in [
        (json!({"expires": past}), json!({}), "assignment_expired"),
        (json!({}), json!({"expires": past}), "assignment_expired"),
        (json!({"cohort": "another"}), json!({}), "assignment_of_another"),
        (json!({}), json!({"terminal": "another"}), "assignment_of_another"),
        (json!({}), json!({"counter": 1}), "assignment_replayed"),
        (json!({"number": 7}), json!({"number": 8}), "assignment_rolled_back"),
        (json!({"channels": 7}), json!({}), "assignment_malformed"),
        (json!({}), json!({"freshness": "f".repeat(1000)}), "assignment_malformed"),
    ] {
        forged.is_refused(&stage, told, member, code).await;
    }
    let blob = json!([{"channel": "acme/stable", "release": 2, "sha256": "0".repeat(64), "length": 9}]);
    forged.is_refused(&stage, json!({"blobs": blob}), json!({}), "assignment_disagrees").await;
    // The number of a cohort was seen, so an older one of it is not followed.
    (*forged.told.lock().unwrap(), *forged.member.lock().unwrap()) =
        (json!({"channels": [], "number": 1u64 << 60}), json!({}));
    stage.terminal.agent.update().await.unwrap();
    forged.is_refused(&stage, json!({}), json!({}), "assignment_rolled_back").await;
    stage.terminal.asks(&stage.proxy.url);
    drop(clean);
    stage.honest_cycle().await;
}

/// Row 18. With the director's key a thief can choose among what makers signed, within the designation, and no more: no old release, no
/// foreign maker, no product that nobody asked for, and not "remove all".
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_director_chooses_among_genuine_releases() {
    let stage = Stage::with(&["acme/stable", "best/stable"], Designation::Own).await;
    let cool = stage.world.maker("cool").await;
    stage.world.publish(&cool, "cool/stable", 1, 0..50).await;
    stage.world.publish(&stage.maker, "acme/weak", 1, 0..2).await;
    for (assigned, code) in [
        (vec![at("cool/stable", 1)], "assignment_not_accepted"),
        (vec![at("acme/weak", 1)], "assignment_not_accepted"),
        (vec![at("acme/stable", 9), at("best/stable", 1)], "release_not_listed"),
        (vec![at("acme/stable", 1)], "assignment_drops_product"),
        (vec![at("acme/stable", 2)], "assignment_drops_product"),
    ] {
        stage.terminal.is_told(&stage.world, &assigned).await;
        match stage.terminal.agent.update().await {
            Ok(report) => assert_eq!(report.faults[0].code, code, "{assigned:?}"),
            Err(error) => assert_eq!(error.code(), code, "{assigned:?}"),
        }
        stage.still_safe(&format!("{assigned:?}"));
    }
    // "Remove all" removes nothing.
    stage.terminal.is_told(&stage.world, &[]).await;
    stage.terminal.agent.update().await.unwrap();
    stage.still_safe("nothing is assigned");
    // And back, once a newer one runs.
    stage.terminal.asks(&stage.proxy.url);
    stage.honest_cycle().await;
    stage.terminal.is_told(&stage.world, &[at("acme/stable", 1), at("best/stable", 2)]).await;
    let report = stage.terminal.agent.update().await.unwrap();
    assert_eq!(report.faults[0].code, "release_rolled_back");
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2), at("best/stable", 2)]);
}

/// Row 17. A terminal that wishes no updates gets none, whoever has the director's key.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_wishes_no_updates_gets_none() {
    let stage = Stage::new().await;
    let identity = stage.terminal.folder.join("identity.json");
    let mut json: Value = serde_json::from_slice(&std::fs::read(&identity).unwrap()).unwrap();
    json["facts"]["designation"] = "none".into();
    std::fs::write(&identity, json.to_string()).unwrap();
    stage.terminal.is_told(&stage.world, &[at("acme/stable", 2)]).await;
    stage.refuses("assignment_not_accepted", "it wishes none").await;
    let newcomer = stage.world.terminal("two", &["acme/stable"], Designation::None).await;
    newcomer.is_told(&stage.world, &[at("acme/stable", 2)]).await;
    assert_eq!(newcomer.agent.update().await.unwrap_err().code(), "assignment_not_accepted");
    assert_eq!(newcomer.runs(), []);
}
