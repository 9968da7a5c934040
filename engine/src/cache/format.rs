//! The bytes of a cache; `docs/cache.md` describes them for people.

use super::{CleanCache, DATABASES_MAX, Entry, FileKey, FileTime, KnownDatabase};
use sha2::{Digest as _, Sha256};
use zerocopy::byteorder::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of every cache.
const MAGIC: [u8; 8] = *b"TITERCLN";
/// The format this build writes and the only one it reads.
const FORMAT: u32 = 1;

/// Why bytes are not a cache that this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Other bytes, or another format.
    #[error("it is no cache of this format")]
    Format,
    /// Made by another version of the engine, which may have looked for less.
    #[error("another version of this program made it")]
    Engine,
    /// Cut off or changed.
    #[error("it is damaged")]
    Damaged,
}

/// The first bytes; databases, their fingerprints and entries follow.
#[derive(Clone, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    format: U32,
    databases: U32,
    entries: U64,
    /// The version of the engine, zeros behind it.
    engine: [u8; 16],
    /// SHA-256 of everything, this field zero.
    digest: [u8; 32],
}
const _: () = assert!(size_of::<Header>() == 72);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct StoredDatabase {
    identity: [u8; 32],
    fingerprints: U64,
}
const _: () = assert!(size_of::<StoredDatabase>() == 40);

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct StoredEntry {
    device: U64,
    inode: U64,
    len: U64,
    modified: I64,
    changed: I64,
    modified_ns: U32,
    changed_ns: U32,
    database: U32,
    reserved: U32,
    seen: U64,
}
const _: () = assert!(size_of::<StoredEntry>() == 64);

fn engine() -> [u8; 16] {
    let mut version = [0; 16];
    let text = concat!(env!("CARGO_PKG_VERSION"), "/").as_bytes();
    version[..text.len().min(16)].copy_from_slice(&text[..text.len().min(16)]);
    version
}

pub(super) fn encode(cache: &CleanCache) -> Vec<u8> {
    let mut header = Header {
        magic: MAGIC,
        format: FORMAT.into(),
        databases: (cache.databases.len() as u32).into(),
        entries: (cache.entries.len() as u64).into(),
        engine: engine(),
        digest: [0; 32],
    };
    let mut bytes = header.as_bytes().to_vec();
    for database in &cache.databases {
        let fingerprints = (database.fingerprints.len() as u64).into();
        bytes.extend_from_slice(StoredDatabase { identity: database.identity, fingerprints }.as_bytes());
    }
    for fingerprint in cache.databases.iter().flat_map(|database| &database.fingerprints) {
        bytes.extend_from_slice(&fingerprint.to_le_bytes());
    }
    for entry in &cache.entries {
        let FileKey { device, inode, len, modified, changed } = entry.key;
        let stored = StoredEntry {
            device: device.into(),
            inode: inode.into(),
            len: len.into(),
            modified: modified.seconds.into(),
            changed: changed.seconds.into(),
            modified_ns: modified.nanoseconds.into(),
            changed_ns: changed.nanoseconds.into(),
            database: entry.database.into(),
            reserved: 0.into(),
            seen: entry.seen.into(),
        };
        bytes.extend_from_slice(stored.as_bytes());
    }
    header.digest = Sha256::digest(&bytes).into();
    bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8]) -> Result<CleanCache, CacheError> {
    let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| CacheError::Damaged)?;
    if header.magic != MAGIC || header.format.get() != FORMAT {
        return Err(CacheError::Format);
    }
    let mut hasher = Sha256::new();
    hasher.update(Header { digest: [0; 32], ..header.clone() }.as_bytes());
    hasher.update(rest);
    if <[u8; 32]>::from(hasher.finalize()) != header.digest {
        return Err(CacheError::Damaged);
    }
    if header.engine != engine() {
        return Err(CacheError::Engine);
    }
    // The digest says that these are the bytes as they were written; what follows only has to be safe.
    read(header, rest).ok_or(CacheError::Damaged)
}

fn read(header: &Header, rest: &[u8]) -> Option<CleanCache> {
    let databases = usize::try_from(header.databases.get()).ok().filter(|count| *count <= DATABASES_MAX + 1)?;
    let (stored, mut rest) = <[StoredDatabase]>::ref_from_prefix_with_elems(rest, databases).ok()?;
    let mut databases = Vec::new();
    for database in stored {
        let count = usize::try_from(database.fingerprints.get()).ok()?;
        let (fingerprints, after) = <[U64]>::ref_from_prefix_with_elems(rest, count).ok()?;
        rest = after;
        let fingerprints = fingerprints.iter().map(|fingerprint| fingerprint.get()).collect();
        databases.push(KnownDatabase { identity: database.identity, fingerprints });
    }
    let stored = <[StoredEntry]>::ref_from_bytes(rest).ok()?;
    if stored.len() as u64 != header.entries.get() {
        return None;
    }
    let entries: Vec<Entry> = stored.iter().map(entry).collect();
    let known = entries.iter().all(|entry| (entry.database as usize) < databases.len());
    let sorted = entries.is_sorted_by(|a, b| a.place() < b.place())
        && databases.iter().all(|database| database.fingerprints.is_sorted());
    (known && sorted).then_some(CleanCache { databases, entries })
}

fn entry(stored: &StoredEntry) -> Entry {
    Entry {
        key: FileKey {
            device: stored.device.get(),
            inode: stored.inode.get(),
            len: stored.len.get(),
            modified: FileTime { seconds: stored.modified.get(), nanoseconds: stored.modified_ns.get() },
            changed: FileTime { seconds: stored.changed.get(), nanoseconds: stored.changed_ns.get() },
        },
        database: stored.database.get(),
        seen: stored.seen.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> CleanCache {
        let time = |seconds| FileTime { seconds, nanoseconds: 7 };
        let entry = |inode| Entry {
            key: FileKey { device: 1, inode, len: 9, modified: time(-5), changed: time(1 << 40) },
            database: 1,
            seen: 3,
        };
        let database = |byte, fingerprints| KnownDatabase { identity: [byte; 32], fingerprints };
        let databases = vec![database(1, vec![]), database(2, vec![1, 5, 5, u64::MAX])];
        CleanCache { databases, entries: (0..5).map(entry).collect() }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(decode(&encode(&cache())), Ok(cache()));
        assert_eq!(decode(&encode(&CleanCache::default())), Ok(CleanCache::default()));
    }

    #[test]
    fn a_cache_cut_off_or_changed_anywhere_is_told() {
        let bytes = encode(&cache());
        for at in 0..bytes.len() {
            assert!(decode(&bytes[..at]).is_err(), "cut off at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            assert!(decode(&changed).is_err(), "changed at {at}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer), Err(CacheError::Damaged));
    }

    #[test]
    fn a_cache_of_another_engine_is_not_used() {
        let mut bytes = encode(&cache());
        bytes[24] = b'9';
        bytes[40..72].fill(0);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        bytes[40..72].copy_from_slice(&digest);
        assert_eq!(decode(&bytes), Err(CacheError::Engine));
    }
}
