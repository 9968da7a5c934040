//! `[offset:]trigger/pattern/flags`: a regular expression as a subsignature of a logical signature.
//!
//! The expression is looked for when its trigger holds, an expression over the subsignatures before it. Between the first and the
//! last slash is the pattern; slashes in it need no backslash and may have one.

use engine::pattern::Offset;
use engine::regex::{Flags, Regex, RegexError, RegexErrorKind};

use super::offset;
use crate::diagnostic::{Code, Fault, quote};
use crate::record::Target;

/// A PCRE subsignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pcre<'t> {
    /// Where a match may begin.
    pub offset: Offset,
    /// When it is searched for, as it stands: a logical expression over the subsignatures before this one. Not empty.
    pub trigger: &'t str,
    /// The expression, which [`Regex::new`] takes with `flags`.
    pub pattern: &'t str,
    /// Options of the expression: `i`, `s`, `m`, `x`, `A`, `E`, `U`.
    pub flags: Flags,
    /// `g`: all matches count, not only the first.
    pub global: bool,
    /// `r`: an offset without a shift is the first where a match may begin, not the only one.
    pub rolling: bool,
    /// `e`: a match must end at most so many bytes after the offset as the shift says.
    pub encompass: bool,
}

/// Whether a subsignature is of this kind: none of the others holds a slash.
pub fn is_pcre(subsignature: &str) -> bool {
    subsignature.contains('/')
}

/// Parses a subsignature of a signature for files of `target`. Takes time linear in the text.
///
/// # Errors
/// [`Code::PcreForm`], [`Code::PcreFlag`], [`Code::RegexInvalid`] and [`Code::RegexUnsupported`], and those of offsets.
pub fn parse(text: &str, target: Target) -> Result<Pcre<'_>, Fault> {
    let form = |what: &str| Fault::new(Code::PcreForm, format!("the PCRE subsignature {} {what}", quote(text)));
    let (place, rest) = text.split_once('/').ok_or_else(|| form("has no slash"))?;
    let (pattern, letters) = rest.rsplit_once('/').ok_or_else(|| form("has only one slash"))?;
    let (offset, trigger) = match place.split_once(':') {
        Some((offset, trigger)) => (offset::parse(offset, target)?, trigger),
        None => (Offset::Any, place),
    };
    if trigger.is_empty() {
        return Err(form("has no trigger"));
    }
    if trigger.contains(':') {
        return Err(form("has more than one offset"));
    }
    if pattern.is_empty() {
        return Err(form("has an empty pattern"));
    }
    let mut pcre =
        Pcre { offset, trigger, pattern, flags: Flags::default(), global: false, rolling: false, encompass: false };
    // Modifiers of body subsignatures may follow, and mean nothing here.
    let letters = letters.split_once("::").map_or(letters, |(letters, _)| letters);
    for letter in letters.chars() {
        pcre.set(letter)?;
    }
    Regex::check(pattern, pcre.flags).map_err(|error| fault_of(pattern, &error))?;
    Ok(pcre)
}

/// Why a regular expression is refused.
pub(super) fn fault_of(pattern: &str, error: &RegexError) -> Fault {
    let unsupported = error.kind == RegexErrorKind::Unsupported;
    let code = if unsupported { Code::RegexUnsupported } else { Code::RegexInvalid };
    Fault::new(code, format!("in the regular expression {}: {error}", quote(pattern)))
}

impl Pcre<'_> {
    fn set(&mut self, letter: char) -> Result<(), Fault> {
        let flag = match letter {
            'i' => &mut self.flags.caseless,
            's' => &mut self.flags.dot_all,
            'm' => &mut self.flags.multi_line,
            'x' => &mut self.flags.extended,
            'A' => &mut self.flags.anchored,
            'E' => &mut self.flags.dollar_end_only,
            'U' => &mut self.flags.ungreedy,
            'g' => &mut self.global,
            'r' => &mut self.rolling,
            'e' => &mut self.encompass,
            other => {
                let message =
                    format!("{} is no flag of a PCRE subsignature; those are `ismxAEUgre`", quote(&other.to_string()));
                return Err(Fault::new(Code::PcreFlag, message));
            }
        };
        *flag = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::FileKind;
    use proptest::prelude::*;

    fn code(text: &str) -> Code {
        parse(text, Target::Any).unwrap_err().code
    }

    #[test]
    fn parts() {
        let text = "3,4:(0&1)>2/a\\/b/c::d/sUgre";
        let pcre = parse(text, Target::Any).unwrap();
        assert_eq!(pcre.offset, Offset::Start { from: 3, shift: 4 });
        assert_eq!((pcre.trigger, pcre.pattern), ("(0&1)>2", "a\\/b/c::d"));
        assert_eq!(pcre.flags, Flags { dot_all: true, ungreedy: true, ..Flags::default() });
        assert!(pcre.global && pcre.rolling && pcre.encompass);
        let plain = parse("0/foo/", Target::Any).unwrap();
        assert_eq!((plain.offset, plain.flags), (Offset::Any, Flags::default()));
        assert!(!plain.global && !plain.rolling && !plain.encompass);
    }

    #[test]
    fn what_clamscan_accepts() {
        for text in
            ["0/a/b/i", "0///", "0////", "0/\\//", "0/a\\/i/s", " 0 /a/", "0/[/]/", "0/a/ii", "0/a/imsxAEUgre", "0/ü/"]
        {
            assert!(parse(text, Target::Any).is_ok(), "{text}");
        }
        for text in ["0/a/::i", "0/a/i::w", "*:0/a/", ":0/a/", "EOF-3,2:0/a/e", "3,:0/a/", "0/a:b/"] {
            assert!(parse(text, Target::Any).is_ok(), "{text}");
        }
        for text in ["EP+0:0/a/", "S0+0:0/a/", "SE0:0/a/", "SL+1:0/a/"] {
            assert!(parse(text, Target::Kind(FileKind::Pe)).is_ok(), "{text}");
            assert_eq!(code(text), Code::OffsetTarget, "{text}");
        }
    }

    #[test]
    fn what_clamscan_refuses() {
        for text in ["", "/", "//", "///", "/a/", "0/a", "0//", "0//i", "3:/a/", "3:4:0/a/"] {
            assert_eq!(code(text), Code::PcreForm, "{text}");
        }
        for text in ["0/a/q", "0/a/G", "0/a/ g", "0/a/\t", "0/a/R"] {
            assert_eq!(code(text), Code::PcreFlag, "{text}");
        }
        for text in [
            "0/(a/",
            "0/a\\/",
            "0/a{2,1}/",
            "0/[[:a:]]/",
            "0/\\u1234/",
            "0/\\x{100}/",
            "0/\\8/",
            "0/(?<=a+)b/",
            "0/a{65536}/",
        ] {
            assert_eq!(code(text), Code::RegexInvalid, "{text}");
        }
        for text in ["abc:0/a/", "*,3:0/a/", "-3:0/a/", "{3-5}:0/a/"] {
            assert_eq!(code(text), Code::OffsetInvalid, "{text}");
        }
        assert_eq!(code("$1:0/a/"), Code::MacroUnsupported);
    }

    #[test]
    fn what_clamscan_accepts_and_is_refused_here() {
        for text in ["0/\\p{L}/", "0/(?R)/", "0/(*UTF)a/", "0/(?J)(?<a>x)(?<a>y)/"] {
            assert_eq!(code(text), Code::RegexUnsupported, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_subsignature_or_a_fault(text in "[0-9EOFPS+,*:&|$]{0,9}/[a-c()?*+\\\\\\[\\]/{}0-9:.]{0,40}/?[a-zA-Z:]{0,4}") {
            if let Ok(pcre) = parse(&text, Target::Any) {
                prop_assert!(Regex::new(pcre.pattern, pcre.flags).is_ok());
                prop_assert!(text.contains(pcre.trigger) && !pcre.trigger.is_empty());
            }
        }
    }
}
