//! Text that somebody else wrote, made fit to be shown, kept and passed on.

/// Most characters that are kept of such a text.
const CHARS_MAX: usize = 2000;

/// The text without what a screen or a log would obey: control characters, and those that turn the direction of writing, are written as
/// `\u{1b}`; past 2,000 characters it is cut off.
///
/// For words of the service and of makers, which end in terminals' windows, logs and tables. Letters of every script stay.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (number, c) in text.chars().enumerate() {
        match c {
            _ if number == CHARS_MAX => {
                shown.push('…');
                break;
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(c.escape_unicode()),
            _ if c.is_control() => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

/// Whether this is a code as problem documents have them: 1 to 64 of `a-z 0-9 _`.
pub(crate) fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}

/// One segment of a path, whatever the text: what an address would take for something else is escaped.
///
/// `.` and `..` mean folders in an address even when they are escaped. They come out escaped twice, so that the service is asked for a name that
/// nobody has, and not for something above.
pub(crate) fn segment(text: &str) -> String {
    if matches!(text, "." | "..") {
        return text.replace('.', "%252E");
    }
    // A form writes a space as `+`, which in a path is a plus; a plus itself is escaped.
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A path with a query of those pairs that have a value.
pub(crate) fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
    if pairs.is_empty() {
        return path.to_owned();
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_screen_would_obey_is_written_out() {
        assert_eq!(printable("größer → 你好"), "größer → 你好");
        assert_eq!(printable("\u{1b}[2J\r\n\u{9b}\u{202e}x"), r"\u{1b}[2J\u{d}\u{a}\u{9b}\u{202e}x");
        let long = printable(&"é".repeat(5000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (2001, true));
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(query("/x", &[("a", ""), ("b", "1&2 ü")]), "/x?b=1%262+%C3%BC");
        assert_eq!(query("/x", &[("a", "")]), "/x");
    }

    #[test]
    fn any_text_is_one_segment_of_a_path() {
        let base = url::Url::parse("https://updates.example/below/").unwrap();
        let ascii = (0..128).map(|byte| char::from(byte).to_string());
        let odd = ["..%2f", "a/b?c#d", "../terminals", "%2e%2e", "größer → 你好", "a+b c", ";x=y", "\\..\\", "x/", "a@b:c"];
        for text in ascii.filter(|text| text != ".").chain(odd.map(str::to_owned)) {
            let url = base.join(&format!("v1/{}/end", segment(&text))).unwrap();
            let segments = url.path_segments().unwrap().collect::<Vec<_>>();
            assert_eq!((segments.len(), segments[3]), (4, "end"), "{text:?}: {url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{text:?}: {url}");
            // Read as forms are, with a plus for a plus.
            let form = format!("{}=", segments[2].replace('+', "%2B"));
            let read = url::form_urlencoded::parse(form.as_bytes()).next().unwrap().0;
            assert_eq!(read, text, "{url}");
        }
        for dots in [".", ".."] {
            let url = base.join(&format!("v1/{}/end", segment(dots))).unwrap();
            assert!(url.path().starts_with("/below/v1/%252E") && url.path().ends_with("E/end"), "{url}");
        }
        for plain in ["acme", "0123456789abcdef", "a-b_c.d"] {
            assert_eq!(segment(plain), plain);
        }
    }

    #[test]
    fn codes_are_plain() {
        assert!(is_code("metadata_expired") && is_code("http_404"));
        for odd in ["", "Aa", "a b", "a\n", "ä", &"a".repeat(65)] {
            assert!(!is_code(odd), "{odd:?}");
        }
    }
}
