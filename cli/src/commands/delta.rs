//! `titer diff` and `titer patch`.

use crate::args::{DiffArgs, PatchArgs};
use crate::exit::Exit;
use crate::output::say;
use crate::output::{read, size, spare, write};
use anyhow::Context;
use patternc::blob;

/// Runs `titer diff`.
pub(crate) fn diff(args: &DiffArgs) -> anyhow::Result<Exit> {
    spare(&[&args.old, &args.new], &args.output)?;
    let (old, new) = (read(&args.old)?, read(&args.new)?);
    let delta =
        blob::diff(&old, &new).with_context(|| format!("cannot diff {} and {}", args.old.display(), args.new.display()))?;
    write(&args.output, &delta)?;
    let (delta_len, new_len) = (delta.len() as u64, new.len() as u64);
    say!("{}: {} instead of {}", args.output.display(), size(delta_len), size(new_len));
    Ok(Exit::Fine)
}

/// Runs `titer patch`.
pub(crate) fn patch(args: &PatchArgs) -> anyhow::Result<Exit> {
    spare(&[&args.old, &args.delta], &args.output)?;
    let (old, delta) = (read(&args.old)?, read(&args.delta)?);
    // Patching takes it for granted that somebody has; this file may come from anywhere.
    blob::decode(&old).with_context(|| format!("{} is no blob in order", args.old.display()))?;
    let new = blob::patch(&old, &delta)
        .with_context(|| format!("cannot apply {} to {}", args.delta.display(), args.old.display()))?;
    write(&args.output, &new)?;
    say!("{}: {}", args.output.display(), size(new.len() as u64));
    Ok(Exit::Fine)
}
