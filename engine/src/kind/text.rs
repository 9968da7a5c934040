//! What is text: told by the first KiB.

/// Whether a byte does not stand in text of the ASCII alphabet, which has a bell, a backspace, white space but for the vertical tab, escape, and what is
/// printed. Bytes above 127 are of another alphabet.
#[inline(always)]
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, 7..=10 | 12 | 13 | 27) || byte == 127
}

/// Whether a file that begins with `head` is text: of one byte for each character, or UTF-16, marked as such or not.
///
/// A file without a mark is text unless a control character stands in it when it is read as UTF-16, the high byte of each unit
/// first. That is little to ask, and what clamscan asks: zeros in a row are what makes a file no text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && (is_plain(head) || is_marked(head) || head.chunks_exact(2).skip(1).all(is_unit))
}

/// Whether it is text of one byte for each character.
pub(crate) fn is_plain(head: &[u8]) -> bool {
    // No byte ends the loop, so that many are looked at together.
    !head.iter().fold(false, |found, byte| found | is_control(*byte))
}

fn is_marked(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

fn is_unit(unit: &[u8]) -> bool {
    unit[0] != 0 || !is_control(unit[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_in_a_row_are_no_text() {
        let with = |at: usize, bytes: &[u8]| {
            let mut text = b"some plain words here".to_vec();
            text[at..at + bytes.len()].copy_from_slice(bytes);
            (is_plain(&text), is_text(&text))
        };
        assert_eq!(with(4, b" "), (true, true));
        assert_eq!(with(4, b"\xe9"), (true, true));
        assert_eq!(with(4, b"\0"), (false, true));
        assert_eq!(with(4, b"\x01"), (false, true));
        assert_eq!(with(4, b"\0\0"), (false, false));
        assert_eq!(with(5, b"\0\0"), (false, true), "no unit is zero");
        assert_eq!(with(0, b"\0\0"), (false, true), "the first unit may be anything");
        assert_eq!(with(20, b"\0"), (false, true), "half a unit at the end");
        assert_eq!(with(4, b"\0\x0b"), (false, false));
        assert_eq!(with(4, b"\0\x0c"), (false, true));
        assert_eq!(with(4, b"\0\x80"), (false, true));
    }

    #[test]
    fn a_mark_makes_text() {
        assert!(is_text(b"\xff\xfe\0\0\0\0") && is_text(b"\xfe\xff\0\0\0\0"));
        assert!(!is_text(b"\xef\xbb\xbf \0\0\0\0") && !is_text(b""));
    }
}
