//! What the compiler says about a line it refuses: where, a stable code, and a sentence.

use std::fmt;

/// One refused line, or a refused file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Name of the source, as it was given.
    pub file: String,
    /// Line number from 1; 0 for the whole file.
    pub line: u64,
    /// Why, for programs.
    pub code: Code,
    /// Why, for people: what was found and what is allowed.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.code, self.message)
    }
}

/// Why a line is refused, before it is known which line of which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub message: String,
}

impl Fault {
    /// A fault with its explanation.
    pub fn new(code: Code, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

/// `text` in backquotes, control characters escaped, cut after 40 characters.
pub(crate) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let cut: String = text.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{cut}{more}`")
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// Why a line is refused. The strings are stable: programs may compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of this list.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The stable string, in kebab case.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The file's extension names no kind of signature file.
    KindUnknown = "kind-unknown",
    /// The file is of a kind that is known and not supported.
    KindUnsupported = "kind-unsupported",
    /// The file is no container.
    ContainerHeader = "container-header",
    /// The digest that a container states is not that of its archive.
    ContainerDigest = "container-digest",
    /// A container bears no digital signature.
    ContainerUnsigned = "container-unsigned",
    /// The digital signature of a container is not one of what it holds.
    ContainerSignature = "container-signature",
    /// The archive in a container cannot be unpacked.
    ContainerArchive = "container-archive",
    /// A container asks for more than the limits allow.
    ContainerLimit = "container-limit",
    /// A member of a container is not what its list of members says.
    ContainerInfo = "container-info",
    /// The line is longer than 8,190 bytes.
    LineTooLong = "line-too-long",
    /// The line is not UTF-8.
    NotUtf8 = "not-utf8",
    /// Too few or too many fields.
    FieldCount = "field-count",
    /// The name is empty.
    NameEmpty = "name-empty",
    /// The name holds a control character.
    NameInvalid = "name-invalid",
    /// The functionality level that the signature asks for does not include ours.
    FlevelRange = "flevel-range",
    /// A functionality level is not a number.
    FlevelInvalid = "flevel-invalid",
    /// The target is a type of file that is not supported.
    TargetUnsupported = "target-unsupported",
    /// The target is not a number.
    TargetInvalid = "target-invalid",
    /// The description of a logical signature is not well formed.
    DescriptionInvalid = "description-invalid",
    /// The description has an attribute that nobody knows.
    AttributeUnknown = "attribute-unknown",
    /// The description has an attribute that is not supported.
    AttributeUnsupported = "attribute-unsupported",
    /// The description asks for icons to be compared.
    IconUnsupported = "icon-unsupported",
    /// A name of a type of files that is none.
    FileTypeInvalid = "file-type-invalid",
    /// The logical expression is not well formed.
    ExpressionInvalid = "expression-invalid",
    /// There are more or fewer subsignatures than the expression names.
    SubsignatureCount = "subsignature-count",
    /// A subsignature of a form that is not supported.
    SubsignatureUnsupported = "subsignature-unsupported",
    /// The offset counts from a place that files of the target do not have.
    OffsetTarget = "offset-target",
    /// The offset has no known form.
    OffsetInvalid = "offset-invalid",
    /// The offset is larger than any file that can be scanned by ClamAV.
    OffsetTooLarge = "offset-too-large",
    /// The offset is a macro.
    MacroUnsupported = "macro-unsupported",
    /// A character that is no hex digit.
    HexDigit = "hex-digit",
    /// Half a byte.
    HexOdd = "hex-odd",
    /// A gap that cannot be written so.
    GapInvalid = "gap-invalid",
    /// A gap with more bytes at least than at most.
    GapBounds = "gap-bounds",
    /// A gap longer than allowed.
    GapTooLarge = "gap-too-large",
    /// `[n-m]` that is not between one byte and a longer piece.
    GapSides = "gap-sides",
    /// `[n-m]` whose single byte stands where its distance to the rest is not defined.
    GapAmbiguous = "gap-ambiguous",
    /// Nothing between two gaps, or a gap first or last.
    PieceEmpty = "piece-empty",
    /// A piece without two neighbouring fixed bytes to search for.
    NoAnchor = "no-anchor",
    /// An alternative with an empty string.
    AlternativeEmpty = "alternative-empty",
    /// A `(` without its `)`.
    AlternativeOpen = "alternative-open",
    /// Something inside an alternative that cannot stand there.
    AlternativeInvalid = "alternative-invalid",
    /// An alternative that stands for too many bytes.
    AlternativeTooLarge = "alternative-too-large",
    /// Alternatives nested too deeply.
    NestingTooDeep = "nesting-too-deep",
    /// The strings of a negated alternative differ in length.
    NegatedLengths = "negated-lengths",
    /// A negated alternative with something other than plain strings.
    NegatedInvalid = "negated-invalid",
    /// A word or line boundary.
    BoundaryUnsupported = "boundary-unsupported",
    /// A letter that is no modifier of a subsignature.
    ModifierInvalid = "modifier-invalid",
    /// A trigger of a subsignature that names one after it, or is one of too many in a row.
    TriggerInvalid = "trigger-invalid",
    /// A PCRE subsignature that is not `trigger/pattern/flags`.
    PcreForm = "pcre-form",
    /// A flag that PCRE subsignatures do not have.
    PcreFlag = "pcre-flag",
    /// A byte comparison that is not `trigger(offset#options#comparisons)`, or that could never hold.
    ByteCompareForm = "byte-compare-form",
    /// An image hash that is not `fuzzy_img#` and 16 hex digits.
    ImageHashForm = "image-hash-form",
    /// An image hash with a distance other than 0.
    ImageHashDistance = "image-hash-distance",
    /// A regular expression that PCRE refuses too.
    RegexInvalid = "regex-invalid",
    /// A regular expression with something that PCRE has and this engine has not.
    RegexUnsupported = "regex-unsupported",
    /// More elements or bytes than a pattern can have.
    PatternTooLarge = "pattern-too-large",
    /// A digest whose length is that of no known algorithm.
    DigestLength = "digest-length",
    /// A size that is not a number from 1 to 4,294,967,294, or not a range.
    SizeInvalid = "size-invalid",
    /// A line of a list of members that is none of those it may hold.
    InfoInvalid = "info-invalid",
    /// A line that switches no part of clamscan on.
    CfgInvalid = "cfg-invalid",
    /// A rule for types of files that is not well formed.
    FtmInvalid = "ftm-invalid",
    /// A rule for types of files that says something else than the built-in ones.
    FtmUnsupported = "ftm-unsupported",
    /// A signature of a member of a container with a field that is not well formed.
    CdbInvalid = "cdb-invalid",
    /// A signature of a member of a container; containers are not opened.
    MemberUnsupported = "member-unsupported",
    /// Any size without the functionality level that allows it.
    SizeAnyNeedsLevel = "size-any-needs-level",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_in_kebab_case() {
        let strings: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(strings.len(), Code::ALL.len());
        let kebab = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        assert!(strings.iter().all(|text| kebab(text)));
    }

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quote("a\tb"), "`a\\tb`");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), 43);
    }
}
