//! Linking: records of one or more blobs become a database that scanners map and use in place.
//!
//! For each body signature the linker chooses an anchor, lowers the pattern to a program, and enters the anchor's windows in the
//! tables of its tier; signatures tied to one offset go to a table of their own, digests to sorted arrays. Linking is
//! deterministic: the same records in the same order give the same bytes, on however many processors.
//!
//! Signatures are numbered as their records stand, but for those of digests: these come last, in the order of their tables, so that
//! no table need say whose a digest is.
//!
//! Peak memory beside the records is some 80 bytes for each signature and 32 MiB, then the database and its largest section again. Who has no
//! other use for the records can [`prepare`], let go of them, and [`Prepared::build`]: of each there remains what goes into the database.

mod anchor;
mod assemble;
mod beside;
mod crowd;
mod direct;
mod hashes;
mod key;
mod logical;
mod lower;
mod names;
mod run;
mod shapes;
mod tables;
mod window;

use crate::model::Model;
use crate::record::{Record, Target};
use anchor::{Anchor, Chooser, Proposal};
pub use assemble::Prepared;
pub use crowd::SIGNATURES_PER_WINDOW;
use direct::Direct;
use engine::layout::{NO_PROGRAM, Signature, Source};
use engine::pattern::Pattern;
use hashes::Hashes;
use logical::{LogicalSections, Logicals};
use lower::Body;
use names::Names;
use rayon::prelude::*;
pub(crate) use run::is_letter_of_either_case;
use tables::{DirectTables, TierTables};
use zerocopy::little_endian::{U32, U64};

/// First candidate for the multiplier of the window hash: the odd fraction of the golden ratio, spreading windows that differ in few bits.
const HASH_KEY: u64 = 0x9e37_79b9_7f4a_7c15;
/// Patterns that threads choose anchors for before any of these is entered. Each waits in some 300 bytes.
const PROPOSED: usize = 1 << 14;

/// What goes into a database under one channel.
#[derive(Clone, Copy, Debug)]
pub struct LinkSource<'a> {
    /// `maker/name` of the channel.
    pub channel: &'a str,
    /// Release number.
    pub release: u64,
    /// Root hash of the blob; zeros when the records come from no blob.
    pub root: [u8; 32],
    /// Its records.
    pub records: &'a [Record],
}

/// How to link.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions<'a> {
    /// What is common in the files that will be scanned; [`Model::shipped`] by default.
    pub model: &'a Model,
    /// What the candidates for the hash key are drawn from; by default a constant, so that the same records give the same bytes. A service
    /// that scans what strangers send gives bytes of a good source of randomness: then nobody can compute beforehand what its filters
    /// pass.
    pub key: Option<u64>,
}

impl Default for LinkOptions<'static> {
    fn default() -> Self {
        LinkOptions { model: Model::shipped(), key: None }
    }
}

/// Why records cannot be linked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A pattern that may match anywhere has nowhere two fixed bytes in a row.
    #[error("signature `{name}` of {channel} has no two fixed bytes in a row to search for, and no fixed offset")]
    NoAnchor {
        /// Its name.
        name: String,
        /// Its channel.
        channel: String,
    },
    /// More of something than the format can count.
    #[error("too many {what} for one database: at most {max} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The most the format holds.
        max: u64,
    },
}

/// Whether a scanner can find `pattern` wherever it begins: it has two bytes in a row that are fixed, or letters of either case.
pub(crate) fn can_be_searched(pattern: &Pattern) -> bool {
    longest_searched(pattern) >= 2
}

/// Most bytes in a row that a scanner can search `pattern` by.
pub(crate) fn longest_searched(pattern: &Pattern) -> usize {
    run::run_lens(pattern, run::Fold::Folded).max().unwrap_or(0)
}

/// Links `sources` to a database, in their order.
///
/// O(records), and O(n log n) in stored windows.
///
/// # Errors
/// [`LinkError`].
pub fn link(sources: &[LinkSource<'_>]) -> Result<Vec<u8>, LinkError> {
    link_with(sources, &LinkOptions::default())
}

/// [`link`] with a model of one's own, or a hash key drawn from a secret.
///
/// # Errors
/// [`LinkError`].
pub fn link_with(sources: &[LinkSource<'_>], options: &LinkOptions<'_>) -> Result<Vec<u8>, LinkError> {
    prepare(sources, options)?.build()
}

/// The first half of [`link_with`]: takes from the records all that the database needs of them.
///
/// Most of the time goes by here.
///
/// # Errors
/// [`LinkError`].
pub fn prepare<'m>(sources: &[LinkSource<'_>], options: &LinkOptions<'m>) -> Result<Prepared<'m>, LinkError> {
    let logicals = Logicals::gather(sources, options.model)?;
    let mut linker = Linker::default();
    linker.count(sources)?;
    linker.anchor(sources, &logicals, options.model)?;
    for source in sources {
        linker.add(source)?;
    }
    let logicals = linker.add_parts(&logicals)?;
    Ok(linker.prepared(logicals, *options))
}

/// The records that are not of digests, each with the index of its signature and its channel.
fn undigested<'a>(sources: &'a [LinkSource<'a>]) -> impl Iterator<Item = (u32, &'a Record, &'a str)> + Clone {
    let records = sources.iter().flat_map(|source| source.records.iter().map(move |record| (record, source.channel)));
    let numbered = (0_u32..).zip(records.filter(|(record, _)| !matches!(record, Record::Hash(_))));
    numbered.map(|(id, (record, channel))| (id, record, channel))
}

/// The signatures that must be searched for, those not tied to one offset, and the index of each in the database; then the parts of logical
/// ones, which are numbered after `signatures`.
fn floating<'a>(
    sources: &'a [LinkSource<'a>],
    signatures: u32,
    logicals: &'a Logicals<'a>,
) -> impl Iterator<Item = (u32, Body<'a>)> + Clone {
    let bodies = undigested(sources).filter_map(|(id, record, _)| match record {
        Record::Body(body) => Some((id, Body::of(body))),
        _ => None,
    });
    let parts = logicals.leading().map(move |(part, body)| (signatures + part, body));
    bodies.chain(parts).filter(|(_, body)| !body.offset.is_fixed())
}

/// The error that signature `id` has no anchor.
fn no_anchor(sources: &[LinkSource<'_>], signatures: u32, logicals: &Logicals<'_>, id: u32) -> LinkError {
    let id = id.checked_sub(signatures).map_or(Some(id), |part| logicals.first_owner(part)).unwrap_or(id);
    let of = undigested(sources).nth(id as usize).map(|(_, record, channel)| (record.name(), channel));
    let (name, channel) = of.unwrap_or_default();
    LinkError::NoAnchor { name: name.to_owned(), channel: channel.to_owned() }
}

/// Sections that grow as records are added.
#[derive(Default)]
struct Linker<'a> {
    /// How many signatures there are in all.
    count: u32,
    /// The anchors of the signatures that have one and are not yet added, in their order.
    anchors: std::vec::IntoIter<Anchor>,
    names: Names<'a>,
    sources: Vec<Source>,
    /// Those that are not of digests, and the program of each.
    signatures: Vec<Signature>,
    signature_programs: Vec<U32>,
    programs: Vec<u8>,
    tiers: TierTables,
    direct: DirectTables,
    hashes: Hashes,
}

impl<'a> Linker<'a> {
    /// Counts the signatures.
    fn count(&mut self, sources: &[LinkSource<'_>]) -> Result<(), LinkError> {
        let signatures: usize = sources.iter().map(|source| source.records.len()).sum();
        let count = u32::try_from(signatures).ok().filter(|count| *count < u32::MAX / 2);
        self.count = count.ok_or_else(|| too_many("signatures", u64::from(u32::MAX / 2)))?;
        Ok(())
    }

    /// Chooses anchors and enters their windows, for signatures with the fewest places to be found by first: the others can make way.
    fn anchor(&mut self, sources: &[LinkSource<'_>], logicals: &Logicals<'_>, model: &Model) -> Result<(), LinkError> {
        let signatures = self.count;
        let floating = floating(sources, signatures, logicals);
        let patterns: Vec<&Pattern> = floating.clone().map(|(_, body)| body.pattern).collect();
        let searched: Vec<(u32, Target)> = floating.map(|(id, body)| (id, body.target)).collect();
        let mut chooser = Chooser::new(&patterns, model);
        let options = |(place, pattern): (usize, &&Pattern)| (chooser.options(pattern) as u32, place as u32);
        let mut waiting: Vec<(u32, u32)> = patterns.par_iter().enumerate().map(options).collect();
        waiting.par_sort_unstable();
        let mut anchors = vec![Anchor::START; patterns.len()];
        for block in waiting.chunks(PROPOSED) {
            let propose = |&(_, place): &(u32, u32)| chooser.propose(patterns[place as usize]);
            let proposed: Vec<Proposal> = block.par_iter().map(propose).collect();
            for (&(_, place), proposed) in block.iter().zip(proposed) {
                let place = place as usize;
                let (id, target) = searched[place];
                let choice = chooser.settle(patterns[place], proposed);
                let choice = choice.ok_or_else(|| no_anchor(sources, signatures, logicals, id))?;
                self.tiers.add(&choice, target, id);
                anchors[place] = choice.anchor;
            }
        }
        self.anchors = anchors.into_iter();
        Ok(())
    }

    fn add(&mut self, source: &LinkSource<'a>) -> Result<(), LinkError> {
        let index = u16::try_from(self.sources.len()).map_err(|_| too_many("blobs", u64::from(u16::MAX)))?;
        let name = self.names.put(source.channel)?;
        let name_len = U32::new(source.channel.len() as u32);
        self.sources.push(Source { name, name_len, release: U64::new(source.release), root: source.root });
        for record in source.records {
            let name = self.names.add(record.name(), index)?;
            let id = self.signatures.len() as u32;
            let program = match record {
                Record::Body(body) => self.add_body(&Body::of(body), id, true)?,
                Record::Logical(_) => NO_PROGRAM,
                Record::Hash(hash) => {
                    self.hashes.add(hash, name);
                    continue;
                }
            };
            self.signatures.push(name);
            self.signature_programs.push(U32::new(program));
        }
        Ok(())
    }

    /// Enters the parts of logical signatures, after all signatures, and gives their sections.
    fn add_parts(&mut self, logicals: &Logicals<'_>) -> Result<LogicalSections, LinkError> {
        let signatures = self.count;
        let mut leading = logicals.leading().map(|(part, _)| part).peekable();
        let mut programs = Vec::with_capacity(logicals.bodies().len());
        for (part, body) in (0_u32..).zip(logicals.bodies()) {
            let leads = leading.next_if_eq(&part).is_some();
            programs.push(self.add_body(&body, signatures + part, leads)?);
        }
        logicals.sections(&programs)
    }

    /// Enters a body in the table that will find it if it is `searched` for, unless [`Linker::anchor`] did; returns its program.
    fn add_body(&mut self, body: &Body<'_>, id: u32, searched: bool) -> Result<u32, LinkError> {
        let anchor = if !searched {
            Anchor::START
        } else if let Some(direct) = Direct::of(body) {
            self.direct.add(&direct, body.target, id);
            Anchor::START
        } else {
            self.anchors.next().expect("each signature without a fixed offset has an anchor")
        };
        lower::append_program(&mut self.programs, body, anchor).ok_or_else(|| too_many("bytes of programs", 1 << 29))
    }

    fn prepared(self, logicals: LogicalSections, options: LinkOptions<'_>) -> Prepared<'_> {
        debug_assert_eq!(self.anchors.len(), 0, "every anchor has its program");
        Prepared {
            options,
            stems: self.names.stems,
            names: self.names.text,
            sources: self.sources,
            signatures: self.signatures,
            signature_programs: self.signature_programs,
            programs: self.programs,
            tiers: self.tiers,
            direct: self.direct,
            hashes: self.hashes,
            logicals,
        }
    }
}

fn too_many(what: &'static str, max: u64) -> LinkError {
    LinkError::TooMany { what, max }
}
