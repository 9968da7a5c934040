//! `titer verify`.

use crate::args::VerifyArgs;
use crate::artefact::Artefact;
use crate::exit::Exit;
use crate::output::read;
use crate::output::say;
use anyhow::Context;
use engine::Database;
use patternc::blob;

/// Runs `titer verify`.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let bytes = read(&args.file)?;
    let verified = Artefact::of(&bytes).and_then(|artefact| {
        match artefact {
            Artefact::Blob => drop(blob::decode(&bytes)?),
            Artefact::Delta => blob::verify_delta(&bytes)?,
            Artefact::Database => Database::open(&bytes)?.verify()?,
        }
        Ok(artefact)
    });
    let artefact = verified.with_context(|| format!("{} is not sound", args.file.display()))?;
    say!("{}: sound {}", args.file.display(), artefact.name());
    Ok(Exit::Fine)
}
