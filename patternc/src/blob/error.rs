//! Why a blob cannot be read or made.

use super::{FrameError, Root, SegmentFault};
use crate::record::Kind;

/// Why a blob cannot be read or made. The text names the place: header, segment table, or which segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The header is not that of a blob, or harmed, or does not agree with the file's length.
    #[error("{0}")]
    Header(#[from] FrameError),
    /// The segment table does not agree with its digest.
    #[error("segment table: its digest does not agree with its bytes")]
    TableDigest,
    /// The segment table does not fit the file.
    #[error("segment table: {what}")]
    Table {
        /// What is wrong.
        what: String,
    },
    /// A segment is harmed or not in canonical form.
    #[error("segment {index}: {fault}")]
    Segment {
        /// Index of the segment, from 0.
        index: usize,
        /// What is wrong with it.
        fault: SegmentFault,
    },
    /// The header states another root than its facts and segments have.
    #[error("root hash: the header says {stated}, its facts and segments have {found}")]
    Root {
        /// Root in the header.
        stated: Root,
        /// Root of what follows.
        found: Root,
    },
    /// The header states another number of records.
    #[error("header: {stated} records of kind {kind}, the segments have {found}")]
    Count {
        /// Kind of the records.
        kind: Kind,
        /// Number in the header.
        stated: u64,
        /// Number in the segments.
        found: u64,
    },
    /// More than [`Limits`](super::Limits) allows.
    #[error("{what}: {found}, at most {max} are allowed")]
    Limit {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much is allowed.
        max: u64,
    },
    /// A record that cannot be in a blob.
    #[error("record {index}: {what}")]
    Record {
        /// Index of the record, from 0.
        index: usize,
        /// Why not.
        what: &'static str,
    },
    /// An engine range that ends before it begins.
    #[error("engine range: {min} to {max} holds no engine")]
    EngineRange {
        /// Oldest.
        min: u32,
        /// Newest.
        max: u32,
    },
}
