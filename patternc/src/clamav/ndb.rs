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

fn target(field: &str) -> Result<Target, Fault> {
    if field == "*" {
        return Ok(Target::Any);
    }
    let number = digits(field).ok_or_else(|| {
        let message = format!("the target {} is not a number from 0 to 12", quote(field));
        Fault::new(Code::TargetInvalid, message)
    })?;
    let known = u8::try_from(number).ok().and_then(Target::from_number);
    known.ok_or_else(|| {
        let normalised = match number {
            3 => "HTML",
            4 => "mail",
            7 => "text",
            _ => {
                return Fault::new(
                    Code::TargetUnsupported,
                    format!("target {number} is no type of files that is supported"),
                );
            }
        };
        let message = format!("target {number} ({normalised}) is searched after normalisation, which is not supported");
        Fault::new(Code::TargetNormalised, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::FileKind;

    #[test]
    fn targets() {
        for any in ["0", "00", "", "*"] {
            assert_eq!(target(any), Ok(Target::Any));
        }
        for kind in FileKind::ALL {
            assert_eq!(target(&(kind as u8).to_string()), Ok(Target::Kind(kind)));
        }
        for normalised in ["3", "4", "07"] {
            assert_eq!(target(normalised).unwrap_err().code, Code::TargetNormalised);
        }
        for unknown in ["8", "13", "257"] {
            assert_eq!(target(unknown).unwrap_err().code, Code::TargetUnsupported);
        }
        assert_eq!(target("99999999999999999999").unwrap_err().code, Code::TargetUnsupported);
        assert_eq!(target(" 0").unwrap_err().code, Code::TargetInvalid);
    }
}
