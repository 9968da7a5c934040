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
        #[arg(long, value_name = "URL", env = super::SERVICE)]
        service: Url,
        /// File with the operator's token [default: the token itself, from $TITER_OPERATOR_TOKEN]
        #[arg(long, value_name = "FILE")]
        operator_token: Option<PathBuf>,
    },
    /// Sign a compiled blob as the next release of its channel. It has the modules of the release before, and those that are named here.
    Release {
        /// The blob
        blob: PathBuf,
        #[command(flatten)]
        modules: super::ModuleArgs,
    },
    /// Show which files a release has besides its blob, or sign that it has others; `publish` sends those alone.
    Modules {
        /// Its channel
        #[arg(value_name = "MAKER/NAME")]
        channel: updater::Channel,
        /// Its number [default: the newest on offer]
        #[arg(long, value_name = "N")]
        release: Option<u64>,
        #[command(flatten)]
        change: super::ModuleArgs,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
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
        #[arg(long, value_name = "URL", env = super::SERVICE)]
        service: Url,
    },
    /// Send what was signed to a service.
    Publish {
        /// Base address of the service
        #[arg(long, value_name = "URL", env = super::SERVICE)]
        service: Url,
    },
    /// Compile signature files, sign them as the next release of a channel, and publish it.
    ///
    /// For who signs for signatures of others, or for their own, in one step. The folder and its key are made when missing. When the newest
    /// release has the same signatures, no new one is made.
    Import(ImportArgs),
    /// Write role, blobs and news as files for a web site, which services fetch from.
    Export {
        /// The site's folder
        site: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell of threats: that they are known, and which releases cure them.
    ///
    /// What is told is also kept, for `titer maker export`. Without --service it is kept and no more.
    News(NewsArgs),
    /// Sign news as a file, to answer a service's question with.
    SignNews {
        /// A JSON array of news, or one item
        file: PathBuf,
        /// Where to write the signed list
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// Signature files, or folders of them
    #[arg(value_name = "SRC", required = true)]
    pub(crate) sources: Vec<PathBuf>,
    /// Channel to publish in
    #[arg(long, value_name = "MAKER/NAME")]
    pub(crate) channel: updater::Channel,
    /// Base address of the service [default: sign, and send nothing]
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<Url>,
    /// File with the operator's token, to make the maker known to the service
    #[arg(long, value_name = "FILE", requires = "service")]
    pub(crate) operator_token: Option<PathBuf>,
    /// When the release was made: RFC 3339, or seconds since 1970 [default: $SOURCE_DATE_EPOCH, else now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Print diagnostics, the account and what came of it as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NewsArgs {
    /// The maker's name for it
    #[arg(required_unless_present = "file", conflicts_with = "file", requires_all = ["danger", "discovered"])]
    pub(crate) threat: Option<String>,
    /// A JSON array of news, at most 1,000 threats
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How harmful it is
    #[arg(long, value_enum, requires = "threat")]
    pub(crate) danger: Option<Danger>,
    /// The day it was found
    #[arg(long, value_name = "DATE", requires = "threat")]
    pub(crate) discovered: Option<Date>,
    /// The day a cure is promised for
    #[arg(long, value_name = "DATE", requires = "threat")]
    pub(crate) expected: Option<Date>,
    /// The day the cure was made
    #[arg(long, value_name = "DATE", requires_all = ["threat", "channel", "since"])]
    pub(crate) vaccine: Option<Date>,
    /// Channel that has the cure
    #[arg(long, value_name = "MAKER/NAME", requires = "vaccine")]
    pub(crate) channel: Option<updater::Channel>,
    /// First release of it that has the cure
    #[arg(long, value_name = "N", requires = "vaccine")]
    pub(crate) since: Option<u64>,
    /// Another maker's name for it
    #[arg(long, value_name = "MAKER:NAME", requires = "threat")]
    pub(crate) alias: Vec<updater::wire::Alias>,
    /// SHA-256 of a file that has it
    #[arg(long, value_name = "SHA256", requires = "threat")]
    pub(crate) sample: Vec<updater::wire::Sha256Hex>,
    /// Take back what was said of it
    #[arg(long, requires = "threat")]
    pub(crate) withdraw: bool,
    /// Base address of the service [default: keep it for `titer maker export`, and send nothing]
    #[arg(long, value_name = "URL")]
    pub(crate) service: Option<Url>,
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
