//! Strings on their way into a file.

use super::FILLER;

/// A string on its way into a file: bytes, and `None` where any will do, so that what is in the file already may stay.
#[derive(Clone, Debug)]
pub(super) struct Mould {
    /// What stands before the match; nothing does at the start of a file as well, unless something there asks for it.
    before: Vec<Option<u8>>,
    /// The match.
    bytes: Vec<Option<u8>>,
    /// What stands behind it.
    after: Vec<Option<u8>>,
    /// Places to change when the match shall be spoiled, in this order, counted from the start of the match.
    telling: Vec<isize>,
}

impl Mould {
    /// A match with what shall stand beside it. It is spoiled from its middle on: a scanner that only looks at a part is found out by a
    /// change outside it, and which part that is, nobody knows.
    pub(super) fn new(before: Vec<u8>, bytes: Vec<Option<u8>>, after: Vec<u8>) -> Mould {
        let middle = bytes.len() / 2;
        let given = |at: &usize| bytes[*at].is_some();
        let telling = (middle..bytes.len()).chain(0..middle).filter(given).map(usize::cast_signed).collect();
        let all_given = |bytes: Vec<u8>| bytes.into_iter().map(Some).collect();
        Mould { before: all_given(before), bytes, after: all_given(after), telling }
    }

    /// The same, spoiled at these places.
    pub(super) fn telling(mut self, places: &[usize]) -> Mould {
        self.telling = places.iter().map(|place| place.cast_signed()).collect();
        self
    }

    /// The same with a number at `delta` from the start of its match, which is what tells most; `None` where other bytes are given.
    pub(super) fn with_number(mut self, delta: i64, number: &[u8]) -> Option<Mould> {
        let delta = isize::try_from(delta).ok().filter(|delta| delta.unsigned_abs() < super::FILE_BYTES_MAX)?;
        let missing = delta.saturating_neg().max(0).unsigned_abs().saturating_sub(self.before.len());
        self.before.splice(0..0, std::iter::repeat_n(None, missing));
        let end = delta.saturating_add_unsigned(number.len()).saturating_sub_unsigned(self.len());
        self.after.resize(self.after.len().max(end.max(0).unsigned_abs()), None);
        for (at, &new) in (delta..).zip(number) {
            let from_first = at.checked_add_unsigned(self.before.len())?.unsigned_abs();
            let all = self.before.iter_mut().chain(&mut self.bytes).chain(&mut self.after);
            let byte = all.into_iter().nth(from_first)?;
            if byte.is_some_and(|given| given != new) {
                return None;
            }
            *byte = Some(new);
        }
        self.telling.splice(0..0, delta..delta.saturating_add_unsigned(number.len()));
        Some(self)
    }

    /// Bytes of the match.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that it wants to have before the match.
    pub(super) fn before(&self) -> usize {
        self.before.len()
    }

    /// Bytes that it wants to have behind the match.
    pub(super) fn after(&self) -> usize {
        self.after.len()
    }

    /// The match at `place` of `file`, with what shall stand beside it as far as there is room before it; the file grows as needed.
    pub(super) fn press(&self, file: &mut Vec<u8>, place: usize) {
        file.resize(file.len().max(place + self.len() + self.after()), FILLER);
        write(&mut file[place..], self.bytes.iter().chain(&self.after));
        if let Some(start) = place.checked_sub(self.before.len()) {
            write(&mut file[start..], self.before.iter());
        }
    }

    /// The match alone, with `filler` where anything goes.
    pub(super) fn alone(&self, filler: u8) -> Vec<u8> {
        self.bytes.iter().map(|byte| byte.unwrap_or(filler)).collect()
    }

    /// The match and what shall stand beside it.
    pub(super) fn beside(&self, filler: u8) -> Vec<u8> {
        self.before.iter().chain(&self.bytes).chain(&self.after).map(|byte| byte.unwrap_or(filler)).collect()
    }

    /// `bytes`, in which the match begins at `place`, with one of them changed so that `spoiled` holds.
    pub(super) fn spoil(&self, mut bytes: Vec<u8>, place: usize, spoiled: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        for at in self.telling.iter().filter_map(|at| place.checked_add_signed(*at)).take(SPOILED_MAX) {
            let Some(byte) = bytes.get_mut(at) else { continue };
            *byte ^= 0x15;
            if spoiled(&bytes) {
                return Some(bytes);
            }
            bytes[at] ^= 0x15;
        }
        None
    }
}

/// Places that are changed, one after another, before it is given up that a match can be spoiled.
const SPOILED_MAX: usize = 512;

fn write<'b>(file: &mut [u8], bytes: impl Iterator<Item = &'b Option<u8>>) {
    for (byte, new) in file.iter_mut().zip(bytes) {
        *byte = new.unwrap_or(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mould() -> Mould {
        Mould::new(b"<".to_vec(), vec![Some(b'a'), None, Some(b'b')], b">".to_vec())
    }

    #[test]
    fn what_may_stay_stays() {
        let mut file = b"0123456789".to_vec();
        mould().press(&mut file, 3);
        assert_eq!(file, b"01<a4b>789");
        mould().press(&mut file, 9);
        assert_eq!(file, b"01<a4b>7<a~b>");
        mould().press(&mut file, 0);
        assert_eq!(file, b"a1b>4b>7<a~b>");
    }

    #[test]
    fn numbers_stand_where_nothing_else_does() {
        let beside = |delta| mould().with_number(delta, b"12").map(|mould| mould.beside(b'.'));
        assert_eq!(beside(-5).unwrap(), b"12..<a.b>");
        assert_eq!(beside(6).unwrap(), b"<a.b>..12");
        assert_eq!(beside(-1), None);
        assert_eq!(mould().with_number(1, b"1").unwrap().beside(b'.'), b"<a1b>");
        assert_eq!(mould().with_number(2, b"b>").unwrap().beside(b'.'), b"<a.b>");
        assert_eq!(beside(i64::MAX), None);
        assert_eq!(beside(i64::MIN), None);
    }

    #[test]
    fn what_tells_most_is_spoiled_first() {
        let spoiled = |mould: Mould| mould.spoil(b"<a.b>".to_vec(), 1, |_| true).unwrap();
        assert_eq!(spoiled(mould()), b"<a.w>");
        assert_eq!(spoiled(mould().telling(&[0])), b"<t.b>");
        assert_eq!(spoiled(mould().with_number(-1, b"<").unwrap()), b")a.b>");
    }
}
