//! `Name:Target:Offset:Hex[:MinLevel[:MaxLevel]]`

use super::{check_flevels, fields, hex, level, name, offset, target};
use crate::diagnostic::Fault;
use crate::record::{Body, Record};

pub(super) fn parse(line: &str) -> Result<Record, Fault> {
    let [name_field, target_field, offset_field, hex_field, least, most] = fields::<6>(line, 4)?;
    // Levels come first: clamscan looks at nothing else of a signature that is not meant for it.
    check_flevels(least.map(level).transpose()?, most.map(level).transpose()?)?;
    let name = name(name_field.unwrap_or_default())?;
    let target = target::parse(target_field.unwrap_or_default())?;
    let offset = offset::parse(offset_field.unwrap_or_default(), target)?;
    let pattern = hex::parse(hex_field.unwrap_or_default(), offset, hex::Context::BODY)?;
    Ok(Record::Body(Body { name, target, offset, pattern }))
}
