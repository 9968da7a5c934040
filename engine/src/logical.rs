//! Logical signatures: the condition of one, evaluated for one file.
//!
//! A file is searched for the parts that lead to signatures; what they lead to is evaluated here, with the other parts run over the file
//! one by one, cheapest first, and no further than the answer needs. A part is run once for a file, however many signatures ask for
//! it.

use crate::database::Database;
use crate::expression::{Comparison, Expression, Value};
use crate::layout::ConditionOp;
use crate::matcher::{Literal, Program, Workspace};
use crate::subject::Subject;
use crate::tally::Budget;
use std::collections::HashMap;

/// What is known of the parts of logical signatures in one file, and the work that finding out more may take.
pub(crate) struct Evaluation<'e, 'd> {
    database: &'e Database<'d>,
    subject: &'e Subject<'e>,
    work: &'e mut Workspace,
    budget: Budget,
    parts: HashMap<u32, Found>,
}

/// Matches of a part.
#[derive(Clone, Copy, Debug)]
struct Found {
    matches: u64,
    /// Whether there are no more.
    all: bool,
}

/// The work of the evaluation ran out.
#[derive(Debug)]
pub(crate) struct Exceeded;

impl<'e, 'd> Evaluation<'e, 'd> {
    /// An evaluation for a file in which `leading` parts were found.
    pub(crate) fn new(
        database: &'e Database<'d>,
        subject: &'e Subject<'e>,
        work: &'e mut Workspace,
        leading: &[u32],
    ) -> Evaluation<'e, 'd> {
        let parts = leading.iter().map(|&part| (part, Found { matches: 1, all: false })).collect();
        Evaluation { database, subject, work, budget: Budget::of(subject.haystack.len()), parts }
    }

    /// Whether a condition holds; a damaged one does not.
    pub(crate) fn holds(&mut self, condition: &[u8]) -> Result<bool, Exceeded> {
        self.value(condition, None, 0).map(|value| value.is_some_and(|value| value.holds))
    }

    /// What a node comes to. Where matches are compared, `counted` is the number from which more make no difference; elsewhere, only whether
    /// the node holds is found out.
    fn value(&mut self, node: &[u8], counted: Option<u64>, depth: usize) -> Result<Option<Value>, Exceeded> {
        let Some((&op, rest)) = node.split_first() else { return Ok(None) };
        let Some(op) = ConditionOp::from_number(op).filter(|_| depth < DEPTH_MAX) else { return Ok(None) };
        let holds = |holds| Value { holds, ..Value::default() };
        Ok(match op {
            ConditionOp::Subsignature => self.subsignature(rest, counted)?,
            ConditionOp::All => {
                let mut all: Option<Value> = None;
                for child in children(rest) {
                    let Some(value) = self.value(child, counted, depth + 1)? else { return Ok(None) };
                    if !value.holds {
                        return Ok(Some(Value::default()));
                    }
                    all = Some(all.map_or(value, |all| all.and(value)));
                }
                all
            }
            ConditionOp::Any => {
                let mut any: Option<Value> = None;
                for child in children(rest) {
                    let Some(value) = self.value(child, counted, depth + 1)? else { return Ok(None) };
                    if value.holds && counted.is_none() {
                        return Ok(Some(value));
                    }
                    any = Some(any.map_or(value, |any| any.or(value)));
                }
                any
            }
            ConditionOp::Count => self.count(rest, counted, depth)?,
            ConditionOp::FileSize => range(rest).map(|range| holds(range.contains(&(self.subject.haystack.len() as u64)))),
            ConditionOp::EntryPoint => {
                range(rest).map(|range| holds(self.subject.images().iter().any(|image| range.contains(&image.entry))))
            }
            ConditionOp::Sections => range(rest).map(|range| {
                let sections = |image: &crate::Image| range.contains(&(image.sections.len() as u64));
                holds(self.subject.images().iter().any(sections))
            }),
            ConditionOp::Never => Some(Value::default()),
        })
    }

    fn count(&mut self, node: &[u8], counted: Option<u64>, depth: usize) -> Result<Option<Value>, Exceeded> {
        let Some((&[comparison, distinct, a, b, c, d], child)) = node.split_first_chunk() else { return Ok(None) };
        let Some(comparison) = Comparison::from_number(comparison) else { return Ok(None) };
        let asked = u64::from(u32::from_le_bytes([a, b, c, d]));
        let counted = counted.unwrap_or(0).max(asked + 1);
        let single = match child {
            [op, number, ..] if *op == ConditionOp::Subsignature as u8 => Some(*number),
            _ => None,
        };
        let value = self.value(child, Some(counted), depth + 1)?;
        Ok(value.map(|value| value.count(single, comparison, asked, distinct)))
    }

    fn subsignature(&mut self, node: &[u8], counted: Option<u64>) -> Result<Option<Value>, Exceeded> {
        let Some((&number, parts)) = node.split_first() else { return Ok(None) };
        let needed = counted.unwrap_or(1);
        let mut matches = 0_u64;
        for part in parts.as_chunks().0 {
            if matches >= needed {
                break;
            }
            matches += self.matches_of(u32::from_le_bytes(*part), needed - matches)?;
        }
        Ok(Some(Value::of_subsignature(number, matches)))
    }

    /// How often a part matches; exact below `needed`.
    fn matches_of(&mut self, part: u32, needed: u64) -> Result<u64, Exceeded> {
        if let Some(found) = self.parts.get(&part).filter(|found| found.all || found.matches >= needed) {
            return Ok(found.matches);
        }
        let matches = self.run(part, needed);
        if !self.budget.take(self.work.take_steps()) {
            return Err(Exceeded);
        }
        self.parts.insert(part, Found { matches, all: matches < needed });
        Ok(matches)
    }

    /// Looks for a part in the whole file.
    fn run(&mut self, part: u32, needed: u64) -> u64 {
        let Some(program) = self.database.part(part).map(|part| part.program.get()) else { return 0 };
        let haystack = self.subject.haystack;
        if !self.subject.admits(program) {
            return 0;
        }
        if let Some(literal) = Literal::read(self.database.programs, program) {
            self.work.add_search(haystack.len());
            let most = usize::try_from(needed).unwrap_or(usize::MAX);
            return literal.places(haystack).take(most).count() as u64;
        }
        let Some(program) = Program::read(self.database.programs, program) else { return 0 };
        match program.run(self.subject, self.work, self.budget.left()) {
            Some(_) => self.work.ends().len() as u64,
            None => 0,
        }
    }
}

/// Most nodes inside one another; the linker writes fewer.
const DEPTH_MAX: usize = 2 * Expression::DEPTH_MAX;

/// The children of a node, each after its length. Ends where the bytes do.
pub(crate) fn children(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, after) = rest.split_first_chunk()?;
        let (child, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = after;
        Some(child)
    })
}

/// The least and the most that a node of that form allows.
fn range(node: &[u8]) -> Option<std::ops::RangeInclusive<u64>> {
    let (least, rest) = node.split_first_chunk()?;
    Some(u64::from_le_bytes(*least)..=u64::from_le_bytes(*rest.first_chunk()?))
}

/// Whether every node of a condition can be read, with parts below `parts`.
pub(crate) fn is_sound(condition: &[u8], parts: u32) -> bool {
    is_sound_at(condition, parts, 0)
}

fn is_sound_at(node: &[u8], parts: u32, depth: usize) -> bool {
    let Some((&op, rest)) = node.split_first() else { return false };
    let Some(op) = ConditionOp::from_number(op).filter(|_| depth < DEPTH_MAX) else { return false };
    match op {
        ConditionOp::Subsignature => rest.split_first().is_some_and(|(&number, listed)| {
            let (listed, left) = listed.as_chunks();
            let known = |part: &[u8; 4]| u32::from_le_bytes(*part) < parts;
            usize::from(number) < Expression::SUBSIGNATURES_MAX
                && !listed.is_empty()
                && left.is_empty()
                && listed.iter().all(known)
        }),
        ConditionOp::All | ConditionOp::Any => {
            let read: usize = children(rest).map(|child| 4 + child.len()).sum();
            read == rest.len() && read > 0 && children(rest).all(|child| is_sound_at(child, parts, depth + 1))
        }
        ConditionOp::Count => rest
            .split_first_chunk::<6>()
            .is_some_and(|(head, child)| Comparison::from_number(head[0]).is_some() && is_sound_at(child, parts, depth + 1)),
        ConditionOp::FileSize | ConditionOp::EntryPoint | ConditionOp::Sections => rest.len() == 16,
        ConditionOp::Never => rest.is_empty(),
    }
}

/// Calls `add` with what a condition asks, node by node, and `part` with the parts in it: everything but where they lie.
pub(crate) fn meaning(condition: &[u8], add: &mut impl FnMut(&[u8]), part: &mut impl FnMut(u32)) {
    meaning_at(condition, add, part, 0);
}

fn meaning_at(node: &[u8], add: &mut impl FnMut(&[u8]), part: &mut impl FnMut(u32), depth: usize) {
    let Some((&op, rest)) = node.split_first().filter(|_| depth < DEPTH_MAX) else { return };
    match ConditionOp::from_number(op) {
        Some(ConditionOp::Subsignature) => {
            let (number, parts) = rest.split_at(rest.len().min(1));
            add(&[op]);
            add(number);
            parts.as_chunks().0.iter().for_each(|listed| part(u32::from_le_bytes(*listed)));
        }
        Some(ConditionOp::All | ConditionOp::Any) => {
            add(&[op]);
            children(rest).for_each(|child| meaning_at(child, add, part, depth + 1));
            add(&[u8::MAX]);
        }
        Some(ConditionOp::Count) => {
            let (head, child) = rest.split_at(rest.len().min(6));
            add(&[op]);
            add(head);
            meaning_at(child, add, part, depth + 1);
        }
        _ => add(node),
    }
}
