//! Each loop reports what the portable one does, and that one what the filter says of each window.
//!
//! One test for each loop, named after it, so that those which an emulator or valgrind can run are chosen by name.

use super::*;

/// Width and stride.
type Shape = (u8, u8);

/// Every shape that a database may have.
const SHAPES: [Shape; 8] = [(8, 8), (6, 8), (5, 8), (8, 4), (4, 4), (4, 1), (3, 1), (2, 1)];
const KEY: u64 = 0x9e37_79b9_7f4a_7c15;
/// Haystacks have up to this many bytes: three stretches and some.
const LEN_MAX: usize = 200;
const ALIGNMENTS: usize = 64;

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A filter and what it is asked about.
struct Case {
    name: &'static str,
    words: Vec<U64>,
    log2: u8,
    bytes: Vec<u8>,
}

impl Case {
    fn new(name: &'static str, log2: u8, word: impl FnMut() -> u64, byte: impl FnMut() -> u8) -> Case {
        let words = std::iter::repeat_with(word).map(U64::new).take(1 << log2).collect();
        Case { name, words, log2, bytes: std::iter::repeat_with(byte).take(ALIGNMENTS + LEN_MAX).collect() }
    }

    /// Nothing passes, everything does, and each mixture between; tables of one word, of a few and of many.
    fn all() -> Vec<Case> {
        let mut random = Random(1);
        let mut other = Random(2);
        vec![
            Case::new("random bytes, half of the bits", 10, || random.next(), || other.next() as u8),
            Case::new("random bytes, few bits", 6, || random.next() & random.next() & random.next(), || other.next() as u8),
            Case::new("random bytes, one word", 0, || random.next() | random.next(), || other.next() as u8),
            Case::new("few letters", 3, || random.next() | random.next(), || b"aAbB"[other.below(4)]),
            Case::new("zeros", 4, || random.next() | 1, || 0),
            Case::new("zeros, no bits", 4, || 0, || 0),
            Case::new("random bytes, all bits", 5, || u64::MAX, || other.next() as u8),
        ]
    }

    fn filter(&self, fold: u64) -> Filter<'_> {
        Filter::new(&self.words, self.log2, fold, KEY).expect("2 to `log2` words")
    }
}

fn found(filter: &Filter<'_>, shape: Shape, backend: Backend, haystack: &[u8], range: Range<usize>) -> Vec<usize> {
    let mut hits = Positions::default();
    filter.hits(shape, backend, haystack, range, &mut hits);
    hits.iter().collect()
}

/// What the filter says of each window that lies within the haystack, one by one.
fn asked_of_each(filter: &Filter<'_>, (width, stride): Shape, haystack: &[u8], range: Range<usize>) -> Vec<usize> {
    let passes = |at: usize| {
        let hash = filter.hash(width, haystack, at);
        let bits = hash.filter_bits();
        filter.words[hash.index(filter.log2)].get() & bits == bits
    };
    let starts = range.step_by(usize::from(stride));
    starts.filter(|at| at + usize::from(width) <= haystack.len()).filter(|&at| passes(at)).collect()
}

/// Holds `found` to what `want` says of each case, of each shape, folded or not, at each alignment and length, and counts.
fn compare(
    found: impl Fn(&Filter<'_>, Shape, &[u8], Range<usize>) -> Vec<usize>,
    want: impl Fn(&Filter<'_>, Shape, &[u8], Range<usize>) -> Vec<usize>,
) {
    let mut random = Random(3);
    let (mut asked, mut passed) = (0, 0);
    for case in Case::all() {
        for (shape, fold) in SHAPES.into_iter().flat_map(|shape| [(shape, 0), (shape, u64::from_le_bytes([0x20; 8]))]) {
            let filter = case.filter(fold);
            for len in 0..=LEN_MAX {
                let mut check = |alignment: usize, range: Range<usize>| {
                    let haystack = &case.bytes[alignment..alignment + len];
                    let want = want(&filter, shape, haystack, range.clone());
                    let found = found(&filter, shape, haystack, range.clone());
                    assert_eq!(found, want, "{}: {shape:?}, fold {fold:x}, {range:?} of {len} at {alignment}", case.name);
                    asked += range.len() / usize::from(shape.1);
                    passed += want.len();
                };
                for alignment in 0..ALIGNMENTS {
                    check(alignment, 0..len);
                }
                let start = random.below(len + 1) & !7;
                check(random.below(ALIGNMENTS), start..start + random.below(len - start + 1));
            }
        }
    }
    assert!(passed > asked / 10 && passed < asked / 10 * 9, "{passed} of {asked} windows pass: most loops would be right");
}

fn equals_portable(backend: &str) {
    let Some(backend) = Backend::available().into_iter().find(|loops| loops.name() == backend) else {
        println!("SKIPPED: this processor cannot run {backend}");
        return;
    };
    compare(
        |filter, shape, haystack, range| found(filter, shape, backend, haystack, range),
        |filter, shape, haystack, range| found(filter, shape, Backend::PORTABLE, haystack, range),
    );
}

#[test]
fn portable_asks_each_window() {
    compare(|filter, shape, haystack, range| found(filter, shape, Backend::PORTABLE, haystack, range), asked_of_each);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn avx2_equals_portable() {
    equals_portable("avx2");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn avx512_equals_portable() {
    equals_portable("avx512");
}

#[test]
#[cfg(target_arch = "aarch64")]
fn neon_equals_portable() {
    equals_portable("neon");
}
