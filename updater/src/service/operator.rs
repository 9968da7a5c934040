//! What operators call. The table of routes says which role each call needs.

use crate::Channel;
use crate::root::RootRole;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::coverage::{PAGE_ROWS_MAX, cursor, page_rows};
use crate::service::makers::refused;
use crate::service::problem::Problem;
use crate::service::store::listing::{Configured, Terminals};
use crate::service::store::{Store, StoreError};
use crate::wire::{Empty, Registration, RoleKey, RootTaken, Sha256Hex, TerminalRow};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::json;

/// Enters a maker and the key that speaks for them; the same once more changes nothing. Code: `maker_taken`.
#[utoipa::path(post, path = "/v1/makers", request_body = Registration, responses((status = 200, body = Empty)))]
pub(crate) async fn register_maker(
    State(app): State<AppState>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    let registration: Registration = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    let Registration { maker, public_key } = registration;
    let registered = app.store.register_maker(&caller.who, &maker, &public_key).await?;
    if !registered {
        return Err(Problem::conflict("maker_taken", format!("`{maker}` is registered with another key")));
    }
    tracing::info!(%maker, key = %public_key, "maker {maker} is registered");
    Ok(Json(Empty {}))
}

/// Takes the next root. Whoever can send one could also have it signed, but the operator's token keeps others from trying. Codes:
/// `metadata_malformed`, `metadata_unsigned`, `metadata_expired`, `metadata_refused`, `role_key_missing`.
#[utoipa::path(
    post,
    path = "/v1/root",
    request_body(content_type = "application/json"),
    responses((status = 200, body = RootTaken))
)]
pub(crate) async fn root(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<RootTaken>, Problem> {
    let version = app.publisher.accept_root(&body).await.map_err(refused)?;
    app.audit(&caller.who, "root-sent", &json!({ "version": version, "sha256": Sha256Hex::of(&body) })).await?;
    Ok(Json(RootTaken { version }))
}

/// A key for the next root to list; made when there is none. Code: `role_unknown`.
#[utoipa::path(
    post,
    path = "/v1/role-keys/{role}",
    params(("role" = String, Path, description = "`targets`, `snapshot` or `timestamp`.")),
    responses((status = 200, body = RoleKey))
)]
pub(crate) async fn role_key(
    State(app): State<AppState>,
    caller: Caller,
    Path(role): Path<String>,
) -> Result<Json<RoleKey>, Problem> {
    let online = RootRole::named(&role).filter(|role| RootRole::ONLINE.contains(role));
    let online = online.ok_or_else(|| Problem::not_found("role_unknown", format!("the service signs no role `{role}`")))?;
    let public_key = app.publisher.spare_key(online).await.map_err(refused)?;
    app.audit(&caller.who, "role-key-shown", &json!({ "role": role, "key": public_key })).await?;
    Ok(Json(RoleKey { role, public_key }))
}

/// What page of a table is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Where the last page ended.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
    /// Only rows with this: the beginning of a number, hardware, system, scanner, or part of a channel.
    search: Option<String>,
    /// In which order: `contact`, or by time of enrolment, if not said. Only without `search`.
    #[param(value_type = Option<String>)]
    sort: Option<Sort>,
}

/// Orders of the user table.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// By last contact: those first that were not heard of for longest.
    Contact,
}

/// The user table by time of enrolment, a page of it: rows keep their places, and new ones come last. The next page begins after
/// `<enrolled_at>.<terminal>` of the last row; with the beginning of a number as `search`, the order is that of numbers; with `sort=contact` the
/// next begins after `<last_contact>.<terminal>`, where 0 is that of one never heard of. Code: `cursor_malformed`.
#[utoipa::path(get, path = "/v1/terminals", params(PageAsked), responses((status = 200, body = [TerminalRow])))]
pub(crate) async fn terminals(
    State(app): State<AppState>,
    Query(asked): Query<PageAsked>,
) -> Result<Json<Vec<TerminalRow>>, Problem> {
    let after = cursor(asked.after.as_deref())?;
    app.beacons.flush(&app.store).await;
    let of = match (asked.search.as_deref().unwrap_or(""), asked.sort) {
        ("", Some(Sort::Contact)) => Terminals::Silent,
        (search, _) => sought(&app.store, search).await?,
    };
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
    let mut configured = Configured::default();
    for held in runs {
        configured.ids.push(held.id);
        configured.terminals += held.terminals;
    }
    Ok(Terminals::Like(search.to_owned(), configured))
}
