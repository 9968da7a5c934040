//! Files for logical signatures.
//!
//! Each subsignature is planted as often as a solution of the expression says: bytes and texts of regular expressions as strings, numbers beside the
//! last string of what triggers them, and a picture as the file that holds all others. The misses are made from the hit: a planted string with a
//! byte changed, one string too many, one misplaced, another number, another picture, the file too large.

use super::body::turn_of;
use super::carrier::Wanted;
use super::instance::{Choice, mould};
use super::layout::{Laid, Piece, lay};
use super::mould::Mould;
use super::oracle::bears_logical;
use super::solve::solutions;
use super::{FILE_BYTES_MAX, FILLER, PlantedFile, Unplantable, confirmed};
use super::{number, regex};
use engine::pattern::Offset;
use engine::regex::Specimens;
use patternc::record::{Logical, Record, Subsignature};

/// Solutions of an expression that are laid out before it is given up.
const SOLUTIONS_MAX: usize = 12;
/// Texts of regular expressions that are tried for one solution.
const DRAWS_MAX: u32 = 8;
/// The turn of the first text for [`Choice::Most`].
const TURN_OF_MOST: u32 = 1000;

/// A string for one match of a subsignature.
struct Planted {
    offset: Offset,
    mould: Mould,
}

pub(super) fn plant(logical: &Logical) -> Result<Vec<PlantedFile>, Unplantable> {
    if logical.limits.container.is_some() {
        return Err(Unplantable::Container);
    }
    let plan = Plan::new(logical)?;
    // What stands in the way of the likeliest solution is the reason.
    let mut reason = None;
    for counts in solutions(logical).take(SOLUTIONS_MAX) {
        let draws = if plan.specimens.iter().any(Option::is_some) { DRAWS_MAX } else { 1 };
        for draw in 0..draws {
            let variation = Variation { draw, ..Variation::default() };
            match plan.lay(&counts, variation) {
                Ok((laid, pieces)) if bears_logical(logical, &laid.file) => {
                    return Ok(confirmed(
                        &Record::Logical(Box::new(logical.clone())),
                        plan.files(&counts, variation, &laid, &pieces),
                    ));
                }
                Ok(_) => reason.get_or_insert(Unplantable::Unconfirmed),
                Err(why) => reason.get_or_insert(why),
            };
        }
    }
    Err(reason.unwrap_or(Unplantable::Expression))
}

/// What distinguishes a file from the hit.
#[derive(Clone, Copy, Default)]
pub(super) struct Variation {
    pub(super) choice: Option<Choice>,
    /// The subsignature whose first match is put a byte before its place.
    pub(super) misplaced: Option<usize>,
    /// The size of the file, whatever the limits say.
    pub(super) size: Option<u64>,
    /// Which of the texts of regular expressions are planted.
    pub(super) draw: u32,
    /// The byte comparison that gets a number it does not ask for.
    pub(super) other_number: Option<usize>,
    /// Bits of the image hash to change.
    pub(super) other_picture: u64,
}

pub(super) struct Plan<'l> {
    pub(super) logical: &'l Logical,
    wanted: Wanted,
    pub(super) turn: usize,
    /// Of each subsignature that is a regular expression.
    specimens: Vec<Option<Specimens>>,
}

/// A piece, and the subsignature that it is of.
pub(super) type Numbered = (usize, Piece);

impl<'l> Plan<'l> {
    fn new(logical: &'l Logical) -> Result<Plan<'l>, Unplantable> {
        let specimens_of = |subsignature: &Subsignature| match subsignature {
            Subsignature::Regex(regex) => regex::specimens(regex),
            _ => None,
        };
        let specimens: Vec<Option<Specimens>> = logical.subsignatures.iter().map(specimens_of).collect();
        let offsets = logical.subsignatures.iter().zip(&specimens).map(|(subsignature, specimens)| match subsignature {
            Subsignature::Bytes { offset, .. } => *offset,
            Subsignature::Regex(regex) => {
                let planted = specimens.as_ref().and_then(|specimens| regex::planted(regex, specimens, 0, &[]));
                planted.map_or(regex.offset, |(offset, _)| offset)
            }
            _ => Offset::Any,
        });
        let turn = logical.subsignatures.iter().map(turn_of_subsignature).sum();
        let wanted = Wanted::new(logical.target, offsets, &logical.limits, turn)?;
        Ok(Plan { logical, wanted, turn, specimens })
    }

    /// A file in which subsignature `n` is planted `counts[n]` times.
    pub(super) fn lay(&self, counts: &[u64], variation: Variation) -> Result<(Laid, Vec<Numbered>), Unplantable> {
        let wanted = self.wanted.with_picture(self.picture(counts)?.map(|hash| hash ^ variation.other_picture));
        let carrier = wanted.make()?;
        let mut pieces = Vec::new();
        for (number, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let Some(planted) = self.planted(number, variation, &carrier)? else { continue };
            if count.saturating_mul(planted.mould.len() as u64) > FILE_BYTES_MAX as u64 {
                return Err(Unplantable::FileTooLarge);
            }
            for repetition in 0..count as usize {
                let misplaced = repetition == 0 && variation.misplaced == Some(number);
                let piece = Piece { offset: planted.offset, mould: planted.mould.clone(), repetition, misplaced };
                pieces.push((number, piece));
            }
        }
        self.write_numbers(counts, variation, &mut pieces)?;
        let allowed = self.logical.limits.file_size.clone().unwrap_or(0..=u64::MAX);
        let sizes = variation.size.map_or(allowed, |size| size..=size);
        let bare: Vec<&Piece> = pieces.iter().map(|(_, piece)| piece).collect();
        Ok((lay(wanted, &bare, &sizes)?, pieces))
    }

    /// The image hash that the file must have.
    pub(super) fn picture(&self, counts: &[u64]) -> Result<Option<u64>, Unplantable> {
        let wanted = self.logical.subsignatures.iter().zip(counts).filter(|(_, count)| **count > 0);
        let mut hashes = wanted.filter_map(|(subsignature, _)| match subsignature {
            Subsignature::Image { hash } => Some(*hash),
            _ => None,
        });
        let first = hashes.next();
        // A file is one picture.
        if hashes.all(|hash| Some(hash) == first) { Ok(first) } else { Err(Unplantable::Picture) }
    }

    /// Puts numbers beside what triggers their comparison: the last match of it counts.
    fn write_numbers(&self, counts: &[u64], variation: Variation, pieces: &mut [Numbered]) -> Result<(), Unplantable> {
        for (number, subsignature) in self.logical.subsignatures.iter().enumerate().filter(|(number, _)| counts[*number] > 0)
        {
            let Subsignature::ByteCompare { trigger, compare } = subsignature else { continue };
            let turn = self.turn + variation.draw as usize + usize::from(variation.choice == Some(Choice::Most));
            let bytes = if variation.other_number == Some(number) {
                number::unwanted(compare)
            } else {
                number::wanted(compare, turn)
            };
            let last = pieces.iter_mut().rev().find(|(of, _)| *of == usize::from(*trigger));
            let (bytes, (_, piece)) = bytes.zip(last).ok_or(Unplantable::Number)?;
            piece.mould = piece.mould.clone().with_number(compare.delta, &bytes).ok_or(Unplantable::Number)?;
        }
        Ok(())
    }

    /// A string that a subsignature matches; `None` for those that are no strings of their own.
    fn planted(&self, number: usize, variation: Variation, carrier: &[u8]) -> Result<Option<Planted>, Unplantable> {
        let choice = variation.choice.unwrap_or(Choice::Least);
        match &self.logical.subsignatures[number] {
            Subsignature::Bytes { offset, any_of } => {
                let pattern = &any_of[self.turn % any_of.len()];
                // Not every subsignature leaves the choice; those that do not are planted as they are.
                let chosen = mould(pattern, FILLER, choice).or_else(|| mould(pattern, FILLER, Choice::Least));
                Ok(Some(Planted { offset: *offset, mould: chosen.ok_or(Unplantable::Pattern)? }))
            }
            Subsignature::Regex(regex) => {
                let turn = variation.draw + if choice == Choice::Most { TURN_OF_MOST } else { 0 };
                let specimens = self.specimens[number].as_ref();
                let planted = specimens.and_then(|specimens| regex::planted(regex, specimens, turn, carrier));
                let (offset, mould) = planted.ok_or(Unplantable::Regex)?;
                Ok(Some(Planted { offset, mould }))
            }
            Subsignature::ByteCompare { .. } | Subsignature::Image { .. } => Ok(None),
            _ => Err(Unplantable::Subsignature),
        }
    }
}

fn turn_of_subsignature(subsignature: &Subsignature) -> usize {
    match subsignature {
        Subsignature::Bytes { any_of, .. } => any_of.iter().map(turn_of).sum(),
        Subsignature::Regex(regex) => regex.pattern.len(),
        Subsignature::ByteCompare { compare, .. } => usize::from(compare.len),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{What, bears};
    use super::*;

    fn planted(line: &str) -> Result<Vec<What>, Unplantable> {
        let record = patternc::clamav::ldb(line).unwrap().unwrap();
        let files = super::super::plant(&record)?;
        for file in &files {
            assert_eq!(bears(&record, &file.bytes), file.what.is_hit(), "{line}: {}", file.what);
        }
        Ok(files.into_iter().map(|file| file.what).collect())
    }

    #[test]
    fn each_demand_has_its_miss() {
        use What::{GapTooLong, Hit, HitMost, Misplaced, NearMiss, OtherKind, TooLarge, TooMany};
        for (line, made) in [
            ("N;Target:0;0&1;aabbcc;ddeeff", vec![Hit, NearMiss, NearMiss]),
            ("N;Target:0;0|1;aabbcc;ddeeff", vec![Hit, NearMiss]),
            ("N;Target:0;0>2;aabbcc", vec![Hit, NearMiss]),
            ("N;Target:0;0=2;aabbcc", vec![Hit, NearMiss, TooMany]),
            ("N;Target:0;0&(1=0);aabbcc;ddeeff", vec![Hit, NearMiss, TooMany]),
            ("N;Target:1;0&1;EP+1:aabbcc;EOF-9:ddeeff", vec![Hit, NearMiss, NearMiss, Misplaced, OtherKind]),
            ("N;Target:6;0;SE2:aabb{1-3}ccdd", vec![Hit, HitMost, NearMiss, GapTooLong, Misplaced, OtherKind]),
            ("N;Engine:51-255,Target:0,FileSize:9000-9001;0;4142::iwa", vec![Hit, NearMiss, TooLarge]),
            ("N;Engine:51-255,Target:1,NumberOfSections:7-9;0;S1+4:aabbcc", vec![Hit, NearMiss, Misplaced, OtherKind]),
        ] {
            assert_eq!(planted(line), Ok(made), "{line}");
        }
    }

    #[test]
    fn regular_expressions_are_planted() {
        use What::{Hit, HitMost, Misplaced, NearMiss, OtherKind, TooMany};
        for (line, made) in [
            ("1;aabb;0/a+b/", vec![Hit, NearMiss, NearMiss]),
            ("1>1;aabb;0/a[bc]d/g", vec![Hit, NearMiss, NearMiss]),
            ("1=1;aabb;0/abc/g", vec![Hit, NearMiss, NearMiss, TooMany]),
            ("2;aabb;ccdd;(0&1)>2/a(?=b)/", vec![Hit, NearMiss, NearMiss]),
            ("1;aabb;0/^abc/", vec![Hit, NearMiss, NearMiss, Misplaced, OtherKind]),
            ("1;aabb;0/abc$/", vec![Hit, NearMiss, NearMiss, Misplaced]),
            ("1;aabb;2500:0/abc/", vec![Hit, NearMiss, NearMiss, Misplaced]),
            ("1;aabb;2500,9:0/abc/", vec![Hit, NearMiss, NearMiss, Misplaced]),
            ("1;aabb;2500:0/abc/r", vec![Hit, NearMiss, NearMiss, Misplaced]),
            ("1;aabb;2500,9:0/abc$/e", vec![Hit, NearMiss, NearMiss, Misplaced]),
            ("1;aabb;EOF-9:0/abc/", vec![Hit, NearMiss, NearMiss, Misplaced]),
        ] {
            // Another text may be drawn, or the same once more.
            let mut files = planted(&format!("N;Engine:81-255,Target:0;{line}")).unwrap();
            files.retain(|what| *what != HitMost);
            assert_eq!(files, made, "{line}");
        }
        let at_entry = "N;Engine:81-255,Target:1;1;aabb;EP+1:0/abc/";
        assert_eq!(planted(at_entry), Ok(vec![Hit, NearMiss, NearMiss, Misplaced, OtherKind]));
    }

    #[test]
    fn numbers_are_planted_beside_what_triggers_them() {
        use What::{Hit, NearMiss, OtherNumber};
        for compare in ["0&1;616263;0(>>9#de4#=77)", "0>2&1;616263;0(<<9#ib4#>77,<80)", "1;EOF-99:616263;0(>>3#hl4#<9)"] {
            let made = planted(&format!("N;Engine:81-255,Target:0;{compare}")).unwrap();
            assert_eq!((made[0], made.contains(&NearMiss), made.contains(&OtherNumber)), (Hit, true, true), "{compare}");
        }
    }

    #[test]
    fn pictures_are_planted() {
        use What::{Hit, NearMiss, OtherKind, OtherPicture};
        let line = "N;Engine:150-255,Target:5;0&1;fuzzy_img#af2ad01ed42993c7;6162636465";
        assert_eq!(planted(line), Ok(vec![Hit, NearMiss, OtherKind, OtherPicture]));
    }

    #[test]
    fn reasons_are_told() {
        for (line, reason) in [
            ("N;Engine:81-255,Target:0,Container:CL_TYPE_ZIP;0;aabbcc", Unplantable::Container),
            ("N;Engine:51-255,Target:0,FileSize:0-50;0;aabbcc", Unplantable::FileTooSmall),
            ("N;Engine:51-255,Target:0,FileSize:5000000-5000001;0;aabbcc", Unplantable::FileTooLarge),
            ("N;Engine:51-255,Target:1,NumberOfSections:41-49;0;aabbcc", Unplantable::Image),
            ("N;Engine:51-255,Target:1,EntryPoint:1-2;0;aabbcc", Unplantable::Unconfirmed),
            ("N;Target:0;0=0&0>2;aabbcc", Unplantable::Expression),
            ("N;Target:0;0>1;5:aabbcc", Unplantable::Places),
            ("N;Target:0;0&1;5:aabbcc;5:ddeeff", Unplantable::Unconfirmed),
            ("N;Engine:81-255,Target:0;1;aabb;0/a(?!b)b/", Unplantable::Regex),
            ("N;Engine:81-255,Target:0;1;aabb;0(>>9#d1#>5,<5)", Unplantable::Number),
            ("N;Engine:150-255,Target:5;0;fuzzy_img#0000000000000000", Unplantable::Picture),
            ("N;Engine:150-255,Target:5;0&1;fuzzy_img#af2ad01ed42993c7;fuzzy_img#af2ad01ed42993c5", Unplantable::Picture),
        ] {
            assert_eq!(planted(line), Err(reason), "{line}");
        }
    }
}
