//! What commands must not destroy, lose, hide or let onto a screen, however they are called.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

const ONE: &str = "Test.One:0:*:6e6565646c65\n";

#[test]
fn no_output_takes_the_place_of_a_private_key_or_of_what_is_read() {
    let bench = Bench::new();
    bench.expect(2, "root init --key new.pk8 -o new.pk8");
    assert!(!bench.path("new.pk8").exists(), "neither key nor root");
    bench.expect(0, "root init --key root.pk8");
    let online = ["targets", "snapshot", "timestamp", "director"].map(|role| {
        bench.expect(0, &format!("root init --key {role}.pk8"));
        let key = bench.expect(0, &format!("root init --key {role}.pk8")).out;
        format!("--service-key {role}={}", key.split_whitespace().last().unwrap())
    });
    let online = online.join(" ");
    bench.expect(0, &format!("root init --key root.pk8 {online} -o 1.root.json"));
    bench.file("one.ndb", ONE);
    bench.file("pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    bench.expect(0, "compile one.ndb --channel acme/rules --release 1 -o one.titer");
    for name in ["root.pk8", "timestamp.pk8", "pem"] {
        let before = fs::read(bench.path(name)).unwrap();
        for command in [
            format!("root init --key root.pk8 {online} -o {name}"),
            format!("root rotate 1.root.json -o {name}"),
            format!("compile one.ndb --channel acme/rules --release 1 -o {name}"),
            format!("link one.titer -o {name}"),
        ] {
            bench.expect(2, &command);
            assert!(fs::read(bench.path(name)).unwrap() == before, "{command}");
        }
    }
    bench.expect(2, "root rotate 1.root.json -o 1.root.json");
    bench.expect(0, "root rotate 1.root.json -o 2.root.json");
}

#[cfg(unix)]
#[test]
fn a_bundle_is_written_through_links_and_into_what_is_no_file() {
    use std::os::unix::fs::FileTypeExt;
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, ONE);
    let export = |output: &str| format!("bundle export --service {} -o {output}", service.url);
    bench.file("real", "old");
    std::os::unix::fs::symlink("real", bench.path("link")).unwrap();
    bench.expect(0, &export("link"));
    assert!(bench.path("link").is_symlink() && fs::read(bench.path("real")).unwrap().len() > 100);
    bench.expect(0, &export("/dev/null"));
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let key = fs::read(bench.path("maker/key.pk8")).unwrap();
    bench.expect(2, &export("maker/key.pk8"));
    assert!(fs::read(bench.path("maker/key.pk8")).unwrap() == key);
}

/// Several releases at once, and several who make one key at once.
#[test]
fn commands_at_the_same_time_lose_nothing() {
    let bench = Bench::new();
    bench.expect(0, "maker init acme --dir acme");
    let channels = ["a", "b", "c", "d", "e", "f"];
    for channel in channels {
        bench.file(&format!("{channel}.ndb"), ONE);
        bench.expect(0, &format!("compile {channel}.ndb --channel acme/{channel} --release 1 -o {channel}.titer"));
    }
    let all = |command: &dyn Fn(&str) -> String| {
        let start = |channel| {
            let mut child = bench.command();
            child.args(command(channel).split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
            child.spawn().unwrap()
        };
        let running = channels.map(start);
        running.map(|child| ran(child.wait_with_output().unwrap()))
    };
    for done in all(&|channel| format!("maker release {channel}.titer --dir acme")) {
        assert_eq!(done.code, 0, "{}", done.err);
    }
    let exported = bench.expect(0, "maker export site --dir acme --json").json().remove(0);
    assert_eq!((&exported["releases"], &exported["role_version"]), (&6.into(), &6.into()));
    let keys = all(&|_| "root init --key together.pk8".to_owned()).map(|done| done.out);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let keys = all(&|_| "maker init best --dir best".to_owned()).map(|done| done.out);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn a_makers_folder_that_is_harmed_is_told_and_restored() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, ONE);
    let (role, folder) = (bench.path("maker/role.json"), "maker");
    fs::write(&role, "").unwrap();
    let told = bench.expect(2, &format!("maker export site --dir {folder}"));
    assert!(told.err.contains("maker_damaged") && told.err.contains("role.json"), "{}", told.err);
    bench.expect(0, &format!("maker restore --dir {folder} --service {}", service.url));
    bench.expect(0, &format!("maker export site --dir {folder}"));
    // A signature that counts for nothing is refused.
    bench.expect(0, "root init --key stranger.pk8");
    let before = fs::read(&role).unwrap();
    let refused = bench.expect(2, &format!("maker sign {} --key stranger.pk8", role.display()));
    assert!(refused.err.contains("key_not_listed"), "{}", refused.err);
    assert!(fs::read(&role).unwrap() == before);
    bench.expect(2, "compile --channel acme/rules --release 9007199254740992 one.ndb -o one.titer");
}

#[test]
fn a_screen_is_shown_nothing_that_it_would_obey() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    let token = bench.expect(0, &format!("admin enrolment-token --service {} {OPERATOR}", service.url)).out;
    let enroll = |hardware: &str| {
        let mut command = bench.command();
        command.args(["agent", "enroll", "--state", "odd", "--channel", "acme/stable", "--hardware", hardware]);
        command.args(["--service", &service.url, "--token", token.trim()]);
        ran(command.output().unwrap())
    };
    for hardware in ["x\u{1b}[2J", "x\u{9b}2J", "x\u{202e}y", &"x".repeat(257)] {
        let refused = enroll(hardware);
        assert!(refused.code == 2 && refused.err.contains("facts_refused"), "{}", refused.err);
    }
    bench.file("a\u{9b}\u{202e}z.txt", "the needle");
    bench.file("one.ndb", ONE);
    let found = bench.expect(1, "scan --signatures one.ndb -- .");
    assert!(found.out.contains(r"a\u{9b}\u{202e}z.txt"), "{}", found.out);
    bench.file("b\u{202e}.ndb", "broken");
    let refused = bench.expect(1, "compile b\u{202e}.ndb --channel acme/rules --release 1 -o b.titer");
    assert!(!refused.err.contains('\u{202e}') && !refused.out.contains('\u{202e}'), "{}{}", refused.err, refused.out);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_found_decides_though_nobody_can_read_it() {
    let bench = Bench::new();
    bench.file("one.ndb", ONE);
    bench.file("bad", "the needle");
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let scan = |path: &str| {
        let mut command = bench.command();
        ran(command.args(["scan", "--json", "--signatures", "one.ndb", "--", path]).stdout(full()).output().unwrap())
    };
    let found = scan("bad");
    assert!(found.code == 1 && found.err.contains("standard output"), "{} {}", found.code, found.err);
    assert_eq!(scan("one.ndb").code, 2);

    // Lines enough that the reader is gone before the last.
    bench.file("many.ndb", "broken\n".repeat(20_000));
    let mut command = bench.command();
    command.args("compile many.ndb --json --channel acme/rules --release 1 -o many.titer".split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "lines were refused");
}

#[test]
fn mistakes_are_told_before_anything_is_lost() {
    let bench = Bench::new();
    bench.file("model", "a good model");
    bench.expect(2, "model train -o model nosuch");
    assert_eq!(fs::read(bench.path("model")).unwrap(), b"a good model");
    let token = "te1.00.00";
    let none = bench.expect(
        2,
        &format!("agent enroll --state t --service http://127.0.0.1:1 --token {token} --channel a/b --clean-from /nope"),
    );
    assert!(none.err.contains("/nope"), "{}", none.err);
    let secret = bench.expect(2, "bundle export --service http://me:hidden@127.0.0.1:1 -o x");
    assert!(secret.err.contains("service_address_refused") && !secret.err.contains("hidden"), "{}", secret.err);
    let plain = bench.expect(2, "bundle export --service localhost:7911 -o x");
    assert!(plain.err.contains("service_address_refused"), "{}", plain.err);
    let mut tokens = fs::File::create(bench.path("tokens")).unwrap();
    writeln!(tokens, "one-token-of-many-bytes\ntwo-token-of-many-bytes").unwrap();
    let two = bench.expect(2, "admin terminals --service http://127.0.0.1:1 --operator-token tokens");
    assert!(two.err.contains("is not one token"), "{}", two.err);
    let json = bench.expect(2, "admin terminals --json --service http://127.0.0.1:1 --operator-token model");
    assert!(json.out.contains("\"error\""), "{}", json.out);
    bench.expect(2, "inspect /dev/zero");
    bench.expect(2, "scan --db . model");
    bench.file("one.ndb", ONE);
    bench.expect(2, "compile one.ndb --created 99999999999999 --channel acme/rules --release 1 -o one.titer");
}

#[test]
fn a_mistake_in_the_settings_does_not_let_scans_pass_that_they_would_stop() {
    let bench = Bench::new();
    bench.file("one.txt", "clean");
    bench.file("state/agent.toml", "[triggers]\nscan = true\nwhen_stale = \"block\"\nnonsense\n");
    let blocked = bench.expect(2, "scan --state state one.txt");
    assert!(blocked.err.contains("settings_malformed"), "{}", blocked.err);
    bench.expect(0, "scan --state state --no-update one.txt");
    bench.file("state/agent.toml", "[triggers]\nnonsense\n");
    let noted = bench.expect(0, "scan --state state one.txt");
    assert!(noted.err.contains("settings_malformed"), "{}", noted.err);
}

#[cfg(unix)]
#[test]
fn no_other_user_can_hold_the_locks() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, ONE);
    service.enrol(&bench, "terminal");
    // As earlier versions left it.
    fs::set_permissions(bench.path("terminal/lock"), fs::Permissions::from_mode(0o644)).unwrap();
    bench.expect(0, "agent update --state terminal");
    for name in ["terminal/lock", "maker/lock"] {
        assert_eq!(fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let current = fs::read_to_string(bench.path("terminal/current")).unwrap();
    let database = bench.path(&format!("terminal/gen/{}/database.tdb", current.trim()));
    assert_eq!(fs::metadata(database).unwrap().permissions().mode() & 0o444, 0o444, "scanners of other users read it");
}
