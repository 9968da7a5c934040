//! Keys and withdrawals as people do them: `titer root`, `titer admin root`, `titer maker withdraw|rotate|sign|restore`.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use std::fs;

/// The last word that a command printed.
fn last_word(ran: &Ran) -> String {
    ran.out.split_whitespace().last().expect("it prints something").to_owned()
}

/// Who makes a first root without the service's keys is told which are missing, and how to come by them.
#[test]
fn a_first_root_without_the_services_keys_says_what_is_missing() {
    let bench = Bench::new();
    let alone = bench.expect(2, "root init --key root.pk8 -o 1.root.json");
    assert!(
        alone.err.contains("none is given of targets, snapshot, timestamp, director (role_without_key)"),
        "{}",
        alone.err
    );
    assert!(alone.err.contains("titer root init --key DATA/keys/ROLE.pk8"), "{}", alone.err);
    let targets = last_word(&bench.expect(0, "root init --key targets.pk8"));
    let one = bench.expect(2, &format!("root init --key root.pk8 --service-key targets={targets} -o 1.root.json"));
    assert!(one.err.contains("none is given of snapshot, timestamp, director"), "{}", one.err);
    assert!(one.out.is_empty() && !bench.path("1.root.json").exists(), "{}", one.out);
}

#[test]
fn a_ceremony_of_three_holders_changes_root_and_the_timestamps_key() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.enrol(&bench, "terminal");
    bench.expect(0, "agent update --state terminal");
    let operator = format!("--service {} {OPERATOR}", service.url);
    let second = last_word(&bench.expect(0, "root init --key second.pk8"));
    let third = last_word(&bench.expect(0, "root init --key third.pk8"));
    assert_eq!(last_word(&bench.expect(0, "root init --key third.pk8")), third, "a key that is there is kept");
    let spare = last_word(&bench.expect(0, &format!("admin role-key timestamp {operator}")));
    bench.expect(2, &format!("admin role-key root {operator}"));

    fs::copy(bench.path("service/objects/metadata/1.root.json"), bench.path("1.root.json")).unwrap();
    let rotated = bench.expect(
        0,
        &format!(
            "root rotate 1.root.json -o 2.root.json --threshold root=2 --replace timestamp={spare} --add root={second} \
             --add root={third}"
        ),
    );
    assert!(rotated.out.contains("root takes 2 of 3 signatures; it was 1 of 1"), "{}", rotated.out);
    // Nobody signs what they cannot compare, or with a key that does not count.
    bench.expect(2, "root sign 2.root.json --key second.pk8");
    bench.expect(0, "root init --key stranger.pk8");
    let stranger = bench.expect(2, "root sign 2.root.json --from 1.root.json --key stranger.pk8");
    assert!(stranger.err.contains("key_not_listed"), "{}", stranger.err);
    bench.expect(2, "root sign 2.root.json --from 1.root.json --key nobody.pk8");
    let signed = bench.expect(0, "root sign 2.root.json --from 1.root.json --key second.pk8");
    assert!(signed.out.contains(&format!("timestamp gets key {spare}")), "{}", signed.out);
    assert!(signed.out.contains("signed by 1 of 2 needed keys of version 2"), "{}", signed.out);
    let early = bench.expect(2, &format!("admin root 2.root.json {operator}"));
    assert!(early.err.contains("metadata_unsigned"), "{}", early.err);
    bench.expect(0, "root sign 2.root.json --from 1.root.json --key service/root-keys/root.pk8");
    bench.expect(0, &format!("admin root 2.root.json {operator}"));
    let shown = &bench.expect(0, "root show 2.root.json --from 1.root.json --json").json()[0];
    assert_eq!(shown["version"], 2);
    assert_eq!(shown["roles"]["root"]["threshold"], 2);
    assert_eq!(shown["signatures"][0], serde_json::json!({"keys_of_version": 1, "have": 1, "need": 1}));
    assert_eq!(shown["signatures"][1], serde_json::json!({"keys_of_version": 2, "have": 2, "need": 2}));

    service.publish(&bench, 2, "Test.Two:0:*:68617973746163\n");
    bench.expect(0, "agent update --state terminal");
    bench.file("bad", "the haystack");
    bench.expect(1, "scan --state terminal bad");
}

#[test]
fn a_maker_withdraws_changes_keys_and_comes_back_from_an_old_copy() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.publish(&bench, 2, "Test.Two:0:*:68617973746163\n");
    service.enrol(&bench, "terminal");
    bench.expect(0, "agent update --state terminal");
    bench.expect(2, "maker withdraw acme/main 9");
    let withdrawn = bench.expect(0, "maker withdraw acme/main 2");
    assert!(withdrawn.out.contains("terminals may go back to 1 or newer"), "{}", withdrawn.out);
    let publish = format!("maker publish --service {}", service.url);
    bench.expect(0, &publish);
    let update = bench.expect(0, "agent update --state terminal --json");
    assert_eq!(update.json()[0]["assignment"]["reason"], "withdrawn");
    let status = bench.expect(0, "agent status --state terminal --json");
    assert_eq!(status.json()[0]["channels"][0]["release"], 1);

    let other = last_word(&bench.expect(0, "maker key other.pk8"));
    let rotated = bench.expect(0, &format!("maker rotate --add {other} --threshold 2"));
    assert!(rotated.out.contains("0 signatures by the keys before and 1 by the new ones are missing"), "{}", rotated.out);
    let missing = bench.expect(2, &publish);
    assert!(missing.err.contains("signatures_missing") && missing.err.contains("hint:"), "{}", missing.err);
    bench.expect(0, "maker sign maker/next-keys.json --key other.pk8");
    let signed = bench.expect(0, "maker sign maker/role.json --key other.pk8");
    assert!(signed.out.contains("withdraws acme/main release 2, back to 1 or newer"), "{}", signed.out);
    bench.expect(0, &publish);

    let old = fs::read(bench.path("maker/role.json")).unwrap();
    let signed_by_both = |release: u64| {
        bench.file("new.ndb", "Test.New:0:*:68617973746163\n");
        bench.expect(0, &format!("compile new.ndb -o new.titer --channel acme/main --release {release}"));
        bench.expect(0, "maker release new.titer");
        bench.expect(0, "maker sign maker/role.json --key other.pk8");
    };
    signed_by_both(3);
    bench.expect(0, &publish);
    bench.file("maker/role.json", old);
    let behind = bench.expect(2, &publish);
    assert!(behind.err.contains("signer_behind"), "{}", behind.err);
    bench.expect(0, &format!("maker restore --service {}", service.url));
    signed_by_both(4);
    bench.expect(0, &publish);
    bench.expect(0, "agent update --state terminal");
    let status = bench.expect(0, "agent status --state terminal --json");
    assert_eq!(status.json()[0]["channels"][0]["release"], 4);
}

#[test]
fn a_public_key_is_all_of_the_output_and_is_somebodys_alone() {
    let bench = Bench::new();
    for args in ["root init --key root.pk8", "maker key maker.pk8"] {
        let ran = bench.expect(0, args);
        assert!(
            ran.out.trim_end().len() == 64 && ran.out.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{}",
            ran.out
        );
        assert!(ran.err.contains("keep this file to yourself"), "{}", ran.err);
    }
    bench.expect(0, "maker init acme");
    let anybodys = bench.expect(2, &format!("maker rotate --add {}", "00".repeat(32)));
    assert!(anybodys.err.contains("anybody can sign for it"), "{}", anybodys.err);
    assert!(!bench.path("maker/next-keys.json").exists());
}

/// What has no end is not read to its end: the memory would go first.
#[cfg(unix)]
#[test]
fn a_device_in_the_place_of_a_file_is_refused() {
    let bench = Bench::new();
    bench.expect(0, "maker init acme");
    bench.file("one.ndb", "Test.One:0:*:6e6565646c65\n");
    bench.file("token", "0123456789abcdef0123");
    bench.expect(0, "compile one.ndb -o 1.titer --channel acme/main --release 1");
    for (args, code) in [
        ("maker key /dev/zero", "key_failed"),
        ("maker sign /dev/zero --key maker/key.pk8", "disk_failed"),
        ("maker release 1.titer --document name=/dev/zero", "disk_failed"),
        ("admin makers --ca /dev/zero --service https://127.0.0.1:1/ --operator-token token", "ca_refused"),
    ] {
        let ran = bench.expect(2, args);
        assert!(ran.err.contains(code), "{args}: {}", ran.err);
    }
}
