//! Texts that a pattern matches, written down by choosing among its branches: the grammar of regular expressions, inverted.
//!
//! Each byte of the text is a set of bytes that the pattern allows there (`write`). Look-arounds narrow sets of what is beside them, and
//! back-references bind bytes to each other; what cannot be told byte by byte, such as a negated look-around, is tried: a text that the
//! [`Regex`] does not find is not given out.

mod choose;
mod write;

use super::parse::{self, Parsed};
use super::{Flags, Regex, RegexError};
use write::Writer;

/// Draws of texts for one turn before it is given up.
const DRAWS: u32 = 64;
/// Steps that finding a drawn text may take.
const STEPS: u64 = 4_000_000;
/// What stands around a text when it is tried, but for what the pattern itself asks for.
const AROUND: u8 = b'~';

/// A pattern to draw texts from.
///
/// ```
/// use engine::regex::{Flags, Specimens};
///
/// let specimens = Specimens::new(r"(?P<name>[a-z]{3})=(?!0)\d;(?P=name)\b", Flags::default()).unwrap();
/// let text = specimens.draw(0, &[]).unwrap().text;
/// let [name, again] = [&text[..3], &text[6..]];
/// assert!(name == again && text[3] == b'=' && text[4] != b'0');
/// ```
#[derive(Debug)]
pub struct Specimens {
    parsed: Parsed,
    regex: Regex,
}

/// A text that a pattern matches where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specimen {
    /// What must stand before the text, if anything can.
    pub before: Vec<u8>,
    /// The text. A match begins with it; a greedy one may go on behind it.
    pub text: Vec<u8>,
    /// What must stand behind the text.
    pub after: Vec<u8>,
    /// Whether it must stand where the search begins.
    pub at_start: bool,
    /// Whether nothing may stand behind it.
    pub at_end: bool,
    /// Places in the text by how many other bytes could stand there, those where fewest could first.
    pub telling: Vec<usize>,
}

impl Specimens {
    /// Parses and compiles a pattern.
    ///
    /// # Errors
    /// Those of [`Regex::new`].
    pub fn new(pattern: &str, flags: Flags) -> Result<Specimens, RegexError> {
        Ok(Specimens { parsed: parse::parse(pattern, flags)?, regex: Regex::new(pattern, flags)? })
    }

    /// A text for this turn: on turn 0 the first branches and the fewest repetitions that will do, on others one drawn at random, the same one each time. Bytes of `under`,
    /// which the text will be written over, stay where the pattern allows it.
    ///
    /// `None` when 64 draws brought none, as for a pattern that matches no bytes but only places, and for texts above 64 KiB. Each draw takes time linear in the text, and a search.
    pub fn draw(&self, turn: u32, under: &[u8]) -> Option<Specimen> {
        (0..DRAWS).find_map(|draw| self.drawn(turn, draw, under))
    }

    fn drawn(&self, turn: u32, draw: u32, under: &[u8]) -> Option<Specimen> {
        let mut writer = Writer::new(&self.parsed.names, turn.wrapping_mul(DRAWS).wrapping_add(draw));
        writer.write(&self.parsed.node).ok()?;
        let specimen = writer.finish(under)?;
        self.confirms(&specimen).then_some(specimen)
    }

    /// Whether the pattern matches at the text, with nothing around it but what it asks for and [`AROUND`].
    fn confirms(&self, specimen: &Specimen) -> bool {
        let around = |leave_out: bool| if leave_out { &[][..] } else { &[AROUND][..] };
        let before = [around(specimen.at_start), &specimen.before].concat();
        let subject = [&before, &specimen.text[..], &specimen.after, around(specimen.at_end)].concat();
        let mut steps = STEPS;
        matches!(self.regex.find_in(&subject, before.len(), true, &mut steps), Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests;
    use super::*;

    fn drawn(pattern: &str, turn: u32) -> Option<Specimen> {
        Specimens::new(pattern, Flags::default()).unwrap().draw(turn, &[])
    }

    fn least(pattern: &str) -> String {
        let Specimen { before, text, after, .. } = drawn(pattern, 0).unwrap_or_else(|| panic!("{pattern}"));
        [before, b"[".to_vec(), text, b"]".to_vec(), after].concat().escape_ascii().to_string()
    }

    #[test]
    fn the_least_of_what_a_pattern_allows() {
        for (pattern, text) in [
            ("abc", "[abc]"),
            ("a(b|c)?d+", "[ad]"),
            ("[0-9]{3}x*", "[000]"),
            ("(?:foo|bar){2}", "[foofoo]"),
            (r"(\w)(\d)\2\1", "[a00a]"),
            (r"(?i)(ab)\1", "[abab]"),
            (r"(?=a..d)[a-z]{4}", "[aaad]"),
            ("foo(?=bar)", "[foo]bar"),
            ("(?<=foo)bar", "foo[bar]"),
            (r"\bfoo\b", "~[foo]~"),
            (r"\Bfoo", "a[foo]"),
            (r"(?m)^foo$", r"\n[foo]\n"),
            ("(?>a|b)c++", "[ac]"),
            ("(a)?(?(1)b|c)", "[c]"),
            (r"a\Kb", "[ab]"),
        ] {
            assert_eq!(least(pattern), text, "{pattern}");
        }
    }

    #[test]
    fn what_only_a_trial_tells() {
        assert_ne!(drawn("(?!a)[a-z]x", 0).unwrap().text[0], b'a');
        let different = drawn(r"([a-c])(?!\1)[a-c]", 0).unwrap().text;
        assert_ne!(different[0], different[1]);
        assert!(drawn("a(?!b)b", 0).is_none());
        assert!(drawn("(?<!a)(?<=a)b", 0).is_none());
    }

    #[test]
    fn anchors_are_told() {
        let ends = |pattern| drawn(pattern, 0).map(|specimen| (specimen.at_start, specimen.at_end));
        assert_eq!(ends("^a"), Some((true, false)));
        assert_eq!(ends("a$"), Some((false, true)));
        assert_eq!(ends(r"\Aa\z"), Some((true, true)));
        assert_eq!(ends("a^b"), None);
        assert_eq!(ends("a$b"), None);
        let over = Specimens::new("^.{3}[xy]", Flags::default()).unwrap().draw(0, b"MZPy").unwrap();
        assert_eq!(over.text, b"MZPy");
    }

    #[test]
    fn places_of_few_choices_come_first() {
        assert_eq!(drawn("[a-z]b[cd]", 0).unwrap().telling, [1, 2, 0]);
    }

    /// Each pattern that PCRE2 was asked about, and found something for, has texts.
    #[test]
    fn patterns_of_every_kind_have_texts() {
        let (mut patterns, mut without) = (0, std::collections::BTreeSet::new());
        for (pattern, letters) in tests::patterns_with_matches() {
            let specimens = Specimens::new(&pattern, tests::flags(letters)).unwrap();
            patterns += 1;
            for turn in [0, 1, 7] {
                if specimens.draw(turn, &[]).is_none() {
                    without.insert(pattern.clone());
                }
            }
        }
        assert!(patterns > 100, "{patterns}");
        assert!(without.len() * 100 < patterns, "{} of {patterns}: {without:?}", without.len());
    }
}
