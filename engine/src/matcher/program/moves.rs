//! How an element moves the positions that a match so far may end at.

use super::Program;
use super::alternatives::Alternatives;
use super::masked::{masked_agreement, masked_forward};
use super::read::Piece;
use super::work::{BYTES_PER_STEP, Steps, Workspace};
use crate::matcher::spans::Spans;
use crate::pattern::Boundary;
use memchr::memmem;

impl Program<'_> {
    /// Moves the positions in `work.from` over element `index`, and over the bytes behind it when it is a boundary, or an alternative of one
    /// length: bytes are searched for and stand in few places, boundaries and alternatives must be tried at each. The element that comes next; `None` when no positions or no steps are left.
    pub(super) fn step_over(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> Option<usize> {
        let piece = |index: usize| self.elements.get(index).and_then(|element| self.piece(element));
        if let (Some(Piece::Alternatives { strings, negated }), Some(Piece::Literal(bytes))) =
            (piece(index), piece(index + 1))
            && work.from.len() >= SEARCH_MIN
            && let Some(len) = strings.common_len()
        {
            return self.step_over_alternative(
                index,
                &Alternatives { strings, negated },
                (len, bytes.len()),
                haystack,
                work,
            );
        }
        let (boundary, len) = match (piece(index), piece(index + 1)) {
            (Some(Piece::Boundary(boundary)), Some(Piece::Literal(bytes))) => (boundary, bytes.len()),
            (Some(Piece::Boundary(boundary)), Some(Piece::Masked { values, .. })) => (boundary, values.len()),
            _ => return self.step(index, haystack, work).then_some(index + 1),
        };
        if !self.step(index + 1, haystack, work) {
            return None;
        }
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let go_on = keep(boundary, len, haystack, from, into, steps);
        std::mem::swap(from, into);
        (go_on && !from.is_empty()).then_some(index + 2)
    }

    /// Moves the positions over an alternative of `len` bytes and the literal of `literal` bytes behind it, this first.
    fn step_over_alternative(
        &self,
        index: usize,
        alternatives: &Alternatives<'_>,
        (len, literal): (usize, usize),
        haystack: &[u8],
        work: &mut Workspace,
    ) -> Option<usize> {
        let Workspace { from, into, .. } = work;
        into.clear();
        for &(first, last) in from.ranges() {
            into.push(first.saturating_add(len), last.saturating_add(len));
        }
        std::mem::swap(from, into);
        if !self.step(index + 1, haystack, work) {
            return None;
        }
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let mut go_on = steps.take(alternatives.strings.steps().saturating_mul(from.len() as u64));
        for end in from.positions().take_while(|_| go_on) {
            let start = end.checked_sub(len + literal);
            let bytes = start.and_then(|start| haystack.get(start..start + len));
            let mut agrees = false;
            alternatives.each_len(|_| bytes, |_| agrees = true);
            if agrees {
                into.push_one(end);
            }
        }
        go_on &= !into.is_empty();
        std::mem::swap(from, into);
        go_on.then_some(index + 2)
    }

    /// Moves the positions in `work.from` over element `index`; whether any are left, and steps to go on with.
    pub(super) fn step(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let mut go_on = steps.take(from.ranges().len() as u64);
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => go_on &= literal_forward(bytes, haystack, from, into, steps),
            Some(Piece::Masked { values, masks }) => go_on &= masked_forward(values, masks, haystack, from, into, steps),
            Some(Piece::Alternatives { strings, negated }) => {
                go_on &= steps.take(strings.steps().saturating_mul(from.len() as u64));
                let moves = Alternatives { strings, negated };
                for position in from.positions().take_while(|_| go_on) {
                    moves.each_len(
                        |len| haystack.get(position..position.checked_add(len)?),
                        |len| into.push_one(position + len),
                    );
                }
            }
            Some(Piece::Boundary(boundary)) => go_on &= keep(boundary, 0, haystack, from, into, steps),
            Some(Piece::Gap { min, max }) => {
                for &(first, last) in from.ranges() {
                    let furthest = max.map_or(haystack.len(), |max| last.saturating_add(max).min(haystack.len()));
                    into.push(first.saturating_add(min), furthest);
                }
            }
        }
        into.settle();
        std::mem::swap(from, into);
        go_on && !from.is_empty()
    }

    /// Moves the positions in `work.from` back over element `index`; whether any are left, and steps to go on with.
    pub(super) fn step_back(&self, index: usize, haystack: &[u8], work: &mut Workspace) -> bool {
        let Workspace { from, into, steps, .. } = work;
        into.clear();
        let mut go_on = steps.take(from.ranges().len() as u64);
        match self.elements.get(index).and_then(|element| self.piece(element)) {
            None => {}
            Some(Piece::Literal(bytes)) => {
                for start in from.positions().filter_map(|position| position.checked_sub(bytes.len())) {
                    let len = agreement(bytes, &haystack[start..]);
                    if len == bytes.len() {
                        into.push_one(start);
                    }
                    go_on &= steps.take_one(len);
                    if !go_on {
                        break;
                    }
                }
            }
            Some(Piece::Masked { values, masks }) => {
                for start in from.positions().filter_map(|position| position.checked_sub(values.len())) {
                    let len = masked_agreement(values, masks, &haystack[start..start + values.len()]);
                    if len == values.len() {
                        into.push_one(start);
                    }
                    go_on &= steps.take_one(len);
                    if !go_on {
                        break;
                    }
                }
            }
            Some(Piece::Alternatives { strings, negated }) => {
                go_on &= steps.take(strings.steps().saturating_mul(from.len() as u64));
                let moves = Alternatives { strings, negated };
                for position in from.positions().take_while(|_| go_on) {
                    moves.each_len(
                        |len| haystack.get(position.checked_sub(len)?..position),
                        |len| into.push_one(position - len),
                    );
                }
            }
            Some(Piece::Boundary(boundary)) => go_on &= keep(boundary, 0, haystack, from, into, steps),
            Some(Piece::Gap { min, max }) => {
                for &(first, last) in from.ranges() {
                    let Some(nearest) = last.checked_sub(min) else { continue };
                    into.push(max.map_or(0, |max| first.saturating_sub(max)), nearest);
                }
            }
        }
        into.settle();
        std::mem::swap(from, into);
        go_on && !from.is_empty()
    }
}

/// Keeps the positions so many bytes before which a boundary holds; whether there are steps to go on with.
fn keep(boundary: Boundary, back: usize, haystack: &[u8], from: &Spans, into: &mut Spans, steps: &mut Steps) -> bool {
    for position in from.positions() {
        if position.checked_sub(back).is_some_and(|place| boundary.holds(haystack, place)) {
            into.push_one(position);
        }
        if !steps.take(1) {
            return false;
        }
    }
    true
}

impl Spans {
    pub(super) fn push_one(&mut self, position: usize) {
        self.push(position, position);
    }
}

/// How many bytes of `literal` stand at the start of `bytes`: all, or as many as were found to when one did not.
fn agreement(literal: &[u8], bytes: &[u8]) -> usize {
    const STEP: usize = 1024;
    let mut agreed = 0;
    for part in literal.chunks(STEP) {
        if !bytes.get(agreed..).is_some_and(|bytes| bytes.starts_with(part)) {
            break;
        }
        agreed += part.len();
    }
    agreed
}

/// Starts from which setting up a search pays.
pub(super) const SEARCH_MIN: usize = 64;

/// Moves positions over a literal, which is not empty; whether there are steps to go on with.
fn literal_forward(literal: &[u8], haystack: &[u8], from: &Spans, into: &mut Spans, steps: &mut Steps) -> bool {
    let mut finder = None;
    for &(first, last) in from.ranges() {
        let Some(last) = haystack.len().checked_sub(literal.len()).map(|end| end.min(last)) else { continue };
        if last.saturating_sub(first) < SEARCH_MIN {
            for start in first..=last {
                let len = agreement(literal, &haystack[start..]);
                if len == literal.len() {
                    into.push_one(start + literal.len());
                }
                if !steps.take_one(len) {
                    return false;
                }
            }
            continue;
        }
        if !steps.take((last - first) as u64 / BYTES_PER_STEP) {
            return false;
        }
        let finder = finder.get_or_insert_with(|| memmem::Finder::new(literal));
        let mut start = first;
        while let Some(shift) = finder.find(&haystack[start..last + literal.len()]) {
            start += shift + 1;
            into.push_one(start - 1 + literal.len());
            if !steps.take_one(literal.len()) {
                return false;
            }
        }
    }
    true
}
