//! Clocks that are wrong: no terminal is stopped for good by one, and none takes old metadata for fresh.

use crate::support::{Terminal, World, at};
use jiff::{SignedDuration, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use updater::Agent;
use updater::maker::Maker;
use updater::wire::Designation;

const YEARS: i64 = 10 * 365 * 24 * 3600;

async fn world_with_one_terminal() -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    (world, maker, terminal)
}

/// The terminal's agent by a clock that is off by the given seconds.
fn off_by(terminal: &Terminal, seconds: i64) -> Agent {
    terminal.agent.clone().clock(move || Timestamp::now() + SignedDuration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_behind() {
    let (world, maker, terminal) = world_with_one_terminal().await;
    for (release, behind) in (2..).zip([3600, 86_400, YEARS]) {
        world.publish(&maker, "acme/stable", release, 0..100 + release as u32).await;
        let report = off_by(&terminal, -behind).update().await.unwrap();
        let codes = report.warnings.iter().map(|warning| warning.code.as_str()).collect::<Vec<_>>();
        assert_eq!((codes, terminal.runs()), (vec!["clock_behind"], vec![at("acme/stable", release)]));
    }
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.warnings, [], "a clock that is right again is believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_ahead() {
    let (world, maker, terminal) = world_with_one_terminal().await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    assert_eq!(off_by(&terminal, YEARS).update().await.unwrap_err().code(), "assignment_expired");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)], "nothing of the wild time was kept");
}

/// The clock steps while an update runs: a second back at each reading, or ten years there and back.
#[tokio::test(flavor = "multi_thread")]
async fn clock_that_jumps_during_an_update() {
    let (world, maker, terminal) = world_with_one_terminal().await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let readings = AtomicI64::new(0);
    let began = Timestamp::now();
    let stepping =
        terminal.agent.clone().clock(move || began - SignedDuration::from_secs(readings.fetch_add(1, Ordering::Relaxed)));
    stepping.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);

    world.publish(&maker, "acme/stable", 3, 0..102).await;
    let sign = Arc::new(Mutex::new(1));
    let wild = terminal.agent.clone().clock(move || {
        let mut sign = sign.lock().unwrap();
        *sign = -*sign;
        Timestamp::now() + SignedDuration::from_secs(*sign * YEARS)
    });
    // Refused or not, as the reading falls; what is in force is whole, and the next honest update succeeds.
    for _ in 0..4 {
        drop(wild.update().await);
        assert!(!terminal.runs().is_empty());
    }
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}
