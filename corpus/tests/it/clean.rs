//! Clean files stay clean, and planted ones are found, by the scanner and by the oracle alike.

use engine::{Database, Scanner};
use patternc::link::{LinkSource, link};
use patternc::record::Record;

fn all_records() -> Vec<Record> {
    corpus::compile(&corpus::signatures()).records
}

fn found(haystack: &[u8]) -> Vec<String> {
    let records = all_records();
    let bytes = link(&[LinkSource { channel: "corpus/all", release: 1, root: [0; 32], records: &records }]).unwrap();
    let database = Database::open(&bytes).unwrap();
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let mut names: Vec<String> =
        scanner.signatures(&mut scratch, haystack).iter().map(|m| database.name(m.signature()).into_owned()).collect();
    names.sort();
    names
}

#[test]
fn nothing_matches_a_clean_file() {
    for (name, bytes) in corpus::clean() {
        assert_eq!(found(bytes), [""; 0], "{name}");
    }
}

#[test]
fn every_planted_file_is_found_under_its_name() {
    let records = all_records();
    let planted = corpus::planted(&records);
    assert_eq!(planted.len(), records.len());
    for (name, bytes) in planted {
        assert!(found(&bytes).contains(&name), "{name}");
    }
}

#[test]
fn eicar_is_found_four_times() {
    assert_eq!(found(&corpus::eicar()), [1, 2, 3, 4].map(|i| format!("Titer.Eicar-Test-{i}")));
}
