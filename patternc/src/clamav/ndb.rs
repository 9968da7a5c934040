//! `Name:Target:Offset:Hex[:MinLevel[:MaxLevel]]`

use super::{check_flevels, digits, fields, hex, name, offset};
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{Body, Record, Target};

pub(super) fn parse(line: &str) -> Result<Record, Fault> {
    let [name_field, target_field, offset_field, hex_field, least, most] = fields::<6>(line, 4)?;
    // Levels come first: clamscan looks at nothing else of a signature that is not meant for it.
    check_flevels(level(least)?, level(most)?)?;
    let name = name(name_field.unwrap_or_default())?;
    let target = target(target_field.unwrap_or_default())?;
    let offset = offset::parse(offset_field.unwrap_or_default())?;
    let pattern = hex::parse(hex_field.unwrap_or_default(), offset)?;
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

fn target(field: &str) -> Result<Target, Fault> {
    const NAMES: [&str; 13] = [
        "any file",
        "PE",
        "OLE2",
        "HTML",
        "mail",
        "graphics",
        "ELF",
        "text",
        "unused",
        "Mach-O",
        "PDF",
        "Flash",
        "Java class",
    ];
    if field == "*" {
        return Ok(Target::Any);
    }
    let number = digits(field).ok_or_else(|| {
        let message = format!("the target {} is not a number from 0 to 12", quote(field));
        Fault::new(Code::TargetInvalid, message)
    })?;
    if number == 0 {
        return Ok(Target::Any);
    }
    let message = match usize::try_from(number).ok().and_then(|index| NAMES.get(index)) {
        Some(name) => format!("target {number} ({name}) is not supported yet; 0 (any file) is"),
        None => format!("target {number} is not known; 0 (any file) is supported"),
    };
    Err(Fault::new(Code::TargetUnsupported, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for any in ["0", "00", "", "*"] {
            assert_eq!(target(any), Ok(Target::Any));
        }
        assert_eq!(target("1").unwrap_err().message, "target 1 (PE) is not supported yet; 0 (any file) is");
        assert_eq!(target("99999999999999999999").unwrap_err().code, Code::TargetUnsupported);
        assert_eq!(target(" 0").unwrap_err().code, Code::TargetInvalid);
    }
}
