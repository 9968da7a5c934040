//! The signatures that both scanners get: copies of the given files, with the lines that both accept.

use crate::clamscan::Clamscan;
use anyhow::{Context as _, ensure};
use md5::{Digest as _, Md5};
use patternc::compile::{Compiler, Content, SourceKind};
use patternc::record::Record;
use sha1::Sha1;
use sha2::Sha256;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A file of signatures.
pub(crate) struct Source {
    /// As it was given.
    pub(crate) path: PathBuf,
    kind: SourceKind,
    copy: PathBuf,
    /// The lines of the copy, without their ends.
    lines: Vec<Vec<u8>>,
    /// Lines that titer refuses.
    pub(crate) refused_by_titer: u64,
    /// Lines that titer accepts and clamscan refuses: they are compared by nobody.
    pub(crate) refused_by_clamscan: Vec<Vec<u8>>,
    /// What the lines of the copy come to.
    records: Vec<Record>,
}

/// All of them.
pub(crate) struct Signatures {
    folder: PathBuf,
    sources: Vec<Source>,
    records: Vec<Record>,
}

/// Digests of at most this many files are added.
const DIGESTED_FILES_MAX: usize = 200;

impl Signatures {
    /// Copies what titer accepts of the files that `paths` name into `folder`.
    pub(crate) fn copy(paths: &[PathBuf], folder: &Path) -> anyhow::Result<Signatures> {
        let mut signatures = Signatures { folder: folder.to_owned(), sources: Vec::new(), records: Vec::new() };
        for path in paths {
            for file in files_at(path)? {
                let text = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                signatures.add(file, &text)?;
            }
        }
        Ok(signatures)
    }

    /// Adds digests of some of `files`, of each kind, for their size and for any size.
    pub(crate) fn add_digests(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        let mut text = String::new();
        // Of two lines for one digest clamscan reports the last.
        let mut seen = BTreeSet::new();
        for (number, path) in files.iter().step_by(files.len().div_ceil(DIGESTED_FILES_MAX).max(1)).enumerate() {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            if !seen.insert(Sha256::digest(&bytes)) {
                continue;
            }
            let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let digests = [
                ("md5", hex(&Md5::digest(&bytes))),
                ("sha1", hex(&Sha1::digest(&bytes))),
                ("sha256", hex(&Sha256::digest(&bytes))),
            ];
            for (kind, digest) in digests {
                writeln!(
                    text,
                    "{digest}:{}:Compare.{kind}-{number}\n{digest}:*:Compare.{kind}-any-{number}:73",
                    bytes.len()
                )?;
            }
        }
        if text.is_empty() { Ok(()) } else { self.add(PathBuf::from("files.hsb"), text.as_bytes()) }
    }

    /// Adds a signature for what each of `files` that is a picture shows; for each hash one, with another of its bits unset for company.
    pub(crate) fn add_pictures(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        let mut hashes = BTreeSet::new();
        for path in files {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            hashes.extend(engine::image_hash(&bytes).ok());
        }
        let mut text = String::new();
        for hash in hashes {
            let near = hash & hash.wrapping_sub(1);
            writeln!(text, "Compare.picture-{hash:016x};Engine:150-255,Target:0;0;fuzzy_img#{hash:016x}")?;
            writeln!(text, "Compare.no-picture-{hash:016x};Engine:150-255,Target:0;0;fuzzy_img#{near:016x}#0")?;
        }
        if text.is_empty() { Ok(()) } else { self.add(PathBuf::from("pictures.ldb"), text.as_bytes()) }
    }

    /// Adds the lines of `text` that titer accepts; the extension of `path` names their kind.
    pub(crate) fn add(&mut self, path: PathBuf, text: &[u8]) -> anyhow::Result<()> {
        let kind = SourceKind::of_path(&path).with_context(|| format!("{}: no kind of signatures", path.display()))?;
        ensure!(kind.content() != Content::Container, "{}: name the files in it, unpacked", path.display());
        let mut compiler = Compiler::new();
        compiler.add_text("source", kind, text);
        let compilation = compiler.finish();
        let refused: BTreeSet<u64> = compilation.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
        let content = (1..).zip(text.split(|byte| *byte == b'\n')).filter(|(_, line)| {
            let line = line.trim_ascii_end();
            !line.is_empty() && !line.starts_with(b"#")
        });
        // A diagnostic of line 0 is about the whole file.
        let kept = content.filter(|(number, _)| !refused.contains(number) && !refused.contains(&0));
        let lines = kept.map(|(_, line)| line.strip_suffix(b"\r").unwrap_or(line).to_vec()).collect();
        let copy = self.folder.join(format!("{:03}.{}", self.sources.len(), kind.as_str()));
        let refused_by_titer = compilation.account.refused;
        let source =
            Source { path, kind, copy, lines, refused_by_titer, refused_by_clamscan: Vec::new(), records: Vec::new() };
        source.write()?;
        self.sources.push(source);
        Ok(())
    }

    /// Leaves out what clamscan refuses, and compiles the rest.
    pub(crate) fn settle(&mut self, clamscan: &Clamscan) -> anyhow::Result<()> {
        let sources = std::cell::RefCell::new(&mut self.sources);
        clamscan.settle(
            || databases(&sources.borrow()),
            |refusal| {
                let mut sources = sources.borrow_mut();
                let source = sources.iter_mut().find(|source| source.copy == refusal.file);
                let source = source.with_context(|| format!("clamscan refuses {}", refusal.file.display()))?;
                source.leave_out(refusal.line)
            },
        )?;
        let mut all = Compiler::new();
        for source in &mut self.sources {
            let text = source.lines.join(&b'\n');
            let mut compiler = Compiler::new();
            compiler.add_text("source", source.kind, &text);
            source.records = compiler.finish().records;
            // All together as well: rules that take signatures away hold for all files.
            all.add_text("source", source.kind, &text);
        }
        self.records = all.finish().records;
        Ok(())
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The files for clamscan.
    pub(crate) fn databases(&self) -> Vec<PathBuf> {
        databases(&self.sources)
    }

    /// What the lines of all files come to.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Of each file so many signatures, evenly spread, or all.
    pub(crate) fn sampled(&self, sample: Option<usize>) -> Vec<Record> {
        let of_source = |source: &Source| {
            let all = source.records.len();
            let sample = sample.unwrap_or(all).min(all);
            (0..sample).map(|index| source.records[index * all / sample].clone()).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of_source).collect()
    }
}

impl Source {
    /// How many lines are compared.
    pub(crate) fn compared(&self) -> usize {
        self.lines.len()
    }

    fn leave_out(&mut self, line: usize) -> anyhow::Result<()> {
        ensure!((1..=self.lines.len()).contains(&line), "clamscan refuses line {line} of {}", self.copy.display());
        let line = self.lines.remove(line - 1);
        self.refused_by_clamscan.push(line);
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let text: Vec<u8> = self.lines.iter().flat_map(|line| line.iter().chain(b"\n").copied()).collect();
        std::fs::write(&self.copy, text).with_context(|| format!("cannot write {}", self.copy.display()))
    }
}

fn databases(sources: &[Source]) -> Vec<PathBuf> {
    sources.iter().filter(|source| !source.lines.is_empty()).map(|source| source.copy.clone()).collect()
}

/// The files of signatures in a folder, sorted, or the one at `path`.
fn files_at(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| SourceKind::of_path(file).is_some_and(|kind| kind.content() == Content::Signatures));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_titer_accepts_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndb");
        std::fs::write(&path, "# a\nA:0:*:aabbcc\r\n\nB:0:*:aab\nC:0:*:ddeeff").unwrap();
        let signatures = Signatures::copy(&[path], folder.path()).unwrap();
        let [source] = signatures.sources() else { panic!("one source") };
        assert_eq!(std::fs::read(&source.copy).unwrap(), b"A:0:*:aabbcc\nC:0:*:ddeeff\n");
        assert_eq!((source.compared(), source.refused_by_titer), (2, 1));
    }

    #[test]
    fn files_of_no_kind_and_containers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.xyz", "a.cvd"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            assert!(Signatures::copy(&[path], folder.path()).is_err(), "{name}");
        }
    }
}
