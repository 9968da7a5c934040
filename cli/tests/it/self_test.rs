//! The self-test of a new database by the real engine, in its own process: what is refused, with which code, and that nothing is
//! switched then.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Of "what titer is tried on, the first": in no file of any machine.
const FIRST: &str = "Test.One:0:*:7768617420746974657220697320747269656420\n";

/// A service and a terminal that runs release 1.
fn installed(bench: &Bench) -> Service {
    let service = Service::with_maker(bench);
    service.enrol_with(bench, "terminal", "");
    service.publish(bench, 1, FIRST);
    bench.expect(0, "agent update --state terminal");
    service
}

/// An update is refused with `code`, the service hears of it, and release 1 stays; without the obstacle the next one succeeds.
fn refused(bench: &Bench, service: &Service, code: &str) {
    let ran = bench.expect(2, "agent update --state terminal --json");
    let error = &ran.json()[0];
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("error"), Some(code)), "{}", ran.out);
    assert!(ran.err.contains(code), "{}", ran.err);
    let rows = bench.expect(0, &format!("admin terminals --json --service {} {OPERATOR}", service.url)).json();
    assert_eq!(rows[0]["trouble"], code);
    assert_eq!(release(bench), 1);
    bench.file("bad", "what titer is tried on");
    bench.expect(1, "scan --state terminal bad");
}

fn release(bench: &Bench) -> Value {
    bench.expect(0, "agent status --state terminal --json").json()[0]["channels"][0]["release"].clone()
}

#[test]
fn database_that_flags_system_files() {
    let bench = Bench::new();
    let service = installed(&bench);
    let files = bench.expect(0, "agent clean-files --state terminal --json").json()[0].clone();
    let files = files.as_array().unwrap();
    assert!(!files.is_empty(), "this machine has system files");
    // A signature of what stands in the middle of one of them and in no harmless text.
    let path = files.last().unwrap()["path"].as_str().unwrap();
    let bytes = fs::read(path).unwrap();
    let varied = |window: &&[u8]| window.iter().collect::<std::collections::BTreeSet<_>>().len() > 12;
    let window = bytes[bytes.len() / 2..].windows(24).chain(bytes.windows(24)).find(varied).unwrap();
    let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
    service.publish(&bench, 2, &format!("{FIRST}Test.Bad:0:*:{hex}\n"));
    refused(&bench, &service, "self_test_flags_clean");

    service.publish(&bench, 3, &format!("{FIRST}Test.Two:0:*:7469746572206973206e6f7420747269656420\n"));
    bench.expect(0, "agent update --state terminal");
    assert_eq!(release(&bench), 3);
}

#[test]
fn database_that_eats_memory() {
    let bench = Bench::new();
    let service = installed(&bench);
    service.publish(&bench, 2, &format!("{FIRST}Test.Two:0:*:7469746572206973206e6f7420747269656420\n"));
    bench.file("terminal/agent.toml", "[self_test]\nmemory_mib = 1\n");
    refused(&bench, &service, "self_test_memory");
    fs::remove_file(bench.path("terminal/agent.toml")).unwrap();
    bench.expect(0, "agent update --state terminal");
    assert_eq!(release(&bench), 2);
}

#[test]
fn a_file_that_changed_is_no_longer_held_for_clean() {
    let bench = Bench::new();
    let service = installed(&bench);
    // As if the terminal had been enrolled when this file was still clean.
    let infected = bench.file("tool", "a tool: titer is not tried on it");
    let clean = format!(r#"[{{"path":"{}","sha256":"{}"}}]"#, infected.display(), "0".repeat(64));
    bench.file("terminal/clean.json", clean);
    service.publish(&bench, 2, &format!("{FIRST}Test.Two:0:*:7469746572206973206e6f7420747269656420\n"));
    let update = bench.expect(0, "agent update --state terminal --json").json()[0].clone();
    assert_eq!((&update["self_test"]["system_files"], &update["self_test"]["changed_files"]), (&0.into(), &1.into()));
    assert!(update["self_test"]["samples"].as_u64() >= Some(3), "EICAR, an empty file, a text: {update}");
}

#[test]
fn settings_that_cannot_be_understood_stop_updates_and_not_scans() {
    let bench = Bench::new();
    let _service = installed(&bench);
    bench.file("terminal/agent.toml", "window = \"always\"\n");
    let ran = bench.expect(2, "agent update --state terminal --json");
    assert_eq!(ran.json()[0]["code"], "settings_malformed");
    bench.file("bad", "what titer is tried on");
    bench.expect(1, "scan --state terminal bad");
}

/// Whoever runs the hidden command by hand is told what it is.
#[test]
fn the_test_process_wants_its_request() {
    let bench = Bench::new();
    bench.expect(2, "agent self-test");
    assert!(!Path::new(&bench.path("terminal")).exists());
}
