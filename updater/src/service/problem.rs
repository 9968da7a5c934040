//! The one error answer: problem+json (RFC 9457) with a stable code.

use crate::service::objects::ObjectError;
use crate::service::request::{Context, Counted};
use crate::service::store::StoreError;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// After so long who asked while the tables were out of reach may ask again: a restart of PostgreSQL takes some seconds.
const TABLES_AWAY: Duration = Duration::from_secs(5);

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal. `detail` is for the caller; what only the operator may see is logged where the problem is made.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    last_counter: Option<u64>,
}

/// The code of a refusal, beside its document, for who counts them.
#[derive(Clone, Copy)]
pub(crate) struct Code(pub(crate) &'static str);

/// What a refusal says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDocument {
    /// `urn:titer:problem:` and the code.
    r#type: String,
    /// The status in words.
    title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable name of the refusal; docs/codes.md says what to do.
    #[schema(pattern = "^[a-z0-9_]{1,64}$", example = "maker_unknown")]
    code: String,
    /// The refusal in words.
    detail: String,
    /// Id of the request, to ask about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    /// With `request_replayed`: the last counter that was taken of this key. The next request counts further from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_counter: Option<u64>,
    /// Whom to ask; with refusals that ask to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
}

impl Problem {
    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have: text or an error")]
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl ToString) -> Self {
        Problem { status, code, detail: detail.to_string(), retry_after: None, last_counter: None }
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

    pub(crate) fn forbidden(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl ToString) -> Self {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    /// A counter that was used, with the last one that was. Only whoever signed the request hears it.
    pub(crate) fn replayed(counter: u64, last: u64) -> Self {
        let detail = format!("counter {counter} was used before; the last one taken is {last}");
        Problem { last_counter: Some(last), ..Problem::conflict("request_replayed", detail) }
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

    /// The same, with the wish not to be asked again before so long.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::TooLarge(_) => Problem::bad_request("number_too_large", e),
            StoreError::News(e) => e.into(),
            e if e.is_passing() => {
                tracing::error!(error = %crate::http::chain(&e), "the tables are out of reach");
                let detail = "the service cannot reach its tables at the moment";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "tables_unreachable", detail).after(TABLES_AWAY)
            }
            e if e.is_of_a_text() => {
                Problem::bad_request("request_malformed", "a text holds a character that no table can keep")
            }
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
    let problem = Problem::new(status, code, "the request does not have the form that this address takes");
    let mut uniform = problem.into_response();
    if let Some(counted) = response.extensions().get::<Counted>() {
        uniform.extensions_mut().insert(*counted);
    }
    if let Some(allowed) = response.headers().get(header::ALLOW) {
        uniform.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    uniform
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let context = Context::current();
        let id = context.as_ref().and_then(|context| context.id.to_str().ok()).map(str::to_owned);
        let contact = context.and_then(|context| context.contact).filter(|_| self.retry_after.is_some());
        let document = ProblemDocument {
            r#type: format!("urn:titer:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail,
            request: id,
            last_counter: self.last_counter,
            contact: contact.map(|contact| contact.to_string()),
        };
        let body = serde_json::to_string(&document).expect("a problem is plain JSON");
        let mut response = (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        response.extensions_mut().insert(Code(self.code));
        if let Some(wait) = self.retry_after {
            // Rounded up: who comes back at the second named is not too early.
            let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = if self.code.starts_with("operator") { "Bearer realm=\"titer\"" } else { "Titer-Signature" };
            let scheme = axum::http::HeaderValue::from_static(scheme);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_are_away_are_worth_another_try_and_wrong_ones_are_not() {
        for (error, status) in [
            (sqlx::Error::PoolTimedOut, StatusCode::SERVICE_UNAVAILABLE),
            (sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()), StatusCode::SERVICE_UNAVAILABLE),
            (sqlx::Error::RowNotFound, StatusCode::INTERNAL_SERVER_ERROR),
            (sqlx::Error::ColumnNotFound("no".to_owned()), StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let answer = Problem::from(StoreError::from(error)).into_response();
            assert_eq!(answer.status(), status);
            let may_come_back = answer.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(may_come_back, status == StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
