//! What a signature means, in words.
//!
//! ```
//! let record = patternc::clamav::ndb("Demo.Worm:1:EP+0,8:4d5a{2-4}(50|51)4550").unwrap().unwrap();
//! let facts = patternc::explain::explain(&record);
//! assert_eq!(facts[2].to_string(), "offset: 0 to 8 bytes behind the entry point\n");
//! ```
//!
//! It is the record that is explained, not the line it was read from: spellings that mean the same are told in the same words. All text is
//! free of control characters, whatever the signature holds.

mod pattern;

use crate::record::{Body, DigestOf, Hash, Limits, Logical, Record, RegexSubsignature, Subsignature, Target};
use engine::byte_compare::{ByteCompare, Comparison, NumberForm, Order};
use engine::expression::Expression;
use engine::pattern::{Offset, Pattern};
use engine::regex::{Flags, Regex};
use std::fmt;
use std::ops::RangeInclusive;

/// Something about a signature, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// What it is about: `offset`, `pattern`, `0` for a subsignature.
    pub label: String,
    /// What is so; may be empty when `parts` say it.
    pub text: String,
    /// Details, in their order.
    pub parts: Vec<Fact>,
}

impl Fact {
    fn new(label: impl Into<String>, text: impl AsRef<str>) -> Fact {
        Fact { label: label.into(), text: printable(text.as_ref()), parts: Vec::new() }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let Fact { label, text, parts } = self;
        let blank = if text.is_empty() { "" } else { " " };
        writeln!(f, "{:indent$}{label}:{blank}{text}", "", indent = 2 * depth)?;
        parts.iter().try_for_each(|part| part.write(f, depth + 1))
    }
}

/// A line, and those of its parts below it, each indented by two more blanks.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// `text` with control characters, and those that reorder text, spelled `\xHH` and `\u{HHHH}`.
pub fn printable(text: &str) -> String {
    let spelled = |char: char| match u32::from(char) {
        code @ (0..=0x1f | 0x7f..=0x9f) => format!("\\x{code:02x}"),
        code @ (0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff) => format!("\\u{{{code:x}}}"),
        _ => char.to_string(),
    };
    text.chars().map(spelled).collect()
}

/// The facts of a signature, its name first. O(record).
pub fn explain(record: &Record) -> Vec<Fact> {
    let mut facts = vec![Fact::new("name", record.name())];
    match record {
        Record::Body(body) => explain_body(body, &mut facts),
        Record::Hash(hash) => explain_hash(hash, &mut facts),
        Record::Logical(logical) => explain_logical(logical, &mut facts),
    }
    facts
}

fn explain_body(body: &Body, facts: &mut Vec<Fact>) {
    facts.push(Fact::new("target", target(body.target)));
    facts.push(Fact::new("offset", offset(body.offset)));
    facts.push(pattern_fact("pattern", &body.pattern));
}

fn explain_hash(hash: &Hash, facts: &mut Vec<Fact>) {
    let digest = format!("{:?}", hash.digest);
    let (algorithm, hex) = digest.split_once(':').unwrap_or(("", &digest));
    let of = match hash.of {
        DigestOf::File => "the whole file",
        DigestOf::Section => "a section of a PE file",
        DigestOf::Imports => "what a PE file imports",
        DigestOf::CleanFile => "a whole file that is clean, whatever else is found in it",
    };
    facts.push(Fact::new("digest", format!("{} of {of}: {hex}", algorithm.to_ascii_uppercase())));
    facts.push(Fact::new("size", hash.size.map_or("any".to_owned(), |size| format!("{size} bytes"))));
}

fn explain_logical(logical: &Logical, facts: &mut Vec<Fact>) {
    facts.push(Fact::new("target", target(logical.target)));
    explain_limits(&logical.limits, facts);
    facts.push(Fact::new("expression", logical.expression.to_string()));
    for (number, subsignature) in logical.subsignatures.iter().enumerate() {
        facts.push(explain_subsignature(number, subsignature));
    }
}

fn explain_limits(limits: &Limits, facts: &mut Vec<Fact>) {
    let range = |range: &RangeInclusive<u64>, unit: &str| match (range.start(), range.end()) {
        (start, end) if start == end => format!("{start}{unit}"),
        (start, end) => format!("{start} to {end}{unit}"),
    };
    let Limits { file_size, entry_point, sections, container } = limits;
    facts.extend(file_size.as_ref().map(|size| Fact::new("file size", range(size, " bytes"))));
    facts.extend(entry_point.as_ref().map(|entry| Fact::new("entry point", format!("at byte {}", range(entry, "")))));
    facts.extend(sections.as_ref().map(|sections| Fact::new("sections", range(sections, ""))));
    facts.extend(container.as_ref().map(|kind| {
        Fact::new("container", format!("only in files that lie in a {kind}; containers are not opened yet, so never found"))
    }));
}

fn explain_subsignature(number: usize, subsignature: &Subsignature) -> Fact {
    let mut fact = Fact::new(number.to_string(), "");
    match subsignature {
        Subsignature::Bytes { offset: place, any_of } => {
            fact.text = match any_of.len() {
                2.. => format!("bytes, {}; matches of any of {} patterns count", offset(*place), any_of.len()),
                _ => format!("bytes, {}", offset(*place)),
            };
            fact.parts = any_of.iter().map(|pattern| pattern_fact("pattern", pattern)).collect();
        }
        Subsignature::Regex(regex) => explain_regex(regex, &mut fact),
        Subsignature::ByteCompare { trigger, compare } => explain_compare(*trigger, compare, &mut fact),
        Subsignature::Image { hash } => fact.text = format!("picture, one that looks like {hash:016x}"),
    }
    fact
}

fn explain_regex(regex: &RegexSubsignature, fact: &mut Fact) {
    fact.text = format!("regular expression, {}", offset(regex.offset));
    fact.parts.push(Fact::new("trigger", format!("{}: searched for only where that holds", trigger(&regex.trigger))));
    fact.parts.push(Fact::new("expression", format!("/{}/", regex.pattern)));
    let mut flags = flags(regex.flags);
    for (set, what) in [
        (regex.global, "all matches count, not only the first"),
        (regex.rolling, "may begin at the offset or anywhere behind it"),
        (regex.encompass, "the file ends, for the expression, where the offset's shift does"),
    ] {
        flags.extend(set.then_some(what));
    }
    if !flags.is_empty() {
        fact.parts.push(Fact::new("flags", flags.join("; ")));
    }
    let how = match Regex::new(&regex.pattern, regex.flags) {
        Ok(regex) if regex.is_linear() => "one pass of an automaton",
        Ok(_) => "backtracking, within a limit, where an automaton cannot rule it out",
        Err(_) => "not at all: this build does not take it",
    };
    fact.parts.push(Fact::new("search", how));
}

fn explain_compare(trigger: u8, compare: &ByteCompare, fact: &mut Fact) {
    let order = |order| if order == Order::Big { "" } else { ", least significant first" };
    let form = match compare.form {
        NumberForm::Decimal => "a decimal number in text".to_owned(),
        NumberForm::Hex(of) => format!("a hexadecimal number in text{}", order(of)),
        NumberForm::Automatic(of) => format!("a number in text, hexadecimal if it begins with 0x{}", order(of)),
        NumberForm::Raw(of) => format!("a number{}", order(of)),
    };
    let side = if compare.delta < 0 { "before" } else { "behind" };
    let exact = if compare.exact { ", digits to its end" } else { "" };
    let asked: Vec<String> = compare.comparisons.iter().map(comparison).collect();
    fact.text = format!(
        "{form} of {} bytes{exact}, {} bytes {side} where the last match of subsignature {trigger} begins",
        compare.len,
        compare.delta.unsigned_abs(),
    );
    fact.parts.push(Fact::new("must be", asked.join(" and ")));
}

fn comparison(comparison: &Comparison) -> String {
    match comparison {
        Comparison::More(than) => format!("more than {than}"),
        Comparison::Less(than) => format!("less than {than}"),
        Comparison::Equal(to) => format!("{to}"),
    }
}

fn trigger(trigger: &Expression) -> String {
    match trigger.single() {
        Some(number) => format!("subsignature {number}"),
        None => trigger.to_string(),
    }
}

fn flags(flags: Flags) -> Vec<&'static str> {
    let Flags { caseless, dot_all, multi_line, extended, anchored, dollar_end_only, ungreedy } = flags;
    let all = [
        (caseless, "letters of either case"),
        (dot_all, "the dot matches line feeds too"),
        (multi_line, "`^` and `$` match at line feeds too"),
        (extended, "blanks and comments in it mean nothing"),
        (anchored, "begins where the search begins"),
        (dollar_end_only, "`$` matches only at the very end"),
        (ungreedy, "repetitions are lazy"),
    ];
    all.into_iter().filter_map(|(set, what)| set.then_some(what)).collect()
}

fn pattern_fact(label: &str, pattern: &Pattern) -> Fact {
    let mut fact = Fact::new(label, "");
    fact.parts = pattern.elements().iter().map(pattern::element).collect();
    fact
}

/// Files that a target means, in words.
pub fn target(target: Target) -> String {
    match target {
        Target::Any => "any file".to_owned(),
        Target::Kind(kind) => format!("{} files", kind.name()),
    }
}

/// Where a match may begin, in words.
pub fn offset(offset: Offset) -> String {
    let span = |from: u64, shift: u64| match shift {
        0 => format!("{from}"),
        _ => format!("{from} to {}", from.saturating_add(shift)),
    };
    match offset {
        Offset::Any => "anywhere".to_owned(),
        Offset::Start { from, shift } => format!("at byte {}", span(from, shift)),
        Offset::End { back, shift: 0 } => format!("{back} bytes before the end of the file"),
        Offset::End { back, shift } => format!("{back} bytes before the end of the file, or up to {shift} later"),
        Offset::Entry { delta, shift } if delta >= 0 => {
            format!("{} bytes behind the entry point", span(delta.unsigned_abs(), shift))
        }
        Offset::Entry { delta, shift: 0 } => format!("{} bytes before the entry point", delta.unsigned_abs()),
        Offset::Entry { delta, shift } => {
            format!("{} bytes before the entry point, or up to {shift} later", delta.unsigned_abs())
        }
        Offset::Section { index, from, shift } => format!("{} bytes into section {index}", span(from, shift)),
        Offset::LastSection { from, shift } => format!("{} bytes into the last section", span(from, shift)),
        Offset::VersionInfo => "at the key of a string of the version information".to_owned(),
        Offset::Within { index, shift: 0 } => format!("in section {index}"),
        Offset::Within { index, shift } => format!("in section {index}, or up to {shift} bytes behind it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clamav;

    fn text(record: &Record) -> String {
        explain(record).iter().map(Fact::to_string).collect()
    }

    #[test]
    fn a_body_in_words() {
        let record = clamav::ndb("Worm:1:EP-4,8:4d5a9?{2-}0102(50|5152)!(61|62){40}436f6465(B)").unwrap().unwrap();
        assert_eq!(
            text(&record),
            "name: Worm\n\
             target: PE files\n\
             offset: 4 bytes before the entry point, or up to 8 later\n\
             pattern:\n\
             \x20 bytes: 4d5a9?  \"MZ.\"\n\
             \x20 gap: 2 bytes or more\n\
             \x20 bytes: 0102\n\
             \x20 one of: 50 \"P\", 5152 \"QR\"\n\
             \x20 none of: 61 \"a\", 62 \"b\"\n\
             \x20 gap: 40 bytes\n\
             \x20 bytes: 436f6465  \"Code\"\n\
             \x20 boundary: a byte that stands beside words behind it, or the file ends there\n"
        );
    }

    #[test]
    fn a_hash_in_words() {
        let hash = clamav::hash(DigestOf::File, "44d88612fea8a8f36de82e1278abb02f:68:Eicar").unwrap().unwrap();
        assert_eq!(
            text(&hash),
            "name: Eicar\ndigest: MD5 of the whole file: 44d88612fea8a8f36de82e1278abb02f\nsize: 68 bytes\n"
        );
        let any = clamav::hash(DigestOf::File, "44d88612fea8a8f36de82e1278abb02f:*:Eicar:73").unwrap().unwrap();
        assert!(text(&any).contains("size: any\n"));
    }

    #[test]
    fn a_logical_signature_in_words() {
        let line = "Worm;Engine:81-255,Target:0,FileSize:10-20;(0&1)>2,2&2;6162::i;EP+0:6162::wa;0/a\\x41/gs";
        let refused = clamav::ldb(line).unwrap_err();
        assert_eq!(refused.code.as_str(), "offset-target");
        let record = clamav::ldb(line.replace("EP+0", "16")).unwrap().unwrap();
        assert_eq!(
            text(&record),
            "name: Worm\n\
             target: any file\n\
             file size: 10 to 20 bytes\n\
             expression: ((0&1)>2,2&2)\n\
             0: bytes, anywhere\n\
             \x20 pattern:\n\
             \x20   bytes: (41|61)(42|62)  \"ab\" in either case\n\
             1: bytes, at byte 16; matches of any of 2 patterns count\n\
             \x20 pattern:\n\
             \x20   bytes: 6162  \"ab\"\n\
             \x20 pattern:\n\
             \x20   bytes: 61006200  \"a.b.\"\n\
             2: regular expression, anywhere\n\
             \x20 trigger: subsignature 0: searched for only where that holds\n\
             \x20 expression: /a\\x41/\n\
             \x20 flags: the dot matches line feeds too; all matches count, not only the first\n\
             \x20 search: one pass of an automaton\n"
        );
    }

    #[test]
    fn a_byte_comparison_in_words() {
        let record = clamav::ldb("N;Engine:101-255,Target:0;0&1;616263;0(>>4#ib4#>5,<256)").unwrap().unwrap();
        let expected = "1: a number of 4 bytes, 4 bytes behind where the last match of subsignature 0 begins\n  \
                        must be: more than 5 and less than 256\n";
        assert!(text(&record).ends_with(expected), "{}", text(&record));
    }

    #[test]
    fn an_image_hash_in_words() {
        let record = clamav::ldb("N;Engine:150-255,Target:5;0;fuzzy_img#0BA8A31E9939C595").unwrap().unwrap();
        assert!(text(&record).ends_with("0: picture, one that looks like 0ba8a31e9939c595\n"), "{}", text(&record));
    }

    #[test]
    fn offsets_in_words() {
        let words = [
            (Offset::Start { from: 3, shift: 2 }, "at byte 3 to 5"),
            (Offset::End { back: 10, shift: 0 }, "10 bytes before the end of the file"),
            (Offset::Entry { delta: 0, shift: 0 }, "0 bytes behind the entry point"),
            (Offset::Entry { delta: -7, shift: 0 }, "7 bytes before the entry point"),
            (Offset::Section { index: 2, from: 1, shift: 1 }, "1 to 2 bytes into section 2"),
            (Offset::LastSection { from: 1, shift: 0 }, "1 bytes into the last section"),
            (Offset::Within { index: 0, shift: 0 }, "in section 0"),
            (Offset::Start { from: u64::MAX, shift: u64::MAX }, "at byte 18446744073709551615 to 18446744073709551615"),
        ];
        for (place, expected) in words {
            assert_eq!(offset(place), expected);
        }
    }

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(printable("a\x1b[2J\u{9b}\u{202e}é"), "a\\x1b[2J\\x9b\\u{202e}é");
        let record = clamav::ldb("N\u{202e};Target:0;0&1;616263;0/\x1b[a]/").unwrap().unwrap();
        assert!(text(&record).chars().all(|char| char == '\n' || !char.is_control() && char != '\u{202e}'));
    }
}
