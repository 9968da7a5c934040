//! Scanning bytes.

use crate::database::{Database, SignatureId};
use crate::digest::digest_hits;
use crate::matcher::{Backend, Candidate, Hits, Literal, Outcome, Program, TierTable, Workspace, direct_hits};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::Range;

/// One signature found in a haystack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    end: u64,
    signature: SignatureId,
    start: u64,
}

impl Match {
    /// Which signature.
    pub fn signature(&self) -> SignatureId {
        self.signature
    }

    /// The matching bytes; the whole haystack for a hash signature.
    ///
    /// A pattern with gaps may match from several starts up to one end; the range begins at one of them.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// Reusable memory of one worker: with it, scanning a haystack without a match allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    hits: Hits,
    work: Workspace,
    tally: Tally,
    matches: Vec<Match>,
}

/// What is known about a haystack so far.
#[derive(Debug, Default)]
struct Tally {
    /// Signatures found, each with the anchor it was found by: the lowest of those seen.
    first: HashMap<u32, (usize, Match)>,
    /// Every end of every signature, when they were asked for.
    every: Vec<Match>,
    /// Signatures that must be run over the whole haystack, each with the lowest anchor that it was put off at.
    to_run: HashMap<u32, usize>,
}

/// What one tier let pass; see [`Scanner::profile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierProfile {
    /// Windows that passed the filter.
    pub hits: u64,
    /// Candidates that were verified for them.
    pub candidates: u64,
}

/// What a scan reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    /// Each signature once.
    Signatures,
    /// Each (signature, end) once.
    Ends,
}

/// Scans haystacks for the signatures of one database.
///
/// Immutable, `Send` and `Sync`; workers share it and bring a [`Scratch`] each.
#[derive(Clone, Debug)]
pub struct Scanner<'d> {
    database: Database<'d>,
    tiers: Vec<TierTable<'d>>,
    backend: Backend,
}

/// Bytes that all tiers look at before any looks further: they stay in the first-level cache meanwhile.
const BLOCK: usize = 16 << 10;
/// Bytes of a large haystack that one worker takes at a time.
const CHUNK: usize = 1 << 20;
/// Every stride divides it.
const STRIDE_MAX: usize = 8;
/// Signatures to run times bytes from which threads share the work.
const RUN_TOGETHER_MIN: usize = 8 << 20;

impl<'d> Scanner<'d> {
    /// A scanner for `database` with the fastest loop of this processor. O(tiers).
    pub fn new(database: &Database<'d>) -> Scanner<'d> {
        Scanner::with_backend(database, Backend::best())
    }

    /// A scanner with a certain loop, to compare loops.
    pub fn with_backend(database: &Database<'d>, backend: Backend) -> Scanner<'d> {
        let tiers = database.tiers.iter().map(|tier| TierTable::new(database, tier)).collect();
        Scanner { database: *database, tiers, backend }
    }

    /// The database this scanner scans for.
    pub fn database(&self) -> &Database<'d> {
        &self.database
    }

    /// New memory for a worker.
    pub fn scratch(&self) -> Scratch {
        Scratch::default()
    }

    /// Each signature found in `haystack`, once, ascending by end, then by signature.
    ///
    /// One pass, O(haystack + candidates × cost of their programs), and O(elements × haystack) more for each signature with a far
    /// gap whose anchor occurs. Which match stands for a signature does not depend on threads or chunks: it is found by the
    /// lowest anchor.
    pub fn signatures<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.scan(scratch, haystack, Report::Signatures)
    }

    /// Every end of every match of every signature, each (signature, end) once, ascending by end, then by signature.
    ///
    /// Costs as [`Scanner::signatures`], and memory for each match.
    pub fn ends(&self, scratch: &mut Scratch, haystack: &[u8]) -> Vec<(SignatureId, u64)> {
        self.scan(scratch, haystack, Report::Ends).iter().map(|found| (found.signature, found.end)).collect()
    }

    /// The answer of [`Scanner::signatures`], worked out by the threads of the current rayon pool together.
    pub fn signatures_in_parallel(&self, haystack: &[u8]) -> Vec<Match> {
        self.signatures_in_chunks(haystack, CHUNK)
    }

    /// [`Scanner::signatures_in_parallel`] with chunks of `chunk` bytes, rounded up to a multiple of every stride.
    #[doc(hidden)]
    pub fn signatures_in_chunks(&self, haystack: &[u8], chunk: usize) -> Vec<Match> {
        let chunk = chunk.max(1).next_multiple_of(STRIDE_MAX);
        let chunks = (0..haystack.len().div_ceil(chunk)).into_par_iter();
        let find = || {
            let tallies = chunks.map_init(Scratch::default, |scratch, index| {
                let end = haystack.len().min((index + 1) * chunk);
                self.scan_range(scratch, haystack, index * chunk..end, Report::Signatures);
                std::mem::take(&mut scratch.tally)
            });
            tallies.reduce(Tally::default, Tally::join)
        };
        let mut scratch = self.scratch();
        let mut digests = Vec::new();
        let (tally, ()) = rayon::join(find, || digest_hits(&self.database, haystack, |signature| digests.push(signature)));
        scratch.tally = tally;
        for signature in digests {
            scratch.tally.add_whole(signature, haystack.len());
        }
        self.finish(&mut scratch, haystack, Report::Signatures);
        scratch.matches
    }

    /// What each tier lets pass in `haystack`, in the order of the tiers: the measure of its anchors.
    ///
    /// Costs as a scan without verification.
    pub fn profile(&self, haystack: &[u8]) -> Vec<TierProfile> {
        let mut hits = Hits::default();
        let profile = |tier: &TierTable<'_>| {
            let mut profile = TierProfile::default();
            for start in (0..haystack.len()).step_by(BLOCK) {
                let block = start..haystack.len().min(start + BLOCK);
                tier.candidates(self.backend, haystack, block, &mut hits, |_| profile.candidates += 1);
                profile.hits += hits.len() as u64;
            }
            profile
        };
        self.tiers.iter().map(profile).collect()
    }

    fn scan<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8], report: Report) -> &'s [Match] {
        self.scan_range(scratch, haystack, 0..haystack.len(), report);
        digest_hits(&self.database, haystack, |signature| scratch.tally.add_whole(signature, haystack.len()));
        self.finish(scratch, haystack, report);
        &scratch.matches
    }

    /// Adds to the tally what begins, by its window, in `range`; its start is a multiple of every stride.
    fn scan_range(&self, scratch: &mut Scratch, haystack: &[u8], range: Range<usize>, report: Report) {
        let Scratch { hits, work, tally, .. } = scratch;
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min(start + BLOCK);
            for tier in &self.tiers {
                tier.candidates(self.backend, haystack, start..end, hits, |candidate| {
                    self.verify(candidate, haystack, report, work, tally);
                });
            }
            start = end;
        }
    }

    fn verify(&self, candidate: Candidate, haystack: &[u8], report: Report, work: &mut Workspace, tally: &mut Tally) {
        let Candidate { signature: id, anchor } = candidate;
        let Some(signature) = self.database.signature(id) else { return };
        if let Some(literal) = Literal::read(self.database.programs, signature.program.get()) {
            if let Some(range) = literal.at_anchor(haystack, anchor) {
                tally.add_range(id, anchor, range, report);
            }
            return;
        }
        if report == Report::Signatures && tally.first.contains_key(&id) || tally.to_run.contains_key(&id) {
            return;
        }
        let Some(program) = Program::read(self.database.programs, signature.program.get()) else { return };
        match program.at_anchor(haystack, anchor, work) {
            Outcome::Nothing => {}
            Outcome::PartHolds => tally.run_later(id, anchor),
            Outcome::Matches { start } => tally.add(id, anchor, start, work, report),
        }
    }

    /// Runs what must see the whole haystack, and puts the matches in order.
    fn finish(&self, scratch: &mut Scratch, haystack: &[u8], report: Report) {
        let Scratch { work, tally, matches, .. } = scratch;
        direct_hits(&self.database, haystack, |id| tally.run_later(id, 0));
        self.run_whole(haystack, report, work, tally);
        matches.clear();
        matches.append(&mut tally.every);
        matches.extend(tally.first.drain().map(|(_, (_, found))| found));
        matches.sort_unstable();
        matches.dedup_by_key(|found| (found.end, found.signature));
    }

    /// Runs the signatures that were put off, each over the whole haystack; many of them by many threads.
    fn run_whole(&self, haystack: &[u8], report: Report, work: &mut Workspace, tally: &mut Tally) {
        let to_run = tally.take_to_run(report);
        if to_run.len().saturating_mul(haystack.len()) < RUN_TOGETHER_MIN {
            for id in to_run {
                self.run(id, haystack, report, work, tally);
            }
            return;
        }
        let runs = to_run.into_par_iter().fold(
            || (Workspace::default(), Tally::default()),
            |(mut work, mut tally), id| {
                self.run(id, haystack, report, &mut work, &mut tally);
                (work, tally)
            },
        );
        let found = runs.map(|(_, tally)| tally).reduce(Tally::default, Tally::join);
        *tally = std::mem::take(tally).join(found);
    }

    fn run(&self, id: u32, haystack: &[u8], report: Report, work: &mut Workspace, tally: &mut Tally) {
        let start = self.program(id).and_then(|program| program.run(haystack, work));
        if let Some(start) = start {
            tally.add(id, 0, start, work, report);
        }
    }

    fn program(&self, id: u32) -> Option<Program<'d>> {
        Program::read(self.database.programs, self.database.signature(id)?.program.get())
    }
}

impl Tally {
    /// Adds the matches whose ends are in `work`.
    fn add(&mut self, id: u32, anchor: usize, start: usize, work: &Workspace, report: Report) {
        let found = |end: usize| Match { end: end as u64, signature: SignatureId::new(id), start: start as u64 };
        match report {
            Report::Ends => self.every.extend(work.ends().positions().map(found)),
            Report::Signatures => {
                if let Some(end) = work.ends().first() {
                    self.first.entry(id).or_insert((anchor, found(end)));
                }
            }
        }
    }

    /// Adds one match.
    fn add_range(&mut self, id: u32, anchor: usize, range: Range<usize>, report: Report) {
        let found = Match { end: range.end as u64, signature: SignatureId::new(id), start: range.start as u64 };
        match report {
            Report::Ends => self.every.push(found),
            Report::Signatures => {
                self.first.entry(id).or_insert((anchor, found));
            }
        }
    }

    /// Notes a signature that must be run over the whole haystack.
    fn run_later(&mut self, id: u32, anchor: usize) {
        let lowest = self.to_run.entry(id).or_insert(anchor);
        *lowest = anchor.min(*lowest);
    }

    /// Takes the signatures that are to be run. Where another chunk found one of them already, the lower anchor decides, as it would
    /// have in one pass.
    fn take_to_run(&mut self, report: Report) -> Vec<u32> {
        let mut to_run = std::mem::take(&mut self.to_run);
        if report == Report::Signatures {
            to_run.retain(|id, anchor| self.first.get(id).is_none_or(|found| *anchor < found.0));
            self.first.retain(|id, _| !to_run.contains_key(id));
        }
        to_run.into_keys().collect()
    }

    /// Adds a signature that is about the haystack as a whole.
    fn add_whole(&mut self, id: u32, len: usize) {
        let found = Match { end: len as u64, signature: SignatureId::new(id), start: 0 };
        self.first.entry(id).or_insert((0, found));
    }

    /// What two chunks found, together.
    fn join(mut self, other: Tally) -> Tally {
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
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_share_may_be_shared() {
        fn shareable<T: Send + Sync + std::panic::UnwindSafe>() {}
        shareable::<Scanner<'_>>();
        shareable::<Database<'_>>();
    }
}
