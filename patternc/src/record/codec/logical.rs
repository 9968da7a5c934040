//! Logical signatures: name, target, limits, subsignatures, expression.

use std::ops::RangeInclusive;

use engine::byte_compare::ByteCompare;
use engine::expression::{Comparison, Expression};
use engine::regex::{Flags, PATTERN_BYTES_MAX, Regex};

use super::super::{Limits, Logical, RegexSubsignature, Subsignature};
use super::{name, offset, pattern, put_name, put_offset, put_pattern, target};
use crate::wire::{Reader, WireError, put_varint};

const FILE_SIZE: u8 = 1;
const ENTRY_POINT: u8 = 2;
const SECTIONS: u8 = 4;
const CONTAINER: u8 = 8;

const BYTES: u8 = 0;
const REGEX: u8 = 1;
const BYTE_COMPARE: u8 = 2;
const IMAGE: u8 = 3;
/// Most comparisons of a number.
const COMPARISONS_BYTES_MAX: u64 = 11 + 9 * 16;

const GLOBAL: u8 = 1;
const ROLLING: u8 = 2;
const ENCOMPASS: u8 = 4;
/// Most patterns of one subsignature: as it stands, and with two bytes to a character.
const PATTERNS_MAX: u64 = 2;

const SUBSIGNATURE: u8 = 0;
const ALL: u8 = 1;
const ANY: u8 = 2;
const COUNT: u8 = 3;

pub(super) fn put(out: &mut Vec<u8>, logical: &Logical) {
    put_name(out, &logical.name);
    out.push(logical.target.number());
    put_limits(out, &logical.limits);
    put_varint(out, logical.subsignatures.len() as u64);
    for subsignature in &logical.subsignatures {
        put_subsignature(out, subsignature);
    }
    put_expression(out, &logical.expression);
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Logical, WireError> {
    let (name, target, limits) = (name(reader)?, target(reader)?, limits(reader)?);
    let count = reader.varint_to(Expression::SUBSIGNATURES_MAX as u64, "a signature has too many subsignatures")?;
    if count == 0 {
        return Err(reader.fault("a signature has no subsignature"));
    }
    let subsignatures = (0..count).map(|_| subsignature(reader)).collect::<Result<Vec<_>, _>>()?;
    let expression = expression(reader, 0)?;
    if usize::from(expression.highest()) >= subsignatures.len() {
        return Err(reader.fault("an expression names a subsignature that is not there"));
    }
    let logical = Logical { name, target, limits, expression, subsignatures };
    if logical.are_triggers_sound() {
        Ok(logical)
    } else {
        Err(reader.fault("a trigger is about subsignatures after its own, or in too long a row"))
    }
}

/// A bit for each limit that is set, then those that are, in the order of their bits.
fn put_limits(out: &mut Vec<u8>, limits: &Limits) {
    let ranges = [(FILE_SIZE, &limits.file_size), (ENTRY_POINT, &limits.entry_point), (SECTIONS, &limits.sections)];
    let container = if limits.container.is_some() { CONTAINER } else { 0 };
    out.push(ranges.iter().filter(|(_, range)| range.is_some()).fold(container, |set, (bit, _)| set | bit));
    for range in ranges.iter().filter_map(|(_, range)| range.as_ref()) {
        put_varint(out, *range.start());
        put_varint(out, *range.end());
    }
    if let Some(container) = &limits.container {
        put_name(out, container);
    }
}

fn limits(reader: &mut Reader<'_>) -> Result<Limits, WireError> {
    let set = reader.u8()?;
    if set > FILE_SIZE | ENTRY_POINT | SECTIONS | CONTAINER {
        return Err(reader.fault("a limit of a signature is unknown"));
    }
    let mut range = |bit: u8| -> Result<Option<RangeInclusive<u64>>, WireError> {
        if set & bit == 0 { Ok(None) } else { Ok(Some(reader.varint()?..=reader.varint()?)) }
    };
    let (file_size, entry_point, sections) = (range(FILE_SIZE)?, range(ENTRY_POINT)?, range(SECTIONS)?);
    let container = if set & CONTAINER == 0 { None } else { Some(name(reader)?) };
    Ok(Limits { file_size, entry_point, sections, container })
}

fn put_subsignature(out: &mut Vec<u8>, subsignature: &Subsignature) {
    match subsignature {
        Subsignature::Bytes { offset, any_of } => {
            out.push(BYTES);
            put_offset(out, *offset);
            put_varint(out, any_of.len() as u64);
            for pattern in any_of {
                put_pattern(out, pattern);
            }
        }
        Subsignature::ByteCompare { trigger, compare } => {
            let mut encoded = Vec::new();
            compare.encode_into(&mut encoded);
            out.extend([BYTE_COMPARE, *trigger]);
            put_varint(out, encoded.len() as u64);
            out.extend(encoded);
        }
        Subsignature::Image { hash } => {
            out.push(IMAGE);
            out.extend(hash.to_le_bytes());
        }
        Subsignature::Regex(regex) => {
            out.push(REGEX);
            put_offset(out, regex.offset);
            put_expression(out, &regex.trigger);
            let ways = [(regex.global, GLOBAL), (regex.rolling, ROLLING), (regex.encompass, ENCOMPASS)];
            out.extend([regex.flags.bits(), ways.into_iter().map(|(set, bit)| if set { bit } else { 0 }).sum()]);
            put_varint(out, regex.pattern.len() as u64);
            out.extend_from_slice(regex.pattern.as_bytes());
        }
    }
}

fn subsignature(reader: &mut Reader<'_>) -> Result<Subsignature, WireError> {
    match reader.u8()? {
        BYTES => {
            let offset = offset(reader)?;
            let count = reader.varint_to(PATTERNS_MAX, "a subsignature has too many patterns")?;
            if count == 0 {
                return Err(reader.fault("a subsignature has no pattern"));
            }
            let any_of = (0..count).map(|_| pattern(reader)).collect::<Result<_, _>>()?;
            Ok(Subsignature::Bytes { offset, any_of })
        }
        REGEX => regex(reader).map(Subsignature::Regex),
        BYTE_COMPARE => {
            let trigger = reader.u8()?;
            let len = reader.varint_to(COMPARISONS_BYTES_MAX, "a comparison of bytes is too long")?;
            let compare = ByteCompare::decode(reader.take(len as usize)?);
            let compare = compare.ok_or_else(|| reader.fault("a comparison of bytes is of an unknown form"))?;
            Ok(Subsignature::ByteCompare { trigger, compare })
        }
        IMAGE => Ok(Subsignature::Image { hash: reader.u64()? }),
        _ => Err(reader.fault("the form of a subsignature is unknown")),
    }
}

fn regex(reader: &mut Reader<'_>) -> Result<RegexSubsignature, WireError> {
    let (offset, trigger) = (offset(reader)?, expression(reader, 0)?);
    let (flags, ways) = (Flags::from_bits(reader.u8()?), reader.u8()?);
    let flags = flags.filter(|_| ways <= GLOBAL | ROLLING | ENCOMPASS);
    let flags = flags.ok_or_else(|| reader.fault("a flag of a regular expression is unknown"))?;
    let len = reader.varint_to(PATTERN_BYTES_MAX as u64, "a regular expression is too long")?;
    let pattern =
        str::from_utf8(reader.take(len as usize)?).map_err(|_| reader.fault("a regular expression is not UTF-8"))?;
    if Regex::check(pattern, flags).is_err() {
        return Err(reader.fault("a regular expression is not one that is supported"));
    }
    let is = |bit: u8| ways & bit != 0;
    let (global, rolling, encompass) = (is(GLOBAL), is(ROLLING), is(ENCOMPASS));
    Ok(RegexSubsignature { trigger, offset, pattern: pattern.to_owned(), flags, global, rolling, encompass })
}

fn put_expression(out: &mut Vec<u8>, expression: &Expression) {
    let mut put_several = |op: u8, several: &[Expression]| {
        out.push(op);
        put_varint(out, several.len() as u64);
        for one in several {
            put_expression(out, one);
        }
    };
    match expression {
        Expression::Subsignature(number) => out.extend([SUBSIGNATURE, *number]),
        Expression::All(all) => put_several(ALL, all),
        Expression::Any(any) => put_several(ANY, any),
        Expression::Count { of, comparison, matches, distinct } => {
            out.extend([COUNT, *comparison as u8, *distinct]);
            put_varint(out, u64::from(*matches));
            put_expression(out, of);
        }
    }
}

fn expression(reader: &mut Reader<'_>, depth: usize) -> Result<Expression, WireError> {
    if depth >= Expression::DEPTH_MAX {
        return Err(reader.fault("an expression is nested too deeply"));
    }
    match reader.u8()? {
        SUBSIGNATURE => Ok(Expression::Subsignature(reader.u8()?)),
        op @ (ALL | ANY) => {
            let count = reader.varint()?;
            // No reservation: a count is believed only as far as expressions follow it.
            let mut several = Vec::new();
            for _ in 0..count {
                several.push(expression(reader, depth + 1)?);
            }
            let same = |one: &Expression| match one {
                Expression::All(_) => op == ALL,
                Expression::Any(_) => op == ANY,
                _ => false,
            };
            if several.len() < 2 || several.iter().any(same) {
                return Err(reader.fault("an expression is not in its shortest form"));
            }
            Ok(if op == ALL { Expression::All(several) } else { Expression::Any(several) })
        }
        COUNT => {
            let (comparison, distinct) = (Comparison::from_number(reader.u8()?), reader.u8()?);
            let comparison = comparison.ok_or_else(|| reader.fault("a comparison is unknown"))?;
            let matches = reader.varint_to(u64::from(u32::MAX), "a number of matches is too large")? as u32;
            Ok(Expression::Count { of: Box::new(expression(reader, depth + 1)?), comparison, matches, distinct })
        }
        _ => Err(reader.fault("an expression is of an unknown form")),
    }
}
