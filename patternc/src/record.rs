//! Canonical records: one signature each, with one meaning and one encoding.
//!
//! The encoding is what blobs hold, what deltas add and remove, and what the order of records is defined by; `docs/blob.md`
//! describes it. Two records are equal exactly when their encodings are.

mod codec;

use std::cmp::Ordering;
use std::fmt;

use std::ops::RangeInclusive;

use engine::FileKind;
use engine::byte_compare::ByteCompare;
use engine::expression::Expression;
pub use engine::layout::DigestOf;
use engine::pattern::{Offset, Pattern};
use engine::regex::Flags;

pub(crate) use codec::{decode_one, kind_of, skip, tags};

/// One signature.
///
/// The order is the canonical one: by kind, then by encoded bytes. Comparing encodes both sides, so sort large lists by
/// [`Record::encode`]d keys instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Bytes to be found inside a file.
    Body(Body),
    /// Digest of a file, or of a part of one.
    Hash(Hash),
    /// Several things to be found in one file, and how many of them. Boxed: a set of millions has few, and each other record would take the
    /// room of one.
    Logical(Box<Logical>),
}

/// A body signature: a pattern, and where it may begin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// Name reported for a match: 1 to [`Record::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Files it is looked for in.
    pub target: Target,
    /// Where a match must begin.
    pub offset: Offset,
    /// What is looked for.
    pub pattern: Pattern,
}

/// A signature by a digest, or an entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hash {
    /// What the digest is of, and what it says of the file.
    pub of: DigestOf,
    /// Name reported for a match: 1 to [`Record::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Digest.
    pub digest: Digest,
    /// Size in bytes of what the digest is of; `None` for any size.
    pub size: Option<u64>,
}

/// A logical signature: subsignatures, and what is asked of them together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logical {
    /// Name reported for a match: 1 to [`Record::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Files it is looked for in.
    pub target: Target,
    /// What else must be so of the file.
    pub limits: Limits,
    /// What is asked of the subsignatures; it names none that is not there.
    pub expression: Expression,
    /// The subsignatures, by their numbers: 1 to [`Expression::SUBSIGNATURES_MAX`].
    pub subsignatures: Vec<Subsignature>,
}

/// What must be so of a file besides its content. A range that is `None` allows every file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Its size in bytes.
    pub file_size: Option<RangeInclusive<u64>>,
    /// Where the entry point of an executable is, in bytes from its start.
    pub entry_point: Option<RangeInclusive<u64>>,
    /// How many sections an executable has.
    pub sections: Option<RangeInclusive<u64>>,
    /// The kind of container that it lies in, by ClamAV's name for it (`CL_TYPE_ZIP`).
    pub container: Option<String>,
}

/// One of the things that a logical signature looks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subsignature {
    /// Bytes.
    Bytes {
        /// Where a match must begin.
        offset: Offset,
        /// What is looked for: matches of any of these count. One or two.
        any_of: Vec<Pattern>,
    },
    /// A regular expression.
    Regex(RegexSubsignature),
    /// A number near the last match of another subsignature, compared; it matches once or not at all.
    ByteCompare {
        /// The number of that subsignature, which is one of bytes before this one.
        trigger: u8,
        /// What is asked.
        compare: ByteCompare,
    },
    /// What a picture shows; it matches once or not at all.
    Image {
        /// What [`engine::image_hash()`] must say of the file.
        hash: u64,
    },
}

/// A regular expression, searched for when other subsignatures are there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegexSubsignature {
    /// Over subsignatures before this one: while it does not hold, this one has no matches.
    pub trigger: Expression,
    /// Where a match must begin.
    pub offset: Offset,
    /// The expression, which [`engine::regex::Regex::new`] takes with `flags`. 1 to [`engine::regex::PATTERN_BYTES_MAX`] bytes.
    pub pattern: String,
    /// Options of the expression.
    pub flags: Flags,
    /// All matches count, not only the first.
    pub global: bool,
    /// An offset without a shift is the first place where a match may begin, not the only one.
    pub rolling: bool,
    /// The file ends, for the expression, as many bytes after the offset as the shift says.
    pub encompass: bool,
}

impl Logical {
    /// Most regular expressions that trigger one another in a row.
    pub const TRIGGERS_MAX: usize = 8;

    /// Whether every trigger is about subsignatures before its own, and no row of them too long.
    pub(crate) fn are_triggers_sound(&self) -> bool {
        let mut rows: Vec<usize> = Vec::with_capacity(self.subsignatures.len());
        for subsignature in &self.subsignatures {
            let row = match subsignature {
                Subsignature::Bytes { .. } | Subsignature::Image { .. } => 0,
                Subsignature::ByteCompare { trigger, .. } => {
                    let of = self.subsignatures[..rows.len()].get(usize::from(*trigger));
                    if !matches!(of, Some(Subsignature::Bytes { .. })) {
                        return false;
                    }
                    0
                }
                Subsignature::Regex(regex) => {
                    let mut named = Vec::new();
                    regex.trigger.each_subsignature(&mut |number| named.push(usize::from(number)));
                    let before: Option<Vec<usize>> = named.into_iter().map(|number| rows.get(number).copied()).collect();
                    let Some(before) = before else { return false };
                    1 + before.into_iter().max().unwrap_or(0)
                }
            };
            rows.push(row);
        }
        rows.into_iter().all(|row| row <= Logical::TRIGGERS_MAX)
    }
}

/// Files a body signature is meant for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Target {
    /// Files of any kind.
    #[default]
    Any,
    /// Files of one kind.
    Kind(FileKind),
}

impl Target {
    /// Its number in encodings: 0 for any, else that of the kind.
    pub fn number(self) -> u8 {
        match self {
            Target::Any => 0,
            Target::Kind(kind) => kind as u8,
        }
    }

    /// The target with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Target> {
        if number == 0 { Some(Target::Any) } else { FileKind::from_number(number).map(Target::Kind) }
    }
}

/// A digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Digest {
    /// The bytes of the digest: 16, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Digest::Md5(bytes) => bytes,
            Digest::Sha1(bytes) => bytes,
            Digest::Sha256(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self {
            Digest::Md5(_) => "md5",
            Digest::Sha1(_) => "sha1",
            Digest::Sha256(_) => "sha256",
        };
        write!(f, "{algorithm}:")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a record is; the first part of the canonical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Record::Body`].
    Body,
    /// [`Record::Hash`] of a whole file.
    FileHash,
    /// [`Record::Hash`] of a section of a PE file.
    SectionHash,
    /// [`Record::Hash`] of what a PE file imports.
    ImportHash,
    /// [`Record::Hash`] of a file that is clean.
    CleanFile,
    /// [`Record::Logical`].
    Logical,
}

impl Kind {
    /// Every kind, in canonical order.
    pub const ALL: [Kind; 6] =
        [Kind::Body, Kind::FileHash, Kind::SectionHash, Kind::ImportHash, Kind::CleanFile, Kind::Logical];

    /// The kind of records with a digest of `of`.
    pub(crate) fn of_digest(of: DigestOf) -> Kind {
        match of {
            DigestOf::File => Kind::FileHash,
            DigestOf::Section => Kind::SectionHash,
            DigestOf::Imports => Kind::ImportHash,
            DigestOf::CleanFile => Kind::CleanFile,
        }
    }

    /// The kind in words, as used in errors and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Body => "body",
            Kind::FileHash => "file-hash",
            Kind::SectionHash => "section-hash",
            Kind::ImportHash => "import-hash",
            Kind::CleanFile => "clean-file",
            Kind::Logical => "logical",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Record {
    /// Longest name, in bytes: as long as a line of a ClamAV signature file can be.
    pub const NAME_BYTES_MAX: usize = 8190;

    /// Name reported for a match.
    pub fn name(&self) -> &str {
        match self {
            Record::Body(body) => &body.name,
            Record::Hash(hash) => &hash.name,
            Record::Logical(logical) => &logical.name,
        }
    }

    /// The name, taken out of the record.
    pub fn into_name(self) -> String {
        match self {
            Record::Body(body) => body.name,
            Record::Hash(hash) => hash.name,
            Record::Logical(logical) => logical.name,
        }
    }

    /// What the record is.
    pub fn kind(&self) -> Kind {
        match self {
            Record::Body(_) => Kind::Body,
            Record::Hash(hash) => Kind::of_digest(hash.of),
            Record::Logical(_) => Kind::Logical,
        }
    }

    /// Whether a scanner can find it: a pattern that may begin anywhere needs two bytes in a row that are fixed, or
    /// letters of either case.
    pub fn can_be_found(&self) -> bool {
        match self {
            Record::Body(body) => body.offset.is_fixed() || crate::link::can_be_searched(&body.pattern),
            Record::Hash(_) | Record::Logical(_) => true,
        }
    }

    /// The canonical encoding; records are ordered by it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    /// Appends the canonical encoding to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        codec::encode(self, out);
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Record) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Record) -> Ordering {
        self.encode().cmp(&other.encode())
    }
}
