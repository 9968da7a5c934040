//! Conditions as bytes: what their nodes hold, whether they are sound, what they mean.

use super::DEPTH_MAX;
use crate::byte_compare::ByteCompare;
use crate::expression::{Comparison, Expression};
use crate::layout::{ConditionOp, ProgramOffset, REGEX_ENCOMPASS, REGEX_GLOBAL, REGEX_ROLLING};
use crate::pattern::Offset;
use crate::regex::{Extent, Flags, Regex, Ways};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// The children of a node, each after its length. Ends where the bytes do.
pub(super) fn children(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk()?;
        let (child, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = after;
        Some(child)
    })
}

/// The least and the most that a node of that form allows.
pub(super) fn range(node: &[u8]) -> Option<RangeInclusive<u64>> {
    let (least, rest) = node.split_first_chunk()?;
    Some(u64::from_le_bytes(*least)..=u64::from_le_bytes(*rest.first_chunk()?))
}

/// Whether a node of this operation is a single subsignature, whose number follows.
pub(super) fn is_single(op: u8) -> bool {
    use ConditionOp::{ByteCompare, Image, Regex, Subsignature};
    [Subsignature, Regex, ByteCompare, Image].into_iter().any(|single| single as u8 == op)
}

/// The number of a subsignature that is the hash of a picture, and that hash.
pub(super) fn image(node: &[u8]) -> Option<(u8, u64)> {
    let (&number, hash) = node.split_first()?;
    Some((number, u64::from_le_bytes(hash.try_into().ok()?)))
}

/// A byte comparison.
pub(super) struct ByteCompareNode<'a> {
    pub(super) number: u8,
    /// The parts of the subsignature near which the number is.
    pub(super) parts: &'a [[u8; 4]],
    pub(super) compare: ByteCompare,
}

/// The byte comparison that a node holds.
pub(super) fn byte_compare(node: &[u8]) -> Option<ByteCompareNode<'_>> {
    let (&[number, a, b, c, d], rest) = node.split_first_chunk()?;
    let len = (u32::from_le_bytes([a, b, c, d]) as usize).checked_mul(4)?;
    let (parts, compare) = rest.split_at_checked(len)?;
    Some(ByteCompareNode { number, parts: parts.as_chunks().0, compare: ByteCompare::decode(compare)? })
}

/// A regular expression as it is defined.
pub(super) struct Definition<'a> {
    flags: Flags,
    ways: u8,
    pub(super) offset: Offset,
    pub(super) trigger: &'a [u8],
    pattern: &'a str,
}

/// What is defined at `place`; `None` when it cannot be read.
pub(super) fn definition(conditions: &[u8], place: u32) -> Option<Definition<'_>> {
    let bytes = conditions.get(place as usize..)?;
    let (&[flags, ways, kind, section], rest) = bytes.split_first_chunk()?;
    let (distance, rest) = rest.split_first_chunk()?;
    let (slack, rest) = rest.split_first_chunk()?;
    let offset = ProgramOffset::read(kind, section, u64::from_le_bytes(*distance), u64::from_le_bytes(*slack))?;
    let mut texts = children(rest);
    let (trigger, pattern) = (texts.next()?, str::from_utf8(texts.next()?).ok()?);
    Some(Definition { flags: Flags::from_bits(flags)?, ways, offset, trigger, pattern })
}

impl Definition<'_> {
    /// Compiles it; `None` when it is none that this build takes.
    pub(super) fn compile(&self) -> Option<Regex> {
        Regex::new(self.pattern, self.flags).ok()
    }

    /// Where it is searched for when a match may begin from `first` to `last`; `None` for a place beyond what this machine can address.
    pub(super) fn extent(&self, first: u64, last: u64) -> Option<Extent> {
        let is = |way: u8| self.ways & way != 0;
        let ways = Ways { global: is(REGEX_GLOBAL), rolling: is(REGEX_ROLLING), encompass: is(REGEX_ENCOMPASS) };
        Extent::of(self.offset, first, last, ways)
    }
}

/// Whether conditions can be read.
pub(crate) struct Soundness<'a> {
    conditions: &'a [u8],
    parts: u32,
    /// Definitions that were looked at.
    seen: HashSet<u32>,
}

impl<'a> Soundness<'a> {
    /// A check of conditions that name parts below `parts` and refer to definitions in `conditions`.
    pub(crate) fn new(conditions: &'a [u8], parts: u32) -> Soundness<'a> {
        Soundness { conditions, parts, seen: HashSet::new() }
    }

    /// Whether every node of a condition can be read. O(condition and its definitions).
    pub(crate) fn holds(&mut self, condition: &[u8]) -> bool {
        self.node(condition, 0, u8::MAX)
    }

    fn node(&mut self, node: &[u8], depth: usize, below: u8) -> bool {
        let Some((&op, rest)) = node.split_first() else { return false };
        let Some(op) = ConditionOp::from_number(op).filter(|_| depth < DEPTH_MAX) else { return false };
        match op {
            ConditionOp::Subsignature => rest.split_first().is_some_and(|(&number, listed)| {
                let (listed, left) = listed.as_chunks();
                let known = |part: &[u8; 4]| u32::from_le_bytes(*part) < self.parts;
                is_number(number) && !listed.is_empty() && left.is_empty() && listed.iter().all(known)
            }),
            ConditionOp::All | ConditionOp::Any => {
                let read: usize = children(rest).map(|child| 4 + child.len()).sum();
                read == rest.len() && read > 0 && children(rest).all(|child| self.node(child, depth + 1, below))
            }
            ConditionOp::Count => rest.split_first_chunk::<6>().is_some_and(|(head, child)| {
                Comparison::from_number(head[0]).is_some() && self.node(child, depth + 1, below)
            }),
            ConditionOp::FileSize | ConditionOp::EntryPoint | ConditionOp::Sections => rest.len() == 16,
            ConditionOp::Never => rest.is_empty(),
            ConditionOp::Image => image(rest).is_some_and(|(number, _)| is_number(number)),
            ConditionOp::ByteCompare => byte_compare(rest).is_some_and(|node| {
                is_number(node.number) && node.parts.iter().all(|part| u32::from_le_bytes(*part) < self.parts)
            }),
            ConditionOp::Regex => match rest.split_first_chunk() {
                Some((&[number, a, b, c, d], [])) => {
                    is_number(number) && number < below && self.definition(u32::from_le_bytes([a, b, c, d]), depth, number)
                }
                _ => false,
            },
        }
    }

    fn definition(&mut self, place: u32, depth: usize, number: u8) -> bool {
        if !self.seen.insert(place) {
            return true;
        }
        let conditions = self.conditions;
        definition(conditions, place).is_some_and(|definition| {
            Regex::check(definition.pattern, definition.flags).is_ok() && self.node(definition.trigger, depth + 1, number)
        })
    }
}

fn is_number(number: u8) -> bool {
    usize::from(number) < Expression::SUBSIGNATURES_MAX
}

/// Calls `add` with what a condition asks, node by node, and `part` with the parts in it: everything but where they and definitions lie.
pub(crate) fn meaning(conditions: &[u8], condition: &[u8], add: &mut impl FnMut(&[u8]), part: &mut impl FnMut(u32)) {
    let mut definitions = Vec::new();
    meaning_of(condition, add, part, &mut definitions, 0);
    let mut next = 0;
    while let Some(&place) = definitions.get(next) {
        next += 1;
        let Some(definition) = definition(conditions, place) else { continue };
        let (kind, section, distance, slack) = ProgramOffset::of(definition.offset);
        add(&[definition.flags.bits(), definition.ways, kind as u8, section]);
        add(&distance.to_le_bytes());
        add(&slack.to_le_bytes());
        add(&(definition.pattern.len() as u64).to_le_bytes());
        add(definition.pattern.as_bytes());
        meaning_of(definition.trigger, add, part, &mut definitions, 0);
    }
}

/// Lists the definitions it refers to, each once, in `definitions`.
fn meaning_of(
    node: &[u8],
    add: &mut impl FnMut(&[u8]),
    part: &mut impl FnMut(u32),
    definitions: &mut Vec<u32>,
    depth: usize,
) {
    let Some((&op, rest)) = node.split_first().filter(|_| depth < DEPTH_MAX) else { return };
    match ConditionOp::from_number(op) {
        Some(ConditionOp::Subsignature) => {
            let (number, parts) = rest.split_at(rest.len().min(1));
            add(&[op]);
            add(number);
            for listed in parts.as_chunks().0 {
                part(u32::from_le_bytes(*listed));
            }
        }
        Some(ConditionOp::All | ConditionOp::Any) => {
            add(&[op]);
            for child in children(rest) {
                meaning_of(child, add, part, definitions, depth + 1);
            }
            add(&[u8::MAX]);
        }
        Some(ConditionOp::Count) => {
            let (head, child) = rest.split_at(rest.len().min(6));
            add(&[op]);
            add(head);
            meaning_of(child, add, part, definitions, depth + 1);
        }
        Some(ConditionOp::ByteCompare) => {
            add(&[op]);
            if let Some(node) = byte_compare(rest) {
                let mut encoded = vec![node.number];
                node.compare.encode_into(&mut encoded);
                add(&encoded);
                node.parts.iter().for_each(|listed| part(u32::from_le_bytes(*listed)));
            }
        }
        Some(ConditionOp::Regex) => {
            add(&[op]);
            if let Some((&[number, a, b, c, d], _)) = rest.split_first_chunk() {
                add(&[number]);
                let place = u32::from_le_bytes([a, b, c, d]);
                if !definitions.contains(&place) {
                    definitions.push(place);
                }
            }
        }
        _ => add(node),
    }
}
