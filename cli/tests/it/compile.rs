//! `titer compile`: accounts, diagnostics, exit codes.

use crate::support::*;
use serde_json::json;

#[test]
fn every_line_is_accounted_for() {
    let bench = Bench::new();
    bench.file("a.ndb", "# comment\nGood:0:*:aabbccdd\nFolder:8:*:aabbccdd\nBad:0:*:aabbccdg\n");
    bench.file("b.hdb", "d41d8cd98f00b204e9800998ecf8427e:7:Hash\n");
    bench.file("c.xyz", "one\ntwo\n");
    let ran = bench.expect(1, "compile a.ndb b.hdb c.xyz -o out.titer --channel acme/main --release 3 --json");
    let diagnostics = ran.json_of("diagnostic");
    let codes: Vec<_> = diagnostics.iter().map(|d| (d["file"].clone(), d["line"].clone(), d["code"].clone())).collect();
    assert_eq!(
        codes,
        [
            (json!("a.ndb"), json!(3), json!("target-unsupported")),
            (json!("a.ndb"), json!(4), json!("hex-digit")),
            (json!("c.xyz"), json!(0), json!("kind-unknown")),
        ]
    );
    let summary = &ran.json_of("summary")[0];
    assert_eq!((&summary["lines"], &summary["accepted"], &summary["refused"]), (&json!(6), &json!(2), &json!(4)));
    assert_eq!(summary["by_code"], json!({"target-unsupported": 1, "hex-digit": 1, "kind-unknown": 2}));
    assert_eq!(
        summary["by_kind"]["ndb"],
        json!({"lines": 3, "accepted": 1, "refused": 2, "ignored": 0, "by_code": {"target-unsupported": 1, "hex-digit": 1}})
    );
    bench.expect(0, "verify out.titer");

    let text = bench.expect(1, "compile a.ndb -o out.titer --channel acme/main --release 3");
    assert!(text.err.contains("a.ndb:3: target-unsupported: "), "{}", text.err);
    assert!(text.out.contains("refused target-unsupported"), "{}", text.out);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    let set = corpus("signatures");
    for out in ["1.titer", "2.titer"] {
        bench.expect(0, &format!("compile {} -o {out} --channel acme/main --release 3", set.display()));
    }
    assert_eq!(std::fs::read(bench.path("1.titer")).unwrap(), std::fs::read(bench.path("2.titer")).unwrap());
}

#[test]
fn wrong_input_is_told_and_nothing_is_written() {
    let bench = Bench::new();
    bench.file("a.ndb", "Good:0:*:aabbccdd\n");
    for args in [
        "compile missing.ndb -o out.titer --channel acme/main --release 1",
        "compile a.ndb -o out.titer --channel acme --release 1",
        "compile a.ndb -o out.titer --channel acme/main --release -1",
        "compile a.ndb -o out.titer --channel acme/main --release 1 --created yesterday",
        "compile a.ndb -o no/such/folder/out.titer --channel acme/main --release 1",
    ] {
        let ran = bench.expect(2, args);
        assert!(ran.err.contains("error:"), "{args}: {}", ran.err);
        assert!(!bench.path("out.titer").exists(), "{args}");
    }
}

#[test]
fn nothing_in_a_folder_is_dropped_in_silence() {
    let bench = Bench::new();
    bench.file("set/a.ndb", "Good:0:*:aabbccdd\n");
    bench.file("set/b.cbc", "ClamBC\n");
    bench.file("set/c.ign2", "Gone\n");
    bench.file("set/d.db", "Gone=aabbccdd\n");
    bench.file("set/e.fp", "d41d8cd98f00b204e9800998ecf8427e:7:clean\n");
    bench.file("set/f.xyz", "one\n");
    bench.file("set/LICENSE.txt", "may be used");
    let ran = bench.expect(1, "compile set -o out.titer --channel acme/main --release 1 --json");
    assert_eq!(
        ran.json_of("summary")[0]["by_kind"]["cbc"],
        json!({"lines": 1, "accepted": 0, "refused": 1, "ignored": 0, "by_code": {"kind-unsupported": 1}})
    );
    let codes: Vec<_> = ran.json_of("diagnostic").iter().map(|d| d["code"].clone()).collect();
    assert_eq!(codes, [json!("kind-unsupported"), json!("kind-unknown")]);
    // The body signature that is not ignored, and the entry of the allow list.
    assert_eq!((&ran.json_of("summary")[0]["ignored"], &ran.json_of("summary")[0]["records"]), (&json!(1), &json!(2)));
    let text = bench.expect(1, "compile set -o out.titer --channel acme/main --release 1");
    assert!(text.out.contains("refused kind-unknown"), "{}", text.out);
}

#[test]
fn containers_need_to_be_trusted() {
    use patternc::fuzzing::{Packing, container};
    let bench = Bench::new();
    let members: [(&str, &[u8]); 2] = [("main.ndb", b"Good:0:*:66696e646d65\nBad:0:*:aab\n"), ("COPYING", b"may be used")];
    let bytes = container(Packing::Gzip, &members);
    bench.file("main.cvd", &bytes);
    bench.file("main.cud", &bytes);
    bench.file("there", "findme");
    let refused = bench.expect(1, "compile main.cvd -o out.titer --channel acme/main --release 1");
    assert!(refused.err.contains("main.cvd:0: container-unsigned: "), "{}", refused.err);
    assert!(refused.err.contains("--unsigned"), "{}", refused.err);
    let taken = bench.expect(1, "compile main.cvd --unsigned -o out.titer --channel acme/main --release 1 --json");
    assert_eq!(taken.json_of("diagnostic")[0]["file"], json!("main.cvd:main.ndb"));
    assert_eq!(taken.json_of("summary")[0]["records"], json!(1));
    bench.expect(2, "scan --signatures main.cvd -- there");
    let found = bench.expect(1, "scan --unsigned --signatures main.cvd -- there");
    assert!(found.out.contains("Good FOUND"), "{}", found.out);
    bench.expect(2, "scan --signatures main.cud -- there");
    bench.expect(1, "scan --unsigned --signatures main.cud -- there");
}

#[test]
fn folders_are_read_with_all_below_them() {
    let bench = Bench::new();
    bench.file("set/b.ndb", "B:0:*:aabbccdd\n");
    bench.file("set/a/deep/c.hdb", "d41d8cd98f00b204e9800998ecf8427e:7:C\nbad\n");
    bench.file("set/a/LICENSE", "text");
    bench.file("set/.hidden/d.ndb", "D:0:*:aabbccdd\n");
    bench.file("e.fp", "d41d8cd98f00b204e9800998ecf8427e:8:E\n");
    #[cfg(unix)]
    std::os::unix::fs::symlink(bench.path("set"), bench.path("set/a/again")).unwrap();
    let ran = bench.expect(1, "compile e.fp set -o out.titer --channel acme/main --release 3 --json");
    let diagnostics = ran.json_of("diagnostic");
    assert_eq!((&diagnostics[0]["file"], &diagnostics[0]["line"]), (&json!("set/a/deep/c.hdb"), &json!(2)));
    let kinds: Vec<_> = ran.json_of("summary")[0]["by_kind"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(kinds, ["fp", "hdb", "ndb"]);
    let facts = bench.expect(0, "inspect out.titer --json").json();
    let records = json!({
        "body": 1, "file-hash": 1, "section-hash": 0, "import-hash": 0, "clean-file": 1, "logical": 0,
    });
    assert_eq!(facts[0]["records"], records);
}
