//! The seeds of the fuzz targets, and what the fuzzer once tripped over, replayed.

use corpus::fuzzing::TARGETS;
use std::fs;
use std::path::PathBuf;

fn seeds_of(target: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_seed_holds() {
    for (target, body) in TARGETS {
        let seeds = seeds_of(target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            println!("{}", seed.display());
            body(&fs::read(&seed).unwrap());
        }
    }
}

/// Seeds that no target accepts any more test nothing. Those that are damaged on purpose are named `bad-…` or `crash-…`.
#[test]
fn seeds_of_sound_files_are_sound() {
    let sound = |target: &str, bytes: &[u8]| match target {
        "blob_decode" => patternc::blob::decode(bytes).is_ok(),
        "database_open_scan" => engine::Database::open(bytes).is_ok(),
        "delta_apply" => patternc::blob::patch(&patternc::fuzzing::empty_blob(), bytes).is_ok(),
        _ => true,
    };
    for (target, _) in TARGETS {
        for seed in seeds_of(target) {
            let name = seed.file_name().unwrap().to_str().unwrap();
            let meant_to_be = !["bad-", "crash-", "pair-", "records"].iter().any(|prefix| name.starts_with(prefix));
            assert!(!meant_to_be || sound(target, &fs::read(&seed).unwrap()), "{}: run `regenerate seeds`", seed.display());
        }
    }
}

/// The table of `fuzz/README.md`, the folder of targets and the seeds name the same.
#[test]
fn every_target_is_described_and_has_seeds() {
    let fuzz = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let readme = fs::read_to_string(fuzz.join("README.md")).unwrap();
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let described: Vec<String> = readme.lines().filter_map(row).collect();
    let names = |dir: &str| {
        let names = fs::read_dir(fuzz.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(described, names("fuzz_targets"));
    assert_eq!(described, names("seeds"));
}
