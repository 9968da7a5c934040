//! Files for logical signatures.
//!
//! Each subsignature is planted as often as a solution of the expression says. The misses are made from the hit: a planted string with a byte
//! changed, one string too many, one misplaced, the file too large.

use super::body::turn_of;
use super::carrier::Wanted;
use super::instance::{Choice, Mould, mould, spoil};
use super::layout::{Laid, Piece, lay};
use super::oracle::bears_logical;
use super::solve::{holds, solutions};
use super::{FILE_BYTES_MAX, FILLER, PlantedFile, Unplantable, What, confirmed};
use engine::pattern::Offset;
use patternc::record::{Logical, Record, Subsignature};

/// Solutions of an expression that are laid out before it is given up.
const SOLUTIONS_MAX: usize = 12;
/// Near misses of one signature, each in another of its strings.
const NEAR_MISSES_MAX: usize = 2;

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
    for counts in solutions(&logical.expression, logical.subsignatures.len()).take(SOLUTIONS_MAX) {
        match plan.lay(&counts, Variation::default()) {
            Ok((laid, pieces)) if bears_logical(logical, &laid.file) => {
                return Ok(confirmed(&Record::Logical(logical.clone()), plan.files(&counts, &laid, &pieces)));
            }
            Ok(_) => reason.get_or_insert(Unplantable::Unconfirmed),
            Err(why) => reason.get_or_insert(why),
        };
    }
    Err(reason.unwrap_or(Unplantable::Expression))
}

/// What distinguishes a file from the hit.
#[derive(Clone, Copy, Default)]
struct Variation {
    choice: Option<Choice>,
    /// The subsignature whose first match is put a byte before its place.
    misplaced: Option<usize>,
    /// The size of the file, whatever the limits say.
    size: Option<u64>,
}

struct Plan<'l> {
    logical: &'l Logical,
    wanted: Wanted,
    turn: usize,
}

/// A piece, and the subsignature that it is of.
type Numbered = (usize, Piece);

impl<'l> Plan<'l> {
    fn new(logical: &'l Logical) -> Result<Plan<'l>, Unplantable> {
        let offsets: Option<Vec<Offset>> = logical.subsignatures.iter().map(offset_of).collect();
        let offsets = offsets.ok_or(Unplantable::Subsignature)?;
        let turn = logical.subsignatures.iter().map(turn_of_subsignature).sum();
        let wanted = Wanted::new(logical.target, offsets.into_iter(), &logical.limits, turn)?;
        Ok(Plan { logical, wanted, turn })
    }

    /// A file in which subsignature `n` is planted `counts[n]` times.
    fn lay(&self, counts: &[u64], variation: Variation) -> Result<(Laid, Vec<Numbered>), Unplantable> {
        let mut pieces = Vec::new();
        for (number, (subsignature, &count)) in self.logical.subsignatures.iter().zip(counts).enumerate() {
            if count == 0 {
                continue;
            }
            let planted = self.planted(subsignature, variation.choice.unwrap_or(Choice::Least))?;
            if count.saturating_mul(planted.mould.len() as u64) > FILE_BYTES_MAX as u64 {
                return Err(Unplantable::FileTooLarge);
            }
            for repetition in 0..count as usize {
                let misplaced = repetition == 0 && variation.misplaced == Some(number);
                let piece = Piece { offset: planted.offset, mould: planted.mould.clone(), repetition, misplaced };
                pieces.push((number, piece));
            }
        }
        let allowed = self.logical.limits.file_size.clone().unwrap_or(0..=u64::MAX);
        let sizes = variation.size.map_or(allowed, |size| size..=size);
        let bare: Vec<&Piece> = pieces.iter().map(|(_, piece)| piece).collect();
        Ok((lay(self.wanted, &bare, &sizes)?, pieces))
    }

    /// A string that a subsignature matches. One function for each kind of subsignature.
    fn planted(&self, subsignature: &Subsignature, choice: Choice) -> Result<Planted, Unplantable> {
        match subsignature {
            Subsignature::Bytes { offset, any_of } => {
                let pattern = &any_of[self.turn % any_of.len()];
                // Not every subsignature leaves the choice; those that do not are planted as they are.
                let chosen = mould(pattern, FILLER, choice).or_else(|| mould(pattern, FILLER, Choice::Least));
                Ok(Planted { offset: *offset, mould: chosen.ok_or(Unplantable::Pattern)? })
            }
            _ => Err(Unplantable::Subsignature),
        }
    }

    /// The hit and what is made from it, not yet confirmed.
    fn files(&self, counts: &[u64], hit: &Laid, pieces: &[Numbered]) -> Vec<PlantedFile> {
        let varied = |variation| self.lay(counts, variation).ok().map(|(laid, _)| laid.file);
        let most = varied(Variation { choice: Some(Choice::Most), ..Variation::default() });
        let beyond = varied(Variation { choice: Some(Choice::Beyond), ..Variation::default() });
        let misplaced = pieces.iter().filter(|(_, piece)| piece.offset != Offset::Any).find_map(|(number, _)| {
            let file = varied(Variation { misplaced: Some(*number), ..Variation::default() })?;
            (!bears_logical(self.logical, &file)).then_some(file)
        });
        let too_large = self
            .logical
            .limits
            .file_size
            .as_ref()
            .and_then(|sizes| varied(Variation { size: Some(sizes.end().checked_add(1)?), ..Variation::default() }));
        let other_kind = [&[hit.file[0] ^ 0x40], &hit.file[1..]].concat();
        let mut files = vec![(What::Hit, Some(hit.file.clone())), (What::HitMost, most)];
        files.extend(self.near_misses(counts, hit, pieces).into_iter().map(|file| (What::NearMiss, Some(file))));
        files.extend([
            (What::GapTooLong, beyond),
            (What::Misplaced, misplaced),
            (What::OtherKind, Some(other_kind)),
            (What::TooMany, self.too_many(counts)),
            (What::TooLarge, too_large),
        ]);
        files.into_iter().filter_map(|(what, bytes)| Some(PlantedFile { what, bytes: bytes? })).collect()
    }

    /// The hit with a byte of one string changed. Strings that are counted come first, then others by turns.
    fn near_misses(&self, counts: &[u64], hit: &Laid, pieces: &[Numbered]) -> Vec<Vec<u8>> {
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.rotate_left(self.turn % pieces.len().max(1));
        order.sort_by_key(|&index| counts[pieces[index].0] < 2);
        // Of a subsignature that matches often, one string is enough.
        let mut tried: Vec<usize> = Vec::new();
        order.retain(|&index| {
            let new = !tried.contains(&pieces[index].0);
            tried.push(pieces[index].0);
            new
        });
        let spoiled = |index: usize| {
            let (place, mould) = (hit.places[index], &pieces[index].1.mould);
            spoil(hit.file.clone(), place, mould, |changed| !bears_logical(self.logical, changed))
        };
        order.into_iter().filter_map(spoiled).take(NEAR_MISSES_MAX).collect()
    }

    /// A file in which some subsignature matches once more than it may.
    fn too_many(&self, counts: &[u64]) -> Option<Vec<u8>> {
        let more = (0..counts.len()).map(|number| {
            let mut more = counts.to_vec();
            more[number] += 1;
            more
        });
        let too_many = more.filter(|counts| !holds(&self.logical.expression, counts));
        let file = |counts: Vec<u64>| self.lay(&counts, Variation::default()).ok().map(|(laid, _)| laid.file);
        too_many.filter_map(file).find(|file| !bears_logical(self.logical, file))
    }
}

/// Where matches of a subsignature may begin; `None` for kinds that are not planted.
fn offset_of(subsignature: &Subsignature) -> Option<Offset> {
    match subsignature {
        Subsignature::Bytes { offset, .. } => Some(*offset),
        _ => None,
    }
}

fn turn_of_subsignature(subsignature: &Subsignature) -> usize {
    match subsignature {
        Subsignature::Bytes { any_of, .. } => any_of.iter().map(turn_of).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::bears;
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
        ] {
            assert_eq!(planted(line), Err(reason), "{line}");
        }
    }
}
