//! Valid parts put together wrongly, parts that are kept back, and makers who go too far (rows 11, 12, 17, 19, 25).

use super::forge::{Forge, serve};
use super::{Safe, Stage};
use crate::support::fault::Fault;
use crate::support::{at, blob};
use std::fs;
use updater::agent::Transfer;
use updater::maker::Maker;
use updater::wire::Designation;

/// Every file was signed and published, for another release, another channel or another maker.
#[tokio::test(flavor = "multi_thread")]
async fn mix_and_match_of_valid_parts() {
    let stage = Stage::with(&["acme/beta", "acme/stable", "best/stable"], Designation::Own).await;
    let clean = stage.template();
    let forge = Forge::of(&stage.world);
    let metadata = |name: String| fs::read(stage.world.object("metadata").join(name)).unwrap();
    let file = |role: &str, back: u64| metadata(format!("{}.{role}.json", forge.version(role) - back));
    let path = |role: &str| format!("/metadata/{}.{role}.json", forge.version(role));
    // Top roles of two states: nothing is installed at all.
    for role in ["snapshot", "targets"] {
        stage.proxy.always(&path(role), Fault::Serve(file(role, 1)));
        stage.refuses_any(&["metadata_refused", "answer_too_long"], role).await;
        stage.proxy.heal();
        stage.restore(&clean);
    }
    // Makers' roles and blobs: the channel that it concerns stays, the others go on.
    let path_of = |channel: &str| format!("/targets/m/{channel}/");
    let blob_of = |channel: &str, release: u64| {
        let role = &forge.roles[&format!("m-{}", channel.split_once('/').unwrap().0)];
        let digest = role["targets"][format!("m/{channel}/{release}.titer")]["hashes"]["sha256"].as_str().unwrap();
        fs::read(stage.world.object(&format!("o/{digest}"))).unwrap()
    };
    stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
    for (what, part, bytes, hit) in [
        ("the maker's role of before", path("m-best"), file("m-best", 1), "best/stable"),
        ("another maker's role", path("m-best"), file("m-acme", 0), "best/stable"),
        ("the release before", path_of("acme/stable"), blob_of("acme/stable", 1), "acme/stable"),
        ("another channel's release", path_of("acme/stable"), blob_of("acme/beta", 2), "acme/stable"),
        ("another maker's release", path_of("acme/stable"), blob_of("best/stable", 2), "acme/stable"),
    ] {
        stage.proxy.always(&part, Fault::Serve(bytes));
        stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
        let report = stage.terminal.agent.update().await.unwrap();
        let codes = report.faults.iter().map(|fault| (fault.channel.as_str(), fault.code.as_str())).collect::<Vec<_>>();
        let possible = ["blob_refused", "answer_too_long", "metadata_refused", "service_unreachable"];
        assert!(codes.len() == 1 && codes[0].0 == hit && possible.contains(&codes[0].1), "{what}: {codes:?}");
        let expected = ["acme/beta", "acme/stable", "best/stable"].map(|name| at(name, if name == hit { 1 } else { 2 }));
        assert_eq!(stage.terminal.runs(), expected, "{what}");
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}

/// The same of segments: a delta of other releases leads to none that was signed.
#[tokio::test(flavor = "multi_thread")]
async fn mix_and_match_of_a_delta() {
    let stage = Stage::new().await;
    stage.world.publish(&stage.maker, "acme/stable", 3, 9..1109).await;
    let deltas = fs::read_dir(stage.world.object("o")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let deltas = deltas.filter(|bytes| bytes.starts_with(b"TITERDL\n")).collect::<Vec<_>>();
    assert_eq!(deltas.len(), 3, "1 to 2, 1 to 3, 2 to 3");
    let newest = newest_blob(&stage, 3);
    let clean = stage.template();
    let mut refused = Vec::new();
    for delta in deltas {
        stage.serve_delta(&newest, 3, &delta);
        let report = stage.terminal.agent.update().await.unwrap();
        let channel = &report.channels[0];
        assert_eq!(channel.transfer == Transfer::Delta, channel.delta_fault.is_none());
        refused.extend(channel.delta_fault.clone());
        assert_eq!(stage.terminal.runs(), [at("acme/stable", 3)]);
        stage.proxy.heal();
        stage.restore(&clean);
    }
    refused.sort();
    assert_eq!(refused, ["delta_wrong_base", "delta_wrong_result"], "only the delta from 1 to 3 is one");
}

fn newest_blob(stage: &Stage, release: u64) -> Vec<u8> {
    let targets = &Forge::of(&stage.world).roles["m-acme"]["targets"];
    let digest = targets[format!("m/acme/stable/{release}.titer")]["hashes"]["sha256"].as_str().unwrap();
    fs::read(stage.world.object(&format!("o/{digest}"))).unwrap()
}

/// Once a terminal saw a maker in a snapshot, no later one may be without them; to one that is new, it is that maker's fault alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_drops_a_maker() {
    let stage = Stage::with(&["acme/stable", "best/stable"], Designation::Own).await;
    let mut forge = Forge::of(&stage.world);
    let files = forge.files();
    forge.edit("snapshot", |snapshot| _ = snapshot["meta"].as_object_mut().unwrap().remove("m-best.json"));
    let dropped = forge.finish(files);
    serve(&stage.proxy, dropped.clone());
    stage.refuses("metadata_rolled_back", "a known maker").await;
    stage.honest_cycle_at(100).await;

    let fresh = stage.world.terminal("two", &["acme/stable", "best/stable"], Designation::Own).await;
    stage.proxy.heal();
    fresh.asks(&stage.proxy.url);
    serve(&stage.proxy, dropped);
    let report = fresh.agent.update().await.unwrap();
    assert_eq!((report.faults.len(), report.faults[0].code.as_str()), (1, "release_not_listed"));
    assert_eq!(fresh.runs(), [at("acme/stable", 2)]);
    stage.proxy.heal();
    fresh.agent.update().await.unwrap_err();
}

/// An assignment brings a product that this terminal did not subscribe to, alone or beside its own; also one of its own maker, who may
/// have products with fewer signatures.
#[tokio::test(flavor = "multi_thread")]
async fn an_unwanted_product_is_assigned() {
    let stage = Stage::new().await;
    let best = stage.world.maker("best").await;
    for channel in ["best/stable", "best/other", "acme/other"] {
        let maker = if channel.starts_with("acme") { &stage.maker } else { &best };
        stage.world.publish(maker, channel, 1, 0..50).await;
        stage.terminal.is_told(&stage.world, &[at(channel, 1)]).await;
        stage.refuses("assignment_not_accepted", channel).await;

        let clean = stage.template();
        stage.terminal.is_told(&stage.world, &[at("acme/stable", 2), at(channel, 1)]).await;
        let report = stage.terminal.agent.update().await.unwrap();
        assert_eq!(report.faults[0].code, "assignment_not_accepted");
        assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)], "its own goes on");
        stage.restore(&clean);
    }
    stage.terminal.asks(&stage.world.url);
    stage.honest_cycle().await;
}

/// Whoever has a maker's key can publish what that maker could. What is left in their way: every terminal's own test, other makers' names,
/// and that releases only grow; and the way back is a rollback by hand, or the maker's next release.
#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_makers_key() {
    let stage = Stage::new().await;
    stage.honest_cycle().await;
    let honest = Safe::of(&stage.terminal);
    let clean = stage.template();
    let makers = stage.world.dir.path().join("makers/acme");
    let thief = stage.world.dir.path().join("thief");
    super::copy(&makers, &thief);
    let thief = Maker::open(&thief).unwrap();

    // Not in another maker's name, and nothing that is no database.
    let foreign = thief.release(&stage.world.write("x.titer", &blob("best/stable", 9, 0..9))).unwrap_err();
    assert_eq!(foreign.code(), "channel_foreign");
    let garbage = thief.release(&stage.world.write("x.titer", b"garbage")).unwrap_err();
    assert_eq!(garbage.code(), "blob_refused");

    // One that flags the system's own files does not pass any terminal's test.
    let bad = blob("acme/stable", 3, 0..7);
    stage.terminal.engine.refuse(&bad);
    thief.release(&stage.world.write("x.titer", &bad)).unwrap();
    thief.publish(&stage.world.url).await.unwrap();
    assert_eq!(stage.terminal.agent.update().await.unwrap_err().code(), "self_test_failed");
    assert_eq!(Safe::of(&stage.terminal), honest);

    // One that passes, and detects nothing, is in force until somebody goes back from it.
    let blind = blob("acme/stable", 4, 0..1);
    thief.release(&stage.world.write("x.titer", &blind)).unwrap();
    thief.publish(&stage.world.url).await.unwrap();
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 4)], "this is what a stolen key can do");
    stage.terminal.agent.rollback().unwrap();
    assert_eq!(stage.terminal.runs(), honest.runs);
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), honest.runs, "it does not come back");

    // The maker goes on from what was published.
    super::copy(&stage.world.dir.path().join("thief"), &makers);
    let maker = Maker::open(&makers).unwrap();
    stage.world.publish(&maker, "acme/stable", 5, 0..500).await;
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 5)]);
    drop(clean);
}

/// Of several channels one is kept back, by any of its files: the others are installed, and the report declares which is missing.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_channels_is_withheld() {
    let stage = Stage::with(&["acme/stable", "best/stable", "cool/stable"], Designation::Own).await;
    let clean = stage.template();
    for (part, fault, code) in [
        (".m-best.json", Fault::Answer(404, Vec::new(), ""), "http_404"),
        (".m-best.json", Fault::NoAnswer, "service_unreachable"),
        ("/targets/m/best/", Fault::Answer(404, Vec::new(), ""), "http_404"),
        ("/targets/m/best/", Fault::FlipBit(300), "blob_refused"),
    ] {
        stage.proxy.always(part, fault);
        stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
        let report = stage.terminal.agent.update().await.unwrap();
        assert_eq!((report.faults.len(), report.faults[0].code.as_str()), (1, code), "{part}");
        assert_eq!(report.faults[0].channel.as_str(), "best/stable");
        let expected = [at("acme/stable", 2), at("best/stable", 1), at("cool/stable", 2)];
        assert_eq!(stage.terminal.runs(), expected, "{part} {code}");
        let row = &stage.world.operator.terminals().await.unwrap()[0];
        assert_eq!(row.applied, expected, "the operator sees it");
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}
