//! The second half of linking: tables, and the bytes of the database.

use super::hashes::Hashes;
use super::logical::LogicalSections;
use super::tables::{DirectTables, TierTables};
use super::{LinkError, LinkOptions};
use engine::database::header_digest;
use engine::layout::{FORMAT, Header, MAGIC, SECTION_ALIGN, Section, SectionEntry, Signature, Source, Stem};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{Immutable, IntoBytes};

/// What a database will be made of, taken out of the records: about 100 bytes for each signature, and its pattern.
pub struct Prepared<'m> {
    pub(super) options: LinkOptions<'m>,
    pub(super) stems: Vec<Stem>,
    pub(super) names: Vec<u8>,
    pub(super) sources: Vec<Source>,
    /// Those that are not of digests, and the program of each.
    pub(super) signatures: Vec<Signature>,
    pub(super) signature_programs: Vec<U32>,
    pub(super) programs: Vec<u8>,
    pub(super) tiers: TierTables,
    pub(super) direct: DirectTables,
    pub(super) hashes: Hashes,
    pub(super) logicals: LogicalSections,
}

impl Prepared<'_> {
    /// Makes the tables and puts the database together. O(stored windows), and O(n log n) in digests.
    ///
    /// # Errors
    /// [`LinkError::TooMany`].
    pub fn build(self) -> Result<Vec<u8>, LinkError> {
        let tiers = self.tiers.build(&self.options)?;
        let (direct_groups, direct_entries) = self.direct.build();
        let mut signatures = self.signatures;
        let hashes = self.hashes.build(signatures.len() as u32);
        signatures.extend_from_slice(&hashes.signatures);
        let sections: [(Section, Box<dyn Items>); Section::ALL.len()] = [
            (Section::Tiers, Box::new(tiers.tiers)),
            (Section::Filters, Box::new(tiers.filters)),
            (Section::Buckets, Box::new(tiers.buckets)),
            (Section::Entries, Box::new(tiers.entries)),
            (Section::DirectGroups, Box::new(direct_groups)),
            (Section::DirectEntries, Box::new(direct_entries)),
            (Section::Programs, Box::new(self.programs)),
            (Section::HashTables, Box::new(hashes.tables)),
            (Section::HashSizes, Box::new(hashes.sizes)),
            (Section::LowSizes, Box::new(hashes.low_sizes)),
            (Section::Digests, Box::new(hashes.digests)),
            (Section::Signatures, Box::new(signatures)),
            (Section::SignaturePrograms, Box::new(self.signature_programs)),
            (Section::Sources, Box::new(self.sources)),
            (Section::Stems, Box::new(self.stems)),
            (Section::Names, Box::new(self.names)),
            (Section::Parts, Box::new(self.logicals.parts)),
            (Section::Owners, Box::new(self.logicals.owners)),
            (Section::Logicals, Box::new(self.logicals.logicals)),
            (Section::Conditions, Box::new(self.logicals.conditions)),
        ];
        Ok(assemble(tiers.key, sections))
    }
}

/// The items of a section, whatever they are.
trait Items: Send + Sync {
    fn bytes(&self) -> &[u8];
}

impl<T: IntoBytes + Immutable + Send + Sync> Items for Vec<T> {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// Header, directory and sections, one after the other. Each section is let go of once it is in the file.
fn assemble(key: u64, sections: [(Section, Box<dyn Items>); Section::ALL.len()]) -> Vec<u8> {
    let digests: Vec<[u8; 32]> = sections.par_iter().map(|(_, items)| Sha256::digest(items.bytes()).into()).collect();
    let mut end = (size_of::<Header>() + sections.len() * size_of::<SectionEntry>()) as u64;
    let mut directory = Vec::with_capacity(sections.len());
    for ((section, items), digest) in sections.iter().zip(digests) {
        let offset = end.next_multiple_of(SECTION_ALIGN);
        let len = items.bytes().len() as u64;
        end = offset + len;
        directory.push(SectionEntry {
            kind: U32::new(*section as u32),
            hot: U32::new(u32::from(section.is_hot())),
            offset: U64::new(offset),
            len: U64::new(len),
            digest,
            reserved: U64::ZERO,
        });
    }
    let mut header = Header {
        magic: MAGIC,
        format: U32::new(FORMAT),
        section_count: U32::new(sections.len() as u32),
        file_len: U64::new(end),
        hash_key: U64::new(key),
        digest: [0; 32],
    };
    header.digest = header_digest(&header, &directory);
    let mut file = Vec::with_capacity(end as usize);
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(directory.as_bytes());
    for ((_, items), entry) in sections.into_iter().zip(&directory) {
        file.resize(entry.offset.get() as usize, 0);
        file.extend_from_slice(items.bytes());
    }
    file
}
