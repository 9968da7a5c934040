//! What running programs works with, and how much work it is.

use crate::matcher::spans::Spans;

/// Bytes that are compared or passed over in one step.
pub(super) const BYTES_PER_STEP: u64 = 64;

/// Position sets that one worker reuses.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(super) from: Spans,
    pub(super) into: Spans,
    pub(super) ends: Spans,
    /// Where a match may begin.
    pub(super) allowed: Spans,
    pub(super) steps: Steps,
}

/// Steps taken: positions tried, and stretches of [`BYTES_PER_STEP`] bytes compared or passed over.
#[derive(Debug, Default)]
pub(super) struct Steps {
    taken: u64,
    pub(super) max: u64,
}

impl Steps {
    /// Takes so many; whether to go on.
    #[inline(always)]
    pub(super) fn take(&mut self, steps: u64) -> bool {
        self.taken = self.taken.saturating_add(steps);
        self.taken <= self.max
    }

    /// Takes what trying one position costs at which `len` bytes agree; whether to go on.
    #[inline(always)]
    pub(super) fn take_one(&mut self, len: usize) -> bool {
        self.take(1 + len as u64 / BYTES_PER_STEP)
    }
}

impl Workspace {
    /// The steps taken since the last call.
    pub(crate) fn take_steps(&mut self) -> u64 {
        std::mem::take(&mut self.steps.taken)
    }

    /// Adds the steps of a search through `len` bytes.
    pub(crate) fn add_search(&mut self, len: usize) {
        self.steps.take_one(len);
    }

    /// The ends of the matches that the last call found, ascending.
    pub(crate) fn ends(&self) -> &Spans {
        &self.ends
    }
}
