//! Hash signatures: digests of files and of parts of them, computed only where one could match.

use crate::database::{Database, slice};
use crate::layout::{DigestKind, DigestOf, HashSize, HashTable};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use zerocopy::little_endian::U16;

mod lanes;

pub(crate) use lanes::md5_of_each;

/// Kinds of digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds([bool; DigestKind::ALL.len()]);

impl Kinds {
    /// The kinds of which some signature has a digest of `of`, `len` bytes long. Costs a binary search for each kind; with `choosy`
    /// also a call of `wanted` for each digest for that length, of which only those count that it accepts.
    pub(crate) fn wanted(
        database: &Database<'_>,
        of: DigestOf,
        len: u64,
        wanted: impl Fn(u32) -> bool,
        choosy: bool,
    ) -> Kinds {
        let mut kinds = Kinds::default();
        for (kind, table) in kinds.0.iter_mut().zip(database.hash_tables(of)) {
            let mut groups = groups(database, table, len);
            *kind = if choosy {
                groups.any(|(first, end)| (first..end).any(|index| wanted(signature(table, index))))
            } else {
                groups.next().is_some()
            };
        }
        kinds
    }

    pub(crate) fn contains(self, kind: DigestKind) -> bool {
        self.0[kind as usize - 1]
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Kinds::default()
    }

    /// These but for `kind`.
    pub(crate) fn without(mut self, kind: DigestKind) -> Kinds {
        self.0[kind as usize - 1] = false;
        self
    }
}

/// Digests of a haystack that is given piece by piece.
#[derive(Debug)]
pub(crate) struct Running {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Running {
    pub(crate) fn new(kinds: Kinds) -> Running {
        Running {
            md5: kinds.contains(DigestKind::Md5).then(Md5::new),
            sha1: kinds.contains(DigestKind::Sha1).then(Sha1::new),
            sha256: kinds.contains(DigestKind::Sha256).then(Sha256::new),
        }
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.md5.iter_mut().for_each(|hasher| hasher.update(piece));
        self.sha1.iter_mut().for_each(|hasher| hasher.update(piece));
        self.sha256.iter_mut().for_each(|hasher| hasher.update(piece));
    }

    /// Calls `found` with each signature that has the digest of the haystack, `len` bytes in all, as one of `of`.
    pub(crate) fn finish(self, database: &Database<'_>, of: DigestOf, len: u64, mut found: impl FnMut(u32)) {
        if let Some(md5) = self.md5 {
            equal_to(database, of, DigestKind::Md5, len, &md5.finalize(), &mut found);
        }
        if let Some(sha1) = self.sha1 {
            equal_to(database, of, DigestKind::Sha1, len, &sha1.finalize(), &mut found);
        }
        if let Some(sha256) = self.sha256 {
            equal_to(database, of, DigestKind::Sha256, len, &sha256.finalize(), &mut found);
        }
    }
}

/// Calls `found` with each signature that has a digest of `haystack`, of one of `kinds`, as one of `of`.
pub(crate) fn digest_hits(database: &Database<'_>, of: DigestOf, kinds: Kinds, haystack: &[u8], found: impl FnMut(u32)) {
    if !kinds.is_empty() {
        let mut running = Running::new(kinds);
        running.update(haystack);
        running.finish(database, of, haystack.len() as u64, found);
    }
}

/// Calls `found` with each signature that has `digest` for `len` bytes of `of`.
pub(crate) fn equal_to(
    database: &Database<'_>,
    of: DigestOf,
    kind: DigestKind,
    len: u64,
    digest: &[u8],
    found: &mut impl FnMut(u32),
) {
    if let Some(table) = database.hash_tables(of).get(kind as usize - 1) {
        for (first, end) in groups(database, table, len) {
            equal_digests(database, table, (of, kind), first..end, digest, found);
        }
    }
}

/// A signature that has a digest of `of`, to name one of them.
pub(crate) fn any_signature(database: &Database<'_>, of: DigestOf) -> Option<u32> {
    let table = database.hash_tables(of).iter().find(|table| table.digest_count > 0)?;
    Some(signature(table, 0))
}

/// Whether some signature has a digest of `of`.
pub(crate) fn has_any(database: &Database<'_>, of: DigestOf) -> bool {
    database.hash_tables(of).iter().any(|table| table.digest_count > 0)
}

/// Calls `found` with each digest of `of`: its signature, its kind, the size it applies to, and the bytes that are kept of it.
pub(crate) fn each_digest(
    database: &Database<'_>,
    of: DigestOf,
    mut found: impl FnMut(u32, DigestKind, Option<u64>, &[u8]),
) {
    for (kind, table) in DigestKind::ALL.into_iter().zip(database.hash_tables(of)) {
        let mut sizes = sizes(database, table).iter().peekable();
        let mut high = 0;
        for index in 0..table.digest_count.get() {
            while let Some(next) = sizes.next_if(|next| next.first.get() <= index) {
                high = next.high.get();
            }
            let low = lows(database, table, index, index + 1).first();
            let size = low.map(|low| high << LOW_BITS | u64::from(low.get()));
            if let Some(digest) = digest_at(database, table, (of, kind), index) {
                found(signature(table, index), kind, size, digest);
            }
        }
    }
}

/// The digests, counted from the table's first, that may be those of `len` bytes: for any size, and for this one.
fn groups(database: &Database<'_>, table: &HashTable, len: u64) -> impl Iterator<Item = (u32, u32)> {
    let groups = [Some((0, table.any_size.get())), sized_group(database, table, len)];
    groups.into_iter().flatten().filter(|(first, end)| first < end)
}

/// The digests, counted from the table's first, that apply to `len` bytes only.
fn sized_group(database: &Database<'_>, table: &HashTable, len: u64) -> Option<(u32, u32)> {
    let sizes = sizes(database, table);
    let index = sizes.binary_search_by_key(&(len >> LOW_BITS), |size| size.high.get()).ok()?;
    let first = sizes[index].first.get();
    let end = sizes.get(index + 1).map_or(table.digest_count.get(), |next| next.first.get());
    let lows = lows(database, table, first, end.min(table.digest_count.get()));
    let low = len as u16;
    let before = lows.partition_point(|next| next.get() < low);
    let equal = lows[before..].partition_point(|next| next.get() == low);
    let first = first + before as u32;
    Some((first, first + equal as u32))
}

/// Bits of a size that are kept for each digest.
const LOW_BITS: u32 = u16::BITS;

/// The low sizes of the digests from `first` to `end`, counted from the table's first; none when some apply to any size.
fn lows<'d>(database: &Database<'d>, table: &HashTable, first: u32, end: u32) -> &'d [U16] {
    let low = |index: u32| Some(table.first_low.get() as usize + index.checked_sub(table.any_size.get())? as usize);
    let range = low(first).zip(low(end)).map(|(first, end)| first..end);
    range.and_then(|range| database.low_sizes.get(range)).unwrap_or_default()
}

/// The sizes that a table has digests for, but for their lowest bits.
pub(crate) fn sizes<'d>(database: &Database<'d>, table: &HashTable) -> &'d [HashSize] {
    let (first, count) = (table.first_size.get() as usize, table.size_count.get() as usize);
    first.checked_add(count).and_then(|end| database.hash_sizes.get(first..end)).unwrap_or_default()
}

/// A digest, counted from the table's first.
fn digest_at<'d>(
    database: &Database<'d>,
    table: &HashTable,
    (of, kind): (DigestOf, DigestKind),
    index: u32,
) -> Option<&'d [u8]> {
    let len = kind.stored_len(of) as u64;
    let at = table.digest_offset.get().checked_add(u64::from(index) * len)?;
    slice(database.digests, at, len)
}

/// Calls `found` for each of the sorted digests in `range` that equals `digest`, as far as they are kept.
fn equal_digests(
    database: &Database<'_>,
    table: &HashTable,
    (of, kind): (DigestOf, DigestKind),
    range: std::ops::Range<u32>,
    digest: &[u8],
    found: &mut impl FnMut(u32),
) {
    let digest = &digest[..digest.len().min(kind.stored_len(of))];
    let compare = |index: u32| -> Ordering {
        digest_at(database, table, (of, kind), index).map_or(Ordering::Greater, |stored| stored.cmp(digest))
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
        found(signature(table, index));
    }
}

/// The signature of a digest, counted from the table's first. The check of a table at opening makes it one that exists.
fn signature(table: &HashTable, index: u32) -> u32 {
    table.first_signature.get().saturating_add(index)
}
