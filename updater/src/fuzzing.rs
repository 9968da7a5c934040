//! Bodies of fuzz targets: what reads bytes of whoever sends them. Each panics when something that must hold does not.

use crate::agent::read_index;
use crate::root::RootFile;
use crate::tuf::{self, SignedModule, SignedRelease, TOP_ROLES};
use crate::wire::Sha256Hex;
use tough::schema::Targets;

pub use crate::deltas::fuzz_index as delta_index;

/// Reads any bytes as each role of the repository and as a root that people sign; what is read of a maker's role is written as it was.
pub fn metadata(bytes: &[u8]) {
    for role in TOP_ROLES {
        // Refused or not, by a named error: that it comes back is what counts.
        drop(tuf::check_file(role, bytes));
    }
    if let Ok(root) = RootFile::read(bytes) {
        let signatures = root.signatures(None).expect("a root that was read can be counted");
        assert!(signatures.iter().all(|by| by.have <= root.keys(crate::root::RootRole::Root).0.len() as u64));
        let written = root.bytes().expect("a root that was read can be written");
        assert_eq!(RootFile::read(&written).expect("it can be read again").version(), root.version());
    }
    let maker = "acme".parse().expect("a name of a maker");
    let Ok(file) = tuf::read::<Targets>(bytes) else { return };
    let Ok(role) = tuf::read_maker_role(&maker, &file.signed) else { return };
    for release in &role.releases {
        let (name, target) = release.to_target().expect("a release that was read can be written");
        assert_eq!(&SignedRelease::from_target(&maker, &name, &target).expect("and read again"), release);
    }
    for module in &role.modules {
        let (name, target) = module.to_target().expect("a module that was read can be written");
        assert_eq!(&SignedModule::from_target(&maker, &name, &target).expect("and read again"), module);
    }
}

/// Reads any bytes as the head of a bundle, and as the index of one whose head is right.
pub fn bundle(bytes: &[u8]) {
    drop(read_index(bytes, bytes.len() as u64));
    let mut head = b"titer-b1".to_vec();
    head.extend((bytes.len() as u64).to_le_bytes());
    head.extend(Sha256Hex::of(bytes).bytes());
    head.extend(bytes);
    // The length that its entries ask for, so that more than one file in 2^64 is accepted.
    #[derive(serde::Deserialize)]
    struct Lengths {
        entries: Vec<Length>,
    }
    #[derive(serde::Deserialize)]
    struct Length {
        length: u64,
    }
    let lengths = serde_json::from_slice::<Lengths>(bytes).map_or(Vec::new(), |index| index.entries);
    let file_len = lengths.iter().fold(head.len() as u64, |sum, entry| sum.saturating_add(entry.length));
    let Ok(index) = read_index(&head, file_len) else { return };
    let mut offset = head.len() as u64;
    for entry in &index.entries {
        assert_eq!(entry.offset, offset, "entries follow each other");
        assert_eq!(index.entry(&entry.name), Some(entry), "no name stands twice");
        assert!(!entry.name.contains("..") || !entry.name.contains("../"), "no entry is outside of its folder");
        offset += entry.length;
    }
    assert_eq!(offset, file_len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Gives `body` each seed as it is, each cut of it and each byte of it changed.
    fn replay(target: &str, body: fn(&[u8])) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
        let seeds = std::fs::read_dir(folder).unwrap().map(|seed| std::fs::read(seed.unwrap().path()).unwrap());
        let seeds = seeds.collect::<Vec<_>>();
        for seed in &seeds {
            body(seed);
            for place in (0..seed.len()).step_by(7) {
                body(&seed[..place]);
                let mut changed = seed.clone();
                changed[place] ^= 1 << (place % 8);
                body(&changed);
            }
        }
        seeds
    }

    #[test]
    fn metadata_cut_or_changed_anywhere_is_read_or_refused() {
        let seeds = replay("metadata_read", metadata);
        let read = |seed: &Vec<u8>| TOP_ROLES.iter().any(|role| tuf::check_file(*role, seed).is_ok());
        assert!(seeds.len() >= 5 && seeds.iter().all(read), "the seeds are whole files");
    }

    #[test]
    fn a_bundles_index_cut_or_changed_anywhere_is_read_or_refused() {
        let seeds = replay("bundle_index", bundle);
        assert!(seeds.iter().all(|seed| serde_json::from_slice::<crate::agent::Index>(seed).is_ok()) && !seeds.is_empty());
    }

    #[test]
    fn an_index_of_deltas_cut_or_changed_anywhere_is_read_or_refused() {
        assert!(!replay("delta_index", delta_index).is_empty());
    }
}
