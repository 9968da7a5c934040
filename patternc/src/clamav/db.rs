//! `Name=Hex`

use super::{hex, name};
use crate::diagnostic::{Code, Fault};
use crate::record::{Body, Record, Target};
use engine::pattern::Offset;

/// A signature of the oldest form: what is looked for, anywhere in any file.
pub(super) fn parse(line: &str) -> Result<Record, Fault> {
    let (name_field, hex_field) = line
        .split_once('=')
        .ok_or_else(|| Fault::new(Code::FieldCount, "the line has no `=` between a name and hex digits"))?;
    let name = name(name_field)?;
    let pattern = hex::parse(hex_field, Offset::Any, hex::Context::BODY)?;
    Ok(Record::Body(Body { name, target: Target::Any, offset: Offset::Any, pattern }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Result<String, Code> {
        parse(line).map(Record::into_name).map_err(|fault| fault.code)
    }

    #[test]
    fn lines_as_clamscan_reads_them() {
        assert_eq!(said("Old.Sig=aabbcc"), Ok("Old.Sig".into()));
        assert_eq!(said("Old:Sig=aabb{2-4}ccdd"), Ok("Old:Sig".into()));
        assert_eq!(said("Old.Sig =aabbcc"), Ok("Old.Sig ".into()));
        assert_eq!(said("Old.Sig"), Err(Code::FieldCount));
        assert_eq!(said("=aabbcc"), Err(Code::NameEmpty));
        assert_eq!(said("Old=Sig=aabbcc"), Err(Code::HexDigit));
        assert_eq!(said("Old.Sig= aabbcc"), Err(Code::HexDigit));
        assert_eq!(said("Old.Sig=aabbcc:17"), Err(Code::HexDigit));
    }
}
