//! Logical signatures: the condition of one, evaluated for one file.
//!
//! A file is searched for the parts that lead to signatures; what they lead to is evaluated here, with the other parts run over the file
//! one by one, cheapest first, and no further than the answer needs. A part is run once for a file, however many signatures ask for
//! it; so is a regular expression for its signature.

mod read;
mod regexes;

pub(crate) use read::{Soundness, meaning};
pub(crate) use regexes::Regexes;

use crate::database::Database;
use crate::expression::{Comparison, Expression, Value};
use crate::layout::{ConditionOp, NO_PROGRAM};
use crate::logical::read::{ByteCompareNode, Definition, byte_compare, children, definition, image, is_single, range};
use crate::matcher::{Literal, Program, Workspace};
use crate::subject::{Subject, TooCostly};
use crate::tally::Budget;
use std::collections::HashMap;

/// What is known of the parts of logical signatures in one file, and the work that finding out more may take.
pub(crate) struct Evaluation<'e, 'd> {
    database: &'e Database<'d>,
    subject: &'e Subject<'e>,
    work: &'e mut Workspace,
    budget: Budget,
    parts: HashMap<u32, Found>,
    regexes: &'e Regexes,
    /// Matches of regular expressions of the signature that is evaluated, by where they are defined.
    defined: HashMap<u32, Found>,
    /// What is evaluated is about subsignatures of lower numbers than this.
    below: u8,
}

/// Matches of a part.
#[derive(Clone, Copy, Debug)]
struct Found {
    matches: u64,
    /// Whether there are no more.
    all: bool,
}

/// Why a condition was not evaluated to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// The work of the evaluation ran out, for all conditions.
    Work,
    /// It asks what a picture shows that is not decoded. Others may not ask.
    Picture,
}

impl<'e, 'd> Evaluation<'e, 'd> {
    /// An evaluation for a file in which `leading` parts were found.
    pub(crate) fn new(
        database: &'e Database<'d>,
        subject: &'e Subject<'e>,
        work: &'e mut Workspace,
        regexes: &'e Regexes,
        leading: &[u32],
    ) -> Evaluation<'e, 'd> {
        let parts = leading.iter().map(|&part| (part, Found { matches: 1, all: false })).collect();
        let budget = Budget::of(subject.haystack.len());
        Evaluation { database, subject, work, budget, parts, regexes, defined: HashMap::new(), below: u8::MAX }
    }

    /// Whether a condition holds; a damaged one does not.
    pub(crate) fn holds(&mut self, condition: &[u8]) -> Result<bool, Exceeded> {
        self.defined.clear();
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
            ConditionOp::FileSize => range(rest).map(|range| holds(range.contains(&self.subject.file_len))),
            ConditionOp::EntryPoint => {
                range(rest).map(|range| holds(self.subject.images().iter().any(|image| range.contains(&image.entry))))
            }
            ConditionOp::Sections => range(rest).map(|range| {
                let sections = |image: &crate::Image| range.contains(&(image.sections.len() as u64));
                holds(self.subject.images().iter().any(sections))
            }),
            ConditionOp::Never => Some(Value::default()),
            ConditionOp::Regex => self.regex(rest, counted, depth)?,
            ConditionOp::ByteCompare => self.byte_compare(rest)?,
            ConditionOp::Image => match image(rest) {
                Some((number, hash)) => {
                    let shown = self.subject.picture_hash().map_err(|TooCostly| Exceeded::Picture)?;
                    Some(Value::of_subsignature(number, u64::from(shown == Some(hash))))
                }
                None => None,
            },
        })
    }

    fn count(&mut self, node: &[u8], counted: Option<u64>, depth: usize) -> Result<Option<Value>, Exceeded> {
        let Some((&[comparison, distinct, a, b, c, d], child)) = node.split_first_chunk() else { return Ok(None) };
        let Some(comparison) = Comparison::from_number(comparison) else { return Ok(None) };
        let asked = u64::from(u32::from_le_bytes([a, b, c, d]));
        let counted = counted.unwrap_or(0).max(asked + 1);
        let single = match child {
            [op, number, ..] if is_single(*op) => Some(*number),
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

    /// A subsignature that is a regular expression: searched for while its trigger holds.
    fn regex(&mut self, node: &[u8], counted: Option<u64>, depth: usize) -> Result<Option<Value>, Exceeded> {
        let Some((&[number, a, b, c, d], [])) = node.split_first_chunk() else { return Ok(None) };
        let place = u32::from_le_bytes([a, b, c, d]);
        let needed = counted.unwrap_or(1);
        if let Some(found) = self.defined.get(&place).filter(|found| found.all || found.matches >= needed) {
            return Ok(Some(Value::of_subsignature(number, found.matches)));
        }
        // Triggers are about lower numbers only, in a damaged database too, so that they come to an end.
        let Some(definition) = definition(self.database.conditions, place).filter(|_| number < self.below) else {
            return Ok(None);
        };
        let below = std::mem::replace(&mut self.below, number);
        let triggered = self.value(definition.trigger, None, depth + 1);
        self.below = below;
        let Some(triggered) = triggered? else { return Ok(None) };
        let matches = if triggered.holds { self.search(place, &definition, needed)? } else { 0 };
        self.defined.insert(place, Found { matches, all: matches < needed });
        Ok(Some(Value::of_subsignature(number, matches)))
    }

    /// A subsignature that is a number near the last match of another.
    fn byte_compare(&mut self, node: &[u8]) -> Result<Option<Value>, Exceeded> {
        let Some(ByteCompareNode { number, parts, compare }) = byte_compare(node) else { return Ok(None) };
        let mut last = None;
        for part in parts {
            last = last.max(self.last_start(u32::from_le_bytes(*part))?);
        }
        let holds = last.is_some_and(|start| compare.holds(self.subject.haystack, start as u64));
        Ok(Some(Value::of_subsignature(number, u64::from(holds))))
    }

    /// Where the last match of a part begins: of those that end last, the last.
    fn last_start(&mut self, part: u32) -> Result<Option<usize>, Exceeded> {
        let program = self.database.part(part).map_or(NO_PROGRAM, |part| part.program.get());
        if !self.subject.admits(program) {
            return Ok(None);
        }
        let start = if let Some(literal) = Literal::read(self.database.programs, program) {
            self.work.add_search(self.subject.haystack.len());
            literal.places(self.subject.haystack).last().map(|place| place.start)
        } else {
            let program = Program::read(self.database.programs, program);
            program.and_then(|program| program.last_start(self.subject, self.work, self.budget.left()))
        };
        if self.budget.take(self.work.take_steps()) { Ok(start) } else { Err(Exceeded::Work) }
    }

    /// How often a regular expression matches; exact below `needed`.
    fn search(&mut self, place: u32, definition: &Definition<'_>, needed: u64) -> Result<u64, Exceeded> {
        let Some(regex) = self.regexes.get(place, definition) else { return Ok(0) };
        let mut extents = Vec::new();
        self.subject.each_range(definition.offset, |first, last| extents.extend(definition.extent(first, last)));
        let mut matches = 0_u64;
        for extent in extents {
            let before = self.budget.left();
            let mut left = before;
            let found = regex.matches(self.subject.haystack, extent, needed - matches, &mut left);
            self.budget.take(before - left);
            matches += found.map_err(|_| Exceeded::Work)?.count;
            if matches >= needed {
                break;
            }
        }
        Ok(matches)
    }

    /// How often a part matches; exact below `needed`.
    fn matches_of(&mut self, part: u32, needed: u64) -> Result<u64, Exceeded> {
        if let Some(found) = self.parts.get(&part).filter(|found| found.all || found.matches >= needed) {
            return Ok(found.matches);
        }
        let matches = self.run(part, needed);
        if !self.budget.take(self.work.take_steps()) {
            return Err(Exceeded::Work);
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

/// Most nodes inside one another; the linker writes fewer, triggers of triggers included.
pub(super) const DEPTH_MAX: usize = 10 * Expression::DEPTH_MAX;
