//! Opening a database: the header and the section directory are checked once, everything else where it is used.
//!
//! [`Database::open`] costs O(sections), whatever the database holds, because scanners map databases of hundreds of megabytes and
//! start in under a millisecond. What it does not look at, the scanner reads through checked indices: a database damaged after
//! its installation may miss signatures or name the wrong one, and never makes a scanner panic or read outside it.
//! [`Database::verify`] reads every byte; installers run it, and `titer verify`.

use crate::digest::sizes;
use crate::layout::{
    DigestKind, DigestOf, DirectEntry, DirectGroup, Entry, EntryPlace, FORMAT, HashSize, HashTable, Header, Logical, MAGIC,
    NO_NUMBER, NO_PROGRAM, Part, SECTION_ALIGN, Section, SectionEntry, Signature, Source, Stem, Tier, window_mask,
};
use crate::logical::Soundness;
use crate::matcher::{Literal, Program};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::ops::Range;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Index of a signature in its database: dense, from 0, meaningless in another database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureId(u32);

impl SignatureId {
    pub(crate) fn new(index: u32) -> SignatureId {
        SignatureId(index)
    }

    /// The index as a number.
    pub fn index(self) -> u32 {
        self.0
    }
}

/// One window that the filter of a tier lets pass; see [`Database::windows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredWindow {
    /// Index into [`Database::tiers`].
    pub tier: usize,
    /// The signature whose anchor it is part of.
    pub signature: SignatureId,
    /// Bytes from the start of that anchor to it: 0 to 7.
    pub shift: u8,
    /// Its bytes, the first lowest, as they are hashed: those beyond the width of the tier zero, folded in a folded tier.
    pub bytes: u64,
    /// Bytes beside it that must stand there too, the first lowest.
    pub near: u32,
    /// How many of them there are: 0 to 4.
    pub near_len: u8,
    /// Where they begin, counted from [`NEAR_REACH`](crate::layout::NEAR_REACH) bytes before the window: 0 to 15.
    pub near_at: u8,
    /// The signature or part as tables name it.
    searched: u32,
}

/// Why bytes are not a database, or not a sound one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Shorter than a header, or than the length it states.
    #[error("the database is cut off: it has {found} bytes of {expected}")]
    CutOff {
        /// Bytes there are.
        found: u64,
        /// Bytes there must be at least.
        expected: u64,
    },
    /// Bytes after the stated end.
    #[error("the database is {stated} bytes long, the file has {found}")]
    TrailingBytes {
        /// Length in the header.
        stated: u64,
        /// Length of the file.
        found: u64,
    },
    /// The first bytes are not [`MAGIC`].
    #[error("not a titer database: the file does not begin with `TITERDB`")]
    Magic,
    /// Another format version.
    #[error("database format {found}, this build reads {FORMAT}")]
    Format {
        /// Version in the header.
        found: u32,
    },
    /// Header and directory do not have the digest they state.
    #[error("header: its digest does not match")]
    HeaderDigest,
    /// The directory lists other sections than this format has.
    #[error("section directory: entry {index} is section {found}, expected {expected}")]
    Directory {
        /// Position in the directory.
        index: usize,
        /// Section number found, 0 for none.
        found: u32,
        /// Section number of this format at that place.
        expected: u32,
    },
    /// A section lies outside the file, or over the one before it, or off its alignment.
    #[error("section `{section}` of {len} bytes at byte {offset} does not fit its place in the file")]
    SectionBounds {
        /// Name of the section.
        section: &'static str,
        /// Where it says it begins.
        offset: u64,
        /// How long it says it is.
        len: u64,
    },
    /// A section's bytes do not have the digest in the directory.
    #[error("section `{section}`: its digest does not match")]
    SectionDigest {
        /// Name of the section.
        section: &'static str,
    },
    /// A section holds something this format does not allow.
    #[error("section `{section}`, item {index}: {what}")]
    Content {
        /// Name of the section.
        section: &'static str,
        /// Which item of it.
        index: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// A database over borrowed bytes, usually of a mapped file.
///
/// Cheap to copy, `Send` and `Sync`: threads share it.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    directory: &'a [SectionEntry],
    pub(crate) tiers: &'a [Tier],
    pub(crate) filters: &'a [U64],
    pub(crate) buckets: &'a [U32],
    pub(crate) entries: &'a [Entry],
    pub(crate) direct_groups: &'a [DirectGroup],
    pub(crate) direct_entries: &'a [DirectEntry],
    pub(crate) programs: &'a [u8],
    hash_tables: &'a [HashTable],
    pub(crate) hash_sizes: &'a [HashSize],
    pub(crate) low_sizes: &'a [U16],
    pub(crate) digests: &'a [u8],
    signatures: &'a [Signature],
    signature_programs: &'a [U32],
    sources: &'a [Source],
    stems: &'a [Stem],
    names: &'a [u8],
    parts: &'a [Part],
    owners: &'a [U32],
    pub(crate) logicals: &'a [Logical],
    pub(crate) conditions: &'a [u8],
}

impl<'a> Database<'a> {
    /// Opens a database over `bytes`.
    ///
    /// O(sections): checks the header, the directory and the few items that say how long tables are.
    ///
    /// # Errors
    /// [`DatabaseError`], naming the place.
    pub fn open(bytes: &'a [u8]) -> Result<Database<'a>, DatabaseError> {
        let found = bytes.len() as u64;
        let cut_off = |expected: u64| DatabaseError::CutOff { found, expected };
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| match bytes {
            _ if !MAGIC.starts_with(&bytes[..bytes.len().min(8)]) => DatabaseError::Magic,
            _ => cut_off(size_of::<Header>() as u64),
        })?;
        if header.magic != MAGIC {
            return Err(DatabaseError::Magic);
        }
        if header.format.get() != FORMAT {
            return Err(DatabaseError::Format { found: header.format.get() });
        }
        let section_count = header.section_count.get() as usize;
        if section_count != Section::ALL.len() {
            let (found, expected) = (header.section_count.get(), Section::ALL.len() as u32);
            return Err(DatabaseError::Directory { index: section_count, found, expected });
        }
        let (directory, _) = <[SectionEntry]>::ref_from_prefix_with_elems(rest, section_count)
            .map_err(|_| cut_off((size_of::<Header>() + section_count * size_of::<SectionEntry>()) as u64))?;
        if header_digest(header, directory) != header.digest {
            return Err(DatabaseError::HeaderDigest);
        }
        let stated = header.file_len.get();
        if found < stated {
            return Err(cut_off(stated));
        }
        if found > stated {
            return Err(DatabaseError::TrailingBytes { stated, found });
        }
        check_directory(directory, stated)?;
        let database = Database {
            bytes,
            header,
            directory,
            tiers: view(bytes, directory, Section::Tiers)?,
            filters: view(bytes, directory, Section::Filters)?,
            buckets: view(bytes, directory, Section::Buckets)?,
            entries: view(bytes, directory, Section::Entries)?,
            direct_groups: view(bytes, directory, Section::DirectGroups)?,
            direct_entries: view(bytes, directory, Section::DirectEntries)?,
            programs: view(bytes, directory, Section::Programs)?,
            hash_tables: view(bytes, directory, Section::HashTables)?,
            hash_sizes: view(bytes, directory, Section::HashSizes)?,
            low_sizes: view(bytes, directory, Section::LowSizes)?,
            digests: view(bytes, directory, Section::Digests)?,
            signatures: view(bytes, directory, Section::Signatures)?,
            signature_programs: view(bytes, directory, Section::SignaturePrograms)?,
            sources: view(bytes, directory, Section::Sources)?,
            stems: view(bytes, directory, Section::Stems)?,
            names: view(bytes, directory, Section::Names)?,
            parts: view(bytes, directory, Section::Parts)?,
            owners: view(bytes, directory, Section::Owners)?,
            logicals: view(bytes, directory, Section::Logicals)?,
            conditions: view(bytes, directory, Section::Conditions)?,
        };
        database.check_tiers()?;
        database.check_hash_tables()?;
        Ok(database)
    }

    /// Number of signatures.
    pub fn len(&self) -> usize {
        self.signatures.len()
    }

    /// A bit for each target that one of its signatures has, bit 0 for any file. O(tiers and groups of fixed offsets).
    pub(crate) fn targets(&self) -> u16 {
        let tiers = self.tiers.iter().map(|tier| tier.targets.get());
        let unled = self.unled().iter().filter_map(|index| self.logicals.get(index.get() as usize));
        let unled = unled.map(|logical| 1_u16.checked_shl(logical.target.into()).unwrap_or(0));
        let direct = self.direct_groups.iter().map(|group| group.targets.get());
        tiers.chain(direct).chain(unled).fold(0, |all, targets| all | targets)
    }

    /// Whether there is no signature.
    pub fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// Every signature, in the order of the database.
    pub fn ids(&self) -> impl Iterator<Item = SignatureId> + use<> {
        (0..self.len() as u32).map(SignatureId::new)
    }

    /// The name of a signature; empty when the database is damaged there.
    ///
    /// Most names share their text with others but for a number, and are put together at each call.
    pub fn name(&self, id: SignatureId) -> Cow<'a, str> {
        let Some((stem, number)) = self.stem(id) else { return Cow::Borrowed("") };
        let text = self.text(stem.name.get(), u32::from(stem.name_len.get()));
        if number == NO_NUMBER {
            return Cow::Borrowed(text);
        }
        let split = text.split_at_checked(usize::from(stem.split.get()));
        split.map_or(Cow::Borrowed(""), |(before, after)| Cow::Owned(format!("{before}{number}{after}")))
    }

    /// The channel (`maker/name`) a signature came from; empty when the database is damaged there.
    pub fn channel(&self, id: SignatureId) -> &'a str {
        let source = self.stem(id).and_then(|(stem, _)| self.sources.get(usize::from(stem.source.get())));
        source.map_or("", |source| self.text(source.name.get(), source.name_len.get()))
    }

    /// The stem of a signature's name, and its number.
    fn stem(&self, id: SignatureId) -> Option<(&'a Stem, u32)> {
        let signature = self.signatures.get(id.0 as usize)?;
        Some((self.stems.get(signature.stem.get() as usize)?, signature.number.get()))
    }

    /// The blobs it was linked from: channel, release number and root hash.
    pub fn sources(&self) -> impl Iterator<Item = (&'a str, u64, [u8; 32])> + use<'a> {
        let database = *self;
        self.sources
            .iter()
            .map(move |source| (database.text(source.name.get(), source.name_len.get()), source.release.get(), source.root))
    }

    /// Each section's name and length in bytes.
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, u64)> + use<'a> {
        Section::ALL.iter().zip(self.directory).map(|(section, entry)| (section.name(), entry.len.get()))
    }

    /// The tiers in the order they are tested.
    pub fn tiers(&self) -> &'a [Tier] {
        self.tiers
    }

    /// Every stored window, tier by tier: what the filters let pass, and for whom.
    ///
    /// The tables keep windows by their hash; the bytes are read from the program of each signature. O(windows), and a cache miss for
    /// each. Windows whose signature is damaged are left out.
    pub fn windows(&self) -> impl Iterator<Item = StoredWindow> + use<'a> {
        let database = *self;
        (0..self.tiers.len())
            .flat_map(move |tier| database.entries_of(tier).filter_map(move |entry| database.stored_window(tier, entry)))
    }

    /// How many windows are kept for the tier with index `tier` in [`Database::tiers`], damaged ones too.
    pub fn windows_len(&self, tier: usize) -> usize {
        self.entries_of(tier).len()
    }

    /// Part of [`Database::windows`]: those of one tier whose places among its [`Database::windows_len`] are in `places`, so that threads can
    /// share them out.
    pub fn windows_at(&self, tier: usize, places: Range<usize>) -> impl Iterator<Item = StoredWindow> + use<'a> {
        let database = *self;
        let entries = self.entries_of(tier).as_slice().get(places).unwrap_or_default();
        entries.iter().filter_map(move |entry| database.stored_window(tier, entry))
    }

    /// The entries of a tier, bucket by bucket.
    pub(crate) fn entries_of(&self, tier: usize) -> std::slice::Iter<'a, Entry> {
        let tier = &self.tiers[tier];
        let bound = |index: usize| self.buckets[index].get() as usize;
        let first = tier.bucket_first.get() as usize;
        self.entries.get(bound(first)..bound(first + (1 << tier.bucket_log2))).unwrap_or_default().iter()
    }

    /// Of a tier in [`Database::tiers`]: the share of other windows that its filter lets pass, from 0 to 1. O(filter).
    pub fn false_passes(&self, tier: &Tier) -> f64 {
        let first = tier.filter_first.get() as usize;
        let words = self.filters.get(first..).unwrap_or_default().iter().take(1 << tier.filter_log2.min(32));
        // Three bits of a word are asked for, each of which is set as often as bits of that word are.
        let passes = words.map(|word| (f64::from(word.get().count_ones()) / 64.0).powi(3));
        passes.sum::<f64>() / (1_u64 << tier.filter_log2.min(32)) as f64
    }

    /// Of a tier in [`Database::tiers`]: the entries that share its most crowded bucket. O(buckets).
    pub fn largest_bucket(&self, tier: &Tier) -> u32 {
        let first = tier.bucket_first.get() as usize;
        let bounds = self.buckets.get(first..).unwrap_or_default();
        let bounds = &bounds[..bounds.len().min((1 << tier.bucket_log2.min(32)) + 1)];
        bounds.windows(2).map(|pair| pair[1].get().saturating_sub(pair[0].get())).max().unwrap_or(0)
    }

    /// What an entry of a tier keeps; `None` when its signature is damaged.
    pub(crate) fn stored_window(&self, tier_index: usize, entry: &Entry) -> Option<StoredWindow> {
        let tier = &self.tiers[tier_index];
        let program = self.program(entry.signature.get());
        let anchor = match Literal::read(self.programs, program) {
            Some(literal) => literal.anchor_bytes()?,
            None => Program::read(self.programs, program)?.anchor_bytes()?,
        };
        let EntryPlace { shift, near_len, near_at, .. } = EntryPlace::unpack(entry.place.get());
        let mut bytes = [0; 8];
        let width = usize::from(tier.width);
        bytes.get_mut(..width)?.copy_from_slice(anchor.get(usize::from(shift)..)?.get(..width)?);
        let bytes = (u64::from_le_bytes(bytes) | tier.fold_bits()) & window_mask(tier.width);
        let (signature, near) = (self.named_by(entry.signature.get())?, entry.near.get());
        let (near_len, searched) = (near_len.min(4), entry.signature.get());
        Some(StoredWindow { tier: tier_index, signature, shift, bytes, near, near_len, near_at, searched })
    }

    /// The signatures that a window of this database is stored for: one, or all logical signatures that one part leads to.
    pub fn led_by(&self, window: &StoredWindow) -> impl Iterator<Item = SignatureId> + use<'a> {
        let part = self.part_of(window.searched);
        let owners = part.map_or(&[][..], |part| self.owners(part));
        part.is_none().then_some(window.signature).into_iter().chain(self.named(owners))
    }

    /// The logical signatures that nothing leads to: each is evaluated for every file of its kind.
    pub fn never_led_to(&self) -> impl Iterator<Item = SignatureId> + use<'a> {
        self.named(self.unled())
    }

    fn named(&self, logicals: &'a [U32]) -> impl Iterator<Item = SignatureId> + use<'a> {
        let database = *self;
        let logical = move |index: &U32| database.logicals.get(index.get() as usize);
        logicals.iter().filter_map(logical).map(|logical| SignatureId(logical.signature.get()))
    }

    /// Number of signatures tied to one offset, and so compared there directly.
    pub fn direct_len(&self) -> usize {
        self.direct_entries.len()
    }

    /// How many digests of each meaning and kind there are, and how many of those apply to any size.
    pub fn digest_counts(&self) -> impl Iterator<Item = (DigestOf, DigestKind, u32, u32)> + use<'a> {
        let tables = table_keys().zip(self.hash_tables);
        tables.map(|((of, kind), table)| (of, kind, table.digest_count.get(), table.any_size.get()))
    }

    /// The tables of the digests of one meaning, in the order of [`DigestKind::ALL`].
    pub(crate) fn hash_tables(&self, of: DigestOf) -> &'a [HashTable] {
        let first = of as usize * DigestKind::ALL.len();
        self.hash_tables.get(first..first + DigestKind::ALL.len()).unwrap_or_default()
    }

    /// What tells this database from any other: the digest of its header and directory, which holds the digest of every section.
    pub fn identity(&self) -> [u8; 32] {
        self.header.digest
    }

    pub(crate) fn hash_key(&self) -> u64 {
        self.header.hash_key.get()
    }

    /// The program of a signature, or of a part: they follow the signatures. [`NO_PROGRAM`] when there is none.
    #[inline(always)]
    pub(crate) fn program(&self, id: u32) -> u32 {
        match self.signature_programs.get(id as usize) {
            Some(program) => program.get(),
            None => self.part_of(id).and_then(|part| self.part(part)).map_or(NO_PROGRAM, |part| part.program.get()),
        }
    }

    /// The part that `id` names where tables name signatures and parts; `None` for a signature.
    pub(crate) fn part_of(&self, id: u32) -> Option<u32> {
        id.checked_sub(self.signatures.len() as u32)
    }

    pub(crate) fn part(&self, part: u32) -> Option<&'a Part> {
        self.parts.get(part as usize)
    }

    /// The logical signatures that a part leads to, as indices into [`Database::logicals`].
    pub(crate) fn owners(&self, part: u32) -> &'a [U32] {
        let bound = |part: usize| self.parts.get(part).map_or(self.owners.len(), |part| part.first_owner.get() as usize);
        self.owners.get(bound(part as usize)..bound(part as usize + 1)).unwrap_or_default()
    }

    /// The logical signatures that no part leads to: they are evaluated for every file.
    pub(crate) fn unled(&self) -> &'a [U32] {
        let end = self.parts.first().map_or(self.owners.len(), |part| part.first_owner.get() as usize);
        self.owners.get(..end).unwrap_or_default()
    }

    /// The condition of a logical signature; empty when the database is damaged there.
    pub(crate) fn condition(&self, logical: &Logical) -> &'a [u8] {
        slice(self.conditions, logical.condition.get().into(), logical.condition_len.get().into()).unwrap_or_default()
    }

    /// The logical signature that a signature is, if it is one.
    pub(crate) fn logical(&self, signature: u32) -> Option<&'a Logical> {
        let index = self.logicals.binary_search_by_key(&signature, |logical| logical.signature.get()).ok()?;
        self.logicals.get(index)
    }

    /// The signature that `id` names, or, when it names a part, the first that this leads to.
    fn named_by(&self, id: u32) -> Option<SignatureId> {
        let Some(part) = self.part_of(id) else { return Some(SignatureId(id)) };
        let logical = self.owners(part).first()?;
        Some(SignatureId(self.logicals.get(logical.get() as usize)?.signature.get()))
    }

    fn text(&self, start: u32, len: u32) -> &'a str {
        let bytes = slice(self.names, u64::from(start), u64::from(len));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }

    /// Reads every byte and checks it: the digest of each section, the zeros between them, and every index.
    ///
    /// O(len). A database that passes is exactly what its linker wrote.
    ///
    /// # Errors
    /// [`DatabaseError`], naming the place.
    pub fn verify(&self) -> Result<(), DatabaseError> {
        let mut end = (size_of::<Header>() + size_of_val(self.directory)) as u64;
        for (section, entry) in Section::ALL.iter().zip(self.directory) {
            let (offset, len) = (entry.offset.get(), entry.len.get());
            let bounds = DatabaseError::SectionBounds { section: section.name(), offset, len };
            let padding = slice(self.bytes, end, offset - end).ok_or(bounds.clone())?;
            if padding.iter().any(|&byte| byte != 0) {
                return Err(DatabaseError::Content {
                    section: section.name(),
                    index: 0,
                    what: "bytes before it are not zero",
                });
            }
            let bytes = slice(self.bytes, offset, len).ok_or(bounds)?;
            if <[u8; 32]>::from(Sha256::digest(bytes)) != entry.digest {
                return Err(DatabaseError::SectionDigest { section: section.name() });
            }
            end = offset + len;
        }
        self.verify_references()
    }

    fn verify_references(&self) -> Result<(), DatabaseError> {
        let fault = |section: Section, index: usize, what: &'static str| {
            Err(DatabaseError::Content { section: section.name(), index, what })
        };
        let searched = |id: U32| (id.get() as usize) < self.signatures.len() + self.parts.len();
        for (index, pair) in self.buckets.windows(2).enumerate() {
            if pair[0] > pair[1] || pair[1].get() as usize > self.entries.len() {
                return fault(Section::Buckets, index, "its bounds do not ascend within the entries");
            }
        }
        if let Some(index) = self.entries.iter().position(|entry| !searched(entry.signature)) {
            return fault(Section::Entries, index, "no such signature");
        }
        if let Some(index) = self.direct_entries.iter().position(|entry| !searched(entry.signature)) {
            return fault(Section::DirectEntries, index, "no such signature");
        }
        for (index, group) in self.direct_groups.iter().enumerate() {
            if u64::from(group.first.get()) + u64::from(group.count.get()) > self.direct_entries.len() as u64 {
                return fault(Section::DirectGroups, index, "it ends outside the entries");
            }
        }
        for (index, program) in self.signature_programs.iter().enumerate() {
            if program.get() != NO_PROGRAM && !self.is_readable(program.get()) {
                return fault(Section::SignaturePrograms, index, "what it names cannot be read");
            }
        }
        self.verify_names()?;
        self.verify_hash_tables()?;
        self.verify_logicals()
    }

    fn verify_names(&self) -> Result<(), DatabaseError> {
        let fault = |section: Section, index: usize, what: &'static str| {
            Err(DatabaseError::Content { section: section.name(), index, what })
        };
        for (index, stem) in self.stems.iter().enumerate() {
            let (text, split) = (self.text(stem.name.get(), stem.name_len.get().into()), stem.split.get());
            if text.len() != usize::from(stem.name_len.get()) || !text.is_char_boundary(split.into()) {
                return fault(Section::Stems, index, "its text cannot be read");
            }
            let source = self.sources.get(usize::from(stem.source.get()));
            if source.is_none_or(|source| self.text(source.name.get(), source.name_len.get()).is_empty()) {
                return fault(Section::Stems, index, "it has no source");
            }
        }
        for (index, signature) in self.signatures.iter().enumerate() {
            let stem = self.stems.get(signature.stem.get() as usize);
            if stem.is_none_or(|stem| stem.name_len.get() == 0 && signature.number.get() == NO_NUMBER) {
                return fault(Section::Signatures, index, "it has no name");
            }
        }
        Ok(())
    }

    /// That each digest has a signature of its own, and each sized one a size.
    fn verify_hash_tables(&self) -> Result<(), DatabaseError> {
        let fault = |index, what| Err(DatabaseError::Content { section: Section::HashTables.name(), index, what });
        let (mut signature, mut low) = (self.signature_programs.len() as u64, 0);
        for (index, table) in self.hash_tables.iter().enumerate() {
            let (count, any_size) = (table.digest_count.get(), table.any_size.get());
            if (u64::from(table.first_signature.get()), u64::from(table.first_low.get())) != (signature, low) {
                return fault(index, "its signatures or sizes do not follow those of the table before it");
            }
            signature += u64::from(count);
            low += u64::from(count - any_size);
            let bounds = sizes(self, table).iter().map(|size| size.first.get()).chain([count]);
            let ascends = bounds.clone().zip(bounds.skip(1)).all(|(first, end)| first < end);
            let first = sizes(self, table).first().map_or(count, |size| size.first.get());
            if !ascends || first != any_size || !sizes(self, table).is_sorted_by(|a, b| a.high.get() < b.high.get()) {
                return fault(index, "its sizes do not ascend from the first digest to the last");
            }
        }
        if (signature, low) != (self.signatures.len() as u64, self.low_sizes.len() as u64) {
            return fault(self.hash_tables.len(), "there are signatures or sizes of no table");
        }
        Ok(())
    }

    fn is_readable(&self, program: u32) -> bool {
        Literal::read(self.programs, program).is_some()
            || Program::read(self.programs, program).is_some_and(|program| program.is_sound())
    }

    fn verify_logicals(&self) -> Result<(), DatabaseError> {
        let fault = |section: Section, index: usize, what: &'static str| {
            Err(DatabaseError::Content { section: section.name(), index, what })
        };
        let mut first = 0;
        for (index, part) in self.parts.iter().enumerate() {
            if !self.is_readable(part.program.get()) {
                return fault(Section::Parts, index, "its program cannot be read");
            }
            if part.first_owner.get() < first || part.first_owner.get() as usize > self.owners.len() {
                return fault(Section::Parts, index, "its bounds do not ascend within the owners");
            }
            first = part.first_owner.get();
        }
        if let Some(index) = self.owners.iter().position(|logical| logical.get() as usize >= self.logicals.len()) {
            return fault(Section::Owners, index, "no such logical signature");
        }
        let mut next = 0;
        for (index, logical) in self.logicals.iter().enumerate() {
            if logical.signature.get() < next || logical.signature.get() as usize >= self.signatures.len() {
                return fault(Section::Logicals, index, "its signatures do not ascend");
            }
            next = logical.signature.get() + 1;
            if !Soundness::new(self.conditions, self.parts.len() as u32).holds(self.condition(logical)) {
                return fault(Section::Logicals, index, "its condition cannot be read");
            }
        }
        Ok(())
    }

    fn check_tiers(&self) -> Result<(), DatabaseError> {
        for (index, tier) in self.tiers.iter().enumerate() {
            let fault = |what| Err(DatabaseError::Content { section: Section::Tiers.name(), index, what });
            if index >= TIERS_MAX {
                return fault("there are more tiers than this build scans with");
            }
            if !matches!((tier.width, tier.stride), (8 | 6 | 5, 8) | (8 | 4, 4) | (2..=4, 1)) {
                return fault("this build has no loop for its width and stride");
            }
            if tier.fold > 1 {
                return fault("this build knows no such way to fold");
            }
            let fits = |first: U64, log2: u8, more: u64, len: usize| {
                log2 <= 32 && first.get().checked_add((1 << log2) + more).is_some_and(|end| end <= len as u64)
            };
            if !fits(tier.filter_first, tier.filter_log2, 0, self.filters.len()) {
                return fault("its filter ends outside the section");
            }
            if !fits(tier.bucket_first, tier.bucket_log2, 1, self.buckets.len()) {
                return fault("its buckets end outside the section");
            }
        }
        Ok(())
    }

    fn check_hash_tables(&self) -> Result<(), DatabaseError> {
        let fault = |index, what| Err(DatabaseError::Content { section: Section::HashTables.name(), index, what });
        if self.hash_tables.len() != table_keys().count() {
            return fault(self.hash_tables.len(), "there must be one table for each meaning and kind of digests");
        }
        for (index, ((of, kind), table)) in table_keys().zip(self.hash_tables).enumerate() {
            if (table.of.get(), table.kind.get()) != (of as u16, kind as u16) {
                return fault(index, "its digests are not those of its place");
            }
            let (count, any_size) = (u64::from(table.digest_count.get()), u64::from(table.any_size.get()));
            let digests_len = count * kind.stored_len(of) as u64;
            let sound = slice(self.digests, table.digest_offset.get(), digests_len).is_some()
                && u64::from(table.first_size.get()) + u64::from(table.size_count.get()) <= self.hash_sizes.len() as u64
                && u64::from(table.first_signature.get()) + count <= self.signatures.len() as u64
                && any_size <= count
                && u64::from(table.first_low.get()) + (count - any_size) <= self.low_sizes.len() as u64;
            if !sound {
                return fault(index, "it ends outside its sections");
            }
        }
        Ok(())
    }
}

/// What the digests of each table are, in the order of the tables.
fn table_keys() -> impl Iterator<Item = (DigestOf, DigestKind)> {
    DigestOf::ALL.into_iter().flat_map(|of| DigestKind::ALL.into_iter().map(move |kind| (of, kind)))
}

/// Most tiers that a database may have.
pub const TIERS_MAX: usize = 16;

/// The digest that a header with this directory states.
pub fn header_digest(header: &Header, directory: &[SectionEntry]) -> [u8; 32] {
    let unsealed = Header { digest: [0; 32], ..header.clone() };
    let mut hasher = Sha256::new();
    hasher.update(unsealed.as_bytes());
    hasher.update(directory.as_bytes());
    hasher.finalize().into()
}

fn check_directory(directory: &[SectionEntry], file_len: u64) -> Result<(), DatabaseError> {
    let mut end = (size_of::<Header>() + size_of_val(directory)) as u64;
    for (index, (entry, section)) in directory.iter().zip(Section::ALL).enumerate() {
        if entry.kind.get() != section as u32 {
            return Err(DatabaseError::Directory { index, found: entry.kind.get(), expected: section as u32 });
        }
        let (offset, len) = (entry.offset.get(), entry.len.get());
        let fits = offset % SECTION_ALIGN == 0
            && offset >= end
            && offset - end < SECTION_ALIGN
            && offset.checked_add(len).is_some_and(|section_end| section_end <= file_len);
        if !fits {
            return Err(DatabaseError::SectionBounds { section: section.name(), offset, len });
        }
        end = offset + len;
    }
    if end == file_len { Ok(()) } else { Err(DatabaseError::TrailingBytes { stated: end, found: file_len }) }
}

/// The section as a slice of its items. Its bounds were checked by [`check_directory`].
fn view<'a, T>(bytes: &'a [u8], directory: &[SectionEntry], section: Section) -> Result<&'a [T], DatabaseError>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    let entry = &directory[section as usize - 1];
    let (offset, len) = (entry.offset.get(), entry.len.get());
    let fault = || DatabaseError::SectionBounds { section: section.name(), offset, len };
    let bytes = slice(bytes, offset, len).ok_or_else(fault)?;
    <[T]>::ref_from_bytes(bytes).map_err(|_| fault())
}

/// `len` bytes from `start`, if they are there.
pub(crate) fn slice(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let end = start.checked_add(len)?;
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
