//! Digests of the sections and imports of the files to scan, as sigtool tells them, and an allow list of some of them.

use anyhow::Context as _;
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of so many files, one is put on the allow list.
const ALLOWED_EACH: usize = 7;

/// Files of signatures made for `files`, as name and text.
pub(crate) fn signatures(files: &[PathBuf]) -> anyhow::Result<[(&'static str, String); 3]> {
    let (mut sections, mut imports) = (BTreeMap::new(), BTreeMap::new());
    for (number, path) in files.iter().enumerate() {
        // clamscan reports one name for a digest: the first.
        for digest in told("--mdb", path)?.lines().filter_map(section) {
            sections.entry(digest).or_insert(number);
        }
        for digest in told("--imp", path)?.lines().filter_map(import) {
            imports.entry(digest).or_insert(number);
        }
    }
    let lines = |kind: &str, digests: BTreeMap<String, usize>| {
        let line =
            |(index, (digest, number)): (usize, (String, usize))| format!("{digest}:Compare.{kind}-{number}-{index}\n");
        digests.into_iter().enumerate().map(line).collect()
    };
    Ok([("parts.mdb", lines("mdb", sections)), ("parts.imp", lines("imp", imports)), ("parts.fp", allowed(files)?)])
}

/// What sigtool says of a file. It fails for files that are no programs, and says so; that is no digest.
fn told(option: &str, path: &Path) -> anyhow::Result<String> {
    let output = Command::new("sigtool").arg(option).arg(path).output().context("cannot run sigtool")?;
    Ok([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

/// `SIZE:MD5` of a line `Section{0}: SIZE:MD5`.
fn section(line: &str) -> Option<String> {
    let (before, digest) = line.rsplit_once(": ")?;
    let (size, md5) = digest.split_once(':')?;
    (before.contains("Section{") && size.parse::<u64>().is_ok() && is_md5(md5)).then(|| digest.to_owned())
}

/// `MD5:SIZE` of a line `Imphash: MD5:SIZE`.
fn import(line: &str) -> Option<String> {
    let (_, digest) = line.rsplit_once("Imphash: ")?;
    let (md5, size) = digest.split_once(':')?;
    (is_md5(md5) && size.parse::<u64>().is_ok_and(|size| size > 0)).then(|| digest.to_owned())
}

fn is_md5(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn allowed(files: &[PathBuf]) -> anyhow::Result<String> {
    let mut text = String::new();
    for path in files.iter().step_by(ALLOWED_EACH) {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let md5: String = Md5::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{md5}:{}:allowed", bytes.len())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_in_what_sigtool_says() {
        let md5 = "00112233445566778899aabbccddeeff";
        assert_eq!(section(&format!("LibClamAV info: Section{{2}}: 512:{md5}")), Some(format!("512:{md5}")));
        assert_eq!(import(&format!("Imphash: {md5}:77")), Some(format!("{md5}:77")));
        assert_eq!(import(&format!("Imphash: {md5}:0")), None);
        assert_eq!(section("ERROR: mdb: PE file: 512"), None);
    }
}
