//! Root and the keys of the service: changed in band, from elsewhere from the beginning, and a service that was restored from an old copy.

use crate::support::{World, at, config, make_schema, run_on_postgres};
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::root::{Changes, RootFile, RootRole};
use updater::service::{Config, serve};
use updater::wire::Designation;

fn key(path: &Path) -> SigningKey {
    SigningKey::load_or_create(&Disk::default(), path).unwrap()
}

fn root_file(world: &World, version: u64) -> RootFile {
    RootFile::read(&fs::read(world.object(&format!("metadata/{version}.root.json"))).unwrap()).unwrap()
}

async fn refusal(config: Config) -> &'static str {
    serve(config, std::future::pending()).await.unwrap_err().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn root_goes_from_one_holder_to_two_of_three_and_every_online_key_changes() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();

    let holders = [2, 3].map(|n| key(&world.dir.path().join(format!("holder-{n}.pk8"))));
    let first = root_file(&world, 1);
    let mut changes = Changes {
        add: holders.iter().map(|holder| (RootRole::Root, holder.public())).collect(),
        thresholds: vec![(RootRole::Root, NonZeroU64::new(2).unwrap())],
        ..Changes::default()
    };
    for role in RootRole::ONLINE {
        let spare = world.operator.role_key(role).await.unwrap();
        assert_eq!(world.operator.role_key(role).await.unwrap(), spare, "asked twice, there is one spare key");
        changes.remove.extend(first.keys(role).0.into_iter().map(|old| (role, old)));
        changes.add.push((role, spare));
    }
    let mut next = first.next(&changes, 365).unwrap();
    let put = async |root: &RootFile| world.operator.put_root(root.bytes().unwrap()).await;
    assert_eq!(put(&next).await.unwrap_err().code(), "metadata_unsigned");
    next.sign(Some(&first), &holders[0]).unwrap();
    next.sign(Some(&first), &holders[1]).unwrap();
    assert_eq!(put(&next).await.unwrap_err().code(), "metadata_unsigned");
    assert!(!world.object("metadata/2.root.json").exists());
    next.sign(Some(&first), &key(&world.dir.path().join("service/root-keys/root.pk8"))).unwrap();
    assert_eq!(put(&next).await.unwrap(), 2);
    assert_eq!(put(&next).await.unwrap(), 2);

    // A root whose keys the service does not hold would leave nobody to sign.
    let foreign = Changes {
        add: vec![(RootRole::Timestamp, holders[0].public())],
        remove: vec![(RootRole::Timestamp, next.keys(RootRole::Timestamp).0[0])],
        ..Changes::default()
    };
    let mut unheld = next.next(&foreign, 365).unwrap();
    for holder in &holders {
        unheld.sign(Some(&next), holder).unwrap();
    }
    assert_eq!(put(&unheld).await.unwrap_err().code(), "role_key_missing");

    world.publish(&maker, "acme/stable", 2, 0..110).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    let newcomer = world.terminal("two", &["acme/stable"], Designation::Own).await;
    newcomer.agent.update().await.unwrap();

    // The old keys and the root key can go, and the service starts without them. One root more comes as a file in its data.
    let mut third = next.next(&Changes::default(), 30).unwrap();
    for holder in &holders {
        third.sign(Some(&next), holder).unwrap();
    }
    world
        .restart(|data| {
            fs::remove_dir_all(data.join("root-keys")).unwrap();
            for role in RootRole::ONLINE {
                fs::remove_file(data.join(format!("keys/{role}.pk8"))).unwrap();
            }
            fs::write(data.join("next-root.json"), third.bytes().unwrap()).unwrap();
        })
        .await;
    assert!(!world.dir.path().join("service/next-root.json").exists());
    assert_eq!(root_file(&world, 3).version(), 3);
    let late = world.terminal("three", &["acme/stable"], Designation::Own).await;
    late.agent.update().await.unwrap();
    assert_eq!(late.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_online_key_is_replaced_by_a_root_in_the_data() {
    let mut world = World::new().await;
    world.stop().await;
    let data = world.dir.path().join("service");
    fs::remove_file(data.join("keys/timestamp.pk8")).unwrap();
    let found = key(&data.join("keys/timestamp.new.pk8"));
    let first = root_file(&world, 1);
    let changes = Changes {
        add: vec![(RootRole::Timestamp, found.public())],
        remove: vec![(RootRole::Timestamp, first.keys(RootRole::Timestamp).0[0])],
        ..Changes::default()
    };
    let mut next = first.next(&changes, 365).unwrap();
    assert_eq!(refusal(config(world.dir.path())).await, "role_key_unlisted");
    fs::write(data.join("next-root.json"), next.bytes().unwrap()).unwrap();
    assert_eq!(refusal(config(world.dir.path())).await, "metadata_unsigned");
    next.sign(Some(&first), &key(&data.join("root-keys/root.pk8"))).unwrap();
    fs::write(data.join("next-root.json"), next.bytes().unwrap()).unwrap();
    world.start().await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_made_elsewhere_before_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    make_schema(dir.path()).await;
    let data = dir.path().join("service");
    fs::create_dir_all(data.join("keys")).unwrap();
    let holder = key(&dir.path().join("holder.pk8"));
    let online = RootRole::ONLINE.map(|role| (role, key(&data.join(format!("keys/{role}.pk8"))).public()));
    let mut root = RootFile::first(&[&[(RootRole::Root, holder.public())], &online[..]].concat(), 365).unwrap();
    fs::write(data.join("next-root.json"), root.bytes().unwrap()).unwrap();
    assert_eq!(refusal(config(dir.path())).await, "metadata_unsigned");
    root.sign(None, &holder).unwrap();
    fs::write(data.join("next-root.json"), root.bytes().unwrap()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = serve(config(dir.path()), async { _ = stopped.await }).await.unwrap();
    assert!(!data.join("root-keys/root.pk8").exists(), "no root key is ever here");
    assert_eq!(fs::read(data.join("objects/metadata/1.root.json")).unwrap(), root.bytes().unwrap());
    stop.send(()).unwrap();
    running.finished().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_restored_from_an_old_copy_does_not_sign() {
    let mark = tempfile::tempdir().unwrap();
    let with_mark = |config| Config { mark_file: Some(mark.path().join("mark.json")), ..config };
    let mut world = World::with(with_mark).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    world.stop().await;
    let data = world.dir.path().join("service");
    let backup = world.dir.path().join("backup");
    let files = ["titer.sqlite3", "titer.sqlite3-wal", "titer.sqlite3-shm"];
    fs::create_dir_all(&backup).unwrap();
    for file in files.iter().filter(|file| data.join(file).exists()) {
        fs::copy(data.join(file), backup.join(file)).unwrap();
    }
    run_on_postgres(world.dir.path(), "CREATE TABLE backup AS TABLE metadata").await;
    fs::copy(data.join("objects/mark.json"), backup.join("mark.json")).unwrap();
    world.start().await;
    world.publish(&maker, "acme/stable", 2, 0..110).await;
    world.stop().await;
    let newest = fs::read(data.join("objects/metadata/timestamp.json")).unwrap();

    // The tables alone: the mark beside the objects tells.
    for file in files {
        _ = fs::remove_file(data.join(file));
        _ = fs::copy(backup.join(file), data.join(file));
    }
    run_on_postgres(world.dir.path(), "TRUNCATE metadata; INSERT INTO metadata SELECT * FROM backup").await;
    assert_eq!(refusal(config(world.dir.path())).await, "signer_behind");
    // The objects' mark as well, as when the whole folder is restored: the mark on another disk tells.
    fs::copy(backup.join("mark.json"), data.join("objects/mark.json")).unwrap();
    fs::write(mark.path().join("mark.json"), br#"{"timestamp":1000}"#).unwrap();
    assert_eq!(refusal(with_mark(config(world.dir.path()))).await, "signer_behind");
    fs::write(mark.path().join("mark.json"), b"{").unwrap();
    assert_eq!(refusal(with_mark(config(world.dir.path()))).await, "mark_unreadable");
    assert_eq!(fs::read(data.join("objects/metadata/timestamp.json")).unwrap(), newest, "nothing was signed");
}
