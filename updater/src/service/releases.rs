//! What is kept for good: every release that was ever published, and which objects nobody names.

use crate::Channel;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::coverage::{PAGE_ROWS_MAX, cursor_malformed, page_rows};
use crate::service::makers::refused;
use crate::service::problem::Problem;
use crate::wire::{ChannelRelease, KeptRelease, Swept};
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
    /// Where the last page ended: `MAKER/NAME@RELEASE` of its last row.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
}

/// The release after which a page begins, written `MAKER/NAME@RELEASE`; none for the first page.
pub(crate) fn after_release(text: Option<&str>) -> Result<Option<ChannelRelease>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let read = |(channel, release): (&str, &str)| {
        Some(ChannelRelease { channel: channel.parse().ok()?, release: release.parse().ok()? })
    };
    text.split_once('@').and_then(read).map(Some).ok_or_else(cursor_malformed)
}

/// Every release that was ever published, withdrawn ones too, ascending by channel and number, page by page. Codes: `channel_malformed`,
/// `cursor_malformed`.
#[utoipa::path(get, path = "/v1/releases", params(ReleasesAsked), responses((status = 200, body = [KeptRelease])))]
pub(crate) async fn list(
    State(app): State<AppState>,
    Query(asked): Query<ReleasesAsked>,
) -> Result<Json<Vec<KeptRelease>>, Problem> {
    let channel = asked.channel.map(|channel| channel.parse::<Channel>()).transpose();
    let channel = channel.map_err(|e| Problem::bad_request("channel_malformed", e))?;
    let after = after_release(asked.after.as_deref())?;
    if let (Some(channel), Some(after)) = (&channel, &after)
        && after.channel != *channel
    {
        return Err(cursor_malformed());
    }
    let limit = page_rows(asked.limit, PAGE_ROWS_MAX);
    Ok(Json(app.store.kept_releases(channel.as_ref(), after.as_ref(), limit).await?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_begin_after_a_release_as_people_write_it() {
        assert_eq!(after_release(None).unwrap(), None);
        assert_eq!(after_release(Some("")).unwrap(), None);
        let after = after_release(Some("acme/main@0")).unwrap().unwrap();
        assert_eq!((after.channel.as_str(), after.release), ("acme/main", 0));
        for odd in
            ["acme/main", "acme/main@", "acme@1", "@1", "acme/main@-1", "acme/main@1@2", "acme/main@18446744073709551616"]
        {
            assert!(after_release(Some(odd)).is_err(), "{odd}");
        }
    }
}
