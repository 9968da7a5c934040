//! Searching in time linear in the subject, by automata.
//!
//! What automata cannot tell (look-around, back-references, `\K`, atomic groups) is widened: the automaton then finds at least what the
//! pattern finds, and where it finds nothing there is nothing. A pattern in which nothing was widened is searched for by its automaton
//! alone.
//!
//! The automata are lazy: their states are made as a subject asks for them, in a cache that is emptied when it is full. A subject that keeps
//! asking for new ones is given up, and searched by backtracking.

use std::sync::Arc;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::hybrid::regex::{Builder, Cache as Caches, Regex};
use regex_automata::nfa::thompson;
use regex_automata::util::pool::Pool;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Dot, Hir, Look as HirLook, Repetition};

use super::node::{Assertion, Greed, Node};
use super::set::ByteSet;

/// Bytes an automaton's states may take before it is followed: above that, patterns are searched for by backtracking alone.
const STATES_BYTES_MAX: usize = 1 << 18;
/// Bytes of states made while following it.
const CACHE_BYTES: usize = 1 << 20;
/// How often the cache is emptied before it matters how many bytes each of its states was good for.
const CACHE_CLEARS_MIN: usize = 2;
const BYTES_PER_STATE_MIN: usize = 32;

/// Automata of one pattern, with caches that threads take turns with.
pub(super) struct Linear {
    regex: Arc<Regex>,
    caches: Pool<Caches, Box<dyn Fn() -> Caches + Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>>,
    /// It finds exactly what the pattern finds.
    pub(super) exact: bool,
}

/// The automaton was not worth following.
#[derive(Debug)]
pub(super) struct GaveUp;

impl Linear {
    /// None when the automaton would be too large, or would tell nothing.
    pub(super) fn new(node: &Node) -> Option<Linear> {
        let mut exact = true;
        let hir = hir(node, false, &mut exact);
        // Without a byte that must be there, every place of every subject would be a candidate.
        if !exact && hir.properties().minimum_len().is_none_or(|least| least == 0) {
            return None;
        }
        let nfa = |reverse| {
            let config = thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(STATES_BYTES_MAX))
                .shrink(false)
                .which_captures(thompson::WhichCaptures::None)
                .reverse(reverse);
            thompson::Compiler::new().configure(config).build_from_hir(&hir).ok()
        };
        let config = DFA::config()
            .match_kind(MatchKind::LeftmostFirst)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CACHE_CLEARS_MIN))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE_MIN))
            .prefilter(Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, &hir));
        let forward = DFA::builder().configure(config.clone()).build_from_nfa(nfa(false)?).ok()?;
        let backward = config.prefilter(None).match_kind(MatchKind::All);
        let backward = DFA::builder().configure(backward).build_from_nfa(nfa(true)?).ok()?;
        let regex = Arc::new(Builder::new().build_from_dfas(forward, backward));
        let parts = Arc::clone(&regex);
        let caches = Pool::new(Box::new(move || parts.create_cache()) as _);
        Some(Linear { regex, caches, exact })
    }

    /// The first match that begins at `from` or later, or at `from` only.
    pub(super) fn find(&self, subject: &[u8], from: usize, anchored: bool) -> Result<Option<(usize, usize)>, GaveUp> {
        let anchored = if anchored { Anchored::Yes } else { Anchored::No };
        let input = Input::new(subject).range(from..).anchored(anchored);
        let found = self.regex.try_search(&mut self.caches.get(), &input).map_err(|_| GaveUp)?;
        Ok(found.map(|found| (found.start(), found.end())))
    }
}

/// The pattern, widened where `exact` is taken away. `consumes`: whether what follows surely takes a byte.
fn hir(node: &Node, consumes: bool, exact: &mut bool) -> Hir {
    let mut widened = || *exact = false;
    match node {
        Node::Empty => Hir::empty(),
        Node::Set(set) => class(*set),
        Node::Concat(nodes) => {
            let mut parts = Vec::with_capacity(nodes.len());
            let mut consumes = consumes;
            for node in nodes.iter().rev() {
                parts.push(hir(node, consumes, exact));
                consumes |= node.lengths().0 > 0;
            }
            parts.reverse();
            Hir::concat(parts)
        }
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(|node| hir(node, consumes, exact)).collect()),
        Node::Repeat { node, min, max, greed } => {
            // How often something empty is repeated decides what is found, and is told in other ways.
            if *greed == Greed::Possessive || node.lengths().0 == 0 && *max != Some(1) {
                widened();
            }
            let sub = Box::new(hir(node, consumes && *max == Some(1), exact));
            Hir::repetition(Repetition { min: *min, max: *max, greedy: *greed != Greed::Lazy, sub })
        }
        Node::Capture(_, node) => hir(node, consumes, exact),
        Node::Atomic(node) => {
            widened();
            hir(node, consumes, exact)
        }
        Node::Assert(assertion) => match assertion {
            Assertion::SubjectStart => Hir::look(HirLook::Start),
            Assertion::SubjectEnd => Hir::look(HirLook::End),
            Assertion::LineEnd => Hir::look(HirLook::EndLF),
            Assertion::LineStart => {
                // After a line feed that ends the subject, the automaton sees the start of a line and PCRE does not.
                if !consumes {
                    widened();
                }
                Hir::look(HirLook::StartLF)
            }
            Assertion::Word => Hir::look(HirLook::WordAscii),
            Assertion::NotWord => Hir::look(HirLook::WordAsciiNegate),
            Assertion::LastLineEnd | Assertion::SearchStart => {
                widened();
                Hir::empty()
            }
        },
        Node::Look(..) | Node::Keep => {
            widened();
            Hir::empty()
        }
        Node::Backreference { .. } => {
            widened();
            let sub = Box::new(Hir::dot(Dot::AnyByte));
            Hir::repetition(Repetition { min: 0, max: None, greedy: false, sub })
        }
        Node::Conditional { then, otherwise, .. } => {
            widened();
            Hir::alternation(vec![hir(then, false, exact), hir(otherwise, false, exact)])
        }
    }
}

fn class(set: ByteSet) -> Hir {
    if let Some(byte) = set.single() {
        return Hir::literal([byte]);
    }
    Hir::class(Class::Bytes(ClassBytes::new(set.ranges().map(|(low, high)| ClassBytesRange::new(low, high)))))
}
