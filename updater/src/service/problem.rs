//! The one error answer: problem+json (RFC 9457) with a stable code.

use crate::service::objects::ObjectError;
use crate::service::store::StoreError;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal. `detail` is for the caller; what only the operator may see is logged where the problem is made.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have: text or an error")]
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl ToString) -> Self {
        Problem { status, code, detail: detail.to_string() }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn unauthorized(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// A fault of ours: the log gets the cause, the caller does not.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %crate::http::chain(cause), "a request failed inside the service");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service failed; its log says why")
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::TooLarge(_) => Problem::bad_request("number_too_large", e),
            e => Problem::internal(&e),
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(e: ObjectError) -> Self {
        Problem::internal(&e)
    }
}

/// Gives the refusals that the framework makes, of odd paths, methods and bodies, the form of all others.
pub(crate) async fn uniform(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|media_type| media_type.to_str().ok());
    // Pages of the console tell faults as pages.
    let has_form = media_type.is_some_and(|media_type| media_type == MEDIA_TYPE || media_type.starts_with("text/html"));
    if has_form || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let code = match status {
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_long",
        status if status.is_client_error() => "request_malformed",
        _ => "internal",
    };
    Problem::new(status, code, "the request does not have the form that this address takes").into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:titer:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
    }
}
