//! `titer sig hash`.

use crate::args::{HashLines, SigHashArgs};
use crate::exit::Exit;
use crate::output::{remark, say};
use anyhow::Context;
use patternc::explain::printable;
use patternc::hashing::{Algorithm, digest, line, safe_name};
use std::fs::File;
use std::path::Path;

/// A file that cannot be hashed is told, and does not keep the others from being.
pub(super) fn run(args: &SigHashArgs) -> Exit {
    let algorithm = match (args.kind, args.sha1) {
        (_, true) => Algorithm::Sha1,
        (HashLines::Hdb | HashLines::Fp, false) => Algorithm::Md5,
        (HashLines::Hsb | HashLines::Sfp, false) => Algorithm::Sha256,
    };
    let mut exit = Exit::Fine;
    for (index, path) in args.files.iter().enumerate() {
        let name = match &args.name {
            Some(name) if args.files.len() > 1 => format!("{name}-{}", index + 1),
            Some(name) => name.clone(),
            None => safe_name(&path.file_name().unwrap_or_default().to_string_lossy()),
        };
        match of_file(path, algorithm, &name) {
            Ok(line) => say!("{line}"),
            Err(error) => {
                remark!("error: {}", printable(&format!("{error:#}")));
                exit = Exit::Failed;
            }
        }
    }
    exit
}

fn of_file(path: &Path, algorithm: Algorithm, name: &str) -> anyhow::Result<String> {
    let (digest, size) = File::open(path)
        .and_then(|file| digest(algorithm, file))
        .with_context(|| format!("cannot read {}", path.display()))?;
    line(digest, size, name).with_context(|| format!("cannot make a signature of {}", path.display()))
}
