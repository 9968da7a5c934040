//! What of a signature is in a file, and where: for who writes signatures and wonders why one matches, or does not.
//!
//! A scanner says no more than it must. Here every pattern of a signature is looked for by itself, in files of any kind, and all its matches
//! are counted, also where the signature as a whole does not hold.
//!
//! ```
//! use patternc::find::{find, haystacks};
//!
//! let line = "Worm;Target:0;0&(1>2);68656c6c6f;6c6f";
//! let record = patternc::clamav::ldb(line).unwrap().unwrap();
//! let findings = find(&record, &haystacks(b"hello, lo"), 10).unwrap();
//! let finding = &findings[0];
//! assert!(!finding.holds);
//! assert_eq!(finding.unmet, ["the expression (0&1>2) does not hold"]);
//! let counts: Vec<u64> = finding.pieces.iter().map(|piece| piece.count).collect();
//! assert_eq!(counts, [1, 2]);
//! assert_eq!(finding.pieces[1].places, [3..5, 7..9]);
//! ```

mod start;

use crate::explain::target;
use crate::hashing::{Algorithm, digest};
use crate::link::{LinkError, LinkSource, can_be_searched, link};
use crate::record::{Body, Digest, DigestOf, Hash, Limits, Logical, Record, RegexSubsignature, Subsignature, Target};
use engine::byte_compare::ByteCompare;
use engine::pattern::{Offset, Pattern};
use engine::regex::{Extent, Regex, Ways};
use engine::{Database, FileKind, Image, Scanner, image_hash, normalise};
use start::start_of;
use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

/// What is looked through for signatures: a file as it stands, or a normalised form of one.
#[derive(Clone, Debug)]
pub struct Haystack<'f> {
    /// Name of the form; none for the file.
    pub form: Option<&'static str>,
    /// What is looked through.
    pub bytes: Cow<'f, [u8]>,
    /// Kinds of files that signatures looked for here may be meant for.
    kinds: Vec<FileKind>,
    /// What counts as the size of the file.
    file_len: u64,
}

/// A file, then its normalised forms. O(file).
pub fn haystacks(file: &[u8]) -> Vec<Haystack<'_>> {
    let file_len = file.len() as u64;
    let kinds = FileKind::of(file).into_iter().collect();
    let whole = Haystack { form: None, bytes: Cow::Borrowed(file), kinds, file_len };
    let forms = normalise::forms(file).into_iter().map(|normalise::Form { name, bytes, kinds, file_len }| Haystack {
        form: Some(name),
        bytes: Cow::Owned(bytes),
        kinds,
        file_len,
    });
    std::iter::once(whole).chain(forms).collect()
}

/// What of a signature is in a haystack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Which haystack, by its index.
    pub haystack: usize,
    /// Whether the signature holds there.
    pub holds: bool,
    /// What is not as the signature asks, in words; empty when it holds.
    pub unmet: Vec<String>,
    /// What it looks for: one piece for a body and for a digest, one for each subsignature of a logical signature.
    pub pieces: Vec<Piece>,
}

/// One thing that a signature looks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// How often it matches, as expressions count.
    pub count: u64,
    /// The first matches, in bytes of the haystack, ascending by their ends. Where several begin differently and end alike, the last of
    /// those beginnings that are found without much work, else only the end: an empty range. Of a regular expression the first match only.
    pub places: Vec<Range<u64>>,
    /// Why it was not looked for, or not to its end, if so.
    pub note: Option<&'static str>,
    /// Where the last match begins, under the same conditions.
    last_start: Option<u64>,
}

impl Finding {
    /// Whether nothing at all of the signature is there.
    pub fn is_nothing(&self) -> bool {
        !self.holds && self.pieces.iter().all(|piece| piece.count == 0)
    }
}

/// Looks for `record` in the [`haystacks`] of a file, giving up to `places_max` places for each piece.
///
/// A signature for web pages or text is looked for in each form for it; every other in the file, and one for any file, when it is not
/// there, also in the forms: of these only those where it holds are told. At least one finding, unless there is no haystack.
///
/// Links the patterns of the record by themselves: milliseconds, and some for each MiB. Takes up to 64 bytes for each match there is; a
/// pattern of padding may match at every byte of a file.
///
/// # Errors
/// [`LinkError`], for records of no blob and no compiler.
pub fn find(record: &Record, haystacks: &[Haystack<'_>], places_max: usize) -> Result<Vec<Finding>, LinkError> {
    let asked = match record {
        Record::Body(body) => body.target,
        Record::Logical(logical) => logical.target,
        Record::Hash(_) => Target::Any,
    };
    let is_form_for = |haystack: &Haystack<'_>| matches!(asked, Target::Kind(kind) if kind.is_normalised() && haystack.form.is_some() && haystack.kinds.contains(&kind));
    let in_forms = haystacks.iter().any(is_form_for);
    let is_hash = matches!(record, Record::Hash(_));
    let mut findings: Vec<Finding> = Vec::new();
    for (index, haystack) in haystacks.iter().enumerate() {
        let for_any = asked == Target::Any && !is_hash && !findings.iter().any(|finding| finding.holds);
        let looked_through = if in_forms { is_form_for(haystack) } else { haystack.form.is_none() || for_any };
        if !looked_through {
            continue;
        }
        let finding = Finding { haystack: index, ..find_in(record, haystack, places_max)? };
        if finding.holds || haystack.form.is_none() || in_forms {
            findings.push(finding);
        }
    }
    Ok(findings)
}

fn find_in(record: &Record, haystack: &Haystack<'_>, places_max: usize) -> Result<Finding, LinkError> {
    let mut finding = Finding::default();
    match record {
        Record::Body(body) => find_body(body, haystack, places_max, &mut finding)?,
        Record::Logical(logical) => find_logical(logical, haystack, places_max, &mut finding)?,
        Record::Hash(hash) => find_hash(hash, haystack, &mut finding)?,
    }
    finding.holds = finding.unmet.is_empty();
    Ok(finding)
}

/// Entries of allow lists name files too; of the others a scanner tells which part has the digest.
fn find_hash(hash: &Hash, haystack: &Haystack<'_>, finding: &mut Finding) -> Result<(), LinkError> {
    let file = &haystack.bytes[..];
    let mut piece = Piece::default();
    if hash.of == DigestOf::CleanFile {
        let algorithm = match hash.digest {
            Digest::Md5(_) => Algorithm::Md5,
            Digest::Sha1(_) => Algorithm::Sha1,
            Digest::Sha256(_) => Algorithm::Sha256,
        };
        let (of_file, len) = digest(algorithm, file).expect("bytes in memory can be read");
        if of_file == hash.digest && hash.size.is_none_or(|size| size == len) {
            piece.places.push(0..len);
        }
    } else {
        let linked = link_all(&[Record::Hash(hash.clone())])?;
        let database = open(&linked);
        let scanner = Scanner::new(&database);
        piece.places.extend(scanner.signatures(&mut scanner.scratch(), file).iter().map(engine::Match::range));
    }
    piece.count = piece.places.len() as u64;
    if piece.count == 0 {
        let of_whole = matches!(hash.of, DigestOf::File | DigestOf::CleanFile);
        finding.unmet.push(match (of_whole, hash.size) {
            (true, Some(size)) if size != haystack.file_len => {
                format!("the file has {} bytes, not {size}", haystack.file_len)
            }
            (true, _) => "the file has another digest".to_owned(),
            (false, _) => "no part of the file has that size and digest".to_owned(),
        });
    }
    finding.pieces.push(piece);
    Ok(())
}

fn link_all(records: &[Record]) -> Result<Vec<u8>, LinkError> {
    link(&[LinkSource { channel: "local/signatures", release: 0, root: [0; 32], records }])
}

fn open(linked: &[u8]) -> Database<'_> {
    Database::open(linked).expect("the linker writes what the engine reads")
}

fn find_body(body: &Body, haystack: &Haystack<'_>, places_max: usize, finding: &mut Finding) -> Result<(), LinkError> {
    add_target(body.target, haystack, &mut finding.unmet);
    finding.pieces = find_bytes(&[(body.offset, &body.pattern)], &haystack.bytes, places_max)?;
    if finding.pieces.iter().all(|piece| piece.count == 0) {
        finding.unmet.push("the pattern does not match where it may begin".to_owned());
    }
    Ok(())
}

fn find_logical(
    logical: &Logical,
    haystack: &Haystack<'_>,
    places_max: usize,
    finding: &mut Finding,
) -> Result<(), LinkError> {
    let file = &haystack.bytes[..];
    let patterns: Vec<(Offset, &Pattern)> = logical.subsignatures.iter().flat_map(patterns).collect();
    let mut found = find_bytes(&patterns, file, places_max)?.into_iter();
    for subsignature in &logical.subsignatures {
        let piece = match subsignature {
            Subsignature::Bytes { any_of, .. } => join(found.by_ref().take(any_of.len()), places_max),
            Subsignature::Regex(regex) => find_regex(regex, &finding.pieces, file),
            Subsignature::ByteCompare { trigger, compare } => find_number(*trigger, compare, &finding.pieces, file),
            Subsignature::Image { hash } => find_picture(*hash, haystack),
        };
        finding.pieces.push(piece);
    }
    add_target(logical.target, haystack, &mut finding.unmet);
    add_limits(&logical.limits, haystack, &mut finding.unmet);
    if !logical.expression.value(&|number| count(&finding.pieces, number)).holds {
        finding.unmet.push(format!("the expression {} does not hold", logical.expression));
    }
    Ok(())
}

fn patterns(subsignature: &Subsignature) -> Vec<(Offset, &Pattern)> {
    match subsignature {
        Subsignature::Bytes { offset, any_of } => any_of.iter().map(|pattern| (*offset, pattern)).collect(),
        Subsignature::Regex(_) | Subsignature::ByteCompare { .. } | Subsignature::Image { .. } => Vec::new(),
    }
}

fn count(pieces: &[Piece], number: u8) -> u64 {
    pieces.get(usize::from(number)).map_or(0, |piece| piece.count)
}

/// Whether the file is a picture with that hash. Its normalised forms are none.
fn find_picture(hash: u64, haystack: &Haystack<'_>) -> Piece {
    let hashed = (haystack.form.is_none()).then(|| image_hash(&haystack.bytes));
    let is_it = hashed == Some(Ok(hash));
    let note = match hashed {
        Some(Ok(_)) => None,
        Some(Err(error)) if error.is_limit() => Some("the picture is above the limits, so what it shows is not known"),
        _ => Some("the file is no picture that can be decoded"),
    };
    Piece {
        count: u64::from(is_it),
        places: is_it.then_some(0..haystack.bytes.len() as u64).into_iter().collect(),
        note,
        last_start: None,
    }
}

/// Matches of patterns any of which count.
fn join(several: impl Iterator<Item = Piece>, places_max: usize) -> Piece {
    let mut joined = Piece::default();
    for piece in several {
        joined.count += piece.count;
        joined.places.extend(piece.places);
        joined.note = joined.note.or(piece.note);
        joined.last_start = joined.last_start.max(piece.last_start);
    }
    joined.places.sort_by_key(|place| (place.end, place.start));
    joined.places.truncate(places_max);
    joined
}

/// Looks for each pattern by itself, in a file of whatever kind.
fn find_bytes(patterns: &[(Offset, &Pattern)], file: &[u8], places_max: usize) -> Result<Vec<Piece>, LinkError> {
    let searched = patterns.iter().map(|(offset, pattern)| offset.is_fixed() || can_be_searched(pattern));
    let searched: Vec<bool> = searched.collect();
    let bodies = patterns.iter().zip(&searched).filter(|(_, searched)| **searched).map(|((offset, pattern), _)| {
        let (name, pattern) = ("piece".to_owned(), (*pattern).clone());
        Record::Body(Body { name, target: Target::Any, offset: *offset, pattern })
    });
    let linked = link_all(&bodies.collect::<Vec<Record>>())?;
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let mut ends = vec![(0, Vec::new(), None); database.len()];
    for (signature, end) in scanner.ends(&mut scratch, file) {
        let (count, first, last) = &mut ends[signature.index() as usize];
        *count += 1;
        *last = Some(end);
        if first.len() < places_max {
            first.push(end);
        }
    }
    let exceeded = scratch.exceeded().is_some().then_some("looking for it takes too many steps; there may be more");
    let images = Image::all_of(file);
    let mut ends = ends.into_iter();
    let piece = |((offset, pattern), searched): (&(Offset, &Pattern), &bool)| {
        let note = if *searched { exceeded } else { Some("it has no two bytes in a row to be searched for by itself") };
        let (count, first, last) = if *searched { ends.next().unwrap_or_default() } else { Default::default() };
        let start = |end| start_of(pattern, *offset, file, &images, end);
        let places = first.into_iter().map(|end| start(end).unwrap_or(end)..end).collect();
        Piece { count, places, note, last_start: last.and_then(start) }
    };
    Ok(patterns.iter().zip(&searched).map(piece).collect())
}

/// Looks for a regular expression, where its trigger holds of the pieces before it.
fn find_regex(of: &RegexSubsignature, before: &[Piece], file: &[u8]) -> Piece {
    let mut piece = Piece::default();
    if !of.trigger.value(&|number| count(before, number)).holds {
        piece.note = Some("its trigger does not hold, so it is not searched for");
        return piece;
    }
    let Ok(regex) = Regex::new(&of.pattern, of.flags) else {
        piece.note = Some("this build does not take the regular expression");
        return piece;
    };
    let ways = Ways { global: of.global, rolling: of.rolling, encompass: of.encompass };
    let images = Image::all_of(file);
    // As many as a scanner takes for all of a file.
    let mut steps = REGEX_STEPS + 32 * file.len() as u64;
    of.offset.each_range(file.len() as u64, &images, |first, last| {
        let Some(extent) = Extent::of(of.offset, first, last, ways) else { return };
        match regex.matches(file, extent, u64::MAX, &mut steps) {
            Ok(matches) => {
                piece.count += matches.count;
                piece.places.extend(matches.first.map(|range| range.start as u64..range.end as u64));
            }
            Err(_) => piece.note = Some("searching for it takes too many steps"),
        }
    });
    piece
}

/// Looks at the number near the last match of the piece `trigger`.
fn find_number(trigger: u8, compare: &ByteCompare, before: &[Piece], file: &[u8]) -> Piece {
    let mut piece = Piece::default();
    match before.get(usize::from(trigger)) {
        Some(Piece { last_start: Some(start), .. }) if compare.holds(file, *start) => {
            piece.count = 1;
            if let Some(from) = start.checked_add_signed(compare.delta) {
                piece.places.push(from..from + u64::from(compare.len));
            }
        }
        Some(Piece { last_start: Some(_), .. }) => {}
        Some(Piece { count: 1.., .. }) => piece.note = Some("where its trigger begins is too far before where it ends"),
        _ => piece.note = Some("its trigger has no match, so there is no number"),
    }
    piece
}

/// Steps for a regular expression besides those for each byte.
const REGEX_STEPS: u64 = 32 << 20;

fn add_target(asked: Target, haystack: &Haystack<'_>, unmet: &mut Vec<String>) {
    let Target::Kind(kind) = asked else { return };
    let is_of_kind = haystack.kinds.contains(&kind);
    if is_of_kind && kind.is_normalised() && haystack.form.is_none() {
        unmet.push("it is looked for in normalised forms of a file, and this file has none".to_owned());
    } else if !is_of_kind {
        let of = haystack.kinds.first();
        let is = of.map_or("of no kind that signatures name".to_owned(), |kind| format!("of kind {}", kind.name()));
        unmet.push(format!("it is for {}, and this file is {is}", target(asked)));
    }
}

fn add_limits(limits: &Limits, haystack: &Haystack<'_>, unmet: &mut Vec<String>) {
    let Limits { file_size, entry_point, sections, container } = limits;
    let len = haystack.file_len;
    if let Some(range) = file_size.as_ref().filter(|range| !range.contains(&len)) {
        unmet.push(format!("the file has {len} bytes, not {} to {}", range.start(), range.end()));
    }
    if container.is_some() {
        unmet.push("it is for files in containers, which are not opened yet".to_owned());
    }
    if entry_point.is_none() && sections.is_none() {
        return;
    }
    let images = if haystack.form.is_none() { Image::all_of(&haystack.bytes) } else { Vec::new() };
    if images.is_empty() {
        return unmet.push("the file is no executable with an entry point and sections".to_owned());
    }
    let entries = images.iter().map(|image| image.entry);
    add_unmet(entry_point.as_ref(), entries, "the entry point is at byte", unmet);
    let counts = images.iter().map(|image| image.sections.len() as u64);
    add_unmet(sections.as_ref(), counts, "the number of sections is", unmet);
}

/// Adds what is so when none of `values` is in `range`.
fn add_unmet(range: Option<&RangeInclusive<u64>>, values: impl Iterator<Item = u64>, what: &str, unmet: &mut Vec<String>) {
    let Some(range) = range else { return };
    let values: Vec<u64> = values.collect();
    if !values.iter().any(|value| range.contains(value)) {
        unmet.push(format!("{what} {}, not {} to {}", values[0], range.start(), range.end()));
    }
}

#[cfg(test)]
mod tests;
