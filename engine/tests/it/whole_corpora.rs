//! Literals over whole files: every loop, in one piece and in chunks, finds what the overlapping search of `aho-corasick` finds.
//!
//! The oracle of `equivalence` is slow, so haystacks there are short and matches are few. Here they are long: the files of the corpus,
//! generated ones and floods, with literals cut out of the haystacks themselves, so that there are many matches at all borders.

use crate::support::{database, open};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use engine::{Backend, Database, Scanner};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A set of literals, ours and theirs.
struct Set {
    literals: Vec<Vec<u8>>,
    linked: Vec<u8>,
    automaton: AhoCorasick,
}

impl Set {
    fn new(literals: Vec<Vec<u8>>) -> Set {
        let linked = database(&corpus::literal_records(&literals));
        let mut builder = AhoCorasick::builder();
        let builder = builder.match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::ContiguousNFA));
        let automaton = builder.build(&literals).unwrap();
        Set { literals, linked, automaton }
    }

    /// How many matches `haystack` holds, after all loops have agreed on which.
    fn check(&self, haystack: &[u8], what: &str) -> usize {
        let database = open(&self.linked);
        let matches = self.automaton.find_overlapping_iter(haystack);
        let mut want: Vec<(u64, u32)> = matches.map(|found| (found.end() as u64, found.pattern().as_u32())).collect();
        want.sort_unstable();
        for backend in Backend::available() {
            let scanner = Scanner::with_backend(&database, backend);
            let mut scratch = scanner.scratch();
            let ends = scanner.ends(&mut scratch, haystack);
            assert_eq!(scratch.exceeded(), None, "{what}");
            let found: Vec<(u64, u32)> = ends.into_iter().map(|(signature, end)| (end, signature.index())).collect();
            let first = || want.iter().zip(&found).find(|(want, found)| want != found);
            assert!(want == found, "{} literals, {what}, {}: {:?}", self.literals.len(), backend.name(), first());
        }
        self.check_chunks(&Scanner::new(&database), haystack, &want, what);
        want.len()
    }

    /// One match of each signature that has any, wherever the haystack is divided.
    fn check_chunks(&self, scanner: &Scanner<'_>, haystack: &[u8], want: &[(u64, u32)], what: &str) {
        let named: HashSet<u32> = want.iter().map(|(_, signature)| *signature).collect();
        let mut scratch = scanner.scratch();
        let once = scanner.signatures(&mut scratch, haystack).to_vec();
        assert_eq!(once.len(), named.len(), "{what}: each signature once");
        for found in &once {
            let (signature, range) = (found.signature().index(), found.range());
            assert_eq!(self.literals[signature as usize], haystack[range.start as usize..range.end as usize], "{what}");
        }
        for chunk in [4001, BLOCK + 13] {
            assert_eq!(once, scanner.signatures_in_chunks(&mut scratch, haystack, chunk), "{what}: chunks of {chunk}");
        }
    }
}

/// Bytes that all tiers look at before any looks further.
const BLOCK: usize = 16 << 10;

/// Up to `count` distinct literals, cut out of `sources` at places that are far apart, their lengths taken from `lengths` in turn.
fn cut(sources: &[Vec<u8>], count: usize, lengths: &[usize]) -> Vec<Vec<u8>> {
    let (mut seen, mut literals) = (HashSet::new(), Vec::new());
    // A third of a turn of the golden angle: places spread evenly, whatever the count.
    let mut place = 0x9e37_79b9_7f4a_7c15_u64;
    for attempt in 0..count * 4 {
        place = place.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let source = &sources[attempt % sources.len()];
        let len = lengths[attempt % lengths.len()];
        let Some(room) = source.len().checked_sub(len) else { continue };
        let from = (place >> 33) as usize % (room + 1);
        let literal = source[from..from + len].to_vec();
        if literals.len() < count && seen.insert(literal.clone()) {
            literals.push(literal);
        }
    }
    literals
}

/// Lengths on both sides of every tier's limit.
const MIXED: [usize; 14] = [4, 5, 7, 8, 10, 11, 12, 13, 14, 15, 16, 24, 33, 70];

fn corpus_files() -> Vec<(String, Vec<u8>)> {
    corpus::clean().into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect()
}

fn contents(files: &[(String, Vec<u8>)]) -> Vec<Vec<u8>> {
    files.iter().map(|(_, bytes)| bytes.clone()).collect()
}

/// Checks sets of all sizes, cut out of `files`, on all of them.
fn check_files(files: &[(String, Vec<u8>)], sizes: &[usize]) {
    let sources = contents(files);
    for &size in sizes {
        let set = Set::new(cut(&sources, size, &MIXED));
        let matches: usize = files.iter().map(|(name, bytes)| set.check(bytes, name)).sum();
        assert!(matches >= set.literals.len() / 2, "{size} literals, {matches} matches");
    }
}

#[test]
fn sets_of_any_size_agree_on_the_files_they_were_cut_from() {
    check_files(&corpus_files(), &[1, 50, 64, 65, 1000]);
}

#[test]
fn a_large_set_agrees_on_a_generated_file() {
    let haystack = corpus::haystack(8 * BLOCK + 5, 9);
    let set = Set::new(cut(&contents(&corpus_files()), 20_000, &MIXED));
    assert!(set.literals.len() > 15_000, "{}", set.literals.len());
    assert!(set.check(&haystack, "generated") > 1000);
}

#[test]
fn literals_of_two_and_three_bytes_agree() {
    let files = corpus_files();
    let set = Set::new(cut(&contents(&files), 200, &[2, 3]));
    let haystack = corpus::haystack(5 * BLOCK + 3, 4);
    assert!(set.check(&haystack, "generated") > 1000);
}

#[test]
fn floods_agree() {
    use corpus::flood::{bad_literals, near_misses, packed_windows, periodic};
    let set = Set::new(bad_literals());
    let database = Database::open(&set.linked).unwrap();
    let len = 2 * BLOCK + 77;
    let floods = [
        ("zeros", vec![0; len]),
        ("no-operations", vec![0x90; len]),
        ("period 3", periodic(b"abc", len)),
        ("period 16", periodic(b"abcdefghijklmnop", len)),
        ("near misses", near_misses(&database, &set.literals, len)),
        ("windows", packed_windows(&database, len)),
        ("the literals", periodic(&set.literals.concat(), len)),
    ];
    let matches: usize = floods.iter().map(|(name, flood)| set.check(flood, name)).sum();
    assert!(matches > 10_000, "{matches}");
}

#[test]
fn matches_at_every_border_and_at_the_end_agree() {
    let noise = corpus::haystack(3 * BLOCK + 40, 11);
    let literals = cut(std::slice::from_ref(&noise), 64, &MIXED);
    let set = Set::new(literals.clone());
    let borders = [BLOCK, 2 * BLOCK, noise.len()];
    // Each literal is put across one border, each at another place of it; at the end of the haystack it ends there.
    for (round, three) in literals.chunks(borders.len()).enumerate() {
        let mut haystack = noise.clone();
        for (border, literal) in borders.into_iter().zip(three) {
            let end = (border + round % literal.len()).min(haystack.len());
            haystack[end - literal.len()..end].copy_from_slice(literal);
        }
        assert!(set.check(&haystack, "across borders") >= three.len());
    }
}

/// Files of a folder and those below it, in order, while they are at most `bytes` together.
fn files_below(folder: &Path, bytes: usize) -> Vec<(String, Vec<u8>)> {
    let mut folders = vec![folder.to_owned()];
    let (mut paths, mut files, mut taken) = (Vec::new(), Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let (inner, files): (Vec<PathBuf>, Vec<PathBuf>) =
            entries.filter(|path| !path.is_symlink()).partition(|path| path.is_dir());
        folders.extend(inner);
        paths.extend(files);
    }
    paths.sort();
    for path in paths {
        let content = std::fs::read(&path).unwrap();
        if taken + content.len() <= bytes {
            taken += content.len();
            files.push((path.display().to_string(), content));
        }
    }
    files
}

/// More files of more kinds, where there are any beside the checkout.
#[test]
fn files_beside_the_checkout_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/files");
    if !folder.is_dir() {
        eprintln!("SKIPPED: {} does not exist", folder.display());
        return;
    }
    let files = files_below(&folder, 1 << 20);
    assert!(!files.is_empty(), "{} holds no file", folder.display());
    check_files(&files, &[65, 2000]);
}

/// A folder of any size with any literals: `TITER_CORPUS` is the folder, `TITER_LITERALS` names files of hex digits, a literal in each
/// line, separated by colons.
#[test]
#[ignore = "takes minutes, and needs TITER_CORPUS and TITER_LITERALS"]
fn a_folder_of_your_own_agrees() {
    let folder = std::env::var_os("TITER_CORPUS").expect("TITER_CORPUS is a folder");
    let lists = std::env::var_os("TITER_LITERALS").expect("TITER_LITERALS names files");
    let files = files_below(Path::new(&folder), usize::MAX);
    for list in std::env::split_paths(&lists) {
        let text = std::fs::read_to_string(&list).unwrap();
        let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let literal = |line: &str| line.trim().as_bytes().chunks(2).map(digits).collect::<Vec<u8>>();
        let set = Set::new(text.lines().map(literal).filter(|literal| !literal.is_empty()).collect());
        let matches: usize = files.iter().map(|(name, bytes)| set.check(bytes, name)).sum();
        eprintln!("{}: {} literals, {} files, {matches} matches", list.display(), set.literals.len(), files.len());
    }
}
