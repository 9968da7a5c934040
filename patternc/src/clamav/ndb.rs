//! `Name:Target:Offset:Hex[:MinLevel[:MaxLevel]]`

use super::{check_flevels, digits, fields, hex, name, offset, target};
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{Body, Record};

pub(super) fn parse(line: &str) -> Result<Record, Fault> {
    let [name_field, target_field, offset_field, hex_field, least, most] = fields::<6>(line, 4)?;
    // Levels come first: clamscan looks at nothing else of a signature that is not meant for it.
    check_flevels(level(least)?, level(most)?)?;
    let name = name(name_field.unwrap_or_default())?;
    let target = target::parse(target_field.unwrap_or_default())?;
    let offset = offset::parse(offset_field.unwrap_or_default(), target)?;
    let pattern = hex::parse(hex_field.unwrap_or_default(), offset, hex::Context::BODY)?;
    Ok(Record::Body(Body { name, target, offset, pattern }))
}

fn level(field: Option<&str>) -> Result<Option<u64>, Fault> {
    let Some(text) = field else { return Ok(None) };
    let value = digits(text).ok_or_else(|| {
        let message = format!("the functionality level {} is not a number", quote(text));
        Fault::new(Code::FlevelInvalid, message)
    })?;
    Ok(Some(value))
}
