//! Characters that a page spells out: `&amp;`, `&#65;`, `&#x41;`.

use super::names::named;

/// What stands at a `&`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entity<'h> {
    /// A character; case does not count for one that its `;` ends.
    Character { code: u16, ended: bool },
    /// A name that means nothing, or that nothing ends, perhaps an empty one: it stands for itself.
    Name(&'h [u8]),
    /// The file ends in it.
    Nothing,
}

/// What stands at `at`, where `text` has a `&`, and how many bytes it takes. O(bytes taken).
pub(super) fn entity(text: &[u8], at: usize) -> (Entity<'_>, usize) {
    let rest = &text[at + 1..];
    match rest.first() {
        None => (Entity::Nothing, 1),
        Some(b'#') => {
            let (entity, len) = number(&rest[1..]);
            (entity, len + 2)
        }
        Some(_) => {
            let (entity, len) = name(rest);
            (entity, len + 1)
        }
    }
}

/// A number without digits is zero, and one that is too large loses its upper bits.
fn number(rest: &[u8]) -> (Entity<'_>, usize) {
    let (radix, from) = if matches!(rest.first(), Some(b'x' | b'X')) { (16, 1) } else { (10, 0) };
    let digit = |byte: &u8| (*byte as char).to_digit(radix).map(|digit| digit as u16);
    let digits = rest[from..].iter().map_while(digit);
    let (len, code) =
        digits.fold((from, 0_u16), |(len, code), digit| (len + 1, code.wrapping_mul(radix as u16).wrapping_add(digit)));
    match rest.get(len) {
        None => (Entity::Nothing, len),
        Some(b';') => (Entity::Character { code, ended: true }, len + 1),
        Some(_) => (Entity::Character { code, ended: false }, len),
    }
}

fn name(rest: &[u8]) -> (Entity<'_>, usize) {
    let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_')).count();
    // The end of the file ends a name as well as a `;` does.
    let end = rest.get(len);
    match named(&rest[..len]).filter(|_| matches!(end, None | Some(b';'))) {
        Some(code) => (Entity::Character { code, ended: true }, len + usize::from(end.is_some())),
        None => (Entity::Name(&rest[..len]), len),
    }
}

/// Adds a character as pages have it after they are normalised: one byte up to 254, `&#x0192;` above.
pub(super) fn push(code: u16, form: &mut Vec<u8>) {
    match u8::try_from(code) {
        Ok(byte) if byte < 255 => form.push(byte),
        _ => {
            form.extend_from_slice(b"&#x");
            form.extend((0..4).rev().map(|nibble| b"0123456789abcdef"[usize::from(code >> (4 * nibble) & 15)]));
            form.push(b';');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_clamscan_does() {
        let character = |code, ended| Entity::Character { code, ended };
        let cases: [(&[u8], Entity<'_>, usize); 15] = [
            (b"&#65;", character(65, true), 5),
            (b"&#X42x", character(0x42, false), 5),
            (b"&#;", character(0, true), 3),
            (b"&#xg;", character(0, false), 3),
            (b"&#99999;", character(0x869f, true), 8),
            (b"&#65", Entity::Nothing, 4),
            (b"&", Entity::Nothing, 1),
            (b"&amp;", character(38, true), 5),
            (b"&amp", character(38, true), 4),
            (b"&amp ", Entity::Name(b"amp"), 4),
            (b"&AMP;", Entity::Name(b"AMP"), 4),
            (b"&hellip;x", character(0x2026, true), 8),
            (b"&;", Entity::Name(b""), 1),
            (b"& x", Entity::Name(b""), 1),
            (b"&b.c;", Entity::Name(b"b"), 2),
        ];
        for (text, want, len) in cases {
            assert_eq!(entity(text, 0), (want, len), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn characters_are_one_byte_or_spelled_out() {
        let mut form = Vec::new();
        for code in [65, 233, 254, 255, 0x2026] {
            push(code, &mut form);
        }
        assert_eq!(form, b"A\xe9\xfe&#x00ff;&#x2026;");
    }
}
