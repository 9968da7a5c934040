//! Writes files that bear each signature of a set, and files that nearly do: for other scanners to judge.
//!
//!     plant SIGNATURES OUT_DIR [--sample N]
//!
//! Prints a line for each file: its name, what it is (`corpus::What`) and the signature, tab-separated; for signatures that have no file,
//! `-`, the reason and the signature. With `--sample`, N signatures evenly spread over the set.
#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use patternc::compile::Compiler;
use std::collections::BTreeMap;
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
    let records = compiler.finish().records;
    let sample = sample.min(records.len());
    std::fs::create_dir_all(out_dir).with_context(|| format!("cannot create {}", out_dir.display()))?;
    let (mut planted, mut left_out) = (0, BTreeMap::<_, usize>::new());
    for index in 0..sample {
        let record = &records[index * records.len() / sample];
        match corpus::plant(record) {
            Err(reason) => {
                *left_out.entry(reason).or_default() += 1;
                println!("-\t{reason}\t{}", record.name());
            }
            Ok(files) => {
                planted += 1;
                for (number, file) in files.iter().enumerate() {
                    let name = format!("{index:06}-{number}-{}", file.what);
                    let path = out_dir.join(&name);
                    std::fs::write(&path, &file.bytes).with_context(|| format!("cannot write {}", path.display()))?;
                    println!("{name}\t{}\t{}", file.what, record.name());
                }
            }
        }
    }
    eprintln!("{sample} of {} signatures: {planted} planted", records.len());
    for (reason, count) in left_out {
        eprintln!("{count} not planted: {reason}");
    }
    Ok(())
}
