//! Signature sets and haystacks of any size, the same on every machine.

use std::collections::HashSet;
use std::fmt::Write as _;

/// SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom number generators*, 2014): a few lines, and the same numbers
/// for ever, which no random-number crate promises.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The generator with this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Length of a signature.
    fn len(&mut self) -> usize {
        if self.below(10) == 0 { 8 + self.below(8) } else { 16 + self.below(48) }
    }

    /// A number below `bound`; slightly uneven, which does not matter here.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// `n` distinct literal signatures as `.ndb` text, `Synthetic.Literal-0` onwards, for any offset.
///
/// Half are random bytes; in the other half each byte follows the one before it as often as in the files of
/// [`clean`](crate::clean), so that they look like code and text without being parts of it. Nine in ten have 16 to 63 bytes, the
/// others 8 to 15.
pub fn synthetic_ndb(n: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let sources = crate::clean().map(|(_, bytes)| bytes).concat();
    let mut followers = vec![Vec::new(); 256];
    for pair in sources.windows(2) {
        followers[usize::from(pair[0])].push(pair[1]);
    }
    let mut index = 0;
    ndb(n, || {
        index += 1;
        let len = random.len();
        if index % 2 == 0 {
            return std::iter::repeat_with(|| random.next() as u8).take(len).collect();
        }
        let first = sources[random.below(sources.len() - 1)];
        let follow = |&byte: &u8| {
            let candidates = &followers[usize::from(byte)];
            candidates.get(random.below(candidates.len().max(1))).copied()
        };
        std::iter::successors(Some(first), follow).take(len).collect()
    })
}

/// Like [`synthetic_ndb`], but each signature is cut out of a file of [`clean`](crate::clean) and changed in two places: nearly
/// every part of it is found in clean files, and none of it whole. No maker signs like that; it is the worst case for a filter.
pub fn near_clean_ndb(n: usize, seed: u64) -> String {
    let mut random = Random::new(seed);
    let sources = crate::clean();
    ndb(n, || {
        let len = random.len();
        let (_, source) = sources[random.below(sources.len())];
        let from = random.below(source.len() - len);
        let mut bytes = source[from..from + len].to_vec();
        for at in [len / 3, 2 * len / 3] {
            bytes[at] ^= 1 + random.below(255) as u8;
        }
        bytes
    })
}

/// The first `n` distinct literals that `make` makes.
fn ndb(n: usize, mut make: impl FnMut() -> Vec<u8>) -> String {
    let mut seen = HashSet::with_capacity(n);
    let mut text = String::new();
    while seen.len() < n {
        let literal = make();
        if !is_bland(&literal) && seen.insert(literal.clone()) {
            let _ = write!(text, "Synthetic.Literal-{}:0:*:", seen.len() - 1);
            for byte in &literal {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
    }
    text
}

/// Padding and the like: no maker would sign it.
fn is_bland(literal: &[u8]) -> bool {
    literal.iter().collect::<HashSet<_>>().len() < 6
}

/// `len` bytes like those of real files: pages of the files of [`clean`](crate::clean) in random order.
pub fn haystack(len: usize, seed: u64) -> Vec<u8> {
    const PAGE: usize = 2048;
    let mut random = Random::new(seed);
    let sources = crate::clean();
    let mut bytes = Vec::with_capacity(len + PAGE);
    while bytes.len() < len {
        let (_, source) = sources[random.below(sources.len())];
        let from = random.below(source.len().saturating_sub(PAGE).max(1));
        bytes.extend_from_slice(&source[from..source.len().min(from + PAGE)]);
    }
    bytes.truncate(len);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_signatures_are_as_many_as_asked_for_and_stay_the_same() {
        for generate in [synthetic_ndb, near_clean_ndb] {
            let text = generate(500, 7);
            assert_eq!(text, generate(500, 7));
            assert_ne!(text, generate(500, 8));
            let compilation = crate::compile(&[("synthetic.ndb", &text)]);
            assert_eq!((compilation.records.len(), compilation.diagnostics.len()), (500, 0));
            assert!(text.starts_with("Synthetic.Literal-0:0:*:"));
        }
    }

    #[test]
    fn haystacks_have_their_length() {
        assert_eq!(haystack(10_001, 1).len(), 10_001);
        assert_eq!(haystack(10_001, 1), haystack(10_001, 1));
    }
}
