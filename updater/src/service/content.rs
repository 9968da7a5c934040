//! What anybody may fetch: metadata, blobs, deltas.

use crate::Channel;
use crate::service::AppState;
use crate::service::problem::Problem;
use crate::wire::{DeltaView, Sha256Hex};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

pub(crate) async fn unknown() -> Problem {
    Problem::not_found("route_unknown", "there is nothing at this address")
}

pub(crate) async fn metadata(State(app): State<AppState>, Path(file): Path<String>) -> Result<Response, Problem> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let missing = || Problem::not_found("metadata_unknown", format!("there is no metadata file `{file}`"));
    if !file.chars().all(plain) || file.starts_with('.') || file.strip_suffix(".json").is_none() {
        return Err(missing());
    }
    let (length, body) = app.objects.stream_metadata(&file).await?.ok_or_else(missing)?;
    let caching = if file == "timestamp.json" { REVALIDATE } else { IMMUTABLE };
    Ok(answer("application/json", caching, length, body))
}

/// A blob by its consistent-snapshot name: `m/<maker>/<name>/<sha256>.<release>.titer`.
///
/// The digest alone finds the object, so that no table is read and any cache may stand in front.
pub(crate) async fn target(
    State(app): State<AppState>,
    Path((maker, name, file)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("target_unknown", format!("there is no target `m/{maker}/{name}/{file}`"));
    let channel = format!("{maker}/{name}").parse::<Channel>();
    let (digest, release) = file.strip_suffix(".titer").and_then(|stem| stem.split_once('.')).ok_or_else(missing)?;
    let digest = digest.parse::<Sha256Hex>().map_err(|_| missing())?;
    if channel.is_err() || release.parse::<u64>().is_err() {
        return Err(missing());
    }
    blob(&app, &digest).await?.ok_or_else(missing)
}

/// Deltas that lead to a blob, the smallest first; none is an empty list.
pub(crate) async fn deltas(State(app): State<AppState>, Path(to): Path<Sha256Hex>) -> Result<Json<Vec<DeltaView>>, Problem> {
    Ok(Json(app.store.deltas_to(&to).await?))
}

pub(crate) async fn delta(
    State(app): State<AppState>,
    Path((from, to)): Path<(Sha256Hex, Sha256Hex)>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("delta_unknown", format!("there is no delta from {from} to {to}"));
    let deltas = app.store.deltas_to(&to).await?;
    let delta = deltas.iter().find(|delta| delta.from == from).ok_or_else(missing)?;
    blob(&app, &delta.sha256).await?.ok_or_else(missing)
}

async fn blob(app: &AppState, digest: &Sha256Hex) -> Result<Option<Response>, Problem> {
    let object = app.objects.stream_blob(digest).await?;
    Ok(object.map(|(length, body)| answer("application/octet-stream", IMMUTABLE, length, body)))
}

fn answer(media_type: &'static str, caching: &'static str, length: u64, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    (headers, body).into_response()
}
