//! `Name[:MD5]` and `File:Line:Name`

use super::{hash, name};
use crate::diagnostic::{Code, Fault, quote};

/// A rule that takes signatures away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreRule {
    /// Name of the signatures, as their lines spell it.
    pub name: String,
    /// MD5 of the line that is meant, without its end; `None` for every line that bears the name.
    pub line_md5: Option<[u8; 16]>,
}

/// Reads a rule. A file and a line before the name are read over, as clamscan does: the line may have moved.
pub(super) fn parse(line: &str) -> Result<IgnoreRule, Fault> {
    let fields: Vec<&str> = line.splitn(4, ':').collect();
    let (name_field, md5_field) = match fields[..] {
        [name] | [_, _, name] => (name, None),
        [name, md5] => (name, Some(md5)),
        _ => {
            let message =
                "the line has more than 3 fields separated by `:`; `name`, `name:md5` and `file:line:name` are allowed";
            return Err(Fault::new(Code::FieldCount, message));
        }
    };
    // Not the name that is reported: a rule means the name as it stands in the file of signatures.
    name(name_field)?;
    let line_md5 = md5_field.map(md5).transpose()?;
    Ok(IgnoreRule { name: name_field.to_owned(), line_md5 })
}

fn md5(field: &str) -> Result<[u8; 16], Fault> {
    if field.len() == 32 {
        return hash::hex_bytes(field);
    }
    let message = format!("the digest {} has {} digits; MD5 has 32", quote(field), field.len());
    Err(Fault::new(Code::DigestLength, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_as_clamscan_reads_them() {
        let rule = |name: &str, line_md5| Ok(IgnoreRule { name: name.to_owned(), line_md5 });
        let md5 = "d41D8cd98f00b204e9800998ecf8427e";
        assert_eq!(parse("Worm.A-1"), rule("Worm.A-1", None));
        assert_eq!(parse("main.mdb:42:Worm.A (Clam)"), rule("Worm.A (Clam)", None));
        assert_eq!(parse(":x:Worm.A"), rule("Worm.A", None));
        let found = parse(&format!("Worm.A:{md5}")).unwrap();
        assert_eq!((found.name.as_str(), found.line_md5.unwrap()[..2].to_vec()), ("Worm.A", vec![0xd4, 0x1d]));
        let code = |line: &str| parse(line).unwrap_err().code;
        assert_eq!(code("Worm.A:"), Code::DigestLength);
        assert_eq!(code(&format!("Worm.A:z{}", &md5[1..])), Code::HexDigit);
        assert_eq!(code("a:1:"), Code::NameEmpty);
        assert_eq!(code("a:1:b:c:d"), Code::FieldCount);
    }
}
