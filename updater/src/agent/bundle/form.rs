//! The form of a bundle: a head of 48 bytes, an index, the bodies.

use crate::tuf::METADATA_LEN_MAX;
use crate::wire::{MODULE_LEN_MAX, Sha256Hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// First bytes of a bundle; the last of them is the version of its form.
const MAGIC: &[u8; 8] = b"titer-b1";
/// Bytes before the index: magic, length of the index (u64, little-endian), SHA-256 of the index.
const HEAD_LEN: usize = 8 + 8 + 32;
/// Longest index, in bytes.
const INDEX_LEN_MAX: u64 = 1 << 20;
/// Bytes from which [`read_index`] can tell everything.
pub(crate) const HEAD_LEN_MAX: u64 = HEAD_LEN as u64 + INDEX_LEN_MAX;
/// Longest blob, in bytes.
pub(crate) const BLOB_LEN_MAX: u64 = 512 << 20;

/// A bundle that is none, or is harmed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this bundle cannot be used: {0}")]
pub struct BundleError(String);

impl BundleError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        BundleError(reason.into())
    }

    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        "bundle_malformed"
    }
}

/// Where one file lies in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `metadata/<file>`, `blobs/<sha256>` or `modules/<sha256>`.
    pub name: String,
    /// Bytes.
    pub length: u64,
    /// Digest of the content.
    pub sha256: Sha256Hex,
    /// Where it begins in the file; worked out when the index is read.
    #[serde(skip)]
    pub offset: u64,
}

/// What a bundle says of itself. Nothing of it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Seconds since 1970 when it was made, by the maker's clock.
    pub created: i64,
    /// The service it was made from.
    pub service: String,
    /// Its files, in the order in which they lie.
    pub entries: Vec<Entry>,
}

impl Index {
    /// The entry of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Name of a blob's entry.
pub(crate) fn blob_name(sha256: &Sha256Hex) -> String {
    format!("blobs/{sha256}")
}

/// Name of a module's entry.
pub(crate) fn module_name(sha256: &Sha256Hex) -> String {
    format!("modules/{sha256}")
}

/// Reads the index in the first bytes of a bundle that has `file_len` bytes in all. Time and memory within a small factor of
/// `head`, of which at most 1 MiB and 48 bytes are looked at.
///
/// # Errors
/// [`BundleError`] for anything but a whole bundle: wrong magic, digest or form, entries that are named twice or oddly, are too
/// long, or do not fill the file to its last byte.
pub fn read_index(head: &[u8], file_len: u64) -> Result<Index, BundleError> {
    let malformed = |reason: &str| BundleError::new(reason);
    let (magic, rest) = head.split_first_chunk::<8>().ok_or_else(|| malformed("it is cut off"))?;
    if magic != MAGIC {
        return Err(malformed("it does not begin as one of this version does"));
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(|| malformed("it is cut off"))?;
    let (digest, rest) = rest.split_first_chunk::<32>().ok_or_else(|| malformed("it is cut off"))?;
    let length = u64::from_le_bytes(*length);
    if length > INDEX_LEN_MAX {
        return Err(malformed("its index is too long"));
    }
    let text = rest.get(..length as usize).ok_or_else(|| malformed("it is cut off"))?;
    if Sha256Hex::of(text).bytes() != digest {
        return Err(malformed("its index was harmed"));
    }
    let mut index: Index = serde_json::from_slice(text).map_err(|e| BundleError::new(format!("its index: {e}")))?;
    let mut names = BTreeSet::new();
    let mut offset = HEAD_LEN as u64 + length;
    for entry in &mut index.entries {
        let longest = longest(&entry.name).ok_or_else(|| malformed("an entry has a name that is none"))?;
        if entry.length > longest || !names.insert(&entry.name) {
            return Err(BundleError::new(format!("`{}` is too long, or there twice", entry.name)));
        }
        entry.offset = offset;
        offset = offset.checked_add(entry.length).ok_or_else(|| malformed("its entries are too long"))?;
    }
    if offset != file_len {
        return Err(BundleError::new(format!("it should have {offset} bytes and has {file_len}")));
    }
    Ok(index)
}

/// The most bytes that an entry of this name may have; `None` for a name that no entry may have.
fn longest(name: &str) -> Option<u64> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    match name.split_once('/')? {
        ("metadata", file) => {
            let stem = file.strip_suffix(".json").filter(|stem| stem.len() <= 128 && stem.bytes().all(is_plain))?;
            (!stem.is_empty()).then_some(METADATA_LEN_MAX)
        }
        ("blobs", digest) => digest.parse::<Sha256Hex>().ok().map(|_| BLOB_LEN_MAX),
        ("modules", digest) => digest.parse::<Sha256Hex>().ok().map(|_| MODULE_LEN_MAX),
        _ => None,
    }
}

/// The head and the index of a bundle with these entries.
pub(crate) fn write_head(index: &Index) -> Result<Vec<u8>, BundleError> {
    let text = serde_json::to_vec(index).expect("an index is plain JSON");
    if text.len() as u64 > INDEX_LEN_MAX {
        return Err(BundleError::new("too many files for one bundle"));
    }
    Ok([MAGIC.as_slice(), &(text.len() as u64).to_le_bytes(), Sha256Hex::of(&text).bytes(), &text].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(entries: &[(&str, u64)]) -> (Vec<u8>, u64) {
        let sha256 = Sha256Hex::of(b"");
        let entries =
            entries.iter().map(|(name, length)| Entry { name: (*name).to_owned(), length: *length, sha256, offset: 0 });
        let index = Index { created: 0, service: "http://localhost/".to_owned(), entries: entries.collect() };
        let head = write_head(&index).unwrap();
        let length = index.entries.iter().fold(head.len() as u64, |sum, entry| sum.wrapping_add(entry.length));
        (head, length)
    }

    #[test]
    fn entries_lie_one_after_the_other_to_the_last_byte() {
        let blob = format!("blobs/{}", "0".repeat(64));
        let (head, length) = bundle(&[("metadata/1.root.json", 10), (&blob, 20)]);
        let index = read_index(&head, length).unwrap();
        assert_eq!(index.entry(&blob).unwrap().offset, length - 20);
        assert_eq!(read_index(&head, length - 1).unwrap_err().code(), "bundle_malformed");
        read_index(&head, length + 1).unwrap_err();
        for end in 0..head.len() {
            read_index(&head[..end], length).unwrap_err();
        }
        for at in 0..head.len() {
            let mut harmed = head.clone();
            harmed[at] ^= 1;
            read_index(&harmed, length).unwrap_err();
        }
    }

    #[test]
    fn entries_of_odd_names_and_lengths_are_refused() {
        let blob = format!("blobs/{}", "0".repeat(64));
        let upper = format!("blobs/{}", "A".repeat(64));
        let module = format!("modules/{}", "0".repeat(64));
        for (entries, why) in [
            (vec![("metadata/../../etc/passwd.json", 1)], "leaves its folder"),
            (vec![("metadata/a/b.json", 1)], "has a folder of its own"),
            (vec![("metadata/1.root.json", 1), ("metadata/1.root.json", 1)], "is there twice"),
            (vec![("metadata/1.root.json", METADATA_LEN_MAX + 1)], "is too long"),
            (vec![(&blob, BLOB_LEN_MAX + 1)], "is too long"),
            (vec![(&blob, u64::MAX), ("metadata/x.json", u64::MAX)], "adds up to a small number"),
            (vec![(&module, MODULE_LEN_MAX + 1)], "is too long for a module"),
            (vec![(&upper, 1)], "is in upper case"),
            (vec![("blobs/", 1)], "has no digest"),
            (vec![("root.json", 1)], "is in no folder"),
            (vec![("", 1)], "has no name"),
            (vec![("metadata/Root.json", 1)], "is no name of ours"),
        ] {
            let (head, length) = bundle(&entries);
            assert!(read_index(&head, length).is_err(), "{why}");
        }
    }
}
