//! Files of each released format open, and say what they said when they were made.

use engine::{Database, Scanner};
use patternc::blob;
use std::fs;

fn sample(name: &str) -> Vec<u8> {
    fs::read(format!("{}/formats/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn blob_1() {
    let blob = blob::decode(&sample("features-1.titer")).unwrap();
    assert_eq!((blob.header.channel.as_str(), blob.header.release), ("corpus/features", 1));
    assert_eq!(blob.records, corpus::compile(&corpus::features()).records);
}

#[test]
fn database_2() {
    let bytes = sample("features-2.tdb");
    let database = Database::open(&bytes).unwrap();
    database.verify().unwrap();
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    for (name, bytes) in corpus::planted(&corpus::compile(&corpus::features()).records) {
        let found = scanner.signatures(&mut scratch, &bytes);
        assert!(found.iter().any(|found| database.name(found.signature()) == name), "{name}");
    }
    assert_eq!(scanner.signatures(&mut scratch, b"titer").len(), 6);
}
