//! Bodies of publications, which anybody may send: no more of one is taken than is proven so far.

use crate::support::{World, blob};
use std::fs;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use updater::maker::Maker;
use updater::service::Config;

/// A role's body with its length before it.
fn framed(role: &[u8]) -> Vec<u8> {
    [&u32::try_from(role.len()).unwrap().to_le_bytes(), role].concat()
}

/// The role that a maker signed and did not publish yet.
fn role_of(world: &World, name: &str) -> Vec<u8> {
    fs::read(world.dir.path().join("makers").join(name).join("role.json")).unwrap()
}

fn release(world: &World, maker: &Maker, channel: &str, release: u64) -> Vec<u8> {
    let blob = blob(channel, release, 0..100 + release as u32);
    maker.release(&world.write("new.titer", &blob)).unwrap();
    blob
}

/// Begins a publication of which `announced` bytes are to come and sends `body`.
async fn begin(world: &World, maker: &str, announced: usize, body: &[u8]) -> TcpStream {
    let address = format!("127.0.0.1:{}", world.url.port().unwrap());
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /v1/makers/{maker}/releases HTTP/1.1\r\nhost: {address}\r\ncontent-length: {announced}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// The answer: its status and its body.
async fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
}

async fn refused(stream: TcpStream, status: u16, code: &str) {
    let (found, text) = answer(stream).await;
    assert!(found == status && text.contains(&format!(r#""code":"{code}""#)), "{status} {code}: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_is_refused_before_its_blobs_come() {
    const ANNOUNCED: usize = 400 << 20;
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let first = release(&world, &maker, "acme/stable", 1);
    let role = role_of(&world, "acme");

    refused(begin(&world, "nobody", ANNOUNCED, &framed(&role)).await, 404, "maker_unknown").await;
    refused(begin(&world, "acme", ANNOUNCED, &u32::MAX.to_le_bytes()).await, 413, "body_too_long").await;
    let impostor = Maker::init(&world.dir.path().join("impostor"), &"acme".parse().unwrap()).unwrap();
    impostor.release(&world.write("evil.titer", &blob("acme/stable", 1, 0..3))).unwrap();
    let unsigned = fs::read(world.dir.path().join("impostor/role.json")).unwrap();
    refused(begin(&world, "acme", ANNOUNCED, &framed(&unsigned)).await, 422, "metadata_unsigned").await;

    // A role that is good lets in its blobs and not a byte more.
    let longer = [framed(&role), first, vec![0]].concat();
    refused(begin(&world, "acme", ANNOUNCED, &longer).await, 422, "trailing_bytes").await;
    assert!(!world.object("o").exists(), "nothing was stored");

    maker.publish(&world.url).await.unwrap();
    release(&world, &maker, "acme/stable", 2);
    maker.publish(&world.url).await.unwrap();
    refused(begin(&world, "acme", ANNOUNCED, &framed(&role)).await, 409, "role_version_not_newer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_stops_coming_is_cut_off() {
    let world = World::with(|config| Config { publication_patience: Duration::from_millis(500), ..config }).await;
    let maker = world.maker("acme").await;
    let blob = release(&world, &maker, "acme/stable", 1);
    let body = [framed(&role_of(&world, "acme")), blob].concat();
    for sent in [0, 3, 100, body.len() - 1] {
        refused(begin(&world, "acme", body.len(), &body[..sent]).await, 408, "body_too_slow").await;
    }
    maker.publish(&world.url).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_take_turns() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let world = World::with(|config| Config { publication_patience: PATIENCE, ..config }).await;
    let third = world.maker("c").await;
    release(&world, &third, "c/stable", 1);
    let mut stalled = Vec::new();
    for name in ["a", "b"] {
        let maker = world.maker(name).await;
        let blob = release(&world, &maker, &format!("{name}/stable"), 1);
        let role = framed(&role_of(&world, name));
        stalled.push(begin(&world, name, role.len() + blob.len(), &role).await);
    }
    // A third publication is taken once one of them is cut off.
    tokio::time::sleep(PATIENCE / 4).await;
    let began = Instant::now();
    third.publish(&world.url).await.unwrap();
    assert!(began.elapsed() > PATIENCE / 4, "{:?}", began.elapsed());
    for stream in stalled {
        refused(stream, 408, "body_too_slow").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_role_sent_again_signs_nothing() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let timestamp = world.object("metadata/timestamp.json");
    let before = fs::read(&timestamp).unwrap();
    let public = fs::read(world.object("metadata/1.m-acme.json")).unwrap();
    let body = framed(&public);
    let (status, text) = answer(begin(&world, "acme", body.len(), &body).await).await;
    assert!(status == 200 && text.contains(r#""role_version":1"#), "{text}");
    assert_eq!(maker.publish(&world.url).await.unwrap().role_version, 1);
    assert_eq!(fs::read(&timestamp).unwrap(), before);
}

/// Who lingers does not keep the service from stopping, and is served no more once it has stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_off_at_shutdown() {
    let grace = Duration::from_millis(300);
    let mut world = World::with(|config| Config { shutdown_grace: grace, ..config }).await;
    let maker = world.maker("acme").await;
    release(&world, &maker, "acme/stable", 1);
    // Its blob never comes; the patience with that is half a minute.
    let mut lingers = begin(&world, "acme", 4 << 20, &framed(&role_of(&world, "acme"))).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.stop().await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), lingers.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection goes on without the service");
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
