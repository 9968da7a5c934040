//! Patterns as instructions for the backtracking matcher.
//!
//! An instruction takes bytes, or says where to go on; a place to come back to is pushed by those that have a choice. Repetitions count in
//! slots instead of being unrolled, so a program is as long as its pattern: `(a{1000}){1000}` is seven instructions.

use super::node::{Assertion, Condition, Greed, Look, Node, Reference, first_of_all};
use super::parse::Parsed;
use super::set::ByteSet;

/// Index of an instruction.
pub(super) type Pc = u32;
/// Index of a slot: first two for each group and one for where it was opened, then two for each repetition.
pub(super) type Slot = u32;

#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    Byte(u8),
    /// A byte of the set of this index.
    Set(u32),
    /// A set repeated at `sets[set]`; `next` is the set of what must follow at once, when that is known.
    Run {
        set: u32,
        min: u32,
        max: u32,
        greed: Greed,
        next: Option<u32>,
    },
    /// Goes on at `first`, or at `second` when that fails.
    Split {
        first: Pc,
        second: Pc,
    },
    Jump(Pc),
    /// Writes the place where a group begins to a slot of its own: the group holds what it matched before until it is closed.
    Open(Slot),
    /// Writes what a group matched.
    Close {
        group: u32,
        opened: Slot,
    },
    /// Begins to count the iterations of the loop that follows.
    Begin(Slot),
    /// The head of a loop; its body begins two instructions on, after [`Instruction::Enter`].
    Loop {
        slot: Slot,
        min: u32,
        max: u32,
        lazy: bool,
        exit: Pc,
    },
    /// Counts an iteration.
    Enter(Slot),
    Assert(Assertion),
    Backreference {
        group: u32,
        fold: bool,
    },
    /// Goes to `otherwise` when the group has not matched.
    IfMatched {
        group: u32,
        otherwise: Pc,
    },
    /// Runs what follows up to [`Instruction::Accept`] on its own, then goes on at `end`; the place is kept for look-around.
    Inner {
        look: Option<Look>,
        end: Pc,
    },
    /// A look-around that decides between two places.
    IfLook {
        look: Look,
        then: Pc,
        otherwise: Pc,
    },
    /// Goes back by so many bytes.
    Back(u32),
    Keep,
    Fail,
    /// The end of an inner program, or of the whole.
    Accept,
}

/// "No limit" in [`Instruction::Run`] and [`Instruction::Loop`].
pub(super) const UNBOUNDED: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Program {
    pub(super) instructions: Box<[Instruction]>,
    pub(super) sets: Box<[ByteSet]>,
    pub(super) slots: usize,
    /// What a match can begin with, when it surely takes a byte.
    pub(super) first: Option<ByteSet>,
}

pub(super) fn compile(parsed: &Parsed) -> Program {
    let groups = parsed.groups + 1;
    let mut compiler = Compiler {
        instructions: Vec::new(),
        sets: Vec::new(),
        openings: 2 * groups,
        slots: 3 * groups,
        names: &parsed.names,
    };
    compiler.node(&parsed.node, None);
    compiler.push(Instruction::Accept);
    Program {
        instructions: compiler.instructions.into(),
        sets: compiler.sets.into(),
        slots: compiler.slots as usize,
        first: parsed.node.first(),
    }
}

struct Compiler<'p> {
    instructions: Vec<Instruction>,
    sets: Vec<ByteSet>,
    /// The first slot of those for where groups were opened.
    openings: Slot,
    slots: u32,
    names: &'p [u32],
}

impl Compiler<'_> {
    fn push(&mut self, instruction: Instruction) -> usize {
        self.instructions.push(instruction);
        self.instructions.len() - 1
    }

    fn here(&self) -> Pc {
        self.instructions.len() as Pc
    }

    fn set(&mut self, set: ByteSet) -> u32 {
        let index = self.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        index as u32
    }

    /// `next`: what a match must go on with after `node`, when that is known.
    fn node(&mut self, node: &Node, next: Option<ByteSet>) {
        match node {
            Node::Empty => {}
            Node::Set(set) => {
                let instruction = match set.single() {
                    Some(byte) => Instruction::Byte(byte),
                    None => Instruction::Set(self.set(*set)),
                };
                self.push(instruction);
            }
            Node::Concat(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    self.node(node, follow(&nodes[index + 1..], next));
                }
            }
            Node::Alternate(branches) => self.branches(branches, next),
            Node::Repeat { node, min, max, greed } => self.repeat(node, *min, max.unwrap_or(UNBOUNDED), *greed, next),
            Node::Capture(number, node) => {
                let slot = self.openings + number;
                self.push(Instruction::Open(slot));
                self.node(node, next);
                self.push(Instruction::Close { group: *number, opened: slot });
            }
            Node::Atomic(node) => {
                let inner = self.push(Instruction::Inner { look: None, end: 0 });
                // What follows must not make it give bytes back.
                self.node(node, None);
                self.accept(inner);
            }
            Node::Look(look, branches) => {
                let inner = self.push(Instruction::Inner { look: Some(*look), end: 0 });
                self.look_branches(*look, branches);
                self.accept(inner);
            }
            Node::Assert(assertion) => {
                self.push(Instruction::Assert(*assertion));
            }
            Node::Backreference { group, fold } => {
                let group = self.number(*group);
                self.push(Instruction::Backreference { group, fold: *fold });
            }
            Node::Conditional { condition, then, otherwise } => self.conditional(condition, then, otherwise, next),
            Node::Keep => {
                self.push(Instruction::Keep);
            }
        }
    }

    fn number(&self, group: Reference) -> u32 {
        match group {
            Reference::Number(number) => number,
            Reference::Name(index) => self.names[index],
        }
    }

    fn accept(&mut self, inner: usize) {
        self.push(Instruction::Accept);
        let here = self.here();
        if let Instruction::Inner { end, .. } = &mut self.instructions[inner] {
            *end = here;
        }
    }

    fn branches(&mut self, branches: &[Node], next: Option<ByteSet>) {
        self.choose(branches, |compiler, branch| compiler.node(branch, next));
    }

    /// Each branch of a look-behind goes back by its length first.
    fn look_branches(&mut self, look: Look, branches: &[Node]) {
        self.choose(branches, |compiler, branch| {
            if !look.ahead {
                compiler.push(Instruction::Back(branch.lengths().0 as u32));
            }
            compiler.node(branch, None);
        });
    }

    fn choose(&mut self, branches: &[Node], mut compile: impl FnMut(&mut Self, &Node)) {
        let Some((last, others)) = branches.split_last() else { return };
        let mut jumps = Vec::with_capacity(others.len());
        for branch in others {
            let split = self.push(Instruction::Split { first: self.here() + 1, second: 0 });
            compile(self, branch);
            jumps.push(self.push(Instruction::Jump(0)));
            let here = self.here();
            if let Instruction::Split { second, .. } = &mut self.instructions[split] {
                *second = here;
            }
        }
        compile(self, last);
        let here = self.here();
        for jump in jumps {
            self.instructions[jump] = Instruction::Jump(here);
        }
    }

    fn repeat(&mut self, node: &Node, min: u32, max: u32, greed: Greed, next: Option<ByteSet>) {
        if let Node::Set(set) = node {
            let set = self.set(*set);
            let next = next.map(|next| self.set(next));
            self.push(Instruction::Run { set, min, max, greed, next });
            return;
        }
        if greed == Greed::Possessive {
            let inner = self.push(Instruction::Inner { look: None, end: 0 });
            self.repeat(node, min, max, Greed::Greedy, None);
            self.accept(inner);
            return;
        }
        let lazy = greed == Greed::Lazy;
        if (min, max) == (0, 1) {
            let split = self.push(Instruction::Fail);
            self.node(node, next);
            let (inside, after) = (split as Pc + 1, self.here());
            let (first, second) = if lazy { (after, inside) } else { (inside, after) };
            self.instructions[split] = Instruction::Split { first, second };
            return;
        }
        let slot = self.slots;
        self.slots += 2;
        self.push(Instruction::Begin(slot));
        let head = self.push(Instruction::Fail);
        self.push(Instruction::Enter(slot));
        self.node(node, None);
        self.push(Instruction::Jump(head as Pc));
        self.instructions[head] = Instruction::Loop { slot, min, max, lazy, exit: self.here() };
    }

    fn conditional(&mut self, condition: &Condition, then: &Node, otherwise: &Node, next: Option<ByteSet>) {
        let test = match condition {
            Condition::Matched(group) => {
                let group = self.number(*group);
                self.push(Instruction::IfMatched { group, otherwise: 0 })
            }
            Condition::Look(look, branches) => {
                let test = self.push(Instruction::Fail);
                self.look_branches(*look, branches);
                self.push(Instruction::Accept);
                self.instructions[test] = Instruction::IfLook { look: *look, then: self.here(), otherwise: 0 };
                test
            }
        };
        self.node(then, next);
        let jump = self.push(Instruction::Jump(0));
        let here = self.here();
        if let Instruction::IfMatched { otherwise, .. } | Instruction::IfLook { otherwise, .. } =
            &mut self.instructions[test]
        {
            *otherwise = here;
        }
        self.node(otherwise, next);
        self.instructions[jump] = Instruction::Jump(self.here());
    }
}

/// What a match must go on with: `nodes`, then `next`.
fn follow(nodes: &[Node], next: Option<ByteSet>) -> Option<ByteSet> {
    match first_of_all(nodes) {
        (set, false) => Some(set),
        (set, true) => next.map(|next| set.or(next)),
    }
}
