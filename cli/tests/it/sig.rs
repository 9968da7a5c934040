//! `titer sig`: check, explain, find, hash.

use crate::support::*;
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const GOOD: &str = "8dd3159ae7b2f1c683b5d9aab79ecd";

#[test]
fn hashes_are_lines_that_find_the_file() {
    let bench = Bench::new();
    bench.file("a b:c.exe", "abc");
    bench.file("evil.exe", "a file that is not clean");
    for (kind, options) in [("hdb", "--kind hdb"), ("hsb", ""), ("hsb", "--sha1")] {
        let ran = bench.expect(0, &format!("sig hash evil.exe --name Evil.File {options}"));
        bench.file(&format!("set.{kind}"), &ran.out);
        let found = bench.expect(1, &format!("scan --signatures set.{kind} -- evil.exe"));
        assert_eq!(found.out, "evil.exe: Evil.File FOUND\n", "{options}");
    }
    let named = ran(bench.command().args(["sig", "hash", "--kind", "hdb", "a b:c.exe"]).output().unwrap());
    assert_eq!(named.out, "900150983cd24fb0d6963f7d28e17f72:3:a_b_c.exe\n");
    let both = bench.expect(0, "sig hash --kind fp --name N evil.exe evil.exe").out;
    assert!(both.lines().nth(1).is_some_and(|line| line.ends_with(":24:N-2")), "{both}");
}

#[test]
fn what_cannot_be_a_hash_signature_is_told_and_the_rest_is_hashed() {
    let bench = Bench::new();
    bench.file("empty", "");
    bench.file("full", "abc");
    let ran = bench.expect(2, "sig hash empty missing full");
    assert_eq!(ran.out.lines().count(), 1);
    assert!(ran.err.contains("empty: size-invalid") && ran.err.contains("cannot read missing"), "{}", ran.err);
    let ran = bench.expect(2, "sig hash full --name a:73");
    assert!(ran.err.contains("name-invalid"), "{}", ran.err);
}

#[test]
fn lines_are_explained_whatever_their_kind() {
    let bench = Bench::new();
    let explained = bench.expect(0, "sig explain Demo.Worm:1:EP+0:4d5a{2-4}(50|51)4550").out;
    assert_eq!(
        explained,
        "name: Demo.Worm\n\
         target: PE files\n\
         offset: 0 bytes behind the entry point\n\
         pattern:\n\
         \x20 bytes: 4d5a  \"MZ\"\n\
         \x20 gap: 2 to 4 bytes\n\
         \x20 one of: 50 \"P\", 51 \"Q\"\n\
         \x20 bytes: 4550  \"EP\"\n"
    );
    let hash = bench.expect(0, "sig explain 900150983cd24fb0d6963f7d28e17f72:3:N --json").json();
    assert_eq!((&hash[0]["kind"], &hash[0]["facts"][2]["text"]), (&json!("file-hash"), &json!("3 bytes")));
    let logical = bench.expect(0, "sig explain Demo;Target:0;0&1;68656c6c6f::i;0/w+/i").out;
    assert!(logical.contains("expression: (0&1)\n0: bytes, anywhere\n"), "{logical}");
    assert!(logical.contains("\"hello\" in either case\n1: regular expression, anywhere\n"), "{logical}");
    let refused = bench.expect(2, "sig explain N:0:*:aab");
    assert!(refused.err.contains("refused as .ndb: hex-odd: "), "{}", refused.err);
    let unknown = bench.expect(2, "sig explain Worm");
    assert!(unknown.err.contains("--kind"), "{}", unknown.err);
}

#[test]
fn names_are_looked_up_in_files_and_blobs() {
    let bench = Bench::new();
    bench.file("a.ndb", format!("One:0:*:{GOOD}\nTwo:0:*:aabbccdd\nTwo:0:4:aabbccdd\nBad:0:*:aab\n"));
    bench.expect(1, "compile a.ndb -o a.titer --channel acme/main --release 1");
    for signatures in ["a.ndb", "a.titer"] {
        let ran = bench.expect(0, &format!("sig explain Two --signatures {signatures}"));
        assert_eq!(ran.out.matches("name: Two\n").count(), 2, "{}", ran.out);
        assert_eq!(ran.err.contains("refused: hex-odd"), signatures == "a.ndb", "{}", ran.err);
        let missing = bench.expect(2, &format!("sig explain Three --signatures {signatures}"));
        assert!(missing.err.contains("no signature is named `Three`"), "{}", missing.err);
    }
}

#[test]
fn hostile_names_write_no_lines_of_their_own() {
    let bench = Bench::new();
    let line = "a\u{202e}b:0:*:616263646566";
    let explained = ran(bench.command().args(["sig", "explain", line]).output().unwrap());
    assert!(explained.out.starts_with("name: a\\u{202e}b\n"), "{}", explained.out);
    let refused = ran(bench.command().args(["sig", "explain", "a\x1b[2Jb"]).output().unwrap());
    assert!(refused.err.contains("`a\\x1b[2Jb`") && !refused.err.contains('\x1b'), "{}", refused.err);
}

#[test]
fn check_tells_refused_lines_prices_and_warnings() {
    let bench = Bench::new();
    let zeros = "00".repeat(16);
    bench.file("a.ndb", format!("Good:0:*:{GOOD}\nShort:0:*:8dd315\nZeros:0:*:{zeros}\nBad:0:*:aab\nGood:0:*:{GOOD}\n"));
    bench.file("b.ldb", format!("Every;Target:0;0=0;{GOOD}\nWeak;Target:0;0&1&2;{GOOD}77;4d5a;1/x/\n"));
    let ran = bench.expect(1, "sig check a.ndb b.ldb --json");
    let diagnostic = &ran.json_of("diagnostic")[0];
    assert_eq!(
        (&diagnostic["file"], &diagnostic["line"], &diagnostic["code"]),
        (&json!("a.ndb"), &json!(4), &json!("hex-odd"))
    );
    let signatures = ran.json_of("signature");
    let summary = |of: &Value| {
        let codes: Vec<&str> = of["warnings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        format!("{}:{} {} {}", of["file"].as_str().unwrap(), of["line"], of["signature"].as_str().unwrap(), codes.join(","))
    };
    assert_eq!(summary(&signatures[0]), "b.ldb:1 Every always-evaluated");
    let mut told: Vec<String> = signatures.iter().map(summary).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "a.ndb:1 Good repeated",
            "a.ndb:2 Short short-anchor",
            "a.ndb:3 Zeros many-candidates",
            "b.ldb:1 Every always-evaluated",
            "b.ldb:2 Weak weak-trigger",
        ]
    );
    let candidates: Vec<f64> = signatures.iter().filter_map(|one| one["found_by"]["candidates_per_mib"].as_f64()).collect();
    assert!(candidates.len() == 4 && candidates.is_sorted_by(|a, b| a >= b), "{candidates:?}");
    let last = &ran.json_of("summary")[0];
    assert_eq!(
        (&last["lines"], &last["refused"], &last["signatures"], &last["warnings"]),
        (&json!(7), &json!(1), &json!(5), &json!(5))
    );

    let text = bench.expect(1, "sig check a.ndb").out;
    assert!(text.contains("a.ndb:4: hex-odd: ") && text.contains("repeated: it stands 1 more times: a.ndb:5\n"), "{text}");
}

#[test]
fn check_ends_with_what_it_was_asked_to_deny() {
    let bench = Bench::new();
    bench.file("short.ndb", "Short:0:*:8dd315\n");
    bench.file("good.ndb", format!("Good:0:*:{GOOD}\n"));
    bench.expect(0, "sig check short.ndb");
    bench.expect(1, "sig check short.ndb --deny-warnings");
    bench.expect(0, "sig check good.ndb --deny-warnings");
    assert!(bench.expect(0, "sig check good.ndb --limit 0").out.contains("1 signatures (1 not listed), 0 warnings"));
    bench.expect(1, "sig check good.ndb --deny-warnings --candidates 0");
    bench.expect(2, "sig check missing.ndb");
    bench.expect(1, "sig check good.ndb --kind hdb");
}

#[test]
fn check_reads_standard_input() {
    let bench = Bench::new();
    let with = |args: &[&str]| {
        let mut command = bench.command();
        let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without reading.
        drop(child.stdin.take().unwrap().write_all(format!("Good:0:*:{GOOD}\nBad:0\n").as_bytes()));
        ran(child.wait_with_output().unwrap())
    };
    let checked = with(&["sig", "check", "-", "--kind", "ndb"]);
    assert!(checked.code == 1 && checked.out.contains("-:2: field-count: "), "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("Good (-:1)"), "{}", checked.out);
    assert_eq!(with(&["sig", "check", "-"]).code, 2);
}

#[test]
fn find_tells_what_is_there_and_what_is_missing() {
    let bench = Bench::new();
    bench.file("notes.txt", "hello, world. hello!");
    bench.file("set.ldb", "Both;Target:0;0&1;68656c6c6f;6d697373696e67\nNone;Target:0;0;6e6f6e65\n");
    let ran = bench.expect(0, "sig find --signatures set.ldb -- notes.txt");
    assert_eq!(
        ran.out,
        "notes.txt: Both not found\n\
         \x20 the expression (0&1) does not hold\n\
         \x20 0: 2 matches\n\
         \x20   0x0..0x5  68656c6c6f  \"hello\"\n\
         \x20   0xe..0x13  68656c6c6f  \"hello\"\n\
         \x20 1: 0 matches\n\
         notes.txt: nothing of 1 signatures\n"
    );
    let ran = bench.expect(1, "sig find --line N:0:*:6c6c6f --limit 1 --json notes.txt");
    let finding = &ran.json_of("finding")[0];
    assert_eq!((&finding["signature"], &finding["found"], &finding["unmet"]), (&json!("N"), &json!(true), &json!([])));
    let places = json!([{"offset": 2, "end": 5, "bytes": "6c6c6f"}]);
    assert_eq!((&finding["pieces"][0]["matches"], &finding["pieces"][0]["places"]), (&json!(2), &places));
}

#[test]
fn find_agrees_with_scan() {
    let bench = Bench::new();
    bench.file("eicar", eicar());
    let set = corpus("signatures");
    let scanned = bench.expect(1, &format!("scan --all-matches --json --signatures {} -- eicar", set.display()));
    let mut scanned: Vec<Value> = scanned.json_of("match").into_iter().map(|found| found["signature"].clone()).collect();
    let found = bench.expect(1, &format!("sig find --json --signatures {} -- eicar", set.display()));
    let holds = found.json_of("finding").into_iter().filter(|finding| finding["found"] == true);
    let mut holds: Vec<Value> = holds.map(|finding| finding["signature"].clone()).collect();
    for list in [&mut scanned, &mut holds] {
        list.sort_by_key(Value::to_string);
    }
    assert!(!scanned.is_empty());
    assert_eq!(holds, scanned);
}

#[test]
fn find_goes_on_after_a_file_that_cannot_be_read() {
    let bench = Bench::new();
    bench.file("notes.txt", "hello");
    let ran = bench.expect(1, "sig find --line N:0:*:68656c6c6f missing notes.txt");
    assert!(ran.err.contains("cannot read missing") && ran.out.contains("notes.txt: N FOUND"), "{}{}", ran.out, ran.err);
    bench.expect(2, "sig find --line N:0:*:68656c6c6f missing");
    bench.expect(2, "sig find --line N:0:*:68656c6c6f");
    bench.expect(2, "sig find notes.txt");
}

#[test]
fn the_examples_of_the_document_are_what_is_printed() {
    let document = std::fs::read_to_string(corpus("../docs/sig.md")).unwrap();
    let (_, example) = document.split_once("\n## Example\n").unwrap();
    let example = example.split("```").nth(1).unwrap();
    let bench = Bench::new();
    bench.file("notes.txt", "hello, world. hello!");
    let commands: Vec<&str> = example.split("$ titer ").skip(1).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let (args, printed) = command.split_once('\n').unwrap();
        assert_eq!(bench.titer(args).out, printed, "{args}");
    }
}
