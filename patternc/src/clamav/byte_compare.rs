//! `trigger(offset#options#comparisons)`: a number near a match, compared.

use engine::byte_compare::{ByteCompare, Comparison, NumberForm, Order};

use crate::diagnostic::{Code, Fault, quote};

/// Longest text of a hexadecimal number, as in clamscan; longer decimal ones serve nobody.
const TEXT_BYTES_MAX: u64 = 18;
/// Subsignatures of a logical signature.
const SUBSIGNATURES_MAX: u64 = 64;

/// Whether a subsignature is of this kind, when it is no PCRE and no image.
pub fn is_byte_compare(subsignature: &str) -> bool {
    subsignature.contains('#')
}

/// Parses a subsignature: the number of the subsignature near whose last match the number is, and what is asked of it. Takes time linear
/// in the text.
///
/// # Errors
/// [`Code::ByteCompareForm`] for what clamscan refuses, and for what it accepts and never finds.
pub fn parse(text: &str) -> Result<(u8, ByteCompare), Fault> {
    parsed(text).map_err(|what| Fault::new(Code::ByteCompareForm, format!("the byte comparison {} {what}", quote(text))))
}

fn parsed(text: &str) -> Result<(u8, ByteCompare), &'static str> {
    let (trigger, rest) = text.split_once('(').ok_or("has no parenthesis")?;
    // What follows the last parenthesis means nothing, as in clamscan.
    let (inside, _) = rest.rsplit_once(')').ok_or("does not end with a parenthesis")?;
    let mut fields = inside.split('#');
    let (Some(offset), Some(options), Some(comparisons), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("has other than three fields between its parentheses");
    };
    let trigger =
        digits(trigger, 10).filter(|trigger| *trigger < SUBSIGNATURES_MAX).ok_or("has no subsignature as its trigger")?;
    let (form, len, exact) = form(options)?;
    let compare = ByteCompare { delta: delta(offset)?, form, len, exact, comparisons: self::comparisons(comparisons)? };
    Ok((trigger as u8, compare))
}

/// `>>n` after the match, `<<n` before it.
fn delta(text: &str) -> Result<i64, &'static str> {
    let invalid = "has an offset that is not `>>n` or `<<n`";
    match text.split_at_checked(2) {
        None if text.is_empty() => Ok(0),
        Some((">>", distance)) => number(distance).ok_or(invalid),
        Some(("<<", distance)) => number(distance).and_then(i64::checked_neg).ok_or(invalid),
        _ => Err(invalid),
    }
}

/// One of `h`, `d`, `a`, `i`; an order of bytes, which only decimal text may lack; `e`; a length.
fn form(text: &str) -> Result<(NumberForm, u8, bool), &'static str> {
    let length_at = text.find(|letter: char| letter.is_ascii_digit()).ok_or("has no length")?;
    let (letters, length) = text.split_at(length_at);
    let (mut kind, mut order, mut exact) = (None, None, false);
    for letter in letters.chars() {
        let again = match letter {
            'h' | 'd' | 'a' | 'i' => kind.replace(letter).is_some(),
            'b' => order.replace(Order::Big).is_some(),
            'l' => order.replace(Order::Little).is_some(),
            'e' => std::mem::replace(&mut exact, true),
            _ => return Err("has an option other than `hdaible`"),
        };
        if again {
            return Err("has one option twice, or two that exclude each other");
        }
    }
    let form = match (kind.ok_or("does not say how the number is written")?, order) {
        ('d', None | Some(Order::Big)) => NumberForm::Decimal,
        ('d', Some(Order::Little)) => return Err("asks for little-endian decimal text"),
        (_, None) => return Err("does not say in which order the bytes are"),
        ('h', Some(order)) => NumberForm::Hex(order),
        ('a', Some(order)) => NumberForm::Automatic(order),
        (_, Some(order)) => NumberForm::Raw(order),
    };
    let length = number(length).and_then(|length| u64::try_from(length).ok()).ok_or("has a length that is no number")?;
    match (form, length) {
        (NumberForm::Raw(_), 1 | 2 | 4 | 8) => {}
        (NumberForm::Raw(_), _) => return Err("has a length of raw bytes other than 1, 2, 4 and 8"),
        (_, 1..=TEXT_BYTES_MAX) => {}
        _ => return Err("has a length of text above 18, or 0"),
    }
    Ok((form, length as u8, exact))
}

fn comparisons(text: &str) -> Result<Vec<Comparison>, &'static str> {
    let found: Vec<Comparison> = text.split(',').take(3).map(comparison).collect::<Result<_, _>>()?;
    if found.len() > 2 { Err("has more than two comparisons") } else { Ok(found) }
}

fn comparison(text: &str) -> Result<Comparison, &'static str> {
    let kind = match text.as_bytes().first() {
        Some(b'>') => Comparison::More,
        Some(b'<') => Comparison::Less,
        Some(b'=') => Comparison::Equal,
        _ => return Err("has a comparison that does not begin with `>`, `<` or `=`"),
    };
    number(&text[1..]).map(kind).ok_or("compares with something that is no number")
}

/// A number as C reads it: blanks, a sign, then decimal digits, hexadecimal ones after `0x` or octal ones after `0`; nothing is 0, and
/// what is too large is the largest.
fn number(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let negative = text.starts_with('-');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let value = if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if hex.is_empty() { None } else { digits(hex, 16) }
    } else if text.len() > 1 && text.starts_with('0') {
        digits(text, 8)
    } else if text.is_empty() {
        Some(0)
    } else {
        digits(text, 10)
    };
    let value = i64::try_from(value?).unwrap_or(i64::MAX);
    Some(if negative { -value } else { value })
}

/// The number of at least one digit and nothing else; saturates.
fn digits(text: &str, radix: u32) -> Option<u64> {
    let step =
        |value: u64, digit: char| Some(value.saturating_mul(radix.into()).saturating_add(digit.to_digit(radix)?.into()));
    if text.is_empty() { None } else { text.chars().try_fold(0, step) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts() {
        let (trigger, compare) = parse("12(<<0x10#hbe8#>5,<0xff)").unwrap();
        assert_eq!(trigger, 12);
        let comparisons = vec![Comparison::More(5), Comparison::Less(255)];
        assert_eq!(compare, ByteCompare { delta: -16, form: NumberForm::Hex(Order::Big), len: 8, exact: true, comparisons });
    }

    #[test]
    fn what_clamscan_accepts() {
        let values = [
            ("0(#ib4#=1)", 0, 1),
            ("0(>>#bi4#=1)", 0, 1),
            ("0(>> 7#ieb4#= 0X10)", 7, 16),
            ("00(>>07#il04#=+9)", 7, 9),
            ("0(>>7#d4#=-5)x", 7, -5),
            ("0(>>7#de4#=)", 7, 0),
            ("0(<<-4#ab4#=99999999999999999999)::i", 4, i64::MAX),
            ("0(>>7#hb18#=010)", 7, 8),
        ];
        for (text, delta, value) in values {
            let (trigger, compare) = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!((trigger, compare.delta, compare.comparisons), (0, delta, vec![Comparison::Equal(value)]), "{text}");
        }
    }

    #[test]
    fn what_clamscan_refuses() {
        let refused = [
            "0(7#ib4#=1)",
            "0(>7#ib4#=1)",
            "0(>>7#ib3#=1)",
            "0(>>7#ib0#=0)",
            "0(>>7#ib9#>0)",
            "0(>>7#ib#=1)",
            "0(>>7#ie#=1)",
            "0(>>7#dl4#=1)",
            "0(>>7#hb19#=1)",
            "0(>>7#zb4#=1)",
            "0(>>7#IB4#=1)",
            "0(>>7##=1)",
            "0(>>7#ib 4#>5)",
            "0(>>7# ib4#>5)",
            "0(>>7#ib4#>5,<6,=7)",
            "0(>>7#ib4#==5)",
            "0(>>7#ib4#5)",
            "0(>>7#ib4#)",
            "0(>>7#ib4#=zz)",
            "0(>>7#ib4#=12zz)",
            "0(>>7#ib4#=0x)",
            "0(>>7#ib4#=09)",
            "0(>>7#ib4#>5,)",
            "0(>>7#ib4#!5)",
            "0(>>7#ib4#>=5)",
            "0(>>7#ib4)",
            "0(>>7)",
            "0()",
            "0(>>7#ib4#=1",
            "0 (>>7#ib4#=1)",
            "0x0(>>7#ib4#=1)",
            "0&0(>>7#ib4#=1)",
            "99(>>7#ib4#=1)",
            "0(>>7#ib4#=1#)",
            "0((>>7#ib4#=1)",
        ];
        // And what it accepts without ever finding it.
        let never = [
            "(>>7#ib4#=1)",
            "-1(>>7#ib4#=1)",
            "0(>>7#i4#=1)",
            "0(>>7#h4#=1)",
            "0(>>7#a4#=1)",
            "0(>>7#b4#=1)",
            "0(>>7#4#=1)",
        ];
        for text in refused.into_iter().chain(never) {
            assert_eq!(parse(text).map_err(|fault| fault.code), Err(Code::ByteCompareForm), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_comparison_or_a_fault(text in "[0-9]{0,3}\\([<>]{0,3}[-0-9x]{0,4}#[hdaible0-9]{0,5}#[<>=,0-9xa-f-]{0,9}\\)?|.{0,20}") {
            if let Ok((trigger, compare)) = parse(&text) {
                prop_assert!(trigger < 64 && (1..=2).contains(&compare.comparisons.len()) && (1..=18).contains(&compare.len));
            }
        }
    }
}
