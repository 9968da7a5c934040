//! Logical signatures: their parts, which of these lead to them, and their conditions.
//!
//! A scanner searches for as few parts as will do: of several that must all match, for the one that costs least to search for. Only
//! where that is found are the other parts looked for. `docs/logical.md` has the reasons.

use super::lower::Body;
use super::run::{Fold, has_letters_of_either_case};
use super::shapes::least_price;
use super::{LinkError, LinkSource, too_many, undigested};
use crate::model::Model;
use crate::record::{Limits, Logical, Record, RegexSubsignature, Subsignature, Target};
use engine::expression::{Comparison, Expression};
use engine::layout::{self, ConditionOp, ProgramOffset, REGEX_ENCOMPASS, REGEX_GLOBAL, REGEX_ROLLING};
use engine::pattern::{Offset, Pattern};
use rayon::prelude::*;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use zerocopy::little_endian::U32;

/// The logical signatures of one database, and the parts that they consist of, equal ones once.
#[derive(Default)]
pub(super) struct Logicals<'a> {
    /// Ascending by signature index.
    signatures: Vec<Gathered<'a>>,
    parts: Vec<Part<'a>>,
    /// The part that each pattern is: signature by signature, subsignature by subsignature.
    named: Vec<u32>,
    /// Those that no part leads to, as indices into `signatures`.
    unled: Vec<u32>,
}

/// A logical signature.
#[derive(Clone, Copy)]
struct Gathered<'a> {
    /// Its index.
    id: u32,
    logical: &'a Logical,
    /// The first of its patterns in [`Logicals::named`].
    first_named: usize,
}

/// A pattern in files of one kind.
struct Part<'a> {
    body: Body<'a>,
    /// Logical signatures that have it.
    uses: u32,
    /// What searching for it is expected to cost.
    price: f64,
    /// The logical signatures that it leads to, ascending.
    owners: Vec<u32>,
}

/// Parts one of which matches wherever a condition holds, and what searching for them costs.
struct Lead {
    cost: f64,
    parts: Vec<u32>,
}

impl<'a> Logicals<'a> {
    /// Gathers the logical signatures of `sources` and chooses what leads to them.
    ///
    /// O(patterns): a few microseconds for each distinct one.
    pub(super) fn gather(sources: &'a [LinkSource<'a>], model: &Model) -> Result<Logicals<'a>, LinkError> {
        let mut logicals = Logicals::default();
        let mut index = HashMap::new();
        for (id, record, _) in undigested(sources) {
            if let Record::Logical(logical) = record {
                logicals.signatures.push(Gathered { id, logical, first_named: logicals.named.len() });
                logicals.add_parts(logical, &mut index)?;
            }
        }
        drop(index);
        logicals.parts.par_iter_mut().for_each(|part| part.price = price(&part.body, model));
        logicals.choose_leads();
        Ok(logicals)
    }

    fn add_parts(&mut self, logical: &'a Logical, index: &mut HashMap<Body<'a>, u32>) -> Result<(), LinkError> {
        for body in logical.subsignatures.iter().flat_map(|subsignature| bodies(subsignature, logical.target)) {
            let next = self.parts.len() as u32;
            let part = *index.entry(body).or_insert(next);
            self.named.push(part);
            if part == next {
                if next == u32::MAX / 2 {
                    return Err(too_many("parts of logical signatures", u64::from(next)));
                }
                self.parts.push(Part { body, uses: 0, price: 0.0, owners: Vec::new() });
            }
            self.parts[part as usize].uses += 1;
        }
        Ok(())
    }

    fn choose_leads(&mut self) {
        let lead = |one: &Gathered<'_>| self.lead_of(*one, &one.logical.expression);
        let leads: Vec<Option<Lead>> = self.signatures.par_iter().map(lead).collect();
        for ((index, lead), one) in (0_u32..).zip(leads).zip(&self.signatures) {
            match lead {
                // What lies in a container is not scanned yet.
                _ if one.logical.limits.container.is_some() => {}
                None => self.unled.push(index),
                Some(lead) => {
                    for part in lead.parts {
                        let owners = &mut self.parts[part as usize].owners;
                        if owners.last() != Some(&index) {
                            owners.push(index);
                        }
                    }
                }
            }
        }
    }

    /// The cheapest parts one of which matches wherever `expression` holds; `None` when it may hold where nothing matches.
    fn lead_of(&self, owner: Gathered<'_>, expression: &Expression) -> Option<Lead> {
        match expression {
            Expression::Subsignature(number) => {
                let subsignature = owner.logical.subsignatures.get(usize::from(*number))?;
                match subsignature {
                    Subsignature::Regex(regex) => return self.lead_of(owner, &regex.trigger),
                    Subsignature::ByteCompare { trigger, .. } => {
                        return self.lead_of(owner, &Expression::Subsignature(*trigger));
                    }
                    // Nothing leads to what a picture shows: it is decoded to be known.
                    Subsignature::Image { .. } => return None,
                    Subsignature::Bytes { .. } => {}
                }
                together(self.parts_of(owner, *number).iter().map(|&part| {
                    let Part { price, uses, .. } = self.parts[part as usize];
                    (price.is_finite()).then(|| Lead { cost: price * f64::from(uses), parts: vec![part] })
                }))
            }
            Expression::All(all) => {
                let leads = all.iter().filter_map(|one| self.lead_of(owner, one));
                leads.min_by(|a, b| a.cost.total_cmp(&b.cost))
            }
            Expression::Any(any) => together(any.iter().map(|one| self.lead_of(owner, one))),
            Expression::Count { comparison: Comparison::Less, .. }
            | Expression::Count { comparison: Comparison::Equal, matches: 0, .. } => None,
            Expression::Count { of, distinct, .. } => match &**of {
                // Of so many subsignatures so many must match, so one of any that are left when all but one of those are taken away.
                Expression::Any(any) if any.iter().all(|one| one.single().is_some()) => {
                    let leads: Option<Vec<Lead>> = any.iter().map(|one| self.lead_of(owner, one)).collect();
                    let mut leads = leads?;
                    leads.sort_by(|a, b| a.cost.total_cmp(&b.cost));
                    leads.truncate((any.len() + 1).saturating_sub(usize::from(*distinct).max(1)).max(1));
                    together(leads.into_iter().map(Some))
                }
                of => self.lead_of(owner, of),
            },
        }
    }

    /// The parts of a subsignature of `owner`, by its number; none when it has no patterns.
    fn parts_of(&self, owner: Gathered<'_>, number: u8) -> &[u32] {
        let len = |subsignature: &Subsignature| bodies(subsignature, owner.logical.target).count();
        let (before, rest) = owner.logical.subsignatures.split_at(usize::from(number));
        let first = owner.first_named + before.iter().map(len).sum::<usize>();
        &self.named[first..first + rest.first().map_or(0, len)]
    }

    /// The parts to be searched for, each with its index.
    pub(super) fn leading(&self) -> impl Iterator<Item = (u32, Body<'_>)> + Clone {
        let numbered = (0_u32..).zip(&self.parts);
        numbered.filter(|(_, part)| !part.owners.is_empty()).map(|(index, part)| (index, part.body))
    }

    /// All parts, by their indices.
    pub(super) fn bodies(&self) -> impl ExactSizeIterator<Item = Body<'_>> {
        self.parts.iter().map(|part| part.body)
    }

    /// The name of the first signature that a part leads to, by its index among all signatures.
    pub(super) fn first_owner(&self, part: u32) -> Option<u32> {
        let owner = self.parts.get(part as usize)?.owners.first()?;
        self.signatures.get(*owner as usize).map(|one| one.id)
    }

    /// The sections of parts with these programs, and of logical signatures.
    pub(super) fn sections(&self, programs: &[u32]) -> Result<LogicalSections, LinkError> {
        let mut built = LogicalSections::default();
        built.owners.extend(self.unled.iter().copied().map(U32::new));
        for (part, program) in self.parts.iter().zip(programs) {
            let first_owner = u32::try_from(built.owners.len()).map_err(|_| too_many("owners", u64::from(u32::MAX)))?;
            built.parts.push(layout::Part { program: U32::new(*program), first_owner: U32::new(first_owner) });
            built.owners.extend(part.owners.iter().copied().map(U32::new));
        }
        for &owner in &self.signatures {
            let start = self.put_condition(&mut built.conditions, owner);
            let place = u32::try_from(start).map_err(|_| too_many("bytes of conditions", u64::from(u32::MAX)))?;
            built.logicals.push(layout::Logical {
                signature: U32::new(owner.id),
                condition: U32::new(place),
                condition_len: U32::new((built.conditions.len() - start) as u32),
                target: owner.logical.target.number(),
                reserved: [0; 3],
            });
        }
        Ok(built)
    }

    /// Appends the definitions that the condition refers to, then the condition; returns where this begins.
    fn put_condition(&self, out: &mut Vec<u8>, owner: Gathered<'_>) -> usize {
        // A trigger names subsignatures of lower numbers only, so what it refers to was defined before it.
        let mut defined: Defined = [0; Expression::SUBSIGNATURES_MAX];
        for (place, subsignature) in owner.logical.subsignatures.iter().enumerate() {
            if let Subsignature::Regex(regex) = subsignature {
                let start = out.len() as u32;
                self.put_regex(out, owner, regex, &defined);
                defined[place] = start;
            }
        }
        let start = out.len();
        let limits = limits(&owner.logical.limits);
        if limits.is_empty() {
            self.put_expression(out, owner, &owner.logical.expression, &defined);
            return start;
        }
        out.push(ConditionOp::All as u8);
        for limit in limits {
            put_child(out, |out| out.extend(limit));
        }
        put_child(out, |out| self.put_expression(out, owner, &owner.logical.expression, &defined));
        start
    }

    fn put_regex(&self, out: &mut Vec<u8>, owner: Gathered<'_>, regex: &RegexSubsignature, defined: &Defined) {
        let ways = [(regex.global, REGEX_GLOBAL), (regex.rolling, REGEX_ROLLING), (regex.encompass, REGEX_ENCOMPASS)];
        let (kind, section, distance, slack) = ProgramOffset::of(regex.offset);
        out.extend([regex.flags.bits(), ways.into_iter().map(|(set, bit)| if set { bit } else { 0 }).sum()]);
        out.extend([kind as u8, section]);
        out.extend(distance.to_le_bytes());
        out.extend(slack.to_le_bytes());
        put_child(out, |out| self.put_expression(out, owner, &regex.trigger, defined));
        put_child(out, |out| out.extend_from_slice(regex.pattern.as_bytes()));
    }

    fn put_expression(&self, out: &mut Vec<u8>, owner: Gathered<'_>, expression: &Expression, defined: &Defined) {
        match expression {
            Expression::Subsignature(number) => {
                let place = usize::from(*number);
                match &owner.logical.subsignatures[place] {
                    Subsignature::Regex(_) => {
                        out.extend([ConditionOp::Regex as u8, *number]);
                        out.extend(defined[place].to_le_bytes());
                    }
                    Subsignature::ByteCompare { trigger, compare } => {
                        let parts = self.parts_of(owner, *trigger);
                        out.extend([ConditionOp::ByteCompare as u8, *number]);
                        out.extend((parts.len() as u32).to_le_bytes());
                        for part in parts {
                            out.extend(part.to_le_bytes());
                        }
                        compare.encode_into(out);
                    }
                    Subsignature::Image { hash } => {
                        out.extend([ConditionOp::Image as u8, *number]);
                        out.extend(hash.to_le_bytes());
                    }
                    Subsignature::Bytes { .. } => {
                        out.extend([ConditionOp::Subsignature as u8, *number]);
                        for part in self.parts_of(owner, *number) {
                            out.extend(part.to_le_bytes());
                        }
                    }
                }
            }
            Expression::All(several) | Expression::Any(several) => {
                let op = if matches!(expression, Expression::All(_)) { ConditionOp::All } else { ConditionOp::Any };
                out.push(op as u8);
                let mut sorted: Vec<&Expression> = several.iter().collect();
                sorted.sort_by_key(|one| self.effort(owner, one));
                for one in sorted {
                    put_child(out, |out| self.put_expression(out, owner, one, defined));
                }
            }
            Expression::Count { of, comparison, matches, distinct } => {
                out.extend([ConditionOp::Count as u8, *comparison as u8, *distinct]);
                out.extend(matches.to_le_bytes());
                self.put_expression(out, owner, of, defined);
            }
        }
    }

    /// How much work evaluating an expression is: none for what leads, for it was found; little for a fixed offset; else a pass over the file.
    fn effort(&self, owner: Gathered<'_>, expression: &Expression) -> u32 {
        match expression {
            Expression::Subsignature(number) => {
                let subsignature = &owner.logical.subsignatures[usize::from(*number)];
                match subsignature {
                    Subsignature::Regex(_) => return 10_000,
                    Subsignature::ByteCompare { .. } => return 200,
                    Subsignature::Image { .. } => return 100_000,
                    Subsignature::Bytes { .. } => {}
                }
                let of_part = |part: &u32| match &self.parts[*part as usize] {
                    part if !part.owners.is_empty() => 0,
                    part if part.body.offset.is_fixed() => 1,
                    _ => 100,
                };
                self.parts_of(owner, *number).iter().map(of_part).sum()
            }
            Expression::All(several) | Expression::Any(several) => {
                several.iter().map(|one| self.effort(owner, one)).fold(0, u32::saturating_add)
            }
            Expression::Count { of, .. } => self.effort(owner, of).saturating_add(10),
        }
    }
}

/// Where each subsignature that has a definition is defined.
type Defined = [u32; Expression::SUBSIGNATURES_MAX];

/// The sections of logical signatures.
#[derive(Default)]
pub(super) struct LogicalSections {
    pub(super) parts: Vec<layout::Part>,
    pub(super) owners: Vec<U32>,
    pub(super) logicals: Vec<layout::Logical>,
    pub(super) conditions: Vec<u8>,
}

/// The patterns of a subsignature.
fn bodies(subsignature: &Subsignature, target: Target) -> impl Iterator<Item = Body<'_>> {
    let (offset, any_of) = match subsignature {
        Subsignature::Bytes { offset, any_of } => (*offset, &any_of[..]),
        Subsignature::Regex(_) | Subsignature::ByteCompare { .. } | Subsignature::Image { .. } => (Offset::Any, &[][..]),
    };
    any_of.iter().map(move |pattern| Body { target, offset, pattern })
}

/// All of `leads`, as any of them must be searched for.
fn together(mut leads: impl Iterator<Item = Option<Lead>>) -> Option<Lead> {
    leads.try_fold(Lead { cost: 0.0, parts: Vec::new() }, |mut sum, lead| {
        let lead = lead?;
        sum.cost += lead.cost;
        sum.parts.extend(lead.parts);
        Some(sum)
    })
}

/// Hits expected for each byte scanned; infinite for a pattern with nothing to search for.
fn price(body: &Body<'_>, model: &Model) -> f64 {
    if body.offset.is_fixed() {
        return price_there(body.pattern);
    }
    let exact = least_price(body.pattern, Fold::Exact, model);
    // Folded, a pattern without letters of either case has the same windows, each as common as both its cases together.
    let folds = has_letters_of_either_case(body.pattern);
    if folds { exact.min(least_price(body.pattern, Fold::Folded, model)) } else { exact }
}

/// The same of a pattern at a fixed offset. What stands there is often what tells kinds of files apart, so a few bytes are worth little.
fn price_there(pattern: &Pattern) -> f64 {
    let bytes = super::run::runs(pattern, Fold::Folded).map(|run| run.bytes.len()).max().unwrap_or(0);
    match bytes {
        12.. => 1e-6,
        6.. => 1e-4,
        _ => 1e-2,
    }
}

/// What the limits ask, a node each.
fn limits(limits: &Limits) -> Vec<Vec<u8>> {
    let node = |op: ConditionOp, range: &Option<RangeInclusive<u64>>| {
        let range = range.as_ref()?;
        Some([&[op as u8][..], &range.start().to_le_bytes(), &range.end().to_le_bytes()].concat())
    };
    let never = limits.container.as_ref().map(|_| vec![ConditionOp::Never as u8]);
    [
        never,
        node(ConditionOp::FileSize, &limits.file_size),
        node(ConditionOp::Sections, &limits.sections),
        node(ConditionOp::EntryPoint, &limits.entry_point),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Appends a node, after its length.
fn put_child(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    put(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}
