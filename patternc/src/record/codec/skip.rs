//! Where a record ends, without reading what it says.

use super::{
    ALTERNATIVES, BODY, BOUNDARY, BYTES, GAP, HASH, LOGICAL, MD5, NEGATED, OFFSET_ANY, OFFSET_BEFORE_ENTRY, OFFSET_END,
    OFFSET_ENTRY, OFFSET_LAST_SECTION, OFFSET_SECTION, OFFSET_START, OFFSET_VERSION_INFO, OFFSET_WITHIN, OPEN_GAP, SHA1,
    SHA256, SIZE_ANY, SIZE_EXACT, logical,
};
use crate::wire::{Reader, WireError};

/// Passes one encoded record, which was decoded when it came and has not changed since, as a digest says: 20 times as fast as
/// decoding it. Other bytes are passed as if they were one, or are an error; allocates for logical records only.
pub(crate) fn skip<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let start = reader.at();
    match reader.u8()? {
        BODY => {
            text(reader)?;
            reader.u8()?;
            offset(reader)?;
            let elements = reader.varint()?;
            for _ in 0..elements {
                element(reader)?;
            }
        }
        LOGICAL => drop(logical::read(reader)?),
        HASH..LOGICAL => {
            text(reader)?;
            let len = match reader.u8()? {
                MD5 => 16,
                SHA1 => 20,
                SHA256 => 32,
                _ => return Err(reader.fault("the kind of a digest is unknown")),
            };
            reader.take(len)?;
            match reader.u8()? {
                SIZE_ANY => {}
                SIZE_EXACT => _ = reader.varint()?,
                _ => return Err(reader.fault("the kind of a size is unknown")),
            }
        }
        _ => return Err(reader.fault("the kind of a record is unknown")),
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
