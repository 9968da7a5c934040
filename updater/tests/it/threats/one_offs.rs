//! Documents for one terminal alone, in the wrong hands or at the wrong time (row 18).

use super::Stage;
use crate::support::fault::Fault;
use crate::support::{EvilDirector, at, in_an_hour};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use updater::wire::{ChannelRelease, Designation, OneOff};

/// An answer that says that this is for the terminal alone; what is set replaces single members of an honest document.
fn answer(director: &EvilDirector, terminal: &str, counter: u64, channels: &[ChannelRelease], set: &Value) -> Value {
    let mut told = json!({
        "terminal": terminal, "counter": counter, "signed_at": 0, "expires": in_an_hour(), "root": 1, "channels": channels,
        "reason": "one_off", "words": "believe me", "blobs": [],
    });
    for (name, value) in set.as_object().unwrap() {
        told[name] = value.clone();
    }
    let mut member = EvilDirector::membership(terminal, counter);
    member["cohort"] = terminal.into();
    json!({"assignment": director.signed("one-off", &told), "membership": director.signed("membership", &member)})
}

impl Stage {
    async fn is_given(&self, director: EvilDirector, channels: Vec<ChannelRelease>, set: Value) {
        let answer = move |terminal: &str, counter| answer(&director, terminal, counter, &channels, &set);
        self.terminal.is_answered(&self.proxy.url, answer).await;
    }
}

/// A document for another terminal, of before, or whose time is over, each by a code of its own; and one that the director did not sign.
#[tokio::test(flavor = "multi_thread")]
async fn a_one_off_of_another_terminal_or_of_before() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let evil = || EvilDirector::of(&stage.world);
    let two = || vec![at("acme/stable", 2)];
    for (set, code) in [
        (json!({"terminal": "another"}), "one_off_of_another"),
        (json!({"counter": 1}), "one_off_replayed"),
        (json!({"expires": in_an_hour() - 7200}), "one_off_expired"),
        (json!({"channels": 7}), "assignment_malformed"),
    ] {
        stage.is_given(evil(), two(), set.clone()).await;
        stage.refuses(code, &set.to_string()).await;
    }
    stage.is_given(EvilDirector::stranger(&stage.world), two(), json!({})).await;
    stage.refuses("assignment_unsigned", "a stranger").await;
    for role in ["targets", "snapshot", "timestamp"] {
        stage.is_given(EvilDirector::of_role(&stage.world, role), two(), json!({})).await;
        stage.refuses("assignment_unsigned", role).await;
    }
    stage.restore(&clean);
    stage.honest_cycle().await;
}

/// What the service told the terminal yesterday is worth nothing today, whole or with a membership of today.
#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_one_off_is_not_followed_again() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let until = Timestamp::now() + SignedDuration::from_hours(24);
    let stays = OneOff { channel: at("acme/stable", 1).channel, release: Some(1), until, why: "w".to_owned() };
    let number = stage.terminal.status().terminal.unwrap();
    stage.world.operator.give(&number, &stays).await.unwrap();
    let recorded = stage.terminal.check_in_by_hand(&client, &stage.world.url).await;
    stage.world.operator.take_back(&number, None).await.unwrap();

    stage.proxy.always("/check-in", Fault::Serve(recorded.clone()));
    stage.refuses("assignment_replayed", "whole").await;
    stage.proxy.heal();
    let document = serde_json::from_slice::<Value>(&recorded).unwrap()["assignment"].clone();
    let evil = EvilDirector::of(&stage.world);
    let mixed = move |terminal: &str, counter| {
        let mut today = answer(&evil, terminal, counter, &[], &json!({}));
        today["assignment"] = document.clone();
        today
    };
    stage.terminal.is_answered(&stage.proxy.url, mixed).await;
    stage.refuses("one_off_replayed", "with a membership of today").await;
    stage.restore(&clean);
    stage.honest_cycle().await;
}

/// With the director's key, a document for one terminal chooses no more than an assignment for all: what is published, not withdrawn, not
/// older than what runs, of channels that the terminal accepts.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_director_gives_one_terminal_nothing_else() {
    let stage = Stage::with(&["acme/stable", "best/stable"], Designation::Own).await;
    let clean = stage.template();
    let cool = stage.world.maker("cool").await;
    stage.world.publish(&cool, "cool/stable", 1, 0..50).await;
    // Release 2 of `acme/stable` is taken back by its maker, who publishes another.
    stage.maker.withdraw(&at("acme/stable", 2), None).unwrap();
    stage.maker.publish(&stage.world.url).await.unwrap();
    for (assigned, code) in [
        (vec![at("acme/stable", 9), at("best/stable", 1)], "release_not_listed"),
        (vec![at("acme/stable", 2), at("best/stable", 1)], "release_not_listed"),
        (vec![at("cool/stable", 1)], "assignment_not_accepted"),
        (vec![at("best/stable", 1)], "assignment_drops_product"),
        (vec![at("acme/stable", 1), at("acme/stable", 2), at("best/stable", 1)], "assignment_ambiguous"),
    ] {
        stage.is_given(EvilDirector::of(&stage.world), assigned.clone(), json!({})).await;
        match stage.terminal.agent.update().await {
            Ok(report) => assert_eq!(report.faults[0].code, code, "{assigned:?}"),
            Err(error) => assert_eq!(error.code(), code, "{assigned:?}"),
        }
        stage.still_safe(&format!("{assigned:?}"));
    }
    stage.restore(&clean);
    stage.world.publish(&stage.maker, "acme/stable", 3, 6..1106).await;
    stage.proxy.heal();
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 3), at("best/stable", 2)]);
    stage.is_given(EvilDirector::of(&stage.world), vec![at("acme/stable", 1), at("best/stable", 2)], json!({})).await;
    let report = stage.terminal.agent.update().await.unwrap();
    assert_eq!(report.faults[0].code, "release_rolled_back");
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 3), at("best/stable", 2)]);
}
