//! How the service is: alive, and able to do its work.

use crate::service::problem::Problem;
use crate::service::{App, AppState};
use crate::tuf;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tough::schema::{Signed, Timestamp};
use utoipa::ToSchema;

/// How long one check may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);
/// For how long what was found is said again, so that questions cost nothing.
const FOUND_AGE_MAX: Duration = Duration::from_secs(1);

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Of the program.
    version: &'static str,
}

/// All checks hold.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Always `ready`.
    status: &'static str,
    /// What was looked at.
    checks: Vec<&'static str>,
}

/// What the last look found: when, and which checks failed.
pub(crate) type Found = tokio::sync::Mutex<Option<(Instant, Vec<String>)>>;

const CHECKS: [&str; 4] = ["tables", "objects", "keys", "timestamp"];

/// Whether the process answers; looks at nothing else. For who restarts it.
#[utoipa::path(get, path = "/v1/health", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the service can do its work: tables and objects answer, its keys are those that root lists, the timestamp has not expired. For who
/// sends requests to it. Code: `not_ready`, with the checks that failed.
#[utoipa::path(get, path = "/v1/ready", responses((status = 200, body = Ready)))]
pub(crate) async fn ready(State(app): State<AppState>) -> Result<Json<Ready>, Problem> {
    let mut found = app.ready.lock().await;
    if found.as_ref().is_none_or(|(at, _)| at.elapsed() > FOUND_AGE_MAX) {
        *found = Some((Instant::now(), look(&app).await));
    }
    match found.as_ref() {
        Some((_, failed)) if !failed.is_empty() => {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", failed.join("; "));
            Err(problem.after(Duration::from_secs(5)))
        }
        _ => Ok(Json(Ready { status: "ready", checks: CHECKS.to_vec() })),
    }
}

async fn look(app: &App) -> Vec<String> {
    let mut failed = Vec::new();
    let mut say = |check: &str, fault: &dyn std::fmt::Display| {
        tracing::warn!(check, "not ready: {check}: {fault}");
        // Causes can name files and hosts: they are for the log.
        failed.push(format!("{check} failed"));
    };
    match timeout(CHECK_PATIENCE, app.store.answers()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say("tables", &error),
        Err(_) => say("tables", &"no answer in time"),
    }
    match timeout(CHECK_PATIENCE, timestamp(app)).await {
        Ok(Ok(expires)) if expires > jiff::Timestamp::now() => {}
        Ok(Ok(expires)) => say("timestamp", &format!("it expired at {expires}")),
        Ok(Err(fault)) => say("objects", &fault),
        Err(_) => say("objects", &"no answer in time"),
    }
    if !app.publisher.has_index_key() {
        say("keys", &"no timestamp key is one that root lists");
    }
    failed
}

/// When the timestamp that readers get expires.
async fn timestamp(app: &App) -> Result<jiff::Timestamp, String> {
    let bytes = app.objects.metadata("timestamp.json").await.map_err(|e| e.to_string())?;
    let bytes = bytes.ok_or("there is no timestamp")?;
    let timestamp: Signed<Timestamp> = tuf::read(&bytes).map_err(|e| e.to_string())?;
    Ok(timestamp.signed.expires)
}
