//! Bytes from their hex digits, spelled as modifiers ask.

use engine::pattern::MaskedByte;

use super::{Context, Parser};
use crate::clamav::hex_value;
use crate::diagnostic::{Code, Fault};

/// The bit in which the cases of an ASCII letter differ.
const CASE: u8 = 0x20;

/// Bytes put together from nibbles.
pub(super) struct Nibbles {
    bytes: Vec<MaskedByte>,
    high: Option<MaskedByte>,
    context: Context,
    /// Whether any-bytes stood between the halves of a byte that is to be made wide.
    torn: bool,
}

impl Nibbles {
    pub(super) fn new(context: Context) -> Nibbles {
        Nibbles { bytes: Vec::new(), high: None, context, torn: false }
    }

    /// Adds a nibble: its value and mask in the low four bits.
    pub(super) fn push(&mut self, nibble: MaskedByte) {
        match self.high.take() {
            None => self.high = Some(nibble),
            Some(high) => {
                let value = high.value() << 4 | nibble.value();
                self.push_byte(MaskedByte::new(value, high.mask() << 4 | nibble.mask()));
            }
        }
    }

    /// Adds a byte as the modifiers spell it: a letter in either case, each byte with a zero behind it. A byte of which only half is given
    /// keeps its case.
    fn push_byte(&mut self, byte: MaskedByte) {
        let folds = self.context.nocase && byte.is_fixed() && byte.value().is_ascii_alphabetic();
        self.bytes.push(if folds { MaskedByte::new(byte.value(), !CASE) } else { byte });
        if self.context.wide {
            self.bytes.push(MaskedByte::fixed(0));
        }
    }

    /// Adds the any-bytes of a `{n}`, which are counted in the file: no modifier widens them.
    pub(super) fn push_any(&mut self, bytes: u32) {
        if self.high.is_some() && self.context.wide {
            self.torn = true;
        } else if self.high.is_some() {
            (0..2 * bytes).for_each(|_| self.push(MaskedByte::ANY));
        } else {
            self.bytes.extend((0..bytes).map(|_| MaskedByte::ANY));
        }
    }

    /// The bytes so far; half a byte is a fault.
    pub(super) fn take(&mut self, parser: &Parser<'_>) -> Result<Vec<MaskedByte>, Fault> {
        if self.torn {
            return Err(parser.fault(Code::HexOdd, "`{n}` stands between the halves of a byte that is to be wide"));
        }
        match self.high {
            None => Ok(std::mem::take(&mut self.bytes)),
            Some(_) => Err(parser.fault(Code::HexOdd, "half a byte: the number of hex digits is odd")),
        }
    }
}

pub(super) fn nibble(byte: u8) -> Option<MaskedByte> {
    match byte {
        b'?' => Some(MaskedByte::ANY),
        _ => hex_value(byte).map(|value| MaskedByte::new(value, 0x0f)),
    }
}
