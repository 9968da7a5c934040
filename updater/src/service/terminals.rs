//! What terminals call. Each request is signed by the terminal's key and counted.

use crate::keys::random_hex;
use crate::service::beacon::Tables;
use crate::service::director::{Asked, freshness};
use crate::service::problem::Problem;
use crate::service::refusals;
use crate::service::store::{Enrolment, Held, Put, Standing, StoreError};
use crate::service::{App, AppState, counter_of};
use crate::wire::{
    Acknowledge, Assignment, ChannelRelease, CheckIn, CheckedIn, Designation, Empty, Enrol, Enrolled, Reported, Sha256Hex,
    TerminalFacts, ThreatReport, check_group,
};
use crate::words::printable;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde::de::DeserializeOwned;
use std::sync::Arc;

const TERMINAL_ID_BYTES: usize = 16;
/// Most channels and features of a terminal.
const LISTED_MAX: usize = 100;
/// Longest text that a terminal says of its machine, in bytes.
const TEXT_LEN_MAX: usize = 200;
/// Steps of a plan that a report is kept with.
const STEPS_MAX: usize = 1000;

/// Enters a terminal in the user table, by an enrolment token. Codes: `enrolment_token_refused`, `signature_missing`, `signature_refused`.
#[utoipa::path(post, path = "/v1/terminals", request_body = Enrol, responses((status = 200, body = Enrolled)))]
pub(crate) async fn enrol(
    State(app): State<AppState>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Enrolled>, Problem> {
    let request: Enrol = parse(&body)?;
    let counter = counter_of(&headers, &[request.public_key], &Method::POST, uri.path(), &body)?;
    sensible(&request.facts, &[])?;
    let terminal = random_hex(TERMINAL_ID_BYTES).map_err(|e| Problem::internal(&e))?;
    let token = Sha256Hex::of(request.token.as_bytes());
    let enrolment = app.store.enrol(&token, &terminal, &request.public_key, counter, &request.facts).await;
    match enrolment? {
        Enrolment::Accepted(terminal) => {
            tracing::info!(terminal, "terminal {terminal} is enrolled");
            Ok(Json(Enrolled { terminal }))
        }
        Enrolment::Refused => {
            let detail = "the enrolment token is unknown or was used; ask the operator for a new one";
            Err(Problem::new(StatusCode::FORBIDDEN, "enrolment_token_refused", detail))
        }
        Enrolment::Over => {
            let detail = "the enrolment token has expired or was revoked; ask the operator for a new one";
            Err(Problem::new(StatusCode::FORBIDDEN, "enrolment_token_over", detail))
        }
        Enrolment::Revoked => Err(revoked()),
    }
}

/// A terminal tells what it runs, and is told what it shall run. Codes: `terminal_unknown`, `signature_missing`, `signature_refused`,
/// `request_replayed`, `rate_limited`.
#[utoipa::path(
    post,
    path = "/v1/terminals/{terminal}/check-in",
    params(("terminal" = String, Path, description = "The terminal's number.")),
    request_body = CheckIn,
    responses((status = 200, body = CheckedIn))
)]
pub(crate) async fn check_in(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<CheckedIn>, Problem> {
    let (counter, held) = verify(&app, &terminal, &uri, &headers, &body).await?;
    let report: CheckIn = parse(&body)?;
    sensible(&report.facts, &report.applied)?;
    let freshness = freshness()?;
    let (tables, assignment) = take_check_in(&app, held, counter, &report, &freshness).await?;
    tracing::info!(terminal, reason = assignment.reason.code(), "terminal {terminal} is told: {}", assignment.words);
    app.metrics.checked_in(assignment.reason.code());
    let beacon = Some(tables.tag(&assignment));
    let asked = Asked { terminal: &terminal, counter };
    let (assignment, membership) = app.director.tell(&app.store, &assignment, asked, freshness).await?;
    let poll_seconds = Some(app.poll_every.as_secs());
    let poll_key = Some(app.polls.key_of(&terminal));
    Ok(Json(CheckedIn { assignment, membership, beacon, poll_seconds, poll_key }))
}

/// A terminal tells what came of it. The same codes.
#[utoipa::path(
    post,
    path = "/v1/terminals/{terminal}/acknowledge",
    params(("terminal" = String, Path, description = "The terminal's number.")),
    request_body = Acknowledge,
    responses((status = 200, body = Empty))
)]
pub(crate) async fn acknowledge(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    let (counter, held) = verify(&app, &terminal, &uri, &headers, &body).await?;
    let Reported { result, plan, steps } = parse::<Reported<Acknowledge>>(&body)?;
    let plan = plan.as_deref().map(printable);
    let steps = steps.iter().take(STEPS_MAX).map(|step| printable(step)).collect();
    let report = Reported { result: result.shown(), plan, steps };
    take_result(&app, held, counter, &report).await?;
    match report.result {
        Acknowledge::Installed { generation, .. } => {
            app.metrics.resulted("installed");
            tracing::info!(terminal, generation, "terminal {terminal} runs generation {generation}");
        }
        Acknowledge::Staged { generation, .. } => {
            app.metrics.resulted("staged");
            tracing::info!(terminal, generation, "terminal {terminal} has generation {generation} staged");
        }
        Acknowledge::Trouble { step, code, .. } => {
            app.metrics.resulted("trouble");
            tracing::warn!(terminal, step, code, "terminal {terminal} had trouble at {step}: {code}");
        }
    }
    Ok(Json(Empty {}))
}

/// Writes a check-in with what the terminal is told; returns that, and what it was decided by.
async fn take_check_in(
    app: &AppState,
    mut held: Held,
    counter: u64,
    report: &CheckIn,
    freshness: &str,
) -> Result<(Arc<Tables>, Assignment), Problem> {
    let terminal = held.terminal.clone();
    loop {
        not_replayed(&held, counter)?;
        // Taken before reading: what operators change meanwhile is read again by the next poll.
        let row_changes = app.store.row_changes();
        let (runs, one_offs) = (app.store.runs(&terminal).await?, app.store.one_offs_of(&terminal).await?);
        let tables = app.beacons.tables(&app.store).await?;
        let checked_in = held.checked_in(&runs, one_offs, counter, report, freshness)?;
        let (row, is_copy, standing) = (checked_in.row.clone(), checked_in.is_copy, held.standing);
        let assignment = tables.decide(&row);
        let change = checked_in.told(&assignment, &app.beacons.to_be_noted(&tables, &assignment))?;
        let (polls_of, named) = (app.clone(), terminal.clone());
        // The row as it is written now, so that the idle poll decides of the same.
        let settled = move |put: &Result<Put, StoreError>| match put {
            Ok(Put::Written) => polls_of.polls.keep(&named, standing, row, counter, row_changes),
            _ => polls_of.polls.forget(&named),
        };
        match app.store.put(change, settled).await? {
            Put::Written if is_copy => {
                tracing::warn!(
                    terminal,
                    "there are two copies of terminal {terminal}, or it was put back to an older state"
                );
                return Ok((tables, assignment));
            }
            Put::Written => return Ok((tables, assignment)),
            Put::Overtaken => held = held_again(app, &terminal).await?,
        }
    }
}

/// Writes what came of an assignment.
async fn take_result(app: &AppState, mut held: Held, counter: u64, report: &Reported<Acknowledge>) -> Result<(), Problem> {
    let terminal = held.terminal.clone();
    loop {
        not_replayed(&held, counter)?;
        let change = held.acknowledged(&app.store.runs(&terminal).await?, counter, report)?;
        let (polls_of, named) = (app.clone(), terminal.clone());
        match app.store.put(change, move |_| polls_of.polls.forget(&named)).await? {
            Put::Written => return Ok(()),
            Put::Overtaken => held = held_again(app, &terminal).await?,
        }
    }
}

/// Writes that a terminal met a threat, unless it met as many others in a day as it may; then false.
pub(crate) async fn take_threat(
    app: &AppState,
    mut held: Held,
    counter: u64,
    report: &ThreatReport,
    a_day_max: u64,
) -> Result<bool, Problem> {
    let terminal = held.terminal.clone();
    loop {
        not_replayed(&held, counter)?;
        let is_taken = app.store.threats_met_besides(&terminal, &report.threat).await? < a_day_max;
        // The counter is used up all the same.
        let change = held.met(counter, is_taken.then_some(report))?;
        match app.store.put(change, |_| {}).await? {
            Put::Written => return Ok(is_taken),
            Put::Overtaken => held = held_again(app, &terminal).await?,
        }
    }
}

fn not_replayed(held: &Held, counter: u64) -> Result<(), Problem> {
    if counter > held.counter { Ok(()) } else { Err(Problem::replayed(counter, held.counter)) }
}

/// The row once more, as another call of the same terminal came first.
async fn held_again(app: &App, terminal: &str) -> Result<Held, Problem> {
    let held = app.store.held(terminal).await?.ok_or_else(unknown)?;
    may_call(held.standing)?;
    Ok(held)
}

/// The counter of a call that a terminal signed, and its row; only of one that may call.
pub(crate) async fn verify(
    app: &AppState,
    terminal: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(u64, Held), Problem> {
    let held = app.store.held(terminal).await?.ok_or_else(unknown)?;
    let counter = counter_of(headers, &[held.key], &Method::POST, uri.path(), body)?;
    if let Err(refused) = may_call(held.standing) {
        refusals::remark(app, terminal, held.standing).await;
        return Err(refused);
    }
    app.limits.terminal(terminal)?;
    Ok((counter, held))
}

/// Refuses terminals that the operator revoked or has still to approve. To be asked after the signature, so that nobody else hears of it.
pub(crate) fn may_call(standing: Standing) -> Result<(), Problem> {
    match standing {
        Standing::Active => Ok(()),
        Standing::Pending => {
            let detail = "the operator has still to approve this terminal; it is told nothing until then";
            Err(Problem::new(StatusCode::FORBIDDEN, "terminal_pending", detail))
        }
        Standing::Revoked => Err(revoked()),
    }
}

fn revoked() -> Problem {
    let detail =
        "the operator revoked this terminal; if it is yours, ask for a token and enrol in a new folder, with a new key";
    Problem::new(StatusCode::FORBIDDEN, "terminal_revoked", detail)
}

/// Bounds on what a terminal says of itself, as every decision for it goes over that.
fn sensible(facts: &TerminalFacts, applied: &[ChannelRelease]) -> Result<(), Problem> {
    let refused = |detail: String| Problem::bad_request("facts_refused", detail);
    let makers = if let Designation::List(makers) = &facts.designation { makers.len() } else { 0 };
    let counts = [facts.subscribed.len(), applied.len(), facts.features.len(), makers];
    if counts.iter().any(|count| *count > LISTED_MAX) {
        return Err(refused(format!("a terminal subscribes to, runs, accepts and has at most {LISTED_MAX} of each")));
    }
    let texts = [&facts.hardware, &facts.os, &facts.engine_version].into_iter().chain(&facts.features);
    if let Some(text) = texts.clone().find(|text| printable(text) != **text) {
        return Err(refused(format!("`{}` has characters that no table can show", printable(text))));
    }
    if let Some(long) = texts.map(String::len).find(|length| *length > TEXT_LEN_MAX) {
        return Err(refused(format!("a text has {long} bytes, {TEXT_LEN_MAX} are allowed")));
    }
    facts.group.as_deref().map_or(Ok(()), check_group).map_err(refused)
}

fn unknown() -> Problem {
    Problem::not_found("terminal_unknown", "no terminal with this number is enrolled")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| Problem::bad_request("body_malformed", e))
}
