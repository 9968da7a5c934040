//! The records of the old blob, one after the other, with a few segments in memory at a time.
//!
//! Segments are compared with their digests, and those are covered by the root that the delta asks for. Records are not decoded again,
//! which would take longer than all the rest: whoever has a blob with this root has had it checked.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::DeltaError;
use crate::blob::segment::batch_len;
use crate::blob::{BlobError, Packed, SegmentFault};
use crate::record::skip;
use crate::wire::Reader;

/// A segment that has its digest.
struct Open {
    raw: Vec<u8>,
    /// Where each record ends.
    ends: Vec<u32>,
}

/// A walk through the records of a blob.
pub(super) struct Source<'a> {
    packed: &'a Packed<'a>,
    /// Index of the segment that is opened next.
    opening: usize,
    open: VecDeque<Open>,
    /// Records passed of the first open segment, and their bytes.
    record: usize,
    start: usize,
    /// Records passed in all.
    index: u64,
    /// The last record of the segment that was closed last.
    tail: Vec<u8>,
}

impl<'a> Source<'a> {
    pub(super) fn new(packed: &'a Packed<'a>) -> Source<'a> {
        Source { packed, opening: 0, open: VecDeque::new(), record: 0, start: 0, index: 0, tail: Vec::new() }
    }

    /// Number of records, as the header says, which the root covers.
    pub(super) fn len(&self) -> u64 {
        self.packed.header.counts.total()
    }

    /// Opens a batch of segments, unless one is open or there are none.
    pub(super) fn fill(&mut self) -> Result<(), DeltaError> {
        if self.open.front().is_some_and(|open| self.record < open.ends.len()) {
            return Ok(());
        }
        if let Some(closed) = self.open.pop_front() {
            let start = closed.ends.iter().rev().nth(1).map_or(0, |&end| end as usize);
            self.tail.clear();
            self.tail.extend_from_slice(&closed.raw[start..]);
            (self.record, self.start) = (0, 0);
        }
        if self.open.is_empty() {
            let segments = &self.packed.segments[self.opening..];
            let batch = &segments[..segments.len().min(batch_len())];
            let opened: Vec<_> = batch
                .par_iter()
                .map(|(entry, frame)| {
                    let raw = entry.unpack(frame)?;
                    let mut ends = Vec::with_capacity(entry.records.min(1 << 20) as usize);
                    let mut reader = Reader::new(&raw);
                    while !reader.is_empty() {
                        skip(&mut reader)?;
                        ends.push(reader.at() as u32);
                    }
                    Ok::<_, SegmentFault>(Open { raw, ends })
                })
                .collect();
            for (index, opened) in (self.opening..).zip(opened) {
                let named = |fault| DeltaError::Old(BlobError::Segment { index, fault });
                self.open.push_back(opened.map_err(named)?);
            }
            self.opening += batch.len();
        }
        Ok(())
    }

    /// The record that comes next, once [`Source::fill`] was asked; nothing at the end.
    pub(super) fn peek(&self) -> Option<&[u8]> {
        let open = self.open.front()?;
        let &end = open.ends.get(self.record)?;
        Some(&open.raw[self.start..end as usize])
    }

    /// The record that was passed last.
    pub(super) fn before(&self) -> Option<&[u8]> {
        match (self.open.front(), self.record) {
            (Some(open), 1..) => {
                let start = self.record.checked_sub(2).map_or(0, |last| open.ends[last] as usize);
                Some(&open.raw[start..self.start])
            }
            _ => Some(&self.tail[..]).filter(|tail| !tail.is_empty()),
        }
    }

    /// Passes the next record.
    pub(super) fn skip(&mut self) -> Result<(), DeltaError> {
        self.fill()?;
        if let Some(open) = self.open.front() {
            self.start = open.ends[self.record] as usize;
            self.record += 1;
            self.index += 1;
        }
        Ok(())
    }

    /// Passes records until so many were, giving each to `sink`.
    pub(super) fn pass_until(
        &mut self,
        index: u64,
        mut sink: impl FnMut(&[u8]) -> Result<(), DeltaError>,
    ) -> Result<(), DeltaError> {
        while self.index < index {
            self.fill()?;
            let short = || DeltaError::Range { index, records: self.index };
            sink(self.peek().ok_or_else(short)?)?;
            self.skip()?;
        }
        Ok(())
    }
}
