//! What an opening parenthesis begins.

use super::super::node::{Condition, Look, Reference};
use super::{Atom, Kind, Node, Options, Parser, Result, decimal, is_name};

impl<'p> Parser<'p> {
    /// A group whose `(` was passed over.
    pub(super) fn group(&mut self, options: &mut Options) -> Result<Atom> {
        self.depth += 1;
        if self.depth > super::super::NESTING_MAX {
            return Err(Kind::NestingTooDeep);
        }
        let node = self.kind_of_group(options);
        self.depth -= 1;
        node
    }

    fn kind_of_group(&mut self, options: &mut Options) -> Result<Atom> {
        if !self.eat(b"?") {
            return match self.peek() {
                Some(b'*') => Err(self.verb()),
                _ if options.no_capture => self.inside(*options).map(Atom::Repeatable),
                _ => self.capture(*options).map(Atom::Repeatable),
            };
        }
        let look = |ahead, negated| Look { ahead, negated };
        if self.eat(b":") {
            self.inside(*options).map(Atom::Repeatable)
        } else if self.eat(b">") {
            self.inside(*options).map(|node| Atom::Repeatable(Node::Atomic(Box::new(node))))
        } else if self.eat(b"|") {
            self.branch_reset(*options).map(Atom::Repeatable)
        } else if self.eat(b"=") {
            self.look(look(true, false), *options).map(Atom::Repeatable)
        } else if self.eat(b"!") {
            self.look(look(true, true), *options).map(Atom::Repeatable)
        } else if self.eat(b"<=") {
            self.look(look(false, false), *options).map(Atom::Repeatable)
        } else if self.eat(b"<!") {
            self.look(look(false, true), *options).map(Atom::Repeatable)
        } else if self.eat(b"P<") || self.eat(b"<") {
            self.named(b'>', *options).map(Atom::Repeatable)
        } else if self.eat(b"'") {
            self.named(b'\'', *options).map(Atom::Repeatable)
        } else if self.eat(b"P=") {
            let name = self.until(b')', Kind::GroupOpen)?;
            let group = self.refer_to_name(name)?;
            Ok(Atom::Repeatable(Node::Backreference { group, fold: options.flags.caseless }))
        } else if self.eat(b"(") {
            self.conditional(*options).map(Atom::Repeatable)
        } else {
            self.options_or_call(options)
        }
    }

    /// A group that begins with `(*`: a verb, or nothing.
    fn verb(&self) -> Kind {
        match self.rest().get(1) {
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b':' => Kind::Unsupported,
            _ => Kind::RepeatNothing,
        }
    }

    /// What stands before the `)`, which is passed over. Options set inside end there.
    fn inside(&mut self, options: Options) -> Result<Node> {
        self.branches_inside(options).map(Node::alternate)
    }

    fn branches_inside(&mut self, mut options: Options) -> Result<Vec<Node>> {
        let branches = self.branches(&mut options)?;
        if self.eat(b")") { Ok(branches) } else { Err(Kind::GroupOpen) }
    }

    fn capture(&mut self, options: Options) -> Result<Node> {
        self.groups += 1;
        let number = self.groups;
        Ok(Node::Capture(number, Box::new(self.inside(options)?)))
    }

    fn named(&mut self, end: u8, options: Options) -> Result<Node> {
        let name: &'p [u8] = self.until(end, Kind::GroupName)?;
        if !is_name(name) {
            return Err(Kind::GroupName);
        }
        let number = self.groups + 1;
        if self.names.iter().any(|(known, of)| *known == name && *of != number) {
            return Err(if options.duplicate_names { Kind::Unsupported } else { Kind::GroupNameTwice });
        }
        // Groups of two branches of `(?|` may share a number.
        if self.names.iter().any(|(known, of)| *known != name && *of == number) {
            return Err(Kind::GroupName);
        }
        self.names.push((name, number));
        self.capture(options)
    }

    /// `(?|`: every branch numbers its groups from the same one on.
    fn branch_reset(&mut self, mut options: Options) -> Result<Node> {
        let before = self.groups;
        let mut most = before;
        let mut branches = Vec::new();
        loop {
            self.groups = before;
            branches.push(self.sequence(&mut options)?);
            most = most.max(self.groups);
            if !self.eat(b"|") {
                break;
            }
        }
        self.groups = most;
        if self.eat(b")") { Ok(Node::Alternate(branches)) } else { Err(Kind::GroupOpen) }
    }

    fn look(&mut self, look: Look, options: Options) -> Result<Node> {
        self.looks += 1;
        let branches = self.branches_inside(options)?;
        self.looks -= 1;
        if !look.ahead {
            // Each branch is tried from where a match of its length would begin.
            let fixed = |branch: &Node| matches!(branch.lengths(), (least, Some(most)) if least == most && most <= 65535);
            if !branches.iter().all(fixed) {
                return Err(Kind::LookBehindLength);
            }
        }
        Ok(Node::Look(look, branches))
    }

    /// `(?(condition)then|otherwise)`; the `(?(` was passed over.
    fn conditional(&mut self, options: Options) -> Result<Node> {
        let condition = if self.peek() == Some(b'?') {
            match self.group(&mut options.clone())? {
                Atom::Repeatable(Node::Look(look, branches)) => Condition::Look(look, branches),
                _ => return Err(Kind::GroupKind),
            }
        } else {
            let text: &'p [u8] = self.until(b')', Kind::GroupOpen)?;
            Condition::Matched(self.condition(text)?)
        };
        let mut branches = self.branches_inside(options)?;
        let otherwise = if branches.len() > 1 { branches.remove(1) } else { Node::Empty };
        if branches.len() > 1 {
            return Err(Kind::ConditionBranches);
        }
        let then = branches.swap_remove(0);
        Ok(Node::Conditional { condition, then: Box::new(then), otherwise: Box::new(otherwise) })
    }

    fn condition(&mut self, text: &'p [u8]) -> Result<Reference> {
        if let Some(number) = decimal(text) {
            return if number == 0 { Err(Kind::GroupMissing) } else { Ok(self.refer_to_number(number)) };
        }
        let name = match text {
            [b'<', name @ .., b'>'] | [b'\'', name @ .., b'\''] => name,
            // Recursion, definitions, versions, and relative numbers.
            [b'R' | b'+' | b'-', ..] | b"DEFINE" => return Err(Kind::Unsupported),
            name if name.starts_with(b"VERSION") => return Err(Kind::Unsupported),
            name => name,
        };
        self.refer_to_name(name)
    }

    /// `(?i)`, `(?i-s:...)`, `(?^)`; and what calls a group or the caller, which is not supported.
    fn options_or_call(&mut self, options: &mut Options) -> Result<Atom> {
        let rest = self.rest();
        if matches!(rest.first(), Some(b'R' | b'C' | b'&' | b'0'..=b'9' | b'+')) || rest.starts_with(b"P>") {
            return Err(Kind::Unsupported);
        }
        if rest.first() == Some(&b'-') && rest.get(1).is_some_and(u8::is_ascii_digit) {
            return Err(Kind::Unsupported);
        }
        let mut changed = *options;
        let resets = self.eat(b"^");
        if resets {
            let flags = &mut changed.flags;
            (flags.caseless, flags.multi_line, flags.dot_all, flags.extended) = (false, false, false, false);
            (changed.extended_more, changed.no_capture) = (false, false);
        }
        let mut on = true;
        loop {
            let flags = &mut changed.flags;
            match self.next().ok_or(Kind::GroupOpen)? {
                b'i' => flags.caseless = on,
                b'm' => flags.multi_line = on,
                b's' => flags.dot_all = on,
                b'U' => flags.ungreedy = on,
                b'J' => changed.duplicate_names = on,
                b'n' => changed.no_capture = on,
                b'x' => {
                    flags.extended = on;
                    changed.extended_more = self.eat(b"x") && on;
                }
                b'-' if on && !resets => on = false,
                b')' => {
                    *options = changed;
                    return Ok(Atom::Options);
                }
                b':' => return self.inside(changed).map(Atom::Repeatable),
                _ => return Err(Kind::GroupKind),
            }
        }
    }
}
