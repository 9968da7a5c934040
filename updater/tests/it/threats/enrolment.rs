//! Who speaks for a terminal, and who becomes one (rows 38 and 39).

use super::Stage;
use crate::support::{World, at, copy, world_with_one_terminal};
use std::fs;
use updater::Agent;
use updater::agent::Enrolment;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::wire::{Designation, TerminalRow, TokenRequest};

async fn rows(world: &World) -> Vec<TerminalRow> {
    world.operator.terminals().await.unwrap()
}

/// Row 38. A result counts once, and only by the key of the terminal that it is about.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_replayed_forged_or_of_another_terminal() {
    let (world, _, terminal) = world_with_one_terminal(50).await;
    let other = world.terminal("two", &["acme/stable"], Designation::Own).await;
    let key = |folder: &std::path::Path| SigningKey::load(&Disk::default(), &folder.join("key.pk8")).unwrap();
    let (own, others) = (key(&terminal.folder), key(&other.folder));
    let number = terminal.status().terminal.unwrap();
    let path = format!("/v1/terminals/{number}/acknowledge");
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let body = r#"{"outcome":"installed","generation":9,"applied":[{"channel":"acme/stable","release":9}]}"#;
    let send = async |key: &SigningKey, path: &str, signed_path: &str, counter: u64| {
        let message = format!("titer-request-v1\nPOST {signed_path}\n{counter}\n{body}");
        let request = client.post(world.url.join(path).unwrap()).body(body).header("titer-counter", counter);
        let request = request.header("titer-signature", hex::encode(key.sign(message.as_bytes())));
        request.send().await.unwrap().text().await.unwrap()
    };
    let before = rows(&world).await[0].applied.clone();
    let counter = 1 << 60;
    let elsewhere = format!("/v1/terminals/{}/acknowledge", other.status().terminal.unwrap());
    for (what, answer, code) in [
        ("another's key", send(&others, &path, &path, counter).await, "signature_refused"),
        ("meant for another address", send(&own, &path, &elsewhere, counter).await, "signature_refused"),
        ("sent in another's name", send(&own, &elsewhere, &elsewhere, counter).await, "signature_refused"),
    ] {
        assert!(answer.contains(code), "{what}: {answer}");
    }
    assert_eq!(rows(&world).await[0].applied, before, "nothing of it is believed");
    assert_eq!(send(&own, &path, &path, counter).await, "{}", "its own counts");
    for used in [counter, counter - 1] {
        let answer = send(&own, &path, &path, used).await;
        assert!(answer.contains("request_replayed"), "{answer}");
    }
    assert_eq!(world.reported("installed").await, 2, "the first installation, and the one report that counted");
}

/// Row 38. Two copies of one terminal are served and remarked on; a lost answer is not taken for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_terminal_is_remarked_on() {
    let stage = Stage::new().await;
    let original = &stage.terminal;
    let folder = stage.world.dir.path().join("terminals/copy");
    copy(&original.folder, &folder);
    let copied = Agent::new(&folder, original.engine.clone()).clean_folders([]);

    // Answers that were lost, as often as it may be: one terminal says the same again.
    for _ in 0..3 {
        stage.proxy.once("/check-in", crate::support::fault::Fault::CutAt(10));
        original.agent.update_fully().await.unwrap_err();
    }
    original.agent.update_fully().await.unwrap();
    original.agent.update_fully().await.unwrap();
    assert_eq!(rows(&stage.world).await[0].cloned_at, None, "one terminal is no copy");

    copied.update_fully().await.unwrap();
    original.agent.update_fully().await.unwrap();
    let row = &rows(&stage.world).await[0];
    assert!(row.cloned_at.is_some());
    assert_eq!(stage.world.reported("terminal_cloned").await, 1);
    assert_eq!(original.runs(), [at("acme/stable", 2)], "both are served");
    copied.update_fully().await.unwrap();
    assert_eq!(stage.world.reported("terminal_cloned").await, 1, "once a day is enough");

    // One copy is gone, and the operator says so.
    fs::remove_dir_all(&folder).unwrap();
    original.agent.update_fully().await.unwrap();
    stage.world.operator.approve_terminal(&row.terminal).await.unwrap();
    original.agent.update_fully().await.unwrap();
    assert_eq!(rows(&stage.world).await[0].cloned_at, None);
}

/// Row 39. A token is good for so many terminals, for so long, and until it is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_token_is_used_once_too_often() {
    let world = World::new().await;
    let wanted = TokenRequest { uses: 2, group: Some("kiosks".parse().unwrap()), ..TokenRequest::default() };
    let made = world.operator.make_token(&wanted).await.unwrap();
    let enrolment = |token: &str| Enrolment::of_this_machine(world.url.clone(), token, Vec::new());
    let by = async |name: &str, token: &str| {
        let terminal = world.stranger(name);
        terminal.agent.enroll(&enrolment(token)).await.map(|_| terminal).map_err(|error| error.code().to_owned())
    };
    let first = by("one", &made.token).await.ok().unwrap();
    // The answer was lost, so it asks again: that is one use.
    fs::remove_file(first.folder.join("identity.json")).unwrap();
    first.agent.enroll(&enrolment(&made.token)).await.unwrap();
    by("two", &made.token).await.ok().unwrap();
    assert_eq!(by("three", &made.token).await.err().unwrap(), "enrolment_token_refused");
    assert!(rows(&world).await.iter().all(|row| row.group.as_deref() == Some("kiosks")));
    let listed = world.operator.tokens().await.unwrap();
    assert_eq!((listed.len(), listed[0].id.as_str(), listed[0].uses, listed[0].uses_max), (1, made.id.as_str(), 2, 2));

    let over = TokenRequest { expires_in_seconds: Some(0), ..TokenRequest::default() };
    let over = world.operator.make_token(&over).await.unwrap();
    assert_eq!(by("four", &over.token).await.err().unwrap(), "enrolment_token_over");
    let revoked = world.operator.make_token(&TokenRequest { uses: 9, ..TokenRequest::default() }).await.unwrap();
    world.operator.revoke_token(&revoked.id).await.unwrap();
    assert_eq!(by("five", &revoked.token).await.err().unwrap(), "enrolment_token_over");
    assert_eq!(world.operator.revoke_token("0123456789abcdef").await.unwrap_err().code(), "enrolment_token_unknown");
    let none = TokenRequest { uses: 0, ..TokenRequest::default() };
    assert_eq!(world.operator.make_token(&none).await.unwrap_err().code(), "token_uses_out_of_range");
    assert_eq!(rows(&world).await.len(), 2, "nobody else is enrolled");
}

/// There may be a token for each terminal, so they come in pages.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_by_pages() {
    let world = World::new().await;
    assert!(world.operator.tokens().await.unwrap().is_empty());
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.operator.make_token(&TokenRequest::default()).await.unwrap().id);
    }
    // As if the tokens were older, two of each second.
    for (index, id) in made.iter().enumerate() {
        world.sql(&format!("UPDATE enrolment_tokens SET created_at = {} WHERE sha256 LIKE '{id}%'", index / 2)).await;
    }
    let all = world.operator.tokens().await.unwrap();
    let ids = |tokens: &[updater::wire::TokenView]| tokens.iter().map(|token| token.id.clone()).collect::<Vec<_>>();
    assert!(all.is_sorted_by_key(|token| std::cmp::Reverse(token.created_at)) && all.len() == 5);
    let mut one_by_one = Vec::new();
    while let Some(more) = world.operator.tokens_after(one_by_one.last()).await.unwrap() {
        one_by_one.push(more[0].clone());
        assert_eq!(ids(&more), ids(&all[one_by_one.len() - 1..]), "what follows is the rest");
    }
    assert_eq!(ids(&one_by_one), ids(&all));
    let web = world.url.join("/v1/enrolment-tokens?after=yesterday").unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let refused = client.get(web).bearer_auth(world.token()).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("cursor_malformed"));
}

/// Row 39. Whoever has a stolen key speaks for the terminal until it is revoked, and for nobody then; nor does the key enrol again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_terminal_key_is_revoked() {
    let (world, maker, terminal) = world_with_one_terminal(50).await;
    let thief = world.dir.path().join("terminals/thief");
    copy(&terminal.folder, &thief);
    let number = terminal.status().terminal.unwrap();
    world.operator.revoke_terminal(&number).await.unwrap();
    world.publish(&maker, "acme/stable", 2, 0..51).await;
    for folder in [&thief, &terminal.folder] {
        let agent = Agent::new(folder, terminal.engine.clone()).clean_folders([]);
        assert_eq!(agent.update().await.unwrap_err().code(), "terminal_revoked", "also in place of an idle poll");
        assert_eq!(agent.plan().await.unwrap_err().code(), "terminal_revoked");
    }
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    let row = &rows(&world).await[0];
    assert!(row.revoked_at.is_some(), "it is listed as revoked");

    fs::remove_file(thief.join("identity.json")).unwrap();
    let token = world.operator.enrolment_token().await.unwrap();
    let again = Enrolment::of_this_machine(world.url.clone(), token.clone(), Vec::new());
    let agent = Agent::new(&thief, terminal.engine.clone()).clean_folders([]);
    assert_eq!(agent.enroll(&again).await.unwrap_err().code(), "terminal_revoked");
    // The token was not used up by that; the rightful owner comes with a new key.
    let renewed = world.stranger("renewed");
    let enrolment = Enrolment { subscribed: vec!["acme/stable".parse().unwrap()], ..again };
    renewed.agent.enroll(&enrolment).await.unwrap();
    renewed.agent.update().await.unwrap();
    assert_eq!(renewed.runs(), [at("acme/stable", 2)]);

    world.operator.remove_terminal(&number).await.unwrap();
    assert_eq!(rows(&world).await.len(), 1);
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "terminal_unknown");
    assert_eq!(world.operator.remove_terminal(&number).await.unwrap_err().code(), "terminal_unknown");
}

/// Row 39. Where the operator wants to see who comes, a terminal is told nothing until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_waits_for_approval_is_told_nothing() {
    let (world, _, _) = world_with_one_terminal(50).await;
    let wanted = TokenRequest { approval: true, ..TokenRequest::default() };
    let made = world.operator.make_token(&wanted).await.unwrap();
    let terminal = world.stranger("two");
    let enrolment = Enrolment::of_this_machine(world.url.clone(), made.token, vec!["acme/stable".parse().unwrap()]);
    let number = terminal.agent.enroll(&enrolment).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "terminal_pending");
    assert!(rows(&world).await.iter().any(|row| row.pending && row.terminal == number));
    world.operator.approve_terminal(&number).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}
