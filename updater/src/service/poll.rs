//! The idle poll: has anything changed for this terminal?
//!
//! A terminal asks with the entity tag of what it was last told, and as long as that is what it would be told again, the answer is 304: no body,
//! no row read, no signature. What is asked again and again is in memory:
//!
//! - that the poll is the terminal's: by a code whose key follows from its number (`poll_mac.rs`);
//! - the terminal's row, read once and kept until it checks in, acknowledges, or an operator changes rows ([`Store::row_changes`]);
//! - what all decisions are made of (`beacon.rs`), and what was decided of this row, for [`DECISION_AGE_MAX`].
//!
//! [`quick`] answers from these before the request reaches the router; whatever it cannot answer takes the way of every other request, to
//! [`beacon`]. What says "changed" is looked up in the tables first: another replica may have had the terminal's check-in, so a row kept here may
//! be older than the tag that the terminal was given there. The other way round cannot be: a tag that is what the row kept here leads to was told
//! of a row that leads to the same.
//!
//! Contact is noted in memory, and written once a minute for all terminals together, before the operator looks, and at the end. A crash loses a
//! minute of contacts, and of the counters that go with them: within that minute a recorded poll could be played once more, which would show a
//! terminal as seen that was seen a minute before. A poll played to another replica is taken there too, but changes nothing in the tables, which
//! take no counter twice.
//!
//! Locks: one over the rows, held for a look; nothing is decided or read under it.

use crate::decide::UserRow;
use crate::poll_mac::{MAC_HEADER, PollSecret};
use crate::service::beacon::{DECISION_AGE_MAX, Tables};
use crate::service::conditional::none_match;
use crate::service::problem::Problem;
use crate::service::request::{REQUEST_ID, answered, id_of, span};
use crate::service::router::{ROUTES, Route};
use crate::service::store::{Standing, Store, Terminal};
use crate::service::terminals::may_call;
use crate::service::{App, AppState};
use crate::signed::COUNTER_HEADER;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The address of polls.
const ROUTE: &str = "/v1/terminals/{terminal}/beacon";
/// Rows that are kept. One takes half a kilobyte or so.
const ROWS_MAX: usize = 1 << 20;

/// What polls share.
pub(crate) struct Polls {
    secret: PollSecret,
    rows: Mutex<Rows>,
    route: &'static Route,
}

/// A terminal's row, as it was read.
struct Known {
    standing: Standing,
    row: Arc<UserRow>,
    /// The newest counter that is known here.
    counter: u64,
    /// [`Store::row_changes`] before it was read.
    row_changes: u64,
    decided: Option<Decided>,
}

/// The tag of what was decided of a row.
#[derive(Clone)]
struct Decided {
    tag: HeaderValue,
    /// [`Store::changes`] of the tables it was decided by.
    changes: u64,
    at: Instant,
}

impl Decided {
    fn is_good(&self, changes: u64) -> bool {
        self.changes == changes && self.at.elapsed() < DECISION_AGE_MAX
    }
}

/// Rows in two generations: when the newer one is full it takes the place of the older one, whose rows nobody asked for since. So memory is
/// bounded and a look costs no list of who asked last.
#[derive(Default)]
struct Rows {
    newer: HashMap<String, Known>,
    older: HashMap<String, Known>,
}

impl Rows {
    fn find(&mut self, terminal: &str) -> Option<&mut Known> {
        if !self.newer.contains_key(terminal)
            && let Some((terminal, known)) = self.older.remove_entry(terminal)
        {
            self.insert(terminal, known, ROWS_MAX);
        }
        self.newer.get_mut(terminal)
    }

    fn insert(&mut self, terminal: String, known: Known, most: usize) {
        if self.newer.len() >= most / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(terminal, known);
    }

    fn remove(&mut self, terminal: &str) {
        self.newer.remove(terminal);
        self.older.remove(terminal);
    }
}

/// What a poll says, once it is proven.
struct Asked<'a> {
    terminal: &'a str,
    counter: u64,
}

impl Polls {
    /// `secret` makes the terminals' keys.
    pub(crate) fn new(secret: &[u8]) -> Self {
        let route = ROUTES.iter().find(|route| route.path == ROUTE).expect("polls are in the table of routes");
        Polls { secret: PollSecret::new(secret), rows: Mutex::default(), route }
    }

    /// The key that a terminal polls with, in hexadecimal.
    pub(crate) fn key_of(&self, terminal: &str) -> String {
        self.secret.key_of(terminal).to_hex()
    }

    /// Forgets a row that is about to change, or has changed.
    pub(crate) fn forget(&self, terminal: &str) {
        self.rows().remove(terminal);
    }

    /// Keeps a row as a call with this counter has just written it. `row_changes` is [`Store::row_changes`] before it was read.
    pub(crate) fn keep(&self, terminal: &str, standing: Standing, row: Arc<UserRow>, counter: u64, row_changes: u64) {
        let mut rows = self.rows();
        // On PostgreSQL calls may be done in another order than their rows were written in.
        if rows.find(terminal).is_some_and(|known| known.counter > counter) {
            rows.remove(terminal);
        } else {
            rows.insert(terminal.to_owned(), Known { standing, row, counter, row_changes, decided: None }, ROWS_MAX);
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that a poll is by the terminal, by its code alone.
    fn proven<'a>(&self, terminal: &'a str, headers: &HeaderMap) -> Option<Asked<'a>> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let (counter, mac) = (text(COUNTER_HEADER)?, text(MAC_HEADER)?);
        let tag = text(header::IF_NONE_MATCH.as_str())?;
        let is_proven = self.secret.key_of(terminal).is_mac(terminal, tag, counter, mac);
        let counter = counter.parse().ok().filter(|_| is_proven)?;
        Some(Asked { terminal, counter })
    }

    /// The tag of what the row kept here leads to, if there is one and the tables are at hand.
    fn tag_in_memory(&self, app: &App, terminal: &str) -> Option<HeaderValue> {
        let (changes, row_changes) = (app.store.changes(), app.store.row_changes());
        let row = {
            let mut rows = self.rows();
            let known = rows.find(terminal).filter(|known| known.row_changes == row_changes)?;
            may_call(known.standing).ok()?;
            match &known.decided {
                Some(decided) if decided.is_good(changes) => return Some(decided.tag.clone()),
                _ => known.row.clone(),
            }
        };
        let tables = app.beacons.tables_at_hand(&app.store)?;
        Some(self.decide(terminal, &row, &tables))
    }

    /// Decides of a row and keeps the tag.
    fn decide(&self, terminal: &str, row: &Arc<UserRow>, tables: &Tables) -> HeaderValue {
        let at = Instant::now();
        let tag = tables.tag(&tables.decide(row));
        let tag = HeaderValue::from_str(&tag).expect("digits and quotes are a header's value");
        // It may be another row by now, of which this is not decided.
        if let Some(known) = self.rows().find(terminal).filter(|known| Arc::ptr_eq(&known.row, row)) {
            known.decided = Some(Decided { tag: tag.clone(), changes: tables.changes, at });
        }
        tag
    }

    /// Reads a terminal's row and keeps it.
    pub(crate) async fn read(&self, store: &Store, terminal: &str) -> Result<(Standing, Arc<UserRow>), Problem> {
        // Taken before reading: what changes meanwhile is read again next time.
        let row_changes = store.row_changes();
        let Some(Terminal { counter, standing, row, .. }) = store.terminal(terminal).await? else {
            self.forget(terminal);
            return Err(Problem::not_found("terminal_unknown", "no terminal with this number is enrolled"));
        };
        let row = Arc::new(row);
        let mut rows = self.rows();
        let counter = rows.find(terminal).map_or(counter, |known| known.counter.max(counter));
        let known = Known { standing, row: row.clone(), counter, row_changes, decided: None };
        rows.insert(terminal.to_owned(), known, ROWS_MAX);
        Ok((standing, row))
    }

    /// Takes the counter of a poll and notes the contact; false when it was used.
    fn note(&self, app: &App, asked: &Asked<'_>) -> bool {
        let now = jiff::Timestamp::now().as_second();
        let mut rows = self.rows();
        let held = rows.find(asked.terminal).map_or(0, |known| known.counter);
        if !app.beacons.note(asked.terminal, now, asked.counter, held) {
            return false;
        }
        if let Some(known) = rows.find(asked.terminal) {
            known.counter = asked.counter;
        }
        true
    }
}

/// Answers a poll that finds nothing changed, without the router; `None` for all other requests, of which nothing is noted or charged.
///
/// It measures and names the request as the layers of all others do. It needs neither a turn nor a time limit, as nothing in it waits.
pub(crate) fn quick<B>(app: &App, request: &Request<B>) -> Option<Response> {
    let path = request.uri().path().strip_prefix("/v1/terminals/")?.strip_suffix("/beacon")?;
    // One that is escaped is not written as the service gave it.
    let is_plain = request.method() == Method::GET && path.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let terminal = Some(path).filter(|_| is_plain)?;
    let started = Instant::now();
    let polls = &app.polls;
    let asked = polls.proven(terminal, request.headers())?;
    let tag = polls.tag_in_memory(app, terminal)?;
    let is_idle = none_match(request.headers(), tag.to_str().ok()?);
    if !is_idle || app.limits.terminal(terminal).is_err() || !polls.note(app, &asked) {
        return None;
    }
    let mut response = answer(StatusCode::NOT_MODIFIED, tag);
    let id = id_of(app, request.headers());
    // A span costs something, so it is made for the line alone.
    if tracing::enabled!(tracing::Level::DEBUG) {
        let line = || answered(request.method(), request.uri().path(), StatusCode::NOT_MODIFIED, started);
        span(&id).in_scope(line);
    }
    response.headers_mut().insert(REQUEST_ID, id);
    app.metrics.answered(polls.route, &response, started.elapsed());
    Some(response)
}

/// Proven by a code: 304 while nothing has changed for the terminal, else 200 and nothing but the tag. Codes: `poll_unproven`,
/// `terminal_unknown`, `terminal_pending`, `terminal_revoked`, `request_replayed`, `rate_limited`.
#[utoipa::path(
    get,
    path = "/v1/terminals/{terminal}/beacon",
    params(("terminal" = String, Path, description = "The terminal's number.")),
    responses((status = 200, description = "Something changed."), (status = 304, description = "Nothing changed."))
)]
pub(crate) async fn beacon(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let unproven =
        || Problem::unauthorized("poll_unproven", "the poll is not by a key of this service; a check-in brings one");
    let asked = app.polls.proven(&terminal, &headers).ok_or_else(unproven)?;
    app.limits.terminal(&terminal)?;
    let tables = app.beacons.tables(&app.store).await?;
    let told = app.polls.tag_in_memory(&app, &terminal).filter(|tag| is_told(&headers, tag));
    let tag = if let Some(tag) = told {
        tag
    } else {
        let (standing, row) = app.polls.read(&app.store, &terminal).await?;
        may_call(standing)?;
        app.polls.decide(&terminal, &row, &tables)
    };
    if !app.polls.note(&app, &asked) {
        return Err(Problem::conflict("request_replayed", format!("counter {} was used before", asked.counter)));
    }
    let status = if is_told(&headers, &tag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(answer(status, tag))
}

fn is_told(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    tag.to_str().is_ok_and(|tag| none_match(headers, tag))
}

fn answer(status: StatusCode, tag: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Designation;

    fn known(counter: u64) -> Known {
        let row = UserRow::new(Designation::Any, Vec::new(), Vec::new());
        Known { standing: Standing::Active, row: Arc::new(row), counter, row_changes: 0, decided: None }
    }

    #[test]
    fn rows_that_nobody_asks_for_go_first() {
        let mut rows = Rows::default();
        for number in 0..1000 {
            rows.insert(number.to_string(), known(number), 10);
            assert_eq!(rows.find("0").unwrap().counter, 0, "asked for all the time");
            assert!(rows.newer.len() + rows.older.len() <= 11, "{number}");
        }
        assert!(rows.find("1").is_none() && rows.find("999").is_some());
        rows.remove("0");
        assert!(rows.find("0").is_none());
    }
}
