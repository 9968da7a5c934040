//! Regular expressions over bytes, with the meaning that PCRE gives them without UTF.
//!
//! What signatures ask for: Perl's syntax with look-around, back-references by number and by name, atomic groups and possessive
//! repetitions, conditional groups, `\K`; letters, digits and blanks are those of ASCII, bytes above 127 have no case. Of several ways to
//! match, the one that Perl would try first is the match, wherever in the subject the first one begins.
//!
//! A pattern is parsed once to a tree. From that, an automaton is made that finds at least what the pattern finds, in linear time
//! (`linear`); if it finds exactly that, as for two thirds of the patterns in real signatures, it is all there is to it. Otherwise it
//! tells cheaply where there is nothing, and `backtrack` looks at the rest, within the caller's steps.
//!
//! Both are the meaning of one tree, and `tests` compares them with each other and with the findings of PCRE2.
//!
//! **Rejected:** crate `fancy-regex` for what automata cannot tell. Its search over bytes compares back-references by UTF-8 characters
//! (`(?i)(k\xe9)\1` misses `k\xe9K\xe9`), its limit is fixed when a pattern is compiled, counts over all places of the subject, and does not count bytes
//! that its inner automata read, so it bounds no time: `(\w+)x\1` is given up on 10 KB of one letter. Its language is that of Oniguruma, which
//! would have to be told apart from PCRE's by a parser such as this one.

mod backtrack;
mod error;
mod linear;
mod node;
mod parse;
mod program;
mod search;
mod set;
mod specimen;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use error::{Exceeded, RegexError, RegexErrorKind};
pub use search::{Extent, Matches, Ways};
pub use specimen::{Specimen, Specimens};

use backtrack::Matcher;
use linear::Linear;
use program::Program;

/// Groups within groups, as in PCRE2.
pub const NESTING_MAX: usize = 250;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 1 << 16;
/// Bytes of places to come back to, in one search.
pub const MEMORY_BYTES_MAX: usize = 1 << 24;

/// Options that hold from the beginning of a pattern. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// `i`: ASCII letters match in either case.
    pub caseless: bool,
    /// `s`: the dot matches line feeds too.
    pub dot_all: bool,
    /// `m`: `^` and `$` match at line feeds too.
    pub multi_line: bool,
    /// `x`: blanks and comments in the pattern mean nothing.
    pub extended: bool,
    /// `A`: a match begins where the search begins.
    pub anchored: bool,
    /// `E`: `$` does not match before a line feed that ends the subject.
    pub dollar_end_only: bool,
    /// `U`: repetitions are lazy, and greedy with a question mark.
    pub ungreedy: bool,
}

impl Flags {
    /// The flags as bits, in the order of the fields; bit 7 is zero.
    pub fn bits(self) -> u8 {
        let Flags { caseless, dot_all, multi_line, extended, anchored, dollar_end_only, ungreedy } = self;
        let all = [caseless, dot_all, multi_line, extended, anchored, dollar_end_only, ungreedy];
        (0..).zip(all).fold(0, |bits, (place, set)| bits | u8::from(set) << place)
    }

    /// The flags of these bits; `None` when bit 7 is set.
    pub fn from_bits(bits: u8) -> Option<Flags> {
        let is = |place: u8| bits >> place & 1 == 1;
        (!is(7)).then(|| Flags {
            caseless: is(0),
            dot_all: is(1),
            multi_line: is(2),
            extended: is(3),
            anchored: is(4),
            dollar_end_only: is(5),
            ungreedy: is(6),
        })
    }
}

/// A compiled pattern: immutable, shared by threads.
///
/// ```
/// use engine::regex::{Flags, Regex};
///
/// let regex = Regex::new(r"(?P<name>\w+)=\d+;.*?(?P=name)\+\+", Flags { dot_all: true, ..Flags::default() }).unwrap();
/// let mut steps = 10_000;
/// assert_eq!(regex.find(b"let i=0;\ndo(j,i++)", 0, &mut steps), Ok(Some(4..17)));
/// assert!(steps > 9_000);
/// ```
pub struct Regex {
    linear: Option<Linear>,
    program: Program,
    anchored: bool,
}

impl Regex {
    /// Compiles a pattern, its bytes as they are: in a character above 127 each byte of its UTF-8 form stands for itself.
    ///
    /// Time and memory are linear in the pattern, up to 256 KiB for each of two automata; a pattern that would need more
    /// (`[a-z]{50000}`) has none. 0.06 ms in the middle of 1,010 patterns of real signatures, 8 ms at most, so callers compile what a scan
    /// asks for, once.
    ///
    /// # Errors
    /// [`RegexError`] for what PCRE2 refuses too, and for the few things that this engine has not: recursion, calls,
    /// callouts, verbs, Unicode properties, `\X`, groups that share a name.
    pub fn new(pattern: &str, flags: Flags) -> Result<Regex, RegexError> {
        let parsed = parse::parse(pattern, flags)?;
        Ok(Regex { linear: Linear::new(&parsed.node), program: program::compile(&parsed), anchored: flags.anchored })
    }

    /// Whether [`Regex::new`] takes a pattern; some microseconds.
    ///
    /// # Errors
    /// Those of [`Regex::new`].
    pub fn check(pattern: &str, flags: Flags) -> Result<(), RegexError> {
        parse::parse(pattern, flags).map(drop)
    }

    /// Whether an automaton alone finds its matches, in time linear in the subject.
    pub fn is_linear(&self) -> bool {
        self.linear.as_ref().is_some_and(|linear| linear.exact)
    }

    /// The first match in `subject` that begins at `from` or later; none when `from` is behind the subject. Look-behinds and `\b` see
    /// what is before `from`; `^` matches at 0 only.
    ///
    /// Takes away from `steps` what it took: one for 16 bytes that an automaton reads, or for an instruction of the backtracking
    /// matcher; 10^8 are about half a second. Allocates up to [`MEMORY_BYTES_MAX`], and 2 MiB for the automata, which are kept for later searches.
    ///
    /// # Errors
    /// [`Exceeded`] when `steps` or memory are used up before it is known whether there is a match.
    pub fn find(&self, subject: &[u8], from: usize, steps: &mut u64) -> Result<Option<Range<usize>>, Exceeded> {
        self.find_in(subject, from, false, steps)
    }

    /// As [`Regex::find`]; with `anchored`, a match begins at `from`.
    fn find_in(
        &self,
        subject: &[u8],
        from: usize,
        anchored: bool,
        steps: &mut u64,
    ) -> Result<Option<Range<usize>>, Exceeded> {
        if from > subject.len() {
            return Ok(None);
        }
        let anchored = anchored || self.anchored;
        let mut matcher = Matcher::new(&self.program, subject, from, steps);
        let mut start = from;
        if let Some(linear) = &self.linear {
            matcher.spend(subject.len() - from)?;
            match linear.find(subject, from, anchored) {
                Ok(None) => return Ok(None),
                Ok(Some((found, end))) if linear.exact => return Ok(Some(found..end)),
                Ok(Some((found, _))) => start = found,
                Err(_) => {}
            }
        }
        loop {
            if !anchored {
                let Some(next) = self.candidate(subject, start) else { return Ok(None) };
                matcher.spend(next - start)?;
                start = next;
            }
            if let Some((start, end)) = matcher.match_at(start)? {
                return Ok(Some(start..end));
            }
            if anchored || start == subject.len() {
                return Ok(None);
            }
            start += 1;
        }
    }

    /// The next place where a match may begin by its first byte.
    fn candidate(&self, subject: &[u8], start: usize) -> Option<usize> {
        let Some(first) = &self.program.first else { return Some(start) };
        if let Some(byte) = first.single() {
            return memchr::memchr(byte, &subject[start..]).map(|length| start + length);
        }
        subject[start..].iter().position(|byte| first.has(*byte)).map(|length| start + length)
    }
}

impl std::fmt::Debug for Regex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Regex").field("is_linear", &self.is_linear()).field("program", &self.program).finish_non_exhaustive()
    }
}
