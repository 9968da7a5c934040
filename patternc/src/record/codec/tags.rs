//! The bytes by which records tell what comes: of their kinds, of offsets, of elements, of digests and sizes.

pub(crate) const BODY: u8 = 0;
/// Of a file; the other digests follow in the order of [`DigestOf`](crate::record::DigestOf).
pub(crate) const HASH: u8 = 1;
pub(crate) const LOGICAL: u8 = 8;

pub(crate) const OFFSET_ANY: u8 = 0;
pub(crate) const OFFSET_START: u8 = 1;
pub(crate) const OFFSET_END: u8 = 2;
pub(crate) const OFFSET_ENTRY: u8 = 3;
pub(crate) const OFFSET_BEFORE_ENTRY: u8 = 4;
pub(crate) const OFFSET_SECTION: u8 = 5;
pub(crate) const OFFSET_LAST_SECTION: u8 = 6;
pub(crate) const OFFSET_WITHIN: u8 = 7;
pub(crate) const OFFSET_VERSION_INFO: u8 = 8;

pub(crate) const BYTES: u8 = 0;
pub(crate) const ALTERNATIVES: u8 = 1;
pub(crate) const NEGATED: u8 = 2;
pub(crate) const GAP: u8 = 3;
pub(crate) const OPEN_GAP: u8 = 4;
pub(crate) const BOUNDARY: u8 = 5;

pub(crate) const MD5: u8 = 0;
pub(crate) const SHA1: u8 = 1;
pub(crate) const SHA256: u8 = 2;

pub(crate) const SIZE_ANY: u8 = 0;
pub(crate) const SIZE_EXACT: u8 = 1;

/// Length of the digest that a tag says comes, in bytes; `None` when it is none of a digest.
pub(crate) fn digest_len(tag: u8) -> Option<usize> {
    match tag {
        MD5 => Some(16),
        SHA1 => Some(20),
        SHA256 => Some(32),
        _ => None,
    }
}
