//! Files and trees.

use crate::support::*;
use engine::{FileScanner, Scanner, Verdict};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

fn scan(paths: &[PathBuf], threads: usize) -> Vec<String> {
    scan_in(&rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap(), paths)
}

fn scan_in(pool: &rayon::ThreadPool, paths: &[PathBuf]) -> Vec<String> {
    let bytes = database(&records(&[literal(b"needle in here")]));
    let database = open(&bytes);
    scan_with(&FileScanner::new(Scanner::new(&database)), pool, paths)
}

fn scan_with(scanner: &FileScanner<'_>, pool: &rayon::ThreadPool, paths: &[PathBuf]) -> Vec<String> {
    let mut verdicts = Vec::new();
    scanner.scan_paths(pool, paths, |verdict| {
        verdicts.push(match verdict {
            Verdict::Clean { bytes } => format!("clean {bytes}"),
            Verdict::Cached { bytes } => format!("cached {bytes}"),
            Verdict::Found { path, matches, .. } => format!("found {} {}", name(&path), matches[0].range().start),
            Verdict::Allowed { path, .. } => format!("allowed {}", name(&path)),
            Verdict::Failed(error) => format!("{} {}", error.code(), name(error.path())),
            Verdict::Skipped { path } => format!("skipped {}", name(&path)),
        });
        ControlFlow::Continue(())
    });
    verdicts
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn verdicts_come_in_the_order_of_the_walk() {
    let folder = tempfile::tempdir().unwrap();
    let mut want = Vec::new();
    for i in 0..300 {
        let path = folder.path().join(format!("{i:03}"));
        fs::write(&path, if i % 7 == 0 { &b"..needle in here"[..] } else { b"hay" }).unwrap();
        want.push(if i % 7 == 0 { format!("found {i:03} 2") } else { "clean 3".to_owned() });
    }
    assert_eq!(scan(&[folder.path().to_owned()], 4), want);
    assert_eq!(scan(&[folder.path().to_owned()], 1), want);
}

#[test]
fn one_bad_file_does_not_end_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    fs::write(&good, b"hay").unwrap();
    let missing = folder.path().join("missing");
    assert_eq!(scan(&[missing, good], 2), ["not-found missing", "clean 3"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_as_arguments_and_told_of_below_them() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join(".hidden"), b"needle in here").unwrap();
    std::os::unix::fs::symlink(tree.join(".hidden"), tree.join("link")).unwrap();
    assert_eq!(scan(std::slice::from_ref(&tree), 1), ["found .hidden 0", "skipped link"]);
    assert_eq!(scan(&[tree.join("link")], 1), ["found link 0"]);
    assert_eq!(scan(&[PathBuf::from("/dev/null")], 1), ["not-regular null"]);
}

#[test]
fn a_large_file_is_scanned_as_a_small_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let mut bytes = vec![0; 20 << 20];
    let place = bytes.len() - 14;
    bytes[place..].copy_from_slice(b"needle in here");
    fs::write(&path, bytes).unwrap();
    let want = [format!("found large {place}")];
    assert_eq!(scan(std::slice::from_ref(&path), 2), want);
    assert_eq!(scan(&[path], 1), want);
}

/// A folder of `count` files, and a database to scan them with.
fn many(count: usize) -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..count {
        fs::write(folder.path().join(i.to_string()), b"hay").unwrap();
    }
    (folder, database(&records(&[literal(b"needle in here")])))
}

#[test]
fn a_sink_may_break_off() {
    let (folder, bytes) = many(5000);
    let database = open(&bytes);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let mut seen = 0;
    FileScanner::new(Scanner::new(&database)).scan_paths(&pool, &[folder.path().to_owned()], |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(seen, 3);
}

#[test]
fn a_sink_that_panics_ends_the_scan() {
    let (folder, bytes) = many(3000);
    let database = open(&bytes);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let scanner = FileScanner::new(Scanner::new(&database));
    let scan = || scanner.scan_paths(&pool, &[folder.path().to_owned()], |_| panic!("as the test wants"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn files_of_the_kernel_are_passed_by() {
    assert_eq!(scan(&[PathBuf::from("/proc/self/status")], 1), ["skipped status"]);
}

#[cfg(target_os = "linux")]
#[test]
fn files_of_the_kernel_are_passed_by_on_a_walk_too() {
    let verdicts = scan(&[PathBuf::from("/proc/self/attr")], 2);
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.starts_with("skipped")), "{verdicts:?}");
    let link = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/proc/self", link.path().join("kernel")).unwrap();
    assert_eq!(scan(&[link.path().join("kernel/status")], 1), ["skipped status"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hold_a_scan_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(folder.path().join("z"), b"hay").unwrap();
    assert_eq!(scan(&[folder.path().to_owned()], 2), ["skipped pipe", "clean 3"]);
    assert_eq!(scan(&[pipe], 1), ["not-regular pipe"]);
}

#[test]
fn the_calling_thread_may_do_it_all() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..100 {
        fs::write(folder.path().join(i.to_string()), if i % 9 == 0 { &b"needle in here"[..] } else { b"hay" }).unwrap();
    }
    let paths = [folder.path().to_owned(), folder.path().join("9")];
    let here = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    assert_eq!(scan_in(&here, &paths), scan(&paths, 3));
}

#[test]
fn large_files_among_small_ones_keep_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut want = Vec::new();
    for i in 0..60_usize {
        let len = if i % 5 == 0 { (3 << 20) + i } else { i };
        fs::write(folder.path().join(format!("{i:02}")), vec![0; len]).unwrap();
        want.push(format!("clean {len}"));
    }
    assert_eq!(scan(&[folder.path().to_owned()], 3), want);
}

#[test]
fn digests_of_many_files_are_computed_together_and_told_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let content = |i: usize| {
        let len = match i % 40 {
            0 => (1 << 20) + i,
            20 => (4 << 20) + i,
            _ => 37 * i,
        };
        let mut bytes: Vec<u8> = (0..len).map(|at| (at * i) as u8).collect();
        if i % 25 == 3 {
            bytes.extend(b"needle in here");
        }
        bytes
    };
    let mut cases = records(&[literal(b"needle in here")]);
    let mut want = Vec::new();
    for i in 0..400 {
        let bytes = content(i);
        match i % 10 {
            3 => cases.push(md5(&bytes, Some(bytes.len() as u64))),
            0 if i > 0 => cases.push(md5(&bytes, None)),
            // As long as that file and not the same.
            5 => cases.push(md5(b"other", Some(bytes.len() as u64))),
            _ => {}
        }
        let (needle, hash) = (i % 25 == 3, i % 10 == 3 || i % 10 == 0 && i > 0);
        want.push(match (needle, hash) {
            (true, _) => format!("found {i:03} {} {}", if hash { 0 } else { bytes.len() - 14 }, 1 + usize::from(hash)),
            (false, true) => format!("found {i:03} 0 1"),
            (false, false) => format!("clean {}", bytes.len()),
        });
        fs::write(folder.path().join(format!("{i:03}")), bytes).unwrap();
    }
    let bytes = database(&cases);
    let database = open(&bytes);
    let scanner = FileScanner::new(Scanner::new(&database));
    let paths = [folder.path().to_owned()];
    let here = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for pool in [&here, &three] {
        for map in [true, false] {
            let mut found = Vec::new();
            scanner.clone().map(map).scan_paths(pool, &paths, |verdict| {
                found.push(match verdict {
                    Verdict::Clean { bytes } => format!("clean {bytes}"),
                    Verdict::Found { path, matches, .. } => {
                        let start = matches.iter().map(|found| found.range().start).min().unwrap();
                        format!("found {} {start} {}", name(&path), matches.len())
                    }
                    other => format!("{other:?}"),
                });
                ControlFlow::Continue(())
            });
            assert_eq!(found, want);
        }
    }
    let infected = folder.path().join("003");
    assert!(
        matches!(scanner.scan_file(&mut engine::files::FileScratch::default(), &infected), Verdict::Found { matches, .. } if matches.len() == 2)
    );
}

#[cfg(unix)]
#[test]
fn a_file_cut_short_under_a_map_reads_as_zeros_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    fs::write(&path, vec![1; 8 << 20]).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mapping = engine::mapping::Mapping::sequential(&file).unwrap();
    assert!(!mapping.was_cut_short());
    file.set_len(4096).unwrap();
    assert_eq!((mapping[0], mapping[6 << 20], mapping[(8 << 20) - 1]), (1, 0, 0));
    assert!(mapping.was_cut_short());
    let again = engine::mapping::Mapping::sequential(&file).unwrap();
    assert!(again.iter().all(|byte| *byte == 1) && !again.was_cut_short());
}
