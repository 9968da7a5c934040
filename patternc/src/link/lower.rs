//! Lowering a pattern to the program that verifies it.

use super::anchor::Anchor;
use crate::record::Target;
use engine::layout::{
    LITERAL_PROGRAM, LiteralHead, NEAR_GAP_MAX, Op, PROGRAM_ALIGN, PROGRAM_PLACE, PROGRAM_TARGET_SHIFT, ProgramElement,
    ProgramHead, ProgramOffset,
};
use engine::pattern::{Element, MaskedByte, Offset, Pattern};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

/// What a program verifies: a body signature, or a part of a logical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Body<'a> {
    pub(super) target: Target,
    pub(super) offset: Offset,
    pub(super) pattern: &'a Pattern,
}

impl<'a> Body<'a> {
    pub(super) fn of(body: &'a crate::record::Body) -> Body<'a> {
        Body { target: body.target, offset: body.offset, pattern: &body.pattern }
    }
}

/// Appends the program of `body` and returns what its signature shall say of it; `None` when the section is full.
pub(super) fn append_program(programs: &mut Vec<u8>, body: &Body<'_>, anchor: Anchor) -> Option<u32> {
    programs.resize(programs.len().next_multiple_of(PROGRAM_ALIGN), 0);
    let place = u32::try_from(programs.len() / PROGRAM_ALIGN).ok().filter(|&place| place <= PROGRAM_PLACE)?;
    let program = place | u32::from(body.target.number()) << PROGRAM_TARGET_SHIFT;
    if let (Offset::Any, [Element::Bytes(bytes)]) = (body.offset, body.pattern.elements())
        && bytes.iter().all(|byte| byte.is_fixed())
    {
        let head = LiteralHead { len: U16::new(bytes.len() as u16), anchor_shift: U16::new(anchor.shift) };
        programs.extend_from_slice(head.as_bytes());
        programs.extend(bytes.iter().map(|byte| byte.value()));
        return Some(program | LITERAL_PROGRAM);
    }
    let (kind, section, distance, slack) = ProgramOffset::of(body.offset);
    let elements = body.pattern.elements();
    // A pattern has at most `Pattern::ELEMENTS_MAX` elements of at most `Pattern::LEN_MAX` bytes, so 16 bits hold every count.
    let head = ProgramHead {
        offset_kind: kind as u8,
        section,
        elements: U16::new(elements.len() as u16),
        anchor_element: U16::new(anchor.element),
        anchor_shift: U16::new(anchor.shift),
        distance: U64::new(distance),
        slack: U64::new(slack),
    };
    let mut data = Vec::new();
    let table: Vec<ProgramElement> = elements.iter().map(|element| lower(element, &mut data)).collect();
    programs.extend_from_slice(head.as_bytes());
    programs.extend_from_slice(table.as_bytes());
    programs.extend_from_slice(&data);
    Some(program)
}

/// One element of the table; its bytes are appended to `data`.
fn lower(element: &Element, data: &mut Vec<u8>) -> ProgramElement {
    let start = data.len() as u32;
    let record = |op: Op, flag: bool, count: usize, a: u32, b: u32| ProgramElement {
        op: op as u8,
        flag: u8::from(flag),
        count: U16::new(count as u16),
        a: U32::new(a),
        b: U32::new(b),
    };
    match element {
        Element::Bytes(bytes) if bytes.iter().all(|byte| byte.is_fixed()) => {
            data.extend(bytes.iter().map(|byte| byte.value()));
            record(Op::Literal, false, bytes.len(), start, 0)
        }
        Element::Bytes(bytes) => {
            append_masked(data, bytes);
            record(Op::Masked, false, bytes.len(), start, 0)
        }
        Element::Alternatives { strings, negated } => {
            for string in strings {
                data.extend_from_slice(U16::new(string.len() as u16).as_bytes());
                append_masked(data, string);
            }
            record(Op::Alternatives, *negated, strings.len(), start, data.len() as u32 - start)
        }
        Element::Gap { min, max: Some(max) } if max - min <= NEAR_GAP_MAX => record(Op::Gap, false, 0, *min, *max),
        Element::Gap { min, max } => record(Op::FarGap, max.is_none(), 0, *min, max.unwrap_or(0)),
        Element::Boundary(boundary) => ProgramElement { flag: boundary.number(), ..record(Op::Boundary, false, 0, 0, 0) },
    }
}

/// All values, then all masks: two rows that one comparison takes.
fn append_masked(data: &mut Vec<u8>, bytes: &[MaskedByte]) {
    data.extend(bytes.iter().map(|byte| byte.value()));
    data.extend(bytes.iter().map(|byte| byte.mask()));
}
