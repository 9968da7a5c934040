//! The audit log as operators read it, and how what is done comes into it.
//!
//! What changes tables writes its row in the same transaction (`Store::audit_in`). What changes none, such as a sweep of objects, writes it
//! before the answer is sent ([`App::audit`]): who has an answer has a row.

use crate::audit::AuditPage;
use crate::service::problem::Problem;
use crate::service::{App, AppState};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

/// Most rows in one answer.
const ROWS_MAX: u64 = 1000;

impl App {
    /// Appends to the audit log: `who` as `operator:NAME`, `maker:NAME`, `terminal:ID` or `service`; `what` as a stable word with hyphens.
    pub(crate) async fn audit(&self, who: &str, what: &str, detail: &Value) -> Result<(), Problem> {
        Ok(self.store.audit(who, what, detail).await?)
    }
}

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Rows with greater numbers. Default: all.
    #[serde(default)]
    #[param(minimum = 0, maximum = 9_223_372_036_854_775_807_u64)]
    after: u64,
    /// Rows of this time or later, in seconds since 1970. Default: all.
    #[serde(default)]
    since: i64,
    /// Most rows, 1 to 1,000. Default: 1,000.
    #[serde(default = "rows_max")]
    #[param(minimum = 1, maximum = 1000)]
    limit: u64,
}

fn rows_max() -> u64 {
    ROWS_MAX
}

/// The audit log, ascending. Whoever wants to know whether it was changed reads all of it and computes the hashes.
#[utoipa::path(get, path = "/v1/audit", responses((status = 200, body = AuditPage)))]
pub(crate) async fn rows(State(app): State<AppState>, Query(wanted): Query<Wanted>) -> Result<Json<AuditPage>, Problem> {
    if !(1..=ROWS_MAX).contains(&wanted.limit) {
        return Err(Problem::bad_request("request_malformed", format!("`limit` is 1 to {ROWS_MAX}")));
    }
    Ok(Json(app.store.audit_rows(wanted.after, wanted.since, wanted.limit).await?))
}
