//! The push hint: who listens asks soon after a change, and nobody who listens or does not read harms anybody.

use crate::support::{World, at};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use updater::agent::{Daemon, Tick};
use updater::service::Config;
use updater::wire::Designation;
use url::Url;

/// For what takes a second or two, on a loaded machine.
const SOON: Duration = Duration::from_mins(1);

async fn listen(url: &Url) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    client.get(url.join("v1/watch").unwrap()).send().await.unwrap()
}

/// A relay before the service, with the numbers of requests for hints and of events that passed it.
async fn relay(real: &Url) -> (Url, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, sought: &[u8], count: &AtomicUsize) {
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            count.fetch_add(
                piece[..read].windows(sought.len()).filter(|window| *window == sought).count(),
                Ordering::Relaxed,
            );
            if to.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    }
    let (requests, events) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (port, counts) = (real.port().unwrap(), (requests.clone(), events.clone()));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let counts = counts.clone();
            tokio::spawn(async move {
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split();
                tokio::select! {
                    () = pass(near_read, far_write, b"GET /v1/watch ", &counts.0) => {}
                    () = pass(far_read, near_write, b"data: {", &counts.1) => {}
                }
            });
        }
    });
    (url, requests, events)
}

/// The next event; `None` at the end.
async fn event(response: &mut reqwest::Response) -> Option<serde_json::Value> {
    let late = tokio::time::Instant::now() + SOON;
    loop {
        let piece = tokio::time::timeout_at(late, response.chunk()).await.unwrap().ok()??;
        let text = String::from_utf8(piece.to_vec()).unwrap();
        if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: ")) {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_asks_once_a_day_has_a_release_within_the_window() {
    let window = Duration::from_secs(2);
    let world = World::with(|config| Config { watch_window: window, poll_every: Duration::from_hours(24), ..config }).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let (relay, requests, events) = relay(&world.url).await;
    terminal.asks(&relay);
    let daemon = Daemon::new(terminal.agent.clone()).unwrap();
    let (told, mut ticks) = tokio::sync::mpsc::unbounded_channel();
    let running = tokio::spawn(async move {
        daemon
            .run(&mut |tick| {
                let hinted = matches!(tick, Tick::Hinted(wait) if *wait <= window);
                told.send(hinted).unwrap();
            })
            .await;
    });
    let began = Instant::now();
    // From its first event on the daemon misses nothing.
    while terminal.runs() != [at("acme/stable", 1)] || events.load(Ordering::Relaxed) == 0 {
        assert!(began.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    for release in 2..4 {
        world.publish(&maker, "acme/stable", release, 0..50 + release as u32).await;
        let began = Instant::now();
        while terminal.runs() != [at("acme/stable", release)] {
            assert!(began.elapsed() < SOON, "release {release} did not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    running.abort();
    let mut hinted = 0;
    while let Ok(tick) = ticks.try_recv() {
        hinted += usize::from(tick);
    }
    assert!(hinted >= 2, "it was told, twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_owner_wants_no_hints_does_not_listen() {
    let (world, _maker, terminal) = crate::support::world_with_one_terminal(40).await;
    let (relay, requests, _) = relay(&world.url).await;
    terminal.asks(&relay);
    std::fs::write(terminal.folder.join("agent.toml"), "[triggers]\nwatch = false\n").unwrap();
    let daemon = Daemon::new(terminal.agent.clone()).unwrap();
    let mut quiet = |_: &Tick| {};
    assert!(tokio::time::timeout(Duration::from_secs(2), daemon.run(&mut quiet)).await.is_err());
    assert_eq!(requests.load(Ordering::Relaxed), 0);
    std::fs::remove_file(terminal.folder.join("agent.toml")).unwrap();
    let listens = async {
        let began = Instant::now();
        while requests.load(Ordering::Relaxed) == 0 {
            assert!(began.elapsed() < SOON, "else the first half would prove nothing");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = daemon.run(&mut quiet) => unreachable!("it runs until it is dropped"),
        () = listens => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_are_told_of_each_change_and_of_the_end() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    let mut response = listen(&world.url).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = event(&mut response).await.unwrap();
    assert_eq!(first["window_seconds"], 60);
    world.publish(&maker, "acme/stable", 1, 0..40).await;
    let second = event(&mut response).await.unwrap();
    assert!(second["change"].as_u64() > first["change"].as_u64());
    // Sending the same again is no change, and a new listener hears the same number.
    maker.publish(&world.url).await.unwrap();
    assert_eq!(event(&mut listen(&world.url).await).await.unwrap(), second);
    let began = Instant::now();
    world.stop().await;
    assert!(event(&mut response).await.is_none());
    assert!(began.elapsed() < Duration::from_secs(9), "listeners do not hold up the end for the grace of requests");
    // The number goes on after a restart, so that what was missed meanwhile is noticed.
    world.start().await;
    assert_eq!(event(&mut listen(&world.url).await).await.unwrap(), second);
}

#[tokio::test(flavor = "multi_thread")]
async fn places_for_listeners_are_bounded_and_given_back() {
    let world = World::with(|config| Config { watchers_max: 2, ..config }).await;
    let (mut one, two) = (listen(&world.url).await, listen(&world.url).await);
    event(&mut one).await.unwrap();
    let full = listen(&world.url).await;
    assert_eq!((full.status().as_u16(), full.headers()["retry-after"].to_str().unwrap()), (503, "600"));
    let problem: serde_json::Value = serde_json::from_slice(&full.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "watchers_full");
    drop(two);
    let began = Instant::now();
    while listen(&world.url).await.status() != 200 {
        assert!(began.elapsed() < SOON, "the place of one who went is not given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Who asks for events and never reads them is not waited for, and costs no more than their connection.
#[tokio::test(flavor = "multi_thread")]
async fn listeners_who_do_not_read_hold_nobody_up() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let mut mute = Vec::new();
    for _ in 0..20 {
        let mut connection = TcpStream::connect(("127.0.0.1", world.url.port().unwrap())).await.unwrap();
        connection.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        mute.push(connection);
    }
    let mut reader = listen(&world.url).await;
    let first = event(&mut reader).await.unwrap()["change"].as_u64().unwrap();
    for release in 1..4 {
        world.publish(&maker, "acme/stable", release, 0..40 + release as u32).await;
    }
    let mut last = first;
    while last < first + 3 {
        last = event(&mut reader).await.unwrap()["change"].as_u64().unwrap();
    }
    let mut came = [0; 12];
    mute[0].read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"HTTP/1.1 200");
}
