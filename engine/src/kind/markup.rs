//! What is a web page or a mail though its first bytes do not say so: told by what stands in the first KiB, pages also further back.

use memchr::{memchr_iter, memmem};

/// What the first KiB of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markup {
    /// A web page saved as a mail, with all that belongs to it: neither.
    Archive,
    Mail,
    Html,
}

/// What makes a page, after its `<`: in these cases of letters and in no others.
const TAGS: [&[u8]; 19] = [
    b"html>", b"Html>", b"HTML>", b"head>", b"Head>", b"HEAD>", b"img", b"Img", b"IMG", b"script", b"Script", b"SCRIPT",
    b"object", b"Object", b"OBJECT", b"iframe", b"IFRAME", b"table", b"TABLE",
];
/// What makes a page at the start of a file.
const SERVER_PAGE: &[u8] = b"<%@ LANGUAGE =";

/// Headers, each at the start of a line, which a line feed is before. A capital stands for both cases of its letter.
const MIME_VERSION: &[u8] = b"MIME-Version: ";
const CONTENT_TYPE: &[u8] = b"Content-Type: ";
/// Any of these with a content type somewhere behind it makes a mail.
const OF_MAILS: [&[u8]; 3] = [FROM, b"Message-Id: ", b"Received: "];
const FROM: &[u8] = b"From: ";
/// What two mail servers write, one behind the other, and how many bytes there may be between.
const DELIVERED: &[u8] = b"Delivered-To:";
const DELIVERED_GAP_MAX: usize = 256;
const RECEIVED: &[u8] = b"Received:";

/// What a file that begins with `head` is.
pub(super) fn of_head(head: &[u8]) -> Option<Markup> {
    match of_headers(head) {
        None if is_delivered(head) => Some(Markup::Mail),
        None => (head.starts_with(SERVER_PAGE) || holds_tag(head) || holds_wide_tag(head)).then_some(Markup::Html),
        headers => headers,
    }
}

/// What headers in `head` make of it: an archive, by a version and a content type behind it, or a mail.
fn of_headers(head: &[u8]) -> Option<Markup> {
    // What makes an archive may stand in the first line of all.
    let (mut version, mut from, mut of_mail) = (is_header(head, MIME_VERSION), false, false);
    let mut found = None;
    for at in memchr_iter(b'\n', head) {
        let line = &head[at + 1..];
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'm') if is_header(line, MIME_VERSION) => {
                version = true;
                found = if from { Some(Markup::Mail) } else { found };
            }
            Some(b'c') if is_header(line, CONTENT_TYPE) => match (version, of_mail) {
                (true, _) => return Some(Markup::Archive),
                (false, true) => found = Some(Markup::Mail),
                (false, false) => {}
            },
            Some(b'f' | b'm' | b'r') => {
                of_mail |= OF_MAILS.iter().any(|header| is_header(line, header));
                from |= is_header(line, FROM);
            }
            _ => {}
        }
    }
    found
}

fn is_header(line: &[u8], header: &[u8]) -> bool {
    let equal = |(byte, want): (&u8, &u8)| byte == want || want.is_ascii_uppercase() && byte.to_ascii_uppercase() == *want;
    line.len() >= header.len() && line.iter().zip(header).all(equal)
}

fn is_delivered(head: &[u8]) -> bool {
    memmem::find_iter(head, DELIVERED).any(|at| {
        let rest = &head[at + DELIVERED.len()..];
        memmem::find(&rest[..rest.len().min(DELIVERED_GAP_MAX + RECEIVED.len())], RECEIVED).is_some()
    })
}

/// Whether one of the tags that make a page stands in `text`. O(text).
pub(crate) fn holds_tag(text: &[u8]) -> bool {
    let mut link = None;
    for at in memchr_iter(b'<', text) {
        let rest = &text[at + 1..];
        if TAGS.iter().any(|tag| rest.starts_with(tag)) {
            return true;
        }
        if link.is_none() && (rest.starts_with(b"a ") || rest.starts_with(b"A ")) {
            link = Some(at + 3);
        }
    }
    link.is_some_and(|from| holds_href(&text[from..]))
}

/// Whether `href` stands in `text`, the last two letters in one case. A link makes a page however far behind `<a ` that is.
fn holds_href(text: &[u8]) -> bool {
    let follows =
        |at: usize| at >= 2 && text[at - 2].eq_ignore_ascii_case(&b'h') && text[at - 1].eq_ignore_ascii_case(&b'r');
    [b"ef", b"EF"].into_iter().any(|end| memmem::find_iter(text, end).any(follows))
}

/// Whether UTF-16 text, its low bytes first unless it is marked otherwise, holds one of the tags.
fn holds_wide_tag(head: &[u8]) -> bool {
    let high_first = || head.chunks_exact(2).filter(|unit| unit[0] == 0).map(|unit| unit[1]).collect::<Vec<u8>>();
    head.contains(&0) && (is_wide_page(head) || head.starts_with(b"\xfe\xff") && holds_tag(&high_first()))
}

/// Whether a page that begins with `head` is a page because it is read as UTF-16, the low bytes of units first.
pub(crate) fn is_wide_page(head: &[u8]) -> bool {
    head.contains(&0) && !holds_tag(head) && {
        let mut narrow = Vec::new();
        narrow_units(head, &mut narrow);
        narrow.retain(|byte| *byte != 0);
        holds_tag(&narrow)
    }
}

/// Adds a byte for each unit of `text`, which is what clamscan makes of it: the low byte of an ASCII character, else something of both.
pub(crate) fn narrow_units(text: &[u8], narrow: &mut Vec<u8>) {
    narrow.extend(text.chunks_exact(2).map(|unit| unit[0].wrapping_add(unit[1] << 4)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_make_a_page_in_some_cases_of_letters() {
        for page in
            ["x<html>", "<Html>", "<HEAD>", "<script src", "<IFRAME", "<table", "<a x>\0\0hRef", "<A HrEF", "<%@ LANGUAGE ="]
        {
            assert_eq!(of_head(page.as_bytes()), Some(Markup::Html), "{page}");
        }
        for text in [
            "<hTml>",
            "<html ",
            "<body>",
            "<Iframe",
            "<Table",
            "<a\nhref",
            "<a hrEf",
            "<ahref",
            "href <a ",
            " <%@ LANGUAGE =",
            "<",
        ] {
            assert_eq!(of_head(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn tags_in_utf_16_make_a_page() {
        let wide = |text: &str, swap: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        assert_eq!(of_head(&wide("漢 <html>", false)), Some(Markup::Html));
        assert_eq!(of_head(&wide("\u{feff}<html>", false)), Some(Markup::Html));
        assert_eq!(of_head(&wide("\u{feff}<html>", true)), Some(Markup::Html));
        assert_eq!(of_head(&wide("<html>", true)), None);
    }

    #[test]
    fn headers_make_a_mail() {
        let mail = |first: &str, second: &str| of_head(format!("Foo: x\r\n{first}abc\n{second}def\n\n<html>").as_bytes());
        assert_eq!(mail("from: ", "mImE-version: "), Some(Markup::Mail));
        assert_eq!(mail("Received: ", "content-type: "), Some(Markup::Mail));
        assert_eq!(mail("Delivered-To:", "Received:"), Some(Markup::Mail));
        assert_eq!(mail("Mime-Version: ", "Content-type: "), Some(Markup::Archive));
        for (first, second) in [("FROM: ", "MIME-Version: "), ("Content-Type: ", "From: "), ("From:", "Content-Type:")] {
            assert_eq!(mail(first, second), Some(Markup::Html), "{first}{second}");
        }
        assert_eq!(mail(&format!("Delivered-To:{}", "y".repeat(252)), "Received:"), Some(Markup::Mail));
        assert_eq!(mail(&format!("Delivered-To:{}", "y".repeat(253)), "Received:"), Some(Markup::Html));
        assert_eq!(of_head(b"MIME-Version: 1\nContent-Type: x"), Some(Markup::Archive));
        assert_eq!(of_head(b"from: 1\nContent-Type: x"), None);
    }
}
