//! A terminal's state that was harmed or lost: it is told apart from an empty one, and the next update heals it.

use crate::support::{Terminal, World, at};
use std::fs;
use updater::installed_database;
use updater::wire::Designation;

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
