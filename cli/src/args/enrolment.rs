//! The command line of `titer admin token` and `titer admin terminal`.

use clap::{Args as ClapArgs, Subcommand};
use updater::wire::{GroupName, TOKEN_USES_MAX};

/// Ten years: what is to last longer has no end.
const EXPIRES_DAYS_MAX: u64 = 3660;

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenArgs {
    /// Group of the terminals that enrol with it
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<GroupName>,
    /// Terminals that may enrol with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=TOKEN_USES_MAX))]
    pub(crate) uses: u64,
    /// Days after which nobody enrols with it any more [default: never]
    #[arg(long = "expires", value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=EXPIRES_DAYS_MAX))]
    pub(crate) expires_days: Option<u64>,
    /// Tell terminals that enrol with it nothing until they are approved
    #[arg(long)]
    pub(crate) approval: bool,
    #[command(subcommand)]
    pub(crate) command: Option<TokenCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Show every token but its secret, the newest first.
    List,
    /// Have nobody enrol with a token any more; terminals that did stay.
    Revoke {
        /// Its name, as `list` and `--json` show it
        id: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TerminalArgs {
    #[command(subcommand)]
    pub(crate) command: TerminalCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TerminalCommand {
    /// Refuse all its calls from now on; its key cannot enrol again.
    Revoke {
        /// Its number
        terminal: String,
    },
    /// Let one that waits for approval go on, and take back the remark that there are copies of it.
    Approve {
        /// Its number
        terminal: String,
    },
    /// Forget it and all that it reported; one whose key was stolen is better revoked.
    Remove {
        /// Its number
        terminal: String,
    },
}
