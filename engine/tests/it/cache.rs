//! The clean cache.
#![cfg(target_os = "linux")]

use crate::support::*;
use engine::{CleanCache, Database, FileScanner, Scanner, Verdict};
use patternc::record::Record;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Some seconds after now: by then the times of files just written are settled.
fn later(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

/// Scans the folder with what `cache` knows; returns the verdicts and what is known then.
fn scan(cache: &CleanCache, database: &Database<'_>, folder: &Path, now: SystemTime) -> (Vec<String>, CleanCache) {
    let known = cache.clone().begin(database, now);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut verdicts = Vec::new();
    let scanner = FileScanner::new(Scanner::new(database)).cache(&known);
    scanner.scan_paths(&pool, &[folder.to_owned()], |verdict| {
        verdicts.push(match verdict {
            Verdict::Clean { .. } => "clean".to_owned(),
            Verdict::Cached { .. } => "cached".to_owned(),
            Verdict::Found { matches, .. } => format!("found {}", matches.len()),
            Verdict::Allowed { .. } => "allowed".to_owned(),
            other => format!("{other:?}"),
        });
        ControlFlow::Continue(())
    });
    drop(scanner);
    let after = known.end(1000).unwrap_or_else(|| cache.clone());
    // What is stored is what is known.
    (verdicts, CleanCache::decode(&after.encode()).unwrap())
}

fn set(texts: &[&str]) -> Vec<u8> {
    database(&records(&texts.iter().map(|text| literal(text.as_bytes())).collect::<Vec<_>>()))
}

/// A folder with the files `a`, `b` and so on, of these contents.
fn folder(contents: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in ('a'..).zip(contents) {
        fs::write(folder.path().join(name.to_string()), content).unwrap();
    }
    folder
}

#[test]
fn what_was_clean_is_passed_by_and_what_was_not_is_scanned_again() {
    let folder = folder(&["hay", "a needle", "straw", ""]);
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    let (first, cache) = scan(&CleanCache::default(), &database, folder.path(), later(10));
    assert_eq!(first, ["clean", "found 1", "clean", "clean"]);
    let (second, again) = scan(&cache, &database, folder.path(), later(10));
    // A file without content costs as much to look up as to scan.
    assert_eq!(second, ["cached", "found 1", "cached", "clean"]);
    assert_eq!(again.len(), cache.len());
}

#[test]
fn a_change_is_seen_though_length_and_mtime_stay() {
    let folder = folder(&["straw1", "hay"]);
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    let (_, cache) = scan(&CleanCache::default(), &database, folder.path(), later(10));
    let path = folder.path().join("a");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&path, "needle").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    assert_eq!(scan(&cache, &database, folder.path(), later(10)).0, ["found 1", "cached"]);
}

#[test]
fn a_file_just_written_is_not_remembered() {
    let folder = folder(&["hay"]);
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    for now in [SystemTime::now(), later(1), SystemTime::now() - Duration::from_secs(1000)] {
        let (verdicts, cache) = scan(&CleanCache::default(), &database, folder.path(), now);
        assert_eq!((verdicts, cache.len()), (vec!["clean".to_owned()], 0));
    }
}

#[test]
fn a_file_that_took_the_place_of_another_is_scanned() {
    let folder = folder(&["straw1", "hay"]);
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    let (_, cache) = scan(&CleanCache::default(), &database, folder.path(), later(10));
    let beside = tempfile::tempdir_in(folder.path().parent().unwrap()).unwrap();
    fs::write(beside.path().join("new"), "needle").unwrap();
    fs::rename(beside.path().join("new"), folder.path().join("a")).unwrap();
    assert_eq!(scan(&cache, &database, folder.path(), later(10)).0, ["found 1", "cached"]);
}

#[test]
fn a_file_is_known_by_any_of_its_names() {
    let folder = folder(&["hay"]);
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
    let (first, cache) = scan(&CleanCache::default(), &database, folder.path(), later(10));
    assert_eq!((first, cache.len()), (vec!["clean".to_owned(); 2], 1));
    assert_eq!(scan(&cache, &database, folder.path(), later(10)).0, ["cached", "cached"]);
}

/// `cache` as if its one database were that of `other`, which has as many signatures.
fn under_the_database_of(cache: &CleanCache, other: &CleanCache) -> CleanCache {
    use sha2::Digest as _;
    const HEADER: usize = 72;
    const DIGEST: std::ops::Range<usize> = 40..72;
    let (mut bytes, other) = (cache.encode(), other.encode());
    let signatures = usize::from(bytes[HEADER + 32]);
    let database = HEADER..HEADER + 40 + 8 * signatures;
    bytes[database.clone()].copy_from_slice(&other[database]);
    bytes[DIGEST].fill(0);
    let digest = sha2::Sha256::digest(&bytes);
    bytes[DIGEST].copy_from_slice(&digest);
    CleanCache::decode(&bytes).unwrap()
}

#[test]
fn after_an_update_only_what_is_new_is_searched() {
    let (suspects, others) = (folder(&["old one here", "new one here", "hay"]), folder(&["straw"]));
    let none = set(&["unrelated", "others", "some more", "nothing"]);
    let with_old = set(&["unrelated", "others", "some more", "old one"]);
    let both = set(&["old one", "unrelated", "new one", "others", "some more"]);
    let both = open(&both);
    let (_, honest) = scan(&CleanCache::default(), &open(&none), suspects.path(), later(10));
    let (verdicts, renewed) = scan(&honest, &both, suspects.path(), later(10));
    assert_eq!(verdicts, ["found 1", "found 1", "clean"]);
    assert_eq!(scan(&renewed, &both, suspects.path(), later(10)).0, ["found 1", "found 1", "cached"]);
    // What is not searched shows where a cache lies: that the files were clean under a database with `old one`.
    let (_, other) = scan(&CleanCache::default(), &open(&with_old), others.path(), later(10));
    let lie = under_the_database_of(&honest, &other);
    assert_eq!(scan(&lie, &both, suspects.path(), later(10)).0, ["clean", "found 1", "clean"]);
}

#[test]
fn what_an_update_removes_or_renames_costs_nothing() {
    let folder = folder(&["hay", "straw"]);
    let first = set(&["needle", "others", "some more"]);
    let (_, cache) = scan(&CleanCache::default(), &open(&first), folder.path(), later(10));
    // The same in another order, so under other names and indices, and one less.
    let second = set(&["some more", "needle"]);
    let (verdicts, renewed) = scan(&cache, &open(&second), folder.path(), later(10));
    assert_eq!(verdicts, ["cached", "cached"]);
    assert_eq!(scan(&renewed, &open(&second), folder.path(), later(10)).0, ["cached", "cached"]);
}

#[test]
fn a_digest_that_is_new_is_searched() {
    let folder = folder(&["hay", "straw"]);
    let base = || records(&["needle", "others", "some more"].map(|text| literal(text.as_bytes())));
    let first = database(&[base(), vec![md5(b"abc", Some(3))]].concat());
    let (verdicts, cache) = scan(&CleanCache::default(), &open(&first), folder.path(), later(10));
    assert_eq!(verdicts, ["clean", "clean"]);
    let second = database(&[base(), vec![md5(b"abc", Some(3)), md5(b"hay", Some(3))]].concat());
    assert_eq!(scan(&cache, &open(&second), folder.path(), later(10)).0, ["found 1", "clean"]);
    // The same digest for any size is another signature.
    let any = database(&[base(), vec![md5(b"abc", Some(3)), sha256(b"straw", None)]].concat());
    assert_eq!(scan(&cache, &open(&any), folder.path(), later(10)).0, ["clean", "found 1"]);
}

#[test]
fn the_oldest_entries_make_room() {
    let folder = folder(&["a", "b", "c", "d"].map(|name| name));
    let bytes = set(&["needle"]);
    let database = open(&bytes);
    let (_, cache) = scan(&CleanCache::default(), &database, folder.path(), later(10));
    fs::remove_file(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("e"), "fresh").unwrap();
    let known = cache.begin(&database, later(100));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let paths = [folder.path().to_owned()];
    FileScanner::new(Scanner::new(&database)).cache(&known).scan_paths(&pool, &paths, |_| ControlFlow::Continue(()));
    let kept = known.end(4).unwrap();
    assert_eq!(kept.len(), 4);
    assert_eq!(scan(&kept, &database, folder.path(), later(200)).0, ["cached"; 4]);
}

#[test]
fn what_an_allow_list_spares_is_scanned_again_for_the_list_may_go() {
    let folder = folder(&["a needle", "hay"]);
    let needle = records(&[literal(b"needle")]);
    let with = |more: &[Record]| database(&[&needle[..], more].concat());
    let (plain, allowing) = (with(&[]), with(&[clean_file(b"a needle", Some(8))]));
    let (plain, allowing) = (open(&plain), open(&allowing));
    let (first, cache) = scan(&CleanCache::default(), &plain, folder.path(), later(10));
    assert_eq!(first, ["found 1", "clean"]);
    // An entry of an allow list is nothing that clean files must be searched for.
    let (second, cache) = scan(&cache, &allowing, folder.path(), later(10));
    assert_eq!(second, ["allowed", "cached"]);
    let (third, cache) = scan(&cache, &allowing, folder.path(), later(10));
    assert_eq!(third, ["allowed", "cached"]);
    assert_eq!(scan(&cache, &plain, folder.path(), later(10)).0, ["found 1", "cached"]);
}
