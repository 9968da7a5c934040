//! Writes a file that bears each signature of a set, and a near miss: for other scanners to judge.
//!
//!     plant SIGNATURES OUT_DIR [--sample N]
//!
//! Prints a line for each file: its name, what it is (`hit`, `near-miss`, `misplaced` or `other-kind`), and the signature, tab-separated. With `--sample`, N signatures evenly
//! spread over the set. Refused lines, digests, and signatures that do not fit a small file have no files; how many is told on
//! standard error.
#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use patternc::compile::Compiler;
use patternc::record::Record;
use std::path::Path;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [signatures, out_dir] => run(signatures.as_ref(), out_dir.as_ref(), usize::MAX),
        [signatures, out_dir, "--sample", count] => {
            let count = count.parse().with_context(|| format!("--sample: `{count}` is not a number"))?;
            run(signatures.as_ref(), out_dir.as_ref(), count)
        }
        _ => bail!("usage: plant SIGNATURES OUT_DIR [--sample N]"),
    }
}

fn run(signatures: &Path, out_dir: &Path, sample: usize) -> anyhow::Result<()> {
    let mut compiler = Compiler::new();
    compiler.add_file(signatures)?;
    let bodies: Vec<_> = compiler
        .finish()
        .records
        .into_iter()
        .filter_map(|record| match record {
            Record::Body(body) => Some(body),
            Record::Hash(_) | Record::Logical(_) => None,
        })
        .collect();
    let sample = sample.min(bodies.len());
    std::fs::create_dir_all(out_dir).with_context(|| format!("cannot create {}", out_dir.display()))?;
    let write = |index: usize, kind: &str, name: &str, bytes: Option<&[u8]>| -> anyhow::Result<bool> {
        let Some(bytes) = bytes else { return Ok(false) };
        let file = format!("{index:06}-{kind}");
        let path = out_dir.join(&file);
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{file}\t{kind}\t{name}");
        Ok(true)
    };
    let (mut hits, mut near_misses) = (0, 0);
    for index in 0..sample {
        let body = &bodies[index * bodies.len() / sample];
        let planted = corpus::plant(body);
        let planted = planted.as_ref();
        hits += usize::from(write(index, "hit", &body.name, planted.map(|planted| &planted.hit[..]))?);
        let near_miss = planted.and_then(|planted| planted.near_miss.as_deref());
        near_misses += usize::from(write(index, "near-miss", &body.name, near_miss)?);
        write(index, "misplaced", &body.name, planted.and_then(|planted| planted.misplaced.as_deref()))?;
        write(index, "other-kind", &body.name, planted.and_then(|planted| planted.other_kind.as_deref()))?;
    }
    eprintln!("{sample} of {} body signatures: {hits} planted, {near_misses} near misses", bodies.len());
    Ok(())
}
