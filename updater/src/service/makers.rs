//! What makers call. Their releases are proven by the signed role, their news by a signed request.

use crate::service::problem::Problem;
use crate::service::publisher::PublishError;
use crate::service::store::{Maker, StoreError};
use crate::service::{AppState, counter_of};
use crate::wire::{MakerName, MakerView, ThreatNews};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

pub(crate) async fn show(State(app): State<AppState>, Path(maker): Path<MakerName>) -> Result<Json<MakerView>, Problem> {
    let held = find(&app, &maker).await?;
    let releases = app.store.releases(&maker).await?;
    Ok(Json(MakerView { maker, public_key: held.public_key, role_version: held.role_version, releases }))
}

/// Body: length of the role (4 bytes, little-endian), the role, then the blobs the service lacks.
pub(crate) async fn publish(
    State(app): State<AppState>,
    Path(maker): Path<MakerName>,
    body: Bytes,
) -> Result<Json<MakerView>, Problem> {
    let (role, blobs) =
        split(&body).ok_or_else(|| Problem::bad_request("body_malformed", "the role does not fit the body"))?;
    app.publisher.accept(&maker, role, blobs).await.map_err(refused)?;
    show(State(app), Path(maker)).await
}

pub(crate) async fn news(
    State(app): State<AppState>,
    Path(maker): Path<MakerName>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let held = find(&app, &maker).await?;
    let counter = counter_of(&headers, &held.public_key, uri.path(), &body)?;
    let news: ThreatNews = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    if news.vaccine.as_ref().is_some_and(|vaccine| vaccine.since.channel.maker() != maker.as_str()) {
        return Err(Problem::bad_request("news_of_another_maker", "the cure is in a channel of another maker"));
    }
    if news.threat.is_empty() || news.threat.len() > 200 {
        return Err(Problem::bad_request("threat_name_length", "a threat's name has 1 to 200 bytes"));
    }
    let taken = app.store.put_news(&maker, counter, &news).await?;
    if !taken {
        return Err(Problem::conflict("request_replayed", format!("counter {counter} was used before")));
    }
    tracing::info!(%maker, threat = news.threat, cured = news.vaccine.is_some(), "news of {} from {maker}", news.threat);
    Ok(Json(json!({})))
}

async fn find(app: &AppState, maker: &MakerName) -> Result<Maker, Problem> {
    let held = app.store.maker(maker).await?;
    held.ok_or_else(|| Problem::not_found("maker_unknown", format!("maker `{maker}` is not registered")))
}

fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

fn refused(error: PublishError) -> Problem {
    let code = error.code();
    match &error {
        PublishError::UnknownMaker(_) => Problem::not_found(code, error),
        PublishError::RoleVersion { .. } | PublishError::ReleaseChanged { .. } | PublishError::ReleaseNotNewer { .. } => {
            Problem::conflict(code, error)
        }
        PublishError::Role(_) | PublishError::Blob { .. } | PublishError::TrailingBytes(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error)
        }
        PublishError::Store(StoreError::TooLarge(_)) => Problem::bad_request("number_too_large", error),
        PublishError::Store(_) | PublishError::Object(_) | PublishError::Worker(_) => Problem::internal(&error),
    }
}
