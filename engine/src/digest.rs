//! Hash signatures: digests of whole files, computed only where one could match.

use crate::database::{Database, slice};
use crate::layout::{DigestKind, HashTable};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;

/// Calls `found` with each signature whose digest `haystack` has.
///
/// A kind whose table has no digest for this length, and none for any length, costs one binary search and no digest.
pub(crate) fn digest_hits(database: &Database<'_>, haystack: &[u8], mut found: impl FnMut(u32)) {
    for (kind, table) in DigestKind::ALL.into_iter().zip(database.hash_tables) {
        let groups = [Some((0, table.any_size.get())), sized_group(database, table, haystack.len() as u64)];
        let mut groups = groups.into_iter().flatten().filter(|(first, end)| first < end).peekable();
        if groups.peek().is_none() {
            continue;
        }
        let mut buffer = [0; 32];
        let digest = digest(kind, haystack, &mut buffer);
        for (first, end) in groups {
            equal_digests(database, table, kind, first..end, digest, &mut found);
        }
    }
}

/// The digests, counted from the table's first, that apply to files of `len` bytes.
fn sized_group(database: &Database<'_>, table: &HashTable, len: u64) -> Option<(u32, u32)> {
    let first = table.first_size.get() as usize;
    let sizes = database.hash_sizes.get(first..first.checked_add(table.size_count.get() as usize)?)?;
    let index = sizes.binary_search_by_key(&len, |size| size.size.get()).ok()?;
    let end = sizes.get(index + 1).map_or(table.digest_count.get(), |next| next.first.get());
    Some((sizes[index].first.get(), end.min(table.digest_count.get())))
}

/// Calls `found` for each of the sorted digests in `range` that equals `digest`.
fn equal_digests(
    database: &Database<'_>,
    table: &HashTable,
    kind: DigestKind,
    range: std::ops::Range<u32>,
    digest: &[u8],
    found: &mut impl FnMut(u32),
) {
    let compare = |index: u32| -> Ordering {
        let at = table.digest_offset.get() + u64::from(index) * kind.digest_len() as u64;
        slice(database.digests, at, kind.digest_len() as u64).map_or(Ordering::Greater, |stored| stored.cmp(digest))
    };
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if compare(middle) == Ordering::Less { low = middle + 1 } else { high = middle }
    }
    for index in low..range.end {
        if compare(index) != Ordering::Equal {
            return;
        }
        let id = database.digest_signatures.get(table.first_digest.get() as usize + index as usize);
        found(id.map_or(u32::MAX, |id| id.get()));
    }
}

fn digest<'b>(kind: DigestKind, haystack: &[u8], buffer: &'b mut [u8; 32]) -> &'b [u8] {
    let digest = &mut buffer[..kind.digest_len()];
    match kind {
        DigestKind::Md5 => digest.copy_from_slice(&Md5::digest(haystack)),
        DigestKind::Sha1 => digest.copy_from_slice(&Sha1::digest(haystack)),
        DigestKind::Sha256 => digest.copy_from_slice(&Sha256::digest(haystack)),
    }
    digest
}
