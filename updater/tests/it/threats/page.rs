//! `docs/threat-model.md` against the sources: every row that is asked for is there, and every test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rows without a test, because what they are about is not offered.
const NOT_OFFERED: [u32; 1] = [26];

#[test]
fn every_row_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells = line.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
        // The second table has four cells: its cases are no Rust tests, and their own runner knows them.
        let (Ok(number), 5) = (cells[0].parse::<u32>(), cells.len()) else { continue };
        assert!(cells.iter().all(|cell| !cell.is_empty()), "row {number}");
        assert!(rows.insert(number, cells[2].to_owned()).is_none(), "row {number} is there twice");
    }
    let asked = (1..=40).chain(42..=49).collect::<BTreeSet<_>>();
    let missing = asked.iter().filter(|number| !rows.contains_key(number)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "rows {missing:?} are not in the page");
    for (number, tests) in rows {
        let named = tests.split('`').skip(1).step_by(2).collect::<Vec<_>>();
        assert!(!named.is_empty() || NOT_OFFERED.contains(&number), "row {number} names no test");
        for name in named {
            exists(root, name).unwrap_or_else(|reason| panic!("row {number}: `{name}`: {reason}"));
        }
    }
}

/// A Rust test is `crate file::function`, with the file's path below `tests/it`; anything else is a file.
fn exists(root: &Path, name: &str) -> Result<(), String> {
    let Some((module, function)) = name.rsplit_once("::") else {
        return root.join(name).is_file().then_some(()).ok_or_else(|| "no such file".to_owned());
    };
    let (krate, module) = module.split_once("::").ok_or("no crate")?;
    let base = root.join(krate).join("tests/it");
    let file: PathBuf = base.join(format!("{}.rs", module.replace("::", "/")));
    let source = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let found = [format!("\nasync fn {function}("), format!("\nfn {function}(")].iter().any(|text| source.contains(text));
    found.then_some(()).ok_or_else(|| format!("{} has no such test", file.display()))
}
