//! Names of signatures: what many have in common is stored once.
//!
//! Makers tell signatures of one family apart by numbers, `Win.Trojan.Agent-1234567-0`. So a name is stored as its *stem*, the text around
//! one number, and that number. Nothing of a database is parsed for it, and a name is spelled out only where it is reported.

use super::{LinkError, too_many};
use engine::layout::{NO_NUMBER, Signature, Stem};
use std::collections::HashMap;
use zerocopy::little_endian::{U16, U32};

/// The stems of a database, while they are gathered.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub(super) stems: Vec<Stem>,
    pub(super) text: Vec<u8>,
    /// Each stem by its source and its text before and after the number.
    index: HashMap<(u16, &'a str, &'a str), u32>,
    /// The last one that was asked for. Records are sorted, so the next name often has the same.
    last: Option<((u16, &'a str, &'a str), u32)>,
}

impl<'a> Names<'a> {
    /// What is stored of the signature `name` of `source`.
    pub(super) fn add(&mut self, name: &'a str, source: u16) -> Result<Signature, LinkError> {
        let (before, number, after) = parted(name);
        let next = self.stems.len() as u32;
        let key = (source, before, after);
        let last = self.last.filter(|(last, _)| *last == key).map(|(_, stem)| stem);
        let stem = last.unwrap_or_else(|| *self.index.entry(key).or_insert(next));
        self.last = Some((key, stem));
        if stem == next {
            let start = self.put(before)?;
            self.put(after)?;
            let (name_len, split) = (U16::new((before.len() + after.len()) as u16), U16::new(before.len() as u16));
            self.stems.push(Stem { name: start, name_len, split, source: U16::new(source) });
        }
        Ok(Signature { stem: U32::new(stem), number: U32::new(number.unwrap_or(NO_NUMBER)) })
    }

    /// Appends `text`; returns where it begins.
    pub(super) fn put(&mut self, text: &str) -> Result<U32, LinkError> {
        let start = u32::try_from(self.text.len()).map_err(|_| too_many("bytes of names", u64::from(u32::MAX)))?;
        self.text.extend_from_slice(text.as_bytes());
        Ok(U32::new(start))
    }
}

/// Digits of the largest number that is stored as one.
const DIGITS_MAX: usize = 9;

/// A name as the text before its number, the number, and the text after it.
///
/// The number is the longest run of digits, the last of several, but no more than its last nine and without zeros in front. A name without
/// digits is all before.
fn parted(name: &str) -> (&str, Option<u32>, &str) {
    let runs = name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).scan(0, |end, run| {
        *end += run.len();
        Some((*end, run))
    });
    let longest = runs.filter(|(_, run)| run[0].is_ascii_digit()).max_by_key(|(_, run)| run.len());
    let Some((end, run)) = longest else { return (name, None, "") };
    let digits = &name[end - run.len().min(DIGITS_MAX)..end];
    let digits = match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    (&name[..end - digits.len()], digits.parse().ok(), &name[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_put_together_from_its_parts() {
        for (name, want) in [
            ("Win.Trojan.Agent-1234567-0", ("Win.Trojan.Agent-", Some(1_234_567), "-0")),
            ("Worm.A-12-34", ("Worm.A-12-", Some(34), "")),
            ("007", ("00", Some(7), "")),
            ("x000", ("x00", Some(0), "")),
            ("at 20261122065345.", ("at 20261", Some(122_065_345), ".")),
            ("n4294967295", ("n4", Some(294_967_295), "")),
            ("n10000000001", ("n1000000000", Some(1), "")),
            ("é٣", ("é٣", None, "")),
            ("", ("", None, "")),
        ] {
            assert_eq!(parted(name), want);
            let (before, number, after) = parted(name);
            let number = number.map(|number| number.to_string()).unwrap_or_default();
            assert_eq!([before, &number, after].concat(), name);
        }
    }

    #[test]
    fn a_stem_is_stored_once_for_each_source() {
        let mut names = Names::default();
        let stems: Vec<u32> = [("a-1", 0), ("a-2", 0), ("a-", 0), ("a-3-0", 0), ("a-1", 1)]
            .map(|(name, source)| names.add(name, source).unwrap().stem.get())
            .to_vec();
        // A name that is its stem is of the same as those with a number at its end.
        assert_eq!(stems, [0, 0, 0, 1, 2]);
        assert_eq!(names.text, b"a-a-3-a-");
        assert_eq!(names.add("a-", 0).unwrap().number.get(), NO_NUMBER);
    }
}
