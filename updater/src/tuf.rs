//! The repository's metadata: names, lifetimes, building, signing and reading of TUF roles.
//!
//! Format and checks are those of the TUF specification 1.0, as `tough` implements them. What is ours is the shape:
//!
//! ```text
//! root ── targets ──┬── m-<maker>   terminating, paths m/<maker>/*/*, signed by the maker alone
//!   │               └── m-<maker>   …
//!   ├──── snapshot      versions, lengths and hashes of targets and of every m-<maker>
//!   └──── timestamp     version, length and hash of snapshot; the only file whose content changes
//! ```
//!
//! The path pattern has one `*` a level, because readers differ on whether `*` crosses a slash.

mod director;
mod maker_role;
mod module;
mod root;
mod shape;
mod strict;

use crate::keys::{PublicKey, SigningKey};
use crate::words::printable;
pub(crate) use director::{check_director, director_keys, set_director_keys};
use jiff::{SignedDuration, Timestamp as Time};
pub use maker_role::MakerKeys;
pub(crate) use maker_role::{
    MakerRole, SignedRelease, delegations, maker_role, read_maker_role, role_name, target_path, verify_maker_role,
};
pub(crate) use module::{SignedModule, check_modules, module_of_file};
pub(crate) use root::{first_root, role_keys, set_role_keys, verify_first_root, verify_next_root};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
pub(crate) use shape::{TOP_ROLES, check_file, check_root, top_role};
use std::collections::HashMap;
use std::num::NonZeroU64;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::{Delegations, Hashes, Metafile, Role, Signature, Signed, Snapshot, Targets, Timestamp};

/// TUF version that the metadata follows.
pub(crate) const SPEC_VERSION: &str = "1.0.31";
/// Versions of it that are read.
const SPEC_MAJOR: &str = "1";

/// Member of the signed timestamp that says when it was signed, in seconds since 1970. Readers that do not know it pass it over.
pub(crate) const SIGNED_AT: &str = "signed_at";

/// Largest metadata file, in bytes, that any side accepts.
pub(crate) const METADATA_LEN_MAX: u64 = 1 << 20;

/// Root is renewed by hand, once a year.
pub(crate) const ROOT_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Targets hold only delegations and are re-signed by the service at half of this.
pub(crate) const TARGETS_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Re-signed at half of this.
pub(crate) const SNAPSHOT_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A maker who is silent for longer must sign again.
pub(crate) const MAKER_LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// When metadata signed now expires. The specification's times have whole seconds, and its other readers insist; rounding up
/// keeps the shortest lifetime from being none. A lifetime beyond the calendar ends with that.
pub(crate) fn expiry(now: Time, lifetime: SignedDuration) -> Time {
    let exact = now.saturating_add(lifetime).expect("a time goes in every direction");
    Time::from_second(exact.as_second() + 1).unwrap_or(exact)
}

/// Metadata could not be built, read or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TufError {
    /// A role's document does not parse, or a role cannot be written.
    #[error("{role} metadata cannot be read: {source}")]
    Malformed {
        /// Which role.
        role: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Too few signatures by the keys that the role must be signed with.
    #[error("{role} metadata is not signed as it must be: {reason}")]
    Unsigned {
        /// Which role.
        role: String,
        /// What the verifier says.
        reason: String,
    },
    /// Its time is over: nobody may rely on it any more.
    #[error("{role} metadata expired at {at}")]
    Expired {
        /// Which role.
        role: String,
        /// When it expired.
        at: Time,
    },
    /// A role, key or name does not fit the scheme.
    #[error("{role} metadata is refused: {reason}")]
    Refused {
        /// Which role.
        role: String,
        /// Why.
        reason: String,
    },
}

impl TufError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            TufError::Malformed { .. } => "metadata_malformed",
            TufError::Unsigned { .. } => "metadata_unsigned",
            TufError::Expired { .. } => "metadata_expired",
            TufError::Refused { .. } => "metadata_refused",
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have: text or an error")]
    pub(crate) fn refused(role: impl Into<String>, reason: impl ToString) -> Self {
        TufError::Refused { role: role.into(), reason: printable(&reason.to_string()) }
    }
}

/// Signs a role with every one of `keys`.
pub(crate) fn sign<'a, T: Role>(role: T, keys: impl IntoIterator<Item = &'a SigningKey>) -> Result<Signed<T>, TufError> {
    let message = canonical(&role)?;
    let signatures = keys.into_iter().map(|key| signature(key, &message)).collect::<Result<_, _>>()?;
    Ok(Signed { signed: role, signatures })
}

/// The bytes that a role's signatures are over.
pub(crate) fn canonical<T: Role>(role: &T) -> Result<Vec<u8>, TufError> {
    role.canonical_form().map_err(|e| TufError::refused(T::TYPE.to_string(), e))
}

pub(crate) fn signature(key: &SigningKey, message: &[u8]) -> Result<Signature, TufError> {
    Ok(Signature { keyid: keyid(&key.public())?, sig: key.sign(message).into() })
}

/// Digest by which metadata names a key.
pub(crate) fn keyid(key: &PublicKey) -> Result<Decoded<Hex>, TufError> {
    key.tuf().key_id().map_err(|e| TufError::refused("key", e))
}

/// The file of a signed role.
pub(crate) fn write<T: Role>(role: &Signed<T>) -> Result<Vec<u8>, TufError> {
    let mut bytes =
        serde_json::to_vec_pretty(role).map_err(|source| TufError::Malformed { role: T::TYPE.to_string(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a role's file, which must mean the same to every reader; trust is decided by the caller.
pub(crate) fn read<T: Role + DeserializeOwned>(bytes: &[u8]) -> Result<Signed<T>, TufError> {
    let read = strict::check(bytes).and_then(|()| serde_json::from_slice(bytes));
    read.map_err(|source| TufError::Malformed { role: T::TYPE.to_string(), source })
}

pub(crate) fn targets(version: NonZeroU64, delegations: Delegations, now: Time) -> Targets {
    let mut targets = Targets::new(SPEC_VERSION.to_owned(), version, expiry(now, TARGETS_LIFETIME));
    targets.delegations = Some(delegations);
    targets
}

pub(crate) fn snapshot(version: NonZeroU64, meta: HashMap<String, Metafile>, now: Time) -> Snapshot {
    let mut snapshot = Snapshot::new(SPEC_VERSION.to_owned(), version, expiry(now, SNAPSHOT_LIFETIME));
    snapshot.meta = meta;
    snapshot
}

/// The timestamp also says when it was signed, for terminals whose clock is behind.
pub(crate) fn timestamp(version: NonZeroU64, of_snapshot: Metafile, now: Time, expires: Time) -> Timestamp {
    let mut timestamp = Timestamp::new(SPEC_VERSION.to_owned(), version, expires);
    timestamp._extra.insert(SIGNED_AT.to_owned(), now.as_second().into());
    timestamp.meta.insert("snapshot.json".to_owned(), of_snapshot);
    timestamp
}

/// How a parent lists a file of metadata: version, length and hash, so that a reader downloads no byte too many.
pub(crate) fn metafile(version: NonZeroU64, bytes: &[u8]) -> Metafile {
    Metafile { length: Some(bytes.len() as u64), hashes: Some(hashes(bytes)), version, _extra: HashMap::new() }
}

fn hashes(bytes: &[u8]) -> Hashes {
    Hashes { sha256: Sha256::digest(bytes).to_vec().into(), _extra: HashMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_has_whole_seconds_and_is_no_sooner_than_asked() {
        let now: Time = "2026-11-21T22:09:23.694305470Z".parse().unwrap();
        assert_eq!(expiry(now, SignedDuration::from_secs(1)).to_string(), "2026-11-21T22:09:25Z");
        assert_eq!(expiry(now, SignedDuration::MAX), Time::MAX);
        assert_eq!(expiry(Time::MIN, SignedDuration::MIN).as_second(), Time::MIN.as_second() + 1);
    }
}
