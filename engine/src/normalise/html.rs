//! The normalised forms of a web page: without comments, without tags, and its scripts.
//!
//! One pass writes all three. What clamscan does is followed where pages and signatures depend on it, its oddities included: a comment
//! ends at its first `>`, and the second `>` of a quoted value, or the first behind white space, ends its tag.

mod value;

use super::entity::{self, Entity, entity};
use super::script;

/// The forms of one page.
#[derive(Debug, Default)]
pub(super) struct PageForms {
    /// The page in small letters, white space folded, characters that are spelled out by name or number written as such.
    pub(super) uncommented: Vec<u8>,
    /// Its text, and where its links and pictures lead.
    pub(super) untagged: Vec<u8>,
    /// Its scripts, normalised as such.
    pub(super) scripts: Vec<u8>,
}

/// What is written of an address at most.
const ADDRESS_BYTES_MAX: usize = 1022;

/// Writes the forms of `page`, each at most twice as long. O(page).
pub(super) fn normalise(page: &[u8], forms: &mut PageForms) {
    let mut pass =
        Pass { page, at: 0, forms, state: State::Text, skips: false, space: false, folds: false, tag: Tag::default() };
    while let Some(&byte) = page.get(pass.at) {
        pass.at += 1;
        // They stand for nothing, wherever they are.
        if byte != 0 && byte != b'\r' {
            pass.take(byte);
        }
    }
    pass.end();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// Behind a `<`.
    Opened,
    Comment,
    /// In the name of a tag, which white space ends.
    Name,
    /// In a tag, behind its name, but for the values of its attributes.
    Tag,
    /// Behind the `=` of an attribute.
    BeforeValue,
    Value,
    /// In a value with these quotes; `spaced` when white space was in it, `loose` when that or a `>` was: then the next `>` ends the tag, the
    /// next white space the value, and a quote neither.
    Quoted {
        quote: u8,
        loose: bool,
        spaced: bool,
    },
    /// In a script or in what is like one, which began at `from`: how much of its end tag is there.
    Script {
        style: bool,
        from: usize,
        matched: usize,
    },
}

/// What is known of the tag that is read.
#[derive(Debug, Default)]
struct Tag {
    /// Where its name begins, in the form without comments.
    from: usize,
    /// Where the name of the current attribute begins.
    attribute: usize,
    /// The address that is read, in its cases of letters.
    address: Vec<u8>,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Nothing,
    Address,
    /// It is complete; a second one does not count.
    Done,
}

struct Pass<'h, 'f> {
    page: &'h [u8],
    /// The next byte.
    at: usize,
    forms: &'f mut PageForms,
    state: State,
    /// White space is left out, as behind a tag.
    skips: bool,
    /// White space was met, and is written before what follows it.
    space: bool,
    /// The form without tags ends in a space, so that it takes no other. Bytes above 127 do not change that.
    folds: bool,
    tag: Tag,
}

impl Pass<'_, '_> {
    fn take(&mut self, byte: u8) {
        match self.state {
            State::Text => self.text(byte),
            State::Opened => self.opened(byte),
            State::Comment if byte == b'>' => (self.state, self.skips) = (State::Text, true),
            State::Comment => {}
            State::Name => self.name(byte),
            State::Tag => self.tag(byte),
            State::BeforeValue => self.before_value(byte),
            State::Value => self.value(byte),
            State::Quoted { quote, loose, spaced } => self.quoted(byte, quote, loose, spaced),
            State::Script { style, from, matched } => self.script(byte, style, from, matched),
        }
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => {
                self.space |= !self.skips;
                self.blank();
            }
            b'<' => {
                self.write_space();
                self.blank();
                (self.state, self.skips) = (State::Opened, false);
            }
            b'&' => {
                self.write_space();
                self.skips = false;
                self.blank();
                let after = self.entity();
                // The end of a name that means nothing is no text either.
                if after == Some(b';') {
                    self.forms.uncommented.push(b';');
                    self.at += 1;
                }
            }
            0x80.. => {
                self.write_space();
                self.skips = false;
                self.high_bytes();
            }
            _ => {
                self.write_space();
                self.skips = false;
                let byte = byte.to_ascii_lowercase();
                self.forms.uncommented.push(byte);
                if byte < b' ' {
                    self.blank();
                } else {
                    self.forms.untagged.push(byte);
                    self.folds = false;
                }
            }
        }
    }

    /// Bytes above 127 in text, from the one before [`Pass::at`] on. They stand in the form without comments as they are; of three in a row the
    /// form without tags has the first, and the second twice.
    fn high_bytes(&mut self) {
        let from = self.at - 1;
        let len = self.page[from..].iter().take_while(|byte| **byte > 127).count();
        let run = &self.page[from..from + len];
        self.at = from + len;
        // Those that are together with the end of the file are lost.
        let run = if self.at == self.page.len() { &run[..(len - 1) / 3 * 3] } else { run };
        self.forms.uncommented.extend_from_slice(run);
        for group in run.chunks(3) {
            match *group {
                [first, second, _] => self.forms.untagged.extend([first, second, second]),
                [first, _] => self.forms.untagged.extend([first, first]),
                _ => self.forms.untagged.push(0),
            }
        }
    }

    fn opened(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => {}
            b'!' => self.state = State::Comment,
            _ => {
                self.forms.uncommented.push(b'<');
                let len = self.forms.uncommented.len();
                (self.tag.from, self.tag.attribute, self.tag.reading) = (len, len, Reading::Nothing);
                self.state = State::Name;
                self.name(byte);
            }
        }
    }

    fn name(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => (self.state, self.space) = (State::Tag, true),
            b'>' => self.end_tag(),
            _ => self.forms.uncommented.push(byte.to_ascii_lowercase()),
        }
    }

    fn tag(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => self.space = true,
            b'>' => self.end_tag(),
            b'=' => {
                self.space = false;
                self.begin_value();
            }
            _ => {
                if self.write_space() {
                    self.tag.attribute = self.forms.uncommented.len();
                }
                self.forms.uncommented.push(byte.to_ascii_lowercase());
            }
        }
    }

    /// Writes what stands at a `&` to the form without comments; gives the byte behind a name that stands for itself.
    fn entity(&mut self) -> Option<u8> {
        let (found, len) = entity(self.page, self.at - 1);
        self.at += len - 1;
        let form = &mut self.forms.uncommented;
        match found {
            Entity::Nothing => None,
            Entity::Character { code, ended: true } => {
                entity::push(if code < 128 { u16::from((code as u8).to_ascii_lowercase()) } else { code }, form);
                None
            }
            // Without its end it is a byte.
            Entity::Character { code, ended: false } => {
                form.push(code as u8);
                None
            }
            Entity::Name(name) => {
                form.push(b'&');
                form.extend(name.iter().map(u8::to_ascii_lowercase));
                self.page.get(self.at).copied()
            }
        }
    }

    fn end_tag(&mut self) {
        self.forms.uncommented.push(b'>');
        (self.state, self.space, self.skips) = (State::Text, false, true);
        // A tag that ends the file has no effect.
        if self.at == self.page.len() {
            return;
        }
        if self.tag.reading != Reading::Nothing && !self.tag.address.is_empty() {
            self.tag.address.truncate(ADDRESS_BYTES_MAX);
            self.forms.untagged.extend_from_slice(&self.tag.address);
            self.folds = false;
            self.blank();
        }
        let tag = &self.forms.uncommented[self.tag.from..];
        let is = |name: &[u8]| tag.strip_prefix(name).is_some_and(|rest| rest.starts_with(b" ") || rest == b">");
        let script = is(b"script");
        if script || is(b"style") {
            self.state = State::Script { style: !script, from: self.at, matched: 0 };
        }
    }

    fn script(&mut self, byte: u8, style: bool, from: usize, matched: usize) {
        const END: &[u8] = b"</script";
        const STYLE_END: &[u8] = b"</style";
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c);
        if byte > 127 {
            self.state = State::Script { style, from, matched: 0 };
            return self.high_bytes();
        }
        let byte = byte.to_ascii_lowercase();
        if !is_space && byte != b'&' {
            self.forms.uncommented.push(if byte == b'\'' { b'"' } else { byte });
        }
        if byte == b'&' {
            self.entity();
        }
        let written = &self.forms.uncommented;
        let matched = match matched {
            // What stands behind decides; white space ends it as well, and a file.
            8 if byte == b'>' || is_space => return self.end_script(style, from, byte == b'>'),
            0 | 1 if is_space => matched,
            _ if is_space => 0,
            _ if matched < 8 && END.get(matched) == Some(&byte) => matched + 1,
            _ if style
                && matched < 8
                && STYLE_END.get(matched) == Some(&byte)
                && written.ends_with(&STYLE_END[..=matched]) =>
            {
                if matched + 1 == STYLE_END.len() {
                    8
                } else {
                    matched + 1
                }
            }
            _ => 0,
        };
        self.state = State::Script { style, from, matched };
    }

    fn end_script(&mut self, style: bool, from: usize, closed: bool) {
        (self.state, self.skips) = (State::Text, true);
        if !style {
            let to = memchr::memrchr(b'<', &self.page[from..self.at]).map_or(self.at, |at| from + at);
            script::normalise(&self.page[from..to], &mut self.forms.scripts);
        }
        if closed {
            self.blank();
        }
    }

    /// Adds a space to the form without tags, unless one is there.
    fn blank(&mut self) {
        if !self.folds {
            self.forms.untagged.push(b' ');
            self.folds = true;
        }
    }

    /// Writes the white space that was met, if it was.
    fn write_space(&mut self) -> bool {
        let space = std::mem::take(&mut self.space);
        if space {
            self.forms.uncommented.push(b' ');
        }
        space
    }

    /// The file is over.
    fn end(self) {
        match self.state {
            State::Opened => self.forms.uncommented.push(b'<'),
            State::Script { style: false, from, .. } => script::normalise(&self.page[from..], &mut self.forms.scripts),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
