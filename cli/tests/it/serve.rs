//! What `titer serve` says when it starts, and when it cannot; how other commands know where it is.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn serve(bench: &Bench, data: &str, listen: &str) -> Child {
    bench.command().args(["serve", "--data", data, "--listen", listen]).stdout(Stdio::piped()).spawn().unwrap()
}

/// What a service says from its start to its end, which is when it is there.
fn said_at_start(bench: &Bench) -> String {
    let mut process = serve(bench, "service", "127.0.0.1:0");
    let mut out = process.stdout.take().unwrap();
    let mut said = String::new();
    let began = Instant::now();
    while !said.contains("operator's token is in") && began.elapsed() < Duration::from_mins(1) {
        let mut piece = [0; 4096];
        let length = out.read(&mut piece).unwrap();
        assert!(length > 0, "it ended: {said}");
        said.push_str(std::str::from_utf8(&piece[..length]).unwrap());
    }
    // Asked to stop, it says the rest first.
    signal(&process, "TERM");
    out.read_to_string(&mut said).unwrap();
    assert!(process.wait().unwrap().success());
    said
}

#[test]
fn the_first_start_says_what_comes_next_and_later_ones_do_not() {
    let bench = Bench::new();
    let first = said_at_start(&bench);
    let url = first.lines().next().unwrap().strip_prefix("listening at ").unwrap();
    for words in [
        "the operator's token is in service/operator-token",
        "move service/root-keys to another place",
        &format!("titer admin --service {url} --operator-token service/operator-token operator add NAME --role key-holder"),
    ] {
        assert!(first.contains(words), "{first}");
    }
    let again = said_at_start(&bench);
    assert_eq!(again.lines().count(), 4, "{again}");
}

#[test]
fn a_service_that_cannot_start_says_why_and_what_to_do() {
    let bench = Bench::new();
    let service = Service::start(&bench);
    let address = service.url.strip_prefix("http://").unwrap().trim_end_matches('/');
    bench.file("file", "");
    for (command, error, hint) in [
        (
            "serve --data service --listen 127.0.0.1:0",
            "another service is running on `service` (data_dir_busy)",
            "end the other service, or give another --data",
        ),
        (&format!("serve --data other --listen {address}"), "Address already in use", "take another --listen"),
        (
            "serve --data file --listen 127.0.0.1:0",
            "cannot make folder `file`: File exists",
            "look at the rights of the named file",
        ),
        (
            "serve --data /proc/nowhere --listen 127.0.0.1:0",
            "cannot make folder `/proc/nowhere`",
            "look at the rights of the named file",
        ),
    ] {
        let ran = bench.expect(2, command);
        assert!(
            ran.out.is_empty() && ran.err.contains(error) && ran.err.contains(hint),
            "{command}: {}{}",
            ran.out,
            ran.err
        );
    }
}

/// The address need not be typed again and again; where it is typed, that goes before the environment.
#[test]
fn the_environment_says_which_service_is_meant() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    let with = |url: &str, args: &str| {
        ran(bench.command().env("TITER_SERVICE", url).args(args.split_whitespace()).output().unwrap())
    };
    let listed = with(&service.url, &format!("admin terminals {OPERATOR}"));
    assert_eq!(listed.code, 0, "{}", listed.err);
    let token = with(&service.url, &format!("admin token {OPERATOR}")).out;
    let enrolled = with(&service.url, &format!("agent enroll --state state --token {} --channel acme/main", token.trim()));
    assert_eq!(enrolled.code, 0, "{}", enrolled.err);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    assert_eq!(with(&service.url, "maker publish").code, 0);
    assert_eq!(with(&service.url, "bundle export -o bundle").code, 0);
    let nowhere = "http://127.0.0.1:1/";
    assert_eq!(with(nowhere, &format!("admin terminals --service {} {OPERATOR}", service.url)).code, 0);
    assert_eq!(with(nowhere, "bundle export --state state -o bundle").code, 0, "the terminal's own service");
    let unreached = with(nowhere, &format!("admin terminals {OPERATOR}"));
    assert!(unreached.code == 2 && unreached.err.contains("service_unreachable"), "{}", unreached.err);
    let none = bench.expect(2, "bundle export -o bundle");
    assert!(none.err.contains("no service is named") && none.err.contains("--state DIR"), "{}", none.err);
    let odd = with("nowhere", "bundle export -o bundle");
    assert!(odd.code == 2 && odd.err.contains("$TITER_SERVICE"), "{}", odd.err);
    // What sends nothing unless it is told to is not told to by that.
    let news = with(nowhere, "maker news Some.Worm --danger high --discovered 2026-11-20");
    assert_eq!(news.code, 0, "{}", news.err);
}
