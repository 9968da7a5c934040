//! What a pattern means, before it is known how it is searched for.

use super::set::ByteSet;

/// A part of a pattern. Nested at most as deep as groups are in the pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Empty,
    Set(ByteSet),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greed: Greed,
    },
    Capture(u32, Box<Node>),
    Atomic(Box<Node>),
    /// A look-around with its branches.
    Look(Look, Vec<Node>),
    Assert(Assertion),
    Backreference {
        group: Reference,
        fold: bool,
    },
    Conditional {
        condition: Condition,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    /// `\K`: what is reported begins here.
    Keep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// A look-around: where it looks, and whether it wants a match or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) ahead: bool,
    pub(super) negated: bool,
}

/// A group by its number, or by the index of its name among the names that are referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Number(u32),
    Name(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// The group has matched.
    Matched(Reference),
    Look(Look, Vec<Node>),
}

/// Something that holds at a place between bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
    SubjectStart,
    SubjectEnd,
    /// The end, or before a line feed that ends the subject.
    LastLineEnd,
    /// The start, or after a line feed that does not end the subject.
    LineStart,
    LineEnd,
    Word,
    NotWord,
    /// Where the search began.
    SearchStart,
}

/// Lengths beyond this are all the same to those who ask.
const LENGTH_MAX: u64 = 1 << 40;

impl Node {
    /// Nodes one after another.
    pub(super) fn concat(mut nodes: Vec<Node>) -> Node {
        match nodes.len() {
            0 => Node::Empty,
            1 => nodes.swap_remove(0),
            _ => Node::Concat(nodes),
        }
    }

    /// One of several branches, the first of which is tried first.
    pub(super) fn alternate(mut branches: Vec<Node>) -> Node {
        if branches.len() == 1 { branches.swap_remove(0) } else { Node::Alternate(branches) }
    }

    /// The least and the most bytes it matches; no most when there is none. Back-references count as anything.
    pub(super) fn lengths(&self) -> (u64, Option<u64>) {
        match self {
            Node::Set(_) => (1, Some(1)),
            Node::Concat(nodes) => nodes.iter().map(Node::lengths).fold((0, Some(0)), |(low, high), (least, most)| {
                (u64::min(low + least, LENGTH_MAX), high.zip(most).map(|(a, b)| u64::min(a + b, LENGTH_MAX)))
            }),
            Node::Alternate(nodes) => nodes.iter().map(Node::lengths).reduce(either).unwrap_or((0, Some(0))),
            Node::Repeat { node, min, max, .. } => {
                let (least, most) = node.lengths();
                let high = if most == Some(0) { Some(0) } else { most.zip(*max).map(|(a, b)| a.saturating_mul(b.into())) };
                (least.saturating_mul((*min).into()).min(LENGTH_MAX), high.map(|high| high.min(LENGTH_MAX)))
            }
            Node::Capture(_, node) | Node::Atomic(node) => node.lengths(),
            Node::Backreference { .. } => (0, None),
            Node::Conditional { then, otherwise, .. } => either(then.lengths(), otherwise.lengths()),
            Node::Empty | Node::Look(..) | Node::Assert(_) | Node::Keep => (0, Some(0)),
        }
    }

    /// The bytes a match can begin with, when it surely takes one; a superset.
    pub(super) fn first(&self) -> Option<ByteSet> {
        let (set, may_take_none) = self.first_or_nothing();
        (!may_take_none).then_some(set)
    }

    fn first_or_nothing(&self) -> (ByteSet, bool) {
        match self {
            Node::Set(set) => (*set, false),
            Node::Concat(nodes) => first_of_all(nodes),
            Node::Alternate(nodes) => nodes
                .iter()
                .map(Node::first_or_nothing)
                .fold((ByteSet::default(), false), |(set, none), (other, or_none)| (set.or(other), none || or_none)),
            Node::Repeat { node, min, .. } => {
                let (set, none) = node.first_or_nothing();
                (set, none || *min == 0)
            }
            Node::Capture(_, node) | Node::Atomic(node) => node.first_or_nothing(),
            Node::Conditional { then, otherwise, .. } => {
                let ((set, none), (other, or_none)) = (then.first_or_nothing(), otherwise.first_or_nothing());
                (set.or(other), none || or_none)
            }
            Node::Backreference { .. } => (ByteSet::ALL, true),
            Node::Empty | Node::Look(..) | Node::Assert(_) | Node::Keep => (ByteSet::default(), true),
        }
    }
}

fn either((low, high): (u64, Option<u64>), (least, most): (u64, Option<u64>)) -> (u64, Option<u64>) {
    (low.min(least), high.zip(most).map(|(a, b)| a.max(b)))
}

/// As [`Node::first`], of nodes one after another.
pub(super) fn first_of_all(nodes: &[Node]) -> (ByteSet, bool) {
    let mut set = ByteSet::default();
    for node in nodes {
        let (more, none) = node.first_or_nothing();
        set = set.or(more);
        if !none {
            return (set, false);
        }
    }
    (set, true)
}
