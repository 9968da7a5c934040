//! The layout of a database (`.tdb`): what the linker writes and [`crate::Database`] reads in place.
//!
//! `docs/database.md` describes the same bytes for people; a test there fails when the two part. Everything is little-endian,
//! byte-aligned for the reader (sections begin at multiples of [`SECTION_ALIGN`], so that a mapped file is aligned too), and
//! refers to other things by index or by offset from the start of their section: a database has no pointers and is never
//! relocated.
//!
//! The hash of a window lives here too, because the linker that fills the tables and the scanner that asks them must agree on
//! it to the bit.

use crate::pattern::Offset;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of every database.
pub const MAGIC: [u8; 8] = *b"TITERDB\n";
/// The format this build writes and the only one it reads.
pub const FORMAT: u32 = 2;
/// Sections begin at multiples of this many bytes; the bytes between them are zero.
pub const SECTION_ALIGN: u64 = 64;

/// The first bytes of a database; the section directory follows.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`FORMAT`].
    pub format: U32,
    /// Number of entries in the section directory: one for each [`Section`].
    pub section_count: U32,
    /// Length of the whole file in bytes.
    pub file_len: U64,
    /// Multiplier of [`WindowHash`]; odd.
    pub hash_key: U64,
    /// SHA-256 of this header with this field zero, followed by the section directory.
    pub digest: [u8; 32],
}
const _: () = assert!(size_of::<Header>() == 64);

/// One entry of the section directory.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SectionEntry {
    /// Which section: a [`Section`] as a number; entries stand in its order.
    pub kind: U32,
    /// 1 when scanning touches it all the time, 0 when only a match or a report does.
    pub hot: U32,
    /// Where it begins, from the start of the file; a multiple of [`SECTION_ALIGN`].
    pub offset: U64,
    /// Its length in bytes.
    pub len: U64,
    /// SHA-256 of its bytes; checked by [`crate::Database::verify`], not at open.
    pub digest: [u8; 32],
    /// Zero.
    pub reserved: U64,
}
const _: () = assert!(size_of::<SectionEntry>() == 64);

/// The sections, in their order in the directory and in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Section {
    /// [`Tier`]s, the widest windows first.
    Tiers = 1,
    /// Filter words of all tiers: [`U64`].
    Filters = 2,
    /// Bucket bounds of all tiers: [`U32`] indices into `Entries`.
    Buckets = 3,
    /// [`Entry`]s of all tiers, bucket by bucket.
    Entries = 4,
    /// [`DirectGroup`]s: signatures tied to one offset.
    DirectGroups = 5,
    /// [`DirectEntry`]s, group by group, each group sorted by key.
    DirectEntries = 6,
    /// Programs of the body signatures; see [`ProgramHead`].
    Programs = 7,
    /// [`HashTable`]s: for each [`DigestOf`], one for each digest kind.
    HashTables = 8,
    /// Sizes at which a table has digests, but for their lowest 16 bits, ascending within a table: [`HashSize`].
    HashSizes = 9,
    /// The lowest 16 bits of the size that each digest applies to, table by table, but for those that apply to any: [`U16`].
    LowSizes = 10,
    /// Digests, sorted within one size: [`DigestKind::stored_len`] bytes each.
    Digests = 11,
    /// [`Signature`]s, by signature index: those with a program and logical ones, then those of each digest, table by table.
    Signatures = 12,
    /// For each signature before those of digests, its program: [`U32`], see [`NO_PROGRAM`].
    SignaturePrograms = 13,
    /// [`Source`]s: the blobs this database was linked from.
    Sources = 14,
    /// [`Stem`]s: what names have in common.
    Stems = 15,
    /// Text that `Stems` and `Sources` point into: UTF-8.
    Names = 16,
    /// [`Part`]s: patterns that logical signatures consist of.
    Parts = 17,
    /// Indices into `Logicals`: those that no part leads to, then those that each part leads to, part by part: [`U32`].
    Owners = 18,
    /// [`Logical`]s, ascending by signature.
    Logicals = 19,
    /// What each of them asks; see [`ConditionOp`].
    Conditions = 20,
}

impl Section {
    /// All of them, in order.
    pub const ALL: [Section; 20] = [
        Section::Tiers,
        Section::Filters,
        Section::Buckets,
        Section::Entries,
        Section::DirectGroups,
        Section::DirectEntries,
        Section::Programs,
        Section::HashTables,
        Section::HashSizes,
        Section::LowSizes,
        Section::Digests,
        Section::Signatures,
        Section::SignaturePrograms,
        Section::Sources,
        Section::Stems,
        Section::Names,
        Section::Parts,
        Section::Owners,
        Section::Logicals,
        Section::Conditions,
    ];

    /// Its name in messages and reports.
    pub fn name(self) -> &'static str {
        match self {
            Section::Tiers => "tiers",
            Section::Filters => "filters",
            Section::Buckets => "buckets",
            Section::Entries => "entries",
            Section::DirectGroups => "direct-groups",
            Section::DirectEntries => "direct-entries",
            Section::Programs => "programs",
            Section::HashTables => "hash-tables",
            Section::HashSizes => "hash-sizes",
            Section::LowSizes => "low-sizes",
            Section::Digests => "digests",
            Section::Signatures => "signatures",
            Section::SignaturePrograms => "signature-programs",
            Section::Sources => "sources",
            Section::Stems => "stems",
            Section::Names => "names",
            Section::Parts => "parts",
            Section::Owners => "owners",
            Section::Logicals => "logicals",
            Section::Conditions => "conditions",
        }
    }

    /// Whether scanning a clean file touches it.
    pub fn is_hot(self) -> bool {
        matches!(
            self,
            Section::Tiers
                | Section::Filters
                | Section::Buckets
                | Section::Entries
                | Section::DirectGroups
                | Section::DirectEntries
                | Section::HashTables
                | Section::HashSizes
                | Section::LowSizes
        )
    }
}

/// One family of anchors: those tested with windows of one width at one stride.
///
/// An anchor is a run of `width + stride - 1` fixed bytes, so that wherever it lies, one window that begins at a multiple of
/// `stride` from the start of the file lies within it. The linker stores the `stride` windows of the anchor; the scanner asks
/// for each `stride`-th window of the file.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Tier {
    /// Bytes in a window: 2 to 8.
    pub width: u8,
    /// Bytes between windows: 1, 2, 4 or 8.
    pub stride: u8,
    /// The filter has 2 to this many words, 0 to 32.
    pub filter_log2: u8,
    /// There are 2 to this many buckets, 0 to 32.
    pub bucket_log2: u8,
    /// Number of signatures anchored here.
    pub signatures: U32,
    /// First word in [`Section::Filters`].
    pub filter_first: U64,
    /// First bound in [`Section::Buckets`]; there is one more bound than buckets.
    pub bucket_first: U64,
    /// 1: windows and the bytes beside them are compared with [`FOLD`] in each byte, so that the cases of letters are one. 0: as they stand.
    pub fold: u8,
    /// Zero.
    pub reserved: u8,
    /// A bit for each target that one of its signatures has, bit 0 for any file: files of other kinds are not asked.
    pub targets: U16,
    /// Zero.
    pub reserved_2: [u8; 4],
}
const _: () = assert!(size_of::<Tier>() == 32);

/// The bit by which the two cases of an ASCII letter differ. With it set in every byte, case makes no difference; that other
/// bytes fall together too costs candidates and no matches.
pub const FOLD: u8 = 0x20;

impl Tier {
    /// What is set in each window before it is hashed: [`FOLD`] in every byte of a folded tier.
    pub fn fold_bits(&self) -> u64 {
        if self.fold == 0 { 0 } else { u64::from_le_bytes([FOLD; 8]) }
    }
}

/// One stored window.
///
/// The bytes beside the window tell most false candidates without a look at the signature. Within a bucket, entries ascend by `place`,
/// then by `near`: in a crowded one those of a window are found by search, and of one signature the lowest anchor comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Entry {
    /// The signature whose anchor this is.
    pub signature: U32,
    /// Bytes of the signature beside the window, the first lowest; the unused ones are zero.
    pub near: U32,
    /// Bits 0-3: where the bytes of `near` stand, from 4 bytes before the window on. Bits 4-6: how many of them are used, 0 to 4. Bits
    /// 7-9: 7 less the bytes from the start of the anchor to this window. Bits 10-15: [`WindowHash::check`] of the window.
    pub place: U16,
}
const _: () = assert!(size_of::<Entry>() == 10);

/// What [`Entry::place`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPlace {
    /// Bytes from the start of the anchor to the window: 0 to 7.
    pub shift: u8,
    /// How many bytes of [`Entry::near`] are used: 0 to 4.
    pub near_len: u8,
    /// Where they begin, counted from [`NEAR_REACH`] bytes before the window: 0 to 15.
    pub near_at: u8,
    /// [`WindowHash::check`]: 0 to 63.
    pub check: u8,
}

/// The bytes beside a window begin at most this many bytes before it.
pub const NEAR_REACH: usize = 4;

impl EntryPlace {
    /// Reads [`Entry::place`].
    #[inline(always)]
    pub fn unpack(place: u16) -> EntryPlace {
        EntryPlace {
            shift: 7 - ((place >> 7) & 7) as u8,
            near_len: ((place >> 4) & 7) as u8,
            near_at: (place & 15) as u8,
            check: (place >> 10) as u8,
        }
    }

    /// Writes [`Entry::place`].
    pub fn pack(self) -> u16 {
        u16::from(self.near_at & 15)
            | u16::from(self.near_len & 7) << 4
            | u16::from(7 - self.shift.min(7)) << 7
            | u16::from(self.check) << 10
    }
}

/// Signatures whose match begins at one offset, of the file or of a program in it, and whose first element has its key at one distance from
/// there.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DirectGroup {
    /// Where a match begins, as in a [`ProgramHead`].
    pub distance: U64,
    /// Bytes from there to the key.
    pub key_shift: U32,
    /// A [`ProgramOffset`] as a number: one that allows one place.
    pub offset_kind: u8,
    /// The section, for [`ProgramOffset::Section`]; else 0.
    pub section: u8,
    /// Bytes in the key, 0 to 4; with 0 every signature of the group is tried.
    pub key_len: u8,
    /// Zero.
    pub reserved: u8,
    /// First of the group in [`Section::DirectEntries`].
    pub first: U32,
    /// How many there are.
    pub count: U32,
    /// A bit for each target that one of its signatures has, as in [`Tier::targets`].
    pub targets: U16,
    /// Zero.
    pub reserved_2: [u8; 2],
}
const _: () = assert!(size_of::<DirectGroup>() == 28);

/// One signature of a [`DirectGroup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DirectEntry {
    /// The key, its first byte lowest.
    pub key: U32,
    /// The signature.
    pub signature: U32,
}

/// Start of a program in [`Section::Programs`]; its [`ProgramElement`]s follow, then its bytes.
///
/// Programs begin at multiples of [`PROGRAM_ALIGN`] bytes, and [`Section::SignaturePrograms`] counts in those.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ProgramHead {
    /// A [`ProgramOffset`] as a number.
    pub offset_kind: u8,
    /// The section that the offset counts from, 0 for offsets that count from none.
    pub section: u8,
    /// Number of elements.
    pub elements: U16,
    /// The element that holds the anchor.
    pub anchor_element: U16,
    /// Bytes from the start of that element to the anchor.
    pub anchor_shift: U16,
    /// First allowed offset of a match, counted from the place that the kind names, or its distance back from the end of the file. In two's
    /// complement when it counts from the entry point.
    pub distance: U64,
    /// How many bytes later a match may still begin.
    pub slack: U64,
}
const _: () = assert!(size_of::<ProgramHead>() == 24);

/// Programs begin at multiples of this many bytes.
pub const PROGRAM_ALIGN: usize = 4;

/// Where a match may begin: the `offset_kind` of a [`ProgramHead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProgramOffset {
    /// Anywhere.
    Any = 0,
    /// Counted from the start of the file.
    Start = 1,
    /// Counted back from its end.
    End = 2,
    /// Counted from the entry point of a program.
    Entry = 3,
    /// Counted from the start of a section.
    Section = 4,
    /// Counted from the start of the last section.
    LastSection = 5,
    /// From the start of a section to its end, and `slack` bytes behind it.
    Within = 6,
    /// At the key of a string of the version information.
    VersionInfo = 7,
}

impl ProgramOffset {
    /// All of them, by their numbers.
    pub const ALL: [ProgramOffset; 8] = [
        ProgramOffset::Any,
        ProgramOffset::Start,
        ProgramOffset::End,
        ProgramOffset::Entry,
        ProgramOffset::Section,
        ProgramOffset::LastSection,
        ProgramOffset::Within,
        ProgramOffset::VersionInfo,
    ];

    /// How `offset` is stored: its kind, section, distance and slack.
    pub fn of(offset: Offset) -> (ProgramOffset, u8, u64, u64) {
        match offset {
            Offset::Any => (ProgramOffset::Any, 0, 0, 0),
            Offset::Start { from, shift } => (ProgramOffset::Start, 0, from, shift),
            Offset::End { back, shift } => (ProgramOffset::End, 0, back, shift),
            Offset::Entry { delta, shift } => (ProgramOffset::Entry, 0, delta.cast_unsigned(), shift),
            Offset::Section { index, from, shift } => (ProgramOffset::Section, index, from, shift),
            Offset::LastSection { from, shift } => (ProgramOffset::LastSection, 0, from, shift),
            Offset::Within { index, shift } => (ProgramOffset::Within, index, 0, shift),
            Offset::VersionInfo => (ProgramOffset::VersionInfo, 0, 0, 0),
        }
    }

    /// The offset that is stored so; `None` for a kind that is unknown.
    pub fn read(kind: u8, index: u8, distance: u64, shift: u64) -> Option<Offset> {
        let kind = ProgramOffset::ALL.into_iter().find(|known| *known as u8 == kind)?;
        Some(match kind {
            ProgramOffset::Any => Offset::Any,
            ProgramOffset::Start => Offset::Start { from: distance, shift },
            ProgramOffset::End => Offset::End { back: distance, shift },
            ProgramOffset::Entry => Offset::Entry { delta: distance.cast_signed(), shift },
            ProgramOffset::Section => Offset::Section { index, from: distance, shift },
            ProgramOffset::LastSection => Offset::LastSection { from: distance, shift },
            ProgramOffset::Within => Offset::Within { index, shift },
            ProgramOffset::VersionInfo => Offset::VersionInfo,
        })
    }
}

/// One element of a program.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ProgramElement {
    /// An [`Op`] as a number.
    pub op: u8,
    /// [`Op::Alternatives`]: 1 when negated. [`Op::Gap`] and [`Op::FarGap`]: 1 when there is no upper bound. [`Op::Boundary`]: a
    /// [`crate::pattern::Boundary`] as a number. Else 0.
    pub flag: u8,
    /// [`Op::Literal`], [`Op::Masked`]: bytes. [`Op::Alternatives`]: strings. Else 0.
    pub count: U16,
    /// Gaps: fewest bytes. [`Op::Boundary`]: 0. Others: where their bytes begin, from the end of the element table.
    pub a: U32,
    /// Gaps: most bytes. [`Op::Alternatives`]: length of their bytes. Else 0.
    pub b: U32,
}
const _: () = assert!(size_of::<ProgramElement>() == 12);

/// What an element of a program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// `count` bytes as they stand.
    Literal = 0,
    /// `count` values, then `count` masks.
    Masked = 1,
    /// `count` strings: each a [`U16`] length, that many values, that many masks.
    Alternatives = 2,
    /// From `a` to `b` bytes, at most [`NEAR_GAP_MAX`] of difference.
    Gap = 3,
    /// From `a` to `b` bytes, more of difference than that: it parts the program.
    FarGap = 4,
    /// No byte, where a boundary holds.
    Boundary = 5,
}

/// A gap whose bounds differ by more than this many bytes parts a program: its sides are searched one after the other over the
/// whole file, once, instead of around each candidate.
pub const NEAR_GAP_MAX: u32 = 256;

/// Digests of one kind and one meaning.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct HashTable {
    /// A [`DigestKind`] as a number.
    pub kind: U16,
    /// A [`DigestOf`] as a number.
    pub of: U16,
    /// How many digests apply to any size; they come first.
    pub any_size: U32,
    /// First [`HashSize`] of the table.
    pub first_size: U32,
    /// How many it has.
    pub size_count: U32,
    /// Where its digests begin in [`Section::Digests`], in bytes.
    pub digest_offset: U64,
    /// The signature of its first digest; those of the others follow, in the order of the digests.
    pub first_signature: U32,
    /// Number of its digests, those for any size included.
    pub digest_count: U32,
    /// The low size of its first digest that does not apply to any, in [`Section::LowSizes`].
    pub first_low: U32,
}
const _: () = assert!(size_of::<HashTable>() == 36);

/// Digest functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum DigestKind {
    /// MD5 (RFC 1321), 16 bytes.
    Md5 = 1,
    /// SHA-1 (FIPS 180-4), 20 bytes.
    Sha1 = 2,
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256 = 3,
}

impl DigestKind {
    /// All of them, in the order of their tables.
    pub const ALL: [DigestKind; 3] = [DigestKind::Md5, DigestKind::Sha1, DigestKind::Sha256];

    /// Bytes in a digest.
    pub const fn digest_len(self) -> usize {
        match self {
            DigestKind::Md5 => 16,
            DigestKind::Sha1 => 20,
            DigestKind::Sha256 => 32,
        }
    }

    /// Bytes that a database keeps of a digest of `of`, its first ones.
    ///
    /// To make a file whose digest begins with the 16 bytes of another's takes 2 to the 128 attempts. But whoever may choose both files needs 2 to
    /// the 64: one of them clean and on an allow list, the other not. So digests of clean files are kept whole.
    pub const fn stored_len(self, of: DigestOf) -> usize {
        match of {
            DigestOf::CleanFile => self.digest_len(),
            DigestOf::File | DigestOf::Section | DigestOf::Imports => 16,
        }
    }
}

/// What the digest of a signature is of, and so which size goes with it. The numbers are those of the database and of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DigestOf {
    /// A whole file.
    File = 0,
    /// A section of a PE file, as far as it lies in the file.
    Section = 1,
    /// The functions that a PE file imports, spelled as one text: see [`crate::Image::imports_of`].
    Imports = 2,
    /// A whole file that is clean, whatever else is found in it.
    CleanFile = 3,
}

impl DigestOf {
    /// All of them, in the order of their tables.
    pub const ALL: [DigestOf; 4] = [DigestOf::File, DigestOf::Section, DigestOf::Imports, DigestOf::CleanFile];

    /// Its name in messages and listings.
    pub fn name(self) -> &'static str {
        match self {
            DigestOf::File => "file",
            DigestOf::Section => "section",
            DigestOf::Imports => "imports",
            DigestOf::CleanFile => "clean-file",
        }
    }
}

/// The digests for sizes that differ in their lowest 16 bits only. Within one, digests ascend by size.
///
/// Nearly each file has a size of its own, so a size with all its bytes for each digest would be as large as the digest.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct HashSize {
    /// The sizes, in bytes of what the digests are of, shifted down by 16 bits.
    pub high: U64,
    /// Its first digest, counted from the table's first; the next one's first ends it.
    pub first: U32,
}
const _: () = assert!(size_of::<HashSize>() == 12);

/// One signature: its name and, by its stem, its source.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Signature {
    /// The [`Stem`] of its name.
    pub stem: U32,
    /// The number that its name has in its stem, in decimal; [`NO_NUMBER`] when its name is its stem.
    pub number: U32,
}
const _: () = assert!(size_of::<Signature>() == 8);

/// [`Signature::number`] of a name that is its stem.
pub const NO_NUMBER: u32 = u32::MAX;

/// The name that signatures of one source have but for a number in it.
///
/// Names are told apart by numbers: 165,700 real hash signatures have 7,118 stems. A name is spelled out only where it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Stem {
    /// Where its text begins in [`Section::Names`].
    pub name: U32,
    /// Bytes in its text.
    pub name_len: U16,
    /// Bytes of its text before the number.
    pub split: U16,
    /// The [`Source`] of its signatures.
    pub source: U16,
}
const _: () = assert!(size_of::<Stem>() == 10);

/// In [`Section::SignaturePrograms`], the program of a signature without one.
///
/// Of others, bits 0-26: where the program begins, in [`PROGRAM_ALIGN`] bytes. Bits 27-30: the kind of files the signature is looked for in, a
/// [`crate::FileKind`] as a number, 0 for any. Bit 31: what begins there is a [`LiteralHead`].
pub const NO_PROGRAM: u32 = u32::MAX;

/// Set in a signature's program when the signature is one literal that may stand anywhere, as most are.
pub const LITERAL_PROGRAM: u32 = 1 << 31;

/// Bits of a signature's program that say where the program begins.
pub const PROGRAM_PLACE: u32 = (1 << PROGRAM_TARGET_SHIFT) - 1;

/// Where in a signature's program the kind of files begins.
pub const PROGRAM_TARGET_SHIFT: u32 = 27;

/// Its bits, once shifted down.
pub const PROGRAM_TARGET_MASK: u32 = 15;

/// The program of a signature that is one literal; its bytes follow.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LiteralHead {
    /// Bytes in the literal.
    pub len: U16,
    /// Bytes from its start to the anchor.
    pub anchor_shift: U16,
}
const _: () = assert!(size_of::<LiteralHead>() == 4);

/// One blob that went into the database.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Source {
    /// Where the channel's name (`maker/name`) begins in [`Section::Names`].
    pub name: U32,
    /// Bytes in that name.
    pub name_len: U32,
    /// Release number.
    pub release: U64,
    /// Root hash of the blob.
    pub root: [u8; 32],
}
const _: () = assert!(size_of::<Source>() == 48);

/// The hash of one window, cut into the parts that the tables use.
///
/// One multiplication by an odd key and one fold: few enough steps to run in vector lanes, and the key is data of the database,
/// so that a publisher or an installation can draw another. The index is the highest bits, which depend on every byte of the
/// window; the fold brings them down to the bits that the word's positions and the check are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowHash(u64);

impl WindowHash {
    /// The hash of `window`, the bytes beyond its width being zero, under `key`.
    #[inline(always)]
    pub fn new(window: u64, key: u64) -> WindowHash {
        let product = window.wrapping_mul(key);
        WindowHash(product ^ (product >> 32))
    }

    /// Index into a table of 2 to `log2` places; `log2` is at most 32.
    #[inline(always)]
    pub fn index(self, log2: u8) -> usize {
        // Two shifts, so that `log2 == 0` gives 0 instead of a shift by 64.
        ((self.0 >> 1) >> (63 - (log2 & 63).min(63))) as usize
    }

    /// The bits that the filter word of a stored window has set, one to three of them: those that bytes 1, 2 and 3 name.
    #[inline(always)]
    pub fn filter_bits(self) -> u64 {
        (1 << ((self.0 >> 8) & 63)) | (1 << ((self.0 >> 16) & 63)) | (1 << ((self.0 >> 24) & 63))
    }

    /// What an [`Entry`] keeps of the window: 0 to 63.
    #[inline(always)]
    pub fn check(self) -> u8 {
        (self.0 & 63) as u8
    }
}

/// The bytes of a `u64` that a window of `width` bytes (1 to 8) occupies.
#[inline(always)]
pub fn window_mask(width: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(width.clamp(1, 8)))
}

/// A pattern that logical signatures consist of. Where tables name signatures by index, parts follow the last signature.
///
/// A part that *leads* is searched for, and where it matches, the signatures that it leads to are evaluated; the other parts
/// are run over the file when a signature is evaluated, and in other files cost nothing.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Part {
    /// As that of a signature, see [`NO_PROGRAM`].
    pub program: U32,
    /// First of the signatures that it leads to, in [`Section::Owners`]; the next part's first ends them.
    pub first_owner: U32,
}
const _: () = assert!(size_of::<Part>() == 8);

/// A logical signature.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Logical {
    /// Which signature.
    pub signature: U32,
    /// Where its condition begins in [`Section::Conditions`].
    pub condition: U32,
    /// Bytes in its condition.
    pub condition_len: U32,
    /// The kind of files it is looked for in, a [`crate::FileKind`] as a number; 0 for any.
    pub target: u8,
    /// Zero.
    pub reserved: [u8; 3],
}
const _: () = assert!(size_of::<Logical>() == 16);

/// The first byte of each node of a condition. A node knows its length from its parent; all numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConditionOp {
    /// A subsignature matches: its number (1 byte), then its patterns as indices of parts (4 bytes each); one of them must match.
    Subsignature = 0,
    /// All of its children hold: for each, its length (4 bytes) and itself.
    All = 1,
    /// Some of its children hold; as `All`.
    Any = 2,
    /// Matches compare: a [`crate::expression::Comparison`] as a number (1 byte), how many different subsignatures must take part (1), the
    /// number of matches (4), the child.
    Count = 3,
    /// The file has at least (8 bytes) and at most (8 bytes) so many bytes.
    FileSize = 4,
    /// The entry point of an executable is at such an offset: least, most (8 bytes each).
    EntryPoint = 5,
    /// An executable has so many sections: least, most (8 bytes each).
    Sections = 6,
    /// The file lies in a container of a kind that this build does not open: never.
    Never = 7,
    /// A subsignature that is a regular expression: its number (1 byte), and where in the section it is defined (4 bytes). There: its flags (1
    /// byte, [`crate::regex::Flags::bits`]); 1 for all matches, 2 for an offset that is the first place, 4 for one whose shift is the end (1
    /// byte, added up); its offset: kind, section (1 byte each), distance, slack (8 bytes each), as in [`ProgramHead`]; the length of its
    /// trigger (4 bytes), its trigger, which names subsignatures of lower numbers only; the length of its pattern (4 bytes), its pattern.
    Regex = 8,
    /// A subsignature that is a number near the last match of another: its number (1 byte), how many parts that other has (4 bytes), these (4
    /// bytes each), what is asked ([`crate::byte_compare::ByteCompare::encode_into`]).
    ByteCompare = 9,
    /// A subsignature that is the hash of a picture: its number (1 byte), and the hash that the file must have (8 bytes, [`crate::image_hash()`]).
    Image = 10,
}

/// In the definition of a regular expression: all matches count, not only the first.
pub const REGEX_GLOBAL: u8 = 1;
/// In the definition of a regular expression: an offset without a shift is the first place where a match may begin.
pub const REGEX_ROLLING: u8 = 2;
/// In the definition of a regular expression: the file ends where its shift does.
pub const REGEX_ENCOMPASS: u8 = 4;

impl ConditionOp {
    /// All of them, by their numbers.
    pub const ALL: [ConditionOp; 11] = [
        ConditionOp::Subsignature,
        ConditionOp::All,
        ConditionOp::Any,
        ConditionOp::Count,
        ConditionOp::FileSize,
        ConditionOp::EntryPoint,
        ConditionOp::Sections,
        ConditionOp::Never,
        ConditionOp::Regex,
        ConditionOp::ByteCompare,
        ConditionOp::Image,
    ];

    /// The operation with this number, if there is one.
    pub fn from_number(number: u8) -> Option<ConditionOp> {
        ConditionOp::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_always_in_its_table() {
        for log2 in 0..=32 {
            for window in [0, 1, 0x0102_0304_0506_0708, u64::MAX] {
                let index = WindowHash::new(window, 0x9e37_79b9_7f4a_7c15).index(log2);
                assert!((index as u64) < 1 << log2);
            }
        }
    }

    #[test]
    fn sections_stand_in_the_order_of_their_numbers() {
        for (i, section) in Section::ALL.iter().enumerate() {
            assert_eq!(*section as usize, i + 1);
        }
    }
}
