//! The command line of `titer root`.

use clap::{Args as ClapArgs, Subcommand};
use std::num::NonZeroU64;
use std::path::PathBuf;
use updater::keys::PublicKey;
use updater::root::RootRole;

/// Days that root is valid unless something else is said.
const DAYS: &str = "365";

#[derive(Debug, ClapArgs)]
pub(crate) struct RootArgs {
    #[command(subcommand)]
    pub(crate) command: RootCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// Make a root key, and the first root of a service that has not started yet.
    Init {
        /// The key file; one that is there is kept
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Keys of the service, one of each role: `targets=KEY`, `snapshot=KEY`, `timestamp=KEY`, `director=KEY`
        #[arg(long = "service-key", value_name = "ROLE=KEY", value_parser = role_key, requires = "output")]
        service_keys: Vec<(RootRole, PublicKey)>,
        /// Days that the first root is valid
        #[arg(long, value_name = "N", default_value = DAYS)]
        days: u32,
        /// First root to write, signed with the key; the service's keys must be given
        #[arg(short, long, value_name = "ROOT.json")]
        output: Option<PathBuf>,
    },
    /// Write the next version of root, unsigned, with other keys or thresholds, or only with a later expiry.
    Rotate(RootRotateArgs),
    /// Add a signature to a root, and say what it changes.
    Sign {
        /// The root to sign; it is changed in place
        file: PathBuf,
        /// The version before it
        #[arg(long, value_name = "ROOT.json")]
        from: Option<PathBuf>,
        /// Key to sign with
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Show who holds which role, what changes, and which signatures are missing.
    Show {
        /// The root
        file: PathBuf,
        /// The version before it
        #[arg(long, value_name = "ROOT.json")]
        from: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RootRotateArgs {
    /// The newest root
    pub(crate) from: PathBuf,
    /// Next root to write
    #[arg(short, long, value_name = "ROOT.json")]
    pub(crate) output: PathBuf,
    /// Give a role to one more key
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_key)]
    pub(crate) add: Vec<(RootRole, PublicKey)>,
    /// Take a role from a key
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_key)]
    pub(crate) remove: Vec<(RootRole, PublicKey)>,
    /// Give a role to this key and to no other
    #[arg(long, value_name = "ROLE=KEY", value_parser = role_key)]
    pub(crate) replace: Vec<(RootRole, PublicKey)>,
    /// How many keys of a role must sign
    #[arg(long, value_name = "ROLE=N", value_parser = role_threshold)]
    pub(crate) threshold: Vec<(RootRole, NonZeroU64)>,
    /// Days that it is valid from now
    #[arg(long, value_name = "N", default_value = DAYS)]
    pub(crate) days: u32,
}

/// A role of root by its name.
pub(crate) fn root_role(text: &str) -> Result<RootRole, String> {
    RootRole::named(text).ok_or_else(|| format!("`{text}` is none of root, targets, snapshot, timestamp, director"))
}

fn role_key(text: &str) -> Result<(RootRole, PublicKey), String> {
    let (role, key) = text.split_once('=').ok_or("ROLE=KEY is expected")?;
    Ok((root_role(role)?, key.parse().map_err(|error: updater::keys::KeyError| error.to_string())?))
}

fn role_threshold(text: &str) -> Result<(RootRole, NonZeroU64), String> {
    let (role, number) = text.split_once('=').ok_or("ROLE=N is expected")?;
    Ok((root_role(role)?, number.parse().map_err(|_| format!("`{number}` is no number above 0"))?))
}
