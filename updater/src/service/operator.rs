//! What the operator calls, with the token that the service made at its first start.

use crate::Channel;
use crate::keys::{random_hex, same_secret};
use crate::root::RootRole;
use crate::service::AppState;
use crate::service::coverage::{PAGE_ROWS_MAX, cursor, cursor_malformed, page_rows};
use crate::service::makers::refused;
use crate::service::problem::Problem;
use crate::service::store::listing::Terminals;
use crate::service::store::{Store, StoreError};
use crate::wire::{EnrolmentToken, Registration, RoleKey, RootTaken, Sha256Hex, TerminalRow, ThreatRow};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

const TOKEN_BYTES: usize = 16;

pub(crate) async fn register_maker(
    State(app): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    operator(&app, &headers)?;
    let registration: Registration = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    let Registration { maker, public_key } = registration;
    let registered = app.store.register_maker(&maker, &public_key).await?;
    if !registered {
        return Err(Problem::conflict("maker_taken", format!("`{maker}` is registered with another key")));
    }
    tracing::info!(%maker, key = %public_key, "maker {maker} is registered");
    Ok(Json(json!({})))
}

/// Takes the next root. Whoever can send one could also have it signed, but the operator's token keeps others from trying.
pub(crate) async fn root(State(app): State<AppState>, headers: HeaderMap, body: Bytes) -> Result<Json<RootTaken>, Problem> {
    operator(&app, &headers)?;
    let version = app.publisher.accept_root(&body).await.map_err(refused)?;
    Ok(Json(RootTaken { version }))
}

/// A key for the next root to list.
pub(crate) async fn role_key(
    State(app): State<AppState>,
    Path(role): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RoleKey>, Problem> {
    operator(&app, &headers)?;
    let online = RootRole::named(&role).filter(|role| RootRole::ONLINE.contains(role));
    let online = online.ok_or_else(|| Problem::not_found("role_unknown", format!("the service signs no role `{role}`")))?;
    let public_key = app.publisher.spare_key(online).await.map_err(refused)?;
    Ok(Json(RoleKey { role, public_key }))
}

pub(crate) async fn enrolment_token(
    State(app): State<AppState>,
    headers: HeaderMap,
) -> Result<Json<EnrolmentToken>, Problem> {
    operator(&app, &headers)?;
    let secret = random_hex(TOKEN_BYTES).map_err(|e| Problem::internal(&e))?;
    let token = format!("te1.{secret}.{}", app.first_root);
    app.store.add_token(&Sha256Hex::of(token.as_bytes())).await?;
    Ok(Json(EnrolmentToken { token }))
}

/// What page of a table is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Where the last page ended.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
    /// Only rows with this: of terminals, the beginning of their number, their hardware, system, scanner, or part of a channel; of threats,
    /// part of their name or of their maker's.
    search: Option<String>,
}

/// The user table by time of enrolment, a page of it. The next begins after `<enrolled_at>.<terminal>` of the last row; with the beginning of a
/// number as `search`, the order is that of numbers.
#[utoipa::path(get, path = "/v1/terminals", params(PageAsked), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn terminals(
    State(app): State<AppState>,
    headers: HeaderMap,
    Query(asked): Query<PageAsked>,
) -> Result<Json<Vec<TerminalRow>>, Problem> {
    operator(&app, &headers)?;
    let after = cursor(asked.after.as_deref())?;
    app.beacons.flush(&app.store).await;
    let of = sought(&app.store, asked.search.as_deref().unwrap_or("")).await?;
    let page = app.store.terminals_page(&of, &after, page_rows(asked.limit, PAGE_ROWS_MAX)).await?;
    Ok(Json(page.into_iter().map(|listed| listed.row).collect()))
}

/// The terminals that a search means. The beginning of a number is four hexadecimal digits or more.
pub(crate) async fn sought(store: &Store, search: &str) -> Result<Terminals, StoreError> {
    let search = search.trim();
    if search.is_empty() {
        return Ok(Terminals::All);
    }
    if search.len() >= 4 && search.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(Terminals::Numbered(search.to_owned()));
    }
    let has = |channel: &Channel| channel.to_string().contains(search);
    let runs = store
        .fleet()
        .await?
        .configurations
        .into_iter()
        .filter(|held| held.row.subscribed.iter().any(has) || held.row.applied.iter().any(|at| has(&at.channel)));
    Ok(Terminals::Like(search.to_owned(), runs.map(|held| held.id).collect()))
}

/// The countering table by threat, a page of it. The next begins after `<maker>/<threat>` of the last row.
#[utoipa::path(get, path = "/v1/threats", params(PageAsked), responses((status = 200, body = Vec<Object>)))]
pub(crate) async fn threats(
    State(app): State<AppState>,
    headers: HeaderMap,
    Query(asked): Query<PageAsked>,
) -> Result<Json<Vec<ThreatRow>>, Problem> {
    operator(&app, &headers)?;
    let after = asked.after.as_deref().filter(|after| !after.is_empty());
    let after = after.map(|after| after.split_once('/').ok_or_else(cursor_malformed)).transpose()?;
    let (maker, threat) = after.unwrap_or_default();
    let search = asked.search.as_deref().unwrap_or("").trim();
    let rows = app.store.threats_page(search, (threat, maker), page_rows(asked.limit, PAGE_ROWS_MAX)).await?;
    Ok(Json(rows))
}

pub(crate) fn operator(app: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer "));
    if token.is_some_and(|token| same_secret(token.as_bytes(), app.operator_token.as_bytes())) {
        return Ok(());
    }
    Err(Problem::unauthorized("operator_token_refused", "this call needs the operator's token"))
}
