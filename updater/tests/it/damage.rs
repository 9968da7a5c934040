//! A terminal's state that was harmed or lost: it is told apart from an empty one, and the next update heals it.

use crate::support::{Terminal, World, at};
use std::fs;
use std::path::Path;
use updater::agent::{Agent, Enrolment, Outcome};
use updater::installed_database;
use updater::wire::{Danger, Designation, ThreatNews};

async fn world_with_one_terminal() -> (World, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    assert!(installed_database(&terminal.folder).unwrap().is_none(), "nothing is installed yet");
    terminal.agent.update().await.unwrap();
    (world, terminal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_installation_is_not_taken_for_none() {
    let (world, terminal) = world_with_one_terminal().await;
    assert!(installed_database(&world.dir.path().join("no-such-folder")).unwrap().is_none());
    let file = world.write("a-file", b"no folder");
    assert_eq!(installed_database(&file).unwrap_err().code(), "disk_failed");

    let current = terminal.folder.join("current");
    for (harm, code) in [("garbage", "state_damaged"), ("", "state_damaged"), ("99", "disk_failed")] {
        fs::write(&current, harm).unwrap();
        assert_eq!(installed_database(&terminal.folder).unwrap_err().code(), code, "`{harm}`");
        terminal.agent.update().await.unwrap();
        assert_eq!(terminal.runs(), [at("acme/stable", 1)], "`{harm}` is healed");
    }
    fs::remove_dir_all(terminal.folder.join("gen")).unwrap();
    assert_eq!(installed_database(&terminal.folder).unwrap_err().code(), "disk_failed");
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);

    let database = installed_database(&terminal.folder).unwrap().unwrap();
    fs::remove_file(&database).unwrap();
    fs::create_dir(&database).unwrap();
    assert_eq!(installed_database(&terminal.folder).unwrap_err().code(), "state_damaged");
}

/// What the disk harms while the assigned release is held back is made again, of the release that was gone back to.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_installation_is_mended_while_the_assigned_release_is_held_back() {
    let (world, terminal) = world_with_one_terminal().await;
    let maker = updater::maker::Maker::open(&world.dir.path().join("makers/acme")).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..200).await;
    terminal.agent.update().await.unwrap();
    terminal.agent.rollback().unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack);
    let folder = &terminal.folder;
    let harms: [(&str, &dyn Fn()); 8] = [
        ("an empty current", &|| fs::write(folder.join("current"), "").unwrap()),
        ("a current of no generation", &|| fs::write(folder.join("current"), "99").unwrap()),
        ("a missing current", &|| fs::remove_file(folder.join("current")).unwrap()),
        ("a missing database", &|| fs::remove_file(installed_database(folder).unwrap().unwrap()).unwrap()),
        ("a harmed database", &|| fs::write(installed_database(folder).unwrap().unwrap(), "x").unwrap()),
        ("a folder in place of the database", &|| {
            let database = installed_database(folder).unwrap().unwrap();
            fs::remove_file(&database).unwrap();
            fs::create_dir(&database).unwrap();
        }),
        ("no generations", &|| fs::remove_dir_all(folder.join("gen")).unwrap()),
        ("no generations and no blobs", &|| {
            fs::remove_dir_all(folder.join("gen")).unwrap();
            fs::remove_dir_all(folder.join("store")).unwrap();
        }),
    ];
    for (what, harm) in harms {
        harm();
        assert!(terminal.status().damage.is_some(), "{what} is told");
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.outcome, Outcome::Installed, "{what}");
        assert_eq!(terminal.runs(), [at("acme/stable", 1)], "{what} is mended");
        assert_eq!(terminal.status().damage, None);
        assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack, "{what}");
    }
}

/// Small files that can be made anew do not stand in the way of updates; those that protect do.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_side_files_are_set_aside() {
    let (world, terminal) = world_with_one_terminal().await;
    let generation = terminal.status().generation.unwrap();
    let probation = format!("gen/{generation}/probation.json");
    let names = [
        "faults.json",
        "held.json",
        "staged.json",
        "contact.json",
        "clean.json",
        "refused-deltas.json",
        "poll.json",
        &probation,
    ];
    for content in ["", "{", "7"] {
        for name in names {
            fs::write(terminal.folder.join(name), content).unwrap();
        }
        let status = terminal.status();
        assert_eq!((status.damage.unwrap().code.as_str(), status.channels.len()), ("state_damaged", 1), "the rest is told");
        terminal.agent.update().await.unwrap();
        for name in names {
            assert_eq!(fs::read_to_string(terminal.folder.join(format!("{name}.damaged"))).unwrap(), content, "{name}");
        }
        assert!(terminal.status().damage.is_none());
    }
    assert!(world.reported("state_damaged").await >= 3);
    for name in ["assignments.json", "trusted.json", "identity.json"] {
        let path = terminal.folder.join(name);
        let kept = fs::read(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(terminal.agent.update_fully().await.unwrap_err().code(), "state_damaged", "{name}");
        fs::write(&path, kept).unwrap();
    }
    terminal.agent.update_fully().await.unwrap();
}

/// A counter that was lost or rolled back: a virtual machine that was restored, a file that was removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_restored_counter_locks_nobody_out() {
    let (world, terminal) = world_with_one_terminal().await;
    let lose = |counter: &Path, case: u32| match case {
        0 => fs::remove_file(counter).unwrap(),
        1 => fs::write(counter, "1").unwrap(),
        _ => fs::write(counter, "garbage").unwrap(),
    };
    let maker = updater::maker::Maker::open(&world.dir.path().join("makers/acme")).unwrap();
    let discovered = "2026-11-10".parse().unwrap();
    let news = ThreatNews { threat: "x".to_owned(), danger: Danger::Low, discovered, expected: None, vaccine: None };
    maker.news(&world.url, &news).await.unwrap();
    for case in 0..3 {
        lose(&terminal.folder.join("counter"), case);
        terminal.agent.update().await.unwrap();
        lose(&world.dir.path().join("makers/acme/counter"), case);
        maker.news(&world.url, &news).await.unwrap();
    }
    // A counter that ran ahead of the clock goes on from there.
    fs::write(terminal.folder.join("counter"), (1_u64 << 60).to_string()).unwrap();
    for _ in 0..2 {
        terminal.agent.update().await.unwrap();
    }
    assert!(fs::read_to_string(terminal.folder.join("counter")).unwrap().parse::<u64>().unwrap() > 1 << 60);
}

/// A clock that was ahead by centuries, and then the counter that it led to is lost: the service says where it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_was_lost_after_a_wrong_clock_is_told_by_the_service() {
    let (world, terminal) = world_with_one_terminal().await;
    let maker = updater::maker::Maker::open(&world.dir.path().join("makers/acme")).unwrap();
    let discovered = "2026-11-10".parse().unwrap();
    let news = ThreatNews { threat: "x".to_owned(), danger: Danger::Low, discovered, expected: None, vaccine: None };
    let (own, makers) = (terminal.folder.join("counter"), world.dir.path().join("makers/acme/counter"));
    let read = |path: &Path| fs::read_to_string(path).unwrap().parse::<u64>().unwrap();
    for counter in [&own, &makers] {
        fs::write(counter, (1_u64 << 62).to_string()).unwrap();
    }
    terminal.agent.update_fully().await.unwrap();
    maker.news(&world.url, &news).await.unwrap();
    for counter in [&own, &makers] {
        fs::remove_file(counter).unwrap();
    }
    terminal.agent.update_fully().await.unwrap();
    maker.news(&world.url, &news).await.unwrap();
    assert!(read(&own) > 1 << 62 && read(&makers) > 1 << 62);
    // A counter that no table takes is as good as lost, and does no harm to others.
    fs::write(&own, u64::MAX.to_string()).unwrap();
    terminal.agent.update_fully().await.unwrap();
    terminal.agent.update().await.unwrap();
    assert!((1 << 62..1 << 63).contains(&read(&own)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_key_with_a_new_token_enrols_as_the_same_terminal() {
    let (world, terminal) = world_with_one_terminal().await;
    let number = terminal.status().terminal.unwrap();
    fs::remove_file(terminal.folder.join("identity.json")).unwrap();
    let token = world.operator.enrolment_token().await.unwrap();
    let channels = vec!["acme/stable".parse().unwrap()];
    let mut enrolment = Enrolment::of_this_machine(world.url.clone(), token, channels);
    enrolment.hardware = "rebuilt".to_owned();
    let agent: &Agent = &terminal.agent;
    assert_eq!(agent.enroll(&enrolment).await.unwrap(), number);
    let rows = world.operator.terminals().await.unwrap();
    assert_eq!((rows.len(), rows[0].facts.hardware.as_str()), (1, "rebuilt"));
    agent.update().await.unwrap();

    // The token is used up by it.
    let other = world.stranger("two");
    assert_eq!(other.agent.enroll(&enrolment).await.unwrap_err().code(), "enrolment_token_refused");
}
