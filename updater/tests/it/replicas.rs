//! Several replicas of the service on one PostgreSQL and one bucket of S3. Where the two are not to be had, as `scripts/stores` has them,
//! these pass by without a word: the same stores one by one are tested beside the code.

use crate::support::{World, at, channel, shared, tables};
use sqlx::Row;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use updater::agent::Enrolment;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::Maker;
use updater::root::{Changes, RootFile, RootRole};
use updater::service::{Config, LeaseTimes, serve};
use updater::wire::{Designation, Sha256Hex};
use url::Url;

/// How soon a replica knows what another one did, with room for a loaded machine: it looks once a second.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);

const LEASE: LeaseTimes = LeaseTimes { lost_after: Duration::from_secs(2), patience: Duration::from_mins(1) };

async fn world() -> Option<(World, impl Fn(Config) -> Config)> {
    let dir = tempfile::tempdir().unwrap();
    let bucket = shared(dir.path())?;
    let share = move |config: Config| Config { bucket: Some(bucket.clone()), lease: LEASE, ..config };
    Some((World::within(dir, &share).await, share))
}

async fn get(url: &Url, path: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let answer = client.get(url.join(path).unwrap()).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.bytes().await.unwrap().to_vec()
}

async fn publish(world: &World, maker: &Maker, url: &Url, name: &str, release: u64) {
    let blob = crate::support::blob(name, release, 0..40 + release as u32);
    maker.release(&world.write(&format!("{}-{release}.titer", name.replace('/', "-")), &blob)).unwrap();
    maker.publish(url).await.unwrap();
}

/// Every signed version in the tables, and what readers find under its name.
async fn every_version_is_the_one_that_was_signed(world: &World, urls: &[&Url]) -> usize {
    let pool = tables(world.dir.path()).await;
    let rows = sqlx::query("SELECT role, version, body FROM metadata").fetch_all(&pool).await.unwrap();
    pool.close().await;
    for row in &rows {
        let (role, version, body) = (row.get::<String, _>(0), row.get::<i64, _>(1), row.get::<Vec<u8>, _>(2));
        let file = if role == "timestamp" { "timestamp.json".to_owned() } else { format!("{version}.{role}.json") };
        for url in urls {
            assert_eq!(get(url, &format!("metadata/{file}")).await, body, "{file}");
        }
    }
    rows.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_takes_releases_and_tells_every_terminal() {
    let Some((world, share)) = world().await else { return };
    let other = world.replica(share).await;
    let maker = world.maker("acme").await;
    publish(&world, &maker, &world.url, "acme/stable", 1).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.asks(&other.url);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    for release in 2..8 {
        let (here, there) = if release % 2 == 0 { (&other.url, &world.url) } else { (&world.url, &other.url) };
        publish(&world, &maker, here, "acme/stable", release).await;
        terminal.asks(there);
        let began = Instant::now();
        while terminal.runs() != [at("acme/stable", release)] {
            assert!(began.elapsed() < KNOWN_WITHIN, "release {release} is not known to the other replica");
            terminal.agent.update().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    // Both answer the same about makers and terminals.
    assert_eq!(get(&world.url, "v1/makers/acme").await, get(&other.url, "v1/makers/acme").await);
    let rows = (world.operator.terminals().await.unwrap(), other.operator.terminals().await.unwrap());
    assert_eq!(serde_json::to_value(rows.0).unwrap(), serde_json::to_value(rows.1).unwrap());
    assert!(every_version_is_the_one_that_was_signed(&world, &[&world.url, &other.url]).await > 8);
    other.stop().await;
}

/// Four makers publish to three replicas at once: what comes out is what one service would have made of it, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn publications_at_the_same_time_are_signed_one_after_the_other() {
    let Some((world, share)) = world().await else { return };
    let others = [world.replica(&share).await, world.replica(&share).await];
    let urls = [&world.url, &others[0].url, &others[1].url];
    let names = ["acme", "best", "cure", "dose"];
    let mut makers = BTreeMap::new();
    for name in names {
        makers.insert(name, world.maker(name).await);
    }
    for round in 1..=4_u64 {
        let publish = |at: usize| {
            let (name, url) = (names[at], urls[(at + round as usize) % 3]);
            publish(&world, &makers[name], url, ["acme/s", "best/s", "cure/s", "dose/s"][at], round)
        };
        tokio::join!(publish(0), publish(1), publish(2), publish(3));
    }
    assert!(every_version_is_the_one_that_was_signed(&world, &urls).await > 16);
    let timestamp: serde_json::Value = serde_json::from_slice(&get(&world.url, "metadata/timestamp.json").await).unwrap();
    let snapshot = &timestamp["signed"]["meta"]["snapshot.json"]["version"];
    let snapshot = get(&world.url, &format!("metadata/{snapshot}.snapshot.json")).await;
    let snapshot: serde_json::Value = serde_json::from_slice(&snapshot).unwrap();
    for name in names {
        assert_eq!(snapshot["signed"]["meta"][format!("m-{name}.json")]["version"], 4, "{name}");
    }
    for other in others {
        other.stop().await;
    }
}

/// A replica that died after it recorded a publication and before it signed: another one completes it, without being asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_died_over_is_completed_by_another() {
    let Some((mut world, share)) = world().await else { return };
    let other = world.replica(share).await;
    let maker = world.maker("acme").await;
    publish(&world, &maker, &world.url, "acme/stable", 1).await;
    world.stop().await;
    let before = get(&other.url, "metadata/timestamp.json").await;
    let pool = tables(world.dir.path()).await;
    let dead = "UPDATE leases SET holder = 'dead', lags = 1, fence = fence + 1";
    sqlx::query(dead).execute(&pool).await.unwrap();
    pool.close().await;
    let began = Instant::now();
    while get(&other.url, "metadata/timestamp.json").await == before {
        assert!(began.elapsed() < KNOWN_WITHIN + 3 * LEASE.lost_after, "nobody completes it");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    publish(&world, &maker, &other.url, "acme/stable", 2).await;
    every_version_is_the_one_that_was_signed(&world, &[&other.url]).await;
    other.stop().await;
}

/// Root changes at one replica: the other signs with what the new root counts, once its keys are there, and not before.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_one_replica_took_is_followed_by_the_others() {
    let Some((world, share)) = world().await else { return };
    let other = world.replica(share).await;
    let maker = world.maker("acme").await;
    publish(&world, &maker, &world.url, "acme/stable", 1).await;
    let spare = world.operator.role_key(RootRole::Timestamp).await.unwrap();
    let first = get(&world.url, "metadata/1.root.json").await;
    let first = RootFile::read(&first).unwrap();
    let data = world.dir.path().join("service");
    let root_key = SigningKey::load(&Disk::default(), &data.join("root-keys/root.pk8")).unwrap();
    let (listed, _) = first.keys(RootRole::Timestamp);
    let change = Changes {
        remove: vec![(RootRole::Timestamp, listed[0])],
        add: vec![(RootRole::Timestamp, spare)],
        ..Changes::default()
    };
    let mut next = first.next(&change, 365).unwrap();
    next.sign(Some(&first), &root_key).unwrap();
    world.operator.put_root(next.bytes().unwrap()).await.unwrap();
    let blob = crate::support::blob("acme/stable", 2, 0..50);
    maker.release(&world.write("two.titer", &blob)).unwrap();
    assert_eq!(maker.publish(&other.url).await.unwrap_err().code(), "role_key_missing");
    crate::support::copy(&data.join("keys"), &other.data.join("keys"));
    maker.publish(&other.url).await.unwrap();
    let token = other.operator.enrolment_token().await.unwrap();
    let terminal = world.stranger("new");
    let enrolment = Enrolment {
        designation: Designation::Own,
        ..Enrolment::of_this_machine(other.url.clone(), token, vec![channel("acme/stable")])
    };
    terminal.agent.enroll(&enrolment).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    other.stop().await;
}

/// Tables with the files of another service, or with none.
#[tokio::test(flavor = "multi_thread")]
async fn tables_without_their_objects_are_refused() {
    let Some((world, share)) = world().await else { return };
    let refusal = async |change: &dyn Fn(Config) -> Config| {
        let data_dir = world.dir.path().join("elsewhere");
        crate::support::copy(&world.dir.path().join("service/keys"), &data_dir.join("keys"));
        let config = change(Config { data_dir, ..crate::support::config(world.dir.path()) });
        serve(config, std::future::pending()).await.unwrap_err().code()
    };
    assert_eq!(refusal(&|config| config).await, "objects_lost", "a folder of its own");
    let empty = format!("s3://titer/{}", Sha256Hex::of(world.dir.path().to_str().unwrap().as_bytes()));
    assert_eq!(refusal(&|config| Config { bucket: Some(empty.parse().unwrap()), ..share(config) }).await, "objects_lost");
    let nowhere = || "s3://no-such-bucket-here/x".parse().unwrap();
    assert_eq!(refusal(&|config| Config { bucket: Some(nowhere()), ..share(config) }).await, "objects_failed");
}
