//! The sections of hash signatures.

use crate::record::{Digest, DigestOf, Hash};
use engine::layout::{DigestKind, HashSize, HashTable, Signature};
use rayon::slice::ParallelSliceMut;
use std::collections::BTreeMap;
use zerocopy::little_endian::{U16, U32, U64};

/// Digests by what they are of and their kind, while they are gathered.
#[derive(Default)]
pub(super) struct Hashes {
    stored: BTreeMap<(DigestOf, DigestKind), Vec<Stored>>,
    count: u32,
}

/// A digest on its way into its table, in the order of the table: those for any size first, then by size, then by digest; equal ones as
/// they came.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    size: Option<u64>,
    digest: Digest,
    turn: u32,
    stem: u32,
    number: u32,
}

/// The sections; signatures in the order of their digests.
#[derive(Default)]
pub(super) struct HashSections {
    pub(super) tables: Vec<HashTable>,
    pub(super) sizes: Vec<HashSize>,
    pub(super) low_sizes: Vec<U16>,
    pub(super) digests: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

impl Hashes {
    pub(super) fn add(&mut self, hash: &Hash, name: Signature) {
        let kind = match hash.digest {
            Digest::Md5(_) => DigestKind::Md5,
            Digest::Sha1(_) => DigestKind::Sha1,
            Digest::Sha256(_) => DigestKind::Sha256,
        };
        let (stem, number) = (name.stem.get(), name.number.get());
        let stored = Stored { size: hash.size, digest: hash.digest, turn: self.count, stem, number };
        self.count += 1;
        self.stored.entry((hash.of, kind)).or_default().push(stored);
    }

    /// The sections, when there are `signatures` before those of digests.
    pub(super) fn build(mut self, signatures: u32) -> HashSections {
        let mut built = HashSections::default();
        for of in DigestOf::ALL {
            for kind in DigestKind::ALL {
                let mut digests = self.stored.remove(&(of, kind)).unwrap_or_default();
                digests.par_sort_unstable();
                built.add_table(of, kind, &digests, signatures);
            }
        }
        built
    }
}

impl HashSections {
    fn add_table(&mut self, of: DigestOf, kind: DigestKind, digests: &[Stored], signatures: u32) {
        let first_size = self.sizes.len();
        let any_size = digests.partition_point(|digest| digest.size.is_none());
        let table = HashTable {
            kind: U16::new(kind as u16),
            of: U16::new(of as u16),
            any_size: U32::new(any_size as u32),
            first_size: U32::new(first_size as u32),
            size_count: U32::ZERO,
            digest_offset: U64::new(self.digests.len() as u64),
            first_signature: U32::new(signatures + self.signatures.len() as u32),
            digest_count: U32::new(digests.len() as u32),
            first_low: U32::new(self.low_sizes.len() as u32),
        };
        let mut last_high = None;
        for (index, stored) in digests.iter().enumerate() {
            if let Some(size) = stored.size {
                let high = size >> u16::BITS;
                if last_high != Some(high) {
                    self.sizes.push(HashSize { high: U64::new(high), first: U32::new(index as u32) });
                    last_high = Some(high);
                }
                self.low_sizes.push(U16::new(size as u16));
            }
            self.digests.extend_from_slice(&stored.digest.as_bytes()[..kind.stored_len(of)]);
            self.signatures.push(Signature { stem: U32::new(stored.stem), number: U32::new(stored.number) });
        }
        self.tables.push(HashTable { size_count: U32::new((self.sizes.len() - first_size) as u32), ..table });
    }
}
