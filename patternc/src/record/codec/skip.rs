//! Where a record ends, without reading what it says.

use super::tags::{
    ALTERNATIVES, BOUNDARY, BYTES, GAP, NEGATED, OFFSET_ANY, OFFSET_BEFORE_ENTRY, OFFSET_END, OFFSET_ENTRY,
    OFFSET_LAST_SECTION, OFFSET_SECTION, OFFSET_START, OFFSET_VERSION_INFO, OFFSET_WITHIN, OPEN_GAP, SIZE_ANY, SIZE_EXACT,
    digest_len,
};
use super::{kind_of, logical};
use crate::record::Kind;
use crate::wire::{Reader, WireError};

/// Passes one encoded record, which was decoded when it came and has not changed since, as a digest says: 20 times as fast as
/// decoding it. Other bytes are passed as if they were one, or are an error, always where [`kind_of`] knows no kind; allocates for
/// logical records only.
pub(crate) fn skip<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let start = reader.at();
    match kind_of(&[reader.u8()?]) {
        Some(Kind::Body) => {
            text(reader)?;
            reader.u8()?;
            offset(reader)?;
            let elements = reader.varint()?;
            for _ in 0..elements {
                element(reader)?;
            }
        }
        Some(Kind::Logical) => drop(logical::read(reader)?),
        Some(Kind::FileHash | Kind::SectionHash | Kind::ImportHash | Kind::CleanFile) => {
            text(reader)?;
            let len = digest_len(reader.u8()?).ok_or_else(|| reader.fault("the kind of a digest is unknown"))?;
            reader.take(len)?;
            match reader.u8()? {
                SIZE_ANY => {}
                SIZE_EXACT => _ = reader.varint()?,
                _ => return Err(reader.fault("the kind of a size is unknown")),
            }
        }
        None => return Err(reader.fault("the kind of a record is unknown")),
    }
    Ok(reader.since(start))
}

fn text(reader: &mut Reader<'_>) -> Result<(), WireError> {
    let len = reader.varint()?;
    reader.take(usize::try_from(len).unwrap_or(usize::MAX)).map(drop)
}

fn offset(reader: &mut Reader<'_>) -> Result<(), WireError> {
    let numbers = match reader.u8()? {
        OFFSET_ANY | OFFSET_VERSION_INFO => 0,
        OFFSET_START | OFFSET_END | OFFSET_ENTRY | OFFSET_BEFORE_ENTRY | OFFSET_LAST_SECTION => 2,
        OFFSET_SECTION => {
            reader.u8()?;
            2
        }
        OFFSET_WITHIN => {
            reader.u8()?;
            1
        }
        _ => return Err(reader.fault("the kind of an offset is unknown")),
    };
    (0..numbers).try_for_each(|_| reader.varint().map(drop))
}

fn element(reader: &mut Reader<'_>) -> Result<(), WireError> {
    match reader.u8()? {
        BYTES => string(reader),
        ALTERNATIVES | NEGATED => {
            let strings = reader.varint()?;
            (0..strings).try_for_each(|_| string(reader))
        }
        GAP => (0..2).try_for_each(|_| reader.varint().map(drop)),
        OPEN_GAP => reader.varint().map(drop),
        BOUNDARY => reader.u8().map(drop),
        _ => Err(reader.fault("the kind of an element is unknown")),
    }
}

/// Runs: of fixed bytes, of any bytes, which have no values, or of masks with values.
fn string(reader: &mut Reader<'_>) -> Result<(), WireError> {
    let mut left = reader.varint()?;
    while left > 0 {
        let head = reader.u8()?;
        let len = usize::from(head / 3) + 1;
        left = left.checked_sub(len as u64).ok_or_else(|| reader.fault("a run is longer than its string"))?;
        reader.take([len, 0, 2 * len][usize::from(head % 3)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tags::{BODY, LOGICAL, MD5};

    /// Whoever passes a record counts it by its kind.
    #[test]
    fn only_kinds_that_are_known_are_passed() {
        let digest = [&[1, b'N', MD5][..], &[0; 16], &[SIZE_ANY]].concat();
        for tag in 0..=u8::MAX {
            let record = [&[tag][..], &digest].concat();
            let passed = skip(&mut Reader::new(&record)).is_ok();
            let is_digest = kind_of(&record).is_some() && ![BODY, LOGICAL].contains(&tag);
            assert!(passed == is_digest || tag == BODY, "{tag}");
        }
    }
}
