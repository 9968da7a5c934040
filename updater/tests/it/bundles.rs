//! Updates in a file: verified like those of the service, and refused by a code when they are harmed, old or another's.

use crate::support::{Terminal, World, at, channel, export};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use updater::agent::{AgentError, Exported, Imported, JournalEvent, Outcome, SETTINGS_FILE, Transfer, journal};
use updater::maker::Maker;
use updater::wire::{Designation, Reason};

/// A terminal that is enrolled and has installed nothing.
async fn world_with_one_terminal() -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    (world, maker, terminal)
}

async fn bundle(world: &World, name: &str) -> PathBuf {
    let path = world.dir.path().join(name);
    export(&world.url, &[], &path).await.unwrap();
    path
}

async fn refused(terminal: &Terminal, bundle: &Path, code: &str) {
    let before = terminal.runs();
    assert_eq!(terminal.agent.import(bundle).await.unwrap_err().code(), code);
    assert_eq!(terminal.runs(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_without_a_network_is_kept_current() {
    let (mut world, maker, terminal) = world_with_one_terminal().await;
    let first = bundle(&world, "first").await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    world.publish(&maker, "acme/other", 7, 0..50).await;
    let Exported { releases, length, .. } =
        export(&world.url, &[channel("acme/stable")], &world.dir.path().join("second")).await.unwrap();
    let second = world.dir.path().join("second");
    assert_eq!((releases, length), (vec![at("acme/stable", 2)], fs::metadata(&second).unwrap().len()));
    world.stop().await;

    let Imported { age_hours, update, .. } = terminal.agent.import(&first).await.unwrap();
    assert_eq!((age_hours, update.outcome, update.assignment.reason), (0, Outcome::Installed, Reason::FirstInstall));
    assert_eq!((update.channels[0].transfer, update.acknowledged), (Transfer::Bundle, false));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    let Imported { update, .. } = terminal.agent.import(&second).await.unwrap();
    assert_eq!((update.outcome, update.assignment.reason), (Outcome::Installed, Reason::Refresh));
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(terminal.agent.import(&second).await.unwrap().update.outcome, Outcome::UpToDate);

    // The next contact tells what was done, and goes on from there.
    world.start().await;
    terminal.moves_to(&world);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.outcome, Outcome::UpToDate);
    assert_eq!(world.operator.terminals().await.unwrap()[0].applied, [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn older_bundle() {
    let (world, maker, terminal) = world_with_one_terminal().await;
    let old = bundle(&world, "old").await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let new = bundle(&world, "new").await;
    terminal.agent.import(&new).await.unwrap();
    refused(&terminal, &old, "metadata_rolled_back").await;
    terminal.agent.import(&new).await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_services_bundle() {
    let (_world, _, terminal) = world_with_one_terminal().await;
    let (foreign, _, _) = world_with_one_terminal().await;
    refused(&terminal, &bundle(&foreign, "foreign").await, "bundle_foreign").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_bundle() {
    let (world, _, terminal) = world_with_one_terminal().await;
    let bundle = bundle(&world, "bundle").await;
    let later = |days: i64| terminal.agent.clone().clock(move || Timestamp::now() + SignedDuration::from_hours(24 * days));
    let code = |result: Result<Imported, AgentError>| result.map(|_| ()).map_err(|e| e.code().to_owned());
    assert_eq!(code(later(9).import(&bundle).await), Err("metadata_expired".to_owned()));
    fs::write(terminal.folder.join(SETTINGS_FILE), "[bundle]\ngrace_days = 0\n").unwrap();
    assert_eq!(code(later(2).import(&bundle).await), Err("metadata_expired".to_owned()));
    // The long-lived roles get no grace.
    fs::write(terminal.folder.join(SETTINGS_FILE), "[bundle]\ngrace_days = 365\n").unwrap();
    assert_eq!(code(later(100).import(&bundle).await), Err("metadata_expired".to_owned()));
    assert!(terminal.runs().is_empty());
    let imported = later(20).import(&bundle).await.unwrap();
    assert_eq!((imported.age_hours, terminal.runs()), (480, vec![at("acme/stable", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_or_harmed_bundle() {
    let (world, _, terminal) = world_with_one_terminal().await;
    let whole = fs::read(bundle(&world, "bundle").await).unwrap();
    for end in [0, 7, 8, 47, 48, 100, whole.len() / 2, whole.len() - 1] {
        refused(&terminal, &world.write("cut", &whole[..end]), "bundle_malformed").await;
    }
    refused(&terminal, &world.write("longer", &[&whole[..], b"x"].concat()), "bundle_malformed").await;
    // A flipped bit anywhere is found by the digest of what it is in.
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut harmed = whole.clone();
        harmed[at] ^= 4;
        refused(&terminal, &world.write("harmed", &harmed), "bundle_malformed").await;
    }
    refused(&terminal, &world.dir.path().join("no such file"), "disk_failed").await;
    terminal.agent.import(&world.write("whole", &whole)).await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

/// A bundle whose makers changed a blob and gave it the right digest: the signature in the role says otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn forged_bundle() {
    let (world, maker, terminal) = world_with_one_terminal().await;
    let honest = bundle(&world, "honest").await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let forged = forge(&fs::read(&honest).unwrap(), |name, body| {
        if name.starts_with("metadata/1.m-acme") {
            let text = String::from_utf8(body.clone()).unwrap();
            *body = text.replacen("\"release\": 1", "\"release\": 9", 1).into_bytes();
        }
    });
    refused(&terminal, &world.write("forged", &forged), "metadata_refused").await;
    let without = forge(&fs::read(&honest).unwrap(), |name, body| {
        if name.starts_with("metadata/timestamp") {
            body.clear();
        }
    });
    refused(&terminal, &world.write("without", &without), "metadata_malformed").await;
    terminal.agent.import(&honest).await.unwrap();
}

/// A bundle with other bodies, and an index that fits them.
fn forge(bundle: &[u8], change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    use updater::wire::Sha256Hex;
    let mut index = updater::agent::read_index(bundle, bundle.len() as u64).unwrap();
    let mut bodies = Vec::new();
    for entry in &mut index.entries {
        let mut body = bundle[entry.offset as usize..][..entry.length as usize].to_vec();
        change(&entry.name, &mut body);
        (entry.length, entry.sha256) = (body.len() as u64, Sha256Hex::of(&body));
        bodies.extend(body);
    }
    let text = serde_json::to_vec(&index).unwrap();
    let digest = *Sha256Hex::of(&text).bytes();
    [&bundle[..8], &(text.len() as u64).to_le_bytes(), &digest, &text, &bodies].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_published_cannot_be_exported() {
    let (world, _, _) = world_with_one_terminal().await;
    let error = export(&world.url, &[channel("acme/none")], &world.dir.path().join("x")).await.unwrap_err();
    assert_eq!(error.code(), "release_not_listed");
    assert!(!world.dir.path().join("x").exists());
}

/// What an import does stands in the journal like an update's, and what the disk harmed does not stop it.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_noted_and_mends_as_an_update_does() {
    let (world, _, terminal) = world_with_one_terminal().await;
    let bundle = bundle(&world, "bundle").await;
    fs::write(terminal.folder.join("held.json"), "harmed").unwrap();
    let ended = || match journal(&terminal.folder).unwrap().pop().unwrap().event {
        JournalEvent::Ended { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    };
    assert_eq!(terminal.agent.import(&bundle).await.unwrap().update.outcome, Outcome::Installed);
    assert_eq!(ended(), "installed");
    assert!(terminal.folder.join("held.json.damaged").exists());
    refused(&terminal, &world.write("none", b"no bundle"), "bundle_malformed").await;
    assert_eq!(ended(), "bundle_malformed");

    fs::write(terminal.folder.join("held.json"), "harmed").unwrap();
    assert_eq!(terminal.agent.rollback().unwrap_err().code(), "no_previous_generation", "and not that file");
}
