//! The command line of `titer maker`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::civil::Date;
use std::num::NonZeroU64;
use std::path::PathBuf;
use updater::wire::MakerName;
use url::Url;

#[derive(Debug, ClapArgs)]
pub(crate) struct MakerArgs {
    /// The maker's folder, where its key stays
    #[arg(long, value_name = "DIR", default_value = "maker", global = true)]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) network: super::NetworkArgs,
    #[command(subcommand)]
    pub(crate) command: MakerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MakerCommand {
    /// Make a key pair in the maker's folder.
    Init {
        /// The maker's name: what stands before the `/` of its channels
        name: MakerName,
    },
    /// Make the maker known to a service.
    Register {
        /// Base address of the service
        #[arg(long, value_name = "URL")]
        service: Url,
        /// File with the operator's token [default: the token itself, from $TITER_OPERATOR_TOKEN]
        #[arg(long, value_name = "FILE")]
        operator_token: Option<PathBuf>,
    },
    /// Sign a compiled blob as the next release of its channel.
    Release {
        /// The blob
        blob: PathBuf,
    },
    /// Sign that a release is not to be run any more; `publish` tells the service.
    Withdraw {
        /// Its channel
        #[arg(value_name = "MAKER/NAME")]
        channel: updater::Channel,
        /// Its number
        #[arg(value_name = "N")]
        release: u64,
        /// Least release that terminals may go back to [default: the newest that is left below it]
        #[arg(long, value_name = "N", conflicts_with = "stay")]
        back_to: Option<u64>,
        /// Let terminals run it until there is a newer release
        #[arg(long)]
        stay: bool,
    },
    /// Sign a change of keys; `publish` puts it in force. Without options the key of this folder is replaced by a new one.
    Rotate {
        /// Public key of another holder, who may sign from now on
        #[arg(long, value_name = "KEY")]
        add: Vec<updater::keys::PublicKey>,
        /// Public key that may no longer
        #[arg(long, value_name = "KEY")]
        remove: Vec<updater::keys::PublicKey>,
        /// How many of the keys must sign [default: as before]
        #[arg(long, value_name = "N")]
        threshold: Option<NonZeroU64>,
        /// Replace the key of this folder as well
        #[arg(long)]
        renew: bool,
    },
    /// Make a key for another holder, and print its public half.
    Key {
        /// The key file
        file: PathBuf,
    },
    /// Add a signature to a role or to a change of keys, as another holder.
    Sign {
        /// `role.json` or `next-keys.json` of the maker's folder
        file: PathBuf,
        /// Key to sign with
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Take the newest role from a service, after the folder was restored from an old copy.
    Restore {
        /// Base address of the service
        #[arg(long, value_name = "URL")]
        service: Url,
    },
    /// Send what was signed to a service.
    Publish {
        /// Base address of the service
        #[arg(long, value_name = "URL")]
        service: Url,
    },
    /// Tell a service of a threat: that it is known, and which release cures it.
    News(NewsArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NewsArgs {
    /// The maker's name for it
    pub(crate) threat: String,
    /// How harmful it is
    #[arg(long, value_enum)]
    pub(crate) danger: Danger,
    /// The day it was found
    #[arg(long, value_name = "DATE")]
    pub(crate) discovered: Date,
    /// The day a cure is promised for
    #[arg(long, value_name = "DATE")]
    pub(crate) expected: Option<Date>,
    /// The day the cure was made
    #[arg(long, value_name = "DATE", requires_all = ["channel", "since"])]
    pub(crate) vaccine: Option<Date>,
    /// Channel that has the cure
    #[arg(long, value_name = "MAKER/NAME", requires = "vaccine")]
    pub(crate) channel: Option<updater::Channel>,
    /// First release of it that has the cure
    #[arg(long, value_name = "N", requires = "vaccine")]
    pub(crate) since: Option<u64>,
    /// Base address of the service
    #[arg(long, value_name = "URL")]
    pub(crate) service: Url,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Danger {
    Low,
    Medium,
    High,
}

impl From<Danger> for updater::wire::Danger {
    fn from(danger: Danger) -> Self {
        match danger {
            Danger::Low => updater::wire::Danger::Low,
            Danger::Medium => updater::wire::Danger::Medium,
            Danger::High => updater::wire::Danger::High,
        }
    }
}
