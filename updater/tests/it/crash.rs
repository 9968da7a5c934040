//! An update that dies at every step in turn: a whole generation stays in force, never an older one, and the next update ends
//! well.

use crate::support::{FakeEngine, Terminal, World, at, copy};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use updater::Agent;
use updater::disk::Checkpoint;
use updater::wire::{ChannelRelease, Designation};

/// Lets so many steps pass and none after, as a process that was killed.
struct Dies(AtomicI64);

impl Checkpoint for Dies {
    fn reached(&self, _: &'static str) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(io::Error::other("killed")) }
    }
}

/// Puts the state of a terminal back, its counter too.
fn restore(template: &Path, terminal: &Terminal) {
    fs::remove_dir_all(&terminal.folder).unwrap();
    copy(template, &terminal.folder);
}

/// Kills the update of `terminal` at every step; what it ran before is `before`, what it is assigned is `after`.
async fn dies_everywhere(world: &World, terminal: &Terminal, before: &[ChannelRelease], after: &[ChannelRelease]) {
    let template = world.dir.path().join("template");
    copy(&terminal.folder, &template);
    let mut switched_at = None;
    for steps in 0.. {
        restore(&template, terminal);
        let death = Arc::new(Dies(AtomicI64::new(steps)));
        let dying = Agent::new(&terminal.folder, FakeEngine::default()).clean_folders([]).checkpoint(death.clone());
        let died = dying.update().await;
        let runs = terminal.runs();
        assert!(runs == before || runs == after, "after {steps} steps: {runs:?}");
        if runs == after && switched_at.is_none() {
            switched_at = Some(steps);
        }
        assert!(switched_at.is_none() || runs == after, "after {steps} steps it went back");
        terminal.agent.update().await.unwrap_or_else(|e| panic!("after {steps} steps the next update fails: {e}"));
        assert_eq!(terminal.runs(), after, "after {steps} steps");
        assert_eq!(terminal.status().previous.is_some(), !before.is_empty(), "after {steps} steps");
        if death.0.load(Ordering::Relaxed) >= 0 {
            assert!(died.is_ok_and(|report| report.acknowledged));
            assert!(switched_at.is_some_and(|at| (30..steps).contains(&at)), "{switched_at:?} of {steps}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_installation_dies_at_every_step() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..200).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    dies_everywhere(&world, &terminal, &[], &[at("acme/stable", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_by_delta_dies_at_every_step() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..200).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    world.publish(&maker, "acme/stable", 2, 0..205).await;
    dies_everywhere(&world, &terminal, &[at("acme/stable", 1)], &[at("acme/stable", 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_dies_at_every_step() {
    let world = World::new().await;
    for steps in 0.. {
        let terminal = world.stranger(&format!("terminal-{steps}"));
        let token = world.operator.enrolment_token().await.unwrap();
        let enrolment = updater::agent::Enrolment::of_this_machine(world.url.clone(), token, Vec::new());
        let dying = Agent::new(&terminal.folder, FakeEngine::default())
            .clean_folders([])
            .checkpoint(Arc::new(Dies(AtomicI64::new(steps))));
        let died = dying.enroll(&enrolment).await;
        if died.is_ok() {
            assert!(steps > 15);
            return;
        }
        match terminal.agent.enroll(&enrolment).await {
            Ok(_) => {}
            // It died after its identity was in place, before the folder was synced.
            Err(e) => assert_eq!(e.code(), "already_enrolled", "after {steps} steps"),
        }
        assert!(terminal.status().enrolled);
    }
}
