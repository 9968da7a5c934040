//! The API's description, as served.

use crate::support::World;
use crate::support::web::Web;

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_served_as_json_and_as_a_page() {
    let world = World::new().await;
    let web = Web::to(&world);
    let answer = web.get("/v1/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(document["paths"]["/v1/operators"]["post"]["x-least-role"], "key-holder");
    let answer = web.get("/docs").await;
    let page = answer.text();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.contains(path.as_str()), "{path}");
    }
    for foreign in ["<script", "http://", "https://", "@import", "url(", "src="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
}
