//! Throughput against the number of signatures.
//!
//! Each engine builds and scans in a process of its own, a worker, so that one which takes too long or too much memory can be ended and
//! left out by name. The workers of a size live at the same time and scan in turn, which spreads what else the machine does over all.
//!
//! A worker says `built SECONDS`, then for each line it is sent scans once and says `MATCHES SECONDS`: CPU seconds of its whole process.

mod worker;

use crate::record::{Record, median};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use worker::Worker;
pub use worker::work;

/// Columns of the record.
pub const COLUMNS: [&str; 8] = [
    "signatures",
    "engine",
    "mb_per_cpu_second",
    "build_cpu_seconds",
    "build_peak_mib",
    "matches",
    "repetitions",
    "left_out",
];
/// The engine that finds nothing: it reads every byte once and adds them up, which is what memory allows.
pub const READ: &str = "read";
/// Engines that every build has. [`engines`] has those of this build.
const ENGINES: [&str; 6] = [READ, "titer", "titer-portable", "daachorse", "aho-corasick-nfa", "aho-corasick-dfa"];

/// What this build can measure.
pub fn engines() -> Vec<&'static str> {
    let mut engines = ENGINES.to_vec();
    engines.extend(cfg!(feature = "hyperscan").then_some("hyperscan"));
    engines.extend(cfg!(feature = "yara-x").then_some("yara-x"));
    engines
}

/// What an engine may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall seconds from its start until it is built.
    pub build_seconds: u64,
    /// Peak of its memory until it is built.
    pub build_mib: u64,
    /// CPU seconds of scanning after which it scans no further time.
    pub scan_seconds: f64,
    /// Scans.
    pub repetitions: usize,
}

/// Measures `engines` with the literals of one file, a line of hex each, and adds a row for each to `record`.
///
/// # Errors
/// When engines count different matches, or one fails other than by its limits.
pub fn measure(record: &mut Record, engines: &[String], literals: &Path, haystack: &Path, limits: Limits) -> Result<()> {
    let signatures = read_literals(literals)?.len();
    let megabytes = std::fs::metadata(haystack)?.len() as f64 / 1e6;
    let mut built = Vec::new();
    let mut left_out = Vec::new();
    for engine in engines {
        match Worker::start(engine, literals, haystack, limits)? {
            Ok(worker) => built.push(worker),
            Err(reason) => {
                eprintln!("{signatures} {engine}: left out, {reason}");
                left_out.push((engine, reason));
            }
        }
    }
    for _ in 0..limits.repetitions {
        for worker in &mut built {
            if worker.scanned_seconds() < limits.scan_seconds {
                worker.scan()?;
            }
        }
    }
    check_matches(&built)?;
    for worker in &mut built {
        let seconds = median(&mut worker.seconds)?;
        let row = [
            signatures.to_string(),
            worker.engine.clone(),
            format!("{:.1}", megabytes / seconds),
            format!("{:.3}", worker.build_seconds),
            worker.build_mib.to_string(),
            worker.matches.map_or_else(String::new, |matches| matches.to_string()),
            worker.seconds.len().to_string(),
            String::new(),
        ];
        eprintln!("{signatures} {}: {} MB per CPU second", row[1], row[2]);
        record.rows.push(row.to_vec());
    }
    for (engine, reason) in left_out {
        let mut row = vec![String::new(); COLUMNS.len()];
        row[0] = signatures.to_string();
        row[1].clone_from(engine);
        row[COLUMNS.len() - 1] = reason;
        record.rows.push(row);
    }
    Ok(())
}

fn check_matches(built: &[Worker]) -> Result<()> {
    let mut counted = built.iter().filter_map(|worker| Some((&worker.engine, worker.matches?)));
    let Some((first, matches)) = counted.next() else { return Ok(()) };
    match counted.find(|(_, found)| *found != matches) {
        Some((other, found)) => bail!("{first} finds {matches} matches, {other} {found}"),
        None => Ok(()),
    }
}

/// The literals of a file that has one in each line, as hex digits; empty lines are passed over.
///
/// # Errors
/// When the file cannot be read, or a line is not of whole bytes.
pub fn read_literals(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let literals: Result<Vec<_>, _> = lines.map(hex::decode).collect();
    let literals = literals.with_context(|| format!("{} is not of lines of hex digits", path.display()))?;
    ensure!(!literals.is_empty(), "{} has no literal", path.display());
    Ok(literals)
}

/// Writes `count` generated literals to a file in `folder`, a line of hex each.
///
/// # Errors
/// When the file cannot be written.
pub fn generate_literals(folder: &Path, count: usize) -> Result<PathBuf> {
    let ndb = corpus::synthetic_ndb(count, 1);
    let lines: String = ndb.lines().filter_map(|line| line.rsplit(':').next()).map(|hex| format!("{hex}\n")).collect();
    let path = folder.join(format!("generated-{count}.hex"));
    std::fs::write(&path, lines)?;
    Ok(path)
}
