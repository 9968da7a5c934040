//! The console: the tables for people, as plain pages. Rendered here, with one style sheet, no script and nothing from elsewhere.
//!
//! Whoever signs in with an operator's token gets a session in this service's memory; several services behind one address need one that
//! sends a browser to the same service each time. What makers and terminals wrote is shown as text only: `page::text` is the one way
//! by which it gets on a page. Design and what was weighed: `docs/console.md`.

mod attention;
mod audit;
mod chart;
mod coverage;
mod decision;
mod faults;
mod lag;
mod maker;
mod makers;
mod one_offs;
mod overview;
mod page;
mod releases;
mod reported;
mod rollout;
mod rollouts;
mod session;
mod sign_in;
mod terminal;
mod terminals;
mod threats;

use crate::service::AppState;
use crate::service::gate::short_body;
use crate::service::problem::Problem;
use crate::service::store::StoreError;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;
use serde::de::DeserializeOwned;
pub(crate) use session::Sessions;

const STYLE: &str = include_str!("console/style.css");
const ICON: &str = include_str!("console/icon.svg");
/// Nothing runs and nothing comes from elsewhere, whatever gets on a page.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

macro_rules! pages {
    ($($path:literal => $module:ident;)*) => {
        /// Every page that is shown to who is signed in, below `/console`. Each is for all roles: pages change nothing.
        pub const PAGES: &[&str] = &[$($path),*];

        fn pages() -> Router<AppState> {
            Router::new()$(.route($path, get($module::show)))*
        }
    };
}

pages! {
    "/" => overview;
    "/threats" => threats;
    "/reported" => reported;
    "/coverage" => coverage;
    "/terminals" => terminals;
    "/terminal" => terminal;
    "/one-offs" => one_offs;
    "/makers" => makers;
    "/maker" => maker;
    "/releases" => releases;
    "/rollouts" => rollouts;
    "/rollout" => rollout;
    "/faults" => faults;
    "/audit" => audit;
}

/// Most bytes of a form.
const FORM_LEN_MAX: usize = 16 << 10;

/// What is below `/console`.
pub(crate) fn router(app: &AppState) -> Router<AppState> {
    pages()
        .route("/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .layer(middleware::from_fn_with_state(app.clone(), prompt))
        .layer(middleware::from_fn(guarded))
}

/// Waits for a form no longer than for other short bodies, so that nobody holds a connection with one that does not end.
async fn prompt(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match short_body(&app, body, FORM_LEN_MAX).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => Fault::from(problem).into_response(),
    }
}

/// What every answer of the console says of itself.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=3600")];
    (headers, STYLE)
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=86400")], ICON)
}

/// What an address asks for; one that asks for what it cannot is answered by a page too.
pub(crate) struct Address<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Address<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let asked = Query::<T>::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Address(asked)).map_err(|e| Fault::new(StatusCode::BAD_REQUEST, e.body_text()))
    }
}

/// A page that cannot be shown, as a page.
pub(crate) struct Fault {
    status: StatusCode,
    words: String,
}

impl Fault {
    fn new(status: StatusCode, words: impl Into<String>) -> Self {
        Fault { status, words: words.into() }
    }

    fn not_found(words: impl Into<String>) -> Self {
        Fault::new(StatusCode::NOT_FOUND, words)
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        Problem::from(e).into()
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Fault::new(problem.status(), problem.detail())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body = page::bare(
            title,
            &html! {
                h1 { (title) }
                p { (page::text(&self.words)) }
                p { a href="/console" { "To the overview" } }
            },
        );
        (self.status, body).into_response()
    }
}
