//! `titer admin operator` and `titer admin audit`; a service that must not listen as it was told.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;

#[test]
fn operators_have_tokens_of_their_own_and_what_they_do_is_written_down() {
    let bench = Bench::new();
    let service = Service::start(&bench);
    let at = format!("--service {}", service.url);
    let token = bench.expect(0, &format!("admin operator add alice --role viewer {at} {OPERATOR}")).out;
    bench.file("alice", &token);
    let alice = format!("{at} --operator-token alice");
    bench.expect(0, &format!("admin terminals {alice}"));
    let refused = bench.expect(2, &format!("admin enrolment-token --json {alice}"));
    assert_eq!(refused.json()[0]["code"], "operator_role_too_low");
    assert!(refused.err.contains("hint: ask somebody with that role"), "{}", refused.err);
    bench.expect(0, &format!("admin enrolment-token {at} {OPERATOR}"));

    let verified = bench.expect(0, &format!("admin audit verify --json {alice}")).json();
    assert_eq!((&verified[0]["rows"], &verified[0]["compared"]), (&2.into(), &false.into()));
    let hash = verified[0]["hash"].as_str().unwrap();
    bench.expect(0, &format!("admin operator revoke alice {at} {OPERATOR}"));
    let shown = bench.expect(0, &format!("admin audit --json {at} {OPERATOR}")).json();
    let told: Vec<_> = shown.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(told, ["operator-added", "enrolment-token-made", "operator-revoked"]);
    let since = format!("admin audit --since 2100-01-01 {at} {OPERATOR}");
    assert_eq!(bench.expect(0, &since).out, "");
    bench.expect(0, &format!("admin audit verify --expect {hash} {at} {OPERATOR}"));
    let other = "0".repeat(63) + "1";
    let changed = bench.expect(2, &format!("admin audit verify --expect {other} --json {at} {OPERATOR}"));
    assert_eq!(changed.json()[0]["code"], "audit_log_changed");

    let gone = bench.expect(2, &format!("admin terminals {alice}"));
    assert!(gone.err.contains("operator_token_revoked") && gone.err.contains("hint: "), "{}", gone.err);
    let list = bench.expect(0, &format!("admin operator list {at} {OPERATOR}")).out;
    assert!(list.contains("alice") && list.contains("viewer"), "{list}");
}

#[test]
fn a_service_without_tls_listens_at_this_machine_alone() {
    let bench = Bench::new();
    let refused = bench.expect(2, "serve --data service --listen 0.0.0.0:0");
    assert!(refused.err.contains("listen_insecure") && refused.err.contains("--tls-cert"), "{}", refused.err);
    let missing = bench.expect(2, "serve --data service --listen 0.0.0.0:0 --tls-cert no.pem --tls-key no.pem");
    assert!(missing.err.contains("tls_failed") && missing.err.contains("no.pem"), "{}", missing.err);
}
