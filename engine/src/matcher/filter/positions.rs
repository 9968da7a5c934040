//! Places in one block, ascending: what a loop reports.

use std::ops::Range;

/// Ascending places within a range of a haystack.
///
/// Room for all that the range can have is made beforehand, and places are written in groups without asking how many there are: a loop
/// then has no branch that depends on how many windows of a stretch pass, which nobody can foresee in a file full of hits.
#[derive(Debug, Default)]
pub(in crate::matcher) struct Positions {
    /// From the start of the range. The first `len` count; what follows is left over.
    places: Vec<u32>,
    len: usize,
    origin: usize,
}

/// Places that are written at a time.
const GROUP: usize = 4;

impl Positions {
    /// Empties it, to take places in `range`.
    pub(in crate::matcher) fn reset(&mut self, range: Range<usize>) {
        self.len = 0;
        self.origin = range.start;
        let room = range.len() + GROUP;
        if self.places.len() < room {
            self.places.resize(room, 0);
        }
    }

    /// How many there are.
    pub(in crate::matcher) fn len(&self) -> usize {
        self.len
    }

    /// All of them, ascending.
    pub(in crate::matcher) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.places[..self.len].iter().map(|&place| self.origin + place as usize)
    }

    /// Adds `at`, which follows all others.
    #[inline(always)]
    pub(in crate::matcher) fn push(&mut self, at: usize) {
        self.places[self.len] = (at - self.origin) as u32;
        self.len += 1;
    }

    /// Adds `at` plus the number of each set bit of `found`.
    #[inline(always)]
    pub(in crate::matcher) fn push_bits(&mut self, mut found: u64, at: usize) {
        let first = (at - self.origin) as u32;
        let mut left = found.count_ones() as usize;
        while left > 0 {
            let group = &mut self.places[self.len..self.len + GROUP];
            for place in group {
                *place = first + found.trailing_zeros();
                found &= found.wrapping_sub(1);
            }
            self.len += left.min(GROUP);
            left = left.saturating_sub(GROUP);
        }
    }

    /// Keeps those for which `keep` says so.
    pub(in crate::matcher) fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut kept = 0;
        for index in 0..self.len {
            let place = self.places[index];
            self.places[kept] = place;
            kept += usize::from(keep(self.origin + place as usize));
        }
        self.len = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_as_places() {
        let mut positions = Positions::default();
        for found in [0, 1, 0x8000_0000_0000_0000, 0x0101_0101_0101_0101, u64::MAX, 0x00ff_0000_0001_8003] {
            positions.reset(1000..1064);
            positions.push_bits(found, 1000);
            let want: Vec<usize> = (0..64).filter(|bit| found >> bit & 1 == 1).map(|bit| 1000 + bit).collect();
            assert_eq!(positions.iter().collect::<Vec<_>>(), want);
            positions.retain(|place| place % 2 == 1);
            assert!(positions.iter().eq(want.into_iter().filter(|place| place % 2 == 1)));
        }
    }
}
