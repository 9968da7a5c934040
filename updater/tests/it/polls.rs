//! Who may poll, and what a poll touches. What it costs and when terminals poll at all is in `idle.rs`.

use crate::support::web::{Answer, Web};
use crate::support::{Terminal, World, shared, tables};
use aws_lc_rs::hmac;
use axum::http::Method;
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use updater::maker::Maker;
use updater::service::{Config, Limits, Rate};
use updater::wire::Designation;

/// A terminal's polls, made by hand.
struct Poller {
    terminal: String,
    tag: String,
    key: Vec<u8>,
}

impl Poller {
    /// What a terminal that has nothing left to do polls with.
    async fn of(terminal: &Terminal) -> Poller {
        while terminal.agent.update_fully().await.unwrap().assignment.reason != updater::wire::Reason::Current {}
        let read = |name: &str| serde_json::from_slice::<Value>(&fs::read(terminal.folder.join(name)).unwrap()).unwrap();
        let (identity, seen) = (read("identity.json"), read("poll.json"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = hex::decode(text(&seen["poll_key"])).unwrap();
        Poller { terminal: text(&identity["terminal"]), tag: text(&seen["beacon"]), key }
    }

    fn mac(&self, terminal: &str, tag: &str, counter: u64) -> String {
        let text = format!("titer-poll-v1\n{terminal}\n{tag}\n{counter}");
        hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), text.as_bytes()))
    }

    async fn poll(&self, web: &Web, counter: u64) -> Answer {
        self.send(web, &self.terminal, &self.tag, counter, &self.mac(&self.terminal, &self.tag, counter)).await
    }

    async fn send(&self, web: &Web, terminal: &str, tag: &str, counter: u64, mac: &str) -> Answer {
        let counter = counter.to_string();
        let headers = [("titer-counter", counter.as_str()), ("titer-mac", mac), ("if-none-match", tag)];
        web.send(Method::GET, &format!("/v1/terminals/{terminal}/beacon"), &headers, "").await
    }
}

/// Beyond whatever the agents have used.
const COUNTER: u64 = 1 << 62;

async fn world() -> (World, Maker) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    (world, maker)
}

/// The tables are taken away, and nobody who polls notices.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_poll_reads_no_table() {
    let (world, maker) = world().await;
    let one = Poller::of(&world.terminal("one", &["acme/stable"], Designation::Own).await).await;
    let web = Web::to(&world);
    assert_eq!(one.poll(&web, COUNTER).await.status, 304, "this one reads the row");
    let pool = tables(world.dir.path()).await;
    let rename = async |statement: &'static str| sqlx::query(statement).execute(&pool).await.unwrap();
    rename("ALTER TABLE terminals RENAME TO hidden").await;
    for counter in 1..20 {
        let answer = one.poll(&web, COUNTER + counter).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{counter}");
        assert!(answer.headers.contains_key("x-request-id"));
        assert_eq!(answer.headers["etag"], one.tag.as_str());
    }
    rename("ALTER TABLE hidden RENAME TO terminals").await;
    pool.close().await;
    // News is seen at once, and by its 200 alone.
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let news = one.poll(&web, COUNTER + 20).await;
    assert_eq!(news.status, 200);
    assert_ne!(news.headers["etag"], one.tag.as_str());
    let measured = web.with_token(Method::GET, "/metrics", world.token(), "").await.text();
    let counted = "titer_requests_total{method=\"GET\",route=\"/v1/terminals/{terminal}/beacon\",status=\"304\"} ";
    let counted = measured.lines().find_map(|line| line.strip_prefix(counted)).unwrap();
    assert_eq!(counted, "20", "those that the router never saw are counted like others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_taken_once_and_from_its_terminal_alone() {
    let (mut world, _) = world().await;
    let one = Poller::of(&world.terminal("one", &["acme/stable"], Designation::Own).await).await;
    let two = Poller::of(&world.terminal("two", &["acme/stable"], Designation::Own).await).await;
    let web = Web::to(&world);
    assert_eq!(one.poll(&web, COUNTER).await.status, 304);
    for counter in [COUNTER, COUNTER - 1, 0] {
        let answer = one.poll(&web, counter).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "request_replayed"), "{counter}");
    }
    let mac = one.mac(&one.terminal, &one.tag, COUNTER + 1);
    let nobody = "0".repeat(32);
    for (terminal, tag, counter, mac) in [
        (&two.terminal, &one.tag, COUNTER + 1, &mac),
        (&one.terminal, &"\"other\"".to_owned(), COUNTER + 1, &mac),
        (&one.terminal, &one.tag, COUNTER + 2, &mac),
        (&one.terminal, &one.tag, COUNTER + 1, &two.mac(&one.terminal, &one.tag, COUNTER + 1)),
        (&one.terminal, &one.tag, COUNTER + 1, &String::new()),
        // One that is not enrolled cannot be told from one that is.
        (&nobody, &one.tag, COUNTER + 1, &mac),
    ] {
        let answer = one.send(&web, terminal, tag, counter, mac).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "poll_unproven"), "{terminal} {tag} {counter}");
    }
    // Nothing of that was taken for a contact: the counter is still good. After a restart used ones are not.
    assert_eq!(one.poll(&web, COUNTER + 1).await.status, 304);
    world.restart(|_| {}).await;
    let web = Web::to(&world);
    assert_eq!(one.poll(&web, COUNTER + 1).await.status, 409);
    assert_eq!(one.poll(&web, COUNTER + 2).await.status, 304, "keys and tags outlive the process");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_operators_do_to_a_terminal_ends_its_polls() {
    let (world, _) = world().await;
    let web = Web::to(&world);
    let one = Poller::of(&world.terminal("one", &["acme/stable"], Designation::Own).await).await;
    let two = Poller::of(&world.terminal("two", &["acme/stable"], Designation::Own).await).await;
    for poller in [&one, &two] {
        assert_eq!(poller.poll(&web, COUNTER).await.status, 304);
    }
    world.operator.revoke_terminal(&one.terminal).await.unwrap();
    let answer = one.poll(&web, COUNTER + 1).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "terminal_revoked"));
    assert_eq!(two.poll(&web, COUNTER + 1).await.status, 304);
    world.operator.remove_terminal(&two.terminal).await.unwrap();
    let answer = two.poll(&web, COUNTER + 2).await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "terminal_unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_are_limited_like_other_calls() {
    let world = World::with(|config| {
        let limits = Limits { terminal: Rate::new(60, Duration::from_hours(1)), ..config.limits };
        Config { limits, ..config }
    });
    let world = world.await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let one = Poller::of(&world.terminal("one", &["acme/stable"], Designation::Own).await).await;
    let web = Web::to(&world);
    let mut statuses = Vec::new();
    for counter in 0..100 {
        statuses.push(one.poll(&web, COUNTER + counter).await.status);
    }
    assert_eq!((statuses[0], statuses[99]), (304, 429), "{statuses:?}");
}

/// A replica keeps rows too, and hears of operators within a second or so.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_revoked_at_one_replica_is_refused_by_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let Some(bucket) = shared(dir.path()) else { return };
    let share = move |config: Config| Config { bucket: Some(bucket.clone()), ..config };
    let world = World::within(dir, &share).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let other = world.replica(share).await;
    let one = Poller::of(&world.terminal("one", &["acme/stable"], Designation::Own).await).await;
    let web = Web::trusting(&other.url, None);
    assert_eq!(one.poll(&web, COUNTER).await.status, 304);
    world.operator.revoke_terminal(&one.terminal).await.unwrap();
    let since = Instant::now();
    for counter in 1.. {
        match one.poll(&web, COUNTER + counter).await.status {
            403 => break,
            status => assert_eq!(status, 304),
        }
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    other.stop().await;
}
