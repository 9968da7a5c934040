//! Who listens to a decision: nobody, or whoever wants it explained.

use crate::wire::{CandidateView, Rule, Tried};

/// Told of each question of a decision. Words are made only for those who listen.
pub(super) trait Trace {
    fn tried(&mut self, rule: Rule, yes: bool, words: impl FnOnce() -> String);
    fn candidate(&mut self, view: impl FnOnce() -> CandidateView);
    /// Names of the threats that are open.
    fn open(&mut self, names: impl FnOnce() -> Vec<String>);
}

/// Listens to nothing.
pub(super) struct Silent;

impl Trace for Silent {
    fn tried(&mut self, _: Rule, _: bool, _: impl FnOnce() -> String) {}
    fn candidate(&mut self, _: impl FnOnce() -> CandidateView) {}
    fn open(&mut self, _: impl FnOnce() -> Vec<String>) {}
}

/// Keeps all of it.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) tried: Vec<Tried>,
    pub(super) candidates: Vec<CandidateView>,
    pub(super) open: Vec<String>,
}

impl Trace for Trail {
    fn tried(&mut self, rule: Rule, yes: bool, words: impl FnOnce() -> String) {
        self.tried.push(Tried { rule, yes, words: words() });
    }

    fn candidate(&mut self, view: impl FnOnce() -> CandidateView) {
        self.candidates.push(view());
    }

    fn open(&mut self, names: impl FnOnce() -> Vec<String>) {
        self.open = names();
    }
}
