//! The command line of what `titer admin` does with decisions.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use updater::Channel;
use updater::wire::{DEFAULT_POLICY, Pin};

#[derive(Debug, Subcommand)]
pub(crate) enum DecisionCommand {
    /// How decisions are made: danger, eagerness, stay, pins, rings.
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// How new releases reach the fleet, ring by ring.
    Rollout {
        #[command(subcommand)]
        command: RolloutCommand,
    },
    /// Forbid a release to all terminals, or allow it again; show and write what was ever published.
    Release {
        #[command(subcommand)]
        command: ReleaseCommand,
    },
    /// Show the makers' records: how soon they cured, how much, how often they were wrong.
    Makers,
    /// Show why a terminal is assigned what it is: its row, the rules in order, the candidates.
    Explain {
        /// The terminal's number
        terminal: String,
    },
    /// Give one terminal a channel for a time, take it back, or show what single terminals are given.
    Assign(AssignArgs),
    /// Put a terminal into a group.
    Group {
        /// The terminal's number
        terminal: String,
        /// The group [default: the one that the terminal names itself]
        group: Option<String>,
    },
    /// Show what channels need of machines, or say what one needs.
    Needs {
        /// The channel
        #[arg(requires = "file")]
        channel: Option<Channel>,
        /// A file in TOML: product, preference, hardware, os, features, `memory_bytes`, `engine_min`, `engine_max`
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// The terminal's number [default: show what all are given]
    pub(crate) terminal: Option<String>,
    /// The channel
    #[arg(long, value_name = "MAKER/NAME", requires = "terminal")]
    pub(crate) channel: Option<Channel>,
    /// At this release and no other [default: the newest]
    #[arg(long, value_name = "N", requires = "channel", conflicts_with = "remove")]
    pub(crate) release: Option<u64>,
    /// When it ends, like 2027-01-08T18:00:00Z, or a date, whose beginning in UTC is meant
    #[arg(long, value_name = "TIME", requires = "channel", conflicts_with = "remove", value_parser = time)]
    pub(crate) until: Option<Timestamp>,
    /// Why, for the terminal's owner and the audit log
    #[arg(long, value_name = "TEXT", requires = "channel", conflicts_with = "remove")]
    pub(crate) why: Option<String>,
    /// Take back what it is given: of the channel, or all
    #[arg(long, requires = "terminal")]
    pub(crate) remove: bool,
}

/// A time as people write it.
fn time(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok();
    let refused = || format!("`{text}` is no time like 2027-01-08T18:00:00Z and no date");
    text.parse().ok().or_else(|| Some(date()?.timestamp())).ok_or_else(refused)
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show a policy as `set` takes it; with --json, every policy, or that of a group.
    Show {
        /// The group
        #[arg(long)]
        group: Option<String>,
    },
    /// Put a policy: for all terminals, or for those of a group.
    Set {
        /// The policy in TOML; what is not said has its default
        file: PathBuf,
        /// The group
        #[arg(long, default_value = DEFAULT_POLICY)]
        group: String,
    },
    /// Take a policy away.
    Clear {
        /// The group
        #[arg(long, default_value = DEFAULT_POLICY)]
        group: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RolloutCommand {
    /// Roll a release out, from the first ring; without rings here, by those of the policy.
    Start {
        /// The release
        #[arg(value_name = "MAKER/NAME@RELEASE")]
        at: Pin,
        /// Groups that go first, each a ring
        #[arg(long, value_name = "GROUP", value_delimiter = ',', requires = "percent")]
        group: Vec<String>,
        /// Shares of the fleet that follow, each a ring, the last 100
        #[arg(long, value_name = "N", value_delimiter = ',')]
        percent: Vec<u8>,
        /// Minutes before the next ring opens [default: 60]
        #[arg(long, value_name = "N")]
        soak_minutes: Option<u64>,
        /// Terminals that must run it before the next ring opens [default: 1]
        #[arg(long, value_name = "N")]
        reports: Option<u64>,
    },
    /// Show every rollout and what became of the terminals that were told.
    Status,
    /// Halt a rollout: nobody else gets the release.
    Halt {
        /// The release
        #[arg(value_name = "MAKER/NAME@RELEASE")]
        at: Pin,
    },
    /// Go on with a halted rollout at its ring; what was reported before counts no longer.
    Resume {
        /// The release
        #[arg(value_name = "MAKER/NAME@RELEASE")]
        at: Pin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReleaseCommand {
    /// The kill switch: no terminal is assigned this release any more, and those that run it leave it as far as they can.
    Block {
        /// The release
        #[arg(value_name = "MAKER/NAME@RELEASE")]
        at: Pin,
        /// Why, for those who run it
        #[arg(long)]
        words: Option<String>,
    },
    /// Let a release be assigned again.
    Unblock {
        /// The release
        #[arg(value_name = "MAKER/NAME@RELEASE")]
        at: Pin,
    },
    /// Show what is blocked.
    Blocked,
    #[command(flatten)]
    Kept(super::KeptCommand),
}
