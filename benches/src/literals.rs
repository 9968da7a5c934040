//! Signature sets that every scanner can take.

use engine::pattern::Element;
use patternc::link::{LinkSource, link};
use patternc::record::Record;

/// Literal signatures, in the forms that the scanners take.
pub struct Literals {
    /// As text of an `.ndb` file; empty for sets that were given as bytes.
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
        Literals::of_ndb(n, corpus::synthetic_ndb(n, 1))
    }

    /// Literals that are nearly parts of the haystacks.
    pub fn near_clean(n: usize) -> Literals {
        Literals::of_ndb(n, corpus::near_clean_ndb(n, 1))
    }

    /// Literals that have cost some scanner its speed.
    pub fn bad() -> Literals {
        Literals::of(corpus::flood::bad_literals())
    }

    /// A set of any literals of two bytes or more.
    pub fn of(literals: Vec<Vec<u8>>) -> Literals {
        let records = corpus::literal_records(&literals);
        let database = link_one(&records);
        Literals { ndb: String::new(), records, literals, database }
    }

    fn of_ndb(n: usize, ndb: String) -> Literals {
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

/// The bytes of a record that is a literal.
///
/// # Panics
/// When it is anything else.
pub fn literal(record: &Record) -> Vec<u8> {
    let Record::Body(body) = record else { panic!("synthetic signatures are bodies") };
    let [Element::Bytes(bytes)] = body.pattern.elements() else { panic!("synthetic signatures are literals") };
    bytes.iter().map(|masked| masked.value()).collect()
}
