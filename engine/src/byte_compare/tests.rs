//! Against what clamscan reads.

use super::*;
use proptest::prelude::*;

const FILE: &[u8] = b"....trigger\x01\x02\x03\x04 1234 0x1F ff 99999 -5 12ab  77 zz\n";
const BIG: Order = Order::Big;
const LITTLE: Order = Order::Little;

fn compare(delta: i64, form: NumberForm, len: u8, exact: bool, to: i64) -> ByteCompare {
    ByteCompare { delta, form, len, exact, comparisons: vec![Comparison::Equal(to)] }
}

/// What clamscan finds equal in that file, whose trigger is at 4.
#[test]
fn numbers_as_clamscan_reads_them() {
    use NumberForm::{Automatic, Decimal, Hex, Raw};
    let cases = [
        (7, Raw(BIG), 4, false, 0x01020304),
        (7, Raw(LITTLE), 4, false, 0x04030201),
        (7, Raw(BIG), 1, false, 1),
        (12, Decimal, 4, true, 1234),
        (11, Decimal, 5, false, 1234),
        (31, Decimal, 6, false, -5),
        (34, Decimal, 4, false, 12),
        (43, Decimal, 2, false, 0),
        (12, Hex(BIG), 4, true, 0x1234),
        (17, Hex(BIG), 4, true, 0x1f),
        (17, Hex(BIG), 2, false, 0),
        (22, Hex(BIG), 3, false, 255),
        (31, Hex(BIG), 2, true, -5),
        (12, Hex(LITTLE), 4, false, 0x3412),
        (12, Hex(LITTLE), 4, true, 0x3412),
        (11, Hex(LITTLE), 5, false, 0x3412),
        (17, Hex(LITTLE), 4, false, 31),
        (17, Hex(LITTLE), 5, false, 1),
        (19, Hex(LITTLE), 3, false, 1),
        (19, Hex(LITTLE), 4, false, 31),
        (40, Hex(LITTLE), 3, false, 7),
        (41, Hex(LITTLE), 4, false, 0),
        (31, Hex(LITTLE), 2, false, 0),
        (16, Automatic(BIG), 5, false, 31),
        (17, Automatic(LITTLE), 4, false, 31),
        (34, Automatic(BIG), 4, false, 12),
        (45, Raw(BIG), 1, false, 10),
    ];
    for (delta, form, len, exact, to) in cases {
        assert!(compare(delta, form, len, exact, to).holds(FILE, 4), "{delta} {form:?} {len} {exact} {to}");
        assert!(!compare(delta, form, len, exact, to + 1).holds(FILE, 4), "{delta} {form:?} {len} {exact} {to}");
    }
    let none = [
        (11, Decimal, 5, true, 1234),
        (22, Hex(BIG), 3, true, 255),
        (12, Automatic(LITTLE), 4, false, 1234),
        (-4, Raw(BIG), 1, false, 46),
        (-5, Raw(BIG), 1, false, 46),
        (45, Raw(BIG), 2, false, 10),
        (i64::MAX, Raw(BIG), 1, false, 0),
        (i64::MIN, Raw(BIG), 1, false, 0),
    ];
    for (delta, form, len, exact, to) in none {
        assert!(!compare(delta, form, len, exact, to).holds(FILE, 4), "{delta} {form:?} {len} {exact} {to}");
    }
}

/// What clamscan reads in texts of their own, found by asking for numbers above and below; none when nothing holds.
#[test]
fn texts_as_clamscan_reads_them() {
    use NumberForm::{Automatic, Decimal, Hex};
    let cases: [(&str, NumberForm, bool, Option<i64>); 44] = [
        ("7", Automatic(BIG), false, None),
        ("77", Automatic(BIG), true, None),
        ("0x", Automatic(LITTLE), false, None),
        ("077", Automatic(BIG), false, Some(77)),
        ("0x7", Automatic(LITTLE), false, Some(7)),
        ("0x0711", Automatic(LITTLE), false, Some(0x1107)),
        ("0x0711", Automatic(LITTLE), true, None),
        ("0x0711", Automatic(BIG), true, Some(0x711)),
        ("  0x71", Automatic(BIG), false, Some(0x71)),
        ("-0x1", Automatic(BIG), false, Some(0)),
        ("12~", Automatic(LITTLE), false, None),
        ("312", Hex(LITTLE), true, None),
        ("312", Hex(LITTLE), false, Some(0x1203)),
        ("3", Hex(LITTLE), true, Some(3)),
        ("123~", Hex(LITTLE), true, Some(0x12)),
        ("~234", Hex(LITTLE), true, Some(0)),
        ("12  ", Hex(LITTLE), true, Some(0x12)),
        ("  12", Hex(LITTLE), true, None),
        ("0x12", Hex(LITTLE), true, None),
        ("0X12", Hex(LITTLE), false, Some(0x12)),
        ("-123", Hex(LITTLE), true, Some(0)),
        ("\x0b123", Hex(LITTLE), false, Some(0x2301)),
        ("ffffffffffffff7f", Hex(LITTLE), false, Some(i64::MAX)),
        ("0000000000000080", Hex(LITTLE), false, None),
        ("0000000000000000ff", Hex(LITTLE), false, None),
        ("000000000000000000", Hex(LITTLE), false, Some(0)),
        ("007fffffffffffffff", Hex(BIG), true, Some(i64::MAX)),
        ("8000000000000000", Hex(BIG), false, None),
        ("-8000000000000000", Hex(BIG), false, Some(i64::MIN)),
        ("-fffffffffffffffff", Hex(BIG), false, None),
        ("-0x1", Hex(BIG), false, Some(0)),
        ("+0x1", Hex(BIG), false, Some(0)),
        ("-0x1", Hex(BIG), true, None),
        ("0x-1", Hex(BIG), false, Some(0)),
        ("0x0x1", Hex(BIG), false, Some(0)),
        ("0x 1", Hex(BIG), false, Some(0)),
        ("0x1", Hex(BIG), true, Some(1)),
        ("0xg", Hex(BIG), true, None),
        ("\x0b12", Hex(BIG), false, Some(0x12)),
        ("\x0c12", Decimal, false, Some(12)),
        ("--1", Decimal, false, Some(0)),
        ("-~1", Decimal, true, None),
        ("0x1", Decimal, false, Some(0)),
        ("999999999999999999", Decimal, true, Some(999_999_999_999_999_999)),
    ];
    for (text, form, exact, number) in cases {
        let read = compare(0, form, text.len() as u8, exact, 0).number(text.as_bytes());
        assert_eq!(read, number, "{text:?} {form:?} {exact}");
    }
}

#[test]
fn every_comparison_must_hold() {
    let holds = |comparisons: &[Comparison]| {
        ByteCompare { comparisons: comparisons.to_vec(), ..compare(7, NumberForm::Raw(BIG), 4, false, 0) }.holds(FILE, 4)
    };
    use Comparison::{Equal, Less, More};
    assert!(holds(&[More(5), Less(0x02000000)]) && !holds(&[More(5), Less(6)]));
    assert!(!holds(&[More(0x01020304)]) && !holds(&[Less(0x01020304)]) && holds(&[Equal(0x01020304)]));
}

proptest! {
    #[test]
    fn any_file_will_do(file in proptest::collection::vec(any::<u8>(), 0..40), trigger: u64, near in 0u64..40, delta in -40i64..40, len: u8) {
        for form in [NumberForm::Decimal, NumberForm::Hex(BIG), NumberForm::Hex(LITTLE), NumberForm::Automatic(BIG), NumberForm::Raw(LITTLE)] {
            let compare = compare(delta, form, len, len % 2 == 0, 0);
            let end = usize::try_from(near.cast_signed() + delta).unwrap_or(0) + usize::from(len);
            prop_assert!(!compare.holds(&file, near) || end <= file.len());
            compare.holds(&file, trigger);
        }
    }
}
