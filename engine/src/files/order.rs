//! From many workers to one order.

use super::Verdict;
use super::walk::Found;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// What a worker takes at a time: few enough to share a small folder out, enough that workers seldom meet at the queue.
const BATCH: usize = 32;

/// What is to be scanned, numbered in the order of the walk.
pub(super) struct Queue<W> {
    walk: W,
    next: usize,
    /// What workers left to others, each with the number of its first.
    put_back: Vec<(usize, Vec<Found>)>,
}

impl<W: Iterator<Item = Found>> Queue<W> {
    pub(super) fn new(walk: W) -> Queue<W> {
        Queue { walk, next: 0, put_back: Vec::new() }
    }

    /// The next few, and the number of their first; `None` at the end of the walk.
    ///
    /// Walks under the caller's lock: a fifth of the work on small files, the others scan meanwhile.
    pub(super) fn take(&mut self) -> Option<(usize, Vec<Found>)> {
        if let Some(left) = self.put_back.pop() {
            return Some(left);
        }
        let batch: Vec<Found> = self.walk.by_ref().take(BATCH).collect();
        let first = self.next;
        self.next += batch.len();
        (!batch.is_empty()).then_some((first, batch))
    }

    /// Leaves `rest`, which begins with number `first`, to whoever comes next.
    pub(super) fn put_back(&mut self, first: usize, rest: Vec<Found>) {
        self.put_back.push((first, rest));
    }
}

/// Puts verdicts in the order of their numbers.
///
/// Verdicts that come early wait here; those of clean files are a few words each.
#[derive(Default)]
pub(super) struct Order {
    next: usize,
    early: VecDeque<Option<Verdict>>,
}

impl Order {
    /// Calls `sink` with all verdicts whose turn it is, now that there is the one with number `index`.
    pub(super) fn add(
        &mut self,
        index: usize,
        verdict: Verdict,
        sink: &mut impl FnMut(Verdict) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if index == self.next && self.early.is_empty() {
            self.next += 1;
            return sink(verdict);
        }
        let place = index - self.next;
        if self.early.len() <= place {
            self.early.resize_with(place + 1, || None);
        }
        self.early[place] = Some(verdict);
        while let Some(verdict) = self.early.front_mut().and_then(Option::take) {
            self.early.pop_front();
            self.next += 1;
            sink(verdict)?;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_order_they_come_in_they_leave_in_order(numbers in Just((0..100_usize).collect::<Vec<_>>()).prop_shuffle()) {
            let mut order = Order::default();
            let mut left = Vec::new();
            for number in numbers {
                let verdict = Verdict::Clean { bytes: number as u64 };
                let flow = order.add(number, verdict, &mut |verdict| {
                    if let Verdict::Clean { bytes } = verdict {
                        left.push(bytes);
                    }
                    ControlFlow::Continue(())
                });
                prop_assert!(flow.is_continue());
            }
            prop_assert_eq!(left, (0..100).collect::<Vec<_>>());
        }
    }
}
