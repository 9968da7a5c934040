//! What the service answers to ranges and conditions, over real HTTP.

use crate::support::{World, at};
use reqwest::{Client, Response};
use updater::wire::{MakerView, Sha256Hex};

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Response {
    let client = Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut request = client.get(world.url.join(path).unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_and_deltas_in_parts() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let first = world.publish(&maker, "acme/stable", 1, 0..500).await;
    let second = world.publish(&maker, "acme/stable", 2, 0..501).await;
    let view: MakerView =
        ask(&world, "v1/makers/acme", &[]).await.bytes().await.map(|b| serde_json::from_slice(&b)).unwrap().unwrap();
    assert_eq!(view.releases[1].release, at("acme/stable", 2));
    let (from, to) = (Sha256Hex::of(&first), Sha256Hex::of(&second));
    let delta_path = format!("v1/deltas/{from}/{to}");
    let delta = ask(&world, &delta_path, &[]).await.bytes().await.unwrap().to_vec();
    for (path, whole) in [(format!("targets/m/acme/stable/{to}.2.titer"), second), (delta_path, delta)] {
        let tag = format!("\"{}\"", Sha256Hex::of(&whole));
        let len = whole.len();
        let answer = ask(&world, &path, &[]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (200, tag.as_str()));
        assert_eq!(header(&answer, "accept-ranges"), "bytes");
        assert_eq!(answer.bytes().await.unwrap(), whole);

        for at in [1, 7, len / 2, len - 1] {
            let range = format!("bytes={at}-");
            let answer = ask(&world, &path, &[("range", &range), ("if-range", &tag)]).await;
            assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (206, tag.as_str()));
            assert_eq!(header(&answer, "content-range"), format!("bytes {at}-{}/{len}", len - 1));
            assert_eq!(answer.bytes().await.unwrap(), whole[at..]);
        }
        let answer = ask(&world, &path, &[("range", "bytes=5-"), ("if-range", "\"another\"")]).await;
        assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (200, len));
        let answer = ask(&world, &path, &[("range", &format!("bytes={len}-"))]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "content-range")), (416, format!("bytes */{len}").as_str()));
        let problem = answer.text().await.unwrap();
        assert!(problem.contains(r#""code":"range_not_satisfiable""#), "{problem}");
        let answer = ask(&world, &path, &[("if-none-match", &tag)]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (304, tag.as_str()));
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_sent_once_until_it_changes() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let path = "metadata/timestamp.json";
    let answer = ask(&world, path, &[]).await;
    let tag = header(&answer, "etag").to_owned();
    assert_eq!(ask(&world, path, &[("if-none-match", &tag)]).await.status().as_u16(), 304);
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let answer = ask(&world, path, &[("if-none-match", &tag)]).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_ne!(header(&answer, "etag"), tag);
}
