//! The clean cache: which files were found clean, and by which database.
//!
//! A file is known by its [`FileKey`]: device, inode, length and the times of its last changes, to the nanosecond. Whoever changes the file
//! changes the key: what is written moves both times, and a program that sets the first back moves the second by doing so. Times
//! have a grain, though, two seconds on the coarsest file systems, and a change within the same grain as a scan could not be told from
//! what was scanned. So a file is only remembered when its times lie further back than that.
//!
//! After an update not everything is scanned again. A [`CleanCache`] keeps fingerprints of the signatures of each database that files were
//! clean under (`fingerprint`); the signatures of a new database that have none of those are new, and a file that was clean
//! needs only them.
//!
//! What is stored is in `docs/cache.md`. The crate has no clock: who scans says when.

mod fingerprint;
mod format;

use crate::database::{Database, SignatureId};
use crate::scanner::Scanner;
use fingerprint::{NOTHING, fingerprints};
pub use format::CacheError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time since 1970, as file systems state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime {
    /// Whole seconds; before 1970 less than zero.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

/// What tells one content of one file from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Bytes in it.
    pub len: u64,
    /// When its content changed (`mtime`).
    pub modified: FileTime,
    /// When the content or anything else about it changed (`ctime`).
    pub changed: FileTime,
}

/// Files found clean, from one scan to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanCache {
    databases: Vec<KnownDatabase>,
    /// By device and inode, one entry each.
    entries: Vec<Entry>,
}

/// A database under which files were found clean.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownDatabase {
    identity: [u8; 32],
    /// Of its signatures, ascending.
    fingerprints: Vec<u64>,
}

/// A file found clean.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: FileKey,
    /// Under which of the databases.
    database: u32,
    /// When a scan last met it, in seconds since 1970.
    seen: u64,
}

impl Entry {
    fn place(&self) -> (u64, u64) {
        (self.key.device, self.key.inode)
    }
}

/// Databases that are remembered: the current one, and some that files were last scanned with which no scan has met since.
const DATABASES_MAX: usize = 4;
/// The coarsest grain of file times.
const GRAIN: Duration = Duration::from_secs(2);
/// A cache is written again for nothing but later `seen` times when they are this much later.
const SEEN_GRAIN: u64 = 24 * 60 * 60;

impl CleanCache {
    /// Entries that a cache keeps unless told otherwise: some 64 MB.
    pub const ENTRIES_MAX: usize = 1_000_000;

    /// Files remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no file is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads a cache. O(len).
    ///
    /// # Errors
    /// [`CacheError`]; what cannot be read is to be replaced by an empty cache.
    pub fn decode(bytes: &[u8]) -> Result<CleanCache, CacheError> {
        format::decode(bytes)
    }

    /// The bytes that [`CleanCache::decode`] reads.
    pub fn encode(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// Begins a scan with `database` at `now`, which is not later than the moment its first file is opened.
    ///
    /// O(signatures) when the cache does not know the database, O(databases) else.
    pub fn begin<'d>(self, database: &Database<'d>, now: SystemTime) -> CleanScan<'d> {
        let CleanCache { mut databases, entries } = self;
        let current = databases.iter().position(|known| known.identity == database.identity());
        let plans = match current {
            Some(_) if databases.len() == 1 => vec![Plan::Nothing],
            _ => {
                let of_each = fingerprints(database);
                if current.is_none() {
                    let mut sorted = of_each.clone();
                    sorted.sort_unstable();
                    databases.push(KnownDatabase { identity: database.identity(), fingerprints: sorted });
                }
                databases.iter().map(|known| Plan::since(known, database, &of_each)).collect()
            }
        };
        let current = current.unwrap_or(databases.len() - 1);
        let seen = entries.iter().map(|_| AtomicBool::new(false)).collect();
        CleanScan { databases, current, plans, entries, seen, began: now, renewed: Mutex::default() }
    }
}

/// What a file needs that was clean under some database.
#[derive(Debug)]
enum Plan<'d> {
    /// Every signature in force was searched.
    Nothing,
    /// These only.
    Some(Box<Scanner<'d>>),
    /// Most of them: a whole scan is as good.
    All,
}

impl<'d> Plan<'d> {
    fn since(known: &KnownDatabase, database: &Database<'d>, of_each: &[u64]) -> Plan<'d> {
        let is_new = |fingerprint: &u64| *fingerprint != NOTHING && known.fingerprints.binary_search(fingerprint).is_err();
        let new: Vec<SignatureId> =
            (0..).zip(of_each).filter(|(_, fingerprint)| is_new(fingerprint)).map(|(id, _)| SignatureId::new(id)).collect();
        match new.len() {
            0 => Plan::Nothing,
            len if len > of_each.len() / 2 => Plan::All,
            _ => Plan::Some(Box::new(Scanner::restricted(database, &new))),
        }
    }
}

/// One scan with a cache: what it knows, and what it learns. Shared by the workers.
#[derive(Debug)]
pub struct CleanScan<'d> {
    databases: Vec<KnownDatabase>,
    current: usize,
    /// For each database.
    plans: Vec<Plan<'d>>,
    entries: Vec<Entry>,
    /// Which entries this scan met.
    seen: Vec<AtomicBool>,
    began: SystemTime,
    renewed: Mutex<Vec<FileKey>>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is clean.
    Clean,
    /// It has none of the signatures that [`CleanScan::scanner`] of this number does not scan for.
    But(usize),
    Nothing,
}

impl<'d> CleanScan<'d> {
    /// O(log entries).
    pub(crate) fn known(&self, key: &FileKey) -> Known {
        let found = self.entries.binary_search_by_key(&(key.device, key.inode), Entry::place);
        let Some((index, entry)) =
            found.ok().map(|index| (index, &self.entries[index])).filter(|(_, entry)| entry.key == *key)
        else {
            return Known::Nothing;
        };
        match self.plans.get(entry.database as usize) {
            Some(Plan::Nothing) => {
                self.seen[index].store(true, Ordering::Relaxed);
                Known::Clean
            }
            Some(Plan::Some(_)) => Known::But(entry.database as usize),
            Some(Plan::All) | None => Known::Nothing,
        }
    }

    /// The scanner that [`Known::But`] names.
    pub(crate) fn scanner(&self, number: usize) -> Option<&Scanner<'d>> {
        match self.plans.get(number) {
            Some(Plan::Some(scanner)) => Some(scanner),
            _ => None,
        }
    }

    /// Remembers that the file was clean with this key, which was taken before its content was read.
    pub(crate) fn remember(&self, key: FileKey) {
        if self.is_settled(key.modified) && self.is_settled(key.changed) {
            self.renewed.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    }

    /// Whether a later change would surely have a later time than this.
    fn is_settled(&self, time: FileTime) -> bool {
        let Ok(seconds) = u64::try_from(time.seconds) else { return true };
        let time = UNIX_EPOCH.checked_add(Duration::new(seconds, time.nanoseconds.min(999_999_999)));
        time.and_then(|time| time.checked_add(GRAIN)).is_some_and(|time| time <= self.began)
    }

    /// Ends the scan: what is now known, at most `entries_max` files, those that were met longest ago dropped; `None` when that is
    /// hardly more than before.
    pub fn end(self, entries_max: usize) -> Option<CleanCache> {
        let now = self.began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let CleanScan { mut databases, current, plans, mut entries, seen, renewed, .. } = self;
        let renewed = renewed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut worth_it = !renewed.is_empty() || entries.len() > entries_max;
        for (entry, seen) in entries.iter_mut().zip(seen) {
            if seen.into_inner() {
                worth_it |= entry.seen.saturating_add(SEEN_GRAIN) < now || entry.database as usize != current;
                // Clean under a database that has all signatures in force is clean under this one.
                debug_assert!(matches!(plans[entry.database as usize], Plan::Nothing));
                (entry.seen, entry.database) = (now, current as u32);
            }
        }
        if !worth_it {
            return None;
        }
        let mut newest: HashMap<(u64, u64), Entry> = entries.into_iter().map(|entry| (entry.place(), entry)).collect();
        newest.extend(
            renewed.into_iter().map(|key| ((key.device, key.inode), Entry { key, database: current as u32, seen: now })),
        );
        let mut entries: Vec<Entry> = newest.into_values().collect();
        keep_databases(&mut databases, &mut entries, current);
        if entries.len() > entries_max {
            entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.seen));
            entries.truncate(entries_max);
        }
        entries.sort_unstable_by_key(Entry::place);
        Some(CleanCache { databases, entries })
    }
}

/// Keeps the databases that most entries are clean under, the current one in any case, and the entries of those.
fn keep_databases(databases: &mut Vec<KnownDatabase>, entries: &mut Vec<Entry>, current: usize) {
    let mut counts: Vec<(usize, usize)> = (0..databases.len()).map(|index| (0, index)).collect();
    for entry in &*entries {
        if let Some(count) = counts.get_mut(entry.database as usize) {
            count.0 += 1;
        }
    }
    counts[current].0 = usize::MAX;
    counts.sort_unstable();
    counts.reverse();
    counts.retain(|(count, _)| *count > 0);
    counts.truncate(DATABASES_MAX);
    let place = |index: u32| counts.iter().position(|(_, kept)| *kept == index as usize);
    entries.retain_mut(|entry| place(entry.database).map(|place| entry.database = place as u32).is_some());
    *databases = counts.iter().map(|(_, index)| databases[*index].clone()).collect();
}
