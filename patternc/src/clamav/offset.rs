//! `*`, `n`, `EOF-n`, each but `*` with `,shift`

use engine::pattern::Offset;

use super::digits;
use crate::diagnostic::{Code, Fault, quote};

/// Offsets clamscan counts in 32 bits, the largest of which it reads as "anywhere".
const OFFSET_MAX: u64 = u32::MAX as u64 - 1;

pub(super) fn parse(field: &str) -> Result<Offset, Fault> {
    if field == "*" {
        return Ok(Offset::Any);
    }
    if field.starts_with('$') {
        let message = format!("the offset {} is a macro, which is not supported", quote(field));
        return Err(Fault::new(Code::MacroUnsupported, message));
    }
    let (place, shift) = field.split_once(',').unwrap_or((field, ""));
    if ["EP", "SL", "SE", "S", "VI"].iter().any(|start| place.starts_with(start)) {
        let message =
            format!("the offset {} needs an executable file; for any file `*`, `n` and `EOF-n` are allowed", quote(field));
        return Err(Fault::new(Code::OffsetUnsupported, message));
    }
    match place.strip_prefix("EOF-") {
        Some(back) => Ok(Offset::End { back: number(back, field)?, shift: number(shift, field)? }),
        None => Ok(Offset::Start { from: number(place, field)?, shift: number(shift, field)? }),
    }
}

/// A distance in bytes; nothing stands for 0.
fn number(text: &str, field: &str) -> Result<u64, Fault> {
    let value = digits(text).ok_or_else(|| {
        let message = format!("the offset {} is none of `*`, `n`, `n,shift`, `EOF-n` and `EOF-n,shift`", quote(field));
        Fault::new(Code::OffsetInvalid, message)
    })?;
    if value > OFFSET_MAX {
        let message = format!("the offset {} is too large; at most {OFFSET_MAX} is allowed", quote(field));
        return Err(Fault::new(Code::OffsetTooLarge, message));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(parse(field), offset, "{field}");
        }
    }

    #[test]
    fn offsets_clamscan_refuses() {
        let code = |field: &str| parse(field).unwrap_err().code;
        for field in ["*,2", "EOF", "EOF+2", "eof-4", "EOF--4", "-3", "+3", "0x3", " 3", "3 ", "3,2,1", "3a", "3,-1"] {
            assert_eq!(code(field), Code::OffsetInvalid, "{field}");
        }
        for field in ["EP+0", "EP", "S0+0", "SL+0", "SEL", "SE0", "VI"] {
            assert_eq!(code(field), Code::OffsetUnsupported, "{field}");
        }
        assert_eq!(code("4294967295"), Code::OffsetTooLarge);
        assert_eq!(code("99999999999999999999"), Code::OffsetTooLarge);
        assert_eq!(code("$3"), Code::MacroUnsupported);
    }
}
