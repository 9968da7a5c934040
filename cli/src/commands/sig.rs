//! `titer sig`: for who writes signatures.

mod check;
mod explain;
mod find;
mod hash;

use super::compile;
use crate::args::{SigArgs, SigCommand};
use crate::exit::Exit;
use crate::output::with_hint;
use crate::sources;
use patternc::compile::{Compiler, SourceKind};
use patternc::explain::printable;
use patternc::record::Record;
use std::path::PathBuf;

/// Runs `titer sig`.
pub(crate) fn run(args: &SigArgs) -> anyhow::Result<Exit> {
    match &args.command {
        SigCommand::Check(args) => check::run(args),
        SigCommand::Explain(args) => explain::run(args),
        SigCommand::Find(args) => find::run(args),
        SigCommand::Hash(args) => Ok(hash::run(args)),
    }
}

/// The signature that a line is, of this kind or of the one that its form tells.
fn of_line(line: &str, kind: Option<SourceKind>) -> anyhow::Result<Record> {
    let Some(kind) = kind.or_else(|| SourceKind::of_line(line)) else {
        let message = format!("`{}` has the form of no signature", printable(line));
        return Err(with_hint(
            message,
            "say what it is with --kind, or where a signature of that name is with --signatures",
        ));
    };
    let mut compiler = Compiler::new();
    compiler.add_text(kind.as_str(), kind, line.as_bytes());
    let mut compilation = compiler.finish();
    if let Some(diagnostic) = compilation.diagnostics.first() {
        anyhow::bail!("the line is refused as .{kind}: {}: {}", diagnostic.code, diagnostic.message, kind = kind.as_str());
    }
    compilation.records.pop().ok_or_else(|| anyhow::anyhow!("the line is a comment"))
}

/// The signatures in files and blobs; of this name only, if one is given. Refused lines are counted on standard error.
fn of_files(files: &[PathBuf], unsigned: bool, name: Option<&str>) -> anyhow::Result<Vec<Record>> {
    let set = compile::load(&sources::expand(files)?, compile::unsigned(unsigned))?;
    set.warn_of_refused();
    let mut records = set.into_records();
    records.retain(|record| name.is_none_or(|name| record.name() == name));
    if records.is_empty() {
        match name {
            Some(name) => anyhow::bail!("no signature is named `{}` there", printable(name)),
            None => anyhow::bail!("there is no signature"),
        }
    }
    Ok(records)
}
