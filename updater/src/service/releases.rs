//! What is kept for good: every release that was ever published, and which objects nobody names.

use crate::Channel;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::makers::refused;
use crate::service::problem::Problem;
use crate::wire::{KeptRelease, Swept};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// Age from which an object that no row names is taken for what a crash left. A publication puts its objects minutes before its rows at most.
pub(crate) const SWEEP_GRACE: Duration = Duration::from_hours(24);

/// Which releases are asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReleasesAsked {
    /// Only those of this channel.
    channel: Option<String>,
}

/// Every release that was ever published, withdrawn ones too, ascending by channel and number. Code: `channel_malformed`.
#[utoipa::path(get, path = "/v1/releases", params(ReleasesAsked), responses((status = 200, body = [KeptRelease])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    Query(asked): Query<ReleasesAsked>,
) -> Result<Json<Vec<KeptRelease>>, Problem> {
    let channel = asked.channel.map(|channel| channel.parse::<Channel>()).transpose();
    let channel = channel.map_err(|e| Problem::bad_request("channel_malformed", e))?;
    Ok(Json(app.store.kept_releases(channel.as_ref()).await?))
}

/// How a sweep is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SweepAsked {
    /// Only count.
    #[serde(default)]
    dry_run: bool,
    /// Read every object that is named, to find those whose content changed. Takes as long as that takes.
    #[serde(default)]
    read: bool,
}

/// Removes stored objects that no table names and that are a day old: what publications left that did not come to their end. Counts those that are
/// named and lost, also when it only counts. Codes:
/// `signer_busy`.
#[utoipa::path(post, path = "/v1/objects/sweep", params(SweepAsked), responses((status = 200, body = Swept)))]
pub(crate) async fn sweep(
    State(app): State<AppState>,
    caller: Caller,
    Query(asked): Query<SweepAsked>,
) -> Result<Json<Swept>, Problem> {
    let lost = app.publisher.look_for_lost(asked.read).await.map_err(refused)?;
    let swept = app.publisher.sweep(app.sweep_grace, asked.dry_run).await.map_err(refused)?;
    let swept = Swept { lost, ..swept };
    if !asked.dry_run {
        app.audit(&caller.who, "objects-swept", &json!({ "removed": swept.removed, "bytes": swept.unnamed_bytes })).await?;
    }
    Ok(Json(swept))
}
