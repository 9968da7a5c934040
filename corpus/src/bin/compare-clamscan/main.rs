//! Compares titer's engine with clamscan: the same signatures on the same files must name the same signatures.
//!
//! Both scan in all-match mode, clamscan with its unpacking off; it normalises where some signature is for web pages or text, and hashes
//! pictures where one asks for that. clamscan refuses a whole file of signatures for one line it dislikes, so it gets the lines that titer
//! accepts, without those that it refuses itself; how many those are is told. What differs is listed, with its cause where a rule of `docs/clamav.md`, `docs/targets.md` or `docs/normalisation.md` names one.
//!
//! Ends with 0 when enough pairs of (file, signature) agree, 1 when they do not, 2 when something failed. Without clamscan nothing is
//! compared: it says so and ends with 0.
#![forbid(unsafe_code)]

mod args;
mod causes;
mod clamscan;
mod comparison;
mod parts;
mod report;
mod signatures;
mod subjects;

use anyhow::ensure;
use args::{Args, Request};
use clamscan::Clamscan;
use comparison::Comparison;
use patternc::record::{Record, Subsignature, Target};
use report::Report;
use signatures::Signatures;
use std::process::ExitCode;
use subjects::Subjects;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("compare-clamscan: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Compares as the arguments say; whether enough agrees.
fn run() -> anyhow::Result<bool> {
    let args = match args::parse(std::env::args_os().skip(1))? {
        Request::Help => {
            println!("{}", args::HELP);
            return Ok(true);
        }
        Request::Compare(args) => args,
    };
    let Some(clamscan) = Clamscan::find() else {
        println!("compare-clamscan: SKIPPED, there is no clamscan (Debian: apt install clamav)");
        return Ok(true);
    };
    // The parser of PE files computes digests of sections and imports. It also unpacks what it knows how to.
    let mut with = args.with.iter().map(String::as_str).chain(args.parts.then_some("pe"));
    let clamscan = with.try_fold(clamscan, Clamscan::with)?;
    compare(&args, &clamscan)
}

fn compare(args: &Args, clamscan: &Clamscan) -> anyhow::Result<bool> {
    let scratch = tempfile::tempdir()?;
    let report = Report::new(args.json);
    let mut subjects = Subjects::given(&args.files)?;
    let mut signatures = Signatures::copy(&args.signatures, scratch.path())?;
    if args.plant {
        signatures.add_digests(subjects.files())?;
        signatures.add_pictures(subjects.files())?;
    }
    if args.parts {
        for (name, text) in parts::signatures(subjects.files())? {
            signatures.add(name.into(), text.as_bytes())?;
        }
    }
    signatures.settle(clamscan)?;
    signatures.sources().iter().for_each(|source| report.source(source));
    if args.plant {
        subjects.plant(signatures.sampled(args.sample), scratch.path().join("planted"))?;
    }
    ensure!(!signatures.records().is_empty() && !subjects.is_empty(), "there is nothing to compare");

    let normalises = |record: &Record| matches!(causes::target(record), Target::Kind(kind) if kind.is_normalised());
    let has = |what: &dyn Fn(&Record) -> bool| signatures.records().iter().any(what);
    let mut clamscan = clamscan.clone();
    if has(&normalises) {
        clamscan = clamscan.normalising();
    }
    if has(&asks_for_picture) {
        clamscan = clamscan.with("image")?.with("image-fuzzy-hash")?;
    }
    let mut comparison = Comparison::new(&signatures, &clamscan)?;
    while let Some(round) = subjects.next_round()? {
        comparison.round(&round)?;
    }
    Ok(report.finish(&subjects, &comparison.finish(), args.at_least))
}

/// Whether a signature asks what a picture shows.
fn asks_for_picture(record: &Record) -> bool {
    let Record::Logical(logical) = record else { return false };
    logical.subsignatures.iter().any(|subsignature| matches!(subsignature, Subsignature::Image { .. }))
}
