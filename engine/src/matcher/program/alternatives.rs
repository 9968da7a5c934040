//! Alternatives: one of several strings.

use super::masked::masked_agreement;
use super::work::BYTES_PER_STEP;
use zerocopy::FromBytes;
use zerocopy::byteorder::little_endian::U16;

/// The strings of an alternative: values and masks.
#[derive(Clone)]
pub(super) struct Strings<'a> {
    pub(super) left: u16,
    pub(super) bytes: &'a [u8],
}

impl Strings<'_> {
    /// Steps that comparing all of them with one place may take.
    pub(super) fn steps(&self) -> u64 {
        // Their bytes are values and masks.
        u64::from(self.left) + self.bytes.len() as u64 / (2 * BYTES_PER_STEP)
    }
}

impl Strings<'_> {
    /// The bytes of each of them, if all have as many.
    pub(super) fn common_len(&self) -> Option<usize> {
        let mut lengths = self.clone().map(|(values, _)| values.len());
        let first = lengths.next()?;
        lengths.all(|len| len == first).then_some(first)
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (len, rest) = U16::read_from_prefix(self.bytes).ok()?;
        let len = usize::from(len.get());
        let (values, rest) = rest.split_at_checked(len)?;
        let (masks, rest) = rest.split_at_checked(len)?;
        self.bytes = rest;
        Some((values, masks))
    }
}

/// An alternative as the lengths by which it can move a position.
pub(super) struct Alternatives<'a> {
    pub(super) strings: Strings<'a>,
    pub(super) negated: bool,
}

impl Alternatives<'_> {
    /// Calls `found` with each length whose bytes, got from `bytes_of`, the alternative accepts.
    pub(super) fn each_len<'h>(&self, bytes_of: impl Fn(usize) -> Option<&'h [u8]>, mut found: impl FnMut(usize)) {
        if self.negated {
            let Some((values, _)) = self.strings.clone().next() else { return };
            let Some(bytes) = bytes_of(values.len()) else { return };
            if !self.strings.clone().any(|(values, masks)| agrees(values, masks, bytes)) {
                found(values.len());
            }
            return;
        }
        for (values, masks) in self.strings.clone() {
            if bytes_of(values.len()).is_some_and(|bytes| agrees(values, masks, bytes)) {
                found(values.len());
            }
        }
    }
}

/// Whether `bytes`, as many as there are values, agree with them under the masks.
fn agrees(values: &[u8], masks: &[u8], bytes: &[u8]) -> bool {
    values.len() == bytes.len() && masks.len() == bytes.len() && masked_agreement(values, masks, bytes) == bytes.len()
}
