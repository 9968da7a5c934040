//! What is made from a hit of a logical signature: other hits, and files that just miss.

use super::instance::Choice;
use super::layout::Laid;
use super::logical::{Numbered, Plan, Variation};
use super::oracle::bears_logical;
use super::solve::holds;
use super::{PlantedFile, What};
use engine::pattern::Offset;
use patternc::record::Subsignature;

/// Near misses of one signature, each in another of its strings.
const NEAR_MISSES_MAX: usize = 2;

impl Plan<'_> {
    /// The hit and what is made from it, not yet confirmed.
    pub(super) fn files(&self, counts: &[u64], as_hit: Variation, hit: &Laid, pieces: &[Numbered]) -> Vec<PlantedFile> {
        let varied = |variation| self.lay(counts, variation).ok().map(|(laid, _)| laid.file);
        let missing = |file: &Vec<u8>| !bears_logical(self.logical, file);
        let most = varied(Variation { choice: Some(Choice::Most), ..as_hit });
        let beyond = varied(Variation { choice: Some(Choice::Beyond), ..as_hit });
        let misplaced = pieces
            .iter()
            .filter(|(_, piece)| piece.offset != Offset::Any)
            .find_map(|(number, _)| varied(Variation { misplaced: Some(*number), ..as_hit }).filter(missing));
        let sizes = self.logical.limits.file_size.as_ref();
        let too_large = sizes.and_then(|sizes| varied(Variation { size: Some(sizes.end().checked_add(1)?), ..as_hit }));
        let other_number = (0..counts.len())
            .filter(|number| counts[*number] > 0 && is_number(&self.logical.subsignatures[*number]))
            .find_map(|number| varied(Variation { other_number: Some(number), ..as_hit }).filter(missing));
        let mut files = vec![(What::Hit, Some(hit.file.clone())), (What::HitMost, most)];
        files.extend(self.near_misses(counts, hit, pieces).into_iter().map(|file| (What::NearMiss, Some(file))));
        files.extend([
            (What::GapTooLong, beyond),
            (What::Misplaced, misplaced),
            (What::OtherKind, Some([&[hit.file[0] ^ 0x40], &hit.file[1..]].concat())),
            (What::TooMany, self.too_many(counts, as_hit)),
            (What::TooLarge, too_large),
            (What::OtherNumber, other_number),
            (What::OtherPicture, self.other_picture(counts, as_hit)),
        ]);
        files.into_iter().filter_map(|(what, bytes)| Some(PlantedFile { what, bytes: bytes? })).collect()
    }

    /// The hit with a picture whose hash differs in two bits, so that as many are set.
    fn other_picture(&self, counts: &[u64], as_hit: Variation) -> Option<Vec<u8>> {
        let hash = self.picture(counts).ok()??;
        let (set, unset) = (1_u64.checked_shl(hash.trailing_zeros())?, 1_u64.checked_shl(hash.trailing_ones())?);
        let file = self.lay(counts, Variation { other_picture: set | unset, ..as_hit }).ok()?.0.file;
        (!bears_logical(self.logical, &file)).then_some(file)
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
            mould.spoil(hit.file.clone(), place, |changed| !bears_logical(self.logical, changed))
        };
        order.into_iter().filter_map(spoiled).take(NEAR_MISSES_MAX).collect()
    }

    /// A file in which some subsignature matches once more than it may.
    fn too_many(&self, counts: &[u64], as_hit: Variation) -> Option<Vec<u8>> {
        let more = (0..counts.len()).map(|number| {
            let mut more = counts.to_vec();
            more[number] += 1;
            more
        });
        let too_many = more.filter(|counts| !holds(&self.logical.expression, counts));
        let file = |counts: Vec<u64>| self.lay(&counts, as_hit).ok().map(|(laid, _)| laid.file);
        too_many.filter_map(file).find(|file| !bears_logical(self.logical, file))
    }
}

/// Whether a subsignature is a number that is compared.
fn is_number(subsignature: &Subsignature) -> bool {
    matches!(subsignature, Subsignature::ByteCompare { .. })
}
