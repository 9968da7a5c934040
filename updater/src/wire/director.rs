//! What the director signs, and how it travels. `docs/assignments.md` is the prose of this file.

use super::{Assignment, ChannelRelease, Sha256Hex};
use crate::keys::PublicKey;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A document as text, with signatures over these very bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedDocument {
    /// JSON; what is signed is its kind and this text, so that nobody needs a canonical form.
    pub payload: String,
    /// Signatures so far.
    pub signatures: Vec<DocumentSignature>,
}

/// One signature of a [`SignedDocument`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentSignature {
    /// Whose.
    #[schema(value_type = String)]
    pub key: PublicKey,
    /// Ed25519, 64 bytes in hexadecimal.
    pub signature: String,
}

/// What every terminal of a cohort shall run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignmentDocument {
    /// Whose assignment this is.
    pub cohort: String,
    /// Only grows within a cohort.
    pub number: u64,
    /// Seconds since 1970.
    pub signed_at: i64,
    /// Seconds since 1970; from then on nobody follows it.
    pub expires: i64,
    /// The version of root that names who signed it.
    pub root: u64,
    /// What is to be run and why.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// The blobs of it that the service holds, ascending by channel.
    pub blobs: Vec<AssignedBlob>,
}

/// A release of an assignment with what its blob must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedBlob {
    /// Channel and release.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Digest of the blob; the maker must have signed the same.
    pub sha256: Sha256Hex,
    /// Bytes of the blob; the same.
    pub length: u64,
}

/// That a terminal belongs to a cohort, in answer to one check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// The terminal.
    pub terminal: String,
    /// Its cohort; its own number where what comes with this is a [`OneOffDocument`](super::OneOffDocument).
    pub cohort: String,
    /// Least number of the cohort's assignment that is to be followed; with a one-off, the counter.
    pub number: u64,
    /// The counter of the check-in that this answers.
    pub counter: u64,
    /// What the terminal must say at its next check-in, so that two copies of it are noticed.
    pub freshness: String,
    /// Seconds since 1970.
    pub expires: i64,
}
