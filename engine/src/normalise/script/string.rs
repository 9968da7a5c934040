//! Strings of scripts: what their bytes are when the escapes in them are followed.

/// Writes the bytes of the string that `rest` begins with, a quote first; gives how long it is, and whether it ends.
pub(super) fn write(rest: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    let quote = rest[0];
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        at += 1;
        match byte {
            b'\\' => at += escape(&rest[at..], out),
            0 => {}
            _ if byte == quote => return (at, true),
            b'\t'..=b'\r' => out.push(b' '),
            _ => out.push(byte),
        }
    }
    (at, false)
}

/// Writes what stands behind a backslash; gives how long it is.
fn escape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    match rest.first() {
        None => return 0,
        Some(b'x') => {
            if let Some(code) = hex(rest, 1, 2) {
                out.push(code as u8);
                return 3;
            }
            out.push(b'x');
        }
        Some(b'u') => {
            if let Some(code) = hex(rest, 1, 4) {
                push_utf_8(code, out);
                return 5;
            }
            out.push(b'u');
        }
        Some(b't' | b'r' | b'n' | b'f' | b'v' | b'\t'..=b'\r') => out.push(b' '),
        Some(b'b') => out.push(8),
        Some(b'0') => out.push(1),
        Some(byte) => out.push(*byte),
    }
    1
}

/// `string` as the function of that name gives it.
pub(super) fn unescaped(string: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(string.len());
    let mut at = 0;
    while let Some(&byte) = string.get(at) {
        let rest = &string[at..];
        let (code, len) = match byte {
            b'%' if matches!(rest.get(1), Some(b'u')) => (hex(rest, 2, 4), 6),
            b'%' => (hex(rest, 1, 2), 3),
            _ => (None, 1),
        };
        match code {
            Some(code) if len == 6 => push_utf_8(code, &mut out),
            Some(code) => out.push(code as u8),
            None => out.push(byte),
        }
        at += if code.is_some() { len } else { 1 };
    }
    out
}

/// The number of `len` hex digits from `from` on.
fn hex(text: &[u8], from: usize, len: usize) -> Option<u16> {
    let digits = text.get(from..from + len)?;
    digits.iter().try_fold(0, |value, byte| Some(value << 4 | (*byte as char).to_digit(16)? as u16))
}

fn push_utf_8(code: u16, out: &mut Vec<u8>) {
    // Half a surrogate pair is written like any other unit.
    match code {
        0 => out.push(1),
        1..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend([0xc0 | (code >> 6) as u8, 0x80 | (code & 63) as u8]),
        _ => out.extend([0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 63) as u8, 0x80 | (code & 63) as u8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_followed() {
        let written = |text: &str| {
            let mut out = Vec::new();
            let ended = write(text.as_bytes(), &mut out);
            (String::from_utf8(out).unwrap(), ended)
        };
        assert_eq!(written(r#""\t\b\0\a\q\101" x"#), (" \u{8}\u{1}aq101".into(), (16, true)));
        assert_eq!(written(r#"'\x41\u20ac"'"#), ("A\u{20ac}\"".into(), (13, true)));
        assert_eq!(written("'a\n\\\nb"), ("a  b".into(), (6, false)));
    }

    #[test]
    fn unescaped_as_by_the_function() {
        assert_eq!(unescaped(b"%41%u4142%zz%4"), "A\u{4142}%zz%4".as_bytes());
    }
}
