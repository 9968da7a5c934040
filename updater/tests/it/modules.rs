//! Files that releases have besides their blobs: each travels alone, and all are switched with the generation.

use crate::support::fault::{Exchange, Fault, FaultProxy};
use crate::support::{Terminal, World, at, blob, channel, export};
use std::fs;
use std::path::Path;
use updater::agent::{self, Outcome, UpdateReport};
use updater::maker::{Maker, ModuleChange, NewModule};
use updater::wire::{Designation, ModuleKind, NewSource, Platform};

fn module(world: &World, kind: ModuleKind, name: &str, content: &[u8]) -> NewModule {
    let platform = (kind == ModuleKind::Engine).then(Platform::here);
    NewModule { path: world.write(&format!("{name}.file"), content), name: name.parse().unwrap(), kind, platform }
}

fn add(modules: impl Into<Vec<NewModule>>) -> ModuleChange {
    ModuleChange { add: modules.into(), remove: Vec::new() }
}

/// A release 1 with a document, samples, and an engine for here and for elsewhere; a terminal that runs nothing yet.
async fn world_with_modules() -> (World, Maker, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let elsewhere = Some("plan9/mips".parse().unwrap());
    let modules = [
        module(&world, ModuleKind::Document, "changes.txt", b"first words"),
        module(&world, ModuleKind::Samples, "storm.bin", b"a first sample"),
        module(&world, ModuleKind::Engine, "scanner", b"the first engine"),
        NewModule { platform: elsewhere, ..module(&world, ModuleKind::Engine, "scanner-plan9", &[9; 999]) },
    ];
    let first = world.write("first.titer", &blob("acme/stable", 1, 0..100));
    maker.release_with(&first, &add(modules)).unwrap();
    maker.publish(&world.url).await.unwrap();
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    (world, maker, terminal)
}

/// Contents of what is in force, by kind and name.
fn contents(state: &Path) -> Vec<(String, String)> {
    let modules = agent::modules(state).unwrap();
    let content = |found: &agent::InstalledModule| String::from_utf8(found.read().unwrap()).unwrap();
    modules.iter().map(|found| (format!("{}/{}", found.module.kind, found.module.name), content(found))).collect()
}

fn fetched(report: &UpdateReport) -> Vec<(&str, u64)> {
    report.channels[0].modules.iter().map(|came| (came.name.as_str(), came.bytes)).collect()
}

/// Bytes of the last publication's body, and how many of them are not the role and its length.
fn published(proxy: &FaultProxy, role: &Path) -> u64 {
    let posted = proxy.seen("/releases");
    let length = |posted: &Exchange| posted.header("content-length").unwrap().parse::<u64>().unwrap();
    length(posted.last().unwrap()) - 4 - fs::metadata(role).unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_document_samples_and_engine_each_travel_alone() {
    let (world, maker, terminal) = world_with_modules().await;
    let role = world.dir.path().join("makers/acme/role.json");
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(fetched(&report), [("changes.txt", 11), ("scanner", 16), ("storm.bin", 14)]);
    assert_eq!(report.self_test.unwrap().samples, 3, "the sample is tried");
    let whole = blob("acme/stable", 1, 0..100).len() as u64;
    assert_eq!(proxy.body_sent("/targets/"), whole + 11 + 16 + 14, "nothing for another platform");

    for (kind, name, content) in [
        (ModuleKind::Document, "changes.txt", "second words, which are longer"),
        (ModuleKind::Samples, "storm.bin", "another sample"),
        (ModuleKind::Engine, "scanner", "the second engine"),
    ] {
        assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::UpToDate);
        assert!(terminal.agent.update().await.unwrap().idle, "nothing has changed");
        let change = add([module(&world, kind, name, content.as_bytes())]);
        maker.change_modules(&channel("acme/stable"), None, &change).unwrap();
        maker.publish(&proxy.url).await.unwrap();
        assert_eq!(published(&proxy, &role), content.len() as u64, "{name}: sent to the service alone");

        proxy.forget();
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.outcome, Outcome::Installed);
        assert_eq!(fetched(&report), [(name, content.len() as u64)]);
        assert_eq!(proxy.seen("/targets/").len(), 1, "{name}");
        assert_eq!(proxy.body_sent("/targets/"), content.len() as u64, "{name}: sent to the terminal alone");
        assert_eq!(proxy.seen("/v1/deltas/").len(), 0, "{name}");
        assert!(contents(&terminal.folder).contains(&(format!("{kind}/{name}"), content.to_owned())));
    }

    let second = blob("acme/stable", 2, 0..110);
    maker.release(&world.write("second.titer", &second)).unwrap();
    maker.publish(&proxy.url).await.unwrap();
    assert_eq!(published(&proxy, &role), second.len() as u64, "the blob is sent to the service alone");
    proxy.forget();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((fetched(&report), report.outcome), (vec![], Outcome::Installed));
    let sent = proxy.body_sent("/targets/") + proxy.body_sent("/v1/deltas/");
    let modules = [".document", ".samples", ".engine"].map(|kind| proxy.seen(kind).len());
    assert_eq!(modules, [0, 0, 0]);
    assert!(sent > 0 && report.channels[0].bytes_fetched <= sent);
    assert_eq!(contents(&terminal.folder).len(), 3, "release 2 has what release 1 had");
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_the_older_files_back() {
    let (world, maker, terminal) = world_with_modules().await;
    terminal.agent.update().await.unwrap();
    let before = contents(&terminal.folder);
    let remove = vec![(ModuleKind::Samples, "storm.bin".parse().unwrap())];
    let second = world.write("second.titer", &blob("acme/stable", 2, 0..110));
    let change = ModuleChange { remove, ..add([module(&world, ModuleKind::Document, "changes.txt", b"of release 2")]) };
    maker.release_with(&second, &change).unwrap();
    maker.publish(&world.url).await.unwrap();
    terminal.agent.update().await.unwrap();
    let words = |text: &str| ("document/changes.txt".to_owned(), text.to_owned());
    let after = contents(&terminal.folder);
    assert!(after.contains(&words("of release 2")) && after.len() == 2, "{after:?}");

    terminal.agent.rollback().unwrap();
    assert_eq!(contents(&terminal.folder), before);
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::HeldBack);
    assert_eq!(contents(&terminal.folder), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_that_are_not_detected_keep_a_release_out() {
    let (world, maker, terminal) = world_with_modules().await;
    terminal.agent.update().await.unwrap();
    let before = contents(&terminal.folder);
    let change = add([module(&world, ModuleKind::Samples, "storm.bin", b"unknown to the database")]);
    let second = world.write("second.titer", &blob("acme/stable", 2, 0..110));
    maker.release_with(&second, &change).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "self_test_misses");
    assert_eq!((terminal.runs(), contents(&terminal.folder)), (vec![at("acme/stable", 1)], before));
    assert_eq!(world.reported("self_test_misses").await, 1);
    let mended = add([module(&world, ModuleKind::Samples, "storm.bin", b"a sample that is known")]);
    maker.change_modules(&channel("acme/stable"), None, &mended).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Installed);
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_harmed_or_lost_come_again() {
    let (world, _maker, terminal) = world_with_modules().await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    proxy.once(".document", Fault::FlipBit(3));
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "blob_refused");
    assert_eq!((terminal.runs(), contents(&terminal.folder)), (vec![], vec![]), "all of a release or nothing");
    terminal.agent.update().await.unwrap();
    let whole = contents(&terminal.folder);
    assert_eq!(whole.len(), 3);

    let modules = agent::modules(&terminal.folder).unwrap();
    fs::remove_file(&modules[0].path).unwrap();
    fs::write(&modules[1].path, "another").unwrap();
    assert!(!agent::modules(&terminal.folder).unwrap()[0].present);
    assert_eq!(modules[1].read().unwrap_err().code(), "state_damaged");
    let report = terminal.agent.update_fully().await.unwrap();
    assert_eq!((report.outcome, fetched(&report).len()), (Outcome::UpToDate, 2));
    assert_eq!(contents(&terminal.folder), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_generation_has_is_removed() {
    let (world, maker, terminal) = world_with_modules().await;
    terminal.agent.update().await.unwrap();
    for round in 0..4 {
        let change = add([module(&world, ModuleKind::Document, "changes.txt", format!("round {round}").as_bytes())]);
        maker.change_modules(&channel("acme/stable"), None, &change).unwrap();
        maker.publish(&world.url).await.unwrap();
        terminal.agent.update().await.unwrap();
    }
    terminal.agent.update_fully().await.unwrap();
    let stored = fs::read_dir(terminal.folder.join("modules")).unwrap().count();
    let generations = fs::read_dir(terminal.folder.join("gen")).unwrap().count();
    assert_eq!(stored, 2 + generations, "samples, engine, and a document of each generation");
    assert!(generations < 5, "{generations}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_brings_them_too() {
    let (mut world, _maker, terminal) = world_with_modules().await;
    let path = world.dir.path().join("bundle");
    export(&world.url, &[], &path).await.unwrap();
    world.stop().await;
    assert_eq!(terminal.agent.import(&path).await.unwrap().update.outcome, Outcome::Installed);
    assert_eq!(contents(&terminal.folder).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_takes_them_from_a_site() {
    let (world, maker, _terminal) = world_with_modules().await;
    let second = World::new().await;
    second.operator.register_maker(&maker.registration()).await.unwrap();
    let url = world.url.join("/v1/makers/acme/site/").unwrap();
    let source = NewSource { maker: "acme".parse().unwrap(), url, every_seconds: 86400, ask: None, allow_plain: false };
    let view = second.operator.add_source(&source).await.unwrap();
    let view = second.operator.fetch_source(&view.id).await.unwrap();
    assert_eq!(view.failures, 0, "{view:?}");
    let terminal = second.terminal("two", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(contents(&terminal.folder).len(), 3);

    let site = world.dir.path().join("site");
    let exported = maker.export(&site).unwrap();
    assert_eq!((exported.new_blobs, exported.new_modules), (1, 4));
    assert_eq!(maker.export(&site).unwrap().new_modules, 0);
}

/// Posts the maker's role with these bytes after it, and returns the code of the refusal.
async fn posted(world: &World, files: &[&[u8]]) -> String {
    let role = fs::read(world.dir.path().join("makers/acme/role.json")).unwrap();
    let length = u32::try_from(role.len()).unwrap().to_le_bytes();
    let body = [&[length.as_slice(), &role], files].concat().concat();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let answer = client.post(world.url.join("/v1/makers/acme/releases").unwrap()).body(body).send().await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    answer["code"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_without_the_very_files_is_refused() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let whole = blob("acme/stable", 1, 0..100);
    let change =
        add([module(&world, ModuleKind::Document, "a", b"words"), module(&world, ModuleKind::Document, "b", b"words")]);
    maker.release_with(&world.write("new.titer", &whole), &change).unwrap();
    assert_eq!(posted(&world, &[&whole]).await, "module_refused", "it is missing");
    assert_eq!(posted(&world, &[&whole, b"word"]).await, "module_refused", "it is cut off");
    assert_eq!(posted(&world, &[&whole, b"swords"]).await, "trailing_bytes");
    assert_eq!(posted(&world, &[&whole, b"lords"]).await, "module_refused", "it has other content");
    assert_eq!(posted(&world, &[&whole, b"words", b"words"]).await, "trailing_bytes", "one content comes once");
    assert!(world.operator.releases(None).await.unwrap().is_empty(), "nothing of it is published");
    assert_eq!(posted(&world, &[&whole, b"words"]).await, "none");
    assert_eq!(world.operator.releases(None).await.unwrap()[0].modules.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_modules_are_not_signed() {
    let (world, maker, _terminal) = world_with_modules().await;
    let large = world.write("large", &[]);
    fs::File::options().write(true).open(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    let stable = channel("acme/stable");
    let of = |change: &ModuleChange| maker.change_modules(&stable, None, change).unwrap_err().code().to_owned();
    let document = module(&world, ModuleKind::Document, "x", b"x");
    assert_eq!(of(&add([NewModule { path: large, ..document.clone() }])), "module_refused");
    assert_eq!(of(&add([NewModule { path: "none".into(), ..document.clone() }])), "module_refused");
    assert_eq!(of(&add([NewModule { platform: Some(Platform::here()), ..document.clone() }])), "module_refused");
    assert_eq!(of(&add([NewModule { kind: ModuleKind::Engine, ..document.clone() }])), "module_refused");
    let unknown = ModuleChange { remove: vec![(ModuleKind::Document, "y".parse().unwrap())], add: Vec::new() };
    assert_eq!(of(&unknown), "module_refused");
    let many = (0..40).map(|n| NewModule { name: format!("n{n}").parse().unwrap(), ..document.clone() });
    assert_eq!(of(&add(many.collect::<Vec<_>>())), "metadata_refused");
    assert_eq!(maker.change_modules(&stable, Some(7), &add([document])).unwrap_err().code(), "release_not_listed");
    assert_eq!(maker.modules(&at("acme/stable", 1)).unwrap().len(), 4, "nothing was signed");
}
