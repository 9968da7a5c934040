//! Known differences, each a rule that `docs/clamav.md`, `docs/targets.md` or `docs/normalisation.md` documents.
//!
//! A rule looks at the signature and the bytes of the file, never at names: what it explains, it explains everywhere.

use crate::comparison::Side;
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::{FileKind, Image};
use patternc::record::{Record, Subsignature, Target};

/// Why the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// clamscan remembers few of the places of a piece.
    ManyPlaces,
    /// A pattern begins with alternatives of which one begins another.
    LeadingAlternative,
    /// A piece ends in alternatives of which one begins another.
    TrailingAlternative,
    /// A PDF that does not begin with `%PDF-`.
    LatePdf,
    /// Offsets in the programs of a fat Mach-O file.
    FatMachO,
    /// Offsets from the end of an executable whose headers cannot be followed.
    BrokenExecutable,
    /// The bytes of a page where normalised forms are looked through.
    PageAsItStands,
}

impl Cause {
    pub(crate) const ALL: [Cause; 7] = [
        Cause::ManyPlaces,
        Cause::LeadingAlternative,
        Cause::TrailingAlternative,
        Cause::LatePdf,
        Cause::FatMachO,
        Cause::BrokenExecutable,
        Cause::PageAsItStands,
    ];

    /// The page that documents it, and how the row for it begins.
    pub(crate) fn documented(self) -> (&'static str, &'static str) {
        match self {
            Cause::ManyPlaces => ("docs/clamav.md", "a piece that occurs ten times or more before the next"),
            Cause::LeadingAlternative => {
                ("docs/clamav.md", "`(aa\\|aabb)ccdd`: a leading alternative of which one string begins another")
            }
            Cause::TrailingAlternative => {
                ("docs/clamav.md", "`1122(aa\\|aabb){1-1}ccdd`: a piece that ends in such an alternative")
            }
            Cause::LatePdf => ("docs/targets.md", "a PDF behind"),
            Cause::FatMachO => ("docs/targets.md", "a fat Mach-O file"),
            Cause::BrokenExecutable => ("docs/targets.md", "an executable whose headers cannot be followed"),
            Cause::PageAsItStands => ("docs/normalisation.md", "signatures for any file, and digests, of a page"),
        }
    }

    fn explains(self, found_by: Side, record: &Record, file: &[u8]) -> bool {
        match self {
            Cause::ManyPlaces => {
                found_by == Side::Titer && patterns(record).any(|(pattern, _)| some_piece_is_frequent(pattern, file))
            }
            Cause::LeadingAlternative => {
                found_by == Side::Titer && patterns(record).any(|(pattern, _)| is_nested(pattern.elements().first()))
            }
            Cause::TrailingAlternative => {
                let followed_by_gap = |pattern: &Pattern| {
                    pattern.elements().windows(2).any(|pair| is_nested(pair.first()) && is_gap(&pair[1]))
                };
                found_by == Side::Titer && patterns(record).any(|(pattern, _)| followed_by_gap(pattern))
            }
            Cause::LatePdf => {
                target(record) == Target::Kind(FileKind::Pdf)
                    && FileKind::of(file) == Some(FileKind::Pdf)
                    && !file.starts_with(b"%PDF-")
            }
            Cause::FatMachO => {
                let from_an_end = |offset| matches!(offset, Offset::Start { .. } | Offset::End { .. });
                FileKind::of(file) == Some(FileKind::MachO)
                    && file.starts_with(b"\xca\xfe\xba\xbe")
                    && patterns(record).any(|(_, offset)| from_an_end(offset))
            }
            Cause::BrokenExecutable => {
                FileKind::of(file).is_some_and(FileKind::is_executable)
                    && Image::all_of(file).is_empty()
                    && patterns(record).any(|(_, offset)| matches!(offset, Offset::End { .. }))
            }
            Cause::PageAsItStands => {
                found_by == Side::Titer && target(record) == Target::Any && FileKind::of(file) == Some(FileKind::Html)
            }
        }
    }
}

/// The first rule that explains why only one of them reports some of `records`, which bear one name, in `file`.
pub(crate) fn of(found_by: Side, records: &[&Record], file: &[u8]) -> Option<Cause> {
    Cause::ALL.into_iter().find(|cause| records.iter().any(|record| cause.explains(found_by, record, file)))
}

pub(crate) fn target(record: &Record) -> Target {
    match record {
        Record::Body(body) => body.target,
        Record::Logical(logical) => logical.target,
        Record::Hash(_) => Target::Any,
    }
}

/// The patterns of a signature, and where their matches may begin.
fn patterns(record: &Record) -> impl Iterator<Item = (&Pattern, Offset)> {
    let body = match record {
        Record::Body(body) => Some((&body.pattern, body.offset)),
        _ => None,
    };
    let subsignatures = match record {
        Record::Logical(logical) => &logical.subsignatures[..],
        _ => &[],
    };
    body.into_iter().chain(subsignatures.iter().flat_map(patterns_of_subsignature))
}

fn patterns_of_subsignature(subsignature: &Subsignature) -> Vec<(&Pattern, Offset)> {
    match subsignature {
        Subsignature::Bytes { offset, any_of } => any_of.iter().map(|pattern| (pattern, *offset)).collect(),
        _ => Vec::new(),
    }
}

fn is_gap(element: &Element) -> bool {
    matches!(element, Element::Gap { .. })
}

/// Whether an element is alternatives of which one begins another.
fn is_nested(element: Option<&Element>) -> bool {
    let Some(Element::Alternatives { strings, negated: false }) = element else { return false };
    let begins = |a: &Vec<MaskedByte>, b: &Vec<MaskedByte>| a.len() < b.len() && b.starts_with(a);
    strings.iter().any(|a| strings.iter().any(|b| begins(a, b)))
}

/// Whether a piece of `pattern` before its last gap occurs ten times or more in `file`.
fn some_piece_is_frequent(pattern: &Pattern, file: &[u8]) -> bool {
    const PLACES: usize = 10;
    let pieces: Vec<&[Element]> = pattern.elements().split(is_gap).collect();
    let Some((_, before_last)) = pieces.split_last() else { return false };
    before_last.iter().any(|piece| {
        let piece = Pattern::new(piece.iter().cloned());
        piece.is_ok_and(|piece| corpus::ends(&piece, Offset::Any, file).len() >= PLACES)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_documented() {
        for cause in Cause::ALL {
            let (page, row) = cause.documented();
            let text = std::fs::read_to_string(format!("{}/../{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            assert!(text.lines().any(|line| line.starts_with(&format!("| {row}"))), "{page}: {row}");
        }
    }

    fn cause(line: &str, file: &[u8]) -> Option<Cause> {
        let record = patternc::clamav::ndb(line).unwrap().unwrap();
        of(Side::Titer, &[&record], file)
    }

    #[test]
    fn rules_tell_signatures_and_files_apart() {
        let many = [b"aabb".repeat(10), b"ccdd".to_vec()].concat();
        assert_eq!(cause("N:0:*:61616262*63636464", &many), Some(Cause::ManyPlaces));
        assert_eq!(cause("N:0:*:61616262*63636464", &many[4..]), None);
        assert_eq!(cause("N:0:*:61616262", &many), None);
        assert_eq!(cause("N:0:*:(aa|aabb)ccdd", b""), Some(Cause::LeadingAlternative));
        assert_eq!(cause("N:0:*:(aa|bbaa)ccdd", b""), None);
        assert_eq!(cause("N:0:*:1122(aa|aabb){1-2}ccdd", b""), Some(Cause::TrailingAlternative));
        assert_eq!(cause("N:10:*:aabbcc", b"x %PDF-1.4"), Some(Cause::LatePdf));
        assert_eq!(cause("N:0:*:aabbcc", b"x %PDF-1.4"), None);
        assert_eq!(cause("N:9:5:aabbcc", b"\xca\xfe\xba\xbe\0\0\0\x02"), Some(Cause::FatMachO));
        assert_eq!(cause("N:0:EOF-9:aabbcc", b"MZ is how texts begin"), Some(Cause::BrokenExecutable));
        assert_eq!(cause("N:0:EOF-9:aabbcc", &corpus::executables::pe(true, 1)), None);
        assert_eq!(cause("N:0:*:aabbcc", b"<HTML>"), Some(Cause::PageAsItStands));
        assert_eq!(cause("N:3:*:aabbcc", b"<HTML>"), None);
        assert_eq!(cause("N:9:*:aabbcc", b"\xca\xfe\xba\xbe\0\0\0\x02"), None);
    }
}
