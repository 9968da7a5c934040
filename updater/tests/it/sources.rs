//! Releases that the service fetches from makers' sites and from other services.

use crate::support::site::{Mood, Site};
use crate::support::{World, at, blob};
use std::time::{Duration, Instant};
use updater::Network;
use updater::maker::Maker;
use updater::service::Config;
use updater::wire::{Designation, NewSource, SourceView};

fn source(maker: &str, site: &Site) -> NewSource {
    let maker = maker.parse().unwrap();
    NewSource { maker, url: site.url.clone(), every_seconds: 3600, ask: None, allow_plain: false }
}

/// A maker whom the service knows and who uploads nothing, with a site.
async fn maker_with_site(world: &World, name: &str) -> (Maker, Site) {
    let maker = world.maker(name).await;
    let site = Site::of(&world.dir.path().join("sites").join(name)).await;
    (maker, site)
}

fn release(world: &World, maker: &Maker, channel: &str, release: u64, site: &Site) -> Vec<u8> {
    let blob = blob(channel, release, 0..100 + release as u32);
    maker.release(&world.write("new.titer", &blob)).unwrap();
    maker.export(&site.folder).unwrap();
    blob
}

/// Fetches now, as the operator may at any time.
async fn fetch(world: &World, view: &SourceView) -> SourceView {
    loop {
        let view = world.operator.fetch_source(&view.id).await.unwrap();
        if !view.running {
            return view;
        }
    }
}

/// Waits for the first attempt at a source that was just added.
async fn added(world: &World, source: &NewSource) -> SourceView {
    let view = world.operator.add_source(source).await.unwrap();
    loop {
        let all = world.operator.sources().await.unwrap();
        let view = all.into_iter().find(|other| other.id == view.id).unwrap();
        if view.last_code.is_some() && !view.running {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn newest(world: &World, maker: &str) -> Option<u64> {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = world.url.join(&format!("v1/makers/{maker}")).unwrap();
    let bytes = client.get(url).send().await.unwrap().bytes().await.unwrap();
    let view: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    view["releases"].as_array().unwrap().iter().filter_map(|release| release["release"].as_u64()).max()
}

fn short(config: Config) -> Config {
    let network = Network { speed_window: Duration::from_secs(2), ..Network::default() };
    Config { source_time: Duration::from_secs(3), source_network: network, ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_comes_from_a_site_and_reaches_a_terminal() {
    let world = World::new().await;
    let (maker, site) = maker_with_site(&world, "acme").await;
    release(&world, &maker, "acme/stable", 1, &site);
    let view = added(&world, &source("acme", &site)).await;
    assert_eq!((view.last_code.as_deref(), view.failures), (Some("ok"), 0), "{view:?}");
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);

    // What has not changed is not sent again.
    site.take_seen();
    assert_eq!(fetch(&world, &view).await.last_code.as_deref(), Some("unchanged"));
    assert_eq!(site.take_seen(), [("/sigs/m-acme.json".to_owned(), 304), ("/sigs/news.json".to_owned(), 404)]);

    // A changed file has another entity tag; of its blobs only the new one is fetched.
    release(&world, &maker, "acme/stable", 2, &site);
    assert_eq!(fetch(&world, &view).await.last_code.as_deref(), Some("ok"));
    assert_eq!(site.take_seen().iter().filter(|(path, _)| path.contains(".titer")).count(), 1);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert!(!world.dir.path().join("service/incoming").join(view.id.as_str()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_service_is_a_source() {
    let (first, second) = (World::new().await, World::new().await);
    let maker = first.maker("acme").await;
    first.publish(&maker, "acme/stable", 1, 0..50).await;
    maker.register(&second.url, second.token()).await.unwrap();
    let url = first.url.join("v1/makers/acme/site/").unwrap();
    let source = NewSource { maker: "acme".parse().unwrap(), url, every_seconds: 60, ask: None, allow_plain: false };
    let view = added(&second, &source).await;
    assert_eq!(view.last_code.as_deref(), Some("ok"));
    assert_eq!(newest(&second, "acme").await, Some(1));
    assert_eq!(fetch(&second, &view).await.last_code.as_deref(), Some("unchanged"));
}

/// Each fault has its code, leaves what is published as it is, and is over once the site is well.
#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_site() {
    let world = World::with(short).await;
    let (maker, site) = maker_with_site(&world, "acme").await;
    let first = release(&world, &maker, "acme/stable", 1, &site);
    let view = added(&world, &source("acme", &site)).await;
    let second = release(&world, &maker, "acme/stable", 2, &site);
    let elsewhere = Site::of(&site.folder).await;
    let good_role = std::fs::read(site.folder.join("m-acme.json")).unwrap();
    for (mood, code) in [
        (Mood::Refuses(403, None), "http_403"),
        (Mood::Refuses(429, Some("7200")), "http_429"),
        (Mood::Refuses(404, None), "source_empty"),
        (Mood::Refuses(500, None), "http_500"),
        // After a fault the files are asked for without a condition: unchanged is no answer to that.
        (Mood::Refuses(304, None), "answer_unreadable"),
        (Mood::Hangs, "answer_too_slow"),
        (Mood::Endless, "answer_too_long"),
        (Mood::LeadsTo("/sigs/round".to_owned()), "redirect_refused"),
        (Mood::LeadsTo(elsewhere.url.join("m-acme.json").unwrap().to_string()), "redirect_refused"),
        (Mood::LeadsTo("file:///etc/passwd".to_owned()), "redirect_refused"),
        (Mood::Says(b"{}".to_vec()), "metadata_malformed"),
        (Mood::Says(good_role.iter().map(|b| if *b == b'8' { b'9' } else { *b }).collect()), "metadata_unsigned"),
    ] {
        site.is(mood.clone());
        let seen = fetch(&world, &view).await;
        assert_eq!(seen.last_code.as_deref(), Some(code), "{mood:?}: {seen:?}");
        assert!(seen.failures > 0 && seen.last_words.is_some() && seen.last_success == view.last_success, "{mood:?}");
        assert!(seen.next_at > seen.last_tried.unwrap() + 50, "{mood:?}");
        if code == "http_429" {
            assert!(seen.next_at >= seen.last_tried.unwrap() + 7200, "it says how long");
        }
        assert_eq!(newest(&world, "acme").await, Some(1), "{mood:?}");
    }
    assert_eq!(elsewhere.times_seen(), 0, "nobody is asked because a site says so");

    // Blobs that are not what is signed.
    site.is(Mood::Serves);
    let path = site.folder.join(format!("{}.titer", updater::wire::Sha256Hex::of(&second)));
    for (bytes, code) in [(&first[..], "blob_refused"), (&[second.clone(), vec![0]].concat(), "answer_too_long")] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(fetch(&world, &view).await.last_code.as_deref(), Some(code));
        assert_eq!(newest(&world, "acme").await, Some(1));
    }
    std::fs::write(&path, &second).unwrap();
    site.is(Mood::Moved);
    let well = fetch(&world, &view).await;
    assert_eq!((well.last_code.as_deref(), well.failures), (Some("ok"), 0), "within one site it is followed");
    assert_eq!(newest(&world, "acme").await, Some(2));
}

/// Row 31 on the side of makers: one who refuses, one who hangs, and one who is well.
#[tokio::test(flavor = "multi_thread")]
async fn one_sources_fault_delays_no_other() {
    let world = World::with(|config| Config { source_time: Duration::from_mins(5), ..config }).await;
    let (_, refusing) = maker_with_site(&world, "a").await;
    let (_, hanging) = maker_with_site(&world, "b").await;
    let (well, site) = maker_with_site(&world, "c").await;
    refusing.is(Mood::Refuses(403, Some("3600")));
    hanging.is(Mood::Hangs);
    release(&world, &well, "c/stable", 1, &site);
    let began = Instant::now();
    for (name, site) in [("a", &refusing), ("b", &hanging)] {
        world.operator.add_source(&source(name, site)).await.unwrap();
    }
    while hanging.times_seen() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(added(&world, &source("c", &site)).await.last_code.as_deref(), Some("ok"));
    assert!(began.elapsed() < Duration::from_secs(25), "before the hanging one is given up: {:?}", began.elapsed());
    let views = world.operator.sources().await.unwrap();
    assert_eq!(views[0].last_code.as_deref(), Some("http_403"));
    assert!(views[1].running && views[1].last_code.is_none());
    // An upload is not delayed either.
    world.publish(&well, "c/stable", 2, 0..10).await;
}

/// Who has a slow source fetched is told that it is being fetched, before the request has taken too long itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_source_is_told_of_in_time() {
    let world = World::with(|config| Config { request_time: Duration::from_secs(2), ..config }).await;
    let (_, site) = maker_with_site(&world, "acme").await;
    site.is(Mood::Hangs);
    let view = world.operator.add_source(&source("acme", &site)).await.unwrap();
    let view = world.operator.fetch_source(&view.id).await.unwrap();
    assert!(view.running && view.last_code.is_none(), "{view:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_checked_listed_and_removed() {
    let world = World::new().await;
    let (_, site) = maker_with_site(&world, "acme").await;
    let good = source("acme", &site);
    let code = async |source: &NewSource| world.operator.add_source(source).await.unwrap_err().code().to_owned();
    let plain = NewSource { url: "http://sigs.example/".parse().unwrap(), ..good.clone() };
    assert_eq!(code(&plain).await, "source_scheme");
    assert_eq!(code(&NewSource { ask: Some("file:///etc/passwd".parse().unwrap()), ..good.clone() }).await, "source_scheme");
    let secret = NewSource { url: "https://me:word@sigs.example/".parse().unwrap(), ..good.clone() };
    assert_eq!(code(&secret).await, "source_secret");
    assert_eq!(code(&NewSource { every_seconds: 1, ..good.clone() }).await, "source_interval");
    assert_eq!(code(&NewSource { maker: "nobody".parse().unwrap(), ..good.clone() }).await, "maker_unknown");

    let view = world.operator.add_source(&good).await.unwrap();
    let again = world.operator.add_source(&NewSource { every_seconds: 60, ..good.clone() }).await.unwrap();
    assert_eq!((again.id.clone(), again.source.every_seconds), (view.id.clone(), 60));
    assert_eq!(world.operator.sources().await.unwrap().len(), 1);
    world.operator.remove_source(&view.id).await.unwrap();
    assert_eq!(world.operator.remove_source(&view.id).await.unwrap_err().code(), "source_unknown");
    assert_eq!(world.operator.fetch_source(&view.id).await.unwrap_err().code(), "source_unknown");
    assert!(world.operator.sources().await.unwrap().is_empty());
}

/// A site is looked at again by itself, and how it fared survives a restart.
#[tokio::test(flavor = "multi_thread")]
async fn sources_are_looked_at_again() {
    let mut world = World::new().await;
    let (maker, site) = maker_with_site(&world, "acme").await;
    release(&world, &maker, "acme/stable", 1, &site);
    let view = added(&world, &NewSource { every_seconds: 10, ..source("acme", &site) }).await;
    world.restart(|_| {}).await;
    assert_eq!(world.operator.sources().await.unwrap()[0].last_success, view.last_success);
    release(&world, &maker, "acme/stable", 2, &site);
    let began = Instant::now();
    while newest(&world, "acme").await != Some(2) {
        assert!(began.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
