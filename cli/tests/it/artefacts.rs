//! Blobs, databases and deltas from the command line.

use crate::support::*;

/// Two releases of one channel.
fn releases() -> Bench {
    let bench = Bench::new();
    bench.file("1.ndb", "A:0:*:6e6565646c65\nB:0:*:aabbccdd\n");
    bench.file("2.ndb", "A:0:*:6e6565646c65\nC:0:*:ddccbbaa\n");
    for n in 1..=2 {
        bench.expect(0, &format!("compile {n}.ndb -o {n}.titer --channel acme/main --release {n}"));
    }
    bench
}

#[test]
fn a_delta_leads_from_one_release_to_the_next() {
    let bench = releases();
    bench.expect(0, "diff 1.titer 2.titer -o d");
    bench.expect(0, "patch 1.titer d -o made.titer");
    assert_eq!(std::fs::read(bench.path("made.titer")).unwrap(), std::fs::read(bench.path("2.titer")).unwrap());
    let ran = bench.expect(2, "patch 2.titer d -o wrong.titer");
    assert!(ran.err.contains("the delta is for the blob with root"), "{}", ran.err);
    assert!(!bench.path("wrong.titer").exists());
}

#[test]
fn a_linked_database_scans() {
    let bench = releases();
    bench.expect(0, "link 2.titer -o db.tdb");
    bench.file("bad", "a needle");
    let ran = bench.expect(1, "scan --db db.tdb --json bad");
    assert_eq!(ran.json()[0]["channel"], "acme/main");
    let ran = bench.expect(2, "link 1.titer 2.titer -o both.tdb");
    assert!(ran.err.contains("two blobs are of channel acme/main"), "{}", ran.err);
}

#[test]
fn inspect_and_verify_know_each_kind() {
    let bench = releases();
    bench.expect(0, "diff 1.titer 2.titer -o d");
    bench.expect(0, "link 2.titer -o db.tdb");
    for (file, kind) in [("1.titer", "blob"), ("d", "delta"), ("db.tdb", "database")] {
        assert_eq!(bench.expect(0, &format!("inspect --json {file}")).json()[0]["kind"], kind);
        assert!(bench.expect(0, &format!("inspect {file}")).out.contains(kind));
        assert_eq!(bench.expect(0, &format!("verify {file}")).out, format!("{file}: sound {kind}\n"));
    }
    bench.expect(2, "inspect 1.ndb");
    bench.expect(2, "verify missing");
}

#[test]
fn damage_anywhere_is_told() {
    let bench = releases();
    bench.expect(0, "diff 1.titer 2.titer -o d");
    bench.expect(0, "link 2.titer -o db.tdb");
    for file in ["1.titer", "d", "db.tdb"] {
        let whole = std::fs::read(bench.path(file)).unwrap();
        for place in (0..whole.len()).step_by(whole.len() / 12 + 1) {
            let mut harmed = whole.clone();
            harmed[place] ^= 0x10;
            bench.file("harmed", harmed);
            let ran = bench.expect(2, "verify harmed");
            assert!(ran.err.starts_with("error: harmed is not sound: "), "{}", ran.err);
            bench.file("cut", &whole[..place]);
            bench.expect(2, "verify cut");
        }
    }
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let bench = releases();
    bench.expect(0, "diff 1.titer 2.titer -o d");
    for args in [
        "compile 1.ndb -o 1.ndb --channel acme/main --release 1",
        "link 1.titer -o 1.titer",
        "diff 1.titer 2.titer -o 2.titer",
        "patch 1.titer d -o d",
    ] {
        let ran = bench.expect(2, args);
        assert!(ran.err.contains("is both read and written"), "{args}: {}", ran.err);
    }
    bench.expect(0, "verify 1.titer");
}

#[cfg(unix)]
#[test]
fn a_device_is_written_and_a_link_followed() {
    use std::os::unix::fs::FileTypeExt;
    let bench = releases();
    bench.expect(0, "link 1.titer -o /dev/null");
    assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    bench.file("real.tdb", "old");
    std::os::unix::fs::symlink("real.tdb", bench.path("link.tdb")).unwrap();
    bench.expect(0, "link 1.titer -o link.tdb");
    assert!(bench.path("link.tdb").is_symlink());
    bench.expect(0, "verify real.tdb");
}
