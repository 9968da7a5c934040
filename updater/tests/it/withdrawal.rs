//! Releases that their makers take back, and terminals that go back only when the maker says so.

use crate::support::{Terminal, World, at};
use updater::agent::Outcome;
use updater::maker::Maker;
use updater::wire::{Designation, Reason};

/// A terminal that runs release 2 of a channel of which 1 and 2 are on offer.
async fn at_release_2() -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    world.publish(&maker, "acme/stable", 2, 0..110).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    (world, maker, terminal)
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_go_back_to_what_is_left_and_on_to_what_comes() {
    let (world, maker, terminal) = at_release_2().await;
    assert_eq!(maker.withdraw(&at("acme/stable", 3), None).unwrap_err().code(), "release_not_listed");
    assert_eq!(maker.withdraw(&at("acme/stable", 2), Some(2)).unwrap_err().code(), "nothing_to_go_back_to");
    maker.withdraw(&at("acme/stable", 2), maker.newest_before(&at("acme/stable", 2)).unwrap()).unwrap();
    let held = maker.publish(&world.url).await.unwrap().releases;
    let states = held.iter().map(|view| (view.release.release, view.listed, view.withdrawn)).collect::<Vec<_>>();
    assert_eq!(states, [(1, true, false), (2, false, true)], "whoever asks for the maker sees what is withdrawn");

    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::Installed, Reason::Withdrawn));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::UpToDate);
    // A newcomer never sees it.
    let newcomer = world.terminal("two", &["acme/stable"], Designation::Own).await;
    newcomer.agent.update().await.unwrap();
    assert_eq!(newcomer.runs(), [at("acme/stable", 1)]);

    let again = world.write("again.titer", &crate::support::blob("acme/stable", 2, 0..110));
    assert_eq!(maker.release(&again).unwrap_err().code(), "release_not_newer");
    world.publish(&maker, "acme/stable", 3, 0..120).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_back_unless_the_maker_allows_it() {
    let (world, maker, terminal) = at_release_2().await;
    maker.withdraw(&at("acme/stable", 2), None).unwrap();
    maker.publish(&world.url).await.unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.faults.len()), (Outcome::UpToDate, 0));
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);

    // Not even when the service says so.
    terminal.is_told(&world, &[at("acme/stable", 1)]).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "release_rolled_back");
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_go_back_to_a_release_goes_further_back_when_that_is_withdrawn_too() {
    let (world, maker, terminal) = at_release_2().await;
    world.publish(&maker, "acme/stable", 3, 0..130).await;
    terminal.agent.update().await.unwrap();
    maker.withdraw(&at("acme/stable", 3), Some(2)).unwrap();
    maker.withdraw(&at("acme/stable", 2), Some(1)).unwrap();
    maker.publish(&world.url).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_only_release_is_withdrawn_keeps_it() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    maker.withdraw(&at("acme/stable", 1), None).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::UpToDate);
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}
