//! The scanners that are compared.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use daachorse::DoubleArrayAhoCorasick;
use engine::{Backend, Database, Scanner, Scratch};

/// Something that counts matches: every (signature, end), overlapping ones too.
pub trait Engine {
    /// Its name in reports.
    fn name(&self) -> &'static str;
    /// How many matches there are in `haystack`.
    fn count(&mut self, haystack: &[u8]) -> usize;
}

/// Titer's scanner, one thread.
pub struct Titer<'d> {
    name: &'static str,
    scanner: Scanner<'d>,
    scratch: Scratch,
}

impl<'d> Titer<'d> {
    /// A scanner for a database, with the fastest loop of this processor.
    pub fn new(database: &Database<'d>) -> Titer<'d> {
        Titer { name: "titer", scanner: Scanner::new(database), scratch: Scratch::default() }
    }

    /// A scanner for a database, with the loop that runs on any processor.
    pub fn portable(database: &Database<'d>) -> Titer<'d> {
        let scanner = Scanner::with_backend(database, Backend::PORTABLE);
        Titer { name: "titer-portable", scanner, scratch: Scratch::default() }
    }
}

impl Engine for Titer<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        self.scanner.ends(&mut self.scratch, haystack).len()
    }
}

/// The crate `aho-corasick`.
pub struct Aho {
    name: &'static str,
    automaton: AhoCorasick,
}

impl Aho {
    /// Most literals for which criterion's groups build a DFA: 10,000 take 400 MB, and 100,000 do not fit.
    const DFA_LITERALS_MAX: usize = 1000;

    /// Its contiguous NFA.
    pub fn nfa(literals: &[Vec<u8>]) -> Aho {
        Aho::build("aho-corasick-nfa", AhoCorasickKind::ContiguousNFA, literals)
    }

    /// Its DFA.
    pub fn dfa(literals: &[Vec<u8>]) -> Aho {
        Aho::build("aho-corasick-dfa", AhoCorasickKind::DFA, literals)
    }

    /// Its contiguous NFA, and its DFA when there are few literals.
    pub fn all(literals: &[Vec<u8>]) -> Vec<Aho> {
        let mut built = vec![Aho::nfa(literals)];
        built.extend((literals.len() <= Aho::DFA_LITERALS_MAX).then(|| Aho::dfa(literals)));
        built
    }

    fn build(name: &'static str, kind: AhoCorasickKind, literals: &[Vec<u8>]) -> Aho {
        let mut builder = AhoCorasick::builder();
        let builder = builder.match_kind(MatchKind::Standard).kind(Some(kind));
        Aho { name, automaton: builder.build(literals).expect("the automaton fits its ids") }
    }
}

impl Engine for Aho {
    fn name(&self) -> &'static str {
        self.name
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        self.automaton.find_overlapping_iter(haystack).count()
    }
}

/// The crate `daachorse`.
pub struct Daachorse {
    automaton: DoubleArrayAhoCorasick<u32>,
}

impl Daachorse {
    /// An automaton for `literals`.
    pub fn new(literals: &[Vec<u8>]) -> Daachorse {
        let automaton = DoubleArrayAhoCorasick::new(literals).expect("the automaton fits its ids");
        Daachorse { automaton }
    }
}

impl Engine for Daachorse {
    fn name(&self) -> &'static str {
        "daachorse"
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        self.automaton.find_overlapping_iter(haystack).count()
    }
}

/// Every engine of this build that criterion's groups compare, ours first. Hyperscan 5.4 is not among them: on some of their haystacks
/// `hs_scan` fails with an unknown error (-13).
pub fn all<'d>(database: &Database<'d>, literals: &[Vec<u8>]) -> Vec<Box<dyn Engine + 'd>> {
    let mut engines: Vec<Box<dyn Engine + 'd>> = vec![Box::new(Titer::new(database)), Box::new(Daachorse::new(literals))];
    engines.extend(Aho::all(literals).into_iter().map(|engine| Box::new(engine) as Box<dyn Engine>));
    #[cfg(feature = "yara-x")]
    engines.push(Box::new(crate::yara_x::YaraX::new(literals)));
    engines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::literals::Literals;

    #[test]
    fn all_engines_count_the_same() {
        // `bad` has literals that are parts of others, and of themselves.
        for set in [Literals::synthetic(200), Literals::bad()] {
            let mut haystack = corpus::haystack(100_000, 3);
            set.literals.iter().step_by(3).for_each(|literal| haystack.extend(literal));
            let database = Database::open(&set.database).unwrap();
            let mut engines = all(&database, &set.literals);
            engines.push(Box::new(Titer::portable(&database)));
            let counts: Vec<usize> = engines.iter_mut().map(|engine| engine.count(&haystack)).collect();
            assert!(counts[0] >= set.literals.len() / 3, "{counts:?}");
            assert!(counts.iter().all(|&count| count == counts[0]), "{counts:?}");
        }
    }
}
