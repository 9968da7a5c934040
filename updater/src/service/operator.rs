//! What the operator calls, with the token that the service made at its first start.

use crate::keys::{random_hex, same_secret};
use crate::root::RootRole;
use crate::service::AppState;
use crate::service::makers::refused;
use crate::service::problem::Problem;
use crate::wire::{EnrolmentToken, Registration, RoleKey, RootTaken, Sha256Hex, TerminalRow, ThreatRow};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
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

pub(crate) async fn terminals(State(app): State<AppState>, headers: HeaderMap) -> Result<Json<Vec<TerminalRow>>, Problem> {
    operator(&app, &headers)?;
    app.beacons.flush(&app.store).await;
    Ok(Json(app.store.terminals().await?))
}

pub(crate) async fn threats(State(app): State<AppState>, headers: HeaderMap) -> Result<Json<Vec<ThreatRow>>, Problem> {
    operator(&app, &headers)?;
    Ok(Json(app.store.threats().await?))
}

pub(super) fn operator(app: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = sent.and_then(|value| value.strip_prefix("Bearer "));
    if token.is_some_and(|token| same_secret(token.as_bytes(), app.operator_token.as_bytes())) {
        return Ok(());
    }
    Err(Problem::unauthorized("operator_token_refused", "this call needs the operator's token"))
}
