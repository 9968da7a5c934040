//! A text on its way: places, and which bytes each may have.

use super::Specimen;
use super::choose::{Chooser, byte_of};
use crate::regex::node::{Assertion, Condition, Look, Node, Reference};
use crate::regex::set::ByteSet;
use std::collections::HashMap;
use std::ops::Range;

/// Places before the text, for what looks behind.
const BEFORE: usize = 256;
/// Places of a text, and nodes that are written for it.
const PLACES_MAX: usize = 1 << 16;
const NODES_MAX: usize = 1 << 18;

/// The choices made so far contradict each other, or the text is too long.
#[derive(Debug)]
pub(super) struct Contradiction;

type Result<T = (), E = Contradiction> = std::result::Result<T, E>;

/// A place: the bytes that may stand there; or one that has the byte of an earlier place.
#[derive(Clone, Copy)]
enum Place {
    Of(ByteSet),
    Same(usize),
}

pub(super) struct Writer<'p> {
    /// The numbers of the groups that names stand for.
    names: &'p [u32],
    choose: Chooser,
    places: Vec<Place>,
    /// Where the next node is written. Look-arounds go back, so places behind it may be there already.
    at: usize,
    nodes: usize,
    groups: HashMap<u32, Range<usize>>,
    /// Where words shall begin or end, and where they shall not.
    words: Vec<(usize, bool)>,
    at_start: bool,
    ends_at: Option<usize>,
}

impl<'p> Writer<'p> {
    pub(super) fn new(names: &'p [u32], turn: u32) -> Writer<'p> {
        Writer {
            names,
            choose: Chooser::new(turn),
            places: vec![Place::Of(ByteSet::ALL); BEFORE],
            at: BEFORE,
            nodes: 0,
            groups: HashMap::new(),
            words: Vec::new(),
            at_start: false,
            ends_at: None,
        }
    }

    /// Writes what a node matches from where the last one ended.
    pub(super) fn write(&mut self, node: &Node) -> Result {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Contradiction);
        }
        match node {
            Node::Empty | Node::Keep => Ok(()),
            Node::Set(set) => {
                self.narrow(self.at, *set)?;
                self.at += 1;
                Ok(())
            }
            Node::Concat(nodes) => nodes.iter().try_for_each(|node| self.write(node)),
            Node::Alternate(branches) => {
                let chosen = self.choose.branch(branches.len());
                self.write(&branches[chosen])
            }
            Node::Repeat { node, min, max, .. } => {
                (0..self.choose.repetitions(*min, *max)).try_for_each(|_| self.write(node))
            }
            Node::Capture(number, node) => {
                let start = self.at;
                self.write(node)?;
                self.groups.insert(*number, start..self.at);
                Ok(())
            }
            Node::Atomic(node) => self.write(node),
            Node::Look(look, branches) => self.look(*look, branches),
            Node::Assert(assertion) => self.assert(*assertion),
            Node::Backreference { group, .. } => self.again(*group),
            Node::Conditional { condition, then, otherwise } => self.conditional(condition, then, otherwise),
        }
    }

    fn number(&self, reference: Reference) -> Option<u32> {
        match reference {
            Reference::Number(number) => Some(number),
            Reference::Name(index) => self.names.get(index).copied(),
        }
    }

    /// The text of a group once more: the same byte for byte, which will do where case counts not, too.
    fn again(&mut self, group: Reference) -> Result {
        let text = self.number(group).and_then(|number| self.groups.get(&number)).cloned().ok_or(Contradiction)?;
        for place in text {
            self.bind(place, self.at)?;
            self.at += 1;
        }
        Ok(())
    }

    fn conditional(&mut self, condition: &Condition, then: &Node, otherwise: &Node) -> Result {
        match condition {
            Condition::Matched(group) => {
                let has = self.number(*group).is_some_and(|number| self.groups.contains_key(&number));
                self.write(if has { then } else { otherwise })
            }
            // Whether a look-around holds or not is chosen; one that shall not is tried.
            Condition::Look(look, branches) => {
                if self.choose.branch(2) == 1 {
                    return self.write(otherwise);
                }
                self.look(*look, branches)?;
                self.write(then)
            }
        }
    }

    /// What a look-around wants is written beside the text, or over it. What it does not want is left to the trial.
    fn look(&mut self, look: Look, branches: &[Node]) -> Result {
        if look.negated {
            return Ok(());
        }
        let (at, branch) = (self.at, &branches[self.choose.branch(branches.len())]);
        if !look.ahead {
            let (len, _) = branch.lengths();
            self.at = usize::try_from(len).ok().and_then(|len| at.checked_sub(len)).ok_or(Contradiction)?;
        }
        self.write(branch)?;
        self.at = at;
        Ok(())
    }

    fn assert(&mut self, assertion: Assertion) -> Result {
        match assertion {
            Assertion::SubjectStart | Assertion::SearchStart => {
                self.at_start = true;
                if self.at == BEFORE { Ok(()) } else { Err(Contradiction) }
            }
            Assertion::SubjectEnd | Assertion::LastLineEnd => {
                let same = self.ends_at.replace(self.at).is_none_or(|end| end == self.at);
                if same { Ok(()) } else { Err(Contradiction) }
            }
            // A line feed before the text, unless the file begins with it.
            Assertion::LineStart => self.narrow(self.at - 1, ByteSet::of(b'\n')),
            Assertion::LineEnd => self.narrow(self.at, ByteSet::of(b'\n')),
            Assertion::Word => {
                self.words.push((self.at, true));
                Ok(())
            }
            Assertion::NotWord => {
                self.words.push((self.at, false));
                Ok(())
            }
        }
    }

    /// The place whose byte a place has.
    fn root(&self, mut place: usize) -> usize {
        while let Place::Same(other) = self.places[place] {
            place = other;
        }
        place
    }

    fn set(&self, place: usize) -> ByteSet {
        match self.places[self.root(place)] {
            Place::Of(set) => set,
            Place::Same(_) => ByteSet::ALL,
        }
    }

    fn narrow(&mut self, place: usize, set: ByteSet) -> Result {
        self.reach(place)?;
        let both = self.set(place).and(set);
        if both.len() == 0 {
            return Err(Contradiction);
        }
        let root = self.root(place);
        self.places[root] = Place::Of(both);
        Ok(())
    }

    fn bind(&mut self, earlier: usize, place: usize) -> Result {
        self.reach(place)?;
        self.narrow(earlier, self.set(place))?;
        let (earlier, root) = (self.root(earlier), self.root(place));
        if earlier != root {
            self.places[root] = Place::Same(earlier);
        }
        Ok(())
    }

    fn reach(&mut self, place: usize) -> Result {
        if place >= PLACES_MAX {
            return Err(Contradiction);
        }
        self.places.resize(self.places.len().max(place + 1), Place::Of(ByteSet::ALL));
        Ok(())
    }

    /// Sees to it that words begin and end where they shall.
    fn settle_words(&mut self) -> Result {
        let mut words = std::mem::take(&mut self.words);
        words.sort_unstable();
        let (word, other) = (ByteSet::word(), ByteSet::word().not());
        for (at, boundary) in words {
            if self.at_start && at == BEFORE {
                // Nothing is no word.
                self.narrow(at, if boundary { word } else { other })?;
                continue;
            }
            if self.ends_at == Some(at) {
                self.narrow(at - 1, if boundary { word } else { other })?;
                continue;
            }
            self.reach(at)?;
            let sides = [at - 1, at].map(|place| self.set(place));
            let may = |set: ByteSet, kind: ByteSet| set.and(kind).len() > 0;
            // Of the ways that are left, the first: with a boundary a word begins, or ends; else there is none, or one goes on.
            let ways = if boundary { [(other, word), (word, other)] } else { [(other, other), (word, word)] };
            let way = ways.into_iter().find(|(left, right)| may(sides[0], *left) && may(sides[1], *right));
            let (left, right) = way.ok_or(Contradiction)?;
            self.narrow(at - 1, left)?;
            self.narrow(at, right)?;
        }
        Ok(())
    }

    /// The text that was written; none when its parts contradict each other.
    pub(super) fn finish(mut self, under: &[u8]) -> Option<Specimen> {
        self.settle_words().ok()?;
        let (start, end) = (BEFORE, self.at);
        if self.ends_at.is_some_and(|ends| ends != end || self.places.len() > end) || end == start {
            return None;
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(self.places.len());
        for place in 0..self.places.len() {
            // What has the byte of another place comes behind it, but for looks behind, which are tried.
            let root = self.root(place);
            let byte = if root < place {
                bytes[root]
            } else {
                let there = place.checked_sub(start).and_then(|at| under.get(at)).copied();
                byte_of(self.set(place), there, &mut self.choose)
            };
            bytes.push(byte);
        }
        let asked = |place: &usize| matches!(self.places[*place], Place::Of(set) if set != ByteSet::ALL);
        let first = (0..start).find(asked).unwrap_or(start);
        let mut telling: Vec<usize> = (start..end).collect();
        telling.sort_by_key(|place| (self.set(*place).len(), place.abs_diff(start.midpoint(end))));
        Some(Specimen {
            before: bytes[first..start].to_vec(),
            text: bytes[start..end].to_vec(),
            after: bytes[end..].to_vec(),
            at_start: self.at_start,
            at_end: self.ends_at.is_some(),
            telling: telling.into_iter().map(|place| place - start).collect(),
        })
    }
}
