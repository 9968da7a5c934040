//! The idle poll: has anything changed for this terminal?
//!
//! A terminal asks with the entity tag of what it was last told, and as long as that is what it would be told again, the answer is 304:
//! no body, no write, one row read. The tag is a digest of the assignment, of the modules of its releases and of the version of root;
//! `docs/protocol.md` says why of these and of nothing else.
//!
//! What decides, the countering table and the newest releases, is the same for all terminals and is kept in memory until one of them
//! changes ([`Store::changes`]). Contact is noted in memory too, and written once a minute for all terminals together, before the operator
//! looks, and at the end. A crash loses a minute of contacts, and of the counters that go with them: within that minute a recorded poll could
//! be played once more, which would show a terminal as seen that was seen a minute before.

use crate::decide::{Prepared, UserRow};
use crate::service::conditional::none_match;
use crate::service::problem::Problem;
use crate::service::store::{Store, StoreError};
use crate::service::terminals::may_call;
use crate::service::{App, AppState, counter_of};
use crate::wire::{Assignment, ChannelRelease, Sha256Hex};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often contacts are written.
pub(crate) const CONTACTS_EVERY: Duration = Duration::from_mins(1);
/// Longest time for which the tables are not looked at, whoever writes them without saying so.
const TABLES_AGE_MAX: Duration = Duration::from_secs(10);
/// Digits of a tag: 128 bits, as what it guards against is chance. Who can choose assignments needs no collision.
const TAG_DIGITS: usize = 32;

/// What polls share.
#[derive(Default)]
pub(crate) struct Beacons {
    tables: tokio::sync::Mutex<Option<Arc<Tables>>>,
    /// By terminal: seconds since 1970 and counter of the newest poll that is not written yet.
    contacts: Mutex<HashMap<String, (i64, u64)>>,
    /// Rollouts of which enough terminals were told to judge them; nobody else is noted.
    judged_by_enough: Mutex<HashSet<(String, u64)>>,
}

/// What assignments are made of, for all terminals.
pub(crate) struct Tables {
    /// Made ready for decisions once for all of them.
    pub(crate) prepared: Prepared,
    /// A digest of the modules of each release that has some.
    modules: BTreeMap<ChannelRelease, Sha256Hex>,
    root: u64,
    changes: u64,
    read: Instant,
}

impl Tables {
    /// What a terminal with this row shall run now.
    pub(crate) fn decide(&self, row: &UserRow) -> Assignment {
        self.prepared.decide(row, jiff::Timestamp::now().as_second())
    }

    /// The tag of an assignment, with its quotes.
    pub(crate) fn tag(&self, assignment: &Assignment) -> String {
        let modules = assignment.channels.iter().map(|at| self.modules.get(at)).collect::<Vec<_>>();
        let told = serde_json::to_vec(&(assignment, self.root, modules)).expect("an assignment is plain JSON");
        format!("\"{}\"", &Sha256Hex::of(&told).to_string()[..TAG_DIGITS])
    }
}

impl Beacons {
    /// The tables as they are, or as they were at most [`TABLES_AGE_MAX`] ago if somebody changed them behind this service's back.
    pub(crate) async fn tables(&self, store: &Store) -> Result<Arc<Tables>, StoreError> {
        let mut kept = self.tables.lock().await;
        // Taken before reading: what changes meanwhile is read again next time.
        let changes = store.changes();
        if let Some(tables) = kept.as_ref().filter(|t| t.changes == changes && t.read.elapsed() < TABLES_AGE_MAX) {
            return Ok(tables.clone());
        }
        // Between a publication's commit and its metadata nobody is told of what they could not verify yet.
        if let Some(tables) = kept.as_ref().filter(|t| t.read.elapsed() < TABLES_AGE_MAX)
            && store.lease().await?.lags()
        {
            return Ok(tables.clone());
        }
        let read = Instant::now();
        let root = store.newest_metadata("root").await?.map_or(0, |(version, _)| version);
        let tables = store.decision_tables().await?;
        // Off the async threads: of a long countering table it takes a while.
        let prepare = move || Prepared::new(tables, jiff::Timestamp::now().as_second());
        let prepared = tokio::task::spawn_blocking(prepare).await.map_err(|e| StoreError::Value(e.to_string()))?;
        let modules = store.module_marks().await?;
        let tables = Tables { prepared, modules, root, changes, read };
        Ok(kept.insert(Arc::new(tables)).clone())
    }

    /// Says of a rolled out release whether those told of it need not be noted any more.
    pub(crate) fn put_enough(&self, at: &ChannelRelease, enough: bool) {
        let mut judged = self.judged_by_enough.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (at.channel.to_string(), at.release);
        if enough {
            judged.insert(at);
        } else {
            judged.remove(&at);
        }
    }

    /// Those of a terminal's releases of which it must be noted that the terminal was told.
    pub(crate) fn to_be_noted<'a>(&self, tables: &Tables, assignment: &'a Assignment) -> Vec<&'a ChannelRelease> {
        let judged = self.judged_by_enough.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = |at: &ChannelRelease| !judged.is_empty() && judged.contains(&(at.channel.to_string(), at.release));
        assignment.channels.iter().filter(|at| tables.prepared.is_rolled_out(at) && !enough(at)).collect()
    }

    /// Notes a poll; false for a counter that was used. `held` is the counter in the tables.
    fn note(&self, terminal: &str, at: i64, counter: u64, held: u64) -> bool {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = contacts.get(terminal).map_or(held, |(_, last)| held.max(*last));
        if counter <= last {
            return false;
        }
        contacts.insert(terminal.to_owned(), (at, counter));
        true
    }

    /// Writes the contacts that were noted. A failure is logged, and they are written next time.
    pub(crate) async fn flush(&self, store: &Store) {
        let noted = std::mem::take(&mut *self.contacts.lock().unwrap_or_else(PoisonError::into_inner));
        if noted.is_empty() {
            return;
        }
        if let Err(error) = store.note_contacts(&noted).await {
            tracing::error!(%error, "contacts of {} terminals could not be written", noted.len());
            let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
            for (terminal, contact) in noted {
                contacts.entry(terminal).or_insert(contact);
            }
        }
    }
}

/// Signed: 304 while nothing has changed for the terminal, else 200 and nothing but the tag.
#[utoipa::path(
    get,
    path = "/v1/terminals/{terminal}/beacon",
    params(("terminal" = String, Path, description = "The terminal's number.")),
    responses((status = 200, description = "Something changed."), (status = 304, description = "Nothing changed."))
)]
pub(crate) async fn beacon(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = app.store.terminal(&terminal).await?;
    let known = known.ok_or_else(|| Problem::not_found("terminal_unknown", "no terminal with this number is enrolled"))?;
    let counter = counter_of(&headers, &[known.key], &Method::GET, uri.path(), &[])?;
    may_call(known.standing)?;
    app.limits.terminal(&terminal)?;
    let at = jiff::Timestamp::now().as_second();
    if !app.beacons.note(&terminal, at, counter, known.counter) {
        return Err(Problem::conflict("request_replayed", format!("counter {counter} was used before")));
    }
    let tag = tag(&app, &known.row).await?;
    let status = if none_match(&headers, &tag) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let tag = HeaderValue::from_str(&tag).expect("digits and quotes are a header's value");
    Ok((status, [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response())
}

async fn tag(app: &App, row: &UserRow) -> Result<String, Problem> {
    let tables = app.beacons.tables(&app.store).await?;
    Ok(tables.tag(&tables.decide(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_taken_once_and_upwards() {
        let beacons = Beacons::default();
        assert!(!beacons.note("t", 1, 5, 5), "the tables have it");
        assert!(beacons.note("t", 1, 6, 5));
        assert!(!beacons.note("t", 2, 6, 5) && !beacons.note("t", 2, 5, 0));
        assert!(beacons.note("t", 2, 7, 5) && beacons.note("u", 2, 1, 0));
        assert_eq!(beacons.contacts.lock().unwrap()["t"], (2, 7));
    }
}
