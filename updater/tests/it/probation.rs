//! A generation in force that turns out bad: scanners die with it, or it no longer passes its test. The terminal goes back by
//! itself, without the network, and tells the service when it can.

use crate::support::{Terminal, World, at};
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::sync::Arc;
use std::sync::Mutex;
use updater::agent::{self, Outcome, SETTINGS_FILE, begin_scan};
use updater::agent::{Agent, SelfTestError};
use updater::maker::Maker;
use updater::wire::Designation;

/// A terminal that runs release 2 on probation, after release 1 has proven itself.
async fn on_probation() -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    fs::write(terminal.folder.join(SETTINGS_FILE), "[probation]\nhours = 1\nscans = 2\ncrashes = 3\n").unwrap();
    terminal.agent.update().await.unwrap();
    scans_well(&terminal, 2);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.status().probation, None, "release 1 is proven");
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.status().probation.unwrap().fallback, Some(1));
    (world, maker, terminal)
}

fn scans_well(terminal: &Terminal, times: usize) {
    for _ in 0..times {
        begin_scan(&terminal.folder).unwrap().expect("on probation").end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn database_with_which_scanners_die() {
    let (mut world, maker, terminal) = on_probation().await;
    world.stop().await;
    // Three scans die, among others that end well or are running still.
    let running = begin_scan(&terminal.folder).unwrap().unwrap();
    scans_well(&terminal, 1);
    for died in 1..=3 {
        assert_eq!(terminal.runs(), [at("acme/stable", 2)], "after {} that died", died - 1);
        assert_eq!(terminal.status().probation.unwrap().crashes, died - 1);
        assert!(begin_scan(&terminal.folder).unwrap().is_some());
        assert_eq!(agent::report_crash(&terminal.folder).unwrap(), died);
    }
    // The last report already took it out of force, and the scanner that comes next gets the old one, proven.
    assert!(begin_scan(&terminal.folder).unwrap().is_none());
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    running.end();
    assert_eq!(terminal.status().untold_faults[0].code, "generation_crashes");

    // The service hears of it at the next contact, and release 2 does not come back; release 3 does.
    world.start().await;
    terminal.moves_to(&world);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, terminal.runs()), (Outcome::HeldBack, vec![at("acme/stable", 1)]));
    assert_eq!(world.reported("generation_crashes").await, 1);
    assert_eq!(terminal.status().untold_faults, []);
    world.publish(&maker, "acme/stable", 3, 0..102).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
    assert_eq!(world.reported("generation_crashes").await, 1, "told once");
}

/// A crash loop before the agent ever runs: the scans themselves find out.
#[tokio::test(flavor = "multi_thread")]
async fn scanner_that_dies_at_every_start() {
    let (_world, _, terminal) = on_probation().await;
    let mut starts = 0;
    while let Some(mark) = begin_scan(&terminal.folder).unwrap() {
        starts += 1;
        assert!(starts <= 3, "it goes on dying");
        // What a killed process leaves: its mark, and nobody who holds it.
        let left = mark.path().to_owned();
        mark.end();
        fs::remove_file(terminal.folder.join("scans/2.ended")).unwrap();
        fs::write(left, "").unwrap();
    }
    assert_eq!((starts, terminal.runs()), (3, vec![at("acme/stable", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_that_ends_by_an_error_says_nothing_and_one_that_panics_does() {
    let (_world, _, terminal) = on_probation().await;
    drop(begin_scan(&terminal.folder).unwrap());
    let folder = terminal.folder.clone();
    std::thread::spawn(move || {
        let _mark = begin_scan(&folder).unwrap();
        panic!("as the engine would");
    })
    .join()
    .unwrap_err();
    let probation = terminal.status().probation.unwrap();
    assert_eq!((probation.scans, probation.crashes), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn generation_that_no_longer_passes_its_test() {
    let (_world, _, terminal) = on_probation().await;
    let passed = terminal.agent.probe().unwrap();
    assert!(passed.self_test.is_some() && passed.fell_back.is_none());
    terminal.engine.ends_with(Some(SelfTestError::Memory { bytes: 1 }));
    let failed = terminal.agent.probe().unwrap();
    assert_eq!((failed.code.as_deref(), failed.fell_back.map(|back| back.to)), (Some("self_test_memory"), Some(1)));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    // A proven one stays: what changed is the machine, and there is nothing better.
    let again = terminal.agent.probe().unwrap();
    assert!(again.code.is_some() && again.fell_back.is_none());
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_installation_has_nothing_to_go_back_to_and_stays() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    for _ in 0..3 {
        agent::report_crash(&terminal.folder).unwrap();
    }
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    terminal.agent.update().await.unwrap();
    assert_eq!(world.reported("generation_crashes").await, 1);
}

/// Two releases in a row, neither proven: the way back leads to the one that is.
#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_leads_past_what_was_never_proven() {
    let (world, maker, terminal) = on_probation().await;
    fs::write(terminal.folder.join(SETTINGS_FILE), "keep = 1\n").unwrap();
    for release in 3..=5 {
        world.publish(&maker, "acme/stable", release, 0..100 + release as u32).await;
        terminal.agent.update().await.unwrap();
    }
    assert_eq!(terminal.status().probation.unwrap().fallback, Some(1), "kept, though it is the fourth before");
    for _ in 0..3 {
        agent::report_crash(&terminal.folder).unwrap();
    }
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn probation_by_a_wild_clock() {
    let (_world, _, terminal) = on_probation().await;
    let time = Arc::new(Mutex::new(Timestamp::now()));
    let clock = time.clone();
    let agent: Agent = terminal.agent.clone().clock(move || *clock.lock().unwrap());
    let years = SignedDuration::from_hours(10 * 365 * 24);
    for jump in [years, -years, -years, years] {
        *time.lock().unwrap() += jump;
        drop(agent.update().await);
        assert!(terminal.status().probation.is_some(), "a jump proves nothing");
    }
    *time.lock().unwrap() += SignedDuration::from_mins(61);
    agent.update().await.unwrap();
    assert_eq!(terminal.status().probation, None, "an hour does");
}
