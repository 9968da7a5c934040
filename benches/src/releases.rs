//! Releases of a large signature set that change a little, and how few bytes could tell the change.
//!
//! Names, lengths, targets and offsets are drawn as often as they occur in real `.ndb` files, the bytes of bodies evenly. So a
//! signature is drawn with a probability that is known, and with it the number of bits below which no code can tell, on
//! average, which signatures came and went: the floor that `docs/delta.md` derives.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use corpus::Random;
use patternc::compile::{Compiler, SourceKind};
use patternc::record::Record;

/// Numbers of a family are drawn from so many times as many as it is expected to have.
const SPREAD: u64 = 4;
/// Bodies are no shorter, so that each has something to search for.
const BODY_BYTES_MIN: usize = 8;

/// Things that occur with their frequencies.
struct Frequencies<T> {
    /// Each with the number of occurrences of it and those before.
    upto: Vec<(T, u64)>,
    total: u64,
}

impl<T: std::hash::Hash + Ord + Clone> Frequencies<T> {
    fn of(things: impl Iterator<Item = T>) -> Frequencies<T> {
        let mut counts = HashMap::new();
        for thing in things {
            *counts.entry(thing).or_insert(0u64) += 1;
        }
        let mut counts: Vec<(T, u64)> = counts.into_iter().collect();
        counts.sort();
        let mut total = 0;
        for (_, count) in &mut counts {
            total += *count;
            *count = total;
        }
        Frequencies { upto: counts, total }
    }

    /// One of them, with its index and the bits that tell it from the others.
    fn draw(&self, random: &mut Random) -> (usize, &T, f64) {
        let at = random.below(self.total as usize) as u64;
        let index = self.upto.partition_point(|(_, upto)| *upto <= at);
        (index, &self.upto[index].0, -self.share(index).log2())
    }

    fn count(&self, index: usize) -> u64 {
        self.upto[index].1 - index.checked_sub(1).map_or(0, |before| self.upto[before].1)
    }

    fn share(&self, index: usize) -> f64 {
        self.count(index) as f64 / self.total as f64
    }
}

/// What real signatures look like.
pub struct Style {
    families: Frequencies<String>,
    /// Target and offset as they stand in a line.
    places: Frequencies<(String, String)>,
    lengths: Frequencies<usize>,
}

impl Style {
    /// The style of these `.ndb` texts, with bodies of at most `longest` bytes.
    ///
    /// # Errors
    /// When they have no signature that compiles.
    pub fn of(texts: &[String], longest: usize) -> Result<Style> {
        let fields = texts.iter().flat_map(|text| text.lines()).map(|line| line.split(':').collect::<Vec<_>>());
        let fields: Vec<_> = fields.filter(|fields| fields.len() >= 4 && !fields[0].starts_with('#')).collect();
        let places: BTreeSet<(&str, &str)> = fields.iter().map(|fields| (fields[1], fields[2])).collect();
        let sound: HashSet<(&str, &str)> = places
            .into_iter()
            .filter(|(target, offset)| compile(&format!("A:{target}:{offset}:{}\n", "a1b2c3d4".repeat(4))).is_ok())
            .collect();
        let fields: Vec<_> = fields.into_iter().filter(|fields| sound.contains(&(fields[1], fields[2]))).collect();
        ensure!(!fields.is_empty(), "there is no signature to learn from");
        let digits = |body: &str| body.bytes().filter(u8::is_ascii_hexdigit).count() / 2;
        Ok(Style {
            families: Frequencies::of(fields.iter().map(|fields| family(fields[0]).to_owned())),
            places: Frequencies::of(fields.iter().map(|fields| (fields[1].to_owned(), fields[2].to_owned()))),
            lengths: Frequencies::of(
                fields.iter().map(|fields| digits(fields[3]).clamp(BODY_BYTES_MIN, longest.max(BODY_BYTES_MIN))),
            ),
        })
    }
}

/// A name without its number.
fn family(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    if stem.is_empty() { name } else { stem }
}

#[derive(Clone)]
struct Signature {
    line: String,
    /// `-log2` of the probability that it is drawn.
    bits: f64,
}

/// A set of signatures that goes from release to release.
#[derive(Clone)]
pub struct Set<'a> {
    style: &'a Style,
    random: Random,
    size: u64,
    names: HashSet<String>,
    signatures: Vec<Signature>,
    removed: usize,
    added: HashMap<String, f64>,
}

impl<'a> Set<'a> {
    /// A set of `size` signatures.
    pub fn new(style: &'a Style, size: usize, seed: u64) -> Set<'a> {
        let (names, signatures) = (HashSet::with_capacity(size), Vec::with_capacity(size));
        let random = Random::new(seed);
        let mut set = Set { style, random, size: size as u64, names, signatures, removed: 0, added: HashMap::new() };
        for _ in 0..size {
            let signature = set.draw();
            set.signatures.push(signature);
        }
        set
    }

    fn draw(&mut self) -> Signature {
        loop {
            let (index, family, mut bits) = self.style.families.draw(&mut self.random);
            let families = &self.style.families;
            let expected = (families.count(index) * self.size).div_ceil(families.total);
            let range = SPREAD * expected.max(1);
            let name = format!("{family}-{}", 1 + self.random.below(range as usize));
            if !self.names.insert(name.clone()) {
                continue;
            }
            bits += (range as f64).log2();
            let (_, (target, offset), of_place) = self.style.places.draw(&mut self.random);
            let (_, &length, of_length) = self.style.lengths.draw(&mut self.random);
            let mut line = format!("{name}:{target}:{offset}:");
            for _ in 0..length {
                write!(line, "{:02x}", self.random.below(256)).expect("writing to a string");
            }
            return Signature { line, bits: bits + of_place + of_length + 8.0 * length as f64 };
        }
    }

    /// The next release: `count` signatures go and as many come.
    pub fn change(&mut self, count: usize) {
        for _ in 0..count {
            let at = self.random.below(self.signatures.len());
            let gone = self.signatures.swap_remove(at);
            self.names.remove(gone.line.split(':').next().expect("a line has a name"));
            if self.added.remove(&gone.line).is_none() {
                self.removed += 1;
            }
        }
        for _ in 0..count {
            let came = self.draw();
            self.added.insert(came.line.clone(), came.bits);
            self.signatures.push(came);
        }
    }

    /// How many went and came since the set was made, what came and went again left out.
    pub fn net(&self) -> (usize, usize) {
        (self.removed, self.added.len())
    }

    /// The floor in bytes: which of the old ones went, and which of all that can be drawn came, as a set, without an order.
    pub fn floor_bytes(&self) -> f64 {
        let gone = log2_choose(self.size, self.removed as u64);
        let came: f64 = self.added.values().sum::<f64>() - log2_factorial(self.added.len() as u64);
        (gone + came) / 8.0
    }

    /// The lines in order, each with a line feed.
    pub fn text(&self) -> String {
        let mut lines: Vec<&str> = self.signatures.iter().map(|signature| &signature.line[..]).collect();
        lines.sort_unstable();
        let mut text = String::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// The records of `.ndb` text, in canonical order.
///
/// # Errors
/// When a line is refused.
pub fn compile(text: &str) -> Result<Vec<Record>> {
    let mut compiler = Compiler::new();
    compiler.add_text("release.ndb", SourceKind::Ndb, text.as_bytes());
    let compilation = compiler.finish();
    ensure!(compilation.account.refused == 0, "{} lines are refused", compilation.account.refused);
    Ok(compilation.records)
}

fn log2_factorial(n: u64) -> f64 {
    (2..=n).map(|i| (i as f64).log2()).sum()
}

fn log2_choose(n: u64, k: u64) -> f64 {
    (0..k).map(|i| ((n - i) as f64).log2() - ((i + 1) as f64).log2()).sum()
}

/// What turns the sorted lines `old` into `new`: the number of lines kept since the last step, then `d`, or `a` and a line.
pub fn line_script(old: &str, new: &str) -> String {
    let (mut old, mut new) = (old.lines().peekable(), new.lines().peekable());
    let (mut script, mut kept) = (String::new(), 0);
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return script,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let _ = old.next_if(|_| order.is_le());
        let came = new.next_if(|_| order.is_ge());
        match order {
            std::cmp::Ordering::Equal => {
                kept += 1;
                continue;
            }
            std::cmp::Ordering::Less => writeln!(script, "{kept}d").expect("writing to a string"),
            std::cmp::Ordering::Greater => {
                writeln!(script, "{kept}a{}", came.expect("it decided the order")).expect("writing to a string");
            }
        }
        kept = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_of_what_is_easily_counted() {
        assert!((log2_choose(10, 3) - 120f64.log2()).abs() < 1e-9);
        assert!((log2_factorial(5) - 120f64.log2()).abs() < 1e-9);
        assert_eq!(family("Win.Trojan.Agent-12"), "Win.Trojan.Agent");
    }

    #[test]
    fn line_scripts_tell_what_goes_and_comes() {
        assert_eq!(line_script("a\nb\nd\n", "a\nc\nd\ne\n"), "1d\n0ac\n1ae\n");
    }

    #[test]
    fn what_comes_and_goes_again_is_no_change() {
        let style = Style::of(&[include_str!("../../corpus/signatures/ditekshen.ndb").to_owned()], 64).unwrap();
        let mut set = Set::new(&style, 50, 1);
        let old: BTreeSet<String> = set.text().lines().map(str::to_owned).collect();
        for _ in 0..20 {
            set.change(5);
        }
        let new: BTreeSet<String> = set.text().lines().map(str::to_owned).collect();
        assert_eq!(set.net(), (old.difference(&new).count(), new.difference(&old).count()));
        assert_eq!(compile(&set.text()).unwrap().len(), 50);
    }
}
