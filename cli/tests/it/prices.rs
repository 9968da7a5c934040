//! Models, and what a database is foretold to cost.

use crate::support::*;
use serde_json::{Value, json};
use std::fmt::Write;

/// A release of three signatures: one of padding, one of text without regard to case, one of bytes that stand nowhere.
fn release() -> Bench {
    let bench = Bench::new();
    let padding = "00".repeat(16);
    bench.file("1.ndb", format!("Padding:0:*:{padding}\nRare:0:*:8dd3159ae7b2f1c683b5d9aab79ecd\nWord:0:*:6e6565646c65\n"));
    bench.expect(0, "compile 1.ndb -o 1.titer --channel acme/main --release 1");
    bench
}

/// Files that share a line which no other file in the world has.
fn learn(bench: &Bench) {
    for i in 0..30 {
        bench.file(&format!("files/{i}.txt"), format!("file {i}\nzqxj kvbw pyfg\n").repeat(40));
    }
    let ran = bench.expect(0, "model train files -o own.titermodel");
    assert!(ran.out.contains("own.titermodel: ") && ran.out.contains("in 30 files, 0 of them repeated"), "{}", ran.out);
}

/// The one JSON line of a command.
fn json_of(bench: &Bench, args: &str) -> Value {
    bench.expect(0, args).json().swap_remove(0)
}

fn names(dearest: &Value) -> Vec<&str> {
    dearest.as_array().unwrap().iter().map(|dear| dear["signature"].as_str().unwrap()).collect()
}

#[test]
fn a_model_says_what_it_was_trained_on() {
    let bench = release();
    learn(&bench);
    let own = json_of(&bench, "model inspect own.titermodel --json");
    assert_eq!(
        (&own["kind"], &own["bytes"]),
        (&json!("model"), &json!(std::fs::metadata(bench.path("own.titermodel")).unwrap().len()))
    );
    let text = own["classes"].as_array().unwrap().iter().find(|class| class["class"] == "text").unwrap();
    assert_eq!(text["files"], 30);
    assert!(own["widths"].as_array().unwrap().iter().all(|width| width["windows"].as_u64().unwrap() > 0));
    let shipped = json_of(&bench, "model inspect --json");
    assert!(shipped["bytes"].as_u64() > own["bytes"].as_u64());
    assert!(bench.expect(0, "model inspect").out.contains("widths"));
    bench.expect(2, "model train no-such-folder -o none.titermodel");
}

#[test]
fn the_same_files_give_the_same_model() {
    let bench = release();
    learn(&bench);
    let first = std::fs::read(bench.path("own.titermodel")).unwrap();
    learn(&bench);
    assert_eq!(std::fs::read(bench.path("own.titermodel")).unwrap(), first);
}

#[test]
fn another_model_foretells_another_price() {
    let bench = release();
    learn(&bench);
    let shared: String = b"zqxj kvbw pyfg".iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    bench.file("2.ndb", format!("Shared:0:*:{shared}\n"));
    bench.expect(0, "compile 2.ndb -o 2.titer --channel acme/main --release 2");
    bench.expect(0, "link 2.titer -o 2.tdb --model own.titermodel");
    bench.expect(0, "verify 2.tdb");
    let dearest = |args: &str| json_of(&bench, args)["dearest"][0]["candidates_per_mib"].as_f64().unwrap();
    assert!(dearest("inspect 2.tdb --json --model own.titermodel") > 10.0);
    assert!(dearest("inspect 2.tdb --json") < 0.1);
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let bench = release();
    bench.expect(0, "link 1.titer -o 1.tdb");
    bench.file("wrong", "no model at all, but long enough to have the header of one: it begins otherwise");
    for args in [
        "link 1.titer -o 2.tdb --model wrong",
        "inspect 1.tdb --model wrong",
        "model inspect wrong",
        "compile 1.ndb -o 2.titer --channel acme/main --release 2 --prices --model wrong",
    ] {
        let ran = bench.expect(2, args);
        assert!(
            ran.err.starts_with("error: ") && ran.err.contains("cannot use wrong: the magic number"),
            "{args}: {}",
            ran.err
        );
    }
    assert!(!bench.path("2.tdb").exists());
    bench.expect(2, "inspect 1.tdb --model missing");
}

#[test]
fn each_reseeded_link_has_a_key_of_its_own_and_finds_the_same() {
    let bench = release();
    bench.file("1.bad", "a needle");
    bench.file("2.bad", [1; 9].into_iter().chain([0; 20]).collect::<Vec<u8>>());
    let mut linked = Vec::new();
    for out in ["1.tdb", "2.tdb"] {
        bench.expect(0, &format!("link 1.titer -o {out} --reseed"));
        bench.expect(0, &format!("verify {out}"));
        let mut found: Vec<String> = bench
            .expect(1, &format!("scan --db {out} --json 1.bad 2.bad"))
            .json()
            .iter()
            .filter_map(|line| line["signature"].as_str().map(ToOwned::to_owned))
            .collect();
        found.sort_unstable();
        assert_eq!(found, ["Padding", "Word"], "{out}");
        linked.push(std::fs::read(bench.path(out)).unwrap());
    }
    assert_ne!(linked[0], linked[1]);
    bench.expect(0, "link 1.titer -o 3.tdb");
    bench.expect(0, "link 1.titer -o 4.tdb");
    assert_eq!(std::fs::read(bench.path("3.tdb")).unwrap(), std::fs::read(bench.path("4.tdb")).unwrap());
}

#[test]
fn inspect_prices_tiers_classes_and_the_dearest_signatures() {
    let bench = release();
    bench.expect(0, "link 1.titer -o 1.tdb");
    let facts = json_of(&bench, "inspect 1.tdb --json");
    let tiers = facts["tiers"].as_array().unwrap();
    assert_eq!(tiers.iter().map(|tier| tier["signatures"].as_u64().unwrap()).sum::<u64>(), 3);
    assert!(tiers.iter().all(|tier| tier["crowded"] == 0 && tier["largest_bucket"].as_u64().unwrap() > 0));
    let classes: Vec<&str> = facts["expected"].as_array().unwrap().iter().map(|of| of["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["elf", "pe", "mach-o", "text", "document", "packed", "other"]);
    assert_eq!(names(&facts["dearest"])[0], "Padding");
    let dearest = &facts["dearest"][0];
    assert!(dearest["candidates_per_mib"].as_f64().unwrap() > 100.0, "{dearest}");
    assert_eq!(dearest["channel"], "acme/main");
    assert!(dearest["window"].as_str().unwrap().chars().all(|digit| digit == '0'));
}

#[test]
fn prices_are_printed_in_columns() {
    let bench = release();
    let linked = bench.expect(0, "link 1.titer -o 1.tdb").out;
    let inspected = bench.expect(0, "inspect 1.tdb").out;
    let tables = |out: &str| out[out.find("\ntiers").expect("tiers come first")..].to_owned();
    assert_eq!(tables(&linked), tables(&inspected));
    for (title, rows) in [("tiers", 1..=3), ("expected", 7..=7), ("the dearest", 3..=3)] {
        let table = inspected.lines().skip_while(|line| !line.starts_with(title)).skip(1);
        let lines: Vec<&str> = table.take_while(|line| line.starts_with("  ")).collect();
        assert!(rows.contains(&(lines.len() - 1)), "{inspected}");
        if title == "expected" {
            assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{inspected}");
        }
    }
    assert!(inspected.contains("Padding (acme/main)"), "{inspected}");
}

#[test]
fn a_release_is_priced_when_it_is_compiled() {
    let bench = release();
    let args = "compile 1.ndb -o 2.titer --channel acme/main --release 2 --prices";
    let json = bench.expect(0, &format!("{args} --json"));
    let prices = json.json_of("prices").swap_remove(0);
    bench.expect(0, "link 1.titer -o 1.tdb");
    let facts = json_of(&bench, "inspect 1.tdb --json");
    for part in ["tiers", "expected", "dearest"] {
        assert_eq!(prices[part], facts[part], "{part}");
    }
    assert!(bench.expect(0, args).out.contains("\nthe dearest signatures"));
    assert!(
        bench.titer("compile 1.ndb -o 3.titer --channel acme/main --release 3 --model x").code == 2,
        "a model without prices"
    );
}
