//! The command line as typed.

pub(crate) mod admin;
mod coverage;
mod enrolment;
mod maker;
mod modules;
mod root;
mod sig;
mod source;

pub(crate) use self::coverage::*;
pub(crate) use self::enrolment::*;
pub(crate) use self::maker::*;
pub(crate) use self::modules::*;
pub(crate) use self::root::*;
pub(crate) use self::sig::*;
pub(crate) use self::source::*;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use updater::service::Bucket;
use updater::wire::MakerName;
use url::Url;

/// Says which service is meant where `--service` is not given.
pub(crate) const SERVICE: &str = "TITER_SERVICE";

/// Scans files for malware signatures, and keeps the signatures current.
///
/// Exit codes: 0 clean or done, 1 something found (compile, sig check: a line refused), 2 failed.
#[derive(Debug, Parser)]
#[command(name = "titer", version, max_term_width = 110, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Scan files and folders.
    Scan(ScanArgs),
    /// Compile signature files to a blob.
    Compile(CompileArgs),
    /// Link blobs to a database that scanners map.
    Link(LinkArgs),
    /// Show what a blob, a database or a delta holds.
    Inspect(InspectArgs),
    /// Write signatures: check them, explain them, find them in files, hash files.
    Sig(SigArgs),
    /// Learn what files have in common, so that signatures are searched for by what is rare.
    Model(ModelArgs),
    /// Check every byte of a blob, a database or a delta.
    Verify(VerifyArgs),
    /// Make the delta that leads from one blob to another.
    Diff(DiffArgs),
    /// Apply a delta to the blob it was made from.
    Patch(PatchArgs),
    /// Serve releases to terminals.
    Serve(ServeArgs),
    /// Sign and publish releases, as a maker of signatures.
    Maker(MakerArgs),
    /// Change the keys of a service, as a holder of its root key.
    Root(RootArgs),
    /// Run a service, as its operator: tokens, tables, root.
    Admin(AdminArgs),
    /// Keep this terminal's signatures current.
    Agent(AgentArgs),
    /// Updates in a file, for terminals without a network.
    Bundle(BundleArgs),
    /// See it all at work in a temporary folder.
    Demo(DemoArgs),
}

impl Command {
    /// Whether a program reads what it prints.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Command::Scan(args) => args.json,
            Command::Compile(args) => args.json,
            Command::Inspect(args) => args.json,
            Command::Model(args) => match args.command {
                ModelCommand::Inspect { json, .. } => json,
                ModelCommand::Train { .. } => false,
            },
            Command::Sig(args) => match &args.command {
                SigCommand::Check(args) => args.json,
                SigCommand::Explain(args) => args.json,
                SigCommand::Find(args) => args.json,
                SigCommand::Hash(_) => false,
            },
            Command::Agent(args) => args.json,
            Command::Bundle(BundleArgs { command: BundleCommand::Export { json, .. } }) => *json,
            Command::Root(args) => matches!(args.command, RootCommand::Show { json: true, .. }),
            Command::Admin(args) => args.json,
            Command::Maker(args) => match &args.command {
                MakerCommand::Import(args) => args.json,
                MakerCommand::Export { json, .. } | MakerCommand::Modules { json, .. } => *json,
                _ => false,
            },
            _ => false,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ScanArgs {
    /// Database to scan with [default: the installed generation, else the built-in starter set]
    #[arg(long, value_name = "FILE", conflicts_with = "signatures")]
    pub(crate) db: Option<PathBuf>,
    /// Signature files or folders of them to compile and scan with: ClamAV's files and containers, and .titer
    ///
    /// May be repeated. Several may follow one flag as long as they are named as signature files; the first word that is not begins the
    /// paths to scan.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) signatures: Vec<PathBuf>,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long, requires = "signatures")]
    pub(crate) unsigned: bool,
    /// Print JSON lines instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Worker threads [default: one for each processor]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Report every signature found in a file, not only the first
    #[arg(long)]
    pub(crate) all_matches: bool,
    /// Read large files instead of mapping them
    #[arg(long)]
    pub(crate) no_mmap: bool,
    /// Remember clean files in this folder, and pass them by while neither they nor the signatures change
    ///
    /// After an update such files are searched for new signatures only. The folder is made if it is not there, for its owner only.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cache: Option<PathBuf>,
    /// Agent's folder to take the installed generation from [default: as for `titer agent`]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Bring the installed signatures up to date first [default: as the agent's settings say]
    #[arg(long, conflicts_with_all = ["db", "signatures", "no_update"])]
    pub(crate) update: bool,
    /// Scan with what is installed, whatever the agent's settings say
    #[arg(long)]
    pub(crate) no_update: bool,
    /// Files and folders to scan
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CompileArgs {
    /// Signature files, or folders of them
    #[arg(value_name = "SRC", required = true)]
    pub(crate) sources: Vec<PathBuf>,
    /// Blob to write
    #[arg(short, long, value_name = "OUT.titer")]
    pub(crate) output: PathBuf,
    /// Channel that the release belongs to
    #[arg(long, value_name = "MAKER/NAME")]
    pub(crate) channel: patternc::blob::Channel,
    /// Release number; it only grows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=updater::maker::RELEASE_MAX))]
    pub(crate) release: u64,
    /// When the release was made: RFC 3339, or seconds since 1970 [default: $SOURCE_DATE_EPOCH, else not stated]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Print diagnostics and the account as JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Say what scanning for these signatures costs, by linking them in memory
    #[arg(long)]
    pub(crate) prices: bool,
    /// Model to price with [default: the built-in one]
    #[arg(long, value_name = "FILE", requires = "prices")]
    pub(crate) model: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LinkArgs {
    /// Blobs, at most one of each channel
    #[arg(value_name = "BLOB", required = true)]
    pub(crate) blobs: Vec<PathBuf>,
    /// Database to write
    #[arg(short, long, value_name = "OUT.tdb")]
    pub(crate) output: PathBuf,
    /// Model of the files that will be scanned [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Draw the hash key of this database at random, so that nobody can make files that are slow to scan with it; the same blobs then
    /// no longer give the same bytes
    #[arg(long)]
    pub(crate) reseed: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct InspectArgs {
    /// Blob, database or delta
    pub(crate) file: PathBuf,
    /// Model to price a database with [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Count the windows of files and keep those that are common.
    Train {
        /// Folders of files like those that will be scanned
        #[arg(value_name = "FOLDER", required = true)]
        paths: Vec<PathBuf>,
        /// Model to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Show what a model was trained on and what it knows.
    Inspect {
        /// Model [default: the built-in one]
        file: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// Blob, database or delta
    pub(crate) file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DiffArgs {
    /// Blob to start from
    pub(crate) old: PathBuf,
    /// Blob to arrive at
    pub(crate) new: PathBuf,
    /// Delta to write
    #[arg(short, long, value_name = "DELTA")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PatchArgs {
    /// Blob that the delta starts from
    pub(crate) old: PathBuf,
    /// Delta
    pub(crate) delta: PathBuf,
    /// Blob to write
    #[arg(short, long, value_name = "NEW")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Folder for everything the service keeps; made when missing
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Address to listen at; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub(crate) listen: SocketAddr,
    /// Keep a second mark of how far was signed in this file, on a disk that no backup of the data folder brings back
    #[arg(long, value_name = "FILE")]
    pub(crate) mark: Option<PathBuf>,
    /// Where the tables are: postgres://USER@HOST/DATABASE [default: $TITER_DATABASE, which other users of the machine do not see, else
    /// SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Where blobs, deltas and metadata are: s3://BUCKET/PREFIX, reached as AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    /// AWS_ENDPOINT_URL say [default: in the data folder]
    #[arg(long, value_name = "URL")]
    pub(crate) objects: Option<Bucket>,
    /// Seconds over which terminals that listen for changes spread their questions after one
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch_window: u64,
    /// Most terminals that listen for changes at the same time; the others ask from time to time
    #[arg(long, value_name = "COUNT", default_value_t = 4096)]
    pub(crate) watchers: usize,
    /// Browsers reach the console by TLS, through a proxy in front: send its cookies over TLS alone
    #[arg(long)]
    pub(crate) console_over_tls: bool,
    /// Certificate in PEM, followed by those that vouch for it; read anew when it changes, and at SIGHUP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Listen at other addresses than loopback without TLS, because a proxy in front has it
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) insecure_listen: bool,
    /// Proxy whose `x-forwarded-for` says who calls; may be repeated
    #[arg(long, value_name = "ADDR")]
    pub(crate) trusted_proxy: Vec<std::net::IpAddr>,
    /// Calls a second that a terminal may make, and sixty times as many at once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) terminal_rate: u32,
    /// Calls a second that an address may make which has proven nothing, and ten times as many at once
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) address_rate: u32,
    /// Whom callers may ask when they are asked to wait: an address or a phone number
    #[arg(long, value_name = "TEXT")]
    pub(crate) contact: Option<String>,
    /// How lines are logged to standard error; $TITER_LOG says which
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// How a service is reached.
#[derive(Debug, ClapArgs)]
pub(crate) struct NetworkArgs {
    /// Proxy to reach the service through: http, https, socks5 or socks5h [default: as the environment says, as for curl]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) proxy: Option<Url>,
    /// Certificates in PEM that vouch for the service, instead of the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
}

impl NetworkArgs {
    pub(crate) fn network(&self) -> updater::Network {
        updater::Network { proxy: self.proxy.clone(), ca_file: self.ca.clone(), ..updater::Network::default() }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AdminArgs {
    /// Base address of the service
    #[arg(long, value_name = "URL", env = SERVICE, default_value = "http://127.0.0.1:7878/", global = true)]
    pub(crate) service: Url,
    /// File with your operator's token [default: the token itself, from $TITER_OPERATOR_TOKEN]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) operator_token: Option<PathBuf>,
    /// Print JSON lines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(subcommand)]
    pub(crate) command: AdminCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Tell who is unprotected against a threat, and why.
    Coverage(CoverageArgs),
    /// Make a token with which one terminal may enrol.
    EnrolmentToken,
    /// Make a token with which terminals may enrol; list and revoke tokens.
    Token(TokenArgs),
    /// Revoke, approve or remove a terminal.
    Terminal(TerminalArgs),
    /// Hand the service a root that is signed by enough keys.
    Root {
        /// The root
        file: PathBuf,
    },
    /// Have the service hold a key that the next root may list, and print its public half.
    RoleKey {
        /// `targets`, `snapshot`, `timestamp` or `director`
        #[arg(value_parser = root_role)]
        role: updater::root::RootRole,
    },
    /// Show the user table: which terminal runs what; by time of enrolment, the newest last.
    Terminals {
        /// Only terminals with this: the first four digits or more of their number, their hardware, system or scanner as a whole, or a part
        /// of a channel that they subscribed to or run
        search: Option<String>,
        /// By last contact instead: those first that were not heard of for longest
        #[arg(long, conflicts_with = "search")]
        silent: bool,
    },
    /// Show the countering table: which maker cures what.
    Threats {
        /// Only threats with this in their names, whatever the case
        name: Option<String>,
        /// Show what terminals reported instead
        #[arg(long, conflicts_with = "name")]
        reported: bool,
    },
    #[command(flatten)]
    Decisions(admin::DecisionCommand),
    /// Remove stored objects that no table names and that are older than a day: what publications left that did not come to their end.
    Gc {
        /// Count them, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Read every object, to find those that were damaged
        #[arg(long)]
        read: bool,
    },
    /// Fetch makers' releases from their own sites, or from other services.
    Source(SourceArgs),
    /// Give other people tokens of their own, and take them back.
    Operator(OperatorArgs),
    /// Show what was done, by whom; `audit verify` checks that nothing in it was changed.
    Audit(AuditArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OperatorArgs {
    #[command(subcommand)]
    pub(crate) command: OperatorCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make a token for somebody and print it; it is shown this once.
    Add {
        /// Who it is for: 1 to 39 of a-z 0-9 -
        name: updater::wire::OperatorName,
        /// What it allows: `viewer` looks, `operator` runs the fleet, `key-holder` decides whose keys and tokens count
        #[arg(long)]
        role: updater::wire::Role,
    },
    /// Show every operator there ever was.
    List,
    /// Take somebody's token out of force.
    Revoke {
        /// Whose
        name: updater::wire::OperatorName,
    },
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// Rows of this time or later: RFC 3339, a date, or seconds since 1970 [default: all]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<i64>,
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Read the whole log, check its chain of hashes, and print the last hash to keep for the next time.
    Verify {
        /// Hash that an earlier check printed: the log must still hold it
        #[arg(long, value_name = "HASH")]
        expect: Option<updater::wire::Sha256Hex>,
    },
}

/// A time in seconds since 1970.
fn moment(text: &str) -> Result<i64, String> {
    let date = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp());
    let time = text.parse::<jiff::Timestamp>().ok().or_else(date).map(jiff::Timestamp::as_second);
    let expected = || format!("`{text}` is neither RFC 3339, nor a date, nor seconds since 1970");
    time.or_else(|| text.parse().ok()).ok_or_else(expected)
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AgentArgs {
    /// The agent's folder [default: $TITER_STATE, else ~/.local/state/titer]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Proxy to reach the service through: http, https, socks5 or socks5h [default: as the environment says, as for curl]
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) proxy: Option<Url>,
    /// Certificates in PEM that vouch for the service, instead of the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) ca: Option<PathBuf>,
    /// Give an answer up that comes more slowly than this, on average over half a minute [default: 1024]
    #[arg(long, value_name = "BYTES/S", global = true)]
    pub(crate) least_speed: Option<u64>,
    #[command(subcommand)]
    pub(crate) command: AgentCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Enter this terminal at a service.
    Enroll(Box<EnrollArgs>),
    /// Install what the service assigns; one short request while nothing has changed.
    Update(UpdateArgs),
    /// Bring this terminal to the newest releases in a bundle, without the network.
    Import {
        /// The bundle
        file: PathBuf,
    },
    /// Keep up to date until told to end: asks the service from time to time.
    Run,
    /// Show what the next update would do, step by step, and do nothing of it.
    Plan,
    /// Put the staged generation in force.
    Apply,
    /// Drop the staged generation and do not offer it again.
    Decline,
    /// Test the generation in force once more; one on probation that fails is gone back from.
    Probe,
    /// Record that a scanner died with the generation in force.
    ReportCrash,
    /// Tell the service of a threat that was met here; it asks every maker about what none has told of.
    ReportThreat {
        /// What it is called
        threat: String,
        /// A file that has it; its SHA-256 is told, and the file stays here
        #[arg(long, value_name = "FILE")]
        sample: Option<PathBuf>,
    },
    /// Show what is installed and what the service last said.
    Status,
    /// Show what this terminal asked the service, was answered and did, oldest first.
    ///
    /// Each request has the id that the service's log has it by. A few thousand lines are kept.
    Journal {
        /// Only so many lines, the newest
        #[arg(long, value_name = "N")]
        last: Option<usize>,
    },
    /// Show the files that what is in force has besides signatures: documents, samples, packages of the scanner.
    Modules,
    /// Show one of these files, or write it elsewhere. It is never run.
    ShowModule {
        /// Its channel
        #[arg(value_name = "MAKER/NAME")]
        channel: updater::Channel,
        /// Its name
        name: updater::wire::ModuleName,
        /// Write its content to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Go back to the generation before, without the network.
    Rollback,
    /// Show the files of this machine in which no new database may find anything.
    CleanFiles {
        /// Choose them anew; only on a machine that is known to be clean
        #[arg(long)]
        renew: bool,
    },
    /// Test a database in this process, as standard input says; for the agent itself.
    #[command(hide = true)]
    SelfTest,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    pub(crate) command: BundleCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Write the newest releases of a service, with all that terminals verify them by, as one file.
    Export {
        /// Base address of the service [default: $TITER_SERVICE, unless --state is given]
        #[arg(long, value_name = "URL", conflicts_with = "state")]
        service: Option<Url>,
        /// Take service and channels from the terminal in this folder
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// Channels to take [default: those of the terminal, else all]
        #[arg(long = "channel", value_name = "MAKER/NAME")]
        channels: Vec<updater::Channel>,
        /// Bundle to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        network: NetworkArgs,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UpdateArgs {
    /// Check in and verify everything, even when nothing has changed
    #[arg(long)]
    pub(crate) full: bool,
    /// Test what is new and leave it waiting for `titer agent apply`
    #[arg(long)]
    pub(crate) stage: bool,
    /// What causes it, which the settings may switch off: `timer` when the system's timer starts this
    #[arg(long, value_enum, default_value = "command")]
    pub(crate) trigger: Trigger,
}

/// What causes an update.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Trigger {
    Command,
    Timer,
}

impl From<Trigger> for updater::agent::Trigger {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Command => updater::agent::Trigger::Command,
            Trigger::Timer => updater::agent::Trigger::Timer,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct EnrollArgs {
    /// Base address of the service
    #[arg(long, value_name = "URL", env = SERVICE)]
    pub(crate) service: Url,
    /// One-time token from the operator
    #[arg(long)]
    pub(crate) token: String,
    /// Channels to subscribe to
    #[arg(long = "channel", value_name = "MAKER/NAME", required = true)]
    pub(crate) channels: Vec<updater::Channel>,
    /// Whose signatures to accept when an own maker has no cure: `own`, `any`, `none` (no updates), or names of makers
    #[arg(long, value_name = "WHOM", value_delimiter = ',', default_value = "own", value_parser = accepted)]
    pub(crate) accept: Vec<String>,
    /// Folders to draw clean files from, in which no new database may find anything [default: the system's executables]
    #[arg(long, value_name = "DIR")]
    pub(crate) clean_from: Vec<PathBuf>,
    /// Hardware class [default: this processor's]
    #[arg(long)]
    pub(crate) hardware: Option<String>,
    /// Group that this terminal would like to be in, for one that tries new releases first; the operator may say otherwise
    #[arg(long)]
    pub(crate) group: Option<String>,
}

/// A word or a maker's name for `--accept`.
fn accepted(text: &str) -> Result<String, String> {
    match text {
        "own" | "any" | "none" => Ok(text.to_owned()),
        name => name.parse::<MakerName>().map(|_| text.to_owned()).map_err(|error| error.to_string()),
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Keep the folder and say where it is
    #[arg(long)]
    pub(crate) keep: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
