//! Arguments of `titer admin coverage`.

use clap::Args as ClapArgs;
use updater::wire::MakerName;

#[derive(Debug, ClapArgs)]
pub(crate) struct CoverageArgs {
    /// The threat, by a maker's name for it
    pub(crate) threat: String,
    /// Count only the cures of this maker
    #[arg(long, value_name = "MAKER")]
    pub(crate) maker: Option<MakerName>,
    /// List the unprotected terminals, each with why
    #[arg(long)]
    pub(crate) list: bool,
    /// Tell how many were protected over time
    #[arg(long)]
    pub(crate) history: bool,
    /// How far back, in days
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=800), requires = "history")]
    pub(crate) days: u32,
    /// Print JSON lines instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
