//! What is told: as text, or as one JSON object a line.

use crate::comparison::{Difference, Outcome, Side};
use crate::signatures::Source;
use crate::subjects::Subjects;
use corpus::What;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Differences, and other lists, that are shown as text.
const SHOWN_MAX: usize = 50;

pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json }
    }

    /// Tells how many lines of a file of signatures are compared.
    pub(crate) fn source(&self, source: &Source) {
        let (compared, refused) = (source.compared(), source.refused_by_titer);
        let by_clamscan = source.refused_by_clamscan.iter().map(|line| String::from_utf8_lossy(line));
        if self.json {
            let by_clamscan: Vec<_> = by_clamscan.collect();
            return tell(&json!({
                "type": "source", "path": source.path.to_string_lossy(), "lines": compared,
                "refused_by_titer": refused, "refused_by_clamscan": by_clamscan,
            }));
        }
        println!("{}: {compared} lines compared, {refused} refused by titer and left out", source.path.display());
        for line in by_clamscan {
            println!("refused by clamscan, accepted by titer: {}", line.chars().take(200).collect::<String>());
        }
    }

    /// Tells what all came to; whether `at_least` per cent agree, and titer does what the oracle says.
    pub(crate) fn finish(&self, subjects: &Subjects, outcome: &Outcome, at_least: f64) -> bool {
        let enough = outcome.per_cent() >= at_least && outcome.surprises.is_empty();
        if self.json {
            outcome.differences.iter().for_each(|difference| tell(&as_json(difference)));
            for (path, signature) in &outcome.surprises {
                tell(&json!({ "type": "surprise", "path": path.to_string_lossy(), "signature": signature }));
            }
            tell(&summary(subjects, outcome, enough));
        } else {
            print_differences(&outcome.differences);
            print_planting(subjects, outcome);
            print_totals(subjects, outcome);
        }
        enough
    }
}

fn tell(value: &Value) {
    println!("{value}");
}

fn found_by(side: Side) -> &'static str {
    match side {
        Side::Titer => "titer",
        Side::Clamscan => "clamscan",
    }
}

fn cause_of(difference: &Difference) -> Option<&'static str> {
    difference.cause.map(|cause| cause.documented().1)
}

fn as_json(difference: &Difference) -> Value {
    json!({
        "type": "difference", "path": difference.file.to_string_lossy(), "signature": difference.signature,
        "found_by": found_by(difference.found_by), "planted": difference.what.map(What::as_str),
        "cause": cause_of(difference),
    })
}

fn summary(subjects: &Subjects, outcome: &Outcome, enough: bool) -> Value {
    let made: BTreeMap<&str, Value> = outcome
        .made
        .iter()
        .map(|(what, made)| (what.as_str(), json!({ "files": made.files, "titer": made.titer, "clamscan": made.clamscan })))
        .collect();
    let unplanted: BTreeMap<&str, usize> =
        subjects.unplanted.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    json!({
        "type": "summary", "signatures": outcome.signatures, "files": outcome.files, "files_left_out": subjects.left_out,
        "signatures_planted": subjects.planted, "signatures_not_planted": unplanted, "planted": made,
        "files_scanned_again": outcome.alone, "titer": outcome.titer, "clamscan": outcome.clamscan,
        "pairs": outcome.pairs(), "agreeing": outcome.agreeing, "differences": outcome.differences.len(),
        "per_cent": outcome.per_cent(), "enough": enough,
    })
}

fn print_differences(differences: &[Difference]) {
    for difference in differences.iter().take(SHOWN_MAX) {
        let made = difference.what.map(|what| format!(" ({what})")).unwrap_or_default();
        let cause = cause_of(difference).unwrap_or("cause not known");
        let side = found_by(difference.found_by);
        println!("{side} only: {}{made}: {}: {cause}", difference.file.display(), difference.signature);
    }
    let mut by_cause: BTreeMap<_, usize> = BTreeMap::new();
    for difference in differences {
        *by_cause.entry((found_by(difference.found_by), difference.cause)).or_default() += 1;
    }
    for ((side, cause), count) in by_cause {
        let words = cause.map_or("cause not known", |cause| cause.documented().1);
        println!("{count} by {side} only: {words}");
    }
}

fn print_planting(subjects: &Subjects, outcome: &Outcome) {
    if subjects.planted > 0 {
        println!("{} signatures planted", subjects.planted);
    }
    for (reason, count) in &subjects.unplanted {
        println!("{count} not planted: {reason}");
    }
    for (what, made) in &outcome.made {
        println!("{what}: {} files, {} matched by titer, {} by clamscan", made.files, made.titer, made.clamscan);
    }
    for (path, signature) in outcome.surprises.iter().take(SHOWN_MAX) {
        println!("titer is wrong by the oracle: {}: {signature}", path.display());
    }
}

fn print_totals(subjects: &Subjects, outcome: &Outcome) {
    if subjects.left_out > 0 {
        println!("{} files left out: too small for clamscan, or with a name that it cannot be told", subjects.left_out);
    }
    if outcome.alone > 0 {
        println!("{} files in which clamscan missed a place in a program were given to it again, each alone", outcome.alone);
    }
    println!(
        "{} signatures, {} files: {} pairs by titer, {} by clamscan, {} agree of {}: {:.3} %",
        outcome.signatures,
        outcome.files,
        outcome.titer,
        outcome.clamscan,
        outcome.agreeing,
        outcome.pairs(),
        outcome.per_cent(),
    );
}
