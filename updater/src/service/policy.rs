//! What the operator decides of decisions, and asks of them.

use crate::Channel;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::problem::Problem;
use crate::wire::{
    Blocked, ChannelNeeds, ChannelRelease, DEFAULT_POLICY, Empty, Explanation, MakerRecord, Needs, Policies, Policy,
    TerminalGroup, check_group,
};
use crate::words::printable;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

/// Every policy.
#[utoipa::path(get, path = "/v1/policies", responses((status = 200, body = Policies)))]
pub(crate) async fn policies(State(app): State<AppState>) -> Result<Json<Policies>, Problem> {
    Ok(Json(app.store.policies().await?.0))
}

/// Puts the policy of a group, or the one named `default`.
#[utoipa::path(put, path = "/v1/policies/{name}", request_body = Policy, responses((status = 200, body = Empty)))]
pub(crate) async fn put_policy(
    State(app): State<AppState>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    if name != DEFAULT_POLICY {
        check_group(&name).map_err(refused)?;
    }
    let policy: Policy = parse(&body)?;
    policy.check().map_err(refused)?;
    if name != DEFAULT_POLICY && !policy.rollout.rings.is_empty() {
        return Err(refused(
            "rings belong into the default policy: a release has one rollout for the whole fleet".to_owned(),
        ));
    }
    app.store.put_policy(&caller.who, &name, &policy).await?;
    tracing::info!(name, "policy {name} is put");
    Ok(Json(Empty {}))
}

/// Takes a policy away: the default applies, or, of the default, what is built in.
#[utoipa::path(delete, path = "/v1/policies/{name}", responses((status = 200, body = Empty)))]
pub(crate) async fn drop_policy(
    State(app): State<AppState>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<Json<Empty>, Problem> {
    if app.store.drop_policy(&caller.who, &name).await? {
        tracing::info!(name, "policy {} is taken away", printable(&name));
        return Ok(Json(Empty {}));
    }
    Err(Problem::not_found("policy_unknown", "no policy of this name was put"))
}

/// Longest reason for a block, in bytes: every terminal that is concerned is sent it at each check-in.
const BLOCKED_WORDS_MAX: usize = 500;

/// Every blocked release.
#[utoipa::path(get, path = "/v1/blocked", responses((status = 200, body = Vec<Blocked>)))]
pub(crate) async fn blocked(State(app): State<AppState>) -> Result<Json<Vec<Blocked>>, Problem> {
    Ok(Json(app.store.blocked().await?))
}

/// The kill switch: no terminal is assigned this release any more.
#[utoipa::path(post, path = "/v1/blocked", request_body = Blocked, responses((status = 200, body = Empty)))]
pub(crate) async fn block(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<Empty>, Problem> {
    let blocked: Blocked = parse(&body)?;
    if blocked.words.len() > BLOCKED_WORDS_MAX {
        let detail = format!("`words` has {} bytes; {BLOCKED_WORDS_MAX} are the most", blocked.words.len());
        return Err(Problem::bad_request("request_malformed", detail));
    }
    let blocked = Blocked { words: printable(&blocked.words), ..blocked };
    // One that is not published yet may be blocked too: the operator may hear of it first.
    app.store.block(&caller.who, &blocked).await?;
    let Blocked { at: ChannelRelease { channel, release }, words } = &blocked;
    tracing::warn!(%channel, release, words, "release {release} of {channel} is blocked: {words}");
    Ok(Json(Empty {}))
}

/// Lets a release be assigned again.
#[utoipa::path(post, path = "/v1/unblocked", request_body = ChannelRelease, responses((status = 200, body = Empty)))]
pub(crate) async fn unblock(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<Empty>, Problem> {
    let at: ChannelRelease = parse(&body)?;
    if app.store.unblock(&caller.who, &at).await? {
        tracing::warn!(channel = %at.channel, release = at.release, "release {} of {} is no longer blocked", at.release, at.channel);
        return Ok(Json(Empty {}));
    }
    Err(Problem::not_found("release_not_blocked", format!("release {} of {} is not blocked", at.release, at.channel)))
}

/// What channels need of machines.
#[utoipa::path(get, path = "/v1/needs", responses((status = 200, body = Vec<ChannelNeeds>)))]
pub(crate) async fn needs(State(app): State<AppState>) -> Result<Json<Vec<ChannelNeeds>>, Problem> {
    Ok(Json(app.store.needs().await?))
}

/// Says what a channel needs.
#[utoipa::path(post, path = "/v1/channels/{maker}/{name}/needs", request_body = Needs, responses((status = 200, body = Empty)))]
pub(crate) async fn put_needs(
    State(app): State<AppState>,
    Path((maker, name)): Path<(String, String)>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    let channel = format!("{maker}/{name}").parse::<Channel>().map_err(|e| Problem::bad_request("request_malformed", e))?;
    let needs: Needs = parse(&body)?;
    needs.check().map_err(|words| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "needs_refused", words))?;
    app.store.put_needs(&caller.who, &channel, &needs).await?;
    tracing::info!(%channel, "what {channel} needs is put");
    Ok(Json(Empty {}))
}

/// Puts a terminal into a group, or leaves that to the terminal.
#[utoipa::path(put, path = "/v1/terminals/{terminal}/group", request_body = TerminalGroup, responses((status = 200, body = Empty)))]
pub(crate) async fn put_group(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    let TerminalGroup { group } = parse(&body)?;
    group.as_deref().map_or(Ok(()), check_group).map_err(refused)?;
    if app.store.put_group(&caller.who, &terminal, group.as_deref()).await? {
        tracing::info!(terminal, group, "terminal {terminal} is put into a group");
        return Ok(Json(Empty {}));
    }
    Err(unknown_terminal())
}

/// Why a terminal is assigned what it is: decided now, by the same code, and noted nowhere.
#[utoipa::path(get, path = "/v1/terminals/{terminal}/explain", responses((status = 200, body = Explanation)))]
pub(crate) async fn explain(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    let known = app.store.terminal(&terminal).await?.ok_or_else(unknown_terminal)?;
    let tables = app.beacons.tables(&app.store).await?;
    Ok(Json(tables.prepared.explain(&terminal, &known.row, jiff::Timestamp::now().as_second())))
}

/// The makers' records, the best first.
#[utoipa::path(get, path = "/v1/makers-record", responses((status = 200, body = Vec<MakerRecord>)))]
pub(crate) async fn records(State(app): State<AppState>) -> Result<Json<Vec<MakerRecord>>, Problem> {
    Ok(Json(app.beacons.tables(&app.store).await?.prepared.records().to_vec()))
}

pub(super) fn unknown_terminal() -> Problem {
    Problem::not_found("terminal_unknown", "no terminal with this number is enrolled")
}

fn refused(words: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "policy_refused", words)
}

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| Problem::bad_request("body_malformed", e))
}
