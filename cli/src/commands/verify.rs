//! `titer verify`.

use crate::args::VerifyArgs;
use crate::artefact::Artefact;
use crate::exit::Exit;
use crate::output::read;
use anyhow::Context;
use engine::Database;
use patternc::blob;

/// Runs `titer verify`.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let bytes = read(&args.file)?;
    let verified = Artefact::of(&bytes).and_then(|artefact| {
        match artefact {
            Artefact::Blob => drop(blob::decode(&bytes)?),
            Artefact::Delta => drop(blob::read_delta_header(&bytes)?),
            Artefact::Database => Database::open(&bytes)?.verify()?,
        }
        Ok(artefact)
    });
    let artefact = verified.with_context(|| format!("{} is not sound", args.file.display()))?;
    println!("{}: sound {}", args.file.display(), artefact.name());
    Ok(Exit::Fine)
}
