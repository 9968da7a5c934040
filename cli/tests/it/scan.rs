//! `titer scan`: verdicts, text, JSON, exit codes.

use crate::support::*;
use serde_json::json;

const RULES: &str = "Test.One:0:*:6e6565646c65\nTest.Two:0:4:{2}6c65\nTest.Far:0:*:6e656564*656e64\n";

#[test]
fn text_and_exit_codes_are_those_of_the_contract() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/bad", "a needle");
    bench.file("in/good", "hay");
    let found = bench.expect(1, "scan --signatures rules.ndb in");
    assert_eq!(found.out, "in/bad: Test.One FOUND\n");
    assert!(found.err.contains("2 files") && found.err.contains("1 infected"), "{}", found.err);
    assert_eq!(bench.expect(0, "scan --signatures rules.ndb in/good").out, "");
    let failed = bench.expect(2, "scan --signatures rules.ndb in/good in/none");
    assert_eq!(failed.out, "in/none: no such file or directory ERROR\n");
    bench.expect(1, "scan --signatures rules.ndb in in/none");
}

#[test]
fn json_lines_are_those_of_the_contract() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/bad", "a needle, the end");
    let ran = bench.expect(1, "scan --json --all-matches --signatures rules.ndb in none");
    let lines = ran.json();
    let names: Vec<_> = ran.json_of("match").iter().map(|found| found["signature"].clone()).collect();
    assert_eq!(names, ["Test.One", "Test.Two", "Test.Far"]);
    assert_eq!(
        lines[0],
        json!({"type": "match", "path": "in/bad", "signature": "Test.One", "channel": "local/signatures", "offset": 2, "end": 8})
    );
    assert_eq!(
        lines[3],
        json!({"type": "error", "path": "none", "code": "not-found", "message": "no such file or directory"})
    );
    let summary = lines.last().unwrap();
    for (field, value) in [("files", 1), ("bytes", 17), ("matches", 3), ("errors", 1), ("signatures", 3)] {
        assert_eq!(summary[field], value, "{field}");
    }
    assert!(summary["seconds"].is_f64());
    let first_only = bench.expect(1, "scan --json --signatures rules.ndb -- in");
    assert_eq!(first_only.json_of("match").len(), 1);
}

#[test]
fn the_starter_set_serves_where_nothing_is_installed() {
    let bench = Bench::new();
    bench.file("eicar.com", eicar());
    let ran = bench.expect(1, "scan eicar.com");
    assert!(ran.out.starts_with("eicar.com: Titer.Eicar-Test"), "{}", ran.out);
    assert!(ran.err.contains("starter set"), "{}", ran.err);
    let clean = corpus("clean");
    bench.expect(0, &format!("scan {}", clean.display()));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    for i in 0..50 {
        bench.file(&format!("in/{i:02}"), if i % 3 == 0 { "a needle and the end" } else { "hay" });
    }
    let one = bench.expect(1, "scan -j 1 --all-matches --signatures rules.ndb in");
    let four = bench.expect(1, "scan -j 4 --all-matches --signatures rules.ndb in");
    assert_eq!(one.out, four.out);
    assert_eq!(one.out.lines().count(), 17 * 3);
}

#[test]
fn refused_lines_are_told_and_the_others_scan() {
    let bench = Bench::new();
    bench.file("rules.ndb", "Odd:0:*:6e6565646c6\nAny:0:*:6e6565646c65\n");
    bench.file("bad", "needle");
    let ran = bench.expect(1, "scan --signatures rules.ndb bad");
    assert!(ran.err.contains("1 signature lines refused: hex-odd"), "{}", ran.err);
    bench.file("none.ndb", "Odd:0:*:6e6565646c6\n");
    let ran = bench.expect(2, "scan --signatures none.ndb bad");
    assert!(ran.err.contains("no signature to scan with"), "{}", ran.err);
}

#[test]
fn signature_files_and_paths_may_share_a_flag() {
    let bench = Bench::new();
    bench.file("a.ndb", "A:0:*:6e6565646c65\n");
    bench.file("b.hdb", "d41d8cd98f00b204e9800998ecf8427e:7:B\n");
    bench.file("bad", "needle");
    assert_eq!(bench.expect(1, "scan --signatures a.ndb b.hdb bad").out, "bad: A FOUND\n");
    assert_eq!(bench.expect(1, "scan --signatures a.ndb --signatures b.hdb bad").out, "bad: A FOUND\n");
    let ran = bench.expect(2, "scan --signatures a.ndb b.hdb");
    assert!(ran.err.contains("no path to scan") && ran.err.contains("hint"), "{}", ran.err);
    bench.expect(0, "scan --signatures a.ndb -- b.hdb");
}

#[test]
fn wrong_input_is_told_with_a_hint() {
    let bench = Bench::new();
    bench.file("file", "hay");
    bench.file("text.tdb", "this is no database");
    for args in [
        "scan --db missing.tdb file",
        "scan --db text.tdb file",
        "scan --signatures missing.ndb file",
        "scan",
        "scan -j 0 file",
    ] {
        let ran = bench.expect(2, args);
        assert!(ran.err.contains("error:") && !ran.err.contains("panicked"), "{args}: {}", ran.err);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_file_name_cannot_write_lines_of_its_own() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/x\nclean: OK", "needle");
    assert_eq!(bench.expect(1, "scan --signatures rules.ndb in").out, "in/x\\x0aclean: OK: Test.One FOUND\n");
}

#[test]
fn a_reader_that_goes_away_ends_it_early_and_quietly() {
    use std::process::Stdio;
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    for i in 0..3000 {
        bench.file(&format!("in/{i}"), "needle");
    }
    let mut command = bench.command();
    command.args(["scan", "--signatures", "rules.ndb", "in"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ran = ran(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "what was found decides, though nobody reads it");
}

#[test]
fn a_signature_name_cannot_write_lines_of_its_own() {
    let bench = Bench::new();
    bench.file("rules.ndb", "Esc\x1b[2J:0:*:6e6565646c65\n");
    bench.file("bad", "needle");
    let ran = bench.titer("scan --signatures rules.ndb bad");
    assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{}{}", ran.out, ran.err);
}

#[test]
fn what_is_passed_by_is_named_in_json() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/good", "hay");
    #[cfg(unix)]
    std::os::unix::fs::symlink("good", bench.path("in/link")).unwrap();
    let ran = bench.expect(0, "scan --json --signatures rules.ndb -- in");
    #[cfg(unix)]
    assert_eq!(ran.json_of("skipped")[0]["path"], "in/link");
    assert_eq!(ran.json_of("summary")[0]["files"], 1);
}

#[test]
fn what_ends_a_scan_is_said_in_json_too() {
    let bench = Bench::new();
    bench.file("file", "hay");
    let ran = bench.expect(2, "scan --json --db missing.tdb file");
    assert_eq!((&ran.json()[0]["type"], &ran.json()[0]["code"]), (&json!("error"), &json!("fatal")));
    assert!(ran.err.starts_with("error: cannot open missing.tdb"), "{}", ran.err);
}

/// Waits until the times of files written just now lie back far enough for a cache.
#[cfg(target_os = "linux")]
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(2100));
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_clean_is_taken_from_the_cache() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/bad", "a needle");
    bench.file("in/good", "hay");
    bench.file("in/other", "straw");
    settle();
    let scan =
        || bench.expect(1, "scan --json --cache new/folder --signatures rules.ndb -- in").json_of("summary").remove(0);
    let (first, second) = (scan(), scan());
    assert_eq!((&first["files"], &first["cached"]), (&json!(3), &json!(0)));
    assert_eq!((&second["files"], &second["cached"], &second["infected"]), (&json!(3), &json!(2), &json!(1)));
    let mode = |path: &str| std::fs::metadata(bench.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("new/folder"), mode("new/folder/clean.cache")), (0o700, 0o600));
    let text = bench.expect(1, "scan --cache new/folder --signatures rules.ndb -- in");
    assert!(text.err.contains("3 files (2 from the cache)"), "{}", text.err);
    bench.file("in/good", "a needle");
    assert_eq!(bench.expect(1, "scan --cache new/folder --signatures rules.ndb -- in").out.lines().count(), 2);
    // New signatures find what the old ones did not.
    bench.file("more.ndb", format!("{RULES}New:0:*:7374726177\n"));
    let updated = bench.expect(1, "scan --cache new/folder --signatures more.ndb -- in/other");
    assert_eq!(updated.out, "in/other: New FOUND\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("in/good", "hay");
    settle();
    let scan = |folder: &str| bench.expect(0, &format!("scan --json --cache {folder} --signatures rules.ndb -- in"));
    bench.file("broken/clean.cache", "this is no cache");
    assert!(scan("broken").err.contains("written anew"));
    let again = scan("broken");
    assert_eq!((again.err.as_str(), &again.json_of("summary")[0]["cached"]), ("", &json!(1)));
    bench.file("file", "no folder");
    assert!(scan("file").err.contains("cannot"));
    bench.file("open/keep", "");
    std::fs::set_permissions(bench.path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(scan("open").err.contains("can be written by others"));
    assert!(!bench.path("open/clean.cache").exists());
    // Nobody can make a folder here, whoever runs this.
    assert!(scan("/proc/titer-cache").err.contains("cannot make the cache folder"));
}

#[cfg(target_os = "linux")]
#[test]
fn scans_at_once_may_share_a_cache() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    for i in 0..200 {
        bench.file(&format!("in/{i}"), "hay");
    }
    settle();
    let scan = || {
        let mut command = bench.command();
        command.args(["scan", "--json", "--cache", "cache", "--signatures", "rules.ndb", "--", "in"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    for child in [scan(), scan(), scan(), scan()] {
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.err.as_str(), &ran.json_of("summary")[0]["files"]), (0, "", &json!(200)));
    }
    let after = ran(scan().wait_with_output().unwrap());
    assert_eq!(after.json_of("summary")[0]["cached"], 200);
}

#[test]
fn what_an_allow_list_spares_is_clean_and_told() {
    let bench = Bench::new();
    bench.file("rules.ndb", RULES);
    bench.file("list.fp", "50da31e8b6e80f3458d16c5fbb05fd30:8:Ours\n");
    bench.file("in/spared", "a needle");
    bench.file("in/found", "the needle");
    let ran = bench.expect(1, "scan --json --signatures rules.ndb list.fp -- in");
    assert_eq!(
        ran.json_of("allowed"),
        [json!({"type": "allowed", "path": "in/spared", "signature": "Ours", "channel": "local/signatures"})]
    );
    let summary = &ran.json_of("summary")[0];
    assert_eq!((&summary["files"], &summary["infected"], &summary["allowed"]), (&json!(2), &json!(1), &json!(1)));
    let text = bench.expect(0, "scan --signatures rules.ndb list.fp -- in/spared");
    assert_eq!(text.out, "");
    assert!(text.err.contains("1 on an allow list"), "{}", text.err);
}
