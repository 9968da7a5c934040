//! The edits of a delta, as they are coded: where each is, what it is, and the record that comes.

use super::coder::{Choices, Coder, Numbers};
use super::header::Counts;
use super::model::{Model, Place};
use super::source::Source;
use super::{BULK_BYTES_MIN, DeltaError};
use crate::record::decode_one;
use crate::wire::{Reader, WireError};

/// What is done with an old record, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit<'a> {
    /// It goes.
    Remove,
    /// Another comes before it; after the last one, at the end.
    Add(&'a [u8]),
    /// It goes, and one of the same kind and name comes.
    Change(&'a [u8]),
}

/// Edits with the indices of old records, ascending; of those with one index, additions come first.
pub(super) type Edits<'a> = Vec<(u64, Edit<'a>)>;

const REMOVE: usize = 0;
const ADD: usize = 1;
const CHANGE: usize = 2;

impl<'a> Edit<'a> {
    fn number(self) -> usize {
        match self {
            Edit::Remove => REMOVE,
            Edit::Add(_) => ADD,
            Edit::Change(_) => CHANGE,
        }
    }

    fn record(self) -> &'a [u8] {
        match self {
            Edit::Remove => &[],
            Edit::Add(record) | Edit::Change(record) => record,
        }
    }
}

/// How records that come are written down.
pub(super) enum Records<'a> {
    /// Among the edits, by a model.
    Modelled(Box<Model>),
    /// Elsewhere, one after the other.
    Bulk(Reader<'a>),
}

impl Records<'_> {
    /// The way for so many bytes of records; a reader has `bulk`.
    pub(super) fn of(bytes: u64, bulk: &[u8]) -> Records<'_> {
        if bytes < BULK_BYTES_MIN {
            Records::Modelled(Box::new(Model::new(bytes as usize)))
        } else {
            Records::Bulk(Reader::new(bulk))
        }
    }
}

/// Goes through the old records and the edits, which a writer has and a reader is about to learn, and gives every new record to
/// `sink`, in order. One function for both, so that they see the same at every step.
pub(super) fn run<C: Coder>(
    coder: &mut C,
    counts: &Counts,
    records: Records<'_>,
    source: &mut Source<'_>,
    known: Option<&[(u64, Edit<'_>)]>,
    sink: impl FnMut(&[u8]) -> Result<(), DeltaError>,
) -> Result<(), DeltaError> {
    let mut gaps = Numbers::new();
    let mut kinds = Choices::<8>::new();
    let writes = known.is_some();
    let mut walk = Walk { records, source, sink, writes, left: *counts, latest: Vec::new(), learned: 0 };
    let (mut cursor, mut last) = (0u64, 0usize);
    for step in 0..counts.edits() {
        let edit = known.and_then(|known| known.get(step as usize));
        let gap = gaps.code(coder, edit.map_or(0, |(at, _)| at - cursor));
        let kind = kinds.code(coder, last * 2 + usize::from(gap == 0), edit.map_or(0, |(_, edit)| edit.number()));
        walk.left.take(kind).ok_or_else(|| at_edit(step, "there are more edits of a kind than stated, edit"))?;
        let at = walk.pass(cursor, gap, kind)?;
        let record = edit.map_or(&[][..], |(_, edit)| edit.record());
        match kind {
            REMOVE => walk.source.skip()?,
            ADD => walk.add(coder, at, record)?,
            _ => walk.change(coder, step, record)?,
        }
        cursor = at + u64::from(kind != ADD);
        last = kind;
    }
    walk.finish()
}

/// A walk through the old records, and what is known of the new ones.
struct Walk<'w, 'a, 'b, S> {
    records: Records<'b>,
    source: &'w mut Source<'a>,
    sink: S,
    /// Whether edits are written; a reader is about to learn them.
    writes: bool,
    left: Counts,
    /// The last addition or change, while nothing old came after it.
    latest: Vec<u8>,
    /// The last old record that was learned from: its index and one.
    learned: u64,
}

impl<S: FnMut(&[u8]) -> Result<(), DeltaError>> Walk<'_, '_, '_, S> {
    /// Goes on to the next edit, `gap` records from `cursor`, and says where that is. Additions may lie behind the last record.
    fn pass(&mut self, cursor: u64, gap: u64, kind: usize) -> Result<u64, DeltaError> {
        if gap > 0 {
            self.latest.clear();
        }
        let records = self.source.len();
        let at = cursor.checked_add(gap).filter(|&at| at < records.saturating_add(u64::from(kind == ADD)));
        let at = at.ok_or(DeltaError::Range { index: cursor.saturating_add(gap), records })?;
        self.source.pass_until(at, &mut self.sink)?;
        Ok(at)
    }

    fn add(&mut self, coder: &mut impl Coder, at: u64, known: &[u8]) -> Result<(), DeltaError> {
        let Walk { records, source, latest, left, learned, .. } = self;
        let record = match records {
            Records::Bulk(bulk) if !self.writes => read_bulk(bulk, left)?,
            Records::Bulk(_) => Vec::new(),
            Records::Modelled(model) => {
                source.fill()?;
                if *learned <= at {
                    source.before().into_iter().for_each(|before| model.learn(before));
                    *learned = at + 1;
                }
                let before = source.before().filter(|before| *before > &latest[..]);
                let low = before.or(Some(&latest[..]).filter(|latest| !latest.is_empty()));
                let place = Place { low, high: source.peek(), instead_of: None };
                modelled(model, coder, place, known, left)?
            }
        };
        (self.sink)(&record)?;
        self.latest = record;
        Ok(())
    }

    fn change(&mut self, coder: &mut impl Coder, step: u64, known: &[u8]) -> Result<(), DeltaError> {
        let Records::Modelled(model) = &mut self.records else {
            return Err(at_edit(step, "records in bulk replace no others, edit"));
        };
        self.source.fill()?;
        let place = Place { instead_of: self.source.peek(), ..Place::default() };
        let record = modelled(model, coder, place, known, &mut self.left)?;
        (self.sink)(&record)?;
        self.source.skip()?;
        self.latest = record;
        Ok(())
    }

    /// Passes the old records that are left; no bytes of new ones may be.
    fn finish(mut self) -> Result<(), DeltaError> {
        self.source.pass_until(self.source.len(), &mut self.sink)?;
        let rest = match &self.records {
            Records::Modelled(_) => self.left.bytes != 0,
            Records::Bulk(bulk) => !self.writes && (self.left.bytes != 0 || !bulk.is_empty()),
        };
        if rest { Err(additions("fewer bytes than stated")) } else { Ok(()) }
    }
}

fn at_edit(step: u64, what: &'static str) -> DeltaError {
    DeltaError::Script(WireError { at: step as usize, what })
}

fn additions(what: &'static str) -> DeltaError {
    DeltaError::Additions(WireError { at: 0, what })
}

fn modelled(
    model: &mut Model,
    coder: &mut impl Coder,
    place: Place<'_>,
    known: &[u8],
    left: &mut Counts,
) -> Result<Vec<u8>, DeltaError> {
    let record = model.code(coder, place, known, left.bytes as usize);
    left.bytes -= record.len() as u64;
    check(&record)?;
    Ok(record)
}

fn read_bulk(bulk: &mut Reader<'_>, left: &mut Counts) -> Result<Vec<u8>, DeltaError> {
    let mut scratch = Vec::new();
    let (record, encoded) = decode_one(bulk, &mut scratch).map_err(DeltaError::Additions)?;
    left.bytes = left.bytes.saturating_sub(encoded.len() as u64);
    if record.can_be_found() { Ok(encoded.to_vec()) } else { Err(additions("a pattern has nothing to search for")) }
}

/// Whether these bytes are a record and nothing else.
fn check(encoded: &[u8]) -> Result<(), DeltaError> {
    let mut reader = Reader::new(encoded);
    let mut scratch = Vec::new();
    let (record, _) = decode_one(&mut reader, &mut scratch).map_err(DeltaError::Additions)?;
    if !reader.is_empty() {
        return Err(additions("there are bytes after a record"));
    }
    if record.can_be_found() { Ok(()) } else { Err(additions("a pattern has nothing to search for")) }
}
