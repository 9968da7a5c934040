//! What an operator gives one terminal alone. `decide/one_off.rs` says what comes of it.

use crate::Channel;
use crate::decide::Void;
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::coverage::{PAGE_ROWS_MAX, cursor_malformed, page_rows};
use crate::service::policy::{parse, unknown_terminal};
use crate::service::problem::Problem;
use crate::service::store::OneOffPut;
use crate::wire::{Empty, ONE_OFFS_MAX, OneOff, OneOffRow};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

/// What page of the one-offs is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageAsked {
    /// Where the last page ended: `TERMINAL/MAKER/NAME` of its last row.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
}

/// Everything that is given to single terminals now, by terminal and channel. Code: `cursor_malformed`.
#[utoipa::path(get, path = "/v1/one-offs", params(PageAsked), responses((status = 200, body = Vec<OneOffRow>)))]
pub(crate) async fn list(
    State(app): State<AppState>,
    Query(asked): Query<PageAsked>,
) -> Result<Json<Vec<OneOffRow>>, Problem> {
    let after = match asked.after.as_deref() {
        None | Some("") => ["", "", ""],
        Some(after) => {
            let parts = after.splitn(3, '/').collect::<Vec<_>>();
            <[&str; 3]>::try_from(parts).map_err(|_| cursor_malformed())?
        }
    };
    Ok(Json(app.store.one_offs(after, page_rows(asked.limit, PAGE_ROWS_MAX) as u64).await?))
}

/// Gives a terminal a channel for a time, in the place of what it was given of it before. Codes: `terminal_unknown`, `one_off_refused`,
/// `one_off_not_accepted`.
#[utoipa::path(put, path = "/v1/terminals/{terminal}/one-off",
    params(("terminal" = String, Path, description = "Its number.")), request_body = OneOff, responses((status = 200, body = Empty)))]
pub(crate) async fn put(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Result<Json<Empty>, Problem> {
    let one_off: OneOff = parse(&body)?;
    let now = jiff::Timestamp::now().as_second();
    one_off.check(now).map_err(refused)?;
    let known = app.store.terminal(&terminal).await?.ok_or_else(unknown_terminal)?;
    let tables = app.beacons.tables(&app.store).await?;
    match tables.prepared.one_off(&known.row, &one_off, now) {
        Ok(runs) if one_off.release.is_some_and(|asked| asked != runs) => {
            return Err(refused(format!(
                "this terminal runs release {runs} of {}, and its maker does not allow to go back from that",
                one_off.channel
            )));
        }
        Ok(_) => {}
        Err(void @ (Void::UpdatesNotWished | Void::NotAccepted)) => {
            return Err(Problem::conflict("one_off_not_accepted", void.words(&one_off.channel)));
        }
        Err(void) => return Err(refused(void.words(&one_off.channel))),
    }
    match app.store.put_one_off(&caller.who, &terminal, &one_off).await? {
        OneOffPut::Put => {}
        OneOffPut::NoTerminal => return Err(unknown_terminal()),
        OneOffPut::TooMany => return Err(refused(format!("it is given {ONE_OFFS_MAX} channels, which are the most"))),
    }
    let OneOff { channel, release, until, .. } = &one_off;
    tracing::warn!(terminal, %channel, release, %until, "terminal {terminal} alone is given {channel} until {until}");
    Ok(Json(Empty {}))
}

/// Of which channel.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChannelAsked {
    /// The channel; all that it is given, if not said.
    channel: Option<String>,
}

/// Takes from a terminal what it was given. Codes: `terminal_unknown`, `channel_malformed`, `one_off_unknown`.
#[utoipa::path(delete, path = "/v1/terminals/{terminal}/one-off",
    params(("terminal" = String, Path, description = "Its number."), ChannelAsked), responses((status = 200, body = Empty)))]
pub(crate) async fn remove(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    Query(asked): Query<ChannelAsked>,
    caller: Caller,
) -> Result<Json<Empty>, Problem> {
    let channel = asked.channel.map(|channel| channel.parse::<Channel>()).transpose();
    let channel = channel.map_err(|e| Problem::bad_request("channel_malformed", e))?;
    if app.store.drop_one_offs(&caller.who, &terminal, channel.as_ref()).await? {
        tracing::info!(terminal, "what terminal {terminal} alone was given is taken from it");
        return Ok(Json(Empty {}));
    }
    app.store.held(&terminal).await?.ok_or_else(unknown_terminal)?;
    Err(Problem::not_found("one_off_unknown", "this terminal is given nothing of that"))
}

fn refused(words: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "one_off_refused", words)
}
