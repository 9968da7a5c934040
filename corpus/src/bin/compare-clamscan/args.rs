//! What is asked for on the command line.

use anyhow::{Context as _, bail, ensure};
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Compares titer's engine with clamscan: the same signatures on the same files must name the same signatures.

    compare-clamscan [OPTIONS] SIGNATURES... [-- FILES...]

SIGNATURES are files of signatures, or folders of them; FILES are files, or folders of them, to scan.

    --plant             scan files made for the signatures too, which bear them or nearly do, and digests and image hashes of some of FILES
    --parts             compare digests of the sections and imports of FILES too, and an allow list of some of them (needs sigtool)
    --sample N          plant N signatures of each file of them, evenly spread (default: all)
    --with PARTS        parts of clamscan to switch on, separated by commas: normalize, html, mail, pe, elf, ole2, pdf, ...
    --at-least PERCENT  pairs of (file, signature) that must agree (default: 99.9)
    --json              one JSON object a line
    --help              this text";

/// What to do.
pub(crate) enum Request {
    Help,
    Compare(Args),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Args {
    pub(crate) signatures: Vec<PathBuf>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) plant: bool,
    pub(crate) parts: bool,
    pub(crate) sample: Option<usize>,
    /// Parts of clamscan that are off otherwise.
    pub(crate) with: Vec<String>,
    /// Per cent.
    pub(crate) at_least: f64,
    pub(crate) json: bool,
}

pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> anyhow::Result<Request> {
    let mut parsed = Args {
        signatures: Vec::new(),
        files: Vec::new(),
        plant: false,
        parts: false,
        sample: None,
        with: Vec::new(),
        at_least: 99.9,
        json: false,
    };
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--plant") => parsed.plant = true,
            Some("--parts") => parsed.parts = true,
            Some("--json") => parsed.json = true,
            Some(flag @ "--sample") => parsed.sample = Some(number(flag, args.next())?),
            Some(flag @ "--with") => parsed.with.extend(value(flag, args.next())?.split(',').map(str::to_owned)),
            Some(flag @ "--at-least") => parsed.at_least = number(flag, args.next())?,
            Some("--") => parsed.files.extend(args.by_ref().map(PathBuf::from)),
            Some(flag) if flag.starts_with("--") => bail!("there is no option `{flag}`; see --help"),
            _ => parsed.signatures.push(arg.into()),
        }
    }
    ensure!(!parsed.signatures.is_empty(), "no file of signatures is named; see --help");
    ensure!((0.0..=100.0).contains(&parsed.at_least), "--at-least: per cent, so 0 to 100");
    Ok(Request::Compare(parsed))
}

fn value(flag: &str, value: Option<OsString>) -> anyhow::Result<String> {
    let value = value.with_context(|| format!("{flag} needs a value"))?;
    Ok(value.to_string_lossy().into_owned())
}

fn number<T: std::str::FromStr>(flag: &str, text: Option<OsString>) -> anyhow::Result<T> {
    let text = value(flag, text)?;
    text.parse().ok().with_context(|| format!("{flag}: `{text}` is no number that it can be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> anyhow::Result<Args> {
        match parse(args.iter().map(OsString::from))? {
            Request::Compare(args) => Ok(args),
            Request::Help => bail!("help"),
        }
    }

    #[test]
    fn two_lists_and_options() {
        let args =
            parsed(&["a.ndb", "--plant", "--sample", "7", "b.ldb", "--at-least", "99.5", "--", "x", "--json"]).unwrap();
        assert_eq!(args.signatures, [PathBuf::from("a.ndb"), PathBuf::from("b.ldb")]);
        assert_eq!(args.files, [PathBuf::from("x"), PathBuf::from("--json")]);
        assert_eq!((args.plant, args.sample, args.at_least, args.json), (true, Some(7), 99.5, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (args, message) in [
            (&[][..], "no file of signatures"),
            (&["--", "x"], "no file of signatures"),
            (&["a", "--sample"], "--sample needs a value"),
            (&["a", "--sample", "x"], "--sample: `x`"),
            (&["a", "--with"], "--with needs a value"),
            (&["a", "--at-least", "NaN"], "--at-least: per cent"),
            (&["a", "--frobnicate"], "no option `--frobnicate`"),
        ] {
            assert!(parsed(args).unwrap_err().to_string().contains(message), "{args:?}");
        }
    }
}
