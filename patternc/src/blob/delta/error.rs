//! Why a delta cannot be made, read or applied.

use crate::blob::{BlobError, Channel, FrameError, Root};
use crate::wire::WireError;

/// Why a delta cannot be made, read or applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The header is not that of a delta, or harmed, or does not agree with the file's length.
    #[error("{0}")]
    Header(#[from] FrameError),
    /// The payload is harmed.
    #[error("payload: its digest does not agree with its bytes")]
    PayloadDigest,
    /// More is to be unpacked than allowed.
    #[error("payload: {0}")]
    Limit(BlobError),
    /// The records in bulk are not a zstd frame of the stated length.
    #[error("bulk: the compressed bytes do not unpack to the {raw_len} bytes stated")]
    Unpack {
        /// Stated length.
        raw_len: u64,
    },
    /// The edits are not what they should be.
    #[error("script: {0}")]
    Script(WireError),
    /// The records that come are not what they should be.
    #[error("additions: {0}")]
    Additions(WireError),
    /// An edit beyond the end of the old blob.
    #[error("script: an edit of record {index}, the old blob has {records}")]
    Range {
        /// Index of the record, from 0.
        index: u64,
        /// Number of records of the old blob.
        records: u64,
    },
    /// A record that comes does not belong where it is put, or is there already.
    #[error("additions: a record does not come after the one before it")]
    Order,
    /// The old blob cannot be read.
    #[error("old blob: {0}")]
    Old(BlobError),
    /// The new blob cannot be read, or the records do not make one.
    #[error("new blob: {0}")]
    New(BlobError),
    /// The blobs are of two channels.
    #[error("the delta goes from channel {from} to channel {to}")]
    Channel {
        /// Channel of the old blob.
        from: Channel,
        /// Channel of the new one.
        to: Channel,
    },
    /// The delta is for another blob.
    #[error("the delta is for the blob with root {expected}, this one has {found}")]
    BaseRoot {
        /// Root in the delta.
        expected: Root,
        /// Root of the blob at hand.
        found: Root,
    },
    /// The delta does not make what it says.
    #[error("the delta should make a blob with root {expected}, it makes {found}")]
    ResultRoot {
        /// Root in the delta.
        expected: Root,
        /// Root of what it makes.
        found: Root,
    },
}

impl DeltaError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            DeltaError::Header(FrameError::Version { .. }) => "delta_version",
            DeltaError::Header(_) => "delta_header",
            DeltaError::PayloadDigest => "delta_harmed",
            DeltaError::Limit(_) => "delta_too_much",
            DeltaError::Unpack { .. } | DeltaError::Script(_) | DeltaError::Range { .. } => "delta_malformed",
            DeltaError::Additions(_) | DeltaError::Order => "delta_record",
            DeltaError::Old(_) => "delta_base_harmed",
            DeltaError::New(_) => "delta_result_refused",
            DeltaError::Channel { .. } => "delta_channels_differ",
            DeltaError::BaseRoot { .. } => "delta_wrong_base",
            DeltaError::ResultRoot { .. } => "delta_wrong_result",
        }
    }
}
