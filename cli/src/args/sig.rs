//! The command line of `titer sig`.

use super::ClapArgs;
use clap::{Subcommand, ValueEnum};
use patternc::compile::{Content, SourceKind};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct SigArgs {
    #[command(subcommand)]
    pub(crate) command: SigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SigCommand {
    /// Say which lines are refused, and what the others cost to scan for.
    ///
    /// Every refused line is told with its place, a code and the reason; the accepted signatures follow with their price when the files
    /// given are linked by themselves, the dearest first, and with warnings: short anchors, common anchors, logical signatures that
    /// nothing leads to, regular expressions with weak triggers, duplicates. Exit code 1 when a line was refused.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(SigCheckArgs),
    /// Say in words what a signature means.
    ///
    /// Takes a line, or the name of a signature in signature files and blobs: then every signature of that name is explained. The kind of
    /// a line is told by its form, or by --kind.
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(SigExplainArgs),
    /// Say what of signatures is in files, and where.
    ///
    /// Every pattern is looked for by itself, and all its matches are counted, also where the signature as a whole does not hold; what is
    /// missing is told in words. For a few signatures: each costs a scan of each file. Exit code 1 when a signature holds for a file.
    #[command(after_long_help = FIND_EXAMPLES)]
    Find(SigFindArgs),
    /// Print hash signatures of files.
    ///
    /// A line for each file, of the form digest:size:name. MD5 for .hdb and .fp lines, SHA-256 for .hsb and .sfp lines. The name is that
    /// of the file, its characters other than ASCII letters, digits, `.` and `-` replaced by `_`.
    #[command(after_long_help = HASH_EXAMPLES)]
    Hash(SigHashArgs),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  titer sig check mine.ldb
  titer sig check mine.ndb mine.hdb --deny-warnings
  grep Worm main.ndb | titer sig check - --kind ndb";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  titer sig explain 'Demo.Worm:1:EP+0:4d5a{2-4}(50|51)4550'
  titer sig explain Win.Worm-1 --signatures main.cud";

const FIND_EXAMPLES: &str = "\
Examples:
  titer sig find --signatures mine.ldb -- suspect.exe
  titer sig find --line 'Demo;Target:0;0&1;68656c6c6f;776f726c64' notes.txt
  titer sig find --signatures main.ldb --name Win.Worm-1 -- suspect.exe";

const HASH_EXAMPLES: &str = "\
Examples:
  titer sig hash suspect.exe --name Win.Worm-1 >> mine.hsb
  titer sig hash samples/* --kind hdb";

#[derive(Debug, ClapArgs)]
pub(crate) struct SigCheckArgs {
    /// Signature files; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// What the files are, whatever their names: ndb, ldb, hdb, ... [default: by their extensions]
    #[arg(long, value_name = "KIND", value_parser = line_kind)]
    pub(crate) kind: Option<SourceKind>,
    /// Exit with 1 when there is a warning
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Signatures to list, the dearest first; those with warnings are always listed, 0 lists no others
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Warn of more candidates than this for each MiB
    #[arg(long, value_name = "N", default_value_t = patternc::lint::Lints::CANDIDATES_PER_MIB)]
    pub(crate) candidates: f64,
    /// Model of the files that will be scanned [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long)]
    pub(crate) unsigned: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SigExplainArgs {
    /// The line; with --signatures, the name of a signature
    #[arg(value_name = "LINE|NAME")]
    pub(crate) subject: String,
    /// Signature files, folders of them, and blobs to look the name up in
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) signatures: Vec<PathBuf>,
    /// What the line is: ndb, ldb, hdb, ... [default: by its form]
    #[arg(long, value_name = "KIND", value_parser = line_kind, conflicts_with = "signatures")]
    pub(crate) kind: Option<SourceKind>,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long, requires = "signatures")]
    pub(crate) unsigned: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SigFindArgs {
    /// Signature files, folders of them, and blobs; the first word that is not named as one begins the files to look into
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "line")]
    pub(crate) signatures: Vec<PathBuf>,
    /// A signature as a line
    #[arg(long, conflicts_with = "signatures")]
    pub(crate) line: Option<String>,
    /// What the line is: ndb, ldb, hdb, ... [default: by its form]
    #[arg(long, value_name = "KIND", value_parser = line_kind, requires = "line")]
    pub(crate) kind: Option<SourceKind>,
    /// Look only for signatures of this name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Places to show of each pattern
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(..=10_000))]
    pub(crate) limit: u16,
    /// Take .cvd, .cld and .cud containers that ClamAV has not signed, or whose digital signature is wrong
    #[arg(long, requires = "signatures")]
    pub(crate) unsigned: bool,
    /// Print JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Files to look into
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SigHashArgs {
    /// Files to hash
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Kind of file that the lines are for
    #[arg(long, value_enum, default_value = "hsb")]
    pub(crate) kind: HashLines,
    /// SHA-1 instead of SHA-256
    #[arg(long)]
    pub(crate) sha1: bool,
    /// Name of the signature [default: the file's, made safe]; of several files, numbers from 1 are added
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// Kinds of files of hash signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HashLines {
    Hdb,
    Hsb,
    Fp,
    Sfp,
}

/// A kind of signature files that are read line by line.
fn line_kind(text: &str) -> Result<SourceKind, String> {
    let signatures = || SourceKind::ALL.iter().copied().filter(|kind| kind.content() == Content::Signatures);
    let kind = signatures().find(|kind| kind.as_str() == text.trim_start_matches('.'));
    kind.ok_or_else(|| {
        let known: Vec<&str> = signatures().map(SourceKind::as_str).collect();
        format!("kinds of signature lines are {}", known.join(", "))
    })
}
