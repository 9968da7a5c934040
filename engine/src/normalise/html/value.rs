//! Values of attributes, and the addresses among them.

use super::{Pass, Reading, State};
use crate::normalise::entity::{self, Entity, entity};

impl Pass<'_, '_> {
    /// The first address of a link or a picture is kept.
    pub(super) fn begin_value(&mut self) {
        self.state = State::BeforeValue;
        if self.tag.reading == Reading::Nothing {
            let written = &self.forms.uncommented;
            let is_address = match &written[self.tag.attribute..] {
                b"href" => written[self.tag.from..].starts_with(b"a "),
                b"src" => written[self.tag.from..].starts_with(b"img "),
                _ => false,
            };
            if is_address {
                self.tag.address.clear();
                self.tag.reading = Reading::Address;
            }
        }
        self.forms.uncommented.push(b'=');
    }

    pub(super) fn before_value(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => {}
            b'"' | b'\'' => {
                self.forms.uncommented.push(b'"');
                self.state = State::Quoted { quote: byte, loose: false, spaced: false };
            }
            _ => {
                self.state = State::Value;
                self.value(byte);
            }
        }
    }

    pub(super) fn value(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => {
                self.end_value();
                self.state = State::Tag;
                self.space = true;
            }
            b'>' => self.end_tag(),
            b'&' => self.spelled_out(),
            _ => self.push_value(if byte == b'\'' { b'"' } else { byte }),
        }
    }

    pub(super) fn quoted(&mut self, byte: u8, quote: u8, loose: bool, spaced: bool) {
        match byte {
            _ if byte == quote && !loose => {
                self.forms.uncommented.push(b'"');
                self.end_value();
                self.state = State::Tag;
                self.space = true;
            }
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c if self.forms.uncommented.last() == Some(&b' ') => {}
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c if !spaced => {
                self.state = State::Quoted { quote, loose: true, spaced: true };
                self.push_value(b' ');
            }
            b' ' | b'\t' | b'\n' | 0x0b | 0x0c => {
                self.end_loose_value();
                (self.state, self.space) = (State::Tag, true);
            }
            b'>' if loose => {
                self.end_loose_value();
                self.end_tag();
            }
            b'>' => {
                self.state = State::Quoted { quote, loose: true, spaced };
                self.push_value(byte);
            }
            b'&' => self.spelled_out(),
            _ => self.push_value(if byte == b'\'' { b'"' } else { byte }),
        }
    }

    /// The last byte of a loose value is taken for its quote.
    pub(super) fn end_loose_value(&mut self) {
        if self.tag.reading == Reading::Address {
            self.tag.address.pop();
        }
        self.end_value();
    }

    pub(super) fn push_value(&mut self, byte: u8) {
        self.forms.uncommented.push(byte.to_ascii_lowercase());
        if self.tag.reading == Reading::Address {
            self.tag.address.push(byte);
        }
    }

    pub(super) fn end_value(&mut self) {
        if self.tag.reading == Reading::Address {
            self.tag.reading = Reading::Done;
        }
    }

    /// What stands at a `&` in a value.
    pub(super) fn spelled_out(&mut self) {
        let at = self.at - 1;
        self.entity();
        if self.tag.reading == Reading::Address {
            match entity(self.page, at).0 {
                Entity::Name(_) => self.tag.address.extend_from_slice(&self.page[at..self.at]),
                Entity::Character { code, .. } => entity::push(code, &mut self.tag.address),
                Entity::Nothing => {}
            }
        }
    }
}
