//! Alternatives, expanded to plain lists of strings.

use engine::pattern::{Element, MaskedByte, Pattern};

use super::Parser;
use super::bytes::{Nibbles, nibble};
use super::gap::Braces;
use crate::diagnostic::{Code, Fault};

/// Most alternatives inside one another.
pub(super) const DEPTH_MAX: usize = 16;

impl Parser<'_> {
    pub(super) fn negated(&mut self) -> Result<Element, Fault> {
        if self.context.modified {
            return Err(
                self.fault(Code::NegatedInvalid, "a negated alternative cannot stand in a subsignature with modifiers")
            );
        }
        self.at += 1;
        if self.peek() != Some(b'(') {
            return Err(self.fault(Code::NegatedInvalid, "`!` stands before `(`"));
        }
        let start = self.at;
        let strings = self.alternative(1)?;
        let source = &self.text.as_bytes()[start + 1..self.at];
        if source.contains(&b'(') || strings.iter().flatten().any(|byte| !byte.is_fixed()) {
            return Err(self.fault(Code::NegatedInvalid, "a negated alternative holds plain strings only"));
        }
        Ok(Element::Alternatives { strings, negated: true })
    }

    /// The strings of the alternative that begins here.
    pub(super) fn alternative(&mut self, depth: usize) -> Result<Vec<Vec<MaskedByte>>, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(Code::NestingTooDeep, &format!("alternatives are nested more than {DEPTH_MAX} deep")));
        }
        let start = self.at;
        self.at += 1;
        if matches!(self.text.as_bytes().get(self.at..self.at + 2), Some([b'B' | b'L' | b'W', b')'])) {
            self.at = start;
            return Err(self.fault(Code::AlternativeInvalid, "a boundary cannot stand in an alternative"));
        }
        let mut strings = Vec::new();
        loop {
            let first = strings.is_empty();
            strings.append(&mut self.strings(start, depth)?);
            if first && strings.iter().all(Vec::is_empty) {
                return Err(self.fault(Code::AlternativeEmpty, "the first string of an alternative is empty"));
            }
            self.at += 1;
            if self.text.as_bytes()[self.at - 1] == b')' {
                keep_one_empty(&mut strings);
                return Ok(strings);
            }
        }
    }

    /// What one alternative stands for, up to its `|` or `)`: several strings when others are nested in it.
    fn strings(&mut self, open: usize, depth: usize) -> Result<Vec<Vec<MaskedByte>>, Fault> {
        let mut strings = vec![Vec::new()];
        let mut nibbles = Nibbles::new(self.context);
        loop {
            let Some(byte) = self.peek() else {
                self.at = open;
                return Err(self.fault(Code::AlternativeOpen, "a `(` without its `)`"));
            };
            if let Some(nibble) = nibble(byte) {
                nibbles.push(nibble);
                self.at += 1;
                continue;
            }
            match byte {
                b'|' | b')' => {
                    self.append(&mut strings, &[nibbles.take(self)?])?;
                    return Ok(strings);
                }
                b'(' => {
                    self.append(&mut strings, &[nibbles.take(self)?])?;
                    let nested = self.alternative(depth + 1)?;
                    self.append(&mut strings, &nested)?;
                }
                b'{' => match self.braces()? {
                    Braces::Inline(bytes) => nibbles.push_any(bytes),
                    Braces::Gap(_) => {
                        return Err(self.fault(Code::AlternativeInvalid, "a gap cannot stand in an alternative"));
                    }
                },
                b'*' | b'[' | b'!' => {
                    let what = format!("`{}` cannot stand in an alternative", char::from(byte));
                    return Err(self.fault(Code::AlternativeInvalid, &what));
                }
                _ => return Err(self.unexpected()),
            }
        }
    }

    /// Continues every string with every one of `tails`, within the room that is left.
    fn append(&mut self, strings: &mut Vec<Vec<MaskedByte>>, tails: &[Vec<MaskedByte>]) -> Result<(), Fault> {
        if let [tail] = tails
            && tail.is_empty()
        {
            return Ok(());
        }
        let len = |list: &[Vec<MaskedByte>]| list.iter().map(Vec::len).sum::<usize>();
        let (before, after) = (len(strings), len(strings) * tails.len() + len(tails) * strings.len());
        // Bytes that are replaced give their room back, at most twice over when nested.
        self.room = (self.room + before).checked_sub(after).ok_or_else(|| {
            let message = format!("the alternatives stand for more than {} bytes of strings", Pattern::LEN_MAX);
            Fault::new(Code::AlternativeTooLarge, message)
        })?;
        *strings = strings.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], tail].concat())).collect();
        Ok(())
    }
}

/// Drops empty strings but for one: they take no room, so without end they could be multiplied.
fn keep_one_empty(strings: &mut Vec<Vec<MaskedByte>>) {
    let mut kept = false;
    strings.retain(|string| !string.is_empty() || !std::mem::replace(&mut kept, true));
}
