//! What a new database is tried on before it is put in force, and what can be wrong with it.
//!
//! Two things must hold: it detects what is known to be harmful, and it spares what is known to be clean. The engine brings
//! samples of its own; the terminal adds files of this machine, because a signature that takes a system file for malware does
//! the worst harm there is: the machine stops, on every terminal at once.
//!
//! Those files are chosen once, at enrolment, and remembered by path and digest. What everything else hangs on comes first
//! (the shell, the loader, the C library), the rest is drawn by the terminal's number, so that a fleet together tries far
//! more files than one terminal could. A file whose content changed since is no longer known to be clean and is left out.
//!
//! Rejected: choosing anew for each test, which would take a file that was infected meanwhile for a clean one and refuse the
//! very release that finds the infection.

use crate::wire::Sha256Hex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files of this machine that are remembered.
const FILES_MAX: usize = 24;
/// Bytes of one of them.
const FILE_LEN_MAX: u64 = 4 << 20;
/// Bytes of all of them.
const LEN_MAX: u64 = 32 << 20;
/// Files of one folder that are looked at.
const LISTED_MAX: usize = 20_000;

/// Folders of system executables; those that are not there hold none.
const SYSTEM_FOLDERS: [&str; 7] =
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/lib/systemd", "/usr/libexec", "C:\\Windows\\System32"];

/// What a machine cannot do without, where it is there.
const ESSENTIAL: [&str; 12] = [
    "/bin/sh",
    "/sbin/init",
    "/bin/login",
    "/usr/bin/sudo",
    "/usr/sbin/sshd",
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/usr/lib64/libc.so.6",
    "C:\\Windows\\System32\\winlogon.exe",
    "C:\\Windows\\System32\\kernel32.dll",
];

/// A file of this machine that is taken to be clean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanFile {
    /// Where it is.
    #[serde(with = "crate::agent::any_path")]
    pub path: PathBuf,
    /// Digest of the content that is taken to be clean; with any other, the file is left out.
    pub sha256: Sha256Hex,
}

/// A file in which a database must find something, because the maker of a release in it says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarmfulFile {
    /// Where it is.
    #[serde(with = "crate::agent::any_path")]
    pub path: PathBuf,
    /// Digest of its content; with any other, the file is left out.
    pub sha256: Sha256Hex,
    /// What it is called.
    pub name: String,
}

/// What a self-test may use, and what it tries besides the engine's own samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTestPlan {
    /// Files in which nothing may be found.
    pub clean: Vec<CleanFile>,
    /// Files in which something must be found.
    #[serde(default)]
    pub harmful: Vec<HarmfulFile>,
    /// Longest time on the clock.
    pub time_max: Duration,
    /// Bytes of memory beyond twice the length of the database.
    pub memory_bytes_max: u64,
}

/// What a passed self-test saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Samples tried, harmful and clean.
    pub samples: u32,
    /// Files of this machine among them.
    pub system_files: u32,
    /// Files that were left out, because they are gone or changed.
    pub changed_files: u32,
    /// Signatures in the database.
    pub signatures: u64,
}

/// Why a database is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SelfTestError {
    /// The engine died on it.
    #[error("the engine crashes on the new database: {reason}")]
    Crashed {
        /// By what.
        reason: String,
    },
    /// The engine did not come to an end with it.
    #[error("the new database is not tested within {seconds} s")]
    TimedOut {
        /// Seconds allowed.
        seconds: u64,
    },
    /// The engine needs more memory with it than it may have.
    #[error("the new database needs more memory than the {bytes} bytes it may have")]
    Memory {
        /// Bytes allowed.
        bytes: u64,
    },
    /// It finds something in what is clean.
    #[error("the new database finds `{signature}` in {sample}, which is clean")]
    FlagsClean {
        /// The sample: a path, or what it is.
        sample: String,
        /// What is found in it.
        signature: String,
    },
    /// It does not find what it must.
    #[error("the new database does not detect {sample}")]
    Misses {
        /// The sample.
        sample: String,
    },
    /// It is no database that the engine takes, or it cannot be tested.
    #[error("the new database cannot be used: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl SelfTestError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            SelfTestError::Crashed { .. } => "self_test_crashed",
            SelfTestError::TimedOut { .. } => "self_test_timed_out",
            SelfTestError::Memory { .. } => "self_test_memory",
            SelfTestError::FlagsClean { .. } => "self_test_flags_clean",
            SelfTestError::Misses { .. } => "self_test_misses",
            SelfTestError::Failed { .. } => "self_test_failed",
        }
    }

    /// A fault in words.
    pub fn failed(reason: impl ToString) -> Self {
        SelfTestError::Failed { reason: reason.to_string() }
    }
}

/// The folders that [`choose`] draws from on this machine.
pub(crate) fn system_folders() -> Vec<PathBuf> {
    SYSTEM_FOLDERS.iter().map(PathBuf::from).collect()
}

/// Chooses files below `folders` that are taken to be clean from now on: at most 24 of at most 4 MiB each and 32 MiB
/// together, the essential ones first, then by the digest of `seed` and path. Blocks, and reads what it chooses; what cannot
/// be read is passed over.
pub(crate) fn choose(folders: &[PathBuf], seed: &str) -> Vec<CleanFile> {
    // Whatever folders are named, and whether or not they are there: without these nothing runs.
    let essential = if folders.is_empty() { &[][..] } else { &ESSENTIAL[..] };
    let mut candidates = essential.iter().filter_map(|path| Path::new(path).canonicalize().ok()).collect::<Vec<_>>();
    let folders = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect::<BTreeSet<_>>();
    let mut drawn = folders.iter().flat_map(|folder| files_of(folder)).collect::<Vec<_>>();
    drawn.sort_by_cached_key(|path| Sha256Hex::of(format!("{seed}\0{}", path.display()).as_bytes()));
    candidates.append(&mut drawn);

    let mut chosen = Vec::<CleanFile>::new();
    let mut bytes_left = LEN_MAX;
    for path in candidates {
        if chosen.len() == FILES_MAX {
            break;
        }
        let fits = fs::metadata(&path).is_ok_and(|found| (1..=FILE_LEN_MAX.min(bytes_left)).contains(&found.len()));
        let known = chosen.iter().any(|file| file.path == path);
        if let (true, false, Ok(bytes)) = (fits, known, fs::read(&path)) {
            bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
            chosen.push(CleanFile { sha256: Sha256Hex::of(&bytes), path });
        }
    }
    chosen
}

/// Regular files of a folder; links are passed over, as what they lead to is listed elsewhere.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(LISTED_MAX);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_bounded_and_each_terminals_own() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..100 {
            fs::write(dir.path().join(format!("tool-{number}")), format!("tool {number}")).unwrap();
        }
        fs::write(dir.path().join("empty"), "").unwrap();
        fs::File::create(dir.path().join("huge")).unwrap().set_len(FILE_LEN_MAX + 1).unwrap();
        let folders = [dir.path().to_owned(), dir.path().join("no such folder")];
        let one = choose(&folders, "one");
        assert_eq!(one.len(), FILES_MAX);
        assert_eq!(one, choose(&folders, "one"));
        assert_ne!(one, choose(&folders, "two"));
        for file in one {
            assert_eq!(Sha256Hex::of(&fs::read(&file.path).unwrap()), file.sha256);
            assert!(!file.path.ends_with("empty") && !file.path.ends_with("huge"));
        }
        assert_eq!(choose(&[], "one"), []);
        let nowhere = choose(&[dir.path().join("no such folder")], "one");
        let there = ESSENTIAL.iter().any(|path| Path::new(path).is_file());
        assert_eq!(nowhere.is_empty(), !there, "the essential ones stay");
    }

    #[test]
    fn a_fault_travels_as_json_with_its_code() {
        let fault = SelfTestError::FlagsClean { sample: "/bin/sh".to_owned(), signature: "Bad".to_owned() };
        let text = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<SelfTestError>(&text).unwrap(), fault);
        assert_eq!(fault.code(), format!("self_test_{}", serde_json::to_value(&fault).unwrap()["code"].as_str().unwrap()));
    }
}
