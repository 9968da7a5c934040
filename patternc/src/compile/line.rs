//! One line after another.

use md5::{Digest as _, Md5};

use super::SourceKind;
use crate::clamav::{self, IgnoreRule};
use crate::diagnostic::Fault;
use crate::record::Record;

/// What a line came to.
pub(super) enum Outcome {
    Comment,
    /// It is in order and has no effect.
    Note,
    Ignore(IgnoreRule),
    Record(Compiled),
    Refused(Fault),
}

/// A record, and what ignore rules ask of the line it comes from.
pub(super) struct Compiled {
    /// The canonical encoding of the record.
    pub(super) encoded: Vec<u8>,
    pub(super) record: Record,
    pub(super) kind: SourceKind,
    /// MD5 of the line without its end.
    pub(super) line_md5: [u8; 16],
    /// The name in the line, where the record bears another.
    line_name: Option<Box<str>>,
}

impl Compiled {
    fn new(kind: SourceKind, line: &[u8], record: Record) -> Compiled {
        let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        let line = &line[..end];
        let line_name = name_in(kind, line).filter(|name| *name != record.name()).map(Box::from);
        let line_md5 = Md5::digest(line).into();
        Compiled { encoded: record.encode(), record, kind, line_md5, line_name }
    }

    /// The name as its line spells it.
    pub(super) fn full_name(&self) -> &str {
        self.line_name.as_deref().unwrap_or(self.record.name())
    }
}

/// The name in a line that was accepted.
fn name_in(kind: SourceKind, line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line).ok()?;
    match kind {
        SourceKind::Db => line.split('=').next(),
        SourceKind::Ldb | SourceKind::Ldu => line.split(';').next(),
        SourceKind::Ndb | SourceKind::Ndu => line.split(':').next(),
        _ => line.split(':').nth(2),
    }
}

pub(super) fn compile(kind: SourceKind, line: &[u8]) -> Outcome {
    let record = |record| Outcome::Record(Compiled::new(kind, line, record));
    let parsed = match kind {
        SourceKind::Db => clamav::db(line).map(|parsed| parsed.map(record)),
        SourceKind::Ndb | SourceKind::Ndu => clamav::ndb(line).map(|parsed| parsed.map(record)),
        SourceKind::Ldb | SourceKind::Ldu => clamav::ldb(line).map(|parsed| parsed.map(record)),
        SourceKind::Ign | SourceKind::Ign2 => clamav::ignore(line).map(|parsed| parsed.map(Outcome::Ignore)),
        SourceKind::Info => clamav::info(line).map(|parsed| parsed.map(|()| Outcome::Note)),
        SourceKind::Cfg => clamav::cfg(line).map(|parsed| parsed.map(|()| Outcome::Note)),
        SourceKind::Ftm => clamav::ftm(line).map(|parsed| parsed.map(|()| Outcome::Note)),
        SourceKind::Cdb => clamav::cdb(line).map(|parsed| parsed.map(|never| match never {})),
        _ => match kind.digest_of() {
            Some(of) => clamav::hash(of, line).map(|parsed| parsed.map(record)),
            None => unreachable!("files of kind {kind:?} are not read line by line"),
        },
    };
    match parsed {
        Ok(outcome) => outcome.unwrap_or(Outcome::Comment),
        Err(fault) => Outcome::Refused(fault),
    }
}

/// Lines with their numbers from 1; the line feed at the end of the last line begins no further one.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    number: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Lines<'a> {
        Lines { rest: bytes, number: 0 }
    }

    /// How many of them are neither comments nor empty.
    pub(super) fn count_content(self) -> u64 {
        self.filter(|(_, line)| !clamav::is_comment(line)).count() as u64
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest);
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        Some((self.number, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered() {
        let lines = |bytes| Lines::of(bytes).collect::<Vec<_>>();
        assert_eq!(lines(b"a\n\nb"), [(1, &b"a"[..]), (2, b""), (3, b"b")]);
        assert_eq!(lines(b"a\n"), [(1, &b"a"[..])]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_record_knows_its_line() {
        let of = |kind, line: &[u8]| match compile(kind, line) {
            Outcome::Record(compiled) => (compiled.full_name().to_owned(), compiled.record.into_name(), compiled.line_md5),
            _ => panic!("a signature"),
        };
        let (full, shown, md5) = of(SourceKind::Db, b"Worm.A (Clam)=aabbccdd\r");
        assert_eq!((full.as_str(), shown.as_str()), ("Worm.A (Clam)", "Worm.A"));
        assert_eq!(md5, *Md5::digest(b"Worm.A (Clam)=aabbccdd"));
        let (full, shown, _) = of(SourceKind::Hdb, b"d41d8cd98f00b204e9800998ecf8427e:7:H (Clam)");
        assert_eq!((full.as_str(), shown.as_str()), ("H (Clam)", "H"));
    }
}
