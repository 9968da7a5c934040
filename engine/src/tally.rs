//! What is known about a haystack while it is scanned: matches, signatures put off, and the work they took.

use crate::database::SignatureId;
use crate::matcher::Workspace;
use crate::scanner::Match;
use std::collections::HashMap;
use std::ops::Range;

/// What a scan reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// Each signature once.
    Signatures,
    /// Each (signature, end) once.
    Ends,
}

/// What is known about a haystack so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Signatures found, each with the anchor it was found by: the lowest of those seen.
    pub(crate) first: HashMap<u32, (usize, Match)>,
    /// Every end of every signature, when they were asked for.
    pub(crate) every: Vec<Match>,
    /// Signatures that must be run over the whole haystack, each with the lowest anchor that it was put off at.
    pub(crate) to_run: HashMap<u32, usize>,
    /// Where work ran out, and on which signature: the first of those places.
    pub(crate) exceeded: Option<(usize, SignatureId)>,
    decided: Decided,
}

impl Tally {
    /// Whether candidates of a signature change nothing any more.
    #[inline(always)]
    pub(crate) fn is_decided(&self, id: u32) -> bool {
        self.decided.contains(id)
    }

    /// Adds the matches whose ends are in `work`.
    pub(crate) fn add(&mut self, id: u32, anchor: usize, start: usize, work: &Workspace, report: Report) {
        match report {
            Report::Ends => {
                self.every.extend(work.ends().positions().map(|end| Match::new(id, start as u64..end as u64)));
            }
            Report::Signatures => {
                if let Some(end) = work.ends().first() {
                    self.add_range(id, anchor, start..end, report);
                }
            }
        }
    }

    /// Adds one match.
    pub(crate) fn add_range(&mut self, id: u32, anchor: usize, range: Range<usize>, report: Report) {
        let found = Match::new(id, range.start as u64..range.end as u64);
        match report {
            Report::Ends => self.every.push(found),
            Report::Signatures => {
                self.first.entry(id).or_insert((anchor, found));
                self.decided.insert(id);
            }
        }
    }

    /// Adds a signature that is about the haystack as a whole.
    pub(crate) fn add_whole(&mut self, id: u32, len: usize) {
        self.first.entry(id).or_insert((0, Match::new(id, 0..len as u64)));
    }

    /// Notes a signature that must be run over the whole haystack.
    pub(crate) fn run_later(&mut self, id: u32, anchor: usize) {
        let lowest = self.to_run.entry(id).or_insert(anchor);
        *lowest = anchor.min(*lowest);
        self.decided.insert(id);
    }

    /// Takes the signatures that are to be run, ascending. Where another chunk found one of them already, the lower anchor decides, as it
    /// would have in one pass.
    pub(crate) fn take_to_run(&mut self, report: Report) -> Vec<u32> {
        let mut to_run = std::mem::take(&mut self.to_run);
        if report == Report::Signatures {
            to_run.retain(|id, anchor| self.first.get(id).is_none_or(|found| *anchor < found.0));
            self.first.retain(|id, _| !to_run.contains_key(id));
        }
        let mut ids: Vec<u32> = to_run.into_keys().collect();
        ids.sort_unstable();
        ids
    }

    /// Takes out the parts of logical signatures that were found, ascending: what tables name from `first` on, counted from there.
    pub(crate) fn take_parts(&mut self, first: u32) -> Vec<u32> {
        let mut parts: Vec<u32> = self.first.extract_if(|&id, _| id >= first).map(|(id, _)| id - first).collect();
        parts.sort_unstable();
        parts
    }

    /// Notes that the work ran out at `at` on signature `id`.
    pub(crate) fn exceed(&mut self, at: usize, id: u32) {
        self.join_exceeded(Some((at, SignatureId::new(id))));
    }

    fn join_exceeded(&mut self, other: Option<(usize, SignatureId)>) {
        self.exceeded = [self.exceeded, other].into_iter().flatten().min();
    }

    /// What two chunks found, together.
    pub(crate) fn join(mut self, other: Tally) -> Tally {
        for (id, found) in other.first {
            let kept = self.first.entry(id).or_insert(found);
            if found.0 < kept.0 {
                *kept = found;
            }
        }
        self.every.extend(other.every);
        for (id, anchor) in other.to_run {
            self.run_later(id, anchor);
        }
        self.join_exceeded(other.exceeded);
        self
    }

    /// Empties it for the next haystack, after its matches were taken.
    pub(crate) fn clear(&mut self) {
        self.decided.clear();
        self.first.clear();
        self.every.clear();
        self.to_run.clear();
        self.exceeded = None;
    }
}

/// Signatures whose candidates change nothing any more: a bit for each. Holds no memory until there is one.
#[derive(Debug, Default)]
struct Decided {
    bits: Vec<u64>,
    /// Those that are in it, so that emptying it costs no more than filling it did.
    ids: Vec<u32>,
}

impl Decided {
    #[inline(always)]
    fn contains(&self, id: u32) -> bool {
        self.bits.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn insert(&mut self, id: u32) {
        let index = id as usize / 64;
        if self.bits.len() <= index {
            self.bits.resize(index + 1, 0);
        }
        if !self.contains(id) {
            self.bits[index] |= 1 << (id % 64);
            self.ids.push(id);
        }
    }

    fn clear(&mut self) {
        for id in self.ids.drain(..) {
            self.bits[id as usize / 64] = 0;
        }
    }
}

/// Work that verification may still take in one chunk of a haystack.
///
/// A step is a position tried, or 64 bytes compared or passed over: nanoseconds. What a scan may take is a multiple of what it
/// scans, far above what files need, so that no file and no set of signatures makes it take longer than that.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: u64,
}

impl Budget {
    /// Steps for each byte.
    const STEPS_PER_BYTE: u64 = 32;
    /// Steps besides, so that a small file may cost as much as a mebibyte.
    const STEPS_MIN: u64 = 32 << 20;

    /// The work that `len` bytes may take.
    pub(crate) fn of(len: usize) -> Budget {
        Budget { steps: Budget::STEPS_MIN + Budget::STEPS_PER_BYTE * len as u64 }
    }

    /// The steps that are left.
    pub(crate) fn left(&self) -> u64 {
        self.steps
    }

    /// Takes `steps`; whether they were left.
    #[inline(always)]
    pub(crate) fn take(&mut self, steps: u64) -> bool {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        left.is_some()
    }
}
