//! Runs a [`Program`] at one place of a subject, as Perl would: the first way that matches is the match.
//!
//! Places to come back to are on one stack, together with the old values of slots: what was written after a place was pushed is undone
//! on the way back to it. A set repeated (`.*`, `\w+?`) is one entry, however many bytes it took. Only look-around and atomic groups call
//! `run` within `run`, as deep as groups are nested in the pattern.
//!
//! Every instruction, every entry taken back and every 16 bytes compared in a loop are a step. When the caller's steps are used up the
//! search is given up, so time is bounded by them; memory is by [`MEMORY_BYTES_MAX`](super::MEMORY_BYTES_MAX).

use super::error::Exceeded;
use super::node::{Assertion, Greed, Look};
use super::program::{Instruction, Pc, Program, Slot, UNBOUNDED};
use super::set::ByteSet;

/// A slot with nothing in it.
const UNSET: usize = usize::MAX;
const ENTRIES_MAX: usize = super::MEMORY_BYTES_MAX / size_of::<Entry>();
/// Bytes that a loop over a set looks at for one step.
const BYTES_PER_STEP: usize = 16;

#[derive(Clone, Copy, Debug)]
enum Entry {
    /// Go on at `pc`.
    Place { pc: Pc, at: usize },
    /// Write the slot's old value back.
    Undo { slot: Slot, old: usize },
    /// A greedy run that ended at `at` and may give bytes back down to `least`. `pc` is the run's own.
    Shorter { pc: Pc, least: usize, at: usize },
    /// A lazy run that ended at `at` and may take bytes up to `most`.
    Longer { pc: Pc, at: usize, most: usize },
}

/// What one search works with.
pub(super) struct Matcher<'a> {
    program: &'a Program,
    subject: &'a [u8],
    /// Where the search began, for `\G`.
    search_start: usize,
    steps: &'a mut u64,
    slots: Vec<usize>,
    stack: Vec<Entry>,
}

/// Where `\\K` says that the match begins; no group begins there.
const KEEP: Slot = 0;

impl<'a> Matcher<'a> {
    pub(super) fn new(program: &'a Program, subject: &'a [u8], search_start: usize, steps: &'a mut u64) -> Matcher<'a> {
        let slots = vec![UNSET; program.slots];
        Matcher { program, subject, search_start, steps, slots, stack: Vec::new() }
    }

    /// The match that begins at `start`, if there is one.
    pub(super) fn match_at(&mut self, start: usize) -> Result<Option<(usize, usize)>, Exceeded> {
        self.slots.fill(UNSET);
        self.stack.clear();
        let end = self.run(0, start)?;
        Ok(end.map(|end| (if self.slots[0] == UNSET { start } else { self.slots[0] }, end)))
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Exceeded> {
        *self.steps = self.steps.checked_sub(1 + (bytes / BYTES_PER_STEP) as u64).ok_or_else(|| {
            *self.steps = 0;
            Exceeded::Steps
        })?;
        Ok(())
    }

    /// Runs from `pc` to the next [`Instruction::Accept`]; gives the place reached. Entries it pushed are still on the stack then.
    fn run(&mut self, mut pc: Pc, mut at: usize) -> Result<Option<usize>, Exceeded> {
        let base = self.stack.len();
        loop {
            self.spend(0)?;
            match self.step(pc, at)? {
                Next::Go(next, place) => (pc, at) = (next, place),
                Next::Accept => return Ok(Some(at)),
                Next::Fail => match self.back(base)? {
                    Some(place) => (pc, at) = place,
                    None => return Ok(None),
                },
            }
        }
    }

    fn step(&mut self, pc: Pc, at: usize) -> Result<Next, Exceeded> {
        let go = |pc, at| Ok(Next::Go(pc, at));
        let take = |taken: bool| Ok(if taken { Next::Go(pc + 1, at + 1) } else { Next::Fail });
        match self.program.instructions[pc as usize] {
            Instruction::Byte(byte) => take(self.subject.get(at) == Some(&byte)),
            Instruction::Set(set) => take(self.subject.get(at).is_some_and(|byte| self.set(set).has(*byte))),
            Instruction::Run { set, min, max, greed, next } => self.begin_run(pc, at, (set, min, max), greed, next),
            Instruction::Split { first, second } => {
                self.push(Entry::Place { pc: second, at })?;
                go(first, at)
            }
            Instruction::Jump(to) => go(to, at),
            Instruction::Open(slot) => {
                self.write(slot, at)?;
                go(pc + 1, at)
            }
            Instruction::Close { group, opened } => {
                self.write(2 * group, self.slots[opened as usize])?;
                self.write(2 * group + 1, at)?;
                go(pc + 1, at)
            }
            Instruction::Begin(slot) => {
                self.write(slot, 0)?;
                self.write(slot + 1, UNSET)?;
                go(pc + 1, at)
            }
            Instruction::Loop { slot, min, max, lazy, exit } => self.loop_head(pc, at, slot, (min, max), lazy, exit),
            Instruction::Enter(slot) => {
                self.write(slot, self.slots[slot as usize] + 1)?;
                self.write(slot + 1, at)?;
                go(pc + 1, at)
            }
            Instruction::Assert(assertion) => Ok(if self.holds(assertion, at) { Next::Go(pc + 1, at) } else { Next::Fail }),
            Instruction::Backreference { group, fold } => self.backreference(pc, at, group, fold),
            Instruction::IfMatched { group, otherwise } => {
                go(if self.group(group).is_some() { pc + 1 } else { otherwise }, at)
            }
            Instruction::Inner { look: None, end } => Ok(match self.inner(pc + 1, at)? {
                Some(place) => Next::Go(end, place),
                None => Next::Fail,
            }),
            Instruction::Inner { look: Some(look), end } => {
                Ok(if self.look(look, pc + 1, at)? { Next::Go(end, at) } else { Next::Fail })
            }
            Instruction::IfLook { look, then, otherwise } => {
                go(if self.look(look, pc + 1, at)? { then } else { otherwise }, at)
            }
            Instruction::Back(length) => Ok(match at.checked_sub(length as usize) {
                Some(place) => Next::Go(pc + 1, place),
                None => Next::Fail,
            }),
            Instruction::Keep => {
                self.write(KEEP, at)?;
                go(pc + 1, at)
            }
            Instruction::Fail => Ok(Next::Fail),
            Instruction::Accept => Ok(Next::Accept),
        }
    }

    fn set(&self, index: u32) -> &'a ByteSet {
        &self.program.sets[index as usize]
    }

    fn push(&mut self, entry: Entry) -> Result<(), Exceeded> {
        if self.stack.len() == ENTRIES_MAX {
            return Err(Exceeded::Memory);
        }
        self.stack.push(entry);
        Ok(())
    }

    /// Writes a slot so that going back undoes it.
    fn write(&mut self, slot: Slot, value: usize) -> Result<(), Exceeded> {
        let old = std::mem::replace(&mut self.slots[slot as usize], value);
        self.push(Entry::Undo { slot, old })
    }

    /// Undoes what was done since the last place to come back to, above `base`; gives that place.
    fn back(&mut self, base: usize) -> Result<Option<(Pc, usize)>, Exceeded> {
        while self.stack.len() > base {
            self.spend(0)?;
            match self.stack.pop() {
                None => break,
                Some(Entry::Undo { slot, old }) => self.slots[slot as usize] = old,
                Some(Entry::Place { pc, at }) => return Ok(Some((pc, at))),
                Some(Entry::Shorter { pc, least, at }) => {
                    if let Some(at) = self.shorter(pc, least, at)? {
                        return Ok(Some((pc + 1, at)));
                    }
                }
                Some(Entry::Longer { pc, at, most }) => {
                    if let Some(at) = self.longer(pc, at, most)? {
                        return Ok(Some((pc + 1, at)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn begin_run(
        &mut self,
        pc: Pc,
        at: usize,
        (set, min, max): (u32, u32, u32),
        greed: Greed,
        next: Option<u32>,
    ) -> Result<Next, Exceeded> {
        let set = self.set(set);
        let left = self.subject.len() - at;
        let most = if max == UNBOUNDED { left } else { left.min(max as usize) };
        let wanted = if greed == Greed::Lazy { (min as usize).min(most) } else { most };
        let taken = run_length(&self.subject[at..at + wanted], set);
        self.spend(taken)?;
        if taken < min as usize {
            return Ok(Next::Fail);
        }
        let (least, end) = (at + min as usize, at + taken);
        let fits = self.fits(end, next);
        match greed {
            Greed::Possessive => return Ok(Next::Go(pc + 1, end)),
            Greed::Greedy if end > least => self.push(Entry::Shorter { pc, least, at: end })?,
            Greed::Lazy if at + most > end => self.push(Entry::Longer { pc, at: end, most: at + most })?,
            _ => {}
        }
        Ok(if fits { Next::Go(pc + 1, end) } else { Next::Fail })
    }

    /// Whether what must follow a run does so at `at`.
    fn fits(&self, at: usize, next: Option<u32>) -> bool {
        next.is_none_or(|next| self.subject.get(at).is_some_and(|byte| self.set(next).has(*byte)))
    }

    /// The next shorter end of a greedy run after which what must follow does.
    fn shorter(&mut self, pc: Pc, least: usize, at: usize) -> Result<Option<usize>, Exceeded> {
        let Instruction::Run { next, .. } = self.program.instructions[pc as usize] else { return Ok(None) };
        let end = (least..at).rev().find(|end| self.fits(*end, next));
        self.spend(at - end.unwrap_or(least))?;
        if let Some(end) = end.filter(|end| *end > least) {
            self.push(Entry::Shorter { pc, least, at: end })?;
        }
        Ok(end)
    }

    /// The next longer end of a lazy run after which what must follow does.
    fn longer(&mut self, pc: Pc, at: usize, most: usize) -> Result<Option<usize>, Exceeded> {
        let Instruction::Run { set, next, .. } = self.program.instructions[pc as usize] else { return Ok(None) };
        let set = self.set(set);
        let (mut end, mut found) = (at, None);
        while end < most && set.has(self.subject[end]) {
            end += 1;
            if self.fits(end, next) {
                found = Some(end);
                break;
            }
        }
        self.spend(end - at)?;
        if found.is_some() && end < most {
            self.push(Entry::Longer { pc, at: end, most })?;
        }
        Ok(found)
    }

    fn loop_head(
        &mut self,
        pc: Pc,
        at: usize,
        slot: Slot,
        (min, max): (u32, u32),
        lazy: bool,
        exit: Pc,
    ) -> Result<Next, Exceeded> {
        let (count, began) = (self.slots[slot as usize], self.slots[slot as usize + 1]);
        let body = pc + 1;
        if count < min as usize {
            return Ok(Next::Go(body, at));
        }
        // An iteration that took nothing would be followed by others without end.
        if max != UNBOUNDED && count >= max as usize || count > 0 && began == at {
            return Ok(Next::Go(exit, at));
        }
        let (first, second) = if lazy { (exit, body) } else { (body, exit) };
        self.push(Entry::Place { pc: second, at })?;
        Ok(Next::Go(first, at))
    }

    fn holds(&self, assertion: Assertion, at: usize) -> bool {
        let subject = self.subject;
        let is_word = |index: Option<usize>| {
            index.and_then(|index| subject.get(index)).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        };
        let at_word = || is_word(at.checked_sub(1)) != is_word(Some(at));
        match assertion {
            Assertion::SubjectStart => at == 0,
            Assertion::SubjectEnd => at == subject.len(),
            Assertion::LastLineEnd => at == subject.len() || subject[at..] == *b"\n",
            Assertion::LineStart => at == 0 || at < subject.len() && subject[at - 1] == b'\n',
            Assertion::LineEnd => at == subject.len() || subject[at] == b'\n',
            Assertion::Word => at_word(),
            Assertion::NotWord => !at_word(),
            Assertion::SearchStart => at == self.search_start,
        }
    }

    fn group(&self, group: u32) -> Option<&'a [u8]> {
        let (start, end) = (self.slots[2 * group as usize], self.slots[2 * group as usize + 1]);
        if start == UNSET { None } else { self.subject.get(start..end) }
    }

    fn backreference(&mut self, pc: Pc, at: usize, group: u32, fold: bool) -> Result<Next, Exceeded> {
        let Some(text) = self.group(group) else { return Ok(Next::Fail) };
        let Some(here) = self.subject[at..].get(..text.len()) else { return Ok(Next::Fail) };
        self.spend(text.len())?;
        let equal = if fold { text.eq_ignore_ascii_case(here) } else { text == here };
        Ok(if equal { Next::Go(pc + 1, at + text.len()) } else { Next::Fail })
    }

    /// Runs an inner program; when it matches, nothing can be tried again inside it, and the slots it wrote keep their values.
    fn inner(&mut self, pc: Pc, at: usize) -> Result<Option<usize>, Exceeded> {
        let base = self.stack.len();
        let end = self.run(pc, at)?;
        if end.is_some() {
            let mut kept = base;
            for index in base..self.stack.len() {
                if matches!(self.stack[index], Entry::Undo { .. }) {
                    self.stack[kept] = self.stack[index];
                    kept += 1;
                }
            }
            self.spend(self.stack.len() - kept)?;
            self.stack.truncate(kept);
        }
        Ok(end)
    }

    /// Whether a look-around holds. What a negated one captured is undone.
    fn look(&mut self, look: Look, pc: Pc, at: usize) -> Result<bool, Exceeded> {
        let base = self.stack.len();
        let found = self.inner(pc, at)?.is_some();
        if found && look.negated {
            self.back(base)?;
        }
        Ok(found != look.negated)
    }
}

/// Where a program goes on.
enum Next {
    Go(Pc, usize),
    Fail,
    Accept,
}

/// Bytes at the beginning of `bytes` that the set has.
fn run_length(bytes: &[u8], set: &ByteSet) -> usize {
    if *set == ByteSet::ALL {
        return bytes.len();
    }
    bytes.iter().position(|byte| !set.has(*byte)).unwrap_or(bytes.len())
}
