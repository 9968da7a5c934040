//! `titer sig find`.

use crate::args::SigFindArgs;
use crate::commands::scan;
use crate::exit::Exit;
use crate::output::{hex, json_about, remark, say, write_json};
use anyhow::{Context, bail};
use patternc::explain::printable;
use patternc::find::{Finding, Haystack, Piece, find, haystacks};
use patternc::record::Record;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Larger files are refused: a pattern that matches at every byte of one takes 64 bytes of memory for each.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Bytes of a match that are shown.
const EXCERPT: usize = 16;

pub(super) fn run(args: &SigFindArgs) -> anyhow::Result<Exit> {
    let (records, paths) = subjects(args)?;
    let mut exit = Exit::Fine;
    for path in &paths {
        let bytes = match read_some(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                remark!("error: {}", printable(&format!("{error:#}")));
                exit = if exit == Exit::Fine { Exit::Failed } else { exit };
                continue;
            }
        };
        let haystacks = haystacks(&bytes);
        let mut absent = 0;
        for record in &records {
            let findings = find(record, &haystacks, args.limit.into())?;
            if findings.iter().any(|finding| finding.holds) {
                exit = Exit::Found;
            }
            // Of one signature people ask what is missing; of many, what is there.
            if findings.iter().all(Finding::is_nothing) && records.len() > 1 {
                absent += 1;
                continue;
            }
            for finding in &findings {
                let haystack = &haystacks[finding.haystack];
                if args.json { print_json(path, record, finding, haystack)? } else { print(path, record, finding, haystack) }
            }
        }
        if absent > 0 && !args.json {
            say!("{}: nothing of {absent} signatures", printable(&path.to_string_lossy()));
        }
    }
    Ok(exit)
}

fn subjects(args: &SigFindArgs) -> anyhow::Result<(Vec<Record>, Vec<PathBuf>)> {
    let Some(line) = &args.line else {
        let (signatures, paths) = scan::split(&args.signatures, &args.paths)?;
        return Ok((super::of_files(&signatures, args.unsigned, args.name.as_deref())?, paths));
    };
    if args.paths.is_empty() {
        bail!("no file to look into");
    }
    Ok((vec![super::of_line(line, args.kind)?], args.paths.clone()))
}

fn read_some(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!("{} is longer than {} MiB, the most that is looked into", path.display(), FILE_BYTES_MAX >> 20);
    }
    Ok(bytes)
}

fn print(path: &Path, record: &Record, finding: &Finding, haystack: &Haystack<'_>) {
    let what = if finding.holds { "FOUND" } else { "not found" };
    let form = haystack.form.map(|form| format!(" in the normalised form `{form}`")).unwrap_or_default();
    say!("{}: {} {what}{form}", printable(&path.to_string_lossy()), printable(record.name()));
    for reason in &finding.unmet {
        say!("  {}", printable(reason));
    }
    for (number, piece) in finding.pieces.iter().enumerate() {
        let label = match record {
            Record::Logical(_) => format!("{number}"),
            Record::Hash(_) => "digest".to_owned(),
            Record::Body(_) => "pattern".to_owned(),
        };
        let times = if piece.count == 1 { "match" } else { "matches" };
        let note = piece.note.map(|note| format!("; {note}")).unwrap_or_default();
        say!("  {label}: {} {times}{note}", piece.count);
        for place in &piece.places {
            say!("    {}  {}", range(place), excerpt(place, &haystack.bytes));
        }
        let more = piece.count.saturating_sub(piece.places.len() as u64);
        if more > 0 {
            say!("    and {more} more");
        }
    }
}

fn range(place: &Range<u64>) -> String {
    if place.is_empty() { format!("...{:#x}", place.end) } else { format!("{:#x}..{:#x}", place.start, place.end) }
}

/// The first bytes of a match, in hex and as far as they can be printed; of one whose start is not known, those before its end.
fn excerpt(place: &Range<u64>, file: &[u8]) -> String {
    let (bytes, cut) = bytes_at(place, file);
    let text: String = bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }).collect();
    format!("{}{}  \"{text}\"", hex(bytes), if cut { "..." } else { "" })
}

fn bytes_at<'f>(place: &Range<u64>, file: &'f [u8]) -> (&'f [u8], bool) {
    let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(file.len());
    let (start, end) = (at(place.start), at(place.end));
    if place.is_empty() {
        return (&file[end.saturating_sub(EXCERPT)..end], false);
    }
    (&file[start..end.min(start + EXCERPT)], end - start > EXCERPT)
}

fn print_json(path: &Path, record: &Record, finding: &Finding, haystack: &Haystack<'_>) -> anyhow::Result<()> {
    let mut object = json_about("finding", path);
    object.insert("signature".to_owned(), json!(record.name()));
    object.insert("kind".to_owned(), json!(record.kind().as_str()));
    object.insert("form".to_owned(), json!(haystack.form));
    object.insert("found".to_owned(), json!(finding.holds));
    object.insert("unmet".to_owned(), json!(finding.unmet));
    object.insert("pieces".to_owned(), finding.pieces.iter().map(|of| piece(of, &haystack.bytes)).collect());
    Ok(write_json(&mut io::stdout().lock(), &object.into())?)
}

fn piece(of: &Piece, file: &[u8]) -> Value {
    let place = |place: &Range<u64>| {
        let offset = (!place.is_empty()).then_some(place.start);
        json!({"offset": offset, "end": place.end, "bytes": hex(bytes_at(place, file).0)})
    };
    let mut object = json!({"matches": of.count, "places": of.places.iter().map(place).collect::<Vec<Value>>()});
    if let Some(note) = of.note {
        object["note"] = json!(note);
    }
    object
}
