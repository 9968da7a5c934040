//! The only module that knows `patternc`: what the updater asks of a blob, and no more.

use crate::tuf::SignedRelease;
use crate::wire::Sha256Hex;
use patternc::blob;
use patternc::blob::DeltaError;
pub use patternc::blob::{Channel, Root};
use std::ops::Range;

/// Decodes a blob in full and says what it is.
pub(crate) fn describe(bytes: &[u8]) -> Result<SignedRelease, String> {
    let header = blob::decode(bytes).map_err(|e| e.to_string())?.header;
    Ok(SignedRelease {
        channel: header.channel,
        release: header.release,
        root: header.root,
        created: header.created,
        length: bytes.len() as u64,
        sha256: Sha256Hex::of(bytes),
    })
}

/// Checks that `bytes` are the very release that its maker signed: length, digest, content, header.
pub(crate) fn check(bytes: &[u8], signed: &SignedRelease) -> Result<(), String> {
    if bytes.len() as u64 != signed.length {
        return Err(format!("it has {} bytes, {} are signed", bytes.len(), signed.length));
    }
    let digest = Sha256Hex::of(bytes);
    if digest != signed.sha256 {
        return Err(format!("its sha256 is {digest}, {} is signed", signed.sha256));
    }
    let found = describe(bytes)?;
    if found != *signed {
        return Err(format!(
            "it says that it is release {} of {} with root {}; signed is release {} of {} with root {}",
            found.release, found.channel, found.root, signed.release, signed.channel, signed.root,
        ));
    }
    Ok(())
}

/// The same for what [`patch`] made, whose records need no second reading.
pub(crate) fn check_patched(bytes: &[u8], signed: &SignedRelease) -> Result<(), String> {
    let header = blob::read_header(bytes).map_err(|e| e.to_string())?;
    let digest = Sha256Hex::of(bytes);
    let found = SignedRelease {
        channel: header.channel,
        release: header.release,
        root: header.root,
        created: header.created,
        length: bytes.len() as u64,
        sha256: digest,
    };
    if found == *signed { Ok(()) } else { Err(format!("it makes a blob with sha256 {digest}, {} is signed", signed.sha256)) }
}

/// Byte ranges of a blob that do not have their digests.
pub(crate) fn harmed(bytes: &[u8]) -> Vec<Range<usize>> {
    blob::harmed(bytes)
}

/// A delta that turns `old` into `new`.
pub(crate) fn diff(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DeltaError> {
    blob::diff(old, new)
}

/// Applies a delta; the caller compares the result with what was signed.
pub(crate) fn patch(old: &[u8], delta: &[u8]) -> Result<Vec<u8>, DeltaError> {
    blob::patch(old, delta)
}

/// The names of a blob's records, sorted, each once. Decodes the blob in full: seconds and hundreds of megabytes for millions.
pub(crate) fn names(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = blob::names(bytes).map_err(|e| e.to_string())?.map(|(_, name)| name).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
