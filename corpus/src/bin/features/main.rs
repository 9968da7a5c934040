//! Which features of ClamAV's signature language sets of signatures use, how many lines use each, and how many of these compile.
//!
//! ```text
//! cargo run --release -p corpus --bin features -- FOLDER|FILE...
//! ```
//!
//! Prints the tables of `docs/clamav.md`: features, then refused lines by code with an example of each. Features are read from the text
//! of the lines by a reader of its own, which knows nothing of the compiler's; whether a line compiles, the compiler says.
//! Containers and packed files are left out: unpack them first.

mod body;
mod lines;
mod logical;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use anyhow::Context;
use patternc::compile::{Compiler, Content, SourceKind};
use patternc::diagnostic::Diagnostic;

/// Lines of these kinds are bytecode or phishing.
const OTHER_LANGUAGES: [SourceKind; 4] = [SourceKind::Cbc, SourceKind::Pdb, SourceKind::Wdb, SourceKind::Gdb];

#[derive(Clone, Copy, Default)]
struct Count {
    lines: u64,
    compiled: u64,
}

impl Count {
    fn add(&mut self, compiled: bool) {
        self.lines += 1;
        self.compiled += u64::from(compiled);
    }

    /// Per cent that compile, rounded down, so that 100 means all.
    fn share(self) -> f64 {
        (self.compiled as f64 * 10_000.0 / self.lines.max(1) as f64).floor() / 100.0
    }
}

#[derive(Default)]
struct Tables {
    /// By group and feature.
    features: BTreeMap<(&'static str, String), Count>,
    /// By code: how many, and an example.
    refused: BTreeMap<String, (u64, String)>,
    all: Count,
    without_other_languages: Count,
}

impl Tables {
    fn add_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let cannot_read = || format!("cannot read {}", path.display());
        let Some(kind) = SourceKind::of_path(path) else {
            eprintln!("{}: not read: it is no signature file", path.display());
            return Ok(());
        };
        if kind.content() == Content::Container {
            eprintln!("{}: not read: it is a container", path.display());
            return Ok(());
        }
        let bytes = std::fs::read(path).with_context(cannot_read)?;
        let mut compiler = Compiler::new();
        compiler.add_text(&path.display().to_string(), kind, &bytes);
        let diagnostics: HashMap<u64, Diagnostic> =
            compiler.finish().diagnostics.into_iter().map(|diagnostic| (diagnostic.line, diagnostic)).collect();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii_end();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let fault = diagnostics.get(&number).or_else(|| diagnostics.get(&0));
            self.add_line(kind, &String::from_utf8_lossy(line), fault);
        }
        Ok(())
    }

    fn add_line(&mut self, kind: SourceKind, line: &str, fault: Option<&Diagnostic>) {
        let compiled = fault.is_none();
        for (group, feature) in lines::features(kind, line) {
            self.features.entry((group, feature)).or_default().add(compiled);
        }
        self.all.add(compiled);
        if !OTHER_LANGUAGES.contains(&kind) {
            self.without_other_languages.add(compiled);
        }
        if let Some(fault) = fault {
            let kind = kind.as_str();
            let name = match &fault.code.as_str() {
                &"kind-unsupported" => format!("{} (`.{kind}`)", fault.code),
                code => (*code).to_owned(),
            };
            let example = || format!("`{}`: {}", shortened(line), fault.message);
            self.refused.entry(name).or_insert_with(|| (0, example())).0 += 1;
        }
    }

    fn print(&self) {
        println!("| feature | lines | compile | per cent |\n|---|---:|---:|---:|");
        for ((group, feature), count) in &self.features {
            println!("| {group}: {feature} | {} | {} | {} |", count.lines, count.compiled, count.share());
        }
        for (what, count) in [("all lines", self.all), ("all lines but bytecode and phishing", self.without_other_languages)]
        {
            println!("| **{what}** | {} | {} | {} |", count.lines, count.compiled, count.share());
        }
        println!("\n| refused by | lines | the first of them |\n|---|---:|---|");
        for (code, (lines, example)) in &self.refused {
            println!("| {code} | {lines} | {} |", example.replace('|', "\\|"));
        }
    }
}

fn shortened(line: &str) -> String {
    const CHARS_MAX: usize = 60;
    // It is shown between backquotes.
    let cut = line.replace('`', "'");
    let cut: String = cut.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    if line.chars().nth(CHARS_MAX).is_some() { format!("{cut}…") } else { cut }
}

/// All files in `path`, sorted.
fn files_below(path: PathBuf, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path);
        return Ok(());
    }
    let entries = std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().try_for_each(|path| files_below(path, files))
}

fn main() -> anyhow::Result<()> {
    let mut files = Vec::new();
    for path in std::env::args_os().skip(1) {
        files_below(path.into(), &mut files)?;
    }
    anyhow::ensure!(!files.is_empty(), "usage: features FOLDER|FILE...");
    let mut tables = Tables::default();
    files.iter().try_for_each(|file| tables.add_file(file))?;
    tables.print();
    Ok(())
}
