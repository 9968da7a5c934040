//! Numbers of scripts: written as clamscan writes them.

/// Writes the number that `rest` begins with; gives how long it is.
///
/// Without a point it is taken for 64 bits, of which 32 are written; with one it has six digits.
pub(super) fn write(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    if rest.get(whole) != Some(&b'.') {
        let value = rest[..whole]
            .iter()
            .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
        out.extend((value as i32).to_string().into_bytes());
        return whole;
    }
    let mantissa = whole + 1 + digits(whole + 1);
    let exponent = exponent_len(&rest[mantissa..]);
    // Digits, a point and an exponent are what the parser of the standard library takes.
    let text = str::from_utf8(&rest[..mantissa + exponent]).unwrap_or_default();
    let value = text.parse::<f64>().unwrap_or_default();
    out.extend(six_digits(value).into_bytes());
    // An exponent without digits is swallowed.
    let bare = usize::from(exponent == 0 && matches!(rest.get(mantissa), Some(b'e' | b'E')));
    mantissa + exponent + bare
}

fn exponent_len(rest: &[u8]) -> usize {
    let sign = usize::from(matches!(rest.get(1), Some(b'+' | b'-')));
    let digits = rest.iter().skip(1 + sign).take_while(|byte| byte.is_ascii_digit()).count();
    if matches!(rest.first(), Some(b'e' | b'E')) && digits > 0 { 1 + sign + digits } else { 0 }
}

/// As C writes `%g`: six digits, zeros behind the point left out, with an exponent where there are more or the number is small.
fn six_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0" } else { "inf" }.to_owned();
    }
    let text = format!("{value:.5e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or_default();
        let fixed = format!("{value:.places$}");
        return if places > 0 { trimmed(&fixed) } else { fixed };
    }
    format!("{}e{}{:02}", trimmed(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_clamscan_does() {
        let cases = [
            ("00012", "12", 5),
            ("2147483648", "-2147483648", 10),
            ("9223372036854775808", "-1", 19),
            ("1e10", "1", 1),
            ("1.0", "1", 3),
            ("1.50", "1.5", 4),
            ("5.", "5", 2),
            ("1.23456789", "1.23457", 10),
            ("1.5e3", "1500", 5),
            ("1.5E+3", "1500", 6),
            ("1.5e", "1.5", 4),
            ("1.2.3", "1.2", 3),
            ("0.0001", "0.0001", 6),
            ("0.00001", "1e-05", 7),
            ("1234567.5", "1.23457e+06", 9),
            ("123456.5", "123456", 8),
            ("1000000.0", "1e+06", 9),
        ];
        for (text, want, len) in cases {
            let mut out = Vec::new();
            assert_eq!(write(text.as_bytes(), &mut out), len, "{text}");
            assert_eq!(String::from_utf8(out).unwrap(), want, "{text}");
        }
    }
}
