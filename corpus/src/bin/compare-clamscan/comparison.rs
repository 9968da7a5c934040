//! What both scanners find, and where that differs.

use crate::causes::{self, Cause};
use crate::clamscan::Clamscan;
use crate::signatures::Signatures;
use crate::subjects::Round;
use anyhow::Context as _;
use corpus::What;
use engine::{Database, Scanner};
use patternc::link::{LinkSource, link};
use patternc::record::{Record, Subsignature};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Files that are given to clamscan again, each alone.
const ALONE_MAX: usize = 300;

/// Who found what the other did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Titer,
    Clamscan,
}

/// A pair of file and signature that only one of them reports.
pub(crate) struct Difference {
    pub(crate) file: PathBuf,
    /// What the file was made to be, if it was made for this signature.
    pub(crate) what: Option<What>,
    pub(crate) signature: String,
    pub(crate) found_by: Side,
    pub(crate) cause: Option<Cause>,
}

/// Planted files of one sort.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) files: usize,
    /// In how many of them the signature that they were made for was found.
    pub(crate) titer: usize,
    pub(crate) clamscan: usize,
}

/// What all rounds came to.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) signatures: usize,
    pub(crate) files: usize,
    /// Pairs of file and signature that each reports, and that both do.
    pub(crate) titer: usize,
    pub(crate) clamscan: usize,
    pub(crate) agreeing: usize,
    /// Files that clamscan was given again.
    pub(crate) alone: usize,
    pub(crate) made: BTreeMap<What, Made>,
    pub(crate) differences: Vec<Difference>,
    /// Planted files, and their signatures, on which titer does not say what the oracle of planting says.
    pub(crate) surprises: Vec<(PathBuf, String)>,
}

impl Outcome {
    /// Pairs that one of them reports, or both.
    pub(crate) fn pairs(&self) -> usize {
        self.agreeing + self.differences.len()
    }

    /// Of those, how many both do, per cent.
    pub(crate) fn per_cent(&self) -> f64 {
        if self.pairs() == 0 { 100.0 } else { self.agreeing as f64 * 100.0 / self.pairs() as f64 }
    }
}

pub(crate) struct Comparison<'s> {
    clamscan: &'s Clamscan,
    databases: Vec<PathBuf>,
    database: Vec<u8>,
    by_name: HashMap<&'s str, Vec<&'s Record>>,
    outcome: Outcome,
}

type Found = BTreeSet<(usize, String)>;

impl<'s> Comparison<'s> {
    pub(crate) fn new(signatures: &'s Signatures, clamscan: &'s Clamscan) -> anyhow::Result<Comparison<'s>> {
        let records = signatures.records();
        let database = link(&[LinkSource { channel: "compare/clamscan", release: 1, root: [0; 32], records }])?;
        let mut by_name: HashMap<&str, Vec<&Record>> = HashMap::new();
        for record in records {
            by_name.entry(record.name()).or_default().push(record);
        }
        let outcome = Outcome { signatures: records.len(), ..Outcome::default() };
        Ok(Comparison { clamscan, databases: signatures.databases(), database, by_name, outcome })
    }

    /// Has both scan the files of a round.
    pub(crate) fn round(&mut self, round: &Round) -> anyhow::Result<()> {
        let mut ours = self.ours(&round.files)?;
        let mut theirs: Found = self.clamscan.scan(&self.databases, &round.files)?.into_iter().collect();
        self.again_alone(&round.files, &ours, &mut theirs)?;
        for (index, (what, name)) in round.made.iter().enumerate() {
            self.count_made(
                &round.files[index],
                *what,
                name,
                [&ours, &theirs].map(|found| found.contains(&(index, name.clone()))),
            )?;
        }
        self.outcome.files += round.files.len();
        self.outcome.titer += ours.len();
        self.outcome.clamscan += theirs.len();
        let both: Vec<(usize, String)> = ours.intersection(&theirs).cloned().collect();
        self.outcome.agreeing += both.len();
        for pair in &both {
            ours.remove(pair);
            theirs.remove(pair);
        }
        for (found_by, found) in [(Side::Titer, ours), (Side::Clamscan, theirs)] {
            for (index, signature) in found {
                let made = round.made.get(index).filter(|(_, name)| *name == signature);
                let difference = self.difference(&round.files[index], made.map(|(what, _)| *what), signature, found_by)?;
                self.outcome.differences.push(difference);
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Outcome {
        self.outcome
    }

    fn ours(&self, files: &[PathBuf]) -> anyhow::Result<Found> {
        let database = Database::open(&self.database)?;
        let scanner = Scanner::new(&database);
        let mut scratch = scanner.scratch();
        let mut found = Found::new();
        for (index, path) in files.iter().enumerate() {
            let matches = scanner.signatures(&mut scratch, &read(path)?).to_vec();
            found.extend(matches.iter().map(|found| (index, database.name(found.signature()).into_owned())));
            if let Some(signature) = scratch.exceeded() {
                eprintln!("{}: titer stopped at its limit of steps, at {}", path.display(), database.name(signature));
            }
        }
        Ok(found)
    }

    /// Gives clamscan files again, each alone, in which it misses something that counts from an entry point or a section: some executables
    /// spoil those after them.
    fn again_alone(&mut self, files: &[PathBuf], ours: &Found, theirs: &mut Found) -> anyhow::Result<()> {
        let missed = ours.difference(theirs).filter(|(_, name)| self.records(name).any(needs_image));
        let again: BTreeSet<usize> = missed.map(|(index, _)| *index).collect();
        for index in again.into_iter().take(ALONE_MAX.saturating_sub(self.outcome.alone)) {
            let found = self.clamscan.scan(&self.databases, std::slice::from_ref(&files[index]))?;
            theirs.extend(found.into_iter().map(|(_, name)| (index, name)));
            self.outcome.alone += 1;
        }
        Ok(())
    }

    fn records(&self, name: &str) -> impl Iterator<Item = &'s Record> {
        self.by_name.get(name).into_iter().flatten().copied()
    }

    fn count_made(&mut self, file: &Path, what: What, name: &str, [titer, clamscan]: [bool; 2]) -> anyhow::Result<()> {
        let made = self.outcome.made.entry(what).or_default();
        made.files += 1;
        made.titer += usize::from(titer);
        made.clamscan += usize::from(clamscan);
        if titer != what.is_hit() {
            // Another signature of that name may match.
            let bytes = read(file)?;
            if self.records(name).any(|record| corpus::bears(record, &bytes)) != titer {
                self.outcome.surprises.push((file.to_owned(), name.to_owned()));
            }
        }
        Ok(())
    }

    fn difference(&self, file: &Path, what: Option<What>, signature: String, found_by: Side) -> anyhow::Result<Difference> {
        let bytes = read(file)?;
        let cause = causes::of(found_by, &self.records(&signature).collect::<Vec<_>>(), &bytes);
        Ok(Difference { file: file.to_owned(), what, signature, found_by, cause })
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whether a signature asks for the entry point or the sections of an executable.
fn needs_image(record: &Record) -> bool {
    match record {
        Record::Body(body) => body.offset.needs_image(),
        Record::Hash(_) => false,
        Record::Logical(logical) => {
            let of_subsignature = |subsignature: &Subsignature| match subsignature {
                Subsignature::Bytes { offset, .. } => offset.needs_image(),
                Subsignature::Regex(regex) => regex.offset.needs_image(),
                _ => false,
            };
            let limits = &logical.limits;
            limits.entry_point.is_some() || limits.sections.is_some() || logical.subsignatures.iter().any(of_subsignature)
        }
    }
}
