//! `Name:ContainerType:ContainerSize:FileName:SizeInContainer:SizeReal:Encrypted:Position:Checksum:Reserved[:MinLevel[:MaxLevel]]`
//!
//! Signatures of members of archives, by what the archive says of them. Containers are not opened yet, so a line that is in order is
//! refused too, by a code of its own: whoever writes such lines is told of mistakes today.

use std::convert::Infallible;

use engine::regex::{Flags, Regex};

use super::target::file_type;
use super::{check_flevels, digits, fields, hex_value, level, name, pcre};
use crate::diagnostic::{Code, Fault, quote};

pub(super) fn parse(line: &str) -> Result<Infallible, Fault> {
    let [
        name_field,
        container,
        container_size,
        file_name,
        size_inside,
        size_real,
        encrypted,
        position,
        checksum,
        _,
        least,
        most,
    ] = fields::<12>(line, 10)?;
    check_flevels(least.map(level).transpose()?, most.map(level).transpose()?)?;
    name(name_field.unwrap_or_default())?;
    match container.unwrap_or_default() {
        "*" => {}
        named => drop(file_type(named)?),
    }
    for (what, field) in [("container", container_size), ("packed file", size_inside), ("file", size_real)] {
        check_range(&format!("the size of the {what}"), Code::SizeInvalid, field.unwrap_or_default())?;
    }
    check_range("the position of the file", Code::CdbInvalid, position.unwrap_or_default())?;
    check_file_name(file_name.unwrap_or_default())?;
    let one_of = |what: &str, field: &str, is_known: bool| {
        if is_known { Ok(()) } else { Err(Fault::new(Code::CdbInvalid, format!("{} is not {what}", quote(field)))) }
    };
    let encrypted = encrypted.unwrap_or_default();
    one_of("`0`, `1` or `*`: whether the file is encrypted", encrypted, ["0", "1", "*"].contains(&encrypted))?;
    let checksum = checksum.unwrap_or_default();
    let is_checksum = (1..=8).contains(&checksum.len()) && checksum.bytes().all(|byte| hex_value(byte).is_some());
    one_of("`*` or a checksum of up to 8 hex digits", checksum, checksum == "*" || is_checksum)?;
    let message =
        "the line is in order; members of containers are looked at once containers are opened, which they are not yet";
    Err(Fault::new(Code::MemberUnsupported, message))
}

/// `*`, `n` or `n-m`.
fn check_range(what: &str, code: Code, field: &str) -> Result<(), Fault> {
    let number = |text: &str| digits(text).filter(|_| !text.is_empty());
    let is_range = match field.split_once('-') {
        Some((least, most)) => matches!((number(least), number(most)), (Some(least), Some(most)) if least <= most),
        None => field == "*" || number(field).is_some(),
    };
    if is_range { Ok(()) } else { Err(Fault::new(code, format!("{what}, {}, is not `*`, `n` or `n-m`", quote(field)))) }
}

/// `*` or a regular expression.
fn check_file_name(field: &str) -> Result<(), Fault> {
    if field == "*" {
        return Ok(());
    }
    if field.is_empty() {
        return Err(Fault::new(Code::CdbInvalid, "the name of the file is neither `*` nor a regular expression"));
    }
    Regex::check(field, Flags::default()).map_err(|error| pcre::fault_of(field, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_order_and_others() {
        use Code::{
            CdbInvalid, FieldCount, FileTypeInvalid, FlevelInvalid, FlevelRange, MemberUnsupported, NameEmpty, RegexInvalid,
            SizeInvalid,
        };
        for (line, expected) in [
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:*:*", MemberUnsupported),
            ("N:*:0-9999:^inner\\.txt$:14:14-20:0:1:0a9fDD01:x", MemberUnsupported),
            ("N:CL_TYPE_ANY:*:*:*:*:1:1-2:*:*:51:255", MemberUnsupported),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:*", FieldCount),
            ("N:CL_TYPE_ZIP:*:[[:alpha:]]+r:*:*:*:*:*:*", FlevelInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:*:*:1:300:9", FieldCount),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:*:*:300", FlevelRange),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:*:*:x", FlevelInvalid),
            (":CL_TYPE_ZIP:*:inner:*:*:*:*:*:*", NameEmpty),
            ("N:ZIP:*:inner:*:*:*:*:*:*", FileTypeInvalid),
            ("N::*:inner:*:*:*:*:*:*", FileTypeInvalid),
            ("N:CL_TYPE_ZIP::inner:*:*:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:inner:-20:*:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:inner:10-:*:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:inner:20-10:*:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:inner:10-20-30:*:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:0x0e:*:*:*:*", SizeInvalid),
            ("N:CL_TYPE_ZIP:*:(inner:*:*:*:*:*:*", RegexInvalid),
            ("N:CL_TYPE_ZIP:*:+a:*:*:*:*:*:*", RegexInvalid),
            ("N:CL_TYPE_ZIP:*::*:*:*:*:*:*", CdbInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:*:2:*:*:*", CdbInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:x:*:*", CdbInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:zz:*", CdbInvalid),
            ("N:CL_TYPE_ZIP:*:inner:*:*:*:*:123456789:*", CdbInvalid),
        ] {
            assert_eq!(parse(line).unwrap_err().code, expected, "{line}");
        }
    }
}
