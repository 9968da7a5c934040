//! Deltas: which are made, which way is taken, and what happens when an index, a delta or the blob it is for is wrong.

use crate::support::fault::{Fault, FaultProxy};
use crate::support::{Terminal, World, at, blob};
use patternc::blob::diff;
use serde_json::{Value, json};
use std::fs;
use updater::agent::{Outcome, Transfer};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::Maker;
use updater::wire::{Designation, Sha256Hex};

struct Scene {
    world: World,
    maker: Maker,
    proxy: FaultProxy,
    terminal: Terminal,
    /// The blob that the terminal has.
    first: Vec<u8>,
}

impl Scene {
    /// A terminal with release 1 behind a proxy that has forgotten how it came.
    async fn new() -> Scene {
        let world = World::new().await;
        let maker = world.maker("acme").await;
        let first = world.publish(&maker, "acme/stable", 1, 0..2000).await;
        let proxy = FaultProxy::before(&world.url).await;
        let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
        terminal.asks(&proxy.url);
        terminal.agent.update().await.unwrap();
        proxy.forget();
        Scene { world, maker, proxy, terminal, first }
    }

    async fn publish(&self, release: u64, signatures: std::ops::Range<u32>) -> Vec<u8> {
        self.world.publish(&self.maker, "acme/stable", release, signatures).await
    }

    /// An index in the service's name, though not of its making.
    fn signed(&self, index: &Value) -> Vec<u8> {
        self.signed_by("timestamp", index)
    }

    fn signed_by(&self, role: &str, index: &Value) -> Vec<u8> {
        let path = self.world.dir.path().join("service/keys").join(role).with_extension("pk8");
        let key = SigningKey::load(&Disk::default(), &path).unwrap();
        let text = index.to_string();
        let signature = hex(&key.sign(format!("titer-delta-index-v1\n{text}").as_bytes()));
        json!({ "index": text, "signature": signature }).to_string().into_bytes()
    }

    /// An index that knows one delta from the first blob to `to`.
    fn index(&self, to: &[u8], delta: &[u8]) -> Value {
        let node = |blob: &[u8], release| json!({ "sha256": Sha256Hex::of(blob), "release": release, "length": blob.len() });
        json!({
            "to": Sha256Hex::of(to),
            "nodes": [node(to, 2), node(&self.first, 1)],
            "edges": [{ "from": 1, "to": 0, "sha256": Sha256Hex::of(delta), "length": delta.len() }],
        })
    }

    /// The next update takes the whole blob for the reason `code`, which the service hears; while that blob cannot be had, later
    /// ones do not ask for what was refused.
    async fn is_refused_once(&self, code: &str, delta_requests: usize, second: &[u8]) {
        self.proxy.once("/targets/", Fault::Answer(500, Vec::new(), "{}"));
        self.terminal.agent.update().await.unwrap_err();
        assert_eq!(self.proxy.seen("/v1/deltas/").len(), delta_requests, "{code}");
        self.proxy.forget();
        let report = self.terminal.agent.update().await.unwrap();
        assert_eq!(report.outcome, Outcome::Installed, "{code}");
        assert_eq!(report.channels[0].transfer, Transfer::Full, "{code}");
        assert_eq!(self.terminal.runs(), [at("acme/stable", 2)]);
        assert_eq!(self.proxy.body_sent("/targets/"), second.len() as u64, "one whole download");
        let deltas = self.proxy.seen("/v1/deltas/").iter().filter(|seen| seen.path.matches('/').count() == 4).count();
        assert_eq!(deltas, 0, "{code} is not tried again");
        assert!(delta_requests == 2 || self.proxy.seen("/v1/deltas/").is_empty(), "nor is an index");
        let noted = fs::read_to_string(self.terminal.folder.join("refused-deltas.json")).unwrap();
        assert!(noted.contains(code), "{noted}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn index_is_refused(code: &str, make: impl Fn(&Scene, &[u8]) -> Vec<u8>) {
    let scene = Scene::new().await;
    let second = scene.publish(2, 10..2010).await;
    scene.proxy.always(&format!("/v1/deltas/{}", Sha256Hex::of(&second)), Fault::Replace(make(&scene, &second)));
    scene.is_refused_once(code, 1, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_index_that_nobody_signed() {
    index_is_refused("delta_index_unsigned", |scene, second| scene.signed_by("snapshot", &scene.index(second, b"delta")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_index_that_is_none() {
    index_is_refused("delta_index_malformed", |_, _| b"[]".to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_index_for_another_blob() {
    index_is_refused("delta_index_other_target", |scene, _| {
        scene.signed(&scene.index(&blob("acme/stable", 2, 0..9), b"delta"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_index_with_a_circle() {
    index_is_refused("delta_index_circle", |scene, second| {
        let mut index = scene.index(second, b"delta");
        let mut back = index["edges"][0].clone();
        (back["from"], back["to"]) = (json!(0), json!(1));
        index["edges"].as_array_mut().unwrap().push(back);
        scene.signed(&index)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_index_without_an_end() {
    index_is_refused("delta_index_too_large", |scene, second| {
        let mut index = scene.index(second, b"delta");
        let edge = index["edges"][0].clone();
        index["edges"].as_array_mut().unwrap().extend(vec![edge; 2000]);
        scene.signed(&index)
    })
    .await;
}

/// The delta of a signed index is what it says, and does not lead where it should.
async fn delta_is_refused(code: &str, make: impl Fn(&Scene, &[u8]) -> Vec<u8>) {
    let scene = Scene::new().await;
    let second = scene.publish(2, 10..2010).await;
    let delta = make(&scene, &second);
    let to = Sha256Hex::of(&second);
    scene.proxy.always(&format!("{}/{to}", Sha256Hex::of(&scene.first)), Fault::Replace(delta.clone()));
    scene.proxy.always(&format!("/v1/deltas/{to}"), Fault::Replace(scene.signed(&scene.index(&second, &delta))));
    scene.is_refused_once(code, 2, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_with_the_right_digest_from_another_release() {
    delta_is_refused("delta_wrong_base", |_, second| diff(&blob("acme/stable", 1, 0..1999), second).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_with_the_right_digest_to_another_release() {
    delta_is_refused("delta_wrong_result", |scene, _| diff(&scene.first, &blob("acme/stable", 2, 0..1999)).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_is_none() {
    delta_is_refused("delta_header", |_, _| b"no delta at all".to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_forgotten_with_the_next_release() {
    let scene = Scene::new().await;
    let second = scene.publish(2, 10..2010).await;
    scene.proxy.always(&format!("/v1/deltas/{}", Sha256Hex::of(&second)), Fault::Replace(b"{}".to_vec()));
    let report = scene.terminal.agent.update().await.unwrap();
    assert_eq!(report.channels[0].delta_fault.as_deref(), Some("delta_index_malformed"));
    scene.proxy.heal();
    scene.publish(3, 20..2020).await;
    let report = scene.terminal.agent.update().await.unwrap();
    assert_eq!((report.channels[0].transfer, report.channels[0].delta_fault.as_deref()), (Transfer::Delta, None));
}

/// Only what is harmed is fetched, the delta is applied, and the blob in the store is whole again.
#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_base_is_mended() {
    let scene = Scene::new().await;
    let second = scene.publish(2, 10..2010).await;
    let path = scene.terminal.folder.join("store").join(Sha256Hex::of(&scene.first).to_string());
    let mut harmed = scene.first.clone();
    harmed[100] ^= 1;
    fs::write(&path, &harmed).unwrap();
    let report = scene.terminal.agent.update().await.unwrap();
    let channel = &report.channels[0];
    assert_eq!((channel.transfer, channel.delta_fault.as_deref()), (Transfer::Delta, None));
    assert!(channel.bytes_fetched * 4 < second.len() as u64, "{channel:?}");
    assert!(scene.proxy.body_sent("/targets/") < 2000);
    assert_eq!(fs::read(&path).unwrap(), scene.first);
    assert_eq!(scene.terminal.runs(), [at("acme/stable", 2)]);
}

/// When most of the base is harmed, the whole new blob is the better way, and the delta is not blamed.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_beyond_repair_costs_one_whole_download() {
    let scene = Scene::new().await;
    scene.publish(2, 10..2010).await;
    let path = scene.terminal.folder.join("store").join(Sha256Hex::of(&scene.first).to_string());
    fs::write(&path, &scene.first[..scene.first.len() / 2]).unwrap();
    let report = scene.terminal.agent.update().await.unwrap();
    let channel = &report.channels[0];
    assert_eq!((channel.transfer, channel.delta_fault.as_deref()), (Transfer::Full, Some("delta_base_harmed")));
    assert!(!scene.terminal.folder.join("refused-deltas.json").exists());
}

/// A release that has nothing in common with the one before would need a delta as long as itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_delta_that_saves_little_is_not_made() {
    let scene = Scene::new().await;
    scene.publish(2, 5000..7000).await;
    let report = scene.terminal.agent.update().await.unwrap();
    assert_eq!((report.channels[0].transfer, report.channels[0].delta_fault.as_deref()), (Transfer::Full, None));
}

/// Release 1 is no base of release 4 but for the terminal that runs it; a terminal that has it without the service's knowledge takes two
/// steps.
#[tokio::test(flavor = "multi_thread")]
async fn two_deltas_where_none_leads_in_one_step() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let first = world.publish(&maker, "acme/stable", 1, 0..2000).await;
    for release in 2..=4 {
        world.publish(&maker, "acme/stable", release, 0..2000 + 5 * release as u32).await;
    }
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    fs::create_dir_all(terminal.folder.join("store")).unwrap();
    fs::write(terminal.folder.join("store").join(Sha256Hex::of(&first).to_string()), &first).unwrap();
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.channels[0].transfer, Transfer::Delta);
    assert_eq!(proxy.seen("/v1/deltas/").len(), 3, "an index and two deltas");
    assert_eq!(terminal.runs(), [at("acme/stable", 4)]);
}

/// The seeds of the fuzz target, and what the fuzzer once tripped over, replayed.
#[test]
fn seeds_of_the_index_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/delta_index");
    let mut seeds = 0;
    for seed in fs::read_dir(folder).unwrap() {
        updater::deltas::fuzz_index(&fs::read(seed.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 3);
}
