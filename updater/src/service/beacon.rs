//! What decisions are made of, for all terminals, and who was in contact.
//!
//! The countering table and the newest releases are the same for all terminals and are kept in memory until one of them changes
//! ([`Store::changes`]). The tag of what a terminal is told is a digest of the assignment, of the modules of its releases and of the version
//! of root; `docs/protocol.md` says why of these and of nothing else. Polls are answered in `poll.rs`.

use crate::decide::{Prepared, UserRow};
use crate::service::store::{Store, StoreError};
use crate::wire::{Assignment, ChannelRelease, Sha256Hex};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often contacts are written.
pub(crate) const CONTACTS_EVERY: Duration = Duration::from_mins(1);
/// Longest time for which the tables are not looked at, whoever writes them without saying so.
const TABLES_AGE_MAX: Duration = Duration::from_secs(10);
/// How long what was decided of a row is not decided again while the tables stand: what the clock changes, such as the end of a time window,
/// is seen that much later.
pub(crate) const DECISION_AGE_MAX: Duration = Duration::from_mins(1);
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
    pub(crate) changes: u64,
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

    /// The same, if they are in memory and nobody is reading them anew.
    pub(crate) fn tables_at_hand(&self, store: &Store) -> Option<Arc<Tables>> {
        let kept = self.tables.try_lock().ok()?;
        let changes = store.changes();
        kept.as_ref().filter(|t| t.changes == changes && t.read.elapsed() < TABLES_AGE_MAX).cloned()
    }

    /// Notes a poll; false for a counter that was used. `held` is the newest counter that is known otherwise.
    pub(crate) fn note(&self, terminal: &str, at: i64, counter: u64, held: u64) -> bool {
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
