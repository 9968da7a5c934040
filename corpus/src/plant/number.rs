//! Numbers for byte comparisons, as a file would hold them.

use engine::byte_compare::{ByteCompare, Comparison, NumberForm, Order};

/// The bytes of a number of which all comparisons hold; `None` when they contradict each other or it has no room.
pub(super) fn wanted(compare: &ByteCompare, turn: usize) -> Option<Vec<u8>> {
    let beside = |comparison: &Comparison| match *comparison {
        Comparison::Equal(to) => [to, to],
        Comparison::More(than) => [than.saturating_add(1), than.saturating_add(2)],
        Comparison::Less(than) => [than.saturating_sub(1), than.saturating_sub(2)],
    };
    let mut candidates: Vec<i64> = compare.comparisons.iter().flat_map(beside).chain([0]).collect();
    let by = turn % candidates.len();
    candidates.rotate_left(by);
    candidates.into_iter().find_map(|number| written(compare, number, true))
}

/// The bytes of a number of which not all comparisons hold, though nearly.
pub(super) fn unwanted(compare: &ByteCompare) -> Option<Vec<u8>> {
    let beside = |comparison: &Comparison| match *comparison {
        Comparison::Equal(to) => [to.saturating_add(1), to.saturating_sub(1)],
        Comparison::More(than) | Comparison::Less(than) => [than, than],
    };
    compare.comparisons.iter().flat_map(beside).find_map(|number| written(compare, number, false))
}

/// `number` in the form and length that are read, if what is read then compares as it `holds`.
fn written(compare: &ByteCompare, number: i64, holds: bool) -> Option<Vec<u8>> {
    let len = usize::from(compare.len);
    let bytes = match compare.form {
        NumberForm::Raw(order) => raw(number, len, order)?,
        NumberForm::Decimal => signed(number, len, |number| number.to_string())?,
        NumberForm::Hex(order) => hex(number, len, order)?,
        NumberForm::Automatic(Order::Big) => signed(number, len, |number| number.to_string())
            .or_else(|| Some([b"0x".to_vec(), hex(number, len.checked_sub(2)?, Order::Big)?].concat()))?,
        NumberForm::Automatic(order) => [b"0x".to_vec(), hex(number, len.checked_sub(2)?, order)?].concat(),
    };
    // A byte of something else before it: a number at the first byte of a file never holds.
    let file = [b"~", &bytes[..]].concat();
    let read = ByteCompare { delta: 0, ..compare.clone() };
    (bytes.len() == len && read.holds(&file, 1) == holds).then_some(bytes)
}

fn raw(number: i64, len: usize, order: Order) -> Option<Vec<u8>> {
    let mut bytes = number.to_le_bytes().get(..len)?.to_vec();
    if order == Order::Big {
        bytes.reverse();
    }
    Some(bytes)
}

/// Digits with zeros before them, and a sign before those.
fn signed(number: i64, len: usize, digits: impl Fn(u64) -> String) -> Option<Vec<u8>> {
    let (sign, digits) = (if number < 0 { "-" } else { "" }, digits(number.unsigned_abs()));
    let zeros = len.checked_sub(sign.len() + digits.len())?;
    Some(format!("{sign}{}{digits}", "0".repeat(zeros)).into_bytes())
}

fn hex(number: i64, len: usize, order: Order) -> Option<Vec<u8>> {
    if order == Order::Big {
        return signed(number, len, |number| format!("{number:x}"));
    }
    let bytes = number.to_le_bytes();
    // Of an odd number of digits, the first is a byte of its own.
    let widths = std::iter::repeat_n(1, len % 2).chain(std::iter::repeat_n(2, len / 2));
    let pairs = widths.zip(bytes.into_iter().chain(std::iter::repeat(0)));
    let text: String = pairs.map(|(width, byte)| format!("{byte:0width$x}")).collect();
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(options: &str) -> ByteCompare {
        let line = format!("N;Engine:51-255,Target:0;0&1;61616161;0({options})");
        let record = patternc::clamav::ldb(&line).unwrap().unwrap();
        let patternc::record::Record::Logical(logical) = record else { panic!("a logical signature") };
        let patternc::record::Subsignature::ByteCompare { compare, .. } = &logical.subsignatures[1] else {
            panic!("a byte comparison")
        };
        compare.clone()
    }

    #[test]
    fn every_form_is_written() {
        for (options, number, other) in [
            (">>4#de4#=123", "0123", Some("0124")),
            (">>4#d3#>98,<100", "099", Some("098")),
            (">>4#d3#<-5", "-06", Some("-05")),
            (">>4#hb4#=255", "00ff", Some("0100")),
            (">>4#hl4#=0x1234", "3412", Some("3512")),
            (">>4#hl3#=0x1203", "312", Some("412")),
            (">>4#ab5#=77", "00077", Some("00078")),
            (">>4#al6#=0x1234", "0x3412", Some("0x3512")),
            (">>4#ib4#=0x41424344", "ABCD", Some("ABCE")),
            (">>4#il2#=0x4142", "BA", Some("CA")),
            (">>4#d1#>5,<5", "", Some("5")),
        ] {
            let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
            let compare = compare(options);
            assert_eq!(text(wanted(&compare, 0)).unwrap_or_default(), number, "{options}");
            assert_eq!(text(unwanted(&compare)).as_deref(), other, "{options}");
        }
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        assert_eq!(wanted(&compare(">>4#d2#=100"), 0), None);
        assert_eq!(wanted(&compare(">>4#ib1#=256"), 0), None);
    }
}
