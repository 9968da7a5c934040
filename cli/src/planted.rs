//! Bytes that bear a signature, made from the signature itself: what a database must detect because of what it was linked from.
//!
//! Only body signatures whose meaning is settled by their pattern alone are taken: for any file, at any place. Each sample was matched
//! by the oracle, so a sample that is not detected is a fault of the database or of the matcher, not of the sample.

use engine::naive;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use patternc::record::{Body, Record, Target};
use serde::{Deserialize, Serialize};

/// Samples of one database.
const SAMPLES_MAX: usize = 32;
/// Bytes of one: the oracle is slow.
const SAMPLE_LEN_MAX: usize = 512;
/// Signatures that are tried for each sample that is kept.
const TRIES: usize = 8;

/// A sample and the signature that must be found in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// Hexadecimal, so that no scanner takes the file of samples for what it describes.
    pub(crate) hex: String,
}

/// Samples of at most 32 signatures, spread over `records`. Cost: a bounded number of them is looked at.
pub(crate) fn samples(records: &[&[Record]]) -> Vec<Sample> {
    let count: usize = records.iter().map(|records| records.len()).sum();
    let step = (count / (SAMPLES_MAX * TRIES)).max(1);
    let tried = records.iter().flat_map(|records| records.iter()).step_by(step);
    let fit: Vec<Sample> = tried.filter_map(sample).take(SAMPLES_MAX * TRIES).collect();
    let thin = fit.len().div_ceil(SAMPLES_MAX).max(1);
    fit.into_iter().step_by(thin).collect()
}

fn sample(record: &Record) -> Option<Sample> {
    let Record::Body(Body { name, target: Target::Any, offset: Offset::Any, pattern }) = record else { return None };
    let bytes = instance(pattern);
    let proven = bytes.len() <= SAMPLE_LEN_MAX && !naive::ends(pattern, Offset::Any, &bytes).is_empty();
    proven.then(|| Sample { name: name.clone(), hex: hex::encode(bytes) })
}

/// A string that `pattern` matches: the least of what each element allows.
pub(crate) fn instance(pattern: &Pattern) -> Vec<u8> {
    const FILLER: u8 = b'.';
    let bytes =
        |string: &[MaskedByte]| -> Vec<u8> { string.iter().map(|byte| byte.value() | FILLER & !byte.mask()).collect() };
    let piece = |element: &Element| match element {
        Element::Bytes(string) => bytes(string),
        Element::Alternatives { strings, negated: false } => bytes(&strings[0]),
        Element::Alternatives { strings, negated: true } => vec![FILLER; strings[0].len()],
        Element::Gap { min, .. } => vec![FILLER; *min as usize],
        // Those in front hold behind the text before it; for others the oracle has the last word.
        Element::Boundary(_) => Vec::new(),
    };
    pattern.elements().iter().flat_map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use patternc::compile::{Compiler, SourceKind};

    #[test]
    fn samples_are_spread_bounded_and_found() {
        let lines: String =
            (0..3000).map(|n: u32| format!("Made.{n}:0:*:{:08x}{:08x}\n", n, n.wrapping_mul(0x9e37_79b9))).collect();
        let mut compiler = Compiler::new();
        compiler.add_text("made.ndb", SourceKind::Ndb, lines.as_bytes());
        compiler.add_text("fixed.ndb", SourceKind::Ndb, b"At.Start:0:0:6162636465666768\nLong:0:*:61626364{9000}65666768\n");
        let records = compiler.finish().records;
        let samples = samples(&[&records]);
        assert!((16..=SAMPLES_MAX).contains(&samples.len()), "{}", samples.len());
        assert!(samples.iter().all(|sample| sample.name.starts_with("Made.")));
        assert!(samples.iter().any(|sample| sample.name[5..].parse::<u32>().unwrap() > 2000));
        assert_eq!(super::samples(&[]), []);
        assert_eq!(super::samples(&[&records[5..6], &records[7..8]]).len(), 2, "few are all taken");
    }
}
