//! `*`, `n`, `EOF-n`, `EP+n`, `EP-n`, `Sx+n`, `SL+n`, each but `*` with `,shift`; `SEx` with it or without

use engine::pattern::Offset;

use super::digits;
use crate::diagnostic::{Code, Fault, quote};
use crate::record::Target;

/// Offsets clamscan counts in 32 bits, the largest of which it reads as "anywhere".
const OFFSET_MAX: u64 = u32::MAX as u64 - 1;

pub(super) fn parse(field: &str, target: Target) -> Result<Offset, Fault> {
    if field == "*" {
        return Ok(Offset::Any);
    }
    if field.starts_with('$') {
        let message = format!("the offset {} is a macro, which is not supported", quote(field));
        return Err(Fault::new(Code::MacroUnsupported, message));
    }
    let (place, shift) = field.split_once(',').unwrap_or((field, ""));
    let shift = number(shift, field)?;
    let offset = if place.starts_with("VI") {
        // clamscan looks at nothing behind these letters.
        Offset::VersionInfo
    } else if let Some(back) = place.strip_prefix("EOF-") {
        Offset::End { back: number(back, field)?, shift }
    } else if let Some(after) = place.strip_prefix("EP+") {
        Offset::Entry { delta: number(after, field)?.cast_signed(), shift }
    } else if let Some(before) = place.strip_prefix("EP-") {
        Offset::Entry { delta: -number(before, field)?.cast_signed(), shift }
    } else if let Some(index) = place.strip_prefix("SE") {
        Offset::Within { index: section(index, field)?, shift }
    } else if let Some(after) = place.strip_prefix("SL+") {
        Offset::LastSection { from: stated(after, field)?, shift }
    } else if let Some((index, after)) = place.strip_prefix('S').and_then(|rest| rest.split_once('+')) {
        let index = if index.is_empty() { return Err(invalid(field)) } else { section(index, field)? };
        Offset::Section { index, from: stated(after, field)?, shift }
    } else {
        Offset::Start { from: number(place, field)?, shift }
    };
    let has_images = matches!(target, Target::Kind(kind) if kind.is_executable());
    if offset.needs_image() && !has_images {
        let message = format!("the offset {} needs target 1 (PE), 6 (ELF) or 9 (Mach-O)", quote(field));
        return Err(Fault::new(Code::OffsetTarget, message));
    }
    Ok(offset)
}

/// The index of a section; nothing stands for 0.
fn section(text: &str, field: &str) -> Result<u8, Fault> {
    u8::try_from(number(text, field)?).map_err(|_| {
        let message = format!("the offset {} names a section above {}", quote(field), u8::MAX);
        Fault::new(Code::OffsetTooLarge, message)
    })
}

/// A distance in bytes that must be there.
fn stated(text: &str, field: &str) -> Result<u64, Fault> {
    if text.is_empty() { Err(invalid(field)) } else { number(text, field) }
}

/// A distance in bytes; nothing stands for 0.
fn number(text: &str, field: &str) -> Result<u64, Fault> {
    let value = digits(text).ok_or_else(|| invalid(field))?;
    if value > OFFSET_MAX {
        let message = format!("the offset {} is too large; at most {OFFSET_MAX} is allowed", quote(field));
        return Err(Fault::new(Code::OffsetTooLarge, message));
    }
    Ok(value)
}

fn invalid(field: &str) -> Fault {
    let forms = "`*`, `n`, `EOF-n`, `EP+n`, `EP-n`, `Sx+n`, `SL+n` and `SEx`, with `,shift` or without, and `VI`";
    Fault::new(Code::OffsetInvalid, format!("the offset {} is none of {forms}", quote(field)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::FileKind;

    const PE: Target = Target::Kind(FileKind::Pe);

    #[test]
    fn offsets_clamscan_accepts() {
        let start = |from, shift| Ok(Offset::Start { from, shift });
        let end = |back, shift| Ok(Offset::End { back, shift });
        let cases = [
            ("*", Ok(Offset::Any)),
            ("", start(0, 0)),
            ("03", start(3, 0)),
            ("3,", start(3, 0)),
            (",3", start(0, 3)),
            ("3,2", start(3, 2)),
            ("EOF-4", end(4, 0)),
            ("EOF-4,", end(4, 0)),
            ("EOF-6,2", end(6, 2)),
            ("EOF-", end(0, 0)),
        ];
        for (field, offset) in cases {
            assert_eq!(parse(field, Target::Any), offset, "{field}");
        }
    }

    #[test]
    fn offsets_in_executables() {
        let cases = [
            ("EP+", Offset::Entry { delta: 0, shift: 0 }),
            ("EP+7,", Offset::Entry { delta: 7, shift: 0 }),
            ("EP-7,9", Offset::Entry { delta: -7, shift: 9 }),
            ("S0+4", Offset::Section { index: 0, from: 4, shift: 0 }),
            ("S12+4,5", Offset::Section { index: 12, from: 4, shift: 5 }),
            ("SL+0,3", Offset::LastSection { from: 0, shift: 3 }),
            ("SE", Offset::Within { index: 0, shift: 0 }),
            ("SE2,4", Offset::Within { index: 2, shift: 4 }),
            ("VI", Offset::VersionInfo),
            ("VI+3", Offset::VersionInfo),
        ];
        for (field, offset) in cases {
            assert_eq!(parse(field, PE), Ok(offset), "{field}");
            for target in [Target::Any, Target::Kind(FileKind::Ole2)] {
                assert_eq!(parse(field, target).unwrap_err().code, Code::OffsetTarget, "{field}");
            }
        }
    }

    #[test]
    fn offsets_clamscan_refuses() {
        let code = |field: &str| parse(field, PE).unwrap_err().code;
        for field in ["*,2", "EOF", "EOF+2", "eof-4", "EOF--4", "-3", "+3", "0x3", " 3", "3 ", "3,2,1", "3a", "3,-1"] {
            assert_eq!(code(field), Code::OffsetInvalid, "{field}");
        }
        let of_executables = [
            "EP", "EP+x", "EP++3", "EP+-3", "EPx3", "ep+0", "S0", "S+0", "S0+", "S0-4", "S", "Sx", "S1x+2", "SL", "SL-4",
            "SL+", "SE0+1", "SEL", "SE1x", "SE-1", "EP+3,x", "EP+3,4,5",
        ];
        for field in of_executables {
            assert_eq!(code(field), Code::OffsetInvalid, "{field}");
        }
        for field in ["4294967295", "99999999999999999999", "EP+4294967295", "S256+0", "SE256"] {
            assert_eq!(code(field), Code::OffsetTooLarge, "{field}");
        }
        assert_eq!(code("$3"), Code::MacroUnsupported);
    }
}
