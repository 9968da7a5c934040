//! Scanning bytes.

use crate::database::{Database, SignatureId};
use crate::digest::{Kinds, Running, digest_hits, equal_to};
use crate::layout::{DigestKind, DigestOf};
use crate::logical::{Evaluation, Exceeded, Regexes};
use crate::matcher::{Backend, Candidate, Hits, InRun, Literal, Outcome, Program, TierTable, Workspace, direct_hits};
use crate::normalise::Forms;
use crate::parts::Parts;
use crate::subject::Subject;
use crate::tally::{Budget, Report, Tally};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use rayon::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// One signature found in a haystack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    end: u64,
    signature: SignatureId,
    start: u64,
}

impl Match {
    pub(crate) fn new(id: u32, range: Range<u64>) -> Match {
        Match { end: range.end, signature: SignatureId::new(id), start: range.start }
    }

    /// Which signature.
    pub fn signature(&self) -> SignatureId {
        self.signature
    }

    /// The matching bytes: for the digest of a section those of the section, for other digests the whole haystack.
    ///
    /// A signature that is found in a normalised form of the haystack only (`docs/normalisation.md`) matches bytes of that form: the range counts
    /// in it.
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
    programs: Vec<u32>,
    work: Workspace,
    tally: Tally,
    matches: Vec<Match>,
    exceeded: Option<SignatureId>,
    allowed: Option<SignatureId>,
    forms: Forms,
}

impl Scratch {
    /// The entry of an allow list for whose sake the matches of the last scan were withdrawn: the haystack is the clean file that it names.
    pub fn allowed(&self) -> Option<SignatureId> {
        self.allowed
    }

    /// The signature on which the last scan reached a limit, if it did: what was found stands, and there may be more.
    ///
    /// A scan may take a number of steps that is proportional to its haystack and far above what files need. Only a haystack made for the
    /// signatures, or signatures made for it, exceed it. The other limits are those of pictures ([`image_hash`](crate::image_hash())), where a signature
    /// asks what one shows.
    pub fn exceeded(&self) -> Option<SignatureId> {
        self.exceeded
    }
}

/// What one tier let pass; see [`Scanner::profile`]. Windows in runs, which are passed by, are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierProfile {
    /// Windows that passed the filter.
    pub hits: u64,
    /// Candidates that were verified for them.
    pub candidates: u64,
}

/// Scans haystacks for the signatures of one database.
///
/// Immutable, `Send` and `Sync`; workers share it and bring a [`Scratch`] each.
#[derive(Clone, Debug)]
pub struct Scanner<'d> {
    database: Database<'d>,
    tiers: Vec<TierTable<'d>>,
    /// A bit for each target of a signature of the database.
    targets: u16,
    backend: Backend,
    /// The signatures scanned for, sorted; all of them when there is no list.
    only: Option<Arc<[SignatureId]>>,
    regexes: Arc<Regexes>,
}

/// Bytes that all tiers look at before any looks further: they stay in the first-level cache meanwhile.
const BLOCK: usize = 16 << 10;
/// Bytes of a large haystack that one worker takes at a time.
const CHUNK: usize = 1 << 20;
/// Every stride divides it.
const STRIDE_MAX: usize = 8;
/// Signatures to run from which one pass looks for what they need.
const SEARCH_TOGETHER_MIN: usize = 8;
/// Signatures to run times bytes from which threads share the work.
const RUN_TOGETHER_MIN: usize = 8 << 20;

impl<'d> Scanner<'d> {
    /// A scanner for `database` with the fastest loop of this processor. O(tiers and groups of fixed offsets).
    pub fn new(database: &Database<'d>) -> Scanner<'d> {
        Scanner::with_backend(database, Backend::best())
    }

    /// A scanner with a certain loop, to compare loops.
    pub fn with_backend(database: &Database<'d>, backend: Backend) -> Scanner<'d> {
        let tiers = (0..database.tiers.len()).map(|index| TierTable::new(database, index)).collect();
        Scanner { database: *database, tiers, targets: database.targets(), backend, only: None, regexes: Arc::default() }
    }

    /// A scanner for some signatures of `database` only, as when what is new in it is to be searched in files that were clean before.
    ///
    /// O(windows of the database), and memory for the windows of those signatures.
    pub fn restricted(database: &Database<'d>, signatures: &[SignatureId]) -> Scanner<'d> {
        let mut only = signatures.to_vec();
        only.sort_unstable();
        only.dedup();
        let wanted = |signature| only.binary_search(&signature).is_ok();
        let tiers = (0..database.tiers.len())
            .filter_map(|index| TierTable::part(database, index, |id| asks_for(database, id, wanted)))
            .collect();
        Scanner {
            database: *database,
            tiers,
            targets: database.targets(),
            backend: Backend::best(),
            only: Some(only.into()),
            regexes: Arc::default(),
        }
    }

    /// Whether this scanner scans for a signature of its database.
    pub fn scans_for(&self, signature: SignatureId) -> bool {
        self.only.as_ref().is_none_or(|only| only.binary_search(&signature).is_ok())
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
    ///
    /// There is none in a haystack that is on an allow list ([`Scratch::allowed`]). Its digest is computed only where something was found.
    pub fn signatures<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.scan(scratch, haystack, Report::Signatures, self.kinds(haystack.len()));
        self.withdraw_allowed(scratch, haystack)
    }

    /// [`Scanner::signatures`] but for allow lists, which the caller asks with [`Scanner::allowed_by`].
    pub(crate) fn signatures_before_allowing<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.scan(scratch, haystack, Report::Signatures, self.kinds(haystack.len()))
    }

    /// The entry of an allow list that this haystack is on, the first of several: also for a scanner of some signatures only.
    ///
    /// O(haystack) when there are entries for files of its size, O(log entries) else.
    pub(crate) fn allowed_by(&self, haystack: &[u8]) -> Option<SignatureId> {
        let kinds = Kinds::wanted(&self.database, DigestOf::CleanFile, haystack.len() as u64, |_| true, false);
        let mut first = None;
        digest_hits(&self.database, DigestOf::CleanFile, kinds, haystack, |id| {
            first = Some(first.map_or(id, |other: u32| other.min(id)));
        });
        first.map(SignatureId::new)
    }

    fn withdraw_allowed<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        scratch.allowed = None;
        if !scratch.matches.is_empty() || scratch.exceeded.is_some() {
            scratch.allowed = self.allowed_by(haystack);
        }
        if scratch.allowed.is_some() {
            scratch.matches.clear();
            scratch.exceeded = None;
        }
        &scratch.matches
    }

    /// [`Scanner::signatures`] of this haystack but for those by their MD5, which the caller looks up with
    /// [`Scanner::signatures_by_md5`] once it has it; before allow lists are asked.
    pub(crate) fn signatures_but_md5<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.scan(scratch, haystack, Report::Signatures, self.kinds(haystack.len()).without(DigestKind::Md5))
    }

    /// Whether some signature has an MD5 for haystacks of `len` bytes.
    pub(crate) fn wants_md5(&self, len: usize) -> bool {
        self.kinds(len).contains(DigestKind::Md5)
    }

    /// Adds to `matches` the signatures that have `digest` for haystacks of `len` bytes.
    pub(crate) fn signatures_by_md5(&self, digest: [u8; 16], len: usize, matches: &mut Vec<Match>) {
        let before = matches.len();
        equal_to(&self.database, DigestOf::File, DigestKind::Md5, len as u64, &digest, &mut |id| {
            if self.scans_for(SignatureId::new(id)) {
                matches.push(Match::new(id, 0..len as u64));
            }
        });
        if matches.len() > before {
            // Runs of ascending matches, one for each chunk and each signature that was run: a merge sort makes use of them.
            matches.sort();
        }
    }

    /// Every end of every match of every signature, each (signature, end) once, ascending by end, then by signature.
    ///
    /// Costs as [`Scanner::signatures`], and memory for each match.
    pub fn ends(&self, scratch: &mut Scratch, haystack: &[u8]) -> Vec<(SignatureId, u64)> {
        self.scan(scratch, haystack, Report::Ends, self.kinds(haystack.len()));
        self.withdraw_allowed(scratch, haystack).iter().map(|found| (found.signature, found.end)).collect()
    }

    /// The answer of [`Scanner::signatures`], worked out by the threads of the current rayon pool together.
    pub fn signatures_in_parallel<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.signatures_in_chunks(scratch, haystack, CHUNK)
    }

    /// [`Scanner::signatures_before_allowing`], worked out by the threads of the current rayon pool together.
    pub(crate) fn signatures_before_allowing_in_parallel<'s>(
        &self,
        scratch: &'s mut Scratch,
        haystack: &[u8],
    ) -> &'s [Match] {
        self.scan_together(scratch, haystack, CHUNK, self.kinds(haystack.len()))
    }

    /// [`Scanner::signatures_but_md5`], worked out by the threads of the current rayon pool together.
    pub(crate) fn signatures_but_md5_in_parallel<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8]) -> &'s [Match] {
        self.scan_together(scratch, haystack, CHUNK, self.kinds(haystack.len()).without(DigestKind::Md5))
    }

    /// [`Scanner::signatures_in_parallel`] with chunks of `chunk` bytes, rounded up to a multiple of every stride.
    #[doc(hidden)]
    pub fn signatures_in_chunks<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8], chunk: usize) -> &'s [Match] {
        self.scan_together(scratch, haystack, chunk, self.kinds(haystack.len()));
        self.withdraw_allowed(scratch, haystack)
    }

    fn scan_together<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8], chunk: usize, kinds: Kinds) -> &'s [Match] {
        let chunk = chunk.max(1).next_multiple_of(STRIDE_MAX);
        let subject = Subject::new(haystack);
        let mut digests = Vec::new();
        let (tally, ()) = rayon::join(
            || self.find_together(&subject, chunk),
            || digest_hits(&self.database, DigestOf::File, kinds, haystack, |signature| digests.push(signature)),
        );
        scratch.tally = tally;
        for signature in digests.into_iter().filter(|id| self.scans_for(SignatureId::new(*id))) {
            scratch.tally.add_whole(signature, haystack.len());
        }
        self.add_parts(&mut scratch.tally, &subject, Report::Signatures);
        self.finish(scratch, &subject, Report::Signatures);
        self.scan_forms(scratch, &subject, Report::Signatures, |scratch, form| {
            scratch.tally = self.find_together(form, chunk);
        });
        &scratch.matches
    }

    /// What begins, by its window, in each chunk, found by the threads of the current rayon pool together.
    fn find_together(&self, subject: &Subject<'_>, chunk: usize) -> Tally {
        let len = subject.haystack.len();
        let tallies = (0..len.div_ceil(chunk)).into_par_iter().map_init(Scratch::default, |scratch, index| {
            let end = len.min((index + 1) * chunk);
            self.scan_chunk(scratch, subject, index * chunk..end, Report::Signatures);
            std::mem::take(&mut scratch.tally)
        });
        tallies.reduce(Tally::default, Tally::join)
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
                profile.candidates += tier.candidates(self.backend, haystack, block, &mut hits).len() as u64;
                profile.hits += hits.len() as u64;
            }
            profile
        };
        self.tiers.iter().map(profile).collect()
    }

    fn scan<'s>(&self, scratch: &'s mut Scratch, haystack: &[u8], report: Report, kinds: Kinds) -> &'s [Match] {
        let mut digests = Running::new(kinds);
        let subject = Subject::new(haystack);
        for start in (0..haystack.len()).step_by(CHUNK) {
            let chunk = start..haystack.len().min(start + CHUNK);
            self.scan_chunk(scratch, &subject, chunk.clone(), report);
            // A chunk is still in the second-level cache, or the third, both of which are faster than any digest.
            digests.update(&haystack[chunk]);
        }
        digests.finish(&self.database, DigestOf::File, haystack.len() as u64, |id| {
            if self.scans_for(SignatureId::new(id)) {
                scratch.tally.add_whole(id, haystack.len());
            }
        });
        self.add_parts(&mut scratch.tally, &subject, report);
        self.finish(scratch, &subject, report);
        self.scan_forms(scratch, &subject, report, |scratch, form| {
            for start in (0..form.haystack.len()).step_by(CHUNK) {
                self.scan_chunk(scratch, form, start..form.haystack.len().min(start + CHUNK), report);
            }
        });
        &scratch.matches
    }

    /// Looks through the normalised forms of a file that was scanned, where the database has signatures for them: adds to what was found
    /// in the file itself. `find` adds to the tally what begins in a form.
    fn scan_forms(
        &self,
        scratch: &mut Scratch,
        file: &Subject<'_>,
        report: Report,
        mut find: impl FnMut(&mut Scratch, &Subject<'_>),
    ) {
        let mut forms = std::mem::take(&mut scratch.forms);
        forms.make(file.haystack, file.kind(), self.targets);
        for (_, form, targets, file_len) in forms.each(file.file_len) {
            let (found, exceeded) = (std::mem::take(&mut scratch.matches), scratch.exceeded);
            let form = Subject::form(form, targets, file_len);
            find(scratch, &form);
            self.finish(scratch, &form, report);
            scratch.exceeded = exceeded.or(scratch.exceeded);
            if !found.is_empty() {
                join(&mut scratch.matches, found, report);
            }
        }
        scratch.forms = forms;
    }

    /// Adds to the tally what begins, by its window, in `chunk`, which starts at a multiple of every stride.
    fn scan_chunk(&self, scratch: &mut Scratch, subject: &Subject<'_>, chunk: Range<usize>, report: Report) {
        let Scratch { hits, programs, work, tally, .. } = scratch;
        let mut verifier =
            Verifier { database: &self.database, subject, report, work, tally, budget: Budget::of(chunk.len()) };
        let mut start = chunk.start;
        while start < chunk.end {
            let end = chunk.end.min(start + BLOCK);
            for tier in self.tiers.iter().filter(|tier| subject.admits_some(tier.targets())) {
                let candidates = tier.candidates(self.backend, subject.haystack, start..end, hits);
                if !candidates.is_empty() && !verifier.verify(candidates, programs) {
                    return;
                }
            }
            start = end;
        }
    }

    /// The kinds of digests that some signature scanned for has for haystacks of `len` bytes.
    fn kinds(&self, len: usize) -> Kinds {
        self.kinds_of(DigestOf::File, len)
    }

    /// The kinds of digests that some signature scanned for has for `len` bytes of `of`.
    fn kinds_of(&self, of: DigestOf, len: usize) -> Kinds {
        Kinds::wanted(&self.database, of, len as u64, |id| self.scans_for(SignatureId::new(id)), self.only.is_some())
    }

    /// Adds to the tally the signatures by digests of parts of an executable.
    fn add_parts(&self, tally: &mut Tally, subject: &Subject<'_>, report: Report) {
        let kinds_of = |of, len| self.kinds_of(of, len);
        let add = |id, range| {
            if self.scans_for(SignatureId::new(id)) {
                tally.add_range(id, 0, range, report);
            }
        };
        if let Err(id) = (Parts { database: &self.database, subject, kinds_of }).find(add) {
            tally.exceed(subject.haystack.len(), id);
        }
    }

    /// Runs what must see the whole haystack, and puts the matches in order.
    fn finish(&self, scratch: &mut Scratch, subject: &Subject<'_>, report: Report) {
        let Scratch { work, tally, matches, exceeded, .. } = scratch;
        direct_hits(&self.database, subject, |id| {
            if subject.admits(self.database.program(id)) && self.asks_for(id) {
                tally.run_later(id, 0);
            }
        });
        if !tally.to_run.is_empty() {
            self.run_whole(subject, report, work, tally);
        }
        self.evaluate_logicals(subject, work, tally);
        matches.clear();
        matches.append(&mut tally.every);
        matches.extend(tally.first.drain().map(|(_, (_, found))| found));
        // Runs of ascending matches, one for each chunk and each signature that was run: a merge sort makes use of them.
        matches.sort();
        matches.dedup_by_key(|found| (found.end, found.signature));
        *exceeded = tally.exceeded.map(|(_, signature)| signature);
        tally.clear();
    }

    /// Whether this scanner scans for a signature, or for one that a part leads to.
    fn asks_for(&self, id: u32) -> bool {
        asks_for(&self.database, id, |signature| self.scans_for(signature))
    }

    /// Replaces the parts that were found by the logical signatures that hold.
    fn evaluate_logicals(&self, subject: &Subject<'_>, work: &mut Workspace, tally: &mut Tally) {
        let leading = tally.take_parts(self.database.len() as u32);
        let owners = leading.iter().flat_map(|&part| self.database.owners(part)).chain(self.database.unled());
        let mut led: Vec<u32> = owners.map(|logical| logical.get()).collect();
        if led.is_empty() {
            return;
        }
        led.sort_unstable();
        led.dedup();
        let len = subject.haystack.len();
        let mut evaluation = Evaluation::new(&self.database, subject, work, &self.regexes, &leading);
        for logical in led.into_iter().filter_map(|index| self.database.logicals.get(index as usize)) {
            let id = logical.signature.get();
            if !subject.admits_target(logical.target) || !self.scans_for(SignatureId::new(id)) {
                continue;
            }
            match evaluation.holds(self.database.condition(logical)) {
                Ok(true) => tally.add_whole(id, len),
                Ok(false) => {}
                Err(Exceeded::Work) => return tally.exceed(len, id),
                Err(Exceeded::Picture) => tally.exceed(len, id),
            }
        }
    }

    /// Runs the signatures that were put off, each over the whole haystack; many of them by many threads.
    fn run_whole(&self, subject: &Subject<'_>, report: Report, work: &mut Workspace, tally: &mut Tally) {
        let haystack = subject.haystack;
        let mut budget = Budget::of(haystack.len());
        let mut to_run = tally.take_to_run(report);
        self.drop_hopeless(&mut to_run, haystack, &mut budget);
        if to_run.len().saturating_mul(haystack.len()) < RUN_TOGETHER_MIN {
            for id in to_run {
                self.run(id, subject, report, (work, budget.left()), tally);
                if !budget.take(work.take_steps()) {
                    return tally.exceed(haystack.len(), id);
                }
            }
            return;
        }
        let budget = Mutex::new(budget);
        let runs = to_run.into_par_iter().fold(
            || (Workspace::default(), Tally::default()),
            |(mut work, mut tally), id| {
                // Whoever runs out of steps says so; the others end at their next signature.
                if tally.exceeded.is_none() {
                    let left = budget.lock().map_or(0, |budget| budget.left());
                    self.run(id, subject, report, (&mut work, left), &mut tally);
                    if !budget.lock().is_ok_and(|mut budget| budget.take(work.take_steps())) {
                        tally.exceed(haystack.len(), id);
                    }
                }
                (work, tally)
            },
        );
        let found = runs.map(|(_, tally)| tally).reduce(Tally::default, Tally::join);
        *tally = std::mem::take(tally).join(found);
    }

    /// Drops those of many signatures that need a literal which is nowhere in the haystack; one pass finds that out for all.
    fn drop_hopeless(&self, to_run: &mut Vec<u32>, haystack: &[u8], budget: &mut Budget) {
        if to_run.len() < SEARCH_TOGETHER_MIN {
            return;
        }
        let literal = |id: &u32| self.program(*id)?.other_literal().map(|literal| (*id, literal));
        let (ids, literals): (Vec<u32>, Vec<&[u8]>) = to_run.iter().filter_map(literal).unzip();
        let Ok(automaton) = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(literals) else {
            return;
        };
        let mut missing: HashSet<u32> = ids.iter().copied().collect();
        for found in automaton.find_overlapping_iter(haystack) {
            missing.remove(&ids[found.pattern().as_usize()]);
            // Without steps left all may be there; what runs next says that the limit is exceeded.
            if missing.is_empty() || !budget.take(1) {
                return;
            }
        }
        to_run.retain(|id| !missing.contains(id));
    }

    /// Runs a signature over the whole haystack, in not many more than `steps_max` steps; there are no matches when they do not do.
    fn run(
        &self,
        id: u32,
        subject: &Subject<'_>,
        report: Report,
        (work, steps_max): (&mut Workspace, u64),
        tally: &mut Tally,
    ) {
        let report = self.report_of(id, report);
        if let Some(literal) = Literal::read(self.database.programs, self.database.program(id)) {
            let most = if report == Report::Signatures { 1 } else { usize::MAX };
            literal.places(subject.haystack).take(most).for_each(|range| tally.add_range(id, 0, range, report));
            work.add_search(subject.haystack.len());
            return;
        }
        let start = self.program(id).and_then(|program| program.run(subject, work, steps_max));
        if let Some(start) = start {
            tally.add(id, 0, start, work, report);
        }
    }

    fn program(&self, id: u32) -> Option<Program<'d>> {
        Program::read(self.database.programs, self.database.program(id))
    }

    /// What is reported of a signature when `report` is asked for. Of a part one match is enough.
    fn report_of(&self, id: u32, report: Report) -> Report {
        if self.database.part_of(id).is_some() { Report::Signatures } else { report }
    }
}

/// Whether `wanted` holds for the signature that `id` names, or for one that this leads to when it is a part.
fn asks_for(database: &Database<'_>, id: u32, wanted: impl Fn(SignatureId) -> bool) -> bool {
    let Some(part) = database.part_of(id) else { return wanted(SignatureId::new(id)) };
    let mut owners = database.owners(part).iter().filter_map(|index| database.logicals.get(index.get() as usize));
    owners.any(|logical| wanted(SignatureId::new(logical.signature.get())))
}

/// Adds what was `found` before to `matches`, in order: each signature once, where it was found first, or each of its ends.
fn join(matches: &mut Vec<Match>, found: Vec<Match>, report: Report) {
    if report == Report::Signatures {
        let known: HashSet<SignatureId> = found.iter().map(Match::signature).collect();
        matches.retain(|one| !known.contains(&one.signature));
    }
    matches.extend(found);
    matches.sort();
    matches.dedup_by_key(|found| (found.end, found.signature));
}

/// Verifies the candidates of one chunk.
struct Verifier<'v, 'd> {
    database: &'v Database<'d>,
    subject: &'v Subject<'v>,
    report: Report,
    work: &'v mut Workspace,
    tally: &'v mut Tally,
    budget: Budget,
}

impl Verifier<'_, '_> {
    /// Adds to the tally what the candidates come to; whether there are steps left to go on.
    fn verify(&mut self, candidates: &[Candidate], programs: &mut Vec<u32>) -> bool {
        // What signatures say is read for all candidates before any program is, so that the cache misses of a large database overlap.
        programs.clear();
        programs.extend(candidates.iter().map(|candidate| self.database.program(candidate.signature)));
        for (candidate, &program) in candidates.iter().zip(&*programs) {
            // A signature for files of another kind ends here, before its program is read.
            let steps = if !self.subject.admits(program) {
                1
            } else if let Some(literal) = Literal::read(self.database.programs, program) {
                self.verify_literal(*candidate, literal)
            } else {
                self.verify_program(*candidate, program)
            };
            if !self.budget.take(steps) {
                self.tally.exceed(candidate.anchor, candidate.signature);
                return false;
            }
        }
        true
    }

    /// What is reported of a signature; of a part one match is enough.
    fn report_of(&self, id: u32) -> Report {
        if self.database.part_of(id).is_some() { Report::Signatures } else { self.report }
    }

    #[inline(always)]
    fn verify_literal(&mut self, candidate: Candidate, literal: Literal<'_>) -> u64 {
        let found = literal.at_anchor(self.subject.haystack, candidate.anchor);
        if found.is_some() || candidate.repeats {
            self.literal_found(candidate, literal, found);
        }
        literal.steps()
    }

    #[cold]
    fn literal_found(&mut self, candidate: Candidate, literal: Literal<'_>, found: Option<Range<usize>>) {
        let Candidate { signature: id, anchor, repeats } = candidate;
        if self.tally.is_decided(id) {
            return;
        }
        let report = self.report_of(id);
        // Where ends are asked for, each of those that were passed by is one.
        let run = repeats
            && match literal.in_run(self.subject.haystack, anchor) {
                InRun::Decided => found.is_some() && report == Report::Ends,
                InRun::Nothing => false,
                InRun::Open => found.is_none() || report == Report::Ends,
            };
        if run {
            self.tally.run_later(id, anchor);
        } else if let Some(range) = found {
            self.tally.add_range(id, anchor, range, report);
        }
    }

    fn verify_program(&mut self, candidate: Candidate, program: u32) -> u64 {
        let Candidate { signature: id, anchor, repeats } = candidate;
        let Some(program) = Program::read(self.database.programs, program).filter(|_| !self.tally.is_decided(id)) else {
            return 1;
        };
        let report = self.report_of(id);
        let open = repeats
            && match program.in_run(self.subject.haystack, anchor) {
                InRun::Decided => report == Report::Ends,
                InRun::Nothing => false,
                InRun::Open => true,
            };
        if open {
            self.tally.run_later(id, anchor);
            return 1;
        }
        match program.at_anchor(self.subject, anchor, self.work) {
            Outcome::Nothing => {}
            Outcome::PartHolds => self.tally.run_later(id, anchor),
            Outcome::Matches { start } => self.tally.add(id, anchor, start, self.work, report),
        }
        1 + self.work.take_steps()
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
