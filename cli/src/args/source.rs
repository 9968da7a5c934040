//! The command line of `titer admin source`.

use clap::{Args as ClapArgs, Subcommand};
use updater::wire::{MakerName, SourceId};
use url::Url;

#[derive(Debug, ClapArgs)]
pub(crate) struct SourceArgs {
    #[command(subcommand)]
    pub(crate) command: SourceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Fetch a maker's releases from an address from now on; or change how.
    Add {
        /// The maker, who must be registered
        maker: MakerName,
        /// Where `m-MAKER.json` and the blobs lie; of another service, `URL/v1/makers/MAKER/site/`
        url: Url,
        /// How often to look, such as `90s`, `10m`, `6h`
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = seconds)]
        every: u64,
        /// Where the maker answers questions about a threat
        #[arg(long, value_name = "URL")]
        ask: Option<Url>,
        /// Allow http to another machine: what is fetched is signed either way, and can be seen by others
        #[arg(long)]
        plain: bool,
    },
    /// Show sources and how they fare.
    List,
    /// Fetch no more from a source.
    Remove {
        /// Its number, as `list` shows it
        id: SourceId,
    },
    /// Fetch now, whatever a source asked for before.
    Now {
        /// Its number, as `list` shows it [default: every source]
        id: Option<SourceId>,
    },
}

/// Seconds of a time such as `90s`, `10m`, `6h`, `1d`; without a unit they are seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let each = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 1,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
    seconds.ok_or_else(|| format!("`{text}` is not a time such as 90s, 10m, 6h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, found) in
            [("90", Some(90)), ("90s", Some(90)), ("10m", Some(600)), ("6h", Some(21_600)), ("2d", Some(172_800))]
        {
            assert_eq!(seconds(text).ok(), found, "{text}");
        }
        for odd in ["", "m", "-1s", "1.5h", "1w", "99999999999999999999d", "10 m", "é"] {
            assert!(seconds(odd).is_err(), "{odd}");
        }
    }
}
