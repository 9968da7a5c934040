//! clamscan: what it refuses, and what it finds.

use anyhow::{Context as _, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every match, of the bytes as they stand: titer does not unpack, and has no heuristics. One parser stays on, that of
/// Hangul documents: without any, clamscan takes each file for raw bytes and looks for no signature that is meant for a kind of file.
/// Signatures of potentially unwanted programs count like others, and no limit ends a scan early.
const FLAGS: [&str; 26] = [
    "--allmatch",
    "--detect-pua=yes",
    "--no-summary",
    "--disable-cache",
    "--normalize=no",
    "--bytecode=no",
    "--heuristic-alerts=no",
    "--phishing-scan-urls=no",
    "--scan-archive=no",
    "--scan-pe=no",
    "--scan-elf=no",
    "--scan-ole2=no",
    "--scan-pdf=no",
    "--scan-swf=no",
    "--scan-xmldocs=no",
    "--scan-html=no",
    "--scan-mail=no",
    "--scan-onenote=no",
    "--scan-image=no",
    "--scan-image-fuzzy-hash=no",
    "--max-scantime=0",
    "--max-filesize=2000M",
    "--max-scansize=4000M",
    "--pcre-max-filesize=2000M",
    "--pcre-match-limit=100000000",
    "--pcre-recmatch-limit=100000",
];

/// clamscan looks into no file of fewer bytes.
pub(crate) const FILE_BYTES_MIN: u64 = 6;
/// Lines that clamscan may refuse before it is taken to be broken.
const REFUSED_MAX: usize = 2000;

/// The program, and the parts of it that are on.
#[derive(Clone)]
pub(crate) struct Clamscan {
    program: PathBuf,
    flags: Vec<String>,
}

/// A line of a file of signatures that clamscan refuses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Clamscan {
    /// The program, if it is installed.
    pub(crate) fn find() -> Option<Clamscan> {
        let paths = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&paths).map(|folder| folder.join("clamscan")).find(|path| path.is_file())?;
        Some(Clamscan { program, flags: FLAGS.map(str::to_owned).to_vec() })
    }

    /// The same with a part switched on that is off otherwise, such as `normalize`, or `pe` for `--scan-pe`.
    pub(crate) fn with(mut self, part: &str) -> anyhow::Result<Clamscan> {
        let names = |flag: &str| [format!("--{part}="), format!("--scan-{part}=")].iter().any(|name| flag.starts_with(name));
        let flag = self.flags.iter_mut().find(|flag| names(flag) && (flag.ends_with("=no") || flag.ends_with("=yes")));
        let flag = flag.with_context(|| format!("--with: no part of clamscan that is off is called `{part}`"))?;
        *flag = flag.replace("=no", "=yes");
        Ok(self)
    }

    /// The same with normalised forms, as titer makes them where there are signatures for them.
    pub(crate) fn normalising(mut self) -> Clamscan {
        for flag in self.flags.iter_mut().filter(|flag| ["--normalize=no", "--scan-html=no"].contains(&flag.as_str())) {
            *flag = flag.replace("=no", "=yes");
        }
        self
    }

    /// Has clamscan load `databases`, and calls `drop` with each line that it refuses, one after another, until it takes what is left.
    pub(crate) fn settle(
        &self,
        databases: impl Fn() -> Vec<PathBuf>,
        mut drop: impl FnMut(&Refusal) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let nothing = tempfile::NamedTempFile::new()?;
        for _ in 0..REFUSED_MAX {
            let databases = databases();
            if databases.is_empty() {
                return Ok(());
            }
            let output = self.run(&databases, nothing.path())?;
            if output.status.success() {
                return Ok(());
            }
            let messages = String::from_utf8_lossy(&output.stderr);
            let refusal = refusal(&messages).with_context(|| format!("clamscan does not start: {messages}"))?;
            drop(&refusal)?;
        }
        bail!("clamscan refuses more than {REFUSED_MAX} lines")
    }

    /// Which signatures it finds in which of `files`, as indices and names.
    pub(crate) fn scan(&self, databases: &[PathBuf], files: &[PathBuf]) -> anyhow::Result<Vec<(usize, String)>> {
        let mut list = tempfile::NamedTempFile::new()?;
        let index_of: HashMap<&str, usize> =
            files.iter().enumerate().filter_map(|(index, path)| Some((path.to_str()?, index))).collect();
        for path in files {
            std::io::Write::write_all(&mut list, format!("{}\n", path.display()).as_bytes())?;
        }
        let output = self.run(databases, list.path())?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("clamscan ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        let lines = String::from_utf8_lossy(&output.stdout);
        lines.lines().filter(|line| line.ends_with(" FOUND")).map(|line| found(line, &index_of)).collect()
    }

    fn run(&self, databases: &[PathBuf], list: &Path) -> anyhow::Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(&self.flags).arg(format!("--file-list={}", list.display()));
        command.args(databases.iter().map(|path| format!("--database={}", path.display())));
        command.output().with_context(|| format!("cannot run {}", self.program.display()))
    }
}

/// The file and the signature of a line `FILE: NAME.UNOFFICIAL FOUND`.
fn found(line: &str, index_of: &HashMap<&str, usize>) -> anyhow::Result<(usize, String)> {
    let text = line.trim_end_matches(" FOUND");
    // Paths and names may hold `: `, too.
    let split = text.match_indices(": ").find_map(|(at, _)| Some((*index_of.get(&text[..at])?, &text[at + 2..])));
    let (index, name) = split.with_context(|| format!("clamscan found something in a file not given to it: {line}"))?;
    Ok((index, name.strip_suffix(".UNOFFICIAL").unwrap_or(name).to_owned()))
}

/// The line that clamscan's messages are about.
fn refusal(messages: &str) -> Option<Refusal> {
    let after = |start: &str| messages.lines().find_map(|line| line.split_once(start)).map(|(_, rest)| rest);
    let line = after("Problem parsing database at line ")?.trim().parse().ok()?;
    let file = after("Can't load ")?.rsplit_once(": ")?.0.into();
    Some(Refusal { file, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_matches() {
        let index_of = HashMap::from([("/a: b", 4), ("/c", 5)]);
        let found = |line| found(line, &index_of).ok();
        assert_eq!(found("/c: Worm.A.UNOFFICIAL FOUND"), Some((5, "Worm.A".to_owned())));
        assert_eq!(found("/a: b: Worm: B FOUND"), Some((4, "Worm: B".to_owned())));
        assert_eq!(found("/d: Worm.A FOUND"), None);
    }

    #[test]
    fn parts_are_switched_on_by_name() {
        let clamscan = || Clamscan { program: PathBuf::new(), flags: FLAGS.map(str::to_owned).to_vec() };
        for (part, flag) in [("normalize", "--normalize=yes"), ("pe", "--scan-pe=yes")] {
            assert!(clamscan().with(part).unwrap().flags.contains(&flag.to_owned()), "{part}");
        }
        assert!(clamscan().with("allmatch").is_err());
        assert!(clamscan().with("").is_err());
    }

    #[test]
    fn messages_about_lines() {
        let messages = "LibClamAV Error: cli_loadldb: no\nLibClamAV Error: Problem parsing database at line 12\n\
                        LibClamAV Error: Can't load /tmp/a: b.ldb: Malformed database\nERROR: Malformed database\n";
        assert_eq!(refusal(messages), Some(Refusal { file: "/tmp/a: b.ldb".into(), line: 12 }));
        assert_eq!(refusal("ERROR: no such option"), None);
    }
}
