//! Text to [`Node`]s: the grammar of PCRE2 10.42, without UTF.
//!
//! ```text
//! alternation = sequence { "|" sequence }
//! sequence    = { atom [ quantifier ] }
//! atom        = group | class | escape | "^" | "$" | "." | byte
//! ```
//!
//! One pass, one level of the stack for each group; options set by `(?i)` hold until their group ends, through its later branches.

mod class;
mod escape;
mod group;

use super::Flags;
use super::error::{RegexError, RegexErrorKind};
use super::node::{Assertion, Greed, Node, Reference};
use super::set::ByteSet;

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Groups, not counting the whole.
    pub(super) groups: u32,
    /// The numbers of the groups that [`Reference::Name`] stands for.
    pub(super) names: Vec<u32>,
}

pub(super) fn parse(pattern: &str, flags: Flags) -> Result<Parsed, RegexError> {
    let mut parser = Parser::new(pattern.as_bytes());
    let result = parser.whole(Options::new(flags)).and_then(|node| Ok((node, parser.names_resolved()?)));
    let (node, names) = result.map_err(|kind| RegexError { kind, at: parser.at })?;
    Ok(Parsed { node, groups: parser.groups, names })
}

type Kind = RegexErrorKind;
type Result<T, E = Kind> = std::result::Result<T, E>;

/// Options as they stand at one place of the pattern.
#[derive(Clone, Copy)]
struct Options {
    flags: Flags,
    /// `(?xx)`: blanks in classes are left out too.
    extended_more: bool,
    /// `(?n)`: plain parentheses capture nothing.
    no_capture: bool,
    /// `(?J)`
    duplicate_names: bool,
}

impl Options {
    fn new(flags: Flags) -> Options {
        Options { flags, extended_more: false, no_capture: false, duplicate_names: false }
    }
}

/// How often something is repeated; no most when there is no limit.
type Bounds = (u32, Option<u32>);

/// One item of a sequence.
enum Atom {
    Repeatable(Node),
    /// An anchor, after which no quantifier may stand.
    Once(Node),
    /// A group that only sets options.
    Options,
}

struct Parser<'p> {
    pattern: &'p [u8],
    at: usize,
    depth: usize,
    /// Look-arounds around this place.
    looks: usize,
    groups: u32,
    /// Between `\Q` and `\E`.
    quoting: bool,
    names: Vec<(&'p [u8], u32)>,
    /// Names that are referred to, with the place.
    wanted: Vec<(&'p [u8], usize)>,
    /// The largest number that is referred to, with the place.
    numbered: (u32, usize),
}

impl<'p> Parser<'p> {
    fn new(pattern: &'p [u8]) -> Parser<'p> {
        Parser {
            pattern,
            at: 0,
            depth: 0,
            looks: 0,
            groups: 0,
            quoting: false,
            names: Vec::new(),
            wanted: Vec::new(),
            numbered: (0, 0),
        }
    }

    fn whole(&mut self, mut options: Options) -> Result<Node> {
        if self.pattern.len() > super::PATTERN_BYTES_MAX {
            return Err(Kind::TooLong);
        }
        let node = self.alternation(&mut options)?;
        if self.peek().is_some() { Err(Kind::GroupClose) } else { Ok(node) }
    }

    fn names_resolved(&mut self) -> Result<Vec<u32>> {
        if self.numbered.0 > self.groups {
            self.at = self.numbered.1;
            return Err(Kind::GroupMissing);
        }
        let mut numbers = Vec::with_capacity(self.wanted.len());
        for (name, at) in &self.wanted {
            let Some((_, number)) = self.names.iter().find(|(known, _)| known == name) else {
                self.at = *at;
                return Err(Kind::GroupMissing);
            };
            numbers.push(*number);
        }
        Ok(numbers)
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn rest(&self) -> &'p [u8] {
        &self.pattern[self.at..]
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, text: &[u8]) -> bool {
        let eaten = self.rest().starts_with(text);
        self.at += if eaten { text.len() } else { 0 };
        eaten
    }

    /// What comes before `end`, which is passed over.
    fn until(&mut self, end: u8, otherwise: Kind) -> Result<&'p [u8]> {
        let rest = self.rest();
        let length = memchr::memchr(end, rest).ok_or(otherwise)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    /// Branches until a `)` or the end, neither of which is passed over.
    fn alternation(&mut self, options: &mut Options) -> Result<Node> {
        self.branches(options).map(Node::alternate)
    }

    fn branches(&mut self, options: &mut Options) -> Result<Vec<Node>> {
        let mut branches = vec![self.sequence(options)?];
        while self.eat(b"|") {
            branches.push(self.sequence(options)?);
        }
        Ok(branches)
    }

    fn sequence(&mut self, options: &mut Options) -> Result<Node> {
        let mut nodes = Vec::new();
        loop {
            self.skip_comments(*options)?;
            if self.peek().is_none() || !self.quoting && matches!(self.peek(), Some(b'|' | b')')) {
                return Ok(Node::concat(nodes));
            }
            let atom = self.atom(options)?;
            self.skip_comments(*options)?;
            match (atom, self.quantifier()?) {
                (Atom::Options, None) => {}
                (Atom::Once(node) | Atom::Repeatable(node), None) => nodes.push(node),
                (Atom::Repeatable(node), Some(bounds)) => nodes.push(self.repeated(node, bounds, *options)),
                (Atom::Options | Atom::Once(_), Some(_)) => return Err(Kind::RepeatNothing),
            }
        }
    }

    /// What stands for nothing: `\E`, comments, and blanks under `x`. Begins a quotation at `\Q`.
    fn skip_comments(&mut self, options: Options) -> Result<()> {
        loop {
            if self.quoting {
                if !self.eat(b"\\E") {
                    return Ok(());
                }
                self.quoting = false;
            } else if self.eat(b"\\Q") {
                self.quoting = true;
            } else if self.eat(b"(?#") {
                self.until(b')', Kind::GroupOpen)?;
            } else if self.eat(b"\\E") {
            } else if options.flags.extended && self.peek().is_some_and(|byte| ByteSet::space().has(byte)) {
                self.at += 1;
            } else if options.flags.extended && self.peek() == Some(b'#') {
                self.at += memchr::memchr(b'\n', self.rest()).map_or(self.rest().len(), |end| end + 1);
            } else {
                return Ok(());
            }
        }
    }

    fn atom(&mut self, options: &mut Options) -> Result<Atom> {
        let Some(byte) = self.next() else { return Ok(Atom::Options) };
        if self.quoting {
            return Ok(Atom::Repeatable(literal(byte, *options)));
        }
        let anchor = |assertion| Ok(Atom::Once(Node::Assert(assertion)));
        match byte {
            b'(' => self.group(options),
            b'[' => self.class(*options).map(|set| Atom::Repeatable(Node::Set(set))),
            b'\\' => self.escape(*options),
            b'^' if options.flags.multi_line => anchor(Assertion::LineStart),
            b'^' => anchor(Assertion::SubjectStart),
            b'$' if options.flags.multi_line => anchor(Assertion::LineEnd),
            b'$' if options.flags.dollar_end_only => anchor(Assertion::SubjectEnd),
            b'$' => anchor(Assertion::LastLineEnd),
            b'.' => Ok(Atom::Repeatable(Node::Set(dot(options.flags.dot_all)))),
            b'*' | b'+' | b'?' => Err(Kind::RepeatNothing),
            b'{' if self.bounds(self.at)?.is_some() => Err(Kind::RepeatNothing),
            _ => Ok(Atom::Repeatable(literal(byte, *options))),
        }
    }

    fn repeated(&mut self, node: Node, (min, max): Bounds, options: Options) -> Node {
        let greed = if self.eat(b"+") {
            Greed::Possessive
        } else if self.eat(b"?") != options.flags.ungreedy {
            Greed::Lazy
        } else {
            Greed::Greedy
        };
        Node::Repeat { node: Box::new(node), min, max, greed }
    }

    fn quantifier(&mut self) -> Result<Option<Bounds>> {
        if self.quoting {
            return Ok(None);
        }
        let bounds = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => {
                let Some((bounds, end)) = self.bounds(self.at + 1)? else { return Ok(None) };
                self.at = end;
                return Ok(Some(bounds));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(bounds))
    }

    /// `n}`, `n,}` or `n,m}` at `at`, with the place after it; anything else after a brace is text.
    fn bounds(&self, at: usize) -> Result<Option<(Bounds, usize)>> {
        let text = &self.pattern[at..];
        let Some(end) = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b',') else { return Ok(None) };
        let mut numbers = text[..end].split(|byte| *byte == b',');
        let (least, most, none) = (numbers.next().unwrap_or_default(), numbers.next(), numbers.next());
        if text[end] != b'}' || least.is_empty() || none.is_some() {
            return Ok(None);
        }
        let min = decimal(least).filter(|value| *value <= 65535).ok_or(Kind::RepeatTooLarge)?;
        let max = match most {
            None => Some(min),
            Some(b"") => None,
            Some(most) => Some(decimal(most).filter(|value| *value <= 65535).ok_or(Kind::RepeatTooLarge)?),
        };
        if max.is_some_and(|max| max < min) { Err(Kind::RepeatBounds) } else { Ok(Some(((min, max), at + end + 1))) }
    }

    fn refer_to_number(&mut self, number: u32) -> Reference {
        if number > self.numbered.0 {
            self.numbered = (number, self.at);
        }
        Reference::Number(number)
    }

    fn refer_to_name(&mut self, name: &'p [u8]) -> Result<Reference> {
        is_name(name).then_some(()).ok_or(Kind::GroupName)?;
        self.wanted.push((name, self.at));
        Ok(Reference::Name(self.wanted.len() - 1))
    }
}

fn literal(byte: u8, options: Options) -> Node {
    let set = ByteSet::of(byte);
    Node::Set(if options.flags.caseless { set.folded() } else { set })
}

fn dot(dot_all: bool) -> ByteSet {
    if dot_all { ByteSet::ALL } else { ByteSet::of(b'\n').not() }
}

/// A number of decimal digits; none when it is too large or has other characters.
fn decimal(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

fn is_name(name: &[u8]) -> bool {
    (1..=32).contains(&name.len()) && !name[0].is_ascii_digit() && name.iter().all(|byte| ByteSet::word().has(*byte))
}
