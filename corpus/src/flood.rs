//! Haystacks and signatures made to slow a scanner down.
//!
//! The haystacks are of three kinds: runs and periods, which files hold by accident; [`near_misses`] and [`packed_windows`], which an
//! attacker makes who has the database; and [`bad_literals`], signatures that have cost some scanner its speed, to be used as a set
//! and, one after another, as a haystack.

use crate::synthetic::Random;
use engine::Database;
use std::collections::HashMap;

/// Windows begin at multiples of a stride; every stride divides this.
const ALIGNMENT: usize = 8;
/// What stands where nothing is asked for.
const FILLER: u8 = 0xa5;

/// `len` bytes that repeat `unit`.
pub fn periodic(unit: &[u8], len: usize) -> Vec<u8> {
    unit.iter().copied().cycle().take(len).collect()
}

/// `len` bytes in which nearly every literal of `database` stands again and again, one byte of it changed.
///
/// Each lies so that a stored window of it is asked for, and the byte that differs is the one farthest from that window: all the tests
/// before the last one pass. Literals that are no longer than their window cannot be missed by so little and are left out.
///
/// # Panics
/// When `database` stores no window of `literals`, which are its signatures in their order.
pub fn near_misses(database: &Database<'_>, literals: &[Vec<u8>], len: usize) -> Vec<u8> {
    // Of the windows of a signature, one, another for each signature.
    let mut chosen: HashMap<u32, Vec<u8>> = HashMap::new();
    for window in database.windows() {
        let width = usize::from(database.tiers()[window.tier].width);
        let id = window.signature.index();
        if !chosen.contains_key(&id) || u32::from(window.shift) == id % 8 {
            chosen.insert(id, window.bytes.to_le_bytes()[..width].to_vec());
        }
    }
    let pieces: Vec<(usize, Vec<u8>)> = literals
        .iter()
        .enumerate()
        .filter_map(|(id, literal)| {
            let window = chosen.get(&(id as u32))?;
            let at = literal.windows(window.len()).position(|part| part == window)?;
            let (before, after) = (at, literal.len() - at - window.len());
            if before + after == 0 {
                return None;
            }
            let mut missed = literal.clone();
            missed[if before > after { 0 } else { literal.len() - 1 }] ^= 0x55;
            Some((at, missed))
        })
        .collect();
    assert!(!pieces.is_empty(), "no literal is longer than its window");
    let mut random = Random::new(1);
    let mut bytes = Vec::with_capacity(len + 256);
    while bytes.len() < len {
        let (at, missed) = &pieces[random.below(pieces.len())];
        while !(bytes.len() + at).is_multiple_of(ALIGNMENT) {
            bytes.push(FILLER);
        }
        bytes.extend_from_slice(missed);
    }
    bytes.truncate(len);
    bytes
}

/// `len` bytes of nothing but stored windows of `database`, each where its tier asks: as much for one tier as for another.
///
/// # Panics
/// When `database` has no tier.
pub fn packed_windows(database: &Database<'_>, len: usize) -> Vec<u8> {
    let mut tiers: Vec<Vec<[u8; 8]>> = vec![Vec::new(); database.tiers().len()];
    for window in database.windows() {
        tiers[window.tier].push(window.bytes.to_le_bytes());
    }
    assert!(!tiers.is_empty(), "there is no tier");
    let share = (len / tiers.len()).next_multiple_of(ALIGNMENT);
    let mut random = Random::new(1);
    let mut bytes = Vec::with_capacity(len + share);
    for (tier, windows) in database.tiers().iter().zip(&tiers) {
        let end = bytes.len() + share;
        while bytes.len() < end && !windows.is_empty() {
            bytes.extend_from_slice(&windows[random.below(windows.len())][..usize::from(tier.width)]);
            while !bytes.len().is_multiple_of(usize::from(tier.stride)) {
                bytes.push(FILLER);
            }
        }
    }
    let unit = bytes.len();
    assert_ne!(unit, 0, "no window can be read");
    bytes.extend_from_within(..len.saturating_sub(unit).min(unit));
    bytes.truncate(len);
    bytes
}

/// About 900 distinct literals, none of which has a good anchor: little but zeros, no-operations, shared beginnings, one-bit variants,
/// periods with a tail. Makers have published each kind, and each has cost some scanner a factor of ten and more.
pub fn bad_literals() -> Vec<Vec<u8>> {
    let mut random = Random::new(7);
    let mut literals =
        vec![vec![0; 16], vec![0x90; 4], [b"MZ".as_slice(), &[0; 14]].concat(), [b"MB".as_slice(), &[0; 10]].concat()];
    literals.extend((0..=255_u8).map(|index| {
        let mut zero_rich = vec![0; 12 + random.below(20)];
        let at = random.below(zero_rich.len() - 1);
        zero_rich[at..at + 2].copy_from_slice(&[index, 1 + random.below(255) as u8]);
        zero_rich
    }));
    let shared = b"This program cannot be run in DOS mode.\r\r\n$";
    literals.extend((0_u16..256).map(|index| [shared.as_slice(), &index.to_le_bytes()].concat()));
    let variant = b"GetProcAddress\0\0";
    literals.extend((0..variant.len() * 8).map(|bit| {
        let mut flipped = variant.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    for period in 1..=16 {
        literals.extend((0_u8..16).map(|tail| {
            let unit: Vec<u8> = (0..period).map(|place| b'a' + place).collect();
            [periodic(&unit, 20).as_slice(), &[b'z', tail]].concat()
        }));
    }
    let mut seen = std::collections::HashSet::new();
    literals.retain(|literal| seen.insert(literal.clone()));
    literals
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::Scanner;
    use patternc::link::{LinkSource, link};

    fn linked(literals: &[Vec<u8>]) -> Vec<u8> {
        let records = crate::literal_records(literals);
        link(&[LinkSource { channel: "test/flood", release: 1, root: [0; 32], records: &records }]).unwrap()
    }

    #[test]
    fn bad_literals_are_distinct_and_can_be_linked() {
        let literals = bad_literals();
        assert!(literals.len() > 800, "{}", literals.len());
        assert_eq!(literals, bad_literals());
        let bytes = linked(&literals);
        assert_eq!(Database::open(&bytes).unwrap().verify(), Ok(()));
    }

    #[test]
    fn floods_built_from_a_database_get_far_and_match_nothing() {
        let literals: Vec<Vec<u8>> = (0..200_u64)
            .map(|n| {
                let mut random = Random::new(n);
                (0..20).map(|_| random.below(256) as u8).collect()
            })
            .collect();
        let bytes = linked(&literals);
        let database = Database::open(&bytes).unwrap();
        let scanner = Scanner::new(&database);
        for flood in [near_misses(&database, &literals, 50_000), packed_windows(&database, 50_000)] {
            assert_eq!(flood.len(), 50_000);
            assert!(scanner.signatures(&mut scanner.scratch(), &flood).is_empty());
            let hits: u64 = scanner.profile(&flood).iter().map(|tier| tier.hits).sum();
            assert!(hits > 1000, "{hits}");
        }
        let candidates: u64 =
            scanner.profile(&near_misses(&database, &literals, 50_000)).iter().map(|tier| tier.candidates).sum();
        assert!(candidates > 1000, "{candidates}");
    }
}
