//! Objects that the service lost: they are noticed, named, and come again with the next publication.

use crate::support::site::Site;
use crate::support::{World, at, blob};
use std::fs;
use std::path::PathBuf;
use updater::maker::{Maker, ModuleChange, NewModule};
use updater::wire::{Designation, ModuleKind, NewSource, Sha256Hex};

const DOCUMENT: &[u8] = b"what is new";

fn object(world: &World, content: &[u8]) -> PathBuf {
    world.object(&format!("o/{}", Sha256Hex::of(content)))
}

/// A maker with two releases, the second with a document.
async fn world_with_two_releases() -> (World, Maker, [Vec<u8>; 2]) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let first = world.publish(&maker, "acme/stable", 1, 0..1100).await;
    let second = blob("acme/stable", 2, 5..1105);
    let document = NewModule {
        path: world.write("changes.txt", DOCUMENT),
        name: "changes.txt".parse().unwrap(),
        kind: ModuleKind::Document,
        platform: None,
    };
    let change = ModuleChange { add: vec![document], remove: Vec::new() };
    maker.release_with(&world.write("second.titer", &second), &change).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(world.operator.sweep(true).await.unwrap().lost, 0);
    (world, maker, [first, second])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_lost_comes_again_with_the_next_publication() {
    let (world, maker, blobs) = world_with_two_releases().await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let stored = |content: &[u8]| fs::read(object(&world, content)).unwrap();
    let all = fs::read_dir(world.object("o")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(all.len(), 4, "two blobs, a document and a delta");
    all.iter().for_each(|path| fs::remove_file(path).unwrap());
    fs::write(object(&world, DOCUMENT), "what").unwrap();
    assert_eq!(world.operator.sweep(true).await.unwrap().lost, 3, "the delta is forgotten");
    terminal.agent.update().await.unwrap_err();
    assert_eq!(terminal.runs(), []);

    let held = maker.publish(&world.url).await.unwrap();
    assert_eq!((held.lost.len(), held.releases.len()), (0, 2));
    assert_eq!(
        (stored(&blobs[0]), stored(&blobs[1]), stored(DOCUMENT)),
        (blobs[0].clone(), blobs[1].clone(), DOCUMENT.to_vec())
    );
    assert_eq!(world.operator.sweep_and_read(true).await.unwrap().lost, 0);
    let audit = world.operator.audit(0, 0).await.unwrap();
    let last = audit.rows.iter().rfind(|row| row.what == "objects-restored").unwrap();
    assert!(last.who == "maker:acme" && last.detail.contains(&Sha256Hex::of(DOCUMENT).to_string()), "{last:?}");
    let newcomer = world.terminal("two", &["acme/stable"], Designation::Own).await;
    newcomer.agent.update().await.unwrap();
    assert_eq!(newcomer.runs(), [at("acme/stable", 2)]);
}

/// A disk that changes bytes changes no length, so only reading shows it; and then it is not forgotten by who does not read.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_changed_is_found_by_reading() {
    let (world, maker, [_, second]) = world_with_two_releases().await;
    let mut harmed = second.clone();
    harmed[70] ^= 1;
    fs::write(object(&world, &second), &harmed).unwrap();
    assert_eq!(world.operator.sweep(true).await.unwrap().lost, 0);
    assert_eq!(world.operator.sweep_and_read(true).await.unwrap().lost, 1);
    assert_eq!(world.operator.sweep(true).await.unwrap().lost, 1);

    // Nothing but the very content takes its place, whoever sends it.
    let role = fs::read(world.dir.path().join("makers/acme/role.json")).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let length = u32::try_from(role.len()).unwrap().to_le_bytes();
    for (files, code) in [
        (harmed.clone(), "blob_refused"),
        (second[..9].to_vec(), "blob_refused"),
        ([&second[..], b"more"].concat(), "trailing_bytes"),
    ] {
        let body = [&length[..], &role, &files].concat();
        let url = world.url.join("v1/makers/acme/releases").unwrap();
        let answer = client.post(url).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 422);
        assert!(answer.text().await.unwrap().contains(code), "{code}");
        assert_eq!(fs::read(object(&world, &second)).unwrap(), harmed);
    }
    assert_eq!(maker.publish(&world.url).await.unwrap().lost, []);
    assert_eq!(fs::read(object(&world, &second)).unwrap(), second);
    assert_eq!(world.operator.sweep_and_read(true).await.unwrap().lost, 0);
}

/// What its maker lost too stays lost, and keeps nothing new away.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_on_both_sides_is_told_and_stops_no_release() {
    let (world, maker, [first, _]) = world_with_two_releases().await;
    fs::remove_file(object(&world, &first)).unwrap();
    fs::remove_file(world.dir.path().join("makers/acme/blobs/stable/1.titer")).unwrap();
    world.operator.sweep(true).await.unwrap();
    let third = blob("acme/stable", 3, 9..1109);
    maker.release(&world.write("third.titer", &third)).unwrap();
    let held = maker.publish(&world.url).await.unwrap();
    assert_eq!((held.lost, held.releases.len()), (vec![Sha256Hex::of(&first)], 3));
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

/// Where the service fetches by itself it fetches what it lost, though the maker's site has nothing new.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_is_fetched_again_from_the_makers_site() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let site = Site::of(&world.dir.path().join("sites/acme")).await;
    let blob = blob("acme/stable", 1, 0..100);
    maker.release(&world.write("new.titer", &blob)).unwrap();
    maker.export(&site.folder).unwrap();
    let maker = "acme".parse().unwrap();
    let source = NewSource { maker, url: site.url.clone(), every_seconds: 3600, ask: None, allow_plain: false };
    let id = world.operator.add_source(&source).await.unwrap().id;
    let fetched = async |code: &str| {
        for _ in 0..500 {
            let view = world.operator.fetch_source(&id).await.unwrap();
            if !view.running && view.last_code.as_deref() == Some(code) {
                return;
            }
        }
        panic!("it did not come to {code}");
    };
    fetched("unchanged").await;
    fs::remove_file(object(&world, &blob)).unwrap();
    assert_eq!(world.operator.sweep(true).await.unwrap().lost, 1);
    fetched("ok").await;
    assert_eq!(fs::read(object(&world, &blob)).unwrap(), blob);
    fetched("unchanged").await;
}
