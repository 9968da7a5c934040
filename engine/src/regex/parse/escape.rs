//! What a backslash begins, outside of classes and in them.

use super::{Assertion, Atom, ByteSet, Kind, Node, Options, Parser, Result, decimal, literal};

impl<'p> Parser<'p> {
    /// What an escape outside of a class stands for. The backslash was passed over.
    pub(super) fn escape(&mut self, options: Options) -> Result<Atom> {
        let letter = self.next().ok_or(Kind::Escape)?;
        if let Some(set) = Self::set_of(letter) {
            return Ok(Atom::Repeatable(Node::Set(set)));
        }
        let anchor = |assertion| Ok(Atom::Once(Node::Assert(assertion)));
        match letter {
            b'A' => anchor(Assertion::SubjectStart),
            b'z' => anchor(Assertion::SubjectEnd),
            b'Z' => anchor(Assertion::LastLineEnd),
            b'b' => anchor(Assertion::Word),
            b'B' => anchor(Assertion::NotWord),
            b'G' => anchor(Assertion::SearchStart),
            b'K' if self.looks > 0 => Err(Kind::KeepInLook),
            b'K' => Ok(Atom::Once(Node::Keep)),
            b'C' => Ok(Atom::Repeatable(Node::Set(ByteSet::ALL))),
            b'N' if self.peek() == Some(b'{') && self.rest().get(1) == Some(&b'U') => Err(Kind::Escape),
            b'N' => Ok(Atom::Repeatable(Node::Set(ByteSet::of(b'\n').not()))),
            b'R' => Ok(Atom::Repeatable(newline_sequence())),
            b'p' | b'P' | b'X' => Err(Kind::Unsupported),
            b'1'..=b'9' => self.number(letter, options),
            b'0' => {
                self.at -= 1;
                Ok(Atom::Repeatable(literal(self.octal(3)?, options)))
            }
            b'g' => self.g_reference(options).map(Atom::Repeatable),
            b'k' => self.k_reference(options).map(Atom::Repeatable),
            _ => match self.character(letter)? {
                Some(byte) => Ok(Atom::Repeatable(literal(byte, options))),
                None => Err(Kind::Escape),
            },
        }
    }

    /// The sets that letters stand for, in classes as outside of them.
    pub(super) fn set_of(letter: u8) -> Option<ByteSet> {
        Some(match letter {
            b'd' => ByteSet::digits(),
            b'D' => ByteSet::digits().not(),
            b'w' => ByteSet::word(),
            b'W' => ByteSet::word().not(),
            b's' => ByteSet::space(),
            b'S' => ByteSet::space().not(),
            b'h' => ByteSet::horizontal(),
            b'H' => ByteSet::horizontal().not(),
            b'v' => ByteSet::vertical(),
            b'V' => ByteSet::vertical().not(),
            _ => return None,
        })
    }

    /// The byte that an escape stands for; none when it stands for no byte.
    pub(super) fn character(&mut self, letter: u8) -> Result<Option<u8>> {
        Ok(Some(match letter {
            b'a' => 7,
            b'e' => 27,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => self.hexadecimal()?,
            b'o' => {
                let digits = if self.eat(b"{") { self.until(b'}', Kind::Escape)? } else { return Err(Kind::Escape) };
                braced(digits, 8)?
            }
            b'c' => match self.next() {
                Some(printable @ 32..=126) => printable.to_ascii_uppercase() ^ 64,
                _ => return Err(Kind::Escape),
            },
            _ if letter.is_ascii_alphanumeric() => return Ok(None),
            other => other,
        }))
    }

    /// `\x` with up to two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Result<u8> {
        if self.eat(b"{") {
            let digits = self.until(b'}', Kind::Escape)?;
            return braced(digits, 16);
        }
        let mut value = 0;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else { break };
            value = value * 16 + digit as u8;
            self.at += 1;
        }
        Ok(value)
    }

    /// Up to `most` octal digits.
    pub(super) fn octal(&mut self, most: usize) -> Result<u8> {
        let mut value = 0u32;
        for _ in 0..most {
            let Some(digit @ b'0'..=b'7') = self.peek() else { break };
            value = value * 8 + u32::from(digit - b'0');
            self.at += 1;
        }
        u8::try_from(value).map_err(|_| Kind::CharacterTooLarge)
    }

    /// `\12` is a group if there are twelve so far, else octal; one digit, and what begins with 8 or 9, is always a group.
    fn number(&mut self, first: u8, options: Options) -> Result<Atom> {
        let start = self.at - 1;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let number = decimal(&self.pattern[start..self.at]).unwrap_or(u32::MAX);
        if number < 10 || first >= b'8' || number <= self.groups {
            let group = self.refer_to_number(number);
            return Ok(Atom::Repeatable(Node::Backreference { group, fold: options.flags.caseless }));
        }
        self.at = start;
        Ok(Atom::Repeatable(literal(self.octal(3)?, options)))
    }

    /// `\g1`, `\g{1}`, `\g{-1}`, `\g{name}`; `\g<...>` and `\g'...'` are calls.
    fn g_reference(&mut self, options: Options) -> Result<Node> {
        if matches!(self.peek(), Some(b'<' | b'\'')) {
            return Err(Kind::Unsupported);
        }
        let text = if self.eat(b"{") {
            self.until(b'}', Kind::GroupName)?
        } else {
            let rest = self.rest();
            let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
            let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            self.at += sign + digits;
            &rest[..sign + digits]
        };
        let group = match text {
            [b'-', back @ ..] => {
                let back = decimal(back).filter(|back| (1..=self.groups).contains(back)).ok_or(Kind::GroupMissing)?;
                self.refer_to_number(self.groups - back + 1)
            }
            [b'+', on @ ..] => {
                let on = decimal(on).filter(|on| *on > 0).ok_or(Kind::GroupMissing)?;
                self.refer_to_number(self.groups.saturating_add(on))
            }
            [b'0'..=b'9', ..] => {
                let number = decimal(text).filter(|number| *number > 0).ok_or(Kind::GroupMissing)?;
                self.refer_to_number(number)
            }
            name => self.refer_to_name(name)?,
        };
        Ok(Node::Backreference { group, fold: options.flags.caseless })
    }

    fn k_reference(&mut self, options: Options) -> Result<Node> {
        let end = match self.next() {
            Some(b'{') => b'}',
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            _ => return Err(Kind::GroupName),
        };
        let name: &'p [u8] = self.until(end, Kind::GroupName)?;
        Ok(Node::Backreference { group: self.refer_to_name(name)?, fold: options.flags.caseless })
    }
}

/// The digits of `\x{...}` and `\o{...}`.
fn braced(digits: &[u8], radix: u32) -> Result<u8> {
    if digits.is_empty() {
        return Err(Kind::Escape);
    }
    digits.iter().try_fold(0u8, |value, digit| {
        let digit = char::from(*digit).to_digit(radix).ok_or(Kind::Escape)?;
        u8::try_from(u32::from(value) * radix + digit).map_err(|_| Kind::CharacterTooLarge)
    })
}

/// `\R`: once it took a carriage return with its line feed, it does not give the line feed back.
fn newline_sequence() -> Node {
    let pair = Node::Concat(vec![Node::Set(ByteSet::of(b'\r')), Node::Set(ByteSet::of(b'\n'))]);
    Node::Atomic(Box::new(Node::Alternate(vec![pair, Node::Set(ByteSet::vertical())])))
}
