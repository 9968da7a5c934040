//! `fuzzy_img#hash[#distance]`: what a picture shows.

use crate::diagnostic::{Code, Fault, quote};

const PREFIX: &str = "fuzzy_img#";

/// Whether a subsignature is of this kind.
pub fn is_fuzzy_image(subsignature: &str) -> bool {
    subsignature.starts_with(PREFIX)
}

/// Parses a subsignature: what [`engine::image_hash()`] must say of the file. Takes time linear in the text.
///
/// # Errors
/// [`Code::ImageHashForm`], and [`Code::ImageHashDistance`] for a distance other than 0: clamscan refuses both.
pub fn parse(text: &str) -> Result<u64, Fault> {
    let invalid = |what: &str| Fault::new(Code::ImageHashForm, format!("the image hash {} {what}", quote(text)));
    let mut fields = text.strip_prefix(PREFIX).unwrap_or(text).split('#');
    let hash = fields.next().filter(|hash| hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let hash = hash.and_then(|hash| u64::from_str_radix(hash, 16).ok());
    let hash = hash.ok_or_else(|| invalid("is not 16 hex digits"))?;
    // What follows a second `#` means nothing, but that clamscan takes any text with these for a subsignature of another kind.
    if text.contains(['/', '(']) {
        return Err(invalid("has a `/` or a `(`"));
    }
    match fields.next().map(str::parse::<u32>) {
        None | Some(Ok(0)) => Ok(hash),
        Some(Err(_)) => Err(invalid("has a distance that is no number")),
        Some(Ok(distance)) => {
            let message = format!("the image hash {} allows a distance of {distance}; only 0 is allowed", quote(text));
            Err(Fault::new(Code::ImageHashDistance, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(rest: &str) -> Result<u64, Code> {
        let text = format!("fuzzy_img#{rest}");
        assert!(is_fuzzy_image(&text));
        parse(&text).map_err(|fault| fault.code)
    }

    /// What clamscan 1.4.6 made of each.
    #[test]
    fn as_clamscan() {
        let accepted = ["", "#0", "#00", "#+0", "#0#", "#0#0", "#0#x"];
        for rest in accepted {
            assert_eq!(parsed(&format!("9ba8a31e9939c595{rest}")), Ok(0x9ba8_a31e_9939_c595), "{rest}");
        }
        assert_eq!(parsed("9BA8A31E9939C595"), Ok(0x9ba8_a31e_9939_c595));
        let refused = ["#", "##", "#-0", "# 0", "#0x0", "#4294967296", "::i", " ", "0", "/x/", "#0(", "#0#/"];
        for rest in refused {
            assert_eq!(parsed(&format!("9ba8a31e9939c595{rest}")), Err(Code::ImageHashForm), "{rest}");
        }
        for hash in ["", "ba8a31e9939c595", "zba8a31e9939c595", "+ba8a31e9939c595", " ba8a31e9939c595", "éa8a31e9939c595"] {
            assert_eq!(parsed(hash), Err(Code::ImageHashForm), "{hash}");
        }
        assert_eq!(parsed("9ba8a31e9939c595#1"), Err(Code::ImageHashDistance));
        assert!(!is_fuzzy_image("FUZZY_IMG#9ba8a31e9939c595") && !is_fuzzy_image(" fuzzy_img#9ba8a31e9939c595"));
    }

    proptest! {
        #[test]
        fn every_hash_is_read_as_written(hash: u64) {
            prop_assert_eq!(parsed(&format!("{hash:016x}#0")), Ok(hash));
        }

        #[test]
        fn any_text_ends_in_a_hash_or_a_fault(text in "(fuzzy_img#)?[0-9a-f#/é]{14,20}") {
            if let Err(fault) = parse(&text) {
                prop_assert!([Code::ImageHashForm, Code::ImageHashDistance].contains(&fault.code));
            }
        }
    }
}
