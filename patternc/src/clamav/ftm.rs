//! `MagicType:Offset:HexMagic:Name:RequiredType:DetectedType[:MinLevel[:MaxLevel]]`
//!
//! Rules that tell the types of files by content. The kinds that signatures can be meant for are told by built-in rules here, those
//! of clamscan 1.4 (`docs/targets.md`), which come from such files: so a rule that says what the built-in ones say is accepted and
//! has no effect, and one that says something else is refused. Which it is, the smallest file tells that the rule takes.

use engine::FileKind;
use engine::pattern::{Element, Offset};

use super::target::file_type;
use super::{check_flevels, fields, hex, hex_value, level, offset};
use crate::diagnostic::{Code, Fault, quote};
use crate::record::Target;

/// A sample need not be longer: beyond this nothing is looked at to tell a kind.
const SAMPLE_LEN_MAX: usize = 4096;

pub(super) fn parse(line: &str) -> Result<(), Fault> {
    let [magic_type, place, magic, _, required, detected, least, most] =
        fields::<8>(line, 6)?.map(Option::unwrap_or_default);
    let stated = line.split(':').count();
    check_flevels((stated > 6).then(|| level(least)).transpose()?, (stated > 7).then(|| level(most)).transpose()?)?;
    file_type(required)?;
    let detected = file_type(detected)?;
    let sample = match magic_type {
        "0" | "4" => direct(place, magic)?,
        "1" => within(place, magic)?,
        _ => {
            let message = format!("the type of magic {} is none of 0, 1 and 4", quote(magic_type));
            return Err(Fault::new(Code::FtmInvalid, message));
        }
    };
    // Types of partitions are no types of files.
    let (told, expected) = (FileKind::of(&sample), kind_of(detected));
    if magic_type == "4" || told == expected {
        return Ok(());
    }
    let word = |kind: Option<FileKind>| kind.map_or("of no kind that signatures can be meant for", FileKind::name);
    let message = format!(
        "such files would be {} by this rule and are {} by the built-in ones, which rules of files do not change",
        word(expected),
        word(told)
    );
    Err(Fault::new(Code::FtmUnsupported, message))
}

/// The smallest file that has these bytes at this offset.
fn direct(place: &str, magic: &str) -> Result<Vec<u8>, Fault> {
    let Offset::Start { from, shift: 0 } = offset::parse(place, Target::Any)? else {
        let message = format!("the offset {} of a rule that looks at one place is not a number", quote(place));
        return Err(Fault::new(Code::OffsetInvalid, message));
    };
    let digit = |byte: u8| {
        hex_value(byte).ok_or_else(|| {
            let message =
                format!("the magic {} of a rule that looks at one place has other characters than digits", quote(magic));
            Fault::new(Code::HexDigit, message)
        })
    };
    let digits = magic.bytes().map(digit).collect::<Result<Vec<u8>, Fault>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err(Fault::new(
            Code::HexOdd,
            format!("half a byte: the magic {} has {} digits", quote(magic), digits.len()),
        ));
    }
    let mut sample = vec![0; usize::try_from(from).unwrap_or(usize::MAX).min(SAMPLE_LEN_MAX)];
    sample.extend(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
    Ok(sample)
}

/// A file that has this pattern at the first place where it may be, with gaps as small as they may be.
fn within(place: &str, magic: &str) -> Result<Vec<u8>, Fault> {
    let place = offset::parse(place, Target::Any)?;
    let pattern = hex::parse(magic, place, hex::Context { subsignature: true, ..hex::Context::BODY })?;
    let mut sample = match place {
        Offset::Start { from, .. } => vec![0; usize::try_from(from).unwrap_or(usize::MAX).min(SAMPLE_LEN_MAX)],
        _ => Vec::new(),
    };
    for element in pattern.elements() {
        let bytes = match element {
            Element::Bytes(bytes) => bytes,
            Element::Alternatives { strings, negated: false } => strings.first().unwrap_or(&EMPTY),
            Element::Alternatives { strings, negated: true } => {
                sample.resize(sample.len() + strings.first().map_or(0, Vec::len), 0);
                continue;
            }
            Element::Gap { min, .. } => {
                sample.resize(sample.len() + (*min as usize).min(SAMPLE_LEN_MAX), 0);
                continue;
            }
            Element::Boundary(_) => continue,
        };
        sample.extend(bytes.iter().map(|byte| byte.value()));
        if sample.len() > SAMPLE_LEN_MAX {
            break;
        }
    }
    Ok(sample)
}

/// What signatures can be meant for among the files of one of clamscan's types.
fn kind_of(file_type: &str) -> Option<FileKind> {
    Some(match file_type.strip_prefix("CL_TYPE_")? {
        "MSEXE" => FileKind::Pe,
        "MSOLE2" => FileKind::Ole2,
        "HTML" => FileKind::Html,
        "MAIL" => FileKind::Mail,
        "GRAPHICS" | "GIF" | "PNG" | "JPEG" | "TIFF" => FileKind::Graphics,
        "ELF" => FileKind::Elf,
        "SCRIPT" | "TEXT_ASCII" | "TEXT_UTF8" | "TEXT_UTF16LE" | "TEXT_UTF16BE" => FileKind::Text,
        "MACHO" | "MACHO_UNIBIN" => FileKind::MachO,
        "PDF" => FileKind::Pdf,
        "SWF" => FileKind::Flash,
        "JAVA" => FileKind::JavaClass,
        _ => return None,
    })
}

static EMPTY: Vec<engine::pattern::MaskedByte> = Vec::new();

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> Result<(), Code> {
        parse(line).map_err(|fault| fault.code)
    }

    #[test]
    fn rules_that_say_what_the_built_in_ones_say() {
        for line in [
            "0:0:4d5a:MS-EXE/DLL:CL_TYPE_ANY:CL_TYPE_MSEXE",
            "0:0:255044462d:PDF document:CL_TYPE_ANY:CL_TYPE_PDF:55",
            "0:257:7573746172:TAR-POSIX:CL_TYPE_ANY:CL_TYPE_POSIX_TAR",
            "0::1f8b:GZip:CL_TYPE_ANY:CL_TYPE_GZ:",
            "1:*:3c4120*(68|48)(72|52)4546:HTML data:CL_TYPE_ANY:CL_TYPE_HTML",
            "1:*:014344303031{2043-2443}4344303031:ISO9660:CL_TYPE_ANY:CL_TYPE_ISO9660:71",
            "4:0:4d5a::CL_TYPE_ANY:CL_TYPE_PDF",
        ] {
            assert_eq!(code(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn rules_that_say_something_else() {
        for line in [
            "0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF",
            "0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_SWF",
            "0:0:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_ZIP",
            "0:4294967294:4d5a:MZ:CL_TYPE_ANY:CL_TYPE_MSEXE",
            "1:*:6d61726b6572:M:CL_TYPE_ANY:CL_TYPE_ELF",
        ] {
            assert_eq!(code(line), Err(Code::FtmUnsupported), "{line}");
        }
    }

    #[test]
    fn what_clamscan_refuses_or_passes_over() {
        use Code::{
            FieldCount, FileTypeInvalid, FlevelInvalid, FlevelRange, FtmInvalid, HexDigit, HexOdd, NoAnchor, OffsetInvalid,
            OffsetTarget,
        };
        for (line, expected) in [
            ("garbage", FieldCount),
            ("0:0:51515151:Q:CL_TYPE_ANY", FieldCount),
            ("0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF:1:255:3", FieldCount),
            ("0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF:300", FlevelRange),
            ("0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF::", FlevelRange),
            ("0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF::100", FlevelRange),
            ("0:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_PDF:x", FlevelInvalid),
            ("0:0:51515151:Q:X:CL_TYPE_PDF", FileTypeInvalid),
            ("0:0:51515151:Q:CL_TYPE_ANY:pdf", FileTypeInvalid),
            ("7:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", FtmInvalid),
            ("x:0:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", FtmInvalid),
            ("0:*:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", OffsetInvalid),
            ("0:0,3:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", OffsetInvalid),
            ("0:x:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", OffsetInvalid),
            ("0:0:515?5151:Q:CL_TYPE_ANY:CL_TYPE_ELF", HexDigit),
            ("0:0:515151511:Q:CL_TYPE_ANY:CL_TYPE_ELF", HexOdd),
            ("1:EP+0:51515151:Q:CL_TYPE_ANY:CL_TYPE_ELF", OffsetTarget),
            ("1:0:51:Q:CL_TYPE_ANY:CL_TYPE_ELF", NoAnchor),
            ("1:*:5zz1:Q:CL_TYPE_ANY:CL_TYPE_ELF", HexDigit),
            ("4:0:zz:Q:CL_TYPE_ANY:CL_TYPE_ELF", HexDigit),
        ] {
            assert_eq!(code(line), Err(expected), "{line}");
        }
    }
}
