//! `Name;TargetDescriptionBlock;LogicalExpression;Subsig0;Subsig1;...`

mod description;
mod expression;

use engine::expression::Expression;
use engine::pattern::Offset;

use super::byte_compare;
use super::pcre::{self, Pcre};
use super::{fuzzy_image, modifier, name, offset};
use crate::diagnostic::{Code, Fault};
use crate::record::{Logical, Record, RegexSubsignature, Subsignature, Target};

pub(super) fn parse(line: &str) -> Result<Record, Fault> {
    let mut fields = line.splitn(4, ';');
    let [name_field, description_field, expression_field] = [fields.next(), fields.next(), fields.next()];
    let texts: Vec<&str> =
        fields.next().map(|rest| texts(rest).take(Expression::SUBSIGNATURES_MAX + 1).collect()).unwrap_or_default();
    let (Some(name_field), Some(description_field), Some(expression_field), [_, ..]) =
        (name_field, description_field, expression_field, &texts[..])
    else {
        let message = "the line has too few fields separated by `;`; a name, a description, an expression and a subsignature are needed";
        return Err(Fault::new(Code::FieldCount, message));
    };
    // Levels come first: clamscan looks at nothing else of a signature that is not meant for it.
    let (target, limits) = description::parse(description_field)?;
    let name = name(name_field)?;
    let expression = expression::parse(expression_field)?;
    check_count(&expression, texts.len())?;
    let subsignature = |(number, text): (usize, &&str)| {
        subsignature(text, target)
            .map_err(|Fault { code, message }| Fault::new(code, format!("subsignature {number}: {message}")))
    };
    let subsignatures = texts.iter().enumerate().map(subsignature).collect::<Result<_, _>>()?;
    let logical = Logical { name, target, limits, expression, subsignatures };
    if !logical.are_triggers_sound() {
        let message = format!(
            "a trigger names subsignatures before its own only, that of a byte comparison one of bytes, and no more than {} \
             trigger one another in a row",
            Logical::TRIGGERS_MAX
        );
        return Err(Fault::new(Code::TriggerInvalid, message));
    }
    Ok(Record::Logical(Box::new(logical)))
}

/// The texts of subsignatures. A `;` between two slashes is part of a regular expression; a slash behind a backslash is none of the two.
fn texts(rest: &str) -> impl Iterator<Item = &str> {
    let (mut inside, mut before) = (false, ' ');
    rest.split(move |letter| {
        inside ^= letter == '/' && before != '\\';
        before = letter;
        letter == ';' && !inside
    })
}

/// There are as many subsignatures as the highest number in the expression says, as clamscan demands.
fn check_count(expression: &Expression, subsignatures: usize) -> Result<(), Fault> {
    if subsignatures > Expression::SUBSIGNATURES_MAX {
        let message = format!("there are more than {} subsignatures", Expression::SUBSIGNATURES_MAX);
        return Err(Fault::new(Code::SubsignatureCount, message));
    }
    let named = usize::from(expression.highest()) + 1;
    if named == subsignatures {
        return Ok(());
    }
    let message =
        format!("there are {subsignatures} subsignatures, and the expression names them up to number {}", named - 1);
    Err(Fault::new(Code::SubsignatureCount, message))
}

fn subsignature(text: &str, target: Target) -> Result<Subsignature, Fault> {
    let unsupported = |what: &str| Err(Fault::new(Code::SubsignatureUnsupported, format!("{what} are not supported yet")));
    if fuzzy_image::is_fuzzy_image(text) {
        return fuzzy_image::parse(text).map(|hash| Subsignature::Image { hash });
    }
    if text.starts_with("${") {
        return unsupported("macros");
    }
    if pcre::is_pcre(text) {
        return regex(text, target).map(Subsignature::Regex);
    }
    if byte_compare::is_byte_compare(text) {
        let (trigger, compare) = byte_compare::parse(text)?;
        return Ok(Subsignature::ByteCompare { trigger, compare });
    }
    let (text, modifiers) = text.split_once("::").unwrap_or((text, ""));
    let modifiers = modifier::parse(modifiers)?;
    let (offset, text) = match text.split_once(':') {
        Some((offset, text)) => (offset::parse(offset, target)?, text),
        None => (Offset::Any, text),
    };
    Ok(Subsignature::Bytes { offset, any_of: modifier::apply(text, offset, modifiers)? })
}

fn regex(text: &str, target: Target) -> Result<RegexSubsignature, Fault> {
    let Pcre { offset, trigger, pattern, flags, global, rolling, encompass } = pcre::parse(text, target)?;
    let (trigger, pattern) = (expression::parse(trigger)?, pattern.to_owned());
    Ok(RegexSubsignature { trigger, offset, pattern, flags, global, rolling, encompass })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::expression::Comparison;

    fn parsed(line: &str) -> Result<Logical, Code> {
        match parse(line).map_err(|fault| fault.code)? {
            Record::Logical(logical) => Ok(*logical),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_in_its_parts() {
        let logical = parsed("Demo.Worm;Engine:51-255,Target:1,FileSize:10-20;0&(1=0);EP+0:aabbcc;ddeeff").unwrap();
        assert_eq!((logical.name.as_str(), logical.target.number(), logical.subsignatures.len()), ("Demo.Worm", 1, 2));
        assert_eq!(logical.limits.file_size, Some(10..=20));
        let none = Expression::Count {
            of: Box::new(Expression::Subsignature(1)),
            comparison: Comparison::Equal,
            matches: 0,
            distinct: 0,
        };
        assert_eq!(logical.expression, Expression::All(vec![Expression::Subsignature(0), none]));
        let at_entry = |subsignature: &Subsignature| {
            matches!(subsignature, Subsignature::Bytes { offset: Offset::Entry { delta: 0, .. }, .. })
        };
        assert!(at_entry(&logical.subsignatures[0]) && !at_entry(&logical.subsignatures[1]));
    }

    #[test]
    fn as_many_subsignatures_as_are_named() {
        let line = |expression: &str, count: usize| {
            parsed(&format!("N;Target:0;{expression}{}", ";aabbcc".repeat(count))).map(|logical| logical.subsignatures.len())
        };
        assert_eq!(line("0&1", 2), Ok(2));
        assert_eq!(line("1", 2), Ok(2));
        assert_eq!(line("0", 2), Err(Code::SubsignatureCount));
        assert_eq!(line("0&2", 2), Err(Code::SubsignatureCount));
        assert_eq!(line("63", 64), Ok(64));
        assert_eq!(line("63", 65), Err(Code::SubsignatureCount));
        assert_eq!(line("0", 0), Err(Code::FieldCount));
        assert_eq!(parsed("N;Target:0"), Err(Code::FieldCount));
    }

    #[test]
    fn a_semicolon_may_stand_in_a_regular_expression() {
        for (text, count) in [("0/a;b/i;ddeeff", 2), ("0/a\\/;b\\;/;ddeeff", 2), ("0/a\\\\/;b/", 1)] {
            assert_eq!(texts(text).count(), count, "{text}");
        }
        let line = "N;Engine:81-255,Target:0;1&2;aabbcc;0/a;b/;ddeeff";
        assert_eq!(parsed(line).map(|logical| logical.subsignatures.len()), Ok(3));
    }

    #[test]
    fn faults_name_the_subsignature() {
        let fault = parse("N;Target:0;0&1;aabbcc;aabb0").unwrap_err();
        assert!(fault.message.starts_with("subsignature 1: "), "{fault}");
    }
}
