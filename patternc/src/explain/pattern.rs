//! Elements of a pattern in words.

use super::Fact;
use crate::link::is_letter_of_either_case;
use engine::pattern::{Boundary, BoundaryClass, Element, MaskedByte, Side};

pub(super) fn element(element: &Element) -> Fact {
    match element {
        Element::Bytes(bytes) => Fact::new("bytes", spelled(bytes, "  ")),
        Element::Alternatives { strings, negated } => {
            let strings: Vec<String> = strings.iter().map(|string| spelled(string, " ")).collect();
            Fact::new(if *negated { "none of" } else { "one of" }, strings.join(", "))
        }
        Element::Gap { min, max } => Fact::new("gap", gap(*min, *max)),
        Element::Boundary(boundary) => Fact::new("boundary", place(*boundary)),
    }
}

fn gap(min: u32, max: Option<u32>) -> String {
    match (min, max) {
        (0, None) => "any number of bytes".to_owned(),
        (min, None) => format!("{min} bytes or more"),
        (min, Some(max)) if min == max => format!("{min} bytes"),
        (min, Some(max)) => format!("{min} to {max} bytes"),
    }
}

/// In hex, and after `between` in quotes what of it can be printed, when that is half of it or more.
fn spelled(bytes: &[MaskedByte], between: &str) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let hex: String = bytes.iter().map(|byte| hex(*byte)).collect();
    let shown: Vec<Option<char>> = bytes.iter().map(|byte| text(*byte)).collect();
    let (printable, fixed) = (shown.iter().flatten().count(), bytes.iter().filter(|byte| byte.mask() != 0).count());
    if printable == 0 || 2 * printable < fixed {
        return hex;
    }
    let text: String = shown.into_iter().map(|char| char.unwrap_or('.')).collect();
    let either = if bytes.iter().any(|byte| is_letter_of_either_case(*byte)) { " in either case" } else { "" };
    format!("{hex}{between}\"{text}\"{either}")
}

fn hex(byte: MaskedByte) -> String {
    if is_letter_of_either_case(byte) {
        return format!("({:02x}|{:02x})", byte.value(), byte.value() | 0x20);
    }
    let digit = |value: u8, mask: u8| match mask {
        0xf => format!("{value:x}"),
        0 => "?".to_owned(),
        // Other masks come from no ClamAV line but are valid records: the bits that count.
        mask => format!("[{value:x}&{mask:x}]"),
    };
    digit(byte.value() >> 4, byte.mask() >> 4) + &digit(byte.value() & 0xf, byte.mask() & 0xf)
}

fn text(byte: MaskedByte) -> Option<char> {
    let value = if is_letter_of_either_case(byte) { byte.value() | 0x20 } else { byte.value() };
    let shown = byte.is_fixed() || is_letter_of_either_case(byte);
    (shown && (value == b' ' || value.is_ascii_graphic())).then_some(char::from(value))
}

fn place(boundary: Boundary) -> String {
    let what = match boundary.class {
        BoundaryClass::Word => "a byte that stands beside words",
        BoundaryClass::Line => "a line break",
        BoundaryClass::NonAlphanumeric => "a byte that is no letter and no digit",
        BoundaryClass::WideNonAlphanumeric => "no letter and no digit with a zero behind it",
    };
    let (side, edge) = match boundary.side {
        Side::Before => ("before it", "begins"),
        Side::After => ("behind it", "ends"),
    };
    if boundary.negated {
        format!("not {what} {side}, and not where the file {edge}")
    } else {
        format!("{what} {side}, or the file {edge} there")
    }
}
