//! ClamAV's signature lines: `.ndb` and `.db` bodies, hashes of files, sections and import tables, allow lists, rules that take signatures away; and the
//! containers that such files travel in.
//!
//! What a line means, and which lines are refused, follows what clamscan 1.4 (functionality level [`FLEVEL`]) does with it;
//! `docs/clamav.md` lists each feature, and the few places where this compiler refuses what clamscan accepts with a meaning
//! nobody wants. One bad line makes clamscan refuse the whole file; here it is one diagnostic.
//!
//! ```
//! use patternc::clamav;
//!
//! let record = clamav::ndb("Demo.Worm-1:0:*:4d5a{2-4}(50|51)4550").unwrap().unwrap();
//! assert_eq!(record.name(), "Demo.Worm-1");
//! let fault = clamav::ndb("Demo.Worm-2:0:EP+0:4d5a90").unwrap_err();
//! assert_eq!(fault.to_string(), "offset-target: the offset `EP+0` needs target 1 (PE), 6 (ELF) or 9 (Mach-O)");
//! ```
//!
//! Parsers take time linear in the line, nest at most 16 deep, and never panic.

pub mod byte_compare;
mod cdb;
pub mod container;
mod db;
mod ftm;
pub mod fuzzy_image;
mod hash;
mod hex;
mod ignore;
mod ldb;
pub mod modifier;
mod ndb;
mod notes;
mod offset;
pub mod pcre;
mod target;

pub use ignore::IgnoreRule;

use std::convert::Infallible;
use std::path::Path;

use crate::compile::SourceKind;
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{DigestOf, Record};

/// The functionality level this compiler stands for: that of ClamAV 1.4.
pub const FLEVEL: u64 = 216;

/// Longest line, in bytes, without its line feed, but for logical signatures.
pub const LINE_BYTES_MAX: usize = 8190;

/// Longest line of a logical signature, in bytes, without its line feed.
pub const LDB_LINE_BYTES_MAX: usize = 32_766;

/// Parses a line of an `.ndb` or `.ndu` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn ndb(line: impl AsRef<[u8]>) -> Result<Option<Record>, Fault> {
    parse(line.as_ref(), ndb::parse)
}

/// Parses a line of a `.db` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn db(line: impl AsRef<[u8]>) -> Result<Option<Record>, Fault> {
    parse(line.as_ref(), db::parse)
}

/// Parses a line of an `.ldb` or `.ldu` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn ldb(line: impl AsRef<[u8]>) -> Result<Option<Record>, Fault> {
    parse_up_to(LDB_LINE_BYTES_MAX, line.as_ref(), ldb::parse)
}

/// Parses a line of an `.ign` or `.ign2` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn ignore(line: impl AsRef<[u8]>) -> Result<Option<IgnoreRule>, Fault> {
    parse(line.as_ref(), ignore::parse)
}

/// Checks a line of an `.info` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn info(line: impl AsRef<[u8]>) -> Result<Option<()>, Fault> {
    parse(line.as_ref(), |line| notes::info(line).map(drop))
}

/// Checks a line of a `.cfg` file, without its line feed; `None` for a comment.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn cfg(line: impl AsRef<[u8]>) -> Result<Option<()>, Fault> {
    parse(line.as_ref(), notes::cfg)
}

/// Checks a line of an `.ftm` file, without its line feed; `None` for a comment. A rule that is accepted has no effect: it says what is
/// known without it.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn ftm(line: impl AsRef<[u8]>) -> Result<Option<()>, Fault> {
    parse(line.as_ref(), ftm::parse)
}

/// Checks a line of a `.cdb` file, without its line feed; `None` for a comment, and nothing else is accepted.
///
/// # Errors
/// A [`Fault`] that names what is wrong with the line, or [`Code::MemberUnsupported`].
pub fn cdb(line: impl AsRef<[u8]>) -> Result<Option<Infallible>, Fault> {
    parse(line.as_ref(), cdb::parse)
}

/// Parses a line of a file of digests, without its line feed; `None` for a comment. What they are of, the kind of file tells: of files in
/// `.hdb`, `.hdu`, `.hsb` and `.hsu`, of clean files in `.fp` and `.sfp`, of imports in `.imp`, and of sections, with the size
/// before the digest, in `.mdb`, `.mdu`, `.msb` and `.msu`.
///
/// The length of a digest tells its algorithm, in all kinds of files.
///
/// # Errors
/// A [`Fault`] that names why the line is refused.
pub fn hash(of: DigestOf, line: impl AsRef<[u8]>) -> Result<Option<Record>, Fault> {
    parse(line.as_ref(), |line| hash::parse(line, of))
}

/// What all kinds of lines have in common: comments, line ends, length, encoding.
fn parse<T>(line: &[u8], content: impl Fn(&str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    parse_up_to(LINE_BYTES_MAX, line, content)
}

/// [`parse`] for lines of up to `bytes_max` bytes.
fn parse_up_to<T>(bytes_max: usize, line: &[u8], content: impl Fn(&str) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
    if line.len() > bytes_max {
        let message = format!("the line is {} bytes long; at most {bytes_max} are allowed", line.len());
        return Err(Fault::new(Code::LineTooLong, message));
    }
    if is_comment(line) {
        return Ok(None);
    }
    let line = str::from_utf8(line).map_err(|error| {
        let message = format!("byte {} of the line begins no UTF-8 character", error.valid_up_to() + 1);
        Fault::new(Code::NotUtf8, message)
    })?;
    content(line.trim_end_matches('\r')).map(Some)
}

/// Whether a line holds no signature: it is empty, or `#` is its very first character.
pub(crate) fn is_comment(line: &[u8]) -> bool {
    line.first() == Some(&b'#') || line.iter().all(|byte| *byte == b'\r')
}

/// Whether a member of a container is the licence that its signatures come with: its name begins like that of one, and its extension
/// names no kind of files.
///
/// A licence need not be in the signed list of members, and is not compiled. Both are decided here, since a member that is exempt from
/// the one and not from the other would be signatures that nobody signed.
pub(crate) fn is_licence(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let begins_like_one = ["COPYING", "LICENSE", "LICENCE"].iter().any(|word| upper.starts_with(word));
    begins_like_one && SourceKind::of_path(Path::new(name)).is_none()
}

/// Cuts a line at its colons: at least `min` and at most `max` fields.
fn fields<const MAX: usize>(line: &str, min: usize) -> Result<[Option<&str>; MAX], Fault> {
    let mut found = [None; MAX];
    let mut count = 0;
    for field in line.split(':') {
        if let Some(slot) = found.get_mut(count) {
            *slot = Some(field);
        }
        count += 1;
    }
    if (min..=MAX).contains(&count) {
        Ok(found)
    } else {
        let message = format!("the line has {count} fields separated by `:`; {min} to {MAX} are allowed");
        Err(Fault::new(Code::FieldCount, message))
    }
}

/// Checks the levels a signature is meant for. An empty most counts as 0, as clamscan reads it: it excludes every level.
fn check_flevels(least: Option<u64>, most: Option<u64>) -> Result<(), Fault> {
    let message = match (least, most) {
        (Some(least), _) if least > FLEVEL => {
            format!("the signature is for level {least} and above; this compiler stands for {FLEVEL}")
        }
        (_, Some(most)) if most < FLEVEL => {
            format!("the signature is for level {most} and below; this compiler stands for {FLEVEL}")
        }
        _ => return Ok(()),
    };
    Err(Fault::new(Code::FlevelRange, message))
}

/// A functionality level; nothing stands for 0.
fn level(field: &str) -> Result<u64, Fault> {
    digits(field).ok_or_else(|| {
        let message = format!("the functionality level {} is not a number", quote(field));
        Fault::new(Code::FlevelInvalid, message)
    })
}

/// A name as it stands, spaces and all, but for a remark that clamscan does not show: ` (Clam)` and what follows it.
fn name(field: &str) -> Result<String, Fault> {
    let field = field.split_once(" (Clam)").map_or(field, |(name, _)| name);
    if field.is_empty() {
        return Err(Fault::new(Code::NameEmpty, "the name of the signature is empty"));
    }
    if field.contains(char::is_control) {
        return Err(Fault::new(Code::NameInvalid, format!("the name {} holds a control character", quote(field))));
    }
    Ok(field.to_owned())
}

/// A number of decimal digits only, 0 when there are none; `None` for anything else. Saturates at `u64::MAX`.
fn digits(text: &str) -> Option<u64> {
    let mut value = 0u64;
    for byte in text.bytes() {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value = value.saturating_mul(10).saturating_add(digit);
    }
    Some(value)
}

/// The value of a hex digit of either case.
fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_line_ends() {
        assert_eq!(ndb("# any:thing"), Ok(None));
        assert!(ndb("N:0:*:aabbcc\r\r").unwrap().is_some());
        assert_eq!(ndb("\r"), Ok(None));
        assert_eq!(ndb(""), Ok(None));
        assert_eq!(ndb(" # no comment").unwrap_err().code, Code::FieldCount);
        assert_eq!(ndb("#".repeat(9000)).unwrap_err().code, Code::LineTooLong);
    }

    #[test]
    fn a_byte_order_mark_belongs_to_the_line() {
        assert_eq!(ndb("\u{feff}N:0:*:aabbcc").unwrap().unwrap().name(), "\u{feff}N");
        assert_eq!(ndb("\u{feff}# no comment").unwrap_err().code, Code::FieldCount);
    }

    #[test]
    fn a_remark_in_a_name_is_not_shown() {
        let shown = |name: &str| ndb(format!("{name}:0:*:aabbcc")).map(|record| record.unwrap().into_name());
        assert_eq!(shown("Worm (Clam)"), Ok("Worm".into()));
        assert_eq!(shown("Worm (Clam) x"), Ok("Worm".into()));
        assert_eq!(shown("Worm(Clam) (clam)"), Ok("Worm(Clam) (clam)".into()));
        assert_eq!(shown(" (Clam)").unwrap_err().code, Code::NameEmpty);
    }

    #[test]
    fn levels_as_clamscan_reads_them() {
        let code = |tail: &str| ndb(format!("N:0:*:aabbcc{tail}")).map(|_| ()).map_err(|fault| fault.code);
        for accepted in ["", ":", ":0", ":216", ":51:255", "::255", ":51:216"] {
            assert_eq!(code(accepted), Ok(()), "{accepted}");
        }
        for skipped in [":217", "::", ":51:", ":51:0", ":51:215"] {
            assert_eq!(code(skipped), Err(Code::FlevelRange), "{skipped}");
        }
        for invalid in [":x", ":-5", ":+51", ": 51", ":51:x"] {
            assert_eq!(code(invalid), Err(Code::FlevelInvalid), "{invalid}");
        }
    }
}
