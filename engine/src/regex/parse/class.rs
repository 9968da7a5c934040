//! `[...]`

use super::{ByteSet, Kind, Options, Parser, Result};

/// What may stand at one end of a range, and what may not.
enum Item {
    Byte(u8),
    Set(ByteSet),
}

impl Parser<'_> {
    /// The set of a class whose `[` was passed over.
    pub(super) fn class(&mut self, options: Options) -> Result<ByteSet> {
        self.refuse_posix_outside()?;
        let negated = self.eat(b"^");
        let mut set = ByteSet::default();
        let mut first = true;
        while let Some(item) = self.class_item(options, first)? {
            first = false;
            let ranged = self.starts_range(options);
            set = match item {
                Item::Set(_) if ranged => return Err(Kind::ClassRange),
                Item::Set(more) => set.or(more),
                Item::Byte(low) if ranged => match self.class_item(options, true)? {
                    Some(Item::Byte(high)) if low <= high => set.with(low..=high),
                    _ => return Err(Kind::ClassRange),
                },
                Item::Byte(byte) => set.with(byte..=byte),
            };
        }
        let set = if options.flags.caseless { set.folded() } else { set };
        Ok(if negated { set.not() } else { set })
    }

    /// `[:alpha:]` where a class may begin is surely meant to stand in one.
    fn refuse_posix_outside(&self) -> Result<()> {
        let Some(mark @ (b':' | b'.' | b'=')) = self.peek() else { return Ok(()) };
        match self.posix_end(self.at + 1, mark) {
            Some(_) => Err(Kind::ClassName),
            None => Ok(()),
        }
    }

    /// Where the name ends that begins at `from` and is ended by `mark` and `]`. No `]`, no `\` and no other opening lies before that.
    fn posix_end(&self, from: usize, mark: u8) -> Option<usize> {
        let text = &self.pattern[from..];
        let end = text.iter().position(|byte| matches!(byte, b']' | b'\\') || *byte == mark)?;
        (text[end] == mark && text.get(end + 1) == Some(&b']')).then_some(from + end)
    }

    /// Passes over a `-` that has something after it to make a range of.
    fn starts_range(&mut self, options: Options) -> bool {
        let before = (self.at, self.quoting);
        self.skip_in_class(options);
        // A quoted hyphen stands for itself.
        if !self.quoting && self.eat(b"-") {
            self.skip_in_class(options);
            if self.quoting || self.peek() != Some(b']') {
                return self.peek().is_some();
            }
        }
        (self.at, self.quoting) = before;
        false
    }

    /// `\E`, `\Q`, and blanks under `xx`.
    fn skip_in_class(&mut self, options: Options) {
        loop {
            if self.eat(b"\\E") {
                self.quoting = false;
            } else if !self.quoting && self.eat(b"\\Q") {
                self.quoting = true;
            } else if !self.quoting && options.extended_more && matches!(self.peek(), Some(b' ' | b'\t')) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    /// The next item; none at the `]`, which is text where a class begins.
    fn class_item(&mut self, options: Options, bracket_is_text: bool) -> Result<Option<Item>> {
        self.skip_in_class(options);
        let byte = self.next().ok_or(Kind::ClassOpen)?;
        if self.quoting {
            return Ok(Some(Item::Byte(byte)));
        }
        match byte {
            b']' if !bracket_is_text => Ok(None),
            b'[' => match self.peek() {
                Some(mark @ (b':' | b'.' | b'=')) => self.posix(mark).map(Some),
                _ => Ok(Some(Item::Byte(b'['))),
            },
            b'\\' => self.class_escape().map(Some),
            _ => Ok(Some(Item::Byte(byte))),
        }
    }

    fn posix(&mut self, mark: u8) -> Result<Item> {
        let Some(end) = self.posix_end(self.at + 1, mark) else { return Ok(Item::Byte(b'[')) };
        let name = &self.pattern[self.at + 1..end];
        let (negated, name) = name.strip_prefix(b"^").map_or((false, name), |name| (true, name));
        let set = if mark == b':' { ByteSet::posix(name) } else { None }.ok_or(Kind::ClassName)?;
        self.at = end + 2;
        Ok(Item::Set(if negated { set.not() } else { set }))
    }

    fn class_escape(&mut self) -> Result<Item> {
        let letter = self.next().ok_or(Kind::Escape)?;
        if let Some(set) = Self::set_of(letter) {
            return Ok(Item::Set(set));
        }
        match letter {
            b'b' => Ok(Item::Byte(8)),
            b'0'..=b'7' => {
                self.at -= 1;
                self.octal(3).map(Item::Byte)
            }
            b'8' | b'9' => Ok(Item::Byte(letter)),
            b'p' | b'P' => Err(Kind::Unsupported),
            _ => match self.character(letter)? {
                Some(byte) => Ok(Item::Byte(byte)),
                None => Err(Kind::Escape),
            },
        }
    }
}
