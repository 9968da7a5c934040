//! The idle poll: what it costs on the wire, what ends it, and that a service which says "nothing changed" for ever hides nothing for long.

use crate::support::fault::{Fault, FaultProxy};
use crate::support::{FakeEngine, Terminal, World, at, config, is_on_postgres};
use std::fs;
use std::path::Path;
use std::time::Duration;
use updater::agent::{Agent, Outcome};
use updater::service::Config;
use updater::wire::{Danger, Designation, Reason, ThreatNews, Vaccine};

/// What an idle poll may cost, both ways, headers included.
const IDLE_BYTES_MAX: u64 = 1500;

async fn idle_terminal(world: &World) -> (Terminal, FaultProxy) {
    let terminal = world.terminal("one", &["acme/stable"], Designation::Any).await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    // Installs, then hears that this is current.
    for _ in 0..2 {
        assert!(!terminal.agent.update().await.unwrap().idle);
    }
    proxy.forget();
    (terminal, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_changes_an_update_is_one_short_request() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    for _ in 0..3 {
        proxy.forget();
        let report = terminal.agent.update().await.unwrap();
        assert_eq!((report.outcome, report.idle, report.generation), (Outcome::UpToDate, true, Some(1)));
        let seen = proxy.seen("");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((seen[0].method.as_str(), seen[0].status, seen[0].body_sent), ("GET", 304, 0));
        let bytes = seen[0].received + seen[0].sent;
        assert!(bytes <= IDLE_BYTES_MAX, "{bytes}");
        println!("an idle poll: {} bytes to the service, {} back", seen[0].received, seen[0].sent);
    }
    // News brings the full update, which is followed by idle ones again.
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Installed);
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(terminal.agent.update().await.unwrap().assignment.reason, Reason::Current);
    assert!(terminal.agent.update().await.unwrap().idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_others_that_changes_nothing_here_stays_idle() {
    let world = World::new().await;
    let (acme, best) = (world.maker("acme").await, world.maker("best").await);
    world.publish(&acme, "acme/stable", 1, 0..100).await;
    let (terminal, _) = idle_terminal(&world).await;
    world.publish(&best, "best/stable", 1, 0..100).await;
    assert!(terminal.agent.update().await.unwrap().idle);

    // A threat that another maker cures is news for this terminal, though nothing is published.
    let day = "2026-11-10".parse().unwrap();
    let vaccine = Some(Vaccine { date: day, since: at("best/stable", 1) });
    let news = ThreatNews { threat: "x".to_owned(), danger: Danger::High, discovered: day, expected: None, vaccine };
    best.news(&world.url, &news).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Installed);
    assert_eq!(terminal.runs(), [at("best/stable", 1)]);
    assert!(!terminal.agent.update().await.unwrap().idle);
    assert!(terminal.agent.update().await.unwrap().idle);
}

/// The operator sees contact, and the tables are not written for it one by one.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_poll_is_contact_also_after_a_restart() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    let tables = world.dir.path().join("service/titer.sqlite3-wal");
    // What PostgreSQL writes is not seen in a file of its own.
    let written = |tables: &Path| if is_on_postgres() { 0 } else { fs::metadata(tables).unwrap().len() };
    let before = written(&tables);
    let first = world.operator.terminals().await.unwrap()[0].last_contact.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(terminal.agent.update().await.unwrap().idle);
    assert_eq!(written(&tables), before, "a poll writes nothing");
    assert!(terminal.status().last_contact.unwrap() > first);
    // Replayed to the service as it was recorded, it is refused; also by a service that was restarted since.
    let recorded = proxy.seen("/beacon").pop().unwrap();
    let replay = async |world: &World| {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let mut request = client.get(world.url.join(&recorded.path).unwrap());
        for name in ["titer-counter", "titer-mac", "if-none-match"] {
            request = request.header(name, recorded.header(name).unwrap());
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(replay(&world).await, 409);
    world.restart(|_| {}).await;
    assert_eq!(replay(&world).await, 409);
    assert!(world.operator.terminals().await.unwrap()[0].last_contact.unwrap() > first);
    proxy.turn_to(&world.url);
    assert!(terminal.agent.update().await.unwrap().idle, "tags do not depend on the process");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_changes_here_ends_idleness() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    assert!(terminal.agent.update().await.unwrap().idle);

    let changed = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let path = terminal.folder.join(name);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(path, json.to_string()).unwrap();
    };
    let is_idle = async || terminal.agent.update().await.unwrap().idle;
    changed("identity.json", &|identity| identity["facts"]["hardware"] = "other".into());
    assert!(!is_idle().await);
    assert!(is_idle().await);
    // The database in force is damaged: healed, not reported as up to date.
    fs::write(updater::installed_database(&terminal.folder).unwrap().unwrap(), "harmed").unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::Installed);
    assert!(!is_idle().await);
    assert!(is_idle().await);
    // A clock that was set back, a file that nobody can read, one that is missing.
    changed("poll.json", &|seen| seen["full_at"] = 4_000_000_000_i64.into());
    assert!(!is_idle().await);
    fs::write(terminal.folder.join("poll.json"), "{").unwrap();
    assert!(!is_idle().await);
    fs::remove_file(terminal.folder.join("poll.json")).unwrap();
    assert!(!is_idle().await);
    assert!(is_idle().await);
    assert!(!terminal.agent.update_fully().await.unwrap().idle);
    let often = Agent::new(&terminal.folder, FakeEngine::default()).full_every(Duration::ZERO);
    assert!(!often.update().await.unwrap().idle);
    // A service that knows no beacons is asked the full way.
    proxy.once("/beacon", Fault::Answer(404, Vec::new(), ""));
    assert!(!is_idle().await);
}

/// Threat row 9: somebody answers 304 for ever, and withholds the timestamp. It lasts until the timestamp expires.
#[tokio::test(flavor = "multi_thread")]
async fn not_modified_for_ever_does_not_hide_expiry() {
    let short = Duration::from_secs(8);
    let world = World::with(|config| Config { timestamp_lifetime: short, ..config }).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    proxy.always("/beacon", Fault::Answer(304, Vec::new(), ""));
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    // News withheld: that much any withholding can do.
    assert!(terminal.agent.update().await.unwrap().idle);
    tokio::time::sleep(short + Duration::from_secs(1)).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_expired");
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_expired", "also the next time");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    // The next publication brings a timestamp that is valid.
    proxy.heal();
    world.publish(&maker, "acme/stable", 3, 0..102).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 3)]);
}

/// A failed update is not followed by an idle one that calls itself up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_not_forgotten_by_the_next_poll() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    let bad = world.publish(&maker, "acme/stable", 2, 0..101).await;
    terminal.engine.refuse(&bad);
    for _ in 0..2 {
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), "self_test_failed");
    }
    proxy.always("/metadata/timestamp.json", Fault::NoAnswer);
    assert_eq!(terminal.agent.update_fully().await.unwrap_err().code(), "service_unreachable");
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_says_when_to_come_back() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let world = World::with(|config| Config { poll_every: minutes(100), ..config }).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let (terminal, proxy) = idle_terminal(&world).await;
    let polled = terminal.agent.poll().await;
    assert!(polled.result.unwrap().idle);
    assert!(polled.next >= minutes(100) && polled.next <= minutes(125), "{:?}", polled.next);
    // Failures in a row: half a minute, then longer each time, also by another process.
    proxy.always("", Fault::NoAnswer);
    let mut last = Duration::ZERO;
    for _ in 0..3 {
        let again = Agent::new(&terminal.folder, FakeEngine::default());
        let polled = again.poll().await;
        assert_eq!(polled.result.unwrap_err().code(), "service_unreachable");
        assert!(polled.next > last && polled.next <= Duration::from_secs(150), "{:?}", polled.next);
        last = polled.next;
    }
    proxy.heal();
    assert!(terminal.agent.poll().await.next >= minutes(100));
    assert_eq!(config(world.dir.path()).poll_every, minutes(10), "the usual time");
}
