//! The agent as its owner meets it: scans that die, scans that ask first, the one that stays.
#![cfg(unix)]

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ONE: &str = "Test.One:0:*:6e6565646c65\n";
const TWO: &str = "Test.Two:0:*:68617973746163\n";

/// A service and a terminal that runs release 1, which has proven itself, and release 2, which has not.
fn on_probation(bench: &Bench) -> Service {
    let service = Service::with_maker(bench);
    service.enrol(bench, "terminal");
    service.publish(bench, 1, ONE);
    bench.file("terminal/agent.toml", "[probation]\nscans = 1\n");
    bench.expect(0, "agent update --state terminal");
    bench.file("clean", "nothing");
    bench.expect(0, "scan --state terminal clean");
    bench.file("terminal/agent.toml", "keep = 1\n[probation]\ncrashes = 2\n");
    service.publish(bench, 2, &format!("{ONE}{TWO}"));
    bench.expect(0, "agent update --state terminal");
    assert_eq!(status(bench)["probation"]["fallback"], 1);
    service
}

fn status(bench: &Bench) -> Value {
    bench.expect(0, "agent status --state terminal --json").json()[0].clone()
}

fn release(bench: &Bench) -> Value {
    status(bench)["channels"][0]["release"].clone()
}

/// A scan that hangs, as nobody reads what it says, and has left its mark.
fn hanging_scan(bench: &Bench) -> Child {
    let marks = || fs::read_dir(bench.path("terminal/scans")).map_or(0, Iterator::count);
    let before = marks();
    let mut command = bench.command();
    command.args(["scan", "--state", "terminal", "--all-matches", "big"]).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    until(|| marks() > before);
    child
}

fn until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "it never holds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder that takes long to scan: its verdicts fill a pipe that nobody reads.
fn big(bench: &Bench) {
    for number in 0..4000 {
        bench.file(&format!("big/{number:04}-{}", "x".repeat(180)), "a needle");
    }
}

#[test]
fn scans_that_are_killed_take_a_generation_out_of_force() {
    let bench = Bench::new();
    let service = on_probation(&bench);
    big(&bench);
    for died in 0..2 {
        assert_eq!((release(&bench), &status(&bench)["probation"]["crashes"]), (2.into(), &died.into()));
        let mut scan = hanging_scan(&bench);
        signal(&scan, "ABRT");
        assert!(scan.wait().unwrap().code().is_none());
    }
    bench.file("bad", "the haystack");
    bench.expect(0, "scan --state terminal bad");
    assert_eq!(release(&bench), 1);
    bench.expect(0, "agent update --state terminal");
    assert_eq!(release(&bench), 1, "release 2 is held back");
    let rows = bench.expect(0, &format!("admin terminals --json --service {} {OPERATOR}", service.url)).json();
    assert_eq!(rows[0]["trouble"], "held_back");
    assert_eq!(status(&bench)["untold_faults"], serde_json::json!([]));
}

/// Whether it has handlers of its own; before that a signal ends it, and its mark stays.
fn catches_signals(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let wanted = [1, 2, 15].map(|number| 1_u64 << (number - 1)).iter().sum::<u64>();
    u64::from_str_radix(caught.trim(), 16).unwrap() & wanted == wanted
}

#[test]
fn a_scan_that_somebody_ends_accuses_nobody() {
    let bench = Bench::new();
    let _service = on_probation(&bench);
    big(&bench);
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut scan = hanging_scan(&bench);
        until(|| catches_signals(&scan));
        signal(&scan, name);
        assert_eq!(scan.wait().unwrap().code(), Some(code), "{name}");
    }
    assert_eq!(status(&bench)["probation"]["crashes"], 0);
}

#[test]
fn a_scanner_that_holds_the_old_generation_goes_on_undisturbed() {
    let bench = Bench::new();
    let service = on_probation(&bench);
    let path = updater::installed_database(&bench.path("terminal")).unwrap().unwrap();
    let file = engine::DatabaseFile::open(&path).unwrap();
    let database = file.database().unwrap();
    let scanner = engine::Scanner::new(&database);
    bench.file("terminal/agent.toml", "keep = 1\n[probation]\nhours = 0\n");
    for release in 3..=5 {
        service.publish(&bench, release, &format!("Test.Made{release}:0:*:6162636465666768{release:02x}\n"));
        bench.expect(0, "agent update --state terminal");
    }
    assert!(!path.exists(), "its generation is removed");
    database.verify().unwrap();
    assert_eq!(scanner.signatures(&mut scanner.scratch(), b"the haystack").len(), 1);
    bench.file("bad", "the haystack");
    bench.expect(0, "scan --state terminal bad");
}

#[test]
fn a_scan_asks_first_where_that_is_switched_on() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, ONE);
    bench.expect(0, "agent update --state terminal");
    service.publish(&bench, 2, &format!("{ONE}{TWO}"));
    bench.file("bad", "the haystack");
    bench.expect(0, "scan --state terminal bad");
    let settings = "[triggers]\nscan = true\nscan_wait_seconds = 300\nwhen_stale = \"block\"\n";
    bench.file("terminal/agent.toml", settings);
    bench.expect(0, "scan --state terminal --no-update bad");
    bench.expect(1, "scan --state terminal bad");
    assert_eq!(release(&bench), 2);

    // Without the service: what is installed is fresh enough, until it is not.
    drop(service);
    bench.expect(1, "scan --state terminal bad");
    let mut contact: Value = serde_json::from_slice(&fs::read(bench.path("terminal/contact.json")).unwrap()).unwrap();
    contact["at"] = 1_700_000_000.into();
    bench.file("terminal/contact.json", contact.to_string());
    let ran = bench.expect(2, "scan --state terminal --json bad");
    assert_eq!(ran.json()[0]["code"], "signatures_stale");
    bench.file("terminal/agent.toml", settings.replace("block", "warn"));
    let ran = bench.expect(1, "scan --state terminal bad");
    assert!(ran.err.contains("signatures_stale"), "{}", ran.err);
    bench.file("terminal/agent.toml", settings.replace("block", "continue"));
    assert!(!bench.expect(1, "scan --state terminal bad").err.contains("signatures_stale"));
    bench.expect(1, "scan --state no-terminal --signatures 2.ndb bad");
}

/// Stages, applies and declines by commands.
#[test]
fn an_owner_who_wants_to_be_asked() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    bench.file("terminal/agent.toml", "consent = \"ask\"\n");
    service.publish(&bench, 1, ONE);
    let staged = bench.expect(0, "agent update --state terminal --json").json()[0].clone();
    assert_eq!((&staged["outcome"], &staged["staged"]["waits_for"]), (&"staged".into(), &"consent".into()));
    bench.expect(0, "agent apply --state terminal");
    assert_eq!(release(&bench), 1);
    service.publish(&bench, 2, TWO);
    bench.expect(0, "agent update --state terminal");
    bench.expect(0, "agent decline --state terminal");
    let ran = bench.expect(2, "agent apply --state terminal --json");
    assert_eq!(ran.json()[0]["code"], "nothing_staged");
    assert_eq!(release(&bench), 1);
    bench.expect(0, "agent probe --state terminal");
}

#[test]
fn the_one_that_stays_updates_and_ends_when_told() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, ONE);
    let mut command = bench.command();
    command.args(["agent", "run", "--state", "terminal"]).stdout(Stdio::piped());
    let mut daemon = command.spawn().unwrap();
    let mut out = BufReader::new(daemon.stdout.take().unwrap());
    let mut lines = out.by_ref().lines().map(Result::unwrap);
    // It runs nothing yet, so it asks at once.
    assert!(lines.any(|line| line.starts_with("first installation")));
    assert!(lines.any(|line| line.starts_with("next in ")));
    assert_eq!(release(&bench), 1);
    let second = bench.expect(2, "agent run --state terminal --json");
    assert_eq!(second.json()[0]["code"], "agent_busy");
    signal(&daemon, "TERM");
    assert!(daemon.wait().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("ended\n"), "{rest}");
}

#[test]
fn a_terminal_without_a_network_imports_a_file() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, ONE);
    let exported = bench.expect(0, "bundle export --state terminal -o bundle --json").json()[0].clone();
    assert_eq!(exported["releases"][0]["release"], 1);
    bench.expect(0, &format!("bundle export --service {} -o all", service.url));
    drop(service);
    let imported = bench.expect(0, "agent import --state terminal bundle --json").json()[0].clone();
    assert_eq!((&imported["outcome"], &imported["age_hours"]), (&"installed".into(), &0.into()));
    assert_eq!(release(&bench), 1);
    bench.file("no-bundle", "x");
    let ran = bench.expect(2, "agent import --state terminal no-bundle --json");
    assert_eq!(ran.json()[0]["code"], "bundle_malformed");
}

/// What the terminal says it asked is what the service says it answered, request by request.
#[test]
fn the_journals_of_both_sides_agree() {
    let bench = Bench::new();
    let service = Service::logging(&bench);
    service.register(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, ONE);
    for _ in 0..3 {
        bench.expect(0, "agent update --state terminal");
    }
    drop(service);
    bench.expect(2, "agent update --state terminal");

    let journal = bench.expect(0, "agent journal --state terminal --json").json()[0].clone();
    let journal = journal.as_array().unwrap();
    let of = |event: &str| journal.iter().filter(|entry| entry["event"] == event).collect::<Vec<_>>();
    let log = fs::read_to_string(bench.path("service.log")).unwrap();
    let answered: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut joined = 0;
    for asked in of("asked") {
        if asked["status"].is_null() {
            assert_eq!(asked["code"], "service_unreachable", "{asked}");
            continue;
        }
        let is_same = |line: &&Value| {
            let fields = &line["fields"];
            line["span"]["id"] == asked["request"] && ["method", "path", "status"].iter().all(|of| fields[*of] == asked[*of])
        };
        assert_eq!(answered.iter().filter(is_same).count(), 1, "{asked}");
        joined += 1;
    }
    assert!(joined >= 8, "{journal:?}");
    let steps: Vec<&str> = of("did").iter().map(|entry| entry["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["fetch acme/main 1", "verify acme/main 1", "link", "self_test", "switch"]);
    let ends: Vec<&str> = of("ended").iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(ends, ["installed", "up_to_date", "up_to_date", "service_unreachable"]);
    let text = bench.expect(0, "agent journal --state terminal --last 1").out;
    assert!(text.lines().count() == 1 && text.contains("ended  service_unreachable: "), "{text}");
    assert_eq!(bench.expect(0, "agent journal --state nowhere").out, "");
}

/// A folder may have any name, and one that is no text is told in JSON all the same.
#[cfg(target_os = "linux")]
#[test]
fn a_state_folder_may_have_any_name() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, ONE);
    let odd = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(b"terminal-\xff".to_vec());
    fs::rename(bench.path("terminal"), bench.path("").join(&odd)).unwrap();
    let agent = |args: &str| {
        ran(bench.command().args(["agent", "--json", "--state"]).arg(&odd).args(args.split_whitespace()).output().unwrap())
    };
    let updated = agent("update");
    assert_eq!(updated.json()[0]["outcome"], "installed", "{}", updated.err);
    let database = agent("status").json()[0]["database"]["hex"].clone();
    assert!(database.as_str().unwrap().starts_with("7465726d696e616c2dff2f"), "{database}");
}

#[test]
fn programs_read_what_the_daemon_does_and_what_a_scan_used() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, ONE);
    let token = bench.expect(0, &format!("admin enrolment-token --service {} {OPERATOR}", service.url)).out;
    fs::create_dir(bench.path("nothing")).unwrap();
    let enroll = "agent enroll --json --state terminal --channel acme/main --clean-from nothing";
    let enrolled = bench.expect(0, &format!("{enroll} --service {} --token {token}", service.url)).json()[0].clone();
    assert_eq!((&enrolled["terminal"], &enrolled["service"]), (&status(&bench)["terminal"], &service.url.clone().into()));

    let mut command = bench.command();
    command.args(["agent", "run", "--json", "--state", "terminal"]).stdout(Stdio::piped());
    let mut daemon = command.spawn().unwrap();
    let mut lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("it goes on").unwrap()).unwrap();
    assert_eq!(next()["type"], "began");
    let updated = std::iter::repeat_with(&mut next).find(|line| line["type"] == "updated").unwrap();
    assert_eq!(updated["update"]["outcome"], "installed");
    assert!(std::iter::repeat_with(&mut next).find(|line| line["type"] == "next").unwrap()["seconds"].is_u64());
    signal(&daemon, "TERM");
    std::iter::repeat_with(&mut next).find(|line| line["type"] == "ended").unwrap();
    assert!(daemon.wait().unwrap().success());

    bench.file("found", "a needle");
    let summary = bench.expect(1, "scan --state terminal --json found").json_of("summary")[0].clone();
    assert_eq!(summary["releases"], serde_json::json!([{"channel": "acme/main", "release": 1}]));
    assert!(bench.expect(1, "scan --state terminal found").err.contains(" of acme/main 1;"));
    bench.expect(0, "link 1.titer -o 1.tdb");
    let summary = bench.expect(1, "scan --db 1.tdb --json found").json_of("summary")[0].clone();
    assert_eq!(summary["releases"], serde_json::json!([]), "it was not installed");
}
