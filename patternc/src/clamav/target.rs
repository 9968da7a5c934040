//! What files a signature is for: a number, or clamscan's name of a type.

use super::digits;
use crate::diagnostic::{Code, Fault, quote};
use crate::record::Target;

pub(super) fn parse(field: &str) -> Result<Target, Fault> {
    if field == "*" {
        return Ok(Target::Any);
    }
    let number = digits(field).ok_or_else(|| {
        let message = format!("the target {} is not a number from 0 to 12", quote(field));
        Fault::new(Code::TargetInvalid, message)
    })?;
    let known = u8::try_from(number).ok().and_then(Target::from_number);
    known.ok_or_else(|| {
        let message = format!("target {number} is no type of files that is supported");
        Fault::new(Code::TargetUnsupported, message)
    })
}

/// One of clamscan's names for types of files.
pub(super) fn file_type(value: &str) -> Result<&str, Fault> {
    let known = value.strip_prefix("CL_TYPE_").is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    });
    if known {
        return Ok(value);
    }
    let message = format!("{} is none of ClamAV's types of files, such as `CL_TYPE_ZIP`", quote(value));
    Err(Fault::new(Code::FileTypeInvalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::FileKind;

    #[test]
    fn targets() {
        for any in ["0", "00", "", "*"] {
            assert_eq!(parse(any), Ok(Target::Any));
        }
        for kind in FileKind::ALL {
            assert_eq!(parse(&(kind as u8).to_string()), Ok(Target::Kind(kind)));
        }
        assert_eq!(parse("07"), Ok(Target::Kind(FileKind::Text)));
        for unknown in ["8", "13", "257"] {
            assert_eq!(parse(unknown).unwrap_err().code, Code::TargetUnsupported);
        }
        assert_eq!(parse("99999999999999999999").unwrap_err().code, Code::TargetUnsupported);
        assert_eq!(parse(" 0").unwrap_err().code, Code::TargetInvalid);
    }
}
