//! What a file bears, found out as slowly as is bearable: no anchor, no table, the expression evaluated as it is defined.
//!
//! Like [`engine::naive`], the set of places where the match so far may end is carried over the elements one by one, but for all starts
//! at once. So it takes O(file × elements), where that takes the square, and can judge each of a hundred thousand planted files.

use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use engine::regex::{Extent, Regex, Ways};
use engine::{FileKind, Image, normalise};
use patternc::record::{Body, Limits, Logical, Record, RegexSubsignature, Subsignature, Target};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Steps that a regular expression may take in a file.
const REGEX_STEPS: u64 = 100_000_000;

/// Whether `file` bears the signature: it is of the right kind, and holds what is looked for.
///
/// `false` for digests, which are no business of planting, and for signatures for files in containers.
pub fn bears(record: &Record, file: &[u8]) -> bool {
    match record {
        Record::Body(body) => bears_body(body, file),
        Record::Logical(logical) => bears_logical(logical, file),
        Record::Hash(_) => false,
    }
}

pub(super) fn bears_body(body: &Body, file: &[u8]) -> bool {
    haystacks(body.target, file).iter().any(|(haystack, _)| !ends(&body.pattern, body.offset, haystack).is_empty())
}

pub(super) fn bears_logical(logical: &Logical, file: &[u8]) -> bool {
    let images = Image::all_of(file);
    let holds = |(haystack, file_len): &(Cow<'_, [u8]>, u64)| {
        if !within(&logical.limits, *file_len, &images) {
            return false;
        }
        let counts = counts(&logical.subsignatures, haystack);
        logical.expression.value(&|number| counts[usize::from(number)]).holds
    };
    haystacks(logical.target, file).iter().any(holds)
}

/// What is looked through for signatures of this target: the file, or its normalised forms. Each with what counts as the size of the file.
fn haystacks(target: Target, file: &[u8]) -> Vec<(Cow<'_, [u8]>, u64)> {
    let whole = || vec![(Cow::Borrowed(file), file.len() as u64)];
    match target {
        Target::Any => whole(),
        Target::Kind(kind) if kind.is_normalised() => {
            let forms = normalise::forms(file).into_iter().filter(|form| form.kinds.contains(&kind));
            forms.map(|form| (Cow::Owned(form.bytes), form.file_len)).collect()
        }
        Target::Kind(kind) if FileKind::of(file) == Some(kind) => whole(),
        _ => Vec::new(),
    }
}

fn within(limits: &Limits, file_len: u64, images: &[Image]) -> bool {
    let allows = |range: &Option<RangeInclusive<u64>>, value: u64| range.as_ref().is_none_or(|range| range.contains(&value));
    let some_image = |range: &Option<RangeInclusive<u64>>, value: &dyn Fn(&Image) -> u64| {
        range.is_none() || images.iter().any(|image| allows(range, value(image)))
    };
    allows(&limits.file_size, file_len)
        && some_image(&limits.entry_point, &|image| image.entry)
        && some_image(&limits.sections, &|image| image.sections.len() as u64)
        && limits.container.is_none()
}

/// How often each subsignature matches. Regular expressions are searched for by [`engine::regex`], which is compared with PCRE2 elsewhere;
/// there is no second one here.
fn counts(subsignatures: &[Subsignature], file: &[u8]) -> Vec<u64> {
    let mut counts: Vec<u64> = Vec::with_capacity(subsignatures.len());
    for subsignature in subsignatures {
        let count = match subsignature {
            Subsignature::Bytes { offset, any_of } => {
                any_of.iter().map(|pattern| ends(pattern, *offset, file).len() as u64).sum()
            }
            Subsignature::Image { hash } => u64::from(engine::image_hash(file) == Ok(*hash)),
            Subsignature::Regex(regex) => {
                let triggered = regex.trigger.value(&|number| counts.get(usize::from(number)).copied().unwrap_or(0)).holds;
                if triggered { regex_matches(regex, file) } else { 0 }
            }
            Subsignature::ByteCompare { trigger, compare } => {
                let start = subsignatures.get(usize::from(*trigger)).and_then(|trigger| last_start(trigger, file));
                u64::from(start.is_some_and(|start| compare.holds(file, start as u64)))
            }
            _ => 0,
        };
        counts.push(count);
    }
    counts
}

fn regex_matches(regex: &RegexSubsignature, file: &[u8]) -> u64 {
    let Ok(compiled) = Regex::new(&regex.pattern, regex.flags) else { return 0 };
    let RegexSubsignature { offset, global, rolling, encompass, .. } = *regex;
    let images = if offset.needs_image() { Image::all_of(file) } else { Vec::new() };
    let matches = |range: RangeInclusive<usize>| {
        let ways = Ways { global, rolling, encompass };
        let extent = Extent::of(offset, *range.start() as u64, *range.end() as u64, ways)?;
        compiled.matches(file, extent, u64::MAX, &mut { REGEX_STEPS }).ok().map(|found| found.count)
    };
    allowed(offset, file.len(), &images).into_iter().filter_map(matches).sum()
}

/// Where the last match of a subsignature of bytes begins: of those that end last, the last.
fn last_start(subsignature: &Subsignature, file: &[u8]) -> Option<usize> {
    let Subsignature::Bytes { offset, any_of } = subsignature else { return None };
    let images = if offset.needs_image() { Image::all_of(file) } else { Vec::new() };
    let of_pattern = |pattern: &Pattern| {
        let end = *ends(pattern, *offset, file).last()?;
        let ends_there = |start: &usize| {
            let at = Offset::Start { from: *start as u64, shift: 0 };
            ends(pattern, at, file).contains(&end)
        };
        starts(*offset, file.len(), &images).into_iter().rev().flat_map(Iterator::rev).find(ends_there)
    };
    any_of.iter().filter_map(of_pattern).max()
}

/// Where matches of `pattern` that begin at an `offset` allowed end in `file`, ascending: what [`engine::naive::ends`] says, sooner.
pub fn ends(pattern: &Pattern, offset: Offset, file: &[u8]) -> Vec<usize> {
    let images = if offset.needs_image() { Image::all_of(file) } else { Vec::new() };
    let starts = starts(offset, file.len(), &images);
    let mut elements = pattern.elements().iter();
    let Some(first) = elements.next() else { return Vec::new() };
    let mut reached = after(first, starts.into_iter().flatten(), file);
    for element in elements {
        if reached.is_empty() {
            break;
        }
        reached = after(element, reached.into_iter(), file);
    }
    reached
}

/// Where a match may begin, each place once, ascending: parts of `0..=len` that do not touch.
fn starts(offset: Offset, len: usize, images: &[Image]) -> Vec<RangeInclusive<usize>> {
    let mut ranges = allowed(offset, len, images);
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut disjoint: Vec<RangeInclusive<usize>> = Vec::new();
    for range in ranges {
        match disjoint.last_mut().filter(|last| *range.start() <= last.end() + 1) {
            Some(last) => *last = *last.start()..=*last.end().max(range.end()),
            None => disjoint.push(range),
        }
    }
    disjoint
}

/// The parts of `0..=len` that an offset allows, as they come.
fn allowed(offset: Offset, len: usize, images: &[Image]) -> Vec<RangeInclusive<usize>> {
    let mut ranges: Vec<RangeInclusive<usize>> = Vec::new();
    let mut add = |first: Option<i128>, shift: u64| {
        // A place before the file is none.
        let Some(first) = first.and_then(|first| usize::try_from(first).ok()).filter(|first| *first <= len) else { return };
        ranges.push(first..=len.min(first.saturating_add(usize::try_from(shift).unwrap_or(usize::MAX))));
    };
    match offset {
        Offset::Any => add(Some(0), len as u64),
        Offset::Start { from, shift } => add(Some(i128::from(from)), shift),
        Offset::End { back, shift } => add(Some(len as i128 - i128::from(back)), shift),
        Offset::VersionInfo => {
            for image in images {
                image.version_keys.iter().for_each(|&key| add(Some(i128::from(image.base) + i128::from(key)), 0));
            }
        }
        _ => {
            for image in images {
                let (first, shift) = place(image, offset).unzip();
                let first = first.filter(|first| *first >= 0).map(|first| first + i128::from(image.base));
                add(first, shift.unwrap_or(0));
            }
        }
    }
    ranges
}

/// The first place that an offset in an executable allows, counted from the base of the image, and how many bytes later a match may
/// still begin.
pub(super) fn place(image: &Image, offset: Offset) -> Option<(i128, u64)> {
    let section = |index: u8| *image.sections.get(usize::from(index))?;
    match offset {
        Offset::Entry { delta, shift } => Some((i128::from(image.entry) + i128::from(delta), shift)),
        Offset::Section { index, from, shift } => Some((i128::from(section(index)?.start) + i128::from(from), shift)),
        Offset::LastSection { from, shift } => Some((i128::from(image.last?.start) + i128::from(from), shift)),
        Offset::Within { index, shift } => {
            let section = section(index)?;
            section.start.checked_add(section.len)?;
            Some((i128::from(section.start), u64::from(section.len).saturating_add(shift)))
        }
        Offset::Any | Offset::Start { .. } | Offset::End { .. } | Offset::VersionInfo => None,
    }
}

/// Where `element` may end when it begins at one of `places`, which ascend; ascending, each once.
fn after(element: &Element, places: impl Iterator<Item = usize>, file: &[u8]) -> Vec<usize> {
    let begins = |string: &[MaskedByte], at: usize| {
        let there = file.get(at..at + string.len());
        there.is_some_and(|there| string.iter().zip(there).all(|(masked, &byte)| masked.agrees(byte)))
    };
    match element {
        Element::Bytes(bytes) => places.filter(|&at| begins(bytes, at)).map(|at| at + bytes.len()).collect(),
        Element::Alternatives { strings, negated: false } => {
            let some = |at| strings.iter().filter(move |string| begins(string, at)).map(move |string| at + string.len());
            let mut reached: Vec<usize> = places.flat_map(some).collect();
            reached.sort_unstable();
            reached.dedup();
            reached
        }
        Element::Alternatives { strings, negated: true } => {
            let len = strings[0].len();
            let none = |at: &usize| at + len <= file.len() && !strings.iter().any(|string| begins(string, *at));
            places.filter(none).map(|at| at + len).collect()
        }
        Element::Boundary(boundary) => places.filter(|&at| boundary.holds(file, at)).collect(),
        Element::Gap { min, max } => {
            let mut reached = Vec::new();
            let mut next = 0;
            for at in places {
                let last = max.map_or(file.len(), |max| file.len().min(at.saturating_add(max as usize)));
                let first = next.max(at.saturating_add(*min as usize));
                reached.extend(first..=last);
                next = next.max(last + 1);
            }
            reached
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::naive;
    use engine::pattern::Boundary;

    /// Files in which there is something to be found, and every offset.
    #[test]
    fn it_finds_what_the_definition_finds() {
        let fixed = |text: &[u8]| text.iter().map(|&byte| MaskedByte::fixed(byte)).collect::<Vec<_>>();
        let bytes = |text: &[u8]| Element::Bytes(fixed(text));
        let gap = |min, max| Element::Gap { min, max };
        let boundary = |number| Element::Boundary(Boundary::from_number(number).unwrap());
        let either = |negated| Element::Alternatives { strings: vec![fixed(b"a"), fixed(b"b")], negated };
        let several = Element::Alternatives { strings: vec![fixed(b"a"), fixed(b"aa"), fixed(b"ba")], negated: false };
        let patterns = [
            vec![bytes(b"ab")],
            vec![bytes(b"a"), gap(0, Some(3)), bytes(b"b")],
            vec![bytes(b"a"), gap(2, None), either(false)],
            vec![gap(1, Some(2)), bytes(b"ba"), either(true)],
            vec![bytes(b"b"), several, bytes(b"b"), gap(40, Some(300)), bytes(b"a")],
            vec![boundary(0), bytes(b"ab"), gap(0, Some(9)), boundary(5), bytes(b"a"), boundary(15)],
        ]
        .map(|elements| Pattern::new(elements).unwrap());
        let offsets = [
            Offset::Any,
            Offset::Start { from: 0x1000, shift: 9 },
            Offset::Start { from: u64::MAX, shift: u64::MAX },
            Offset::End { back: 20, shift: 30 },
            Offset::Entry { delta: -3, shift: 5 },
            Offset::Section { index: 1, from: 2, shift: 4 },
            Offset::Section { index: 9, from: 2, shift: 4 },
            Offset::LastSection { from: 0, shift: 0 },
            Offset::Within { index: 0, shift: 7 },
            Offset::VersionInfo,
        ];
        let program = crate::executables::macho(true, true, 2);
        let mut file = crate::executables::fat(&[program.clone(), program]);
        // Few letters, as the definition takes the square of them; only where there is filler: the headers stay.
        let noise = crate::haystack(file.len(), 7);
        let letters = noise.iter().map(|byte| b"aab".get(usize::from(byte & 31)).copied().unwrap_or(b'~'));
        file.iter_mut().zip(letters).filter(|(byte, _)| **byte == b'~').for_each(|(byte, letter)| *byte = letter);
        for pattern in &patterns {
            for offset in offsets {
                // What may begin anywhere takes the definition a while.
                let file = if offset == Offset::Any { &file[crate::executables::PAGE..][..3000] } else { &file[..] };
                let expected: Vec<usize> = naive::ends(pattern, offset, file).into_iter().map(|end| end as usize).collect();
                assert_eq!(ends(pattern, offset, file), expected, "{pattern:?} {offset:?}");
            }
        }
    }

    #[test]
    fn keys_of_version_information_are_places() {
        let (_, file) = crate::clean().into_iter().find(|(name, _)| *name == "distlib-t32.exe").unwrap();
        let letter = Pattern::literal(b"F\0i\0l\0e\0").unwrap();
        let expected = naive::ends(&letter, Offset::VersionInfo, file);
        assert_eq!(expected.len(), 2, "FileDescription and FileVersion");
        assert!(ends(&letter, Offset::VersionInfo, file).into_iter().map(|end| end as u64).eq(expected));
    }
}
