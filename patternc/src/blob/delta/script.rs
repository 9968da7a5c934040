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
    mut records: Records<'_>,
    source: &mut Source<'_>,
    known: Option<&[(u64, Edit<'_>)]>,
    mut sink: impl FnMut(&[u8]) -> Result<(), DeltaError>,
) -> Result<(), DeltaError> {
    let mut gaps = Numbers::new();
    let mut kinds = Choices::<8>::new();
    let mut left = *counts;
    let (mut cursor, mut last) = (0u64, 0usize);
    // The last addition, while nothing old came after it; the last old record that was learned from, by its index.
    let (mut latest, mut learned) = (Vec::new(), 0u64);
    for step in 0..counts.edits() {
        let edit = known.and_then(|known| known.get(step as usize));
        let gap = gaps.code(coder, edit.map_or(0, |(at, _)| at - cursor));
        let kind = kinds.code(coder, last * 2 + usize::from(gap == 0), edit.map_or(0, |(_, edit)| edit.number()));
        left.take(kind).ok_or(DeltaError::Script(WireError {
            at: step as usize,
            what: "there are more edits of a kind than stated, edit",
        }))?;
        if gap > 0 {
            latest.clear();
        }
        let range = || DeltaError::Range { index: cursor.saturating_add(gap), records: source.len() };
        let at = cursor
            .checked_add(gap)
            .filter(|&at| at < source.len().saturating_add(u64::from(kind == ADD)))
            .ok_or_else(range)?;
        source.pass_until(at, &mut sink)?;
        let record = edit.map_or(&[][..], |(_, edit)| edit.record());
        match kind {
            REMOVE => source.skip()?,
            ADD => {
                let record = match &mut records {
                    Records::Bulk(bulk) if known.is_none() => read_bulk(bulk, &mut left)?,
                    Records::Bulk(_) => Vec::new(),
                    Records::Modelled(model) => {
                        source.fill()?;
                        if learned <= at {
                            source.before().into_iter().for_each(|before| model.learn(before));
                            learned = at + 1;
                        }
                        let before = source.before().filter(|before| *before > &latest[..]);
                        let low = before.or(Some(&latest[..]).filter(|latest| !latest.is_empty()));
                        let place = Place { low, high: source.peek(), instead_of: None };
                        modelled(model, coder, place, record, &mut left)?
                    }
                };
                sink(&record)?;
                latest = record;
            }
            _ => {
                let Records::Modelled(model) = &mut records else {
                    return Err(DeltaError::Script(WireError {
                        at: step as usize,
                        what: "records in bulk replace no others, edit",
                    }));
                };
                source.fill()?;
                let place = Place { instead_of: source.peek(), ..Place::default() };
                let record = modelled(model, coder, place, record, &mut left)?;
                sink(&record)?;
                source.skip()?;
                latest = record;
            }
        }
        cursor = at + u64::from(kind != ADD);
        last = kind;
    }
    source.pass_until(source.len(), &mut sink)?;
    let rest = match &records {
        Records::Modelled(_) => left.bytes != 0,
        Records::Bulk(bulk) => known.is_none() && (left.bytes != 0 || !bulk.is_empty()),
    };
    if rest { Err(additions("fewer bytes than stated")) } else { Ok(()) }
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
