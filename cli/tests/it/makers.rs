//! Makers' ways in, as commands: import, export, news, sources, reports.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;
use serde_json::json;

/// Lines of one `type`.
fn of_type(lines: Vec<serde_json::Value>, kind: &str) -> Vec<serde_json::Value> {
    lines.into_iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn an_import_compiles_signs_and_publishes_and_then_changes_nothing() {
    let bench = Bench::new();
    let service = Service::start(&bench);
    bench.file("one.ndb", "Test.One:0:*:6e6565646c65\nbroken line\n");
    bench.file("two.hdb", "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n");
    let import = format!(
        "maker import --dir house --channel house/rules --service {} {OPERATOR} --created 2026-01-01T00:00:00Z --json one.ndb two.hdb",
        service.url
    );
    // A line is refused and told of; what could be compiled is published.
    let first = bench.expect(1, &import).json();
    let summary = of_type(first.clone(), "summary").remove(0);
    assert_eq!((&summary["accepted"], &summary["refused"]), (&json!(2), &json!(1)));
    assert_eq!(of_type(first.clone(), "diagnostic").len(), 1);
    let made = of_type(first, "import").remove(0);
    assert_eq!((&made["release"], &made["new"], &made["records"]), (&json!(1), &json!(true), &json!(2)));
    let role = || std::fs::read(bench.path("house/role.json")).unwrap();
    let before = role();
    let timestamp = || std::fs::read(bench.path("service/objects/metadata/timestamp.json")).unwrap();
    let signed = timestamp();
    let again = of_type(bench.expect(1, &import).json(), "import").remove(0);
    assert_eq!((&again["release"], &again["new"]), (&json!(1), &json!(false)));
    assert!(role() == before && timestamp() == signed, "nothing is signed anew");

    bench.file("one.ndb", "Test.One:0:*:6e6565646c65\nTest.Two:0:*:68617973746163\n");
    let second = of_type(bench.expect(0, &import).json(), "import").remove(0);
    assert_eq!((&second["release"], &second["new"]), (&json!(2), &json!(true)));
    bench.file("empty.ndb", "");
    bench.expect(2, "maker import --dir house --channel house/rules empty.ndb");
    bench.expect(2, "maker import --dir house --channel other/rules two.hdb");
}

#[test]
fn a_site_is_exported_and_fetched_from_another_service() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    bench.expect(0, "maker news Test.One --danger high --discovered 2026-11-10 --alias best:One");
    let exported = bench.expect(0, "maker export site --json").json().remove(0);
    assert_eq!((&exported["releases"], &exported["new_blobs"], &exported["news"]), (&json!(1), &json!(1), &json!(true)));
    let news = std::fs::read(bench.path("site/news.json")).unwrap();
    let again = bench.expect(0, "maker export site --json").json().remove(0);
    assert_eq!(again["new_blobs"], 0);
    assert!(std::fs::read(bench.path("site/news.json")).unwrap() == news, "nothing is signed anew");
    assert!(bench.path("site/m-acme.json").exists());

    // The service is a source for itself as well as for any other.
    let admin = |command: &str| format!("admin {command} --service {} {OPERATOR} --json", service.url);
    let url = format!("{}v1/makers/acme/site/", service.url);
    let added = bench.expect(0, &admin(&format!("source add acme {url} --every 1h"))).json().remove(0);
    let id = added["id"].as_str().unwrap().to_owned();
    let now = bench.expect(0, &admin(&format!("source now {id}"))).json().remove(0);
    assert_eq!((&now["last_code"], &now["every_seconds"]), (&json!("unchanged"), &json!(3600)));
    bench.expect(2, &admin("source add acme http://sigs.example/"));
    bench.expect(0, &admin(&format!("source remove {id}")));
    assert!(bench.expect(0, &admin("source list")).json().is_empty());
}

#[test]
fn news_comes_from_a_file_and_is_taken_back() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    let list = json!([
        {"threat": "x", "danger": "high", "discovered": "2026-11-10", "expected": "2026-01-01", "aliases": ["best:y"]},
        {"threat": "z", "danger": "low", "discovered": "2026-11-10"},
    ]);
    bench.file("list.json", list.to_string());
    bench.expect(0, &format!("maker news --file list.json --service {}", service.url));
    let threats =
        |name: &str| bench.expect(0, &format!("admin threats {name} --service {} {OPERATOR} --json", service.url)).json();
    let rows = threats("Y");
    assert_eq!((rows.len(), &rows[0]["threat"], &rows[0]["missed"]), (1, &json!("x"), &json!(true)));
    let text = bench.expect(0, &format!("admin threats --service {} {OPERATOR}", service.url)).out;
    assert!(text.contains("acme:x: the promised day has passed without a cure"), "{text}");
    let withdraw = "maker news z --danger low --discovered 2026-11-10 --withdraw --service";
    bench.expect(0, &format!("{withdraw} {}", service.url));
    assert_eq!(threats("").len(), 1);
    bench.file("bad.json", "{}");
    bench.expect(2, &format!("maker news --file bad.json --service {}", service.url));
    bench.expect(0, "maker sign-news list.json -o signed.json");
    assert!(bench.path("signed.json").exists());
}

#[test]
fn a_terminal_reports_a_threat_by_name_and_digest() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.enrol(&bench, "terminal");
    bench.file("bad", "infected");
    let report = "agent report-threat New.Worm --sample bad --state terminal --json";
    assert_eq!(bench.expect(0, report).json()[0]["asked"], true);
    assert_eq!(bench.expect(0, report).json()[0]["asked"], false);
    let reported = bench.expect(0, &format!("admin threats --reported --service {} {OPERATOR} --json", service.url)).json();
    assert_eq!((&reported[0]["threat"], &reported[0]["terminals"]), (&json!("New.Worm"), &json!(1)));
    bench.expect(2, "agent report-threat New.Worm --sample missing --state terminal");
    bench.expect(2, "agent report-threat New.Worm --state nobody");
}
