//! Harmless files that bear a signature, and files that almost do: the grammar of signatures, inverted.
//!
//! What a pattern matches is written down by choosing among its alternatives and filling its gaps ([`instance`]); what an expression asks
//! for is turned into numbers of matches (`solve`); both are laid out in a clean file of the right kind (`carrier`, `layout`). The
//! oracle ([`bears`]) then has the last word: what it does not confirm is not given out, so a hit is one by definition, and so is a
//! miss.

mod body;
mod carrier;
mod instance;
mod layout;
mod logical;
mod margin;
mod misses;
mod mould;
mod number;
mod oracle;
mod picture;
mod regex;
mod solve;

pub use instance::{Choice, instance, instance_of, near_miss};
pub use oracle::{bears, ends};

use patternc::record::{Digest, Record};
use std::fmt;

/// What signatures are filled up with where anything goes, and files where nothing is planted.
const FILLER: u8 = b'~';
/// Largest planted file, in bytes; signatures that need a larger one are not planted.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A harmless file made for one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedFile {
    /// What was made.
    pub what: What,
    /// Its content, at most 1 MiB.
    pub bytes: Vec<u8>,
}

/// What a planted file is to its signature. Only the first two are matched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The signature matches: the first of all alternatives, the least of all gaps.
    Hit,
    /// The signature matches: the last of all alternatives, the most of all gaps (or some bytes more, where there is no most).
    HitMost,
    /// A hit with one byte changed.
    NearMiss,
    /// A hit but for a gap that is one byte too long.
    GapTooLong,
    /// A hit but for something that begins one byte before the first place that its offset allows, or one behind the last.
    Misplaced,
    /// A hit with its first byte changed, so that it is a file of another kind.
    OtherKind,
    /// A hit in which a subsignature matches once more than it may: one that shall be absent, or a count that is exceeded.
    TooMany,
    /// A hit in a file one byte larger than its signature allows.
    TooLarge,
    /// A hit but for a number that is compared, which is another one.
    OtherNumber,
    /// A hit but for the picture, which shows something else.
    OtherPicture,
}

impl What {
    /// Every kind of file.
    pub const ALL: [What; 10] = [
        What::Hit,
        What::HitMost,
        What::NearMiss,
        What::GapTooLong,
        What::Misplaced,
        What::OtherKind,
        What::TooMany,
        What::TooLarge,
        What::OtherNumber,
        What::OtherPicture,
    ];

    /// Whether the signature matches.
    pub fn is_hit(self) -> bool {
        matches!(self, What::Hit | What::HitMost)
    }

    /// One or two words for file names and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            What::Hit => "hit",
            What::HitMost => "hit-most",
            What::NearMiss => "near-miss",
            What::GapTooLong => "gap-too-long",
            What::Misplaced => "misplaced",
            What::OtherKind => "other-kind",
            What::TooMany => "too-many",
            What::TooLarge => "too-large",
            What::OtherNumber => "other-number",
            What::OtherPicture => "other-picture",
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no file for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Unplantable {
    /// It is a digest, and nobody can make a file for one.
    Digest,
    /// It is for files in a container, which would have to be made.
    Container,
    /// Its file would be larger than 1 MiB.
    FileTooLarge,
    /// It is for smaller files than the one in which its parts have room.
    FileTooSmall,
    /// It needs an entry point or sections that the made executables do not have.
    Image,
    /// Some part of it matches nothing that can be written down.
    Pattern,
    /// Some subsignature of it is of a kind that is not known here.
    Subsignature,
    /// No text was found for one of its regular expressions.
    Regex,
    /// The numbers that a comparison asks for contradict each other, or have no room where they shall stand.
    Number,
    /// An image hash that no picture was found for, or more than one.
    Picture,
    /// No numbers of matches were found for which its expression holds.
    Expression,
    /// An offset allows fewer places than there are to be matches.
    Places,
    /// What was made does not bear it: parts of it get into each other's way.
    Unconfirmed,
}

impl Unplantable {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Unplantable::Digest => "a digest",
            Unplantable::Container => "for files in a container",
            Unplantable::FileTooLarge => "a file above 1 MiB is needed",
            Unplantable::FileTooSmall => "for files too small to hold it",
            Unplantable::Image => "an unusual entry point or section is needed",
            Unplantable::Pattern => "a pattern that matches nothing",
            Unplantable::Subsignature => "a kind of subsignature that is not known",
            Unplantable::Regex => "a regular expression without a text",
            Unplantable::Number => "a number that cannot be written",
            Unplantable::Picture => "an image hash without a picture",
            Unplantable::Expression => "an expression that was not solved",
            Unplantable::Places => "too few places for its matches",
            Unplantable::Unconfirmed => "its parts get into each other's way",
        }
    }
}

impl fmt::Display for Unplantable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Files made for `record`: a hit first, then another if it can match in several ways, then misses.
///
/// Takes milliseconds, O(pattern × file) for each file that is tried.
///
/// # Errors
/// [`Unplantable`] when not even a hit could be made.
pub fn plant(record: &Record) -> Result<Vec<PlantedFile>, Unplantable> {
    match record {
        Record::Body(body) => body::plant(body),
        Record::Logical(logical) => logical::plant(logical),
        Record::Hash(_) => Err(Unplantable::Digest),
    }
}

/// A file for each of `records` that has one, with its name: the first of what [`plant`] makes, and the EICAR test file for its
/// digests. Other digests have no file.
pub fn planted(records: &[Record]) -> Vec<(String, Vec<u8>)> {
    let eicar = crate::records(&["eicar.hdb", "eicar.hsb"]);
    let digests: Vec<_> = eicar.iter().filter_map(digest).collect();
    let file = |record: &Record| match digest(record) {
        Some(found) => digests.contains(&found).then(crate::eicar),
        None => plant(record).ok()?.into_iter().next().map(|planted| planted.bytes),
    };
    records.iter().filter_map(|record| Some((record.name().to_owned(), file(record)?))).collect()
}

fn digest(record: &Record) -> Option<Digest> {
    match record {
        Record::Hash(hash) => Some(hash.digest),
        _ => None,
    }
}

/// The files that the oracle confirms, in order: hits that bear `record`, and misses that do not.
fn confirmed(record: &Record, files: impl IntoIterator<Item = PlantedFile>) -> Vec<PlantedFile> {
    let mut kept: Vec<PlantedFile> = Vec::new();
    for file in files {
        let new = kept.iter().all(|known| known.bytes != file.bytes);
        if new && bears(record, &file.bytes) == file.what.is_hit() {
            kept.push(file);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_eicar_are_planted() {
        let planted = planted(&crate::records(&["eicar.hdb", "eicar.hsb", "mandiant.ndb"]));
        assert_eq!(planted.len(), 3 + 14);
        assert_eq!(planted.iter().filter(|(_, bytes)| *bytes == crate::eicar()).count(), 3);
    }

    #[test]
    fn every_signature_has_a_file_that_bears_it_and_one_that_differs_from_it_in_a_byte() {
        let sources = crate::signatures().into_iter().chain(crate::features()).collect::<Vec<_>>();
        for record in crate::compile(&sources).records.iter().filter(|record| digest(record).is_none()) {
            let files = plant(record).unwrap_or_else(|reason| panic!("{}: {reason}", record.name()));
            assert_eq!(files[0].what, What::Hit);
            for file in &files {
                assert_eq!(bears(record, &file.bytes), file.what.is_hit(), "{}: {}", record.name(), file.what);
            }
            let near_miss = files.iter().find(|file| file.what == What::NearMiss);
            let near_miss = near_miss.unwrap_or_else(|| panic!("{} has no near miss", record.name()));
            let differing = files[0].bytes.iter().zip(&near_miss.bytes).filter(|(a, b)| a != b);
            assert_eq!(differing.count(), 1, "{}", record.name());
        }
    }
}
