//! Bounds: who calls much, slowly, or with many keeps nobody else out.

use crate::support::web::{Web, connect, rest};
use crate::support::{World, at, is_on_postgres, tables, world_with_one_terminal};
use axum::http::Method;
use futures_util::future::join_all;
use sqlx::{Any, AnyPool, Transaction};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::service::{Config, Limits, Patience, Rate};
use updater::wire::Designation;

const HOUR: Duration = Duration::from_hours(1);

fn limited(change: impl FnOnce(&mut Limits)) -> impl FnOnce(Config) -> Config {
    |mut config| {
        change(&mut config.limits);
        config.contact = Some("soc@example.test".to_owned());
        config
    }
}

/// Row 27, and what it must not cost: terminals behind an address whose strangers used up its budget.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_an_address_do_not_lock_its_terminals_out() {
    let world = World::with(limited(|limits| limits.address = Rate::new(60, HOUR))).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let web = Web::to(&world);
    let mut refused = 0;
    for _ in 0..80 {
        let answer = web.get("/v1/makers/acme").await;
        if answer.status == 429 {
            refused += 1;
            assert_eq!(answer.code(), "rate_limited");
            assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
            assert_eq!(answer.json()["contact"], "soc@example.test");
        }
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(web.get("/metadata/timestamp.json").await.status, 429);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    // Those who watch the service are not strangers.
    assert_eq!(web.get("/v1/health").await.status, 200);
    assert_eq!(web.with_token(Method::GET, "/v1/terminals", world.token(), "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_calls_too_often_waits_and_others_do_not() {
    let world = World::with(limited(|limits| limits.terminal = Rate::new(30, HOUR))).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let busy = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let other = world.terminal("two", &["acme/stable"], Designation::Own).await;
    let mut codes = Vec::new();
    for _ in 0..30 {
        if let Err(error) = busy.agent.update_fully().await {
            codes.push(error.code().to_owned());
        }
    }
    // It was told to wait, and does: then it does not even ask.
    assert_eq!(codes[0], "rate_limited", "{codes:?}");
    assert_eq!(codes.last().unwrap(), "backing_off");
    other.agent.update().await.unwrap();
    assert_eq!(other.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_that_fail_are_charged_to_the_address() {
    let world = World::with(limited(|limits| limits.address = Rate::new(10, HOUR))).await;
    let web = Web::to(&world);
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.push(web.with_token(Method::GET, "/v1/terminals", "guess", "").await.code());
    }
    assert!(codes[..10].iter().all(|code| code == "operator_token_refused"), "{codes:?}");
    assert_eq!(codes[10..], ["rate_limited", "rate_limited"]);
    assert_eq!(web.with_token(Method::GET, "/v1/terminals", world.token(), "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_bodies_are_cut_off() {
    let world = World::with(|mut config| {
        config.patience = Patience { head: Duration::from_millis(300), ..Patience::default() };
        config.body_patience = Duration::from_millis(300);
        config
    })
    .await;
    let began = Instant::now();
    let mut silent = connect(&world.url).await;
    let mut slow = connect(&world.url).await;
    slow.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let dripping = tokio::spawn(async move {
        // A byte now and then does not make it last.
        while slow.write_all(b"x").await.is_ok() && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut body = connect(&world.url).await;
    body.write_all(b"POST /v1/terminals HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
    let answer = String::from_utf8(rest(&mut body).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"body_too_slow\""), "{answer}");
    let mut form = connect(&world.url).await;
    form.write_all(b"POST /console/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nt").await.unwrap();
    let answer = String::from_utf8(rest(&mut form).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(rest(&mut silent).await, b"");
    dripping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(Web::to(&world).get("/v1/health").await.status, 200);
}

/// What a terminal says again changes no decision, so nobody is told that something may have changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_repeats_itself_has_nobody_else_ask_again() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let key = SigningKey::load(&Disk::default(), &terminal.folder.join("key.pk8")).unwrap();
    let path = format!("/v1/terminals/{}/acknowledge", terminal.status().terminal.unwrap());
    let tables = tables(world.dir.path()).await;
    let number = async || sqlx::query_scalar::<_, i64>("SELECT number FROM changes").fetch_one(&tables).await.unwrap();
    let before = number().await;
    for counter in 1_u64 << 60..(1 << 60) + 12 {
        let body = r#"{"outcome":"trouble","step":"s","code":"self_test_flags_clean","words":"w"}"#;
        let message = format!("titer-request-v1\nPOST {path}\n{counter}\n{body}");
        let (counter, signature) = (counter.to_string(), hex::encode(key.sign(message.as_bytes())));
        let proof = [("titer-counter", counter.as_str()), ("titer-signature", signature.as_str())];
        assert_eq!(Web::to(&world).send(Method::POST, &path, &proof, body).await.status, 200);
    }
    let changes = number().await - before;
    tables.close().await;
    // That the names of a release are taken over is a change as well, and may come just now.
    assert!((1..=3).contains(&changes), "{changes}");
}

/// PostgreSQL keeps no text with a NUL, and an address can have one.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_a_nul_is_the_callers_fault() {
    let world = World::new().await;
    let proof = [("titer-counter", "1"), ("titer-signature", "00")];
    for call in ["check-in", "acknowledge", "threats"] {
        let answer = Web::to(&world).send(Method::POST, &format!("/v1/terminals/a%00b/{call}"), &proof, "{}").await;
        let refused = (answer.status, answer.code());
        assert!([(400, "request_malformed"), (404, "terminal_unknown")].contains(&(refused.0, &refused.1)), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_take_every_connection() {
    let world = World::with(limited(|limits| limits.connections_per_address = 5)).await;
    let web = Web::to(&world);
    let token = world.token().to_owned();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(connect(&world.url).await);
    }
    // The sixth is closed without a word, sooner or later after it was made.
    assert_eq!(rest(&mut connect(&world.url).await).await, b"");
    held.clear();
    for attempt in 0.. {
        // The service notices in its own time that the others went away.
        if let Ok(answer) = web.try_send(Method::GET, "/metrics", &[("authorization", &format!("Bearer {token}"))], "").await
        {
            let refused = "titer_connections_refused_total ";
            let text = answer.text();
            let line = text.lines().find(|line| line.starts_with(refused)).unwrap();
            assert!(line[refused.len()..].parse::<u64>().unwrap() >= 1);
            break;
        }
        assert!(attempt < 100);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has whoever writes wait until it is dropped: SQLite has one writer, and PostgreSQL one for each row.
async fn hold(tables: &AnyPool) -> Transaction<'static, Any> {
    if is_on_postgres() {
        let mut held = tables.begin().await.unwrap();
        sqlx::query("LOCK TABLE enrolment_tokens, terminals, makers, audit_head IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *held)
            .await
            .unwrap();
        return held;
    }
    tables.begin_with("BEGIN IMMEDIATE").await.unwrap()
}

/// Row 27: one request is worked on, ten wait, and two hundred come.
#[tokio::test(flavor = "multi_thread")]
async fn thundering_herd() {
    let world = World::with(limited(|limits| {
        (limits.running_max, limits.waiting_max) = (1, 10);
        limits.waiting_patience = Duration::from_secs(20);
    }))
    .await;
    let web = Web::to(&world);
    let tables = tables(world.dir.path()).await;
    // Whoever writes now holds the one turn until the tables are free again.
    let held = hold(&tables).await;
    let herd = (0..200).map(|_| {
        let (web, token) = (web.clone(), world.token().to_owned());
        tokio::spawn(async move { web.with_token(Method::POST, "/v1/enrolment-tokens", &token, "").await })
    });
    let herd = tokio::spawn(join_all(herd.collect::<Vec<_>>()));
    let metric = async |name: &str| {
        let text = web.with_token(Method::GET, "/metrics", world.token(), "").await.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap()
    };
    let mut most_waiting = 0;
    for attempt in 0.. {
        most_waiting = most_waiting.max(metric("titer_requests_waiting ").await);
        // The service says how it is, however many wait.
        assert_eq!(web.get("/v1/health").await.status, 200);
        if most_waiting == 10 {
            break;
        }
        assert!(attempt < 200, "{most_waiting}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(held);
    let answers = herd.await.unwrap().into_iter().map(|answer| answer.unwrap()).collect::<Vec<_>>();
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    let waits: BTreeSet<u64> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .map(|answer| {
            assert_eq!(answer.code(), "service_busy");
            answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
        })
        .collect();
    assert!(served >= 11, "the one and those who waited: {served}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 503)));
    assert!(waits.len() >= 8 && waits.iter().all(|wait| (5..=30).contains(wait)), "{waits:?}");
    // It is over: everybody who comes back is served, and nothing is left of the herd.
    for _ in 0..20 {
        assert_eq!(web.with_token(Method::POST, "/v1/enrolment-tokens", world.token(), "").await.status, 200);
    }
    assert_eq!((metric("titer_requests_waiting ").await, metric("titer_requests_running ").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_given_up() {
    let world = World::with(|config| Config { request_time: Duration::from_millis(300), ..config }).await;
    let tables = tables(world.dir.path()).await;
    let held = hold(&tables).await;
    let web = Web::to(&world);
    let answer = web.with_token(Method::POST, "/v1/enrolment-tokens", world.token(), "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "service_busy"));
    drop(held);
}

/// Whoever calls chooses the codes of trouble; so many of them are kept, and that of a clean file in any case.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_accuses_a_release_by_so_many_codes() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let key = SigningKey::load(&Disk::default(), &terminal.folder.join("key.pk8")).unwrap();
    let path = format!("/v1/terminals/{}/acknowledge", terminal.status().terminal.unwrap());
    let web = Web::to(&world);
    let codes = (0..40).map(|number| format!("made_up_{number}"));
    for (counter, code) in (1_u64 << 60..).zip(std::iter::once("self_test_flags_clean".to_owned()).chain(codes)) {
        let body = format!(r#"{{"outcome":"trouble","step":"s","code":"{code}","words":"w"}}"#);
        let message = format!("titer-request-v1\nPOST {path}\n{counter}\n{body}");
        let (counter, signature) = (counter.to_string(), hex::encode(key.sign(message.as_bytes())));
        let proof = [("titer-counter", counter.as_str()), ("titer-signature", signature.as_str())];
        assert_eq!(web.send(Method::POST, &path, &proof, &body).await.status, 200);
    }
    let tables = tables(world.dir.path()).await;
    let count = async |which: &'static str| sqlx::query_scalar::<_, i64>(which).fetch_one(&tables).await.unwrap();
    assert_eq!(count("SELECT COUNT(*) FROM blamed").await, 17);
    assert_eq!(count("SELECT COUNT(*) FROM blamed WHERE code = 'self_test_flags_clean'").await, 1);
    tables.close().await;
}
