//! Assignments that can be followed in part only: what works is installed, and no protection is dropped.

use crate::support::{FakeEngine, World, at};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use updater::Agent;
use updater::agent::Outcome;
use updater::disk::Checkpoint;
use updater::wire::{Danger, Designation, ThreatNews, Vaccine};

fn names(held: &[updater::wire::ChannelRelease]) -> Vec<String> {
    held.iter().map(|at| format!("{}@{}", at.channel, at.release)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_holds_each_release_of_its_own() {
    let world = World::new().await;
    let (acme, best) = (world.maker("acme").await, world.maker("best").await);
    world.publish(&acme, "acme/stable", 1, 0..100).await;
    world.publish(&best, "best/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable", "best/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    world.publish(&acme, "acme/stable", 2, 0..101).await;
    terminal.agent.update().await.unwrap();
    terminal.agent.rollback().unwrap();
    assert_eq!(names(&terminal.status().held_back), ["acme/stable@2"], "best's release is in both generations");

    // The other channel moves on, and that does not let the held release back in.
    world.publish(&best, "best/stable", 2, 0..101).await;
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.faults.len()), (Outcome::Installed, 0));
    assert_eq!(terminal.runs(), [at("acme/stable", 1), at("best/stable", 2)]);
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack);

    // A second rollback keeps the first one's holds.
    terminal.agent.rollback().unwrap();
    assert_eq!(names(&terminal.status().held_back), ["acme/stable@2", "best/stable@2"]);
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack);
    assert_eq!(terminal.runs(), [at("acme/stable", 1), at("best/stable", 1)]);

    world.publish(&acme, "acme/stable", 3, 0..102).await;
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Installed);
    assert_eq!(terminal.runs(), [at("acme/stable", 3), at("best/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_fails_in_part_drops_no_protection() {
    let world = World::new().await;
    let (a, b, c) = (world.maker("a").await, world.maker("b").await, world.maker("c").await);
    for (maker, channel) in [(&a, "a/stable"), (&b, "b/stable"), (&c, "c/stable")] {
        world.publish(maker, channel, 1, 0..100).await;
    }
    let terminal = world.terminal("one", &["a/stable"], Designation::Any).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("a/stable", 1)]);

    // It is told to run b and c instead, of which b cannot be had.
    terminal.is_told(&world, &[at("b/stable", 1), at("c/stable", 1)]).await;
    let role = world.object("metadata/1.m-b.json");
    let honest = fs::read(&role).unwrap();
    fs::remove_file(&role).unwrap();

    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.faults.len()), (Outcome::Installed, 1));
    assert_eq!(terminal.runs(), [at("a/stable", 1), at("c/stable", 1)]);

    // Once all of the assignment is there, the old channel goes.
    fs::write(&role, honest).unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("b/stable", 1), at("c/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_to_a_bad_release_drops_no_protection() {
    let world = World::new().await;
    let (a, b, c) = (world.maker("a").await, world.maker("b").await, world.maker("c").await);
    world.publish(&a, "a/stable", 1, 0..100).await;
    let bad = world.publish(&b, "b/stable", 1, 0..100).await;
    world.publish(&c, "c/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["a/stable"], Designation::Any).await;
    terminal.agent.update().await.unwrap();
    terminal.engine.refuse(&bad);
    terminal.is_told(&world, &[at("b/stable", 1), at("c/stable", 1)]).await;
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.faults.len()), (Outcome::Installed, 1));
    assert_eq!(report.faults[0].channel.to_string(), "b/stable");
    assert_eq!(terminal.runs(), [at("a/stable", 1), at("c/stable", 1)]);
}

/// Rolled back from a switch: the channel that is held cannot replace the one in force.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_switch_drops_no_protection() {
    let world = World::new().await;
    let (a, b) = (world.maker("a").await, world.maker("b").await);
    world.publish(&a, "a/stable", 1, 0..100).await;
    world.publish(&b, "b/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["a/stable"], Designation::Any).await;
    terminal.agent.update().await.unwrap();
    let day = "2026-11-10".parse().unwrap();
    let vaccine = Some(Vaccine { date: day, since: at("b/stable", 1) });
    let news = ThreatNews { threat: "x".to_owned(), danger: Danger::High, discovered: day, expected: None, vaccine };
    b.news(&world.url, &news).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("b/stable", 1)]);
    terminal.agent.rollback().unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack);
    assert_eq!(terminal.runs(), [at("a/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_makers_bad_release_does_not_block_the_others() {
    let world = World::new().await;
    let makers = [world.maker("a").await, world.maker("b").await, world.maker("c").await];
    let channels = ["a/stable", "b/stable", "c/stable"];
    for (maker, channel) in makers.iter().zip(channels) {
        world.publish(maker, channel, 1, 0..100).await;
    }
    let terminal = world.terminal("one", &channels, Designation::Own).await;
    terminal.agent.update().await.unwrap();

    // The bad one is in the middle, then last.
    for (release, bad) in [(2, 1), (3, 2)] {
        for (number, (maker, channel)) in makers.iter().zip(channels).enumerate() {
            let blob = world.publish(maker, channel, release, 0..100 + release as u32).await;
            if number == bad {
                terminal.engine.refuse(&blob);
            }
        }
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.outcome, Outcome::Installed);
        let faults = report.faults.iter().map(|fault| (fault.channel.to_string(), fault.code.as_str())).collect::<Vec<_>>();
        assert_eq!(faults, [(channels[bad].to_owned(), "self_test_failed")]);
        let mut expected = channels.map(|channel| at(channel, release));
        expected[bad].release = if bad == 1 { 1 } else { 2 };
        assert_eq!(terminal.runs(), expected);
    }

    // Nothing but the bad release is left to change.
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "self_test_failed");
    let leftovers = fs::read_dir(terminal.folder.join("gen")).unwrap().count();
    terminal.agent.update().await.unwrap_err();
    assert_eq!(fs::read_dir(terminal.folder.join("gen")).unwrap().count(), leftovers, "failed builds do not pile up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_installation_leaves_out_the_bad_release_alone() {
    let world = World::new().await;
    let (a, b) = (world.maker("a").await, world.maker("b").await);
    let bad = world.publish(&a, "a/stable", 1, 0..100).await;
    let other = world.publish(&b, "b/stable", 1, 0..101).await;
    let terminal = world.terminal("one", &["a/stable", "b/stable"], Designation::Own).await;
    terminal.engine.refuse(&bad);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.faults.len()), (Outcome::Installed, 1));
    assert_eq!(terminal.runs(), [at("b/stable", 1)]);

    let second = world.terminal("two", &["a/stable", "b/stable"], Designation::Own).await;
    second.engine.refuse(&bad);
    second.engine.refuse(&other);
    assert_eq!(second.agent.update().await.unwrap_err().code(), "self_test_failed");
    assert!(second.runs().is_empty());
}

/// Counts how often the database in force is hashed.
#[derive(Default)]
struct Checks(AtomicUsize);

impl Checkpoint for Checks {
    fn reached(&self, step: &'static str) -> io::Result<()> {
        if step == "check database" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_hashes_the_database_in_force_once() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let update = async || {
        let checks = Arc::new(Checks::default());
        let agent = Agent::new(&terminal.folder, FakeEngine::default()).clean_folders([]).checkpoint(checks.clone());
        (agent.update().await.unwrap().outcome, checks.0.load(Ordering::Relaxed))
    };
    assert_eq!(update().await, (Outcome::UpToDate, 1));
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    assert_eq!(update().await, (Outcome::Installed, 1));
}
