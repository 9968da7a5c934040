//! `Engine:51-255,Target:1,FileSize:1-100`: what files a logical signature is for.

use std::ops::RangeInclusive;

use super::super::target::{self, file_type};
use super::super::{FLEVEL, digits};
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{Limits, Target};

/// The level from which clamscan knows attributes other than the target.
const ATTRIBUTES_SINCE: u64 = 51;

pub(super) fn parse(text: &str) -> Result<(Target, Limits), Fault> {
    let mut engine = None;
    let mut stated = None;
    let mut limits = Limits::default();
    for (index, attribute) in text.split(',').enumerate() {
        let Some((key, value)) = attribute.split_once(':') else {
            return Err(invalid(attribute, "an attribute is a name, a `:` and a value"));
        };
        match key {
            "Engine" if index > 0 => return Err(invalid(attribute, "`Engine` must come first")),
            "Engine" => engine = Some(levels(value, attribute)?),
            "Target" => stated = Some(target::parse(value)?),
            "FileSize" => limits.file_size = Some(range(value, attribute)?),
            "EntryPoint" => limits.entry_point = Some(range(value, attribute)?),
            "NumberOfSections" => limits.sections = Some(range(value, attribute)?),
            "Container" => limits.container = container(value)?,
            // clamscan scans the file once more as what this names, and reports the match all the same.
            "HandlerType" => drop(file_type(value)?),
            "IconGroup1" | "IconGroup2" => {
                let message = format!("{} needs icons of executables compared, which is not supported", quote(attribute));
                return Err(Fault::new(Code::IconUnsupported, message));
            }
            "Intermediates" => {
                let message = format!("{} needs the containers of a file, which are not opened yet", quote(attribute));
                return Err(Fault::new(Code::AttributeUnsupported, message));
            }
            _ => {
                let message = format!("there is no attribute {}; clamscan passes such a signature over", quote(key));
                return Err(Fault::new(Code::AttributeUnknown, message));
            }
        }
    }
    let Some(target) = stated else {
        return Err(Fault::new(Code::DescriptionInvalid, "the description names no `Target`"));
    };
    let needs_engine = limits != Limits::default();
    if needs_engine && engine.is_none_or(|least| least < ATTRIBUTES_SINCE) {
        let message = format!("attributes need `Engine:{ATTRIBUTES_SINCE}-255` or above before them");
        return Err(Fault::new(Code::DescriptionInvalid, message));
    }
    let has_images = matches!(target, Target::Kind(kind) if kind.is_executable());
    if (limits.entry_point.is_some() || limits.sections.is_some()) && !has_images {
        let message = "`EntryPoint` and `NumberOfSections` need target 1 (PE), 6 (ELF) or 9 (Mach-O)";
        return Err(Fault::new(Code::OffsetTarget, message));
    }
    Ok((target, limits))
}

/// The least level, if the levels include ours.
fn levels(value: &str, attribute: &str) -> Result<u64, Fault> {
    let range = range(value, attribute)?;
    if range.contains(&FLEVEL) {
        return Ok(*range.start());
    }
    let (least, most) = range.into_inner();
    let message = format!("the signature is for levels {least} to {most}; this compiler stands for {FLEVEL}");
    Err(Fault::new(Code::FlevelRange, message))
}

fn range(value: &str, attribute: &str) -> Result<RangeInclusive<u64>, Fault> {
    let bounds = value.split_once('-').and_then(|(least, most)| Some(digits(least)?..=digits(most)?));
    bounds.ok_or_else(|| invalid(attribute, "its value is a range such as `1-100`"))
}

/// The container, unless any will do.
fn container(value: &str) -> Result<Option<String>, Fault> {
    let named = file_type(value)?;
    Ok(Some(named).filter(|&name| name != "CL_TYPE_ANY").map(str::to_owned))
}

fn invalid(attribute: &str, why: &str) -> Fault {
    Fault::new(Code::DescriptionInvalid, format!("the description holds {}: {why}", quote(attribute)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<Limits, Code> {
        parse(text).map(|(_, limits)| limits).map_err(|fault| fault.code)
    }

    #[test]
    fn what_clamscan_takes() {
        for taken in ["Target:0", "Engine:51-255,Target:0", "Engine:0-255,Target:0", "Target:0,Target:1"] {
            assert_eq!(code(taken), Ok(Limits::default()), "{taken}");
        }
        let size = Limits { file_size: Some(37..=40), ..Limits::default() };
        assert_eq!(code("Engine:51-255,FileSize:37-40,Target:0"), Ok(size));
        let container = Limits { container: Some("CL_TYPE_ZIP".to_owned()), ..Limits::default() };
        assert_eq!(code("Engine:81-255,Container:CL_TYPE_ZIP,Target:2"), Ok(container));
        assert_eq!(code("Engine:81-255,Container:CL_TYPE_ANY,Target:2"), Ok(Limits::default()));
        assert_eq!(code("Engine:81-255,Target:2,HandlerType:CL_TYPE_PDF"), Ok(Limits::default()));
        let sections = Limits { sections: Some(3..=5), entry_point: Some(0..=9), ..Limits::default() };
        assert_eq!(code("Engine:51-255,Target:1,NumberOfSections:3-5,EntryPoint:0-9"), Ok(sections));
    }

    #[test]
    fn what_it_refuses_or_passes_over() {
        use Code::{
            AttributeUnknown, AttributeUnsupported, DescriptionInvalid, FileTypeInvalid, FlevelRange, IconUnsupported,
            OffsetTarget,
        };
        for (text, expected) in [
            ("", DescriptionInvalid),
            ("Engine:51-255", DescriptionInvalid),
            ("Target:0,Engine:51-255", DescriptionInvalid),
            ("Engine:300-400,Target:0", FlevelRange),
            ("Engine:1-20,Target:0", FlevelRange),
            ("Engine:51-,Target:0", FlevelRange),
            ("Engine:51,Target:0", DescriptionInvalid),
            ("Target:0,FileSize:1-2", DescriptionInvalid),
            ("Engine:50-255,Target:0,FileSize:1-2", DescriptionInvalid),
            ("Engine:51-255,Target:0,FileSize:37", DescriptionInvalid),
            ("Engine:51-255,Target:0,", DescriptionInvalid),
            ("Engine:51-255,Target:0,Foo:1", AttributeUnknown),
            ("engine:51-255,target:0", AttributeUnknown),
            ("Engine:51-255, Target:0", AttributeUnknown),
            ("Engine:51-255,Target:0,Container:zip", FileTypeInvalid),
            ("Engine:51-255,Target:0,NumberOfSections:0-5", OffsetTarget),
            ("Engine:51-255,Target:1,IconGroup1:x", IconUnsupported),
            ("Engine:51-255,Target:0,Intermediates:CL_TYPE_ZIP", AttributeUnsupported),
        ] {
            assert_eq!(code(text), Err(expected), "{text}");
        }
    }
}
