//! What the benchmarks share: signature sets, and the scanners that are compared on them.
#![forbid(unsafe_code)]

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use daachorse::DoubleArrayAhoCorasick;
use engine::pattern::Element;
use engine::{Database, Scanner, Scratch};
use patternc::link::{LinkSource, link};
use patternc::record::Record;

/// Literal signatures, in the forms that the scanners take.
pub struct Literals {
    /// As text of an `.ndb` file.
    pub ndb: String,
    /// As records.
    pub records: Vec<Record>,
    /// As bytes.
    pub literals: Vec<Vec<u8>>,
    /// As a database.
    pub database: Vec<u8>,
}

impl Literals {
    /// Literals like those that makers sign.
    pub fn synthetic(n: usize) -> Literals {
        Literals::of(n, corpus::synthetic_ndb(n, 1))
    }

    /// Literals that are nearly parts of the haystacks.
    pub fn near_clean(n: usize) -> Literals {
        Literals::of(n, corpus::near_clean_ndb(n, 1))
    }

    fn of(n: usize, ndb: String) -> Literals {
        let records = corpus::compile(&[("synthetic.ndb", &ndb)]).records;
        assert_eq!(records.len(), n);
        let database = link_one(&records);
        let literals = records.iter().map(literal).collect();
        Literals { ndb, records, literals, database }
    }
}

/// `records` linked under one channel.
pub fn link_one(records: &[Record]) -> Vec<u8> {
    let source = LinkSource { channel: "bench/literals", release: 1, root: [0; 32], records };
    link(&[source]).expect("every literal has an anchor")
}

fn literal(record: &Record) -> Vec<u8> {
    let Record::Body(body) = record else { panic!("synthetic signatures are bodies") };
    let [Element::Bytes(bytes)] = body.pattern.elements() else { panic!("synthetic signatures are literals") };
    bytes.iter().map(|masked| masked.value()).collect()
}

/// Something that counts matches: every (signature, end), overlapping ones too.
pub trait Engine {
    /// Its name in reports.
    fn name(&self) -> &'static str;
    /// How many matches there are in `haystack`.
    fn count(&mut self, haystack: &[u8]) -> usize;
}

/// Titer's scanner, one thread.
pub struct Titer<'d> {
    scanner: Scanner<'d>,
    scratch: Scratch,
}

impl<'d> Titer<'d> {
    /// A scanner for a database.
    pub fn new(database: &Database<'d>) -> Titer<'d> {
        let scanner = Scanner::new(database);
        Titer { scratch: scanner.scratch(), scanner }
    }
}

impl Engine for Titer<'_> {
    fn name(&self) -> &'static str {
        "titer"
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
    /// Most literals for which a DFA is built: 10,000 take 400 MB, and 100,000 do not fit.
    const DFA_LITERALS_MAX: usize = 1000;

    /// Its contiguous NFA, and its DFA when there are few literals.
    pub fn all(literals: &[Vec<u8>]) -> Vec<Aho> {
        let build = |name, kind| {
            let mut builder = AhoCorasick::builder();
            let builder = builder.match_kind(MatchKind::Standard).kind(Some(kind));
            Aho { name, automaton: builder.build(literals).expect("the automaton fits its ids") }
        };
        let mut built = vec![build("aho-corasick-nfa", AhoCorasickKind::ContiguousNFA)];
        if literals.len() <= Aho::DFA_LITERALS_MAX {
            built.push(build("aho-corasick-dfa", AhoCorasickKind::DFA));
        }
        built
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_engines_count_the_same() {
        let set = Literals::synthetic(200);
        let mut haystack = corpus::haystack(100_000, 3);
        set.literals.iter().step_by(3).for_each(|literal| haystack.extend(literal));
        let database = Database::open(&set.database).unwrap();
        let mut engines: Vec<Box<dyn Engine>> =
            vec![Box::new(Titer::new(&database)), Box::new(Daachorse::new(&set.literals))];
        engines.extend(Aho::all(&set.literals).into_iter().map(|engine| Box::new(engine) as Box<dyn Engine>));
        for engine in &mut engines {
            assert!(engine.count(&haystack) >= 67, "{}", engine.name());
        }
        let counts: Vec<usize> = engines.iter_mut().map(|engine| engine.count(&haystack)).collect();
        assert!(counts.iter().all(|&count| count == counts[0]), "{counts:?}");
    }
}
