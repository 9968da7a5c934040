//! What of a file is sent: all of it, a part, or nothing because the asker has it (RFC 9110, sections 13 and 14).
//!
//! Every file here has a strong entity tag made of its SHA-256, so whoever knows a blob's digest knows its tag: a terminal goes on with a
//! download after a restart without having kept anything but the bytes. Rejected: tags made of times and lengths, which differ between
//! copies of one file, and `Last-Modified`, which has only whole seconds.
//!
//! One range is served. A request for several gets the whole file, as section 14.2 allows: no reader here sends one, and answering in
//! parts is a known way to make a server work hard for a short request.

use crate::wire::Sha256Hex;
use axum::http::{HeaderMap, header};
use std::ops::Range;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Portion {
    /// 304: the asker's copy is this file.
    NotModified,
    /// 200.
    Whole,
    /// 206: these bytes, at least one, all within the file.
    Part(Range<u64>),
    /// 416: no byte of what was asked for is there.
    Unsatisfiable,
}

/// The entity tag of content with this digest, with its quotes.
pub(crate) fn tag_of(digest: &Sha256Hex) -> String {
    format!("\"{digest}\"")
}

/// Decides by the conditions in `headers` what of a file of `length` bytes with entity tag `tag` is sent.
///
/// Malformed conditions and ranges are passed over, as the RFC has it: the answer is then the whole file.
pub(crate) fn portion(headers: &HeaderMap, tag: &str, length: u64) -> Portion {
    if none_match(headers, tag) {
        return Portion::NotModified;
    }
    // The parser takes the first byte of an empty file to be there.
    let Some(range) = one(headers, header::RANGE).filter(|_| length > 0) else { return Portion::Whole };
    // Without `If-Range` the part is of whatever is here now; with it, of that very file or there is no part.
    if headers.contains_key(header::IF_RANGE) && one(headers, header::IF_RANGE) != Some(tag) {
        return Portion::Whole;
    }
    let Ok(parsed) = http_range_header::parse_range_header(range) else { return Portion::Whole };
    match parsed.validate(length).as_deref() {
        Ok([range]) => Portion::Part(*range.start()..*range.end() + 1),
        Ok(_) => Portion::Whole,
        Err(_) if range.contains(',') => Portion::Whole,
        Err(_) => Portion::Unsatisfiable,
    }
}

/// Whether `If-None-Match` names the tag. It compares weakly: a cache may have marked its copy as weak.
pub(crate) fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // No tag of ours has a comma in it, so one that is split is none of ours.
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

/// A header that is there once.
fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG: &str = "\"abc\"";

    fn answer(headers: &[(&'static str, &str)], length: u64) -> Portion {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        portion(&map, TAG, length)
    }

    #[test]
    fn ranges() {
        for (range, length, expected) in [
            ("bytes=0-", 10, Portion::Part(0..10)),
            ("bytes=3-", 10, Portion::Part(3..10)),
            ("bytes=3-4", 10, Portion::Part(3..5)),
            ("bytes=3-99", 10, Portion::Part(3..10)),
            ("bytes=-4", 10, Portion::Part(6..10)),
            ("bytes=9-9", 10, Portion::Part(9..10)),
            ("bytes=10-", 10, Portion::Unsatisfiable),
            ("bytes=0-", 0, Portion::Whole),
            ("bytes=0-1,4-5", 10, Portion::Whole),
            ("bytes=0-1,40-50", 10, Portion::Whole),
            ("bytes=5-3", 10, Portion::Whole),
            ("bytes=", 10, Portion::Whole),
            ("bytes=-", 10, Portion::Whole),
            ("lines=0-", 10, Portion::Whole),
            ("bytes=99999999999999999999-", 10, Portion::Whole),
        ] {
            let found = answer(&[("range", range)], length);
            // A range that cannot be read at all may be refused or passed over; it must not be served.
            let malformed = expected == Portion::Whole && found == Portion::Unsatisfiable;
            assert!(found == expected || malformed, "{range}: {found:?}");
        }
    }

    #[test]
    fn a_part_is_sent_only_of_the_file_that_was_meant() {
        let range = ("range", "bytes=3-");
        assert_eq!(answer(&[range, ("if-range", TAG)], 10), Portion::Part(3..10));
        for other in ["\"abd\"", "W/\"abc\"", "Sun, 06 Nov 1994 08:49:37 GMT", "*", ""] {
            assert_eq!(answer(&[range, ("if-range", other)], 10), Portion::Whole, "{other}");
        }
        assert_eq!(answer(&[range, ("if-range", TAG), ("if-range", TAG)], 10), Portion::Whole);
        assert_eq!(answer(&[range, range], 10), Portion::Whole);
    }

    #[test]
    fn what_the_asker_has_is_not_sent() {
        for list in [TAG, "*", "W/\"abc\"", "\"x\", \"abc\"", "\"x\",W/\"abc\" "] {
            assert_eq!(answer(&[("if-none-match", list), ("range", "bytes=3-")], 10), Portion::NotModified, "{list}");
        }
        assert_eq!(answer(&[("if-none-match", "\"x\""), ("if-none-match", TAG)], 10), Portion::NotModified);
        for list in ["\"x\"", "abc", "\"abc", "", "\"ab\",\"c\""] {
            assert_eq!(answer(&[("if-none-match", list)], 10), Portion::Whole, "{list}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "bytes=[0-9,-]{0,24}", length in 0_u64..1000) {
            if let Portion::Part(part) = answer(&[("range", &range)], length) {
                prop_assert!(part.start < part.end && part.end <= length);
            }
        }
    }
}
