//! What was published once can be had for good, and what nobody names goes.

use crate::support::web::Web;
use crate::support::{World, at, blob, channel, tables};
use axum::http::Method;
use sqlx::AssertSqlSafe;
use std::fs;
use std::time::Duration;
use updater::service::Config;
use updater::wire::{ChannelRelease, Designation, Module, Sha256Hex, Swept};

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

/// Enters releases of `acme/stable` and of `acme/other` as rows alone, so many of each, and a rollout of each of the former.
async fn enter_releases(world: &World, count: u32) {
    let pool = tables(world.dir.path()).await;
    let digest = Sha256Hex::of(b"");
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    for text in [
        format!(
            "{numbers} INSERT INTO releases (maker, name, release, sha256, root, length, created, published_at, listed)
             SELECT 'acme', c.name, n.i, '{digest}', '{digest}', 1, 1, 1, 0 FROM n,
             (SELECT 'stable' AS name UNION ALL SELECT 'other') c"
        ),
        format!(
            "{numbers} INSERT INTO rollouts (maker, name, release, rings, gate, urgent, state, ring, opened_at, counted_from, words)
             SELECT 'acme', 'stable', n.i, '[{{\"percent\":100}}]', '{{}}', 0, 'done', 0, 1, 1, 'over' FROM n"
        ),
        format!(
            "{numbers} INSERT INTO modules (maker, name, release, kind, module, sha256, platform, length, published_at, listed, role_version)
             SELECT 'acme', 'stable', n.i, 'document', 'changes-' || n.i, '{digest}', '', 1, 1, 1, 1 FROM n"
        ),
    ] {
        sqlx::query(AssertSqlSafe(text)).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn years_of_releases_come_page_by_page() {
    let world = World::new().await;
    world.maker("acme").await;
    enter_releases(&world, 1100).await;
    let of = |name: &str, numbers: std::ops::RangeInclusive<u64>| numbers.map(|n| at(name, n)).collect::<Vec<_>>();
    let (stable, other) = (of("acme/stable", 1..=1100), of("acme/other", 1..=1100));

    let kept = world.operator.releases(None).await.unwrap();
    let releases = kept.iter().map(|kept| kept.release.clone()).collect::<Vec<_>>();
    assert_eq!(releases, [other.clone(), stable.clone()].concat());
    for kept in &kept[1100..] {
        let [Module { name, .. }] = &kept.modules[..] else { panic!("{kept:?}") };
        assert_eq!(name.as_str(), format!("changes-{}", kept.release.release));
    }
    assert!(kept[..1100].iter().all(|kept| kept.modules.is_empty()));
    let of_stable = world.operator.releases(Some(&channel("acme/stable"))).await.unwrap();
    assert!(of_stable == kept[1100..]);
    assert_eq!(world.operator.release(&stable[1099]).await.unwrap().as_ref(), kept.last());
    for absent in [at("acme/stable", 1101), at("acme/stable", 0), at("acme/none", 1)] {
        assert_eq!(world.operator.release(&absent).await.unwrap(), None);
    }
    let rollouts = world.operator.rollouts().await.unwrap();
    assert_eq!(rollouts.into_iter().map(|view| view.rollout.at).collect::<Vec<_>>(), stable);

    let web = Web::to(&world);
    let page = async |path: &str| web.with_token(Method::GET, path, world.token(), "").await;
    let numbers = async |path: &str| {
        let rows = serde_json::from_slice::<Vec<ChannelRelease>>(&page(path).await.body).unwrap();
        rows.into_iter().map(|at| format!("{}@{}", at.channel.name(), at.release)).collect::<Vec<_>>()
    };
    assert_eq!(numbers("/v1/releases").await.len(), 1000);
    assert_eq!(numbers("/v1/releases?limit=5000").await.len(), 1000);
    assert_eq!(numbers("/v1/releases?limit=2&after=acme/other@1099").await, ["other@1100", "stable@1"]);
    assert_eq!(numbers("/v1/releases?limit=2&after=acme/other@1099&channel=acme/other").await, ["other@1100"]);
    assert_eq!(numbers("/v1/rollouts?limit=2&after=acme/stable@7").await, ["stable@8", "stable@9"]);
    assert_eq!(numbers("/v1/rollouts").await.len(), 1000);
    for odd in ["releases?after=acme", "releases?after=acme/other@1&channel=acme/stable", "rollouts?after=acme/stable/1"] {
        assert_eq!(page(&format!("/v1/{odd}")).await.code(), "cursor_malformed", "{odd}");
    }
    let large = page("/v1/rollouts?after=acme/stable@18446744073709551615").await;
    assert_eq!(large.code(), "number_too_large");
}
