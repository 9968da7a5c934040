//! Makes files that are committed: seeds of the fuzz targets, and the samples of released formats.
//!
//!     cargo run -p corpus --bin regenerate -- seeds fuzz/seeds
//!     cargo run -p corpus --bin regenerate -- formats corpus/formats
//!
//! A file of a format that has been released is never made again: it must open as it is.
#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use patternc::blob::{self, EngineRange, Meta};
use patternc::link::{LinkSource, link};
use std::fs;
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["seeds", dir] => seeds(dir.as_ref()),
        ["formats", dir] => formats(dir.as_ref()),
        _ => bail!("usage: regenerate seeds|formats DIR"),
    }
}

fn seeds(dir: &Path) -> anyhow::Result<()> {
    for (target, _) in corpus::fuzzing::TARGETS {
        for (name, bytes) in corpus::fuzzing::seeds(target) {
            write(&dir.join(target), &name, &bytes)?;
        }
    }
    Ok(())
}

fn formats(dir: &Path) -> anyhow::Result<()> {
    let records = corpus::compile(&corpus::features()).records;
    let channel = "corpus/features".parse().expect("it is of the form `maker/name`");
    let meta = Meta { channel, release: 1, created: 0, engine: EngineRange { min: 1, max: 1 } };
    let bytes = blob::encode(&meta, &records)?;
    write(dir, &format!("features-{}.titer", blob::VERSION), &bytes)?;
    let root = blob::read_header(&bytes)?.root.0;
    let database = link(&[LinkSource { channel: meta.channel.as_str(), release: meta.release, root, records: &records }])?;
    write(dir, &format!("features-{}.tdb", engine::layout::FORMAT), &database)
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
