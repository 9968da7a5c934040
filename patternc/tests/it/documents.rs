//! The documents of the formats say what the code does.

use std::fs;
use std::path::Path;

use patternc::blob::{self, layout};
use patternc::diagnostic::Code;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows `| offset | length | `name` | ...` of the table under the heading `heading`.
fn table(document: &str, heading: &str) -> Vec<(usize, usize, String)> {
    let (_, section) = document.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n#").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (at, len) = (cells.get(1)?.parse().ok()?, cells.get(2)?.parse().ok()?);
        Some((at, len, cells.get(3)?.trim_matches('`').to_owned()))
    };
    section.lines().filter_map(row).collect()
}

/// The same rows, from the code.
fn rows(layout: &[(&str, usize)]) -> Vec<(usize, usize, String)> {
    let mut at = 0;
    let row = |(name, len): &(&str, usize)| {
        at += len;
        (at - len, *len, (*name).to_owned())
    };
    layout.iter().map(row).collect()
}

#[test]
fn headers_are_laid_out_as_documented() {
    assert_eq!(table(&document("blob.md"), "## Header"), rows(layout::HEADER));
    assert_eq!(table(&document("blob.md"), "## Segment table"), rows(layout::SEGMENT));
    assert_eq!(table(&document("delta.md"), "## Header"), rows(layout::DELTA_HEADER));
}

#[test]
fn versions_are_documented() {
    assert!(document("blob.md").contains(&format!("| {} | ", blob::VERSION)));
    assert!(document("delta.md").contains(&format!("| {} | ", blob::delta::VERSION)));
}

#[test]
fn every_code_is_documented() {
    let clamav = document("clamav.md");
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !clamav.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
