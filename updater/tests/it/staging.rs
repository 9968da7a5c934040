//! New generations that wait: for a command, for consent, for their time of day.

use crate::support::{Terminal, World, at, world_with_one_terminal};
use std::fs;
use updater::agent::{Outcome, SETTINGS_FILE, Trigger, WaitsFor};
use updater::maker::Maker;

/// A terminal that runs release 1 and could have release 2, with these settings.
async fn with_news(settings: &str) -> (World, Maker, Terminal) {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    fs::write(terminal.folder.join(SETTINGS_FILE), settings).unwrap();
    (world, maker, terminal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_generation_is_applied_without_the_network() {
    let (mut world, _, terminal) = with_news("").await;
    assert_eq!(terminal.agent.apply().unwrap_err().code(), "nothing_staged");
    let report = terminal.agent.update_by(Trigger::Command, true).await.unwrap();
    assert_eq!((report.outcome, report.generation), (Outcome::Staged, Some(1)));
    assert!(report.acknowledged && report.self_test.is_some());
    assert_eq!(report.staged.unwrap().waits_for, Some(WaitsFor::Command));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    assert_eq!(world.reported("staged").await, 1);
    assert_eq!(world.operator.terminals().await.unwrap()[0].applied, [at("acme/stable", 1)]);

    // Asked again, nothing is fetched or made or told a second time.
    let again = terminal.agent.update_by(Trigger::Command, true).await.unwrap();
    assert_eq!((again.outcome, again.self_test, again.staged.unwrap().generation), (Outcome::Staged, None, 2));
    assert!(again.channels.iter().all(|channel| channel.bytes_fetched == 0));
    assert_eq!(world.reported("staged").await, 1);

    world.stop().await;
    assert_eq!(terminal.agent.apply().unwrap().generation, 2);
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(terminal.status().staged, None);
    assert_eq!(terminal.agent.apply().unwrap_err().code(), "nothing_staged");
    terminal.agent.rollback().unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_generation_is_put_in_force_by_the_next_update_that_may() {
    let (_world, _, terminal) = with_news("").await;
    terminal.agent.update_by(Trigger::Command, true).await.unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.generation, report.self_test), (Outcome::Installed, Some(2), None));
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_is_asked_may_decline() {
    let (world, maker, terminal) = with_news("consent = \"ask\"\n").await;
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.staged.unwrap().waits_for, Some(WaitsFor::Consent));
    assert!(terminal.agent.apply_if_due().unwrap().is_none(), "nobody consented");
    assert_eq!(terminal.agent.decline().unwrap().generation, 2);
    assert_eq!(terminal.agent.decline().unwrap_err().code(), "nothing_staged");
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.staged), (Outcome::HeldBack, None));
    assert_eq!(world.reported("declined").await, 1);

    // What is newer is asked about again; consent is a command.
    world.publish(&maker, "acme/stable", 3, 0..102).await;
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Staged);
    terminal.agent.apply().unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_release_takes_the_place_of_the_staged_one() {
    let (world, maker, terminal) = with_news("consent = \"ask\"\n").await;
    terminal.agent.update().await.unwrap();
    world.publish(&maker, "acme/stable", 3, 0..102).await;
    terminal.agent.update().await.unwrap();
    let staged = terminal.status().staged.unwrap();
    assert_eq!(staged.channels[0].release, 3);
    terminal.agent.apply().unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_staged_for_another_generation_is_not_applied() {
    let (world, maker, terminal) = with_news("").await;
    terminal.agent.update().await.unwrap();
    world.publish(&maker, "acme/stable", 3, 0..102).await;
    terminal.agent.update_by(Trigger::Command, true).await.unwrap();
    let staged = fs::read(terminal.folder.join("staged.json")).unwrap();
    terminal.agent.rollback().unwrap();
    assert_eq!(terminal.status().staged, None, "a way back clears the way forward");
    // As if the two had happened at once.
    fs::write(terminal.folder.join("staged.json"), staged).unwrap();
    assert_eq!(terminal.agent.apply().unwrap_err().code(), "staged_outdated");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_window_stages_and_an_open_one_applies() {
    let (_world, _, terminal) = with_news("").await;
    let zone = jiff::tz::TimeZone::system();
    let now = jiff::Timestamp::now().to_zoned(zone);
    let hours = |from: i64, until: i64| {
        let at = |hours: i64| (&now + jiff::SignedDuration::from_hours(hours)).strftime("%H:%M").to_string();
        format!("window = \"{}-{}\"\n", at(from), at(until))
    };
    fs::write(terminal.folder.join(SETTINGS_FILE), hours(6, 8)).unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.staged.unwrap().waits_for, Some(WaitsFor::Window));
    assert!(terminal.agent.apply_if_due().unwrap().is_none());
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    fs::write(terminal.folder.join(SETTINGS_FILE), hours(-6, 6)).unwrap();
    assert_eq!(terminal.agent.apply_if_due().unwrap().unwrap().generation, 2);
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_trigger_is_switched_by_itself() {
    let all = [(Trigger::Command, "command"), (Trigger::Timer, "timer"), (Trigger::Scan, "scan")];
    let (mut world, _, terminal) = with_news("").await;
    world.stop().await;
    for (off, name) in all {
        let others = all.iter().filter(|(_, other)| *other != name).map(|(_, other)| format!("{other} = true\n"));
        let text = format!("[triggers]\n{name} = false\n{}", others.collect::<String>());
        fs::write(terminal.folder.join(SETTINGS_FILE), text).unwrap();
        for (trigger, _) in all {
            // Nobody is asked by a trigger that is off; the others do not get an answer.
            let code = if trigger == off { "trigger_off" } else { "service_unreachable" };
            assert_eq!(terminal.agent.update_by(trigger, false).await.unwrap_err().code(), code, "{name}: {trigger:?}");
        }
    }
}
