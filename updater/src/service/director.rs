//! The director at work: one assignment signed for each cohort, one membership for each check-in.
//!
//! A cohort is all terminals that are to be told the same, and is named by a digest of that. So 10,000 terminals that check in after a release
//! cost one assignment, 10,000 memberships and no more; an idle poll costs no signature. Rejected: to name a cohort by what the decision was
//! made of: a terminal's place in a rollout and how long it has run what it runs are its own, and nearly every terminal would be a cohort.
//!
//! Whom the operator gives something alone is told by a one-off, signed for that terminal and that check-in and kept nowhere: there are few of
//! them, and they ask no less often than others.
//!
//! Numbers of a cohort only grow: each is at least the microseconds since 1970 and more than the one that the tables hold. So tables that were
//! restored from an old copy, or forgot the cohort, give out no number twice, as long as the machine's clock is roughly right.
//!
//! Actors and locks: what is signed is kept in memory, behind a lock that is held for a look and no longer; whoever has to sign waits for whoever
//! signs, and then mostly finds it done. Several replicas on the same tables settle by the number which of their documents is kept.

use crate::director::{self, Kind};
use crate::disk::Disk;
use crate::keys::{SigningKey, random_hex};
use crate::root::RootRole;
use crate::service::online_keys::OnlineKeys;
use crate::service::problem::Problem;
use crate::service::store::{KeptAssignment, Store, StoreError};
use crate::tuf;
use crate::wire::{Assignment, AssignmentDocument, Membership, OneOffDocument, Sha256Hex, SignedDocument};
use axum::http::StatusCode;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tough::schema::Root;

/// How long an assignment is valid; it is signed anew at half of this.
const ASSIGNMENT_LIFETIME_SECONDS: i64 = 7 * 24 * 3600;
/// How long a membership is valid. It answers one check-in and is looked at once, so this bounds how wrong a terminal's clock may be.
const MEMBERSHIP_LIFETIME_SECONDS: i64 = 24 * 3600;
/// Digits of a cohort's name: 128 bits.
const COHORT_DIGITS: usize = 32;
/// Random bytes of what a terminal must say at its next check-in.
const FRESHNESS_BYTES: usize = 16;
/// Cohorts that are kept in memory. When there are more, all are read from the tables again.
const COHORTS_MAX: usize = 4096;
/// Longest time for which keys and root are not looked at, whoever changes them without saying so.
const KEYS_AGE_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Director {
    disk: Disk,
    keys_folder: PathBuf,
    keys: tokio::sync::Mutex<Option<Arc<Keys>>>,
    issued: RwLock<HashMap<String, Arc<Issued>>>,
    issuing: tokio::sync::Mutex<()>,
}

/// What is signed with, as it was a moment ago.
struct Keys {
    held: Vec<Arc<SigningKey>>,
    /// Version of the newest root.
    root: u64,
    /// Whether that root counts enough of them.
    suffice: bool,
    changes: u64,
    read: Instant,
}

/// A check-in that is answered.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) terminal: &'a str,
    pub(crate) counter: u64,
}

/// A signed assignment.
struct Issued {
    cohort: String,
    kept: KeptAssignment,
}

impl Issued {
    /// Whether it is good to be told now, by this root.
    fn is_good(&self, root: u64, now: i64) -> bool {
        self.kept.root == root && self.kept.expires_at - now > ASSIGNMENT_LIFETIME_SECONDS / 2
    }
}

impl Director {
    pub(crate) fn new(disk: Disk, keys_folder: PathBuf) -> Self {
        let (keys, issuing) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        Director { disk, keys_folder, keys, issued: RwLock::default(), issuing }
    }

    /// The signed assignment of those who are to be told this. Signs at most once for each cohort, root and half a lifetime.
    async fn issue(&self, store: &Store, assignment: &Assignment) -> Result<Arc<Issued>, Problem> {
        let cohort = cohort_of(assignment);
        let keys = self.keys(store).await?;
        let now = jiff::Timestamp::now();
        if let Some(issued) = self.known(&cohort, &keys, now.as_second()) {
            return Ok(issued);
        }
        let _one_signs = self.issuing.lock().await;
        if let Some(issued) = self.known(&cohort, &keys, now.as_second()) {
            return Ok(issued);
        }
        let kept = store.assignment(&cohort).await?;
        let last = kept.as_ref().map_or(0, |kept| kept.number);
        if let Some(kept) = kept {
            let issued = Issued { cohort: cohort.clone(), kept };
            if issued.is_good(keys.root, now.as_second()) {
                return Ok(self.remember(issued));
            }
        }
        let micros = u64::try_from(now.as_microsecond()).unwrap_or(0);
        let told = AssignmentDocument {
            cohort: cohort.clone(),
            number: micros.max(last.saturating_add(1)),
            signed_at: now.as_second(),
            expires: now.as_second() + ASSIGNMENT_LIFETIME_SECONDS,
            root: keys.root,
            assignment: assignment.clone(),
            blobs: store.blobs(&assignment.channels).await?,
        };
        let payload = serde_json::to_string(&told).expect("an assignment is plain JSON");
        let document = director::sign(Kind::Assignment, payload, &keys.held);
        let kept = KeptAssignment { number: told.number, root: keys.root, expires_at: told.expires, document };
        let is_kept = store.put_assignment(&cohort, &kept).await?;
        let kept = if is_kept { kept } else { store.assignment(&cohort).await?.unwrap_or(kept) };
        tracing::info!(cohort, number = kept.number, "the assignment of cohort {cohort} is signed");
        Ok(self.remember(Issued { cohort, kept }))
    }

    /// Both documents for a terminal that is to be told this, in answer to the check-in with this counter.
    pub(crate) async fn tell(
        &self,
        store: &Store,
        assignment: &Assignment,
        asked: Asked<'_>,
        freshness: String,
    ) -> Result<(SignedDocument, SignedDocument), Problem> {
        let Asked { terminal, counter } = asked;
        let (document, cohort, number) = if assignment.until.is_some() {
            (self.one_off(store, assignment, asked).await?, terminal.to_owned(), counter)
        } else {
            let issued = self.issue(store, assignment).await?;
            (issued.kept.document.clone(), issued.cohort.clone(), issued.kept.number)
        };
        let expires = jiff::Timestamp::now().as_second() + MEMBERSHIP_LIFETIME_SECONDS;
        let member = Membership { terminal: terminal.to_owned(), cohort, number, counter, freshness, expires };
        let payload = serde_json::to_string(&member).expect("a membership is plain JSON");
        let keys = self.keys(store).await?;
        Ok((document, director::sign(Kind::Membership, payload, &keys.held)))
    }

    /// What one terminal alone is told; kept nowhere, as it answers one check-in.
    async fn one_off(&self, store: &Store, assignment: &Assignment, asked: Asked<'_>) -> Result<SignedDocument, Problem> {
        let keys = self.keys(store).await?;
        let signed_at = jiff::Timestamp::now().as_second();
        let longest = signed_at + MEMBERSHIP_LIFETIME_SECONDS;
        let told = OneOffDocument {
            terminal: asked.terminal.to_owned(),
            counter: asked.counter,
            signed_at,
            expires: assignment.until.map_or(longest, |until| until.min(longest)),
            root: keys.root,
            assignment: assignment.clone(),
            blobs: store.blobs(&assignment.channels).await?,
        };
        let payload = serde_json::to_string(&told).expect("a one-off is plain JSON");
        tracing::info!(terminal = asked.terminal, "a one-off for terminal {} is signed", asked.terminal);
        Ok(director::sign(Kind::OneOff, payload, &keys.held))
    }

    fn known(&self, cohort: &str, keys: &Keys, now: i64) -> Option<Arc<Issued>> {
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        issued.get(cohort).filter(|issued| issued.is_good(keys.root, now)).cloned()
    }

    fn remember(&self, issued: Issued) -> Arc<Issued> {
        let issued = Arc::new(issued);
        let mut all = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= COHORTS_MAX {
            all.clear();
        }
        all.insert(issued.cohort.clone(), issued.clone());
        issued
    }

    /// The keys to sign with. All that are held sign, as those of other roles do, so that what is told is good by the root before and by the
    /// next one while root changes.
    async fn keys(&self, store: &Store) -> Result<Arc<Keys>, Problem> {
        let mut known = self.keys.lock().await;
        let changes = store.changes();
        let is_fresh = |keys: &&Arc<Keys>| keys.changes == changes && keys.read.elapsed() < KEYS_AGE_MAX;
        let keys = match known.as_ref().filter(is_fresh) {
            Some(keys) => keys.clone(),
            None => known.insert(Arc::new(self.read_keys(store, changes).await?)).clone(),
        };
        if keys.suffice {
            return Ok(keys);
        }
        let detail = "the service holds too few of the director's keys that root lists; nothing can be assigned";
        tracing::error!(root = keys.root, "{detail}");
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "role_key_missing", detail))
    }

    async fn read_keys(&self, store: &Store, changes: u64) -> Result<Keys, Problem> {
        let read = Instant::now();
        let no_root = || Problem::from(StoreError::Value("there is no root".to_owned()));
        let (version, root) = store.newest_metadata("root").await?.ok_or_else(no_root)?;
        let root = tuf::read::<Root>(&root).map_err(|e| Problem::internal(&e))?;
        let keys = OnlineKeys::load(&self.disk, &self.keys_folder).map_err(|e| Problem::internal(&e))?;
        let suffice = keys.meet(&root.signed, RootRole::Director);
        Ok(Keys { held: keys.of(RootRole::Director).cloned().collect(), root: version, suffice, changes, read })
    }
}

/// Name of the cohort of all who are to be told this.
fn cohort_of(assignment: &Assignment) -> String {
    let told = serde_json::to_vec(assignment).expect("an assignment is plain JSON");
    Sha256Hex::of(&told).to_string()[..COHORT_DIGITS].to_owned()
}

/// A value that a terminal must say at its next check-in.
pub(crate) fn freshness() -> Result<String, Problem> {
    random_hex(FRESHNESS_BYTES).map_err(|e| Problem::internal(&e))
}
