//! What was published once can be had for good, and what nobody names goes.

use crate::support::{World, at, blob, channel};
use std::fs;
use std::time::Duration;
use updater::service::Config;
use updater::wire::{Designation, Sha256Hex, Swept};

#[tokio::test(flavor = "multi_thread")]
async fn every_release_can_be_had_again_to_the_byte() {
    let world = World::with(|config| Config { sweep_grace: Duration::ZERO, ..config }).await;
    let maker = world.maker("acme").await;
    let mut blobs = Vec::new();
    for release in 1..=10 {
        blobs.push(world.publish(&maker, "acme/stable", release, 0..100 + 5 * u32::try_from(release).unwrap()).await);
        if release == 4 || release == 9 {
            maker.withdraw(&at("acme/stable", release), Some(1)).unwrap();
            maker.publish(&world.url).await.unwrap();
        }
    }
    world.publish(&maker, "acme/other", 1, 0..10).await;
    assert_eq!(world.operator.releases(None).await.unwrap().len(), 11);
    let swept = world.operator.sweep(false).await.unwrap();
    assert_eq!((swept.unnamed, swept.removed), (0, 0), "every object has a row");

    let kept = world.operator.releases(Some(&channel("acme/stable"))).await.unwrap();
    assert_eq!(kept.len(), 10);
    for (kept, published) in kept.iter().zip(&blobs) {
        assert_eq!(&world.operator.blob(kept).await.unwrap(), published, "release {}", kept.release.release);
    }
    let withdrawn = kept.iter().filter(|kept| kept.withdrawn).map(|kept| kept.release.release).collect::<Vec<_>>();
    assert_eq!(withdrawn, [4, 9]);
    let listed = kept.iter().filter(|kept| kept.listed).count();
    assert_eq!(listed, 8, "so many are on offer, and the others are kept");
    // What the disk harmed is not handed out as what was published.
    let harmed = world.object(&format!("o/{}", kept[0].sha256));
    let mut bytes = fs::read(&harmed).unwrap();
    bytes[9] ^= 1;
    fs::write(&harmed, bytes).unwrap();
    assert_eq!(world.operator.blob(&kept[0]).await.unwrap_err().code(), "answer_unreadable");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_publication_left_behind_is_swept_and_nothing_else() {
    let world = World::with(|config| Config { sweep_grace: Duration::ZERO, ..config }).await;
    let maker = world.maker("acme").await;
    for release in 1..=3 {
        world.publish(&maker, "acme/stable", release, 0..100 + 5 * u32::try_from(release).unwrap()).await;
    }
    let leftover = blob("acme/stable", 4, 0..50);
    let stray = world.object(&format!("o/{}", Sha256Hex::of(&leftover)));
    fs::write(&stray, &leftover).unwrap();
    let other = world.object("o/a-note-of-the-operator");
    fs::write(&other, "not ours").unwrap();
    let found = world.operator.sweep(true).await.unwrap();
    assert_eq!((found.unnamed, found.unnamed_bytes, found.removed), (1, leftover.len() as u64, 0));
    assert!(stray.exists(), "it was only looked");
    let swept = world.operator.sweep(false).await.unwrap();
    assert_eq!(swept, Swept { dry_run: false, removed: 1, ..found.clone() });
    assert!(!stray.exists() && other.exists());
    let again = world.operator.sweep(false).await.unwrap();
    assert_eq!((again.objects, again.unnamed), (found.objects - 1, 0));

    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_young_is_left_alone() {
    let world = World::new().await;
    let stray = world.object(&format!("o/{}", Sha256Hex::of(b"of a publication that has not come to its rows yet")));
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "x").unwrap();
    let swept = world.operator.sweep(false).await.unwrap();
    assert_eq!((swept.objects, swept.unnamed), (1, 0));
    assert!(stray.exists());
}
