//! What an operator sees of the service: metrics, health, ids of requests.

use crate::support::World;
use crate::support::web::Web;
use axum::http::Method;
use std::fs;
use std::time::Duration;
use updater::wire::{Designation, Role};

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_and_no_label_comes_from_outside() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..10).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let web = Web::to(&world);
    web.get("/v1/makers/nobody-by-this-name").await;
    web.get("/no-such-page-at-all").await;
    web.send("BREW".parse().unwrap(), "/v1/health", &[], "").await;
    let viewer = world.operator.add_operator(&"prometheus".parse().unwrap(), Role::Viewer).await.unwrap().token;
    let text = web.with_token(Method::GET, "/metrics", &viewer, "").await.text();
    for line in [
        r#"titer_requests_total{method="GET",route="/v1/makers/{maker}",status="404"} 1"#,
        r#"titer_requests_total{method="unmatched",route="unmatched",status="404"} 1"#,
        r#"titer_requests_total{method="unmatched",route="unmatched",status="405"} 1"#,
        r#"titer_refusals_total{code="maker_unknown"} 1"#,
        r#"titer_check_ins_total{code="first_install"} 1"#,
        r#"titer_results_total{kind="installed"} 1"#,
        "titer_publications_total 1",
        r#"titer_rows{kind="terminals"} 1"#,
        r#"titer_signed_version{kind="root"} 1"#,
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for outside in ["nobody", "no-such", "BREW", "acme", "prometheus"] {
        assert!(!text.contains(outside), "{outside}");
    }
    let left = text.lines().find_map(|line| line.strip_prefix("titer_timestamp_left_seconds ")).unwrap();
    assert!((86_000..=86_401).contains(&left.parse::<u64>().unwrap()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_have_ids() {
    let world = World::new().await;
    let web = Web::to(&world);
    let ask = async |id: &str| web.send(Method::GET, "/v1/makers/nobody", &[("x-request-id", id)], "").await;
    let answer = ask("job-17.a_B").await;
    assert_eq!(answer.headers["x-request-id"], "job-17.a_B");
    assert_eq!(answer.json()["request"], "job-17.a_B");
    for odd in ["two words", "a;b", "<script>", &"x".repeat(65)] {
        let answer = ask(odd).await;
        let made = answer.headers["x-request-id"].to_str().unwrap();
        assert_ne!(made, odd);
        assert_eq!(answer.json()["request"], made);
    }
    let (first, second) = (web.get("/v1/health").await, web.get("/v1/health").await);
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn alive_is_not_ready() {
    let world = World::new().await;
    let web = Web::to(&world);
    assert_eq!(web.get("/v1/ready").await.json()["status"], "ready");
    let timestamp = world.object("metadata/timestamp.json");
    let bytes = fs::read(&timestamp).unwrap();
    fs::remove_file(&timestamp).unwrap();
    // What was found is said again for a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = web.get("/v1/ready").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    assert_eq!(answer.json()["detail"], "objects failed");
    assert_eq!(web.get("/v1/health").await.status, 200);
    fs::write(&timestamp, bytes).unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(web.get("/v1/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_timestamp_is_not_ready() {
    let world = World::with(|mut config| {
        config.timestamp_lifetime = Duration::from_secs(1);
        config
    })
    .await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let answer = Web::to(&world).get("/v1/ready").await;
    assert_eq!((answer.status, &answer.json()["detail"]), (503, &"timestamp failed".into()));
}
