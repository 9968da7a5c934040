//! Measures throughput against the number of signatures, for titer and its peers, on the same literals and the same haystack.

use anyhow::{Result, ensure};
use benches::curve::{self, Limits, engines, generate_literals, measure};
use benches::record::Record;
use clap::Parser;
use std::path::PathBuf;

/// Megabytes per CPU second against the number of literal signatures, every end of every literal counted by every engine.
#[derive(Parser)]
struct Arguments {
    /// A file of literals, one in each line as hex digits; may be given several times (default: generated ones, see --sizes)
    #[arg(long, value_name = "FILE")]
    literals: Vec<PathBuf>,
    /// How many literals to generate
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000, 10_000, 100_000, 1_000_000])]
    sizes: Vec<usize>,
    /// What to scan (default: 32 MiB generated from the files of the corpus)
    #[arg(long, value_name = "FILE")]
    haystack: Option<PathBuf>,
    /// Where the table goes
    #[arg(long, value_name = "FILE", default_value = "benches/curve.tsv")]
    out: PathBuf,
    /// What to measure (default: all that this build has)
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Scans by each engine, of which the median counts
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// CPU seconds after which an engine scans no further time
    #[arg(long, default_value_t = 30.0)]
    scan_seconds: f64,
    /// Seconds after which an engine that is not built is left out
    #[arg(long, default_value_t = 120)]
    build_seconds: u64,
    /// Memory with which an engine that is not built is left out
    #[arg(long, default_value_t = 4096)]
    build_mib: u64,
    /// Be the process of one engine
    #[arg(long, hide = true)]
    worker: Option<String>,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let (Some(engine), [literals], Some(haystack)) = (&arguments.worker, &arguments.literals[..], &arguments.haystack) {
        return curve::work(engine, literals, haystack);
    }
    let limits = Limits {
        build_seconds: arguments.build_seconds,
        build_mib: arguments.build_mib,
        scan_seconds: arguments.scan_seconds,
        repetitions: arguments.repetitions.max(1),
    };
    let scratch = tempfile::tempdir()?;
    let mut record = Record::here(&curve::COLUMNS);
    let mut note = |key: &str, value: String| record.notes.push((key.to_owned(), value));
    note("literals", if arguments.literals.is_empty() { "generated".to_owned() } else { "given".to_owned() });
    let haystack = if let Some(path) = arguments.haystack.take() {
        path
    } else {
        let path = scratch.path().join("generated.bin");
        std::fs::write(&path, corpus::haystack(32 << 20, 2))?;
        path
    };
    let megabytes = std::fs::metadata(&haystack)?.len() / 1_000_000;
    let name = haystack.file_name().unwrap_or_default().to_string_lossy().into_owned();
    note("haystack", format!("{name}, {megabytes} MB"));
    note("limits", format!("{} s and {} MiB to build", limits.build_seconds, limits.build_mib));
    if arguments.engines.is_empty() {
        arguments.engines = engines().into_iter().map(str::to_owned).collect();
    }
    let unknown = arguments.engines.iter().find(|engine| !engines().contains(&engine.as_str()));
    ensure!(
        unknown.is_none(),
        "no engine `{}` in this build; there are {}",
        unknown.expect("just seen"),
        engines().join(", ")
    );
    if arguments.literals.is_empty() {
        for &count in &arguments.sizes {
            arguments.literals.push(generate_literals(scratch.path(), count)?);
        }
    }
    for literals in &arguments.literals {
        measure(&mut record, &arguments.engines, literals, &haystack, limits)?;
        // After each size, so that what took an hour is not lost by what fails at last.
        std::fs::write(&arguments.out, record.to_text())?;
    }
    Ok(())
}
