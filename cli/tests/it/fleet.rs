//! `titer serve`, `maker`, `admin` and `agent`, as processes over loopback; `titer demo`.

use crate::support::*;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A running `titer serve`, ended with the value.
pub(crate) struct Service {
    process: Child,
    pub(crate) url: String,
}

impl Service {
    pub(crate) fn start(bench: &Bench) -> Service {
        Service::of(bench, |_| ())
    }

    /// One that logs every request to `service.log`, in JSON.
    pub(crate) fn logging(bench: &Bench) -> Service {
        let log = std::fs::File::create(bench.path("service.log")).unwrap();
        Service::of(bench, |command| {
            command.args(["--log-format", "json"]).env("TITER_LOG", "updater=debug").stderr(log);
        })
    }

    fn of(bench: &Bench, change: impl FnOnce(&mut Command)) -> Service {
        let mut command = bench.command();
        command.args(["serve", "--data", "service", "--listen", "127.0.0.1:0"]);
        // Tests do in a second what terminals do in a day.
        command.args(["--terminal-rate", "1000000", "--address-rate", "1000000"]).stdout(Stdio::piped());
        change(&mut command);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it says where it listens").unwrap();
        let url = first.strip_prefix("listening at ").expect("a line of that form").to_owned();
        Service { process, url }
    }
}

pub(crate) const OPERATOR: &str = "--operator-token service/operator-token";

impl Service {
    /// One that knows maker acme, whose folder is the default one.
    pub(crate) fn with_maker(bench: &Bench) -> Service {
        let service = Service::start(bench);
        service.register(bench);
        service
    }

    /// Makes maker acme and has it known.
    pub(crate) fn register(&self, bench: &Bench) {
        bench.expect(0, "maker init acme");
        bench.expect(0, &format!("maker register --service {} {OPERATOR}", self.url));
    }

    /// Enrols the terminal of the state folder `state`, subscribed to `acme/main`; gives the token that it used up.
    ///
    /// It holds no file of this machine for clean but those that nothing runs without: some other system files hold the words that tests take
    /// for malware.
    pub(crate) fn enrol(&self, bench: &Bench, state: &str) -> String {
        self.enrol_with(bench, state, "--clean-from nothing")
    }

    /// The same with other options.
    pub(crate) fn enrol_with(&self, bench: &Bench, state: &str, options: &str) -> String {
        std::fs::create_dir_all(bench.path("nothing")).unwrap();
        let token = bench.expect(0, &format!("admin enrolment-token --service {} {OPERATOR}", self.url)).out;
        let enroll =
            format!("agent enroll --state {state} --service {} --token {token} --channel acme/main {options}", self.url);
        bench.expect(0, &enroll);
        token
    }

    /// Compiles `lines` as a release and publishes it.
    pub(crate) fn publish(&self, bench: &Bench, release: u64, lines: &str) {
        bench.file(&format!("{release}.ndb"), lines);
        bench.expect(0, &format!("compile {release}.ndb -o {release}.titer --channel acme/main --release {release}"));
        bench.expect(0, &format!("maker release {release}.titer"));
        bench.expect(0, &format!("maker publish --service {}", self.url));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; what matters is that nothing is left behind.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_release_reaches_a_terminal_and_can_be_rolled_back() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    bench.expect(2, "agent update --state terminal");
    let token = service.enrol(&bench, "terminal");
    let again = format!("agent enroll --state other --service {} --token {token} --channel acme/main", service.url);
    bench.expect(2, &again);
    let nothing = bench.expect(0, "agent update --state terminal --json");
    assert_eq!(nothing.json()[0]["outcome"], "nothing_assigned");

    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.publish(&bench, 2, "Test.One:0:*:6e6565646c65\nTest.Two:0:*:68617973746163\n");
    bench.expect(2, "maker release 1.titer");
    let update = bench.expect(0, "agent update --state terminal --json");
    assert_eq!(update.json()[0]["outcome"], "installed");
    bench.file("bad", "the haystack");
    let found = bench.expect(1, "scan --state terminal bad");
    assert_eq!(found.out, "bad: Test.Two FOUND\n");
    let status = bench.expect(0, "agent status --state terminal --json");
    assert_eq!(status.json()[0]["channels"][0]["release"], 2);
    let rows = bench.expect(0, &format!("admin terminals --json --service {} {OPERATOR}", service.url)).json();
    assert_eq!(rows[0]["applied"][0]["release"], 2);

    service.publish(&bench, 3, "Test.Three:0:*:6e6565646c65\n");
    bench.expect(0, "agent update --state terminal");
    bench.expect(0, "scan --state terminal bad");
    bench.expect(0, "agent rollback --state terminal");
    bench.expect(1, "scan --state terminal bad");
    let held = bench.expect(0, "agent update --state terminal --json");
    assert_eq!(held.json()[0]["outcome"], "held_back");
}

#[test]
fn an_update_without_news_is_idle_unless_it_is_to_be_full() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.enrol(&bench, "terminal");
    // The first installs, the second hears that this is current.
    for idle in [false, false, true, true] {
        let update = bench.expect(0, "agent update --state terminal --json");
        assert_eq!(update.json()[0]["idle"], idle);
    }
    let text = bench.expect(0, "agent update --state terminal");
    assert!(text.out.starts_with("nothing has changed since the service said: "), "{}", text.out);
    let full = bench.expect(0, "agent update --state terminal --full --json");
    assert_eq!((&full.json()[0]["outcome"], &full.json()[0]["idle"]), (&"up_to_date".into(), &false.into()));
    let ran = bench.expect(2, "agent update --state terminal --proxy ftp://proxy.invalid");
    assert!(ran.err.contains("proxy_refused"), "{}", ran.err);
    let ran = bench.expect(2, "agent update --state terminal --ca missing.pem");
    assert!(ran.err.contains("ca_refused"), "{}", ran.err);
    let status = bench.expect(0, "agent status --state terminal --json");
    assert_eq!(status.json()[0]["backing_off"].as_array().map(Vec::len), Some(0));
}

#[test]
fn the_eicar_file_is_detected_by_every_installation() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.enrol(&bench, "terminal");
    bench.expect(0, "agent update --state terminal");
    bench.file("eicar.com", eicar());
    let found = bench.expect(1, "scan --json --state terminal eicar.com");
    assert_eq!(found.json()[0]["channel"], "titer/self-test");
}

#[test]
fn a_release_that_finds_something_in_harmless_text_is_refused_and_the_old_one_stays() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    bench.expect(0, "agent update --state terminal");
    // The second release takes an everyday word for malware.
    let hex: String = "quick brown fox".bytes().map(|b| format!("{b:02x}")).collect();
    service.publish(&bench, 2, &format!("Test.Bad:0:*:{hex}\n"));
    let ran = bench.expect(2, "agent update --state terminal");
    assert!(ran.err.contains("self_test_flags_clean"), "{}", ran.err);
    let status = bench.expect(0, "agent status --state terminal --json");
    assert_eq!(status.json()[0]["channels"][0]["release"], 1);
    let rows = bench.expect(0, &format!("admin terminals --json --service {} {OPERATOR}", service.url)).json();
    assert_eq!(rows[0]["trouble"], "self_test_flags_clean");
}

#[test]
fn an_unreachable_service_is_an_error_with_a_hint() {
    let bench = Bench::new();
    let token = format!("te1.{}.{}", "0".repeat(48), "0".repeat(64));
    let ran = bench.expect(2, &format!("agent enroll --service http://127.0.0.1:9/ --token {token} --channel acme/main"));
    assert!(ran.err.contains("hint:"), "{}", ran.err);
}

#[test]
fn the_demo_holds() {
    let bench = Bench::new();
    let ran = bench.expect(0, "demo");
    assert!(ran.out.contains("Everything was as expected"), "{}", ran.out);
}

#[test]
fn a_group_token_a_plan_and_a_revocation() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    let admin = |line: &str| format!("admin {line} --service {} {OPERATOR}", service.url);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text.lines().last().unwrap()).unwrap();
    service.publish(&bench, 1, "Test.Plan-1:0:*:6e6565646c652d31\n");
    let made = json(&bench.expect(0, &admin("token --group kiosks --uses 2 --expires 30 --json")).out);
    let token = made["token"].as_str().unwrap();
    std::fs::create_dir_all(bench.path("nothing")).unwrap();
    let enroll = |state: &str| {
        format!(
            "agent enroll --state {state} --service {} --token {token} --channel acme/main --clean-from nothing",
            service.url
        )
    };
    bench.expect(0, &enroll("one"));
    let plan = json(&bench.expect(0, "agent plan --state one --json").out);
    let steps = plan["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(steps, ["fetch", "verify", "link", "self_test", "switch"]);
    assert!(bench.expect(0, "agent plan --state one").out.contains("fetch acme/main release 1, at most"));
    let report = json(&bench.expect(0, "agent update --state one --json").out);
    assert_eq!(report["plan"], plan["id"]);
    assert!(bench.expect(0, "agent plan --state one").out.contains("nothing to do"));

    let listed = json(&bench.expect(0, &admin("token list --json")).out);
    assert_eq!((&listed["id"], &listed["group"], &listed["uses"]), (&made["id"], &"kiosks".into(), &1.into()));
    bench.expect(0, &admin(&format!("token revoke {}", listed["id"].as_str().unwrap())));
    assert!(bench.expect(0, &admin("token list")).out.contains("revoked"));
    assert!(bench.expect(2, &enroll("two")).err.contains("enrolment_token_over"));

    let row = json(&bench.expect(0, &admin("terminals --json")).out);
    assert_eq!(row["group"], "kiosks");
    let terminal = row["terminal"].as_str().unwrap();
    let revoked = json(&bench.expect(0, &admin(&format!("terminal revoke {terminal} --json"))).out);
    assert_eq!(revoked["revoked"], true);
    for _ in 0..2 {
        assert!(bench.expect(2, "agent update --state one --full").err.contains("terminal_revoked"));
    }
    let audit = bench.expect(0, &admin("audit")).out;
    assert_eq!(audit.matches("terminal-refused").count(), 1, "a call of a machine that was shut out is kept: {audit}");
    assert!(bench.expect(0, &admin("terminals")).out.contains("revoked"));
    bench.expect(0, &admin(&format!("terminal remove {terminal}")));
    assert_eq!(bench.expect(0, &admin("terminals --json")).out, "");
}
