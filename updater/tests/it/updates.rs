//! The honest path: first installation, deltas, nothing new, rollback, restart.

use crate::support::{World, at, blob, world_with_one_terminal};
use std::fs;
use std::sync::atomic::Ordering;
use updater::agent::{Outcome, SETTINGS_FILE, Transfer};
use updater::wire::{Designation, Reason};

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_terminal_gets_the_whole_blob_then_deltas_then_nothing() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let first = world.publish(&maker, "acme/stable", 1, 0..2000).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    assert!(terminal.runs().is_empty());

    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.outcome, Outcome::Installed);
    assert_eq!(report.assignment.reason, Reason::FirstInstall);
    assert_eq!(report.channels[0].transfer, Transfer::Full);
    assert_eq!(report.channels[0].bytes_fetched, first.len() as u64);
    assert!(report.acknowledged);
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);

    let second = world.publish(&maker, "acme/stable", 2, 10..2010).await;
    let report = terminal.agent.update().await.unwrap();
    let channel = &report.channels[0];
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::Installed, Reason::Refresh));
    assert_eq!((channel.transfer, channel.full_bytes), (Transfer::Delta, second.len() as u64));
    assert!(channel.bytes_fetched * 10 < channel.full_bytes, "{channel:?}");
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);

    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::UpToDate, Reason::Current));
    assert!(report.channels.iter().all(|channel| channel.bytes_fetched == 0));

    let rows = world.operator.terminals().await.unwrap();
    assert_eq!(rows[0].applied, [at("acme/stable", 2)]);
    assert_eq!(rows[0].facts.engine_version, "0.1.0");
    assert_eq!(rows[0].reason.as_deref(), Some("current"));
    let status = terminal.status();
    assert_eq!((status.generation, status.previous), (Some(2), Some(1)));
    assert!(status.last_contact.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_slept_gets_the_newest_in_one_step() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..2000).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    for release in 2..=4 {
        world.publish(&maker, "acme/stable", release, 0..2000 + 5 * release as u32).await;
    }
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.channels[0].transfer, Transfer::Delta);
    assert_eq!(terminal.runs(), [at("acme/stable", 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_releases_are_published_at_once_and_again_without_effect() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    for (channel, release) in [("acme/fast", 3), ("acme/stable", 1), ("acme/stable", 2)] {
        let blob = blob(channel, release, 0..100 + release as u32);
        maker.release(&world.write("new.titer", &blob)).unwrap();
    }
    let view = maker.publish(&world.url).await.unwrap();
    assert_eq!((view.role_version, view.releases.len()), (3, 3));
    let again = maker.publish(&world.url).await.unwrap();
    assert_eq!((again.role_version, again.releases.len()), (3, 3));

    let terminal = world.terminal("one", &["acme/stable", "acme/fast"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/fast", 3), at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_self_test_keeps_what_was_in_force_and_is_reported() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;

    terminal.engine.fails.store(true, Ordering::Relaxed);
    let error = terminal.agent.update().await.unwrap_err();
    assert_eq!(error.code(), "self_test_failed");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    let rows = world.operator.terminals().await.unwrap();
    assert_eq!(rows[0].trouble.as_deref(), Some("self_test_failed"));
    assert_eq!(rows[0].applied, [at("acme/stable", 1)]);

    terminal.engine.fails.store(false, Ordering::Relaxed);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(world.operator.terminals().await.unwrap()[0].trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_holds_until_something_newer_comes() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    assert_eq!(terminal.agent.rollback().unwrap_err().code(), "no_previous_generation");
    for release in 1..=2 {
        world.publish(&maker, "acme/stable", release, 0..100 + release as u32).await;
        terminal.agent.update().await.unwrap();
    }
    let rollback = terminal.agent.rollback().unwrap();
    assert_eq!((rollback.from, rollback.to), (2, 1));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);

    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.outcome, Outcome::HeldBack);
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    assert_eq!(world.operator.terminals().await.unwrap()[0].trouble.as_deref(), Some("held_back"));

    world.publish(&maker, "acme/stable", 3, 0..103).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
    assert_eq!(terminal.status().generation, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_published_is_no_fault() {
    let world = World::new().await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::NothingAssigned, Reason::NothingPublished));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_generations_are_kept_as_the_settings_say() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let names = |folder: &str| {
        let entries = fs::read_dir(terminal.folder.join(folder)).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        names
    };
    let settings = terminal.folder.join(SETTINGS_FILE);
    fs::write(&settings, "[probation]\nhours = 0\n").unwrap();
    for release in 1..=5 {
        if release == 5 {
            fs::write(&settings, "keep = 1\n[probation]\nhours = 0\n").unwrap();
        }
        world.publish(&maker, "acme/stable", release, 0..100 + release as u32).await;
        terminal.agent.update().await.unwrap();
        let kept = if release == 5 { 4..=5 } else { release.saturating_sub(2).max(1)..=release };
        assert_eq!(names("gen"), kept.clone().map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(names("store").len(), kept.count());
        assert!(!terminal.folder.join("tmp").exists());
    }
    // Each can be gone back to, one after the other.
    terminal.agent.rollback().unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 4)]);
    assert_eq!(terminal.agent.rollback().unwrap_err().code(), "no_previous_generation");
}

/// A crash between the commit and the metadata leaves metadata that lags; the next start completes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_service_completes_its_metadata() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let lagging = fs::read(world.object("metadata/timestamp.json")).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    world
        .restart(|data| {
            let metadata = data.join("objects/metadata");
            fs::write(metadata.join("timestamp.json"), lagging).unwrap();
            fs::remove_file(metadata.join("2.m-acme.json")).unwrap();
            fs::remove_file(metadata.join("3.snapshot.json")).unwrap();
        })
        .await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

/// Generations that a disk harmed are built again, and a harmed blob is fetched again.
#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_generation_is_healed() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let database = updater::installed_database(&terminal.folder).unwrap().unwrap();
    fs::write(database, "harmed").unwrap();
    for blob in fs::read_dir(terminal.folder.join("store")).unwrap() {
        fs::write(blob.unwrap().path(), "harmed").unwrap();
    }
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.channels[0].transfer), (Outcome::Installed, Transfer::Full));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}
