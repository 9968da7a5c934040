//! `docs/codes.md` lists every code that the source has, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Names in the source that have the form of a code and are none.
const NOT_CODES: [&str; 10] = [
    "up_to_date",
    "nothing_assigned",
    "signed_at",
    "http_403",
    "self_test",
    "dry_run",
    "when_stale",
    "lost_objects",
    "one_offs",
    "fell_back",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        files.push(path.to_owned());
    }
}

/// String literals in what is compiled into the product: without tests, attributes and comments.
fn literals() -> BTreeSet<String> {
    let mut files = Vec::new();
    for path in ["updater/src", "cli/src/commands/agent", "cli/src/commands/agent.rs", "cli/src/commands/scan/installed.rs"]
    {
        sources(&root().join(path), &mut files);
    }
    // Names of metrics have the form of a code; they are told in docs/service.md.
    files.retain(|file| !file.ends_with("service/metrics.rs"));
    let is_test = |file: &Path| file.ends_with("tests.rs") || file.iter().any(|folder| folder == "tests");
    files.retain(|file| !is_test(file));
    assert!(files.len() > 40);
    let mut literals = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap();
        let lines = product.lines().map(str::trim_start).filter(|line| !line.starts_with("//") && !line.starts_with('#'));
        for line in lines {
            literals.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    literals
}

fn is_code(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.contains('_') && text.split('_').all(word) && !NOT_CODES.contains(&text)
}

/// Codes in the first column of the page's tables.
fn listed() -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/codes.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_of_codes_and_the_source_agree() {
    let (literals, listed) = (literals(), listed());
    let page: BTreeSet<String> = listed.iter().cloned().collect();
    let repeated = listed.len() - page.len();
    assert_eq!(repeated, 0, "a code is listed twice");
    let missing: Vec<_> = literals.iter().filter(|text| is_code(text) && !page.contains(*text)).collect();
    assert!(missing.is_empty(), "not in docs/codes.md, or to be put among NOT_CODES: {missing:?}");
    let gone: Vec<_> = page.iter().filter(|code| !literals.contains(*code)).collect();
    assert!(gone.is_empty(), "in docs/codes.md and not in the source: {gone:?}");
}
