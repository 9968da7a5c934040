//! The one error answer: problem+json (RFC 9457) with a stable code.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal. `detail` is for the caller; what only the operator may see is logged where the problem is made.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
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

    /// A fault of ours: the log gets the cause, the caller does not.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %crate::http::chain(cause), "a request failed inside the service");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the service failed; its log says why")
    }
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
        (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
