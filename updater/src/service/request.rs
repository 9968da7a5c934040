//! What is known of each request from its first moment: its id, and whom to ask about it.
//!
//! The id comes with the request (`x-request-id`: 1 to 64 of letters, digits, `.`, `_`, `-`) or is made here. It is in the answer, in every
//! problem document and, by a span, in every line that is logged meanwhile, so that a terminal's journal and the service's can be joined.

pub(crate) use crate::http::REQUEST_ID;
use crate::http::is_request_id;
use crate::service::{App, AppState};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::Instrument;

tokio::task_local! {
    static CONTEXT: Context;
}

/// Of the request that this task answers.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) id: HeaderValue,
    /// Whom to ask, where the operator says so.
    pub(crate) contact: Option<Arc<str>>,
}

impl Context {
    /// That of the request which is being answered; none in background work.
    pub(crate) fn current() -> Option<Context> {
        CONTEXT.try_with(Clone::clone).ok()
    }
}

/// The address at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Says that the answer was counted by its route.
#[derive(Clone, Copy)]
pub(crate) struct Counted;

/// Ids of one run of the service: a random beginning, then a number.
pub(crate) struct RequestIds {
    run: String,
    last: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, crate::keys::KeyError> {
        Ok(RequestIds { run: crate::keys::random_hex(4)?, last: AtomicU64::new(0) })
    }

    fn next(&self) -> HeaderValue {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("{}-{number:x}", self.run)).expect("hexadecimal digits are a header's value")
    }
}

/// The id that came with a request, or one of ours.
pub(crate) fn id_of(app: &App, headers: &HeaderMap) -> HeaderValue {
    let sent = headers.get(REQUEST_ID).filter(|id| is_request_id(id.as_bytes()));
    sent.cloned().unwrap_or_else(|| app.request_ids.next())
}

/// What all lines that are logged within a request stand in.
pub(crate) fn span(id: &HeaderValue) -> tracing::Span {
    // An error's span is there whatever is logged; others would be missing from the lines that matter most.
    tracing::error_span!("request", id = id.to_str().unwrap_or_default())
}

/// Logs the line of a request that is answered.
pub(crate) fn answered(method: &Method, path: &str, status: StatusCode, started: Instant) {
    let (status, duration_ms) = (status.as_u16(), started.elapsed().as_millis() as u64);
    tracing::debug!(%method, path, status, duration_ms, "{method} {path} answered {status}");
}

/// The outermost layer: gives the request its id, and logs a line for it.
pub(crate) async fn identify(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = id_of(&app, request.headers());
    let span = span(&id);
    let context = Context { id: id.clone(), contact: app.contact.clone() };
    let answer = async {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = next.run(request).await;
        answered(&method, &path, response.status(), started);
        response
    };
    let mut response = CONTEXT.scope(context, answer.instrument(span)).await;
    if response.extensions().get::<Counted>().is_none() {
        app.metrics.unmatched(&response);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_from_outside_are_plain() {
        for (id, good) in [("a", true), ("Az09._-", true), ("", false), ("a b", false), ("a\tb", false), ("ü", false)] {
            assert_eq!(HeaderValue::from_bytes(id.as_bytes()).is_ok_and(|id| is_request_id(id.as_bytes())), good, "{id}");
        }
        assert!(is_request_id("a".repeat(64).as_bytes()));
        assert!(!is_request_id("a".repeat(65).as_bytes()));
    }
}
