//! The normalised form of text: letters small, white space one space, what is not printed left out.

/// What becomes of each byte: 0 when it is left out.
const BECOMES: [u8; 256] = becomes();

const fn becomes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'\t'..=b'\r' => b' ',
            b' '..=127 => byte.to_ascii_lowercase(),
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Bytes that are taken at a time.
const BLOCK: usize = 4096;

/// Adds the normalised form of `text` to `form`: no more bytes than `text` has. O(text).
pub(super) fn normalise(text: &[u8], form: &mut Vec<u8>) {
    let mut block = [0; BLOCK];
    let mut previous = 0;
    for part in text.chunks(BLOCK) {
        let mut len = 0;
        for byte in part {
            let becomes = BECOMES[usize::from(*byte)];
            block[len % BLOCK] = becomes;
            // No branch: which bytes are left out is not to be foretold.
            let kept = becomes != 0 && (becomes, previous) != (b' ', b' ');
            len += usize::from(kept);
            previous = if becomes == 0 { previous } else { becomes };
        }
        form.extend_from_slice(&block[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(text: &[u8]) -> Vec<u8> {
        let mut form = Vec::new();
        normalise(text, &mut form);
        form
    }

    #[test]
    fn as_clamscan_does() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"  lead  A \t\r\n\x0b\x0c B\n\n", b" lead a b "),
            (b"A\0\0B  \0 C", b"ab c"),
            (b"\xef\xbb\xbfA B\xc2\xa0C \xe2\x80\x83 D", b"a bc d"),
            (b"\xff\xfeH\0e\0l\0l\0o\0 \0 \0W\0\xf6\0r\0l\0d\0", b"hello wrld"),
            (b"x <HTML-ish> <!-- C --> &amp; \"Q\"\n\n\x7f", b"x <html-ish> <!-- c --> &amp; \"q\" \x7f"),
            (b"Ab\x08\x0eCd", b"abcd"),
        ];
        for (text, form) in cases {
            assert_eq!(normal(text).escape_ascii().to_string(), form.escape_ascii().to_string());
        }
    }

    proptest! {
        #[test]
        fn blocks_make_no_difference(text in "[ a\\n]{0,9}", at in 0..BLOCK + 8) {
            let long = [&vec![b'x'; at][..], text.as_bytes()].concat();
            let short = [b"x", text.as_bytes()].concat();
            prop_assert_eq!(&normal(&long)[at.saturating_sub(1)..], &normal(&short)[usize::from(at == 0)..]);
        }
    }
}
