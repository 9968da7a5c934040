//! Numbers read from a file near a match, and compared: what byte-compare subsignatures of ClamAV do.
//!
//! A number is read as text or as raw bytes, at a distance from where the trigger's last match begins. Everything is a signed number of
//! 64 bits; of text that means more than that, nothing holds.

#[cfg(test)]
mod tests;

/// A number in a file, and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ByteCompare {
    /// Bytes from where the trigger matched to where the number begins.
    pub delta: i64,
    /// How the number is written.
    pub form: NumberForm,
    /// How many bytes are read.
    pub len: u8,
    /// Text must be of digits to its end.
    pub exact: bool,
    /// What must hold of the number: all of them.
    pub comparisons: Vec<Comparison>,
}

/// How a number is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberForm {
    /// As decimal text.
    Decimal,
    /// As hexadecimal text, the pairs of digits in this order.
    Hex(Order),
    /// As hexadecimal text if it begins with `0x`, else as decimal text. Decimal text has no other order than big-endian.
    Automatic(Order),
    /// As 1, 2, 4 or 8 bytes.
    Raw(Order),
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The most significant.
    Big,
    /// The least significant.
    Little,
}

/// What is asked of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// It is more than this.
    More(i64),
    /// It is less than this.
    Less(i64),
    /// It is this.
    Equal(i64),
}

impl NumberForm {
    /// All of them, by their numbers in encodings.
    const ALL: [NumberForm; 7] = [
        NumberForm::Decimal,
        NumberForm::Hex(Order::Big),
        NumberForm::Hex(Order::Little),
        NumberForm::Automatic(Order::Big),
        NumberForm::Automatic(Order::Little),
        NumberForm::Raw(Order::Big),
        NumberForm::Raw(Order::Little),
    ];
}

impl ByteCompare {
    /// Appends its encoding: delta (8 bytes, signed, little-endian), form, length, 1 when exact (1 byte each); for each comparison 0 more, 1 less
    /// or 2 equal (1 byte) and the number (8 bytes, signed).
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let form = NumberForm::ALL.iter().position(|form| *form == self.form).unwrap_or(0) as u8;
        out.extend(self.delta.to_le_bytes());
        out.extend([form, self.len, u8::from(self.exact)]);
        for comparison in &self.comparisons {
            let (op, number) = match comparison {
                Comparison::More(number) => (0, number),
                Comparison::Less(number) => (1, number),
                Comparison::Equal(number) => (2, number),
            };
            out.push(op);
            out.extend(number.to_le_bytes());
        }
    }

    /// What `encoded` is the encoding of, the whole of it.
    pub fn decode(encoded: &[u8]) -> Option<ByteCompare> {
        let (delta, rest) = encoded.split_first_chunk()?;
        let (&[form, len, exact], rest) = rest.split_first_chunk()?;
        let (listed, left) = rest.as_chunks::<9>();
        let comparison = |[op, number @ ..]: &[u8; 9]| {
            let number = i64::from_le_bytes(*number);
            [Comparison::More(number), Comparison::Less(number), Comparison::Equal(number)].get(usize::from(*op)).copied()
        };
        let comparisons: Option<Vec<Comparison>> = listed.iter().map(comparison).collect();
        Some(ByteCompare {
            delta: i64::from_le_bytes(*delta),
            form: *NumberForm::ALL.get(usize::from(form))?,
            len,
            exact: [false, true].get(usize::from(exact)).copied()?,
            comparisons: comparisons.filter(|_| left.is_empty())?,
        })
    }

    /// Whether the comparisons hold of the number near a match that begins at `trigger`. They do not when it would begin before the
    /// second byte of the file, as in clamscan, or end behind its end. Reads at most `len` bytes; any `file` and `trigger` will do.
    pub fn holds(&self, file: &[u8], trigger: u64) -> bool {
        let number = i64::try_from(trigger)
            .ok()
            .and_then(|trigger| trigger.checked_add(self.delta))
            .and_then(|at| usize::try_from(at).ok().filter(|at| *at > 0))
            .and_then(|at| file.get(at..at.checked_add(usize::from(self.len))?))
            .and_then(|bytes| self.number(bytes));
        number.is_some_and(|number| {
            self.comparisons.iter().all(|comparison| match comparison {
                Comparison::More(than) => number > *than,
                Comparison::Less(than) => number < *than,
                Comparison::Equal(to) => number == *to,
            })
        })
    }

    fn number(&self, bytes: &[u8]) -> Option<i64> {
        match self.form {
            NumberForm::Raw(order) => raw(bytes, order),
            NumberForm::Decimal => text(bytes, 10, self.exact),
            NumberForm::Hex(order) => self.hex(bytes, order),
            // Of fewer than three characters, none is told from the other.
            NumberForm::Automatic(_) if bytes.len() < 3 => None,
            NumberForm::Automatic(order) => match (has_prefix(without_blanks(bytes)), order) {
                (true, _) => self.hex(bytes, order),
                (false, Order::Big) => text(bytes, 10, self.exact),
                (false, Order::Little) => None,
            },
        }
    }

    fn hex(&self, bytes: &[u8], order: Order) -> Option<i64> {
        let begins = without_blanks(bytes);
        match order {
            Order::Big => text(bytes, 16, self.exact),
            // What is exact is pairs, or one digit; a pair that is none ends the number nevertheless.
            Order::Little if self.exact && (bytes.len() > 1 && bytes.len() % 2 == 1) => None,
            Order::Little if self.exact && (begins.len() < bytes.len() || has_prefix(begins)) => None,
            Order::Little => reversed_pairs(begins),
        }
    }
}

/// The number of raw bytes. Short ones have no sign.
fn raw(bytes: &[u8], order: Order) -> Option<i64> {
    let mut number = [0; 8];
    match order {
        Order::Big => number.get_mut(8usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes),
        Order::Little => number.get_mut(..bytes.len())?.copy_from_slice(bytes),
    }
    Some(if order == Order::Big { i64::from_be_bytes(number) } else { i64::from_le_bytes(number) })
}

/// The number that text begins with, after blanks, or 0; with `exact`, none unless it is all of the text. None of more than 64 bits.
fn text(bytes: &[u8], radix: u32, exact: bool) -> Option<i64> {
    let begins = without_blanks(bytes);
    // A sign before `0x` is one before the digit 0.
    let unprefixed = if radix == 16 { without_prefix(begins) } else { begins };
    let negative = begins.first() == Some(&b'-');
    let unsigned = || begins.strip_prefix(b"-").or_else(|| begins.strip_prefix(b"+")).unwrap_or(begins);
    let digits = if unprefixed.len() < begins.len() { unprefixed } else { unsigned() };
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    let count = digits.iter().take_while(|byte| digit(byte).is_some()).count();
    if exact && (count == 0 || count < digits.len() || begins.len() < bytes.len()) {
        return None;
    }
    digits[..count].iter().filter_map(digit).try_fold(0_i64, |number, value| {
        let shifted = number.checked_mul(radix.into())?;
        if negative { shifted.checked_sub(value.into()) } else { shifted.checked_add(value.into()) }
    })
}

/// Text behind its blanks, the vertical tab among them.
fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0x0b).count();
    &text[blanks..]
}

fn has_prefix(text: &[u8]) -> bool {
    text.starts_with(b"0x") || text.starts_with(b"0X")
}

/// Text without the `0x` before its digits.
fn without_prefix(text: &[u8]) -> &[u8] {
    match text {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => digits,
        _ => text,
    }
}

/// The number whose bytes are the pairs of digits that text begins with, the least significant first; none of more than 64 bits. Of an odd
/// number of characters, the first is a pair of its own.
fn reversed_pairs(text: &[u8]) -> Option<i64> {
    let digits = without_prefix(text);
    let (first, rest) = digits.split_at(digits.len() % 2);
    let pairs = std::iter::once(first).filter(|first| !first.is_empty()).chain(rest.chunks(2));
    let value =
        |pair: &[u8]| pair.iter().try_fold(0, |sum, digit| Some(sum * 16 + u128::from(char::from(*digit).to_digit(16)?)));
    let bytes = pairs.map_while(value).enumerate();
    let number = bytes.map(|(index, byte)| if index < 15 { byte << (8 * index) } else { u128::from(byte > 0) << 120 });
    i64::try_from(number.fold(0, |sum, part| sum | part)).ok()
}
