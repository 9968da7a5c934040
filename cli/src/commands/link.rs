//! `titer link`, and linking for the agent.

use super::compile::{link_source, read_blob};
use super::{model, prices};
use crate::args::LinkArgs;
use crate::exit::Exit;
use crate::output::{remark, say};
use crate::output::{size, spare, with_hint, write};
use crate::progress::Progress;
use crate::sources::total_len;
use anyhow::anyhow;
use patternc::blob::Blob;
use patternc::link::{LinkOptions, LinkSource, prepare};
use patternc::record::Record;
use std::path::{Path, PathBuf};

/// Runs `titer link`.
pub(crate) fn run(args: &LinkArgs) -> anyhow::Result<Exit> {
    let inputs: Vec<&Path> = args.blobs.iter().map(PathBuf::as_path).collect();
    spare(&inputs, &args.output)?;
    let model = model::load(args.model.as_deref())?;
    let key = args.reseed.then(random).transpose()?;
    let bytes = link_blobs(&args.blobs, &[], &LinkOptions { model: &model, key })?;
    write(&args.output, &bytes)?;
    let database = engine::Database::open(&bytes)?;
    if database.is_empty() {
        remark!("warning: none of the blobs holds a signature; nothing can be found with this database");
    }
    say!("{}: {} signatures, {}", args.output.display(), database.len(), size(bytes.len() as u64));
    prices::print(&patternc::price(&database, &model));
    Ok(Exit::Fine)
}

/// A number from the random source of the operating system.
fn random() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| anyhow!("the random source of this machine failed"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Channel of the signatures that every installation is tested with.
const SELF_TEST_CHANNEL: &str = "titer/self-test";

/// Links blob files to a database, and `self_test` after them if there is any.
pub(crate) fn link_blobs(paths: &[PathBuf], self_test: &[Record], options: &LinkOptions<'_>) -> anyhow::Result<Vec<u8>> {
    link_read(read_blobs(paths)?, self_test, options)
}

/// Reads blob files, at most one of each channel.
pub(crate) fn read_blobs(paths: &[PathBuf]) -> anyhow::Result<Vec<Blob>> {
    let mut progress = Progress::bytes("reading", total_len(paths));
    let mut blobs = Vec::new();
    for path in paths {
        blobs.push(read_blob(path)?);
        progress.add(total_len(std::slice::from_ref(path)));
    }
    let channels: Vec<String> = blobs.iter().map(|blob| blob.header.channel.to_string()).collect();
    for (index, channel) in channels.iter().enumerate() {
        if channels[..index].contains(channel) {
            return Err(with_hint(format!("two blobs are of channel {channel}"), "give one release of each channel"));
        }
    }
    Ok(blobs)
}

/// About the bytes of a record in a blob, to guess whether linking takes long.
const RECORD_LEN: u64 = 32;

/// Links blobs of different channels, and `self_test` after them if there is any. The blobs are let go of before the tables are made.
pub(crate) fn link_read(blobs: Vec<Blob>, self_test: &[Record], options: &LinkOptions<'_>) -> anyhow::Result<Vec<u8>> {
    let channels: Vec<String> = blobs.iter().map(|blob| blob.header.channel.to_string()).collect();
    let mut sources: Vec<_> = blobs.iter().zip(&channels).map(|(blob, channel)| link_source(blob, channel)).collect();
    if !self_test.is_empty() {
        sources.push(LinkSource { channel: SELF_TEST_CHANNEL, release: 1, root: [0; 32], records: self_test });
    }
    let _progress = Progress::silent("linking", blobs.iter().map(|blob| blob.records.len() as u64 * RECORD_LEN).sum());
    let prepared = prepare(&sources, options)?;
    drop(sources);
    drop(blobs);
    Ok(prepared.build()?)
}
