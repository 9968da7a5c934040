//! Refusals that name a time: heeded, kept over restarts, and each for its source alone (threat row 31).

use crate::support::fault::{Fault, FaultProxy};
use crate::support::{FakeEngine, Terminal, World, at};
use std::fs;
use std::time::{Duration, SystemTime};
use updater::agent::Agent;
use updater::wire::Designation;

fn refusal(status: u16, retry_after: &str) -> Fault {
    Fault::Answer(status, vec![("retry-after", retry_after.to_owned())], "")
}

async fn world() -> (World, Terminal, FaultProxy) {
    let world = World::new().await;
    for name in ["acme", "best"] {
        let maker = world.maker(name).await;
        world.publish(&maker, &format!("{name}/stable"), 1, 0..100).await;
    }
    let terminal = world.terminal("one", &["acme/stable", "best/stable"], Designation::Own).await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&proxy.url);
    (world, terminal, proxy)
}

/// As if the time that was asked for were over.
fn let_time_pass(terminal: &Terminal) {
    let path = terminal.folder.join("backoff.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (_, source) in json["sources"].as_object_mut().unwrap() {
        source["until"] = 1.into();
    }
    fs::write(path, json.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channels_refusal_delays_no_other() {
    let (world, terminal, proxy) = world().await;
    for (part, status) in [("/targets/m/acme/", 429), (".m-acme.json", 503), ("/targets/m/acme/", 403)] {
        proxy.once(part, refusal(status, "600"));
        let report = terminal.agent.update().await.unwrap();
        assert_eq!(report.faults[0].code, format!("http_{status}"));
        assert_eq!(terminal.runs(), [at("best/stable", 1)]);
        let waiting = terminal.status().backing_off;
        assert_eq!(
            (waiting.len(), waiting[0].source.as_str(), waiting[0].code.clone()),
            (1, "acme/stable", format!("http_{status}"))
        );

        // Not asked again, by no process, while everything else goes on.
        proxy.forget();
        let again = Agent::new(&terminal.folder, FakeEngine::default());
        let report = again.update().await.unwrap();
        assert_eq!((report.faults.len(), report.faults[0].code.as_str()), (1, "backing_off"));
        assert!(proxy.seen("acme").is_empty());
        assert!(!proxy.seen("/check-in").is_empty() && !proxy.seen(".m-best.json").is_empty());
        let_time_pass(&terminal);
    }
    let report = terminal.agent.update().await.unwrap();
    assert!(report.faults.is_empty());
    assert_eq!(terminal.runs(), [at("acme/stable", 1), at("best/stable", 1)]);
    assert!(terminal.status().backing_off.is_empty());
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_services_refusal_is_heeded_for_as_long_as_it_says() {
    let (_world, terminal, proxy) = world().await;
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    for (part, fault, wait) in [
        ("/check-in", refusal(429, "100"), 100),
        ("/metadata/timestamp.json", refusal(503, &date), 3600),
        ("/metadata/2.root.json", refusal(503, "200"), 200),
        ("/metadata/2.root.json", refusal(403, "200"), 200),
        ("/check-in", refusal(429, "999999999"), 86_400),
        ("/check-in", Fault::Answer(503, Vec::new(), ""), 60),
    ] {
        let_time_pass_if_any(&terminal);
        proxy.once(part, fault);
        let code = terminal.agent.update().await.unwrap_err().code().to_owned();
        assert!(["http_429", "http_503", "http_403"].contains(&code.as_str()), "{code}");
        let waiting = terminal.status().backing_off;
        let left = waiting[0].until - jiff::Timestamp::now().as_second();
        assert_eq!((waiting[0].source.as_str(), waiting[0].code.clone()), ("service", code));
        // A wait that is not named has doubled five times by the sixth refusal in a row. The date was made a little earlier.
        let wait = if wait == 60 { 60 * 32 } else { wait };
        assert!(left >= wait - 30 && left <= wait + wait / 4 + 1, "{wait}: {left}");

        proxy.forget();
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), "backing_off");
        let polled = Agent::new(&terminal.folder, FakeEngine::default()).poll().await;
        assert_eq!(polled.result.unwrap_err().code(), "backing_off");
        assert!(i64::try_from(polled.next.as_secs()).unwrap() >= left - 30, "{:?}", polled.next);
        assert!(proxy.seen("").is_empty(), "nobody is asked");
    }
    let_time_pass(&terminal);
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs().len(), 2);
    // An idle poll is refused like anything else.
    terminal.agent.update().await.unwrap();
    proxy.once("/beacon", refusal(429, "60"));
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "http_429");
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "backing_off");
}

fn let_time_pass_if_any(terminal: &Terminal) {
    if terminal.folder.join("backoff.json").exists() {
        let_time_pass(terminal);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_refusals_that_cannot_be_read_stops_nobody() {
    let (_world, terminal, _proxy) = world().await;
    fs::write(terminal.folder.join("backoff.json"), "{").unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs().len(), 2);
}
