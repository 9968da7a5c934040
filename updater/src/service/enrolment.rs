//! Who may enrol, and who may stay: what the operator decides of tokens and terminals.

use crate::keys::random_hex;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::coverage::{PAGE_ROWS_MAX, cursor, page_rows};
use crate::service::problem::Problem;
use crate::service::store::{NewToken, token_id};
use crate::wire::{Empty, EnrolmentToken, Sha256Hex, TOKEN_USES_MAX, TokenRequest, TokenView};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

const TOKEN_BYTES: usize = 16;

/// Makes a token. Without a body it is good for one terminal, for ever.
#[utoipa::path(post, path = "/v1/enrolment-tokens", request_body = TokenRequest, responses((status = 200, body = EnrolmentToken)))]
pub(crate) async fn add(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<EnrolmentToken>, Problem> {
    let wanted = match body.as_ref() {
        [] => TokenRequest::default(),
        body => serde_json::from_slice(body).map_err(|e| Problem::bad_request("body_malformed", e))?,
    };
    if !(1..=TOKEN_USES_MAX).contains(&wanted.uses) {
        let detail = format!("{} uses; 1 to {TOKEN_USES_MAX} can be had", wanted.uses);
        return Err(Problem::bad_request("token_uses_out_of_range", detail));
    }
    let expires_at = wanted.expires_in_seconds.map(|seconds| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        jiff::Timestamp::now().as_second().saturating_add(seconds)
    });
    let secret = random_hex(TOKEN_BYTES).map_err(|e| Problem::internal(&e))?;
    let token = format!("te1.{secret}.{}", app.first_root);
    let digest = Sha256Hex::of(token.as_bytes());
    let id = token_id(&digest.to_string());
    let group = wanted.group.as_ref().map(ToString::to_string);
    let new = NewToken { digest, uses_max: wanted.uses, expires_at, group: group.as_deref(), approval: wanted.approval };
    app.store.add_token(&caller.who, &new).await?;
    tracing::info!(id, uses = wanted.uses, "enrolment token {id} is made");
    Ok(Json(EnrolmentToken { token, id }))
}

/// What page of the tokens is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokensAsked {
    /// Where the last page ended: `<created_at>.<id>` of its last token.
    after: Option<String>,
    /// Tokens on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
}

/// Lists tokens, without their secrets, the newest first, a page of them: there may be one for each terminal. Code: `cursor_malformed`.
#[utoipa::path(get, path = "/v1/enrolment-tokens", params(TokensAsked), responses((status = 200, body = Vec<TokenView>)))]
pub(crate) async fn list(
    State(app): State<AppState>,
    Query(asked): Query<TokensAsked>,
) -> Result<Json<Vec<TokenView>>, Problem> {
    let after = asked.after.as_deref().filter(|after| !after.is_empty());
    let after = after.map(|after| cursor(Some(after))).transpose()?;
    Ok(Json(app.store.tokens(after, page_rows(asked.limit, PAGE_ROWS_MAX)).await?))
}

/// Revokes a token: nobody enrols with it any more. Terminals that did stay.
#[utoipa::path(delete, path = "/v1/enrolment-tokens/{id}", params(("id" = String, Path, description = "As the list names it.")),
    responses((status = 200, body = Empty)))]
pub(crate) async fn revoke(
    State(app): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Empty>, Problem> {
    if !app.store.revoke_token(&caller.who, &id).await? {
        return Err(Problem::not_found("enrolment_token_unknown", "there is no enrolment token of this name"));
    }
    tracing::info!(id, "enrolment token {id} is revoked");
    Ok(Json(Empty {}))
}

/// Refuses all calls of a terminal from now on. Its row stays, and its key cannot enrol again.
#[utoipa::path(post, path = "/v1/terminals/{terminal}/revoke", params(("terminal" = String, Path, description = "Its number.")),
    responses((status = 200, body = Empty)))]
pub(crate) async fn revoke_terminal(
    State(app): State<AppState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> Result<Json<Empty>, Problem> {
    found(app.store.revoke_terminal(&caller.who, &terminal).await?)?;
    tracing::warn!(terminal, "terminal {terminal} is revoked");
    Ok(Json(Empty {}))
}

/// Lets a terminal that waits for approval go on, and takes back the remark that there are copies of it.
#[utoipa::path(post, path = "/v1/terminals/{terminal}/approve", params(("terminal" = String, Path, description = "Its number.")),
    responses((status = 200, body = Empty)))]
pub(crate) async fn approve_terminal(
    State(app): State<AppState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> Result<Json<Empty>, Problem> {
    if !app.store.approve_terminal(&caller.who, &terminal).await? {
        found(app.store.terminal_row(&terminal).await?.is_some())?;
        let detail = "it was revoked, which is for good; its machine enrols anew, with a new key";
        return Err(Problem::conflict("terminal_revoked", detail));
    }
    tracing::info!(terminal, "terminal {terminal} is approved");
    Ok(Json(Empty {}))
}

/// Forgets a terminal and all that it reported.
#[utoipa::path(delete, path = "/v1/terminals/{terminal}", params(("terminal" = String, Path, description = "Its number.")),
    responses((status = 200, body = Empty)))]
pub(crate) async fn remove_terminal(
    State(app): State<AppState>,
    caller: Caller,
    Path(terminal): Path<String>,
) -> Result<Json<Empty>, Problem> {
    // A contact that is noted in memory only would be written for nobody.
    app.beacons.flush(&app.store).await;
    found(app.store.remove_terminal(&caller.who, &terminal).await?)?;
    tracing::warn!(terminal, "terminal {terminal} is removed");
    Ok(Json(Empty {}))
}

fn found(found: bool) -> Result<(), Problem> {
    if found { Ok(()) } else { Err(Problem::not_found("terminal_unknown", "no terminal with this number is enrolled")) }
}
