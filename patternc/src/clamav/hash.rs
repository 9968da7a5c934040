//! `Digest:Size:Name[:MinLevel[:MaxLevel]]`, and `Size:Digest:Name[:MinLevel[:MaxLevel]]` for sections.

use super::{FLEVEL, check_flevels, digits, fields, hex_value, name};
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{Digest, DigestOf, Hash, Record};

/// Least level from which a line may leave the size open; such a line must say so.
const ANY_SIZE_FLEVEL: u64 = 73;

/// Largest size clamscan accepts.
const SIZE_MAX: u64 = u32::MAX as u64 - 1;

pub(super) fn parse(line: &str, of: DigestOf) -> Result<Record, Fault> {
    let [first, second, name_field, least, most] = fields::<5>(line, 3)?;
    let (digest_field, size_field) = if of == DigestOf::Section { (second, first) } else { (first, second) };
    let least_level = least.map(leading_number);
    check_flevels(least_level, most.map(leading_number))?;
    let digest = digest(digest_field.unwrap_or_default())?;
    // clamscan asks for the level that knows `*` in all files but those of import tables, which are younger than it.
    let knows_any_size = of == DigestOf::Imports || least_level.unwrap_or(0) >= ANY_SIZE_FLEVEL;
    let size = size(size_field.unwrap_or_default(), knows_any_size)?;
    let name = name(name_field.unwrap_or_default())?;
    Ok(Record::Hash(Hash { of, name, digest, size }))
}

/// The number a level begins with, 0 when it begins with none: in hash files clamscan does not mind what follows.
fn leading_number(field: &str) -> u64 {
    let end = field.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(field.len());
    digits(&field[..end]).expect("only digits were taken")
}

fn digest(field: &str) -> Result<Digest, Fault> {
    match field.len() {
        32 => Ok(Digest::Md5(hex_bytes(field)?)),
        40 => Ok(Digest::Sha1(hex_bytes(field)?)),
        64 => Ok(Digest::Sha256(hex_bytes(field)?)),
        len => {
            let message = format!("the digest has {len} digits; 32 (MD5), 40 (SHA-1) and 64 (SHA-256) are allowed");
            Err(Fault::new(Code::DigestLength, message))
        }
    }
}

pub(super) fn hex_bytes<const N: usize>(field: &str) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(field.as_bytes().chunks_exact(2)) {
        let (Some(high), Some(low)) = (hex_value(pair[0]), hex_value(pair[1])) else {
            return Err(Fault::new(
                Code::HexDigit,
                format!("the digest {} has a character that is no hex digit", quote(field)),
            ));
        };
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

fn size(field: &str, knows_any_size: bool) -> Result<Option<u64>, Fault> {
    if field == "*" {
        if knows_any_size {
            return Ok(None);
        }
        let message = format!("size `*` needs a functionality level from {ANY_SIZE_FLEVEL} to {FLEVEL} after the name");
        return Err(Fault::new(Code::SizeAnyNeedsLevel, message));
    }
    let text = field.trim_start_matches(' ');
    let number = digits(text.strip_prefix('+').unwrap_or(text)).filter(|size| (1..=SIZE_MAX).contains(size));
    number.map(Some).ok_or_else(|| {
        let message = format!("the size {} is not `*` or a number from 1 to {SIZE_MAX}", quote(field));
        Fault::new(Code::SizeInvalid, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "4617ad64b3fc196f82284f054a97369c";

    fn code(tail: &str) -> Result<Option<u64>, Code> {
        match parse(&format!("{MD5}:{tail}"), DigestOf::File) {
            Ok(Record::Hash(hash)) => Ok(hash.size),
            Ok(record) => panic!("{record:?}"),
            Err(fault) => Err(fault.code),
        }
    }

    #[test]
    fn sizes_as_clamscan_reads_them() {
        for (tail, want) in [
            ("17:N", Ok(Some(17))),
            ("0017:N", Ok(Some(17))),
            (" 17:N", Ok(Some(17))),
            ("+17:N", Ok(Some(17))),
            ("4294967294:N", Ok(Some(4294967294))),
            ("*:N:73", Ok(None)),
            ("*:N:73:300", Ok(None)),
            ("*:N", Err(Code::SizeAnyNeedsLevel)),
            ("*:N:", Err(Code::SizeAnyNeedsLevel)),
            ("*:N:x", Err(Code::SizeAnyNeedsLevel)),
            ("*:N:72", Err(Code::SizeAnyNeedsLevel)),
            ("*:N:217", Err(Code::FlevelRange)),
            ("17:N:x", Ok(Some(17))),
            ("17:N::", Err(Code::FlevelRange)),
            ("0:N", Err(Code::SizeInvalid)),
            (":N", Err(Code::SizeInvalid)),
            ("17 :N", Err(Code::SizeInvalid)),
            ("4294967295:N", Err(Code::SizeInvalid)),
            ("99999999999999999999:N", Err(Code::SizeInvalid)),
            ("**:N:73", Err(Code::SizeInvalid)),
            ("17:", Err(Code::NameEmpty)),
            ("17", Err(Code::FieldCount)),
            ("17:N:1:255:", Err(Code::FieldCount)),
        ] {
            assert_eq!(code(tail), want, "{tail}");
        }
    }

    #[test]
    fn digests_by_length() {
        assert!(matches!(digest(&MD5.to_uppercase()), Ok(Digest::Md5(bytes)) if bytes[0] == 0x46));
        assert!(matches!(digest(&"ab".repeat(20)), Ok(Digest::Sha1(_))));
        assert!(matches!(digest(&"ab".repeat(32)), Ok(Digest::Sha256(_))));
        assert_eq!(digest(&"a".repeat(31)).unwrap_err().code, Code::DigestLength);
        assert_eq!(digest(&"é".repeat(16)).unwrap_err().code, Code::HexDigit);
    }

    #[test]
    fn sections_have_their_size_first() {
        let record = |line: &str, of| parse(line, of).map_err(|fault| fault.code);
        let section = Hash { of: DigestOf::Section, name: "N".into(), digest: digest(MD5).unwrap(), size: Some(512) };
        assert_eq!(record(&format!("512:{MD5}:N"), DigestOf::Section), Ok(Record::Hash(section)));
        assert_eq!(record(&format!("{MD5}:512:N"), DigestOf::Section), Err(Code::DigestLength));
        assert_eq!(record(&format!("512:{MD5}:N"), DigestOf::CleanFile), Err(Code::DigestLength));
        assert_eq!(record(&format!("*:{MD5}:N"), DigestOf::Section), Err(Code::SizeAnyNeedsLevel));
        assert_eq!(record(&format!("{MD5}:*:N"), DigestOf::CleanFile), Err(Code::SizeAnyNeedsLevel));
        assert!(record(&format!("{MD5}:*:N"), DigestOf::Imports).is_ok());
    }
}
