//! The API's description (OpenAPI 3.1), made of the routes and of what handlers say of themselves; as JSON and as a page.

use crate::service::problem::{self, ProblemDocument};
use crate::service::router::{Handlers, Pace, ROUTES, Route, Who};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use utoipa::{OpenApi, PartialSchema};

/// What each group of routes is told to be.
const GROUPS: [(&str, &str); 4] = [
    ("anybody", "What is served here is verified by whoever fetches it, or is no secret."),
    ("makers", "Publications are proven by the role in them, news by a signed and counted request."),
    ("terminals", "Requests are signed by the terminal's key and counted; enrolment takes a token."),
    ("operators", "Requests carry a token. `x-least-role` is the least role that may make them."),
];

/// The description.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, body = Value, content_type = "application/json")))]
pub(crate) async fn document() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| describe().to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The description as a page. It asks for nothing from elsewhere and runs nothing.
#[utoipa::path(get, path = "/docs", responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn page() -> Response {
    static PAGE: OnceLock<(String, String)> = OnceLock::new();
    let (page, policy) = PAGE.get_or_init(|| {
        let style = base64(&Sha256::digest(STYLE));
        let policy = format!("default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'");
        (render(&describe()).into_string(), policy)
    });
    let html = "text/html; charset=utf-8";
    ([(header::CONTENT_TYPE, html), (header::CONTENT_SECURITY_POLICY, policy.as_str())], page.as_str()).into_response()
}

/// The document: handlers' own words, and what the table of routes knows.
pub(crate) fn describe() -> Value {
    let mut document = serde_json::to_value(Handlers::openapi()).expect("a description is plain JSON");
    document["info"] = json!({
        "title": "Titer update service",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Makers publish signed releases, terminals are told what to run and fetch it, operators look after both. \
                        Every refusal is a problem document (RFC 9457) with a stable code.",
        "license": { "name": "MIT OR Apache-2.0" },
    });
    document["tags"] =
        GROUPS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    document["components"]["schemas"]["ProblemDocument"] =
        serde_json::to_value(ProblemDocument::schema()).expect("a schema is plain JSON");
    document["components"]["securitySchemes"] = json!({
        "operator": { "type": "http", "scheme": "bearer", "description": "An operator's token." },
        "signature": {
            "type": "apiKey", "in": "header", "name": "titer-signature",
            "description": "Ed25519 signature, hexadecimal, over method, path, `titer-counter` and body.",
        },
        "counter": { "type": "apiKey", "in": "header", "name": "titer-counter", "description": "Grows with each request." },
    });
    for route in ROUTES {
        let method = route.method.as_str().to_ascii_lowercase();
        if let Some(Value::Object(operation)) = document["paths"].get_mut(route.path).and_then(|path| path.get_mut(method)) {
            complete(operation, route);
        }
    }
    document
}

/// Adds what is the same for all operations, or follows from who may call.
fn complete(operation: &mut Map<String, Value>, route: &Route) {
    let group = match route.who {
        Who::Anybody => 0,
        Who::Maker => 1,
        Who::Terminal => 2,
        Who::Viewer | Who::Operator | Who::KeyHolder => 3,
    };
    operation.insert("tags".to_owned(), json!([GROUPS[group].0]));
    // From method and path, as handlers of several areas have one name.
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let id = std::iter::once(route.method.as_str().to_ascii_lowercase()).chain(words.map(str::to_owned)).collect::<Vec<_>>();
    operation.insert("operationId".to_owned(), json!(id.join("-")));
    let security = match route.who {
        Who::Maker if route.pace != Pace::Long => json!([{ "signature": [], "counter": [] }]),
        Who::Terminal => json!([{ "signature": [], "counter": [] }]),
        // What a publication is proven by is in its body.
        Who::Anybody | Who::Maker => json!([]),
        Who::Viewer | Who::Operator | Who::KeyHolder => json!([{ "operator": [] }]),
    };
    operation.insert("security".to_owned(), security);
    if let Some(role) = route.who.role() {
        operation.insert("x-least-role".to_owned(), json!(role));
    }
    let refusal = json!({
        "description": "A refusal.",
        "content": { problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/ProblemDocument" } } },
    });
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for response in responses.as_object_mut().into_iter().flat_map(|responses| responses.values_mut()) {
        let described = response["description"].as_str().is_some_and(|words| !words.is_empty());
        if !described {
            response["description"] = json!("What was asked for.");
        }
    }
    responses["default"] = refusal;
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#d5d9e0,#3a4150);--soft:light-dark(#5b6473,#a3adbd);--back:light-dark(#f5f6f8,#1b1f27)}\
body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:light-dark(#1a1d23,#e6e9ef);\
background:light-dark(#fff,#13161c)}\
h1{font-size:1.7rem;line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}\
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;background:var(--back)}\
summary{padding:.55rem .8rem;cursor:pointer;overflow-wrap:anywhere}details>div{padding:0 .8rem .6rem}\
code,pre{font:.88rem/1.5 ui-monospace,monospace}pre{overflow:auto;border-top:1px solid var(--line);padding:.6rem 0;margin:.4rem 0}\
.method{display:inline-block;min-width:3.2rem;font-weight:700}.note{color:var(--soft)}\
:focus-visible{outline:3px solid light-dark(#0b57d0,#8ab4f8);outline-offset:2px}";

fn render(document: &Value) -> Markup {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (text(&document["info"]["title"])) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (text(&document["info"]["title"])) " " span.note { (text(&document["info"]["version"])) } }
                p { (text(&document["info"]["description"])) " The same for programs: " a href="/v1/openapi.json" { "openapi.json" } "." }
                @for (group, about) in GROUPS {
                    h2 id=(group) { (group) }
                    p.note { (about) }
                    @for (path, method, operation) in operations(document) {
                        @if operation["tags"][0] == group { (describe_operation(path, method, operation)) }
                    }
                }
                h2 id="schemas" { "Schemas" }
                @for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
                    details id=(format!("schema-{name}")) {
                        summary { code { (name) } " " span.note { (text(&schema["description"])) } }
                        div { pre { (pretty(schema)) } }
                    }
                }
            }
        }
    }
}

fn describe_operation(path: &str, method: &str, operation: &Value) -> Markup {
    let summary = operation["summary"].as_str().or(operation["description"].as_str()).unwrap_or_default();
    html! {
        details {
            summary {
                span.method { (method.to_ascii_uppercase()) } code { (path) }
                @if let Some(role) = operation["x-least-role"].as_str() { " " span.note { "(" (role) ")" } }
            }
            div {
                p { (summary) }
                @for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    p { code { (parameter["name"].as_str().unwrap_or_default()) } " "
                        span.note { "in " (parameter["in"].as_str().unwrap_or_default()) }
                        " " (parameter["description"].as_str().unwrap_or_default()) }
                }
                @if let Some(body) = operation.get("requestBody") { p { "Body:" } pre { (pretty(&body["content"])) } }
                @for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    p { "Answer " code { (status) } ": " (response["description"].as_str().unwrap_or_default()) }
                    @if let Some(content) = response.get("content").filter(|_| status != "default") { pre { (pretty(content)) } }
                }
            }
        }
    }
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON can be written")
}

/// RFC 4648, with padding: for the one digest that the policy of the page names.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63] as char;
            text.push(if at > chunk.len() { '=' } else { digit });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_described_and_no_other() {
        let document = describe();
        let told: BTreeSet<_> =
            operations(&document).map(|(path, method, _)| (path.to_owned(), method.to_ascii_uppercase())).collect();
        let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_string())).collect();
        assert_eq!(told, routes);
        assert_eq!(routes.len(), ROUTES.len(), "a route is listed twice");
        for (path, method, operation) in operations(&document) {
            assert!(operation["tags"][0].is_string() && operation["responses"]["default"].is_object(), "{method} {path}");
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = describe();
        let text = document.to_string();
        let mut names = 0;
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            names += 1;
        }
        assert!(names > 20);
    }

    #[test]
    fn digests_in_base64() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
