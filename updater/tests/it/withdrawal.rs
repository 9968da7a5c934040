//! Releases that their makers take back, and terminals that go back only when the maker says so.

use crate::support::{Terminal, World, at};
use std::fs;
use tough::schema::{Role, Signed, Targets};
use updater::agent::Outcome;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::Maker;
use updater::wire::{Danger, Designation, Reason, ThreatNews, Vaccine};

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

/// A cure in a release that never came is a promise, also where its maker says that it was taken back.
#[tokio::test(flavor = "multi_thread")]
async fn who_withdraws_what_was_never_published_has_cured_nothing_by_it() {
    let (world, maker, _) = at_release_2().await;
    let cured = async |threat: &str, release| {
        let date = "2026-11-11".parse().unwrap();
        let vaccine = Some(Vaccine { date, since: at("acme/stable", release) });
        let news = ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered: date, expected: None, vaccine };
        maker.news(&world.url, &news).await.unwrap();
        let record = world.operator.makers_record().await.unwrap().remove(0);
        (record.cured, record.uncured)
    };
    maker.withdraw(&at("acme/stable", 2), Some(1)).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(cured("was-there", 2).await, (1, 0));

    let folder = world.dir.path().join("makers/acme");
    let path = folder.join("role.json");
    let mut role: Signed<Targets> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    role.signed.version = role.signed.version.checked_add(1).unwrap();
    let never = serde_json::json!({ "withdrawn": [{ "channel": "acme/stable", "release": 9 }] });
    role.signed._extra.insert("titer".to_owned(), never);
    let key = SigningKey::load(&Disk::default(), &folder.join("key.pk8")).unwrap();
    role.signatures[0].sig = key.sign(&role.signed.canonical_form().unwrap()).into();
    fs::write(&path, serde_json::to_vec(&role).unwrap()).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(cured("never-came", 9).await, (1, 1));
}
