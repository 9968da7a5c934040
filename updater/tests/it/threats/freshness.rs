//! Old things for new: rollback, fast-forward, freeze, devices that slept, pointers ahead of their files (rows 7 to 10, 20, 30).

use super::Stage;
use super::forge::{Forge, PAST};
use crate::support::at;
use crate::support::fault::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use updater::agent::Outcome;

/// Each role that may go back, in metadata that is otherwise new and signed as it must be.
#[tokio::test(flavor = "multi_thread")]
async fn rollback_of_each_role() {
    let stage = Stage::new().await;
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);
    let before = super::Safe::of(&stage.terminal);
    // A role must have been further than the version that it is taken back to.
    let mut forge = Forge::of(&stage.world);
    forge.edit("targets", |role| role["x"] = 1.into());
    forge.serve(&stage.proxy);
    stage.terminal.agent.update_fully().await.unwrap();
    stage.proxy.heal();
    let ahead = stage.template();
    for role in ["timestamp", "snapshot", "targets", "m-acme"] {
        let mut forge = Forge::of(&stage.world);
        forge.edit(role, |role| role["version"] = 0.into());
        // Whatever lists it is as new as can be.
        for newer in ["timestamp", "snapshot", "targets"].iter().filter(|newer| **newer != role) {
            forge.edit(newer, |role| role["version"] = 50.into());
        }
        forge.serve(&stage.proxy);
        let error = stage.terminal.agent.update_fully().await.expect_err(role);
        assert_eq!(error.code(), "metadata_rolled_back", "{role}: {error}");
        assert_eq!(super::Safe::of(&stage.terminal), before, "{role}");
        stage.proxy.heal();
        fs::remove_dir_all(&stage.terminal.folder).unwrap();
        super::copy(ahead.path(), &stage.terminal.folder);
    }
    stage.honest_cycle_at(100).await;
}

/// A service that was taken over assigns what was installed before, by itself or hidden behind a newer one.
#[tokio::test(flavor = "multi_thread")]
async fn rollback_by_assignment() {
    let stage = Stage::new().await;
    let old = at("acme/stable", 1);
    let new = at("acme/stable", 2);
    // Both at once: the old one's number would be what the next assignment is compared with.
    for both in [[old.clone(), new.clone()], [new.clone(), old.clone()], [new.clone(), new.clone()]] {
        stage.terminal.is_told(&stage.world, &both).await;
        stage.refuses("assignment_ambiguous", "twice").await;
    }
    stage.terminal.is_told(&stage.world, std::slice::from_ref(&new)).await;
    stage.terminal.agent.update().await.unwrap();
    stage.terminal.is_told(&stage.world, &[old]).await;
    assert_eq!(stage.terminal.agent.update().await.unwrap_err().code(), "release_rolled_back");
    assert_eq!(stage.terminal.runs(), [new]);
}

/// Whoever had the keys once left version numbers that nobody can pass. New keys, given by root, begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn fast_forward_and_recovery_by_new_keys() {
    let stage = Stage::new().await;
    for far in [1_u64 << 31, u64::MAX - 2] {
        let template = stage.template();
        let mut thief = Forge::of(&stage.world);
        thief.edit("snapshot", |role| role["version"] = far.into());
        thief.edit("timestamp", |role| role["version"] = far.into());
        thief.serve(&stage.proxy);
        stage.terminal.agent.update().await.unwrap();
        stage.proxy.heal();
        assert_eq!(stage.terminal.agent.update_fully().await.unwrap_err().code(), "metadata_rolled_back");
        assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);

        let mut honest = Forge::of(&stage.world);
        honest.rotate("timestamp", &["new timestamp"], 1);
        honest.rotate("snapshot", &["new snapshot"], 1);
        let (name, root) = honest.next_root(|_| {});
        stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
        honest.serve(&stage.proxy);
        let report = stage.terminal.agent.update_fully().await.unwrap();
        assert_eq!(report.outcome, Outcome::UpToDate);
        stage.proxy.heal();
        stage.restore(&template);
    }
    stage.honest_cycle().await;
}

/// A timestamp is replayed until its time is over; then nothing of it is believed.
#[tokio::test(flavor = "multi_thread")]
async fn freeze_by_a_withheld_timestamp_ends_at_its_expiry() {
    let stage = Stage::new().await;
    for role in ["timestamp", "snapshot", "targets", "m-acme"] {
        let template = stage.template();
        let mut forge = Forge::of(&stage.world);
        forge.edit(role, |role| role["expires"] = PAST.into());
        forge.serve(&stage.proxy);
        stage.refuses("metadata_expired", role).await;
        stage.proxy.heal();
        stage.restore(&template);
    }
    stage.honest_cycle().await;
}

/// A newer root, and with it the keys that are right now, is kept from the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn freeze_by_a_withheld_root() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    forge.rotate("timestamp", &["new"], 1);
    let (name, root) = forge.next_root(|_| {});
    forge.serve(&stage.proxy);
    stage.refuses("metadata_unsigned", "new timestamp, old root").await;
    // The root comes, and all is well.
    stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);
}

/// After a year in a drawer all that is trusted has expired. It still counts for what must not be gone back behind, and a fresh repository
/// with a newer root is followed.
#[tokio::test(flavor = "multi_thread")]
async fn expired_local_metadata_still_forbids_rollback() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    // What it trusts: versions 20, expired.
    forge.edit("root", |root| root["expires"] = PAST.into());
    for role in ["timestamp", "snapshot", "targets"] {
        forge.edit(role, |role| {
            role["version"] = 20.into();
            role["expires"] = PAST.into();
        });
    }
    let files = forge.files();
    let trusted = json!({
        "root.json": text(&forge.signed("root")),
        "timestamp.json": text(&files["timestamp.json"]),
        "snapshot.json": text(&files["21.snapshot.json"]),
        "targets.json": text(&files["21.targets.json"]),
    });
    fs::write(stage.terminal.folder.join("trusted.json"), trusted.to_string()).unwrap();
    let slept = stage.template();

    // A year's worth of newer versions, and no newer root: the one that is trusted is over.
    let mut honest = Forge::of(&stage.world);
    for role in ["timestamp", "snapshot", "targets"] {
        honest.edit(role, |role| role["version"] = 400.into());
    }
    honest.serve(&stage.proxy);
    stage.refuses("metadata_expired", "no root").await;
    stage.proxy.heal();
    stage.restore(&slept);
    // There is one, but the rest is older than what was seen a year ago.
    let (name, root) = honest.next_root(|root| root["x"] = 1.into());
    stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    stage.refuses("metadata_rolled_back", "older than a year ago").await;
    stage.restore(&slept);
    // Both.
    honest.serve(&stage.proxy);
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8(bytes.to_vec()).unwrap().into()
}

/// The online keys say what is newest, and nothing else: their thief can withhold, for as long as targets and the makers' roles last.
#[tokio::test(flavor = "multi_thread")]
async fn stolen_snapshot_and_timestamp_keys() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let honest = Forge::of(&stage.world);
    let role = honest.signed("m-acme");
    // A role of the thief's making, listed as it must be.
    let mut thief = Forge::of(&stage.world);
    thief.sign_with_own("m-acme", &["thief"]);
    thief.edit("m-acme", |role| role["x"] = 1.into());
    thief.serve(&stage.proxy);
    stage.refuses("metadata_unsigned", "a role of its own").await;
    stage.proxy.heal();
    stage.restore(&clean);
    // The maker's role of before, which holds release 1 only.
    let mut thief = Forge::of(&stage.world);
    let old = fs::read(stage.world.object("metadata/1.m-acme.json")).unwrap();
    thief.roles.get_mut("m-acme").unwrap()["version"] = 1.into();
    thief.list("snapshot", "m-acme", &old);
    let files = thief.finish(BTreeMap::new());
    super::forge::serve(&stage.proxy, files);
    stage.refuses("release_not_listed", "the old role").await;
    stage.proxy.heal();
    // Once the newer one was seen, not even that.
    stage.restore(&clean);
    stage.terminal.agent.update().await.unwrap();
    let mut thief = Forge::of(&stage.world);
    thief.roles.get_mut("m-acme").unwrap()["version"] = 1.into();
    thief.list("snapshot", "m-acme", &old);
    super::forge::serve(&stage.proxy, thief.finish(BTreeMap::new()));
    assert_eq!(stage.terminal.agent.update_fully().await.unwrap_err().code(), "metadata_rolled_back");
    stage.proxy.heal();
    // Fresh timestamps on old news: believed until targets expire, and then no more.
    stage.restore(&clean);
    let mut thief = Forge::of(&stage.world);
    thief.edit("targets", |targets| targets["expires"] = PAST.into());
    thief.serve(&stage.proxy);
    stage.refuses("metadata_expired", "targets").await;
    assert!(!role.is_empty());
    stage.honest_cycle().await;
}

/// A cache tells of a new timestamp before the files behind it have come, or of an old one when they have.
#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_ahead_of_its_files() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let forge = Forge::of(&stage.world);
    let missing = || Fault::Answer(404, Vec::new(), "");
    for file in ["snapshot", "targets", "m-acme"] {
        stage.proxy.always(&format!("/metadata/{}.{file}.json", forge.version(file)), missing());
        stage.refuses("http_404", file).await;
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.proxy.always("/targets/", missing());
    stage.proxy.always("/v1/deltas/", missing());
    stage.refuses("http_404", "the blob").await;
    stage.proxy.heal();
    stage.restore(&clean);
    // Only the timestamp changes, so an old one in a cache leads to a whole state that is old.
    let trusted: Value = serde_json::from_slice(&fs::read(stage.terminal.folder.join("trusted.json")).unwrap()).unwrap();
    let old = trusted["timestamp.json"].as_str().unwrap().as_bytes().to_vec();
    stage.proxy.always("/metadata/timestamp.json", Fault::Serve(old));
    stage.refuses("release_not_listed", "an old timestamp").await;
    stage.honest_cycle().await;
}
