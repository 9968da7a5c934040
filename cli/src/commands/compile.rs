//! `titer compile`, and compiling for other commands.

use super::{model, prices};
use crate::args::CompileArgs;
use crate::exit::Exit;
use crate::output::{read, remark, shown, size, spare, with_hint, write, write_json};
use crate::progress::Progress;
use crate::sources;
use anyhow::Context;
use patternc::Prices;
use patternc::blob::{self, Blob, EngineRange, Meta};
use patternc::compile::{Account, Compilation, Compiler, KindAccount, Unsigned};
use patternc::diagnostic::{Code, Diagnostic};
use patternc::link::{LinkOptions, LinkSource, link, link_with};
use patternc::record::Record;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Runs `titer compile`.
pub(crate) fn run(args: &CompileArgs) -> anyhow::Result<Exit> {
    let files = sources::expand(&args.sources)?;
    if let Some(blob) = files.iter().find(|file| sources::is_blob(file)) {
        let message = format!("{} is compiled already", blob.display());
        return Err(with_hint(message, "join blobs with `titer link`"));
    }
    let inputs: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    spare(&inputs, &args.output)?;
    let created = created(args.created.as_deref())?;
    let compilation = compile(&files, unsigned(args.unsigned))?;
    let meta = Meta { channel: args.channel.clone(), release: args.release, created, engine: ENGINES };
    let bytes = blob::encode(&meta, &compilation.records)?;
    write(&args.output, &bytes)?;
    let prices = args.prices.then(|| price(args, &compilation)).transpose()?;
    match report(args, &compilation, bytes.len() as u64, prices.as_ref()) {
        // Nobody reads on; what became of the lines still decides.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(anyhow::Error::new(error).context("cannot write to standard output"));
        }
        _ => {}
    }
    Ok(if compilation.account.refused == 0 { Exit::Fine } else { Exit::Found })
}

/// What scanning for the records costs, by a link of them alone.
fn price(args: &CompileArgs, compilation: &Compilation) -> anyhow::Result<Prices> {
    let model = model::load(args.model.as_deref())?;
    let channel = args.channel.as_str();
    let source = LinkSource { channel, release: args.release, root: [0; 32], records: &compilation.records };
    let database = link_with(&[source], &LinkOptions { model: &model, key: None })?;
    Ok(patternc::price(&engine::Database::open(&database)?, &model))
}

/// Engines that understand what this program compiles: this one and later ones.
pub(crate) const ENGINES: EngineRange = EngineRange { min: engine::INTERFACE, max: u32::MAX };

/// What `--unsigned` means to the compiler.
pub(crate) fn unsigned(allowed: bool) -> Unsigned {
    if allowed { Unsigned::Accept } else { Unsigned::Refuse }
}

/// Says how containers that were refused for their signatures are taken all the same.
pub(crate) fn hint_at_unsigned(account: &Account) {
    let codes = [Code::ContainerUnsigned, Code::ContainerSignature];
    if codes.iter().any(|code| account.by_code.contains_key(code)) {
        remark!("hint: if you trust where these containers come from, `--unsigned` compiles them");
    }
}

/// Compiles signature files, showing progress.
pub(crate) fn compile(files: &[PathBuf], unsigned: Unsigned) -> anyhow::Result<Compilation> {
    let mut progress = Progress::bytes("compiling", sources::total_len(files));
    let mut compiler = Compiler::new().unsigned(unsigned).on_progress(move |bytes| progress.add(bytes));
    for file in files {
        compiler.add_file(file)?;
    }
    Ok(compiler.finish())
}

/// Signatures loaded from files of any kind.
pub(crate) struct SignatureSet {
    blobs: Vec<Blob>,
    compiled: Compilation,
    /// The account of those that were compiled.
    pub(crate) account: Account,
}

/// Channel of signatures that were compiled for one scan.
const LOCAL_CHANNEL: &str = "local/signatures";

impl SignatureSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.compiled.records.is_empty() && self.blobs.iter().all(|blob| blob.records.is_empty())
    }

    /// Every signature: of the files, then of each blob.
    pub(crate) fn into_records(self) -> Vec<Record> {
        let mut records = self.compiled.records;
        records.extend(self.blobs.into_iter().flat_map(|blob| blob.records));
        records
    }

    /// Says on standard error how many lines were refused, by reason.
    pub(crate) fn warn_of_refused(&self) {
        for (code, count) in &self.account.by_code {
            remark!("warning: {count} signature lines refused: {code}");
        }
        if self.account.refused > 0 {
            remark!("hint: `titer sig check` tells them line by line");
        }
        hint_at_unsigned(&self.account);
    }

    pub(crate) fn link(&self) -> anyhow::Result<Vec<u8>> {
        let compiled = LinkSource { channel: LOCAL_CHANNEL, release: 0, root: [0; 32], records: &self.compiled.records };
        let channels: Vec<String> = self.blobs.iter().map(|blob| blob.header.channel.to_string()).collect();
        let blobs = self.blobs.iter().zip(&channels).map(|(blob, channel)| link_source(blob, channel));
        Ok(link(&std::iter::once(compiled).chain(blobs).collect::<Vec<_>>())?)
    }
}

/// A blob as the linker takes it.
pub(crate) fn link_source<'a>(blob: &'a Blob, channel: &'a str) -> LinkSource<'a> {
    LinkSource { channel, release: blob.header.release, root: blob.header.root.0, records: &blob.records }
}

/// Loads signature files and blobs.
pub(crate) fn load(files: &[PathBuf], unsigned: Unsigned) -> anyhow::Result<SignatureSet> {
    let (blobs, texts): (Vec<PathBuf>, Vec<PathBuf>) = files.iter().cloned().partition(|file| sources::is_blob(file));
    let blobs = blobs.iter().map(|path| read_blob(path)).collect::<anyhow::Result<_>>()?;
    let compiled = compile(&texts, unsigned)?;
    Ok(SignatureSet { blobs, account: compiled.account.clone(), compiled })
}

/// Reads and checks a blob that this engine understands.
pub(crate) fn read_blob(path: &Path) -> anyhow::Result<Blob> {
    let blob = blob::decode(&read(path)?).with_context(|| format!("cannot use {}", path.display()))?;
    let EngineRange { min, max } = blob.header.engine;
    if !(min..=max).contains(&engine::INTERFACE) {
        let message = format!("{} is for engines {min} to {max}, this is engine {}", path.display(), engine::INTERFACE);
        return Err(with_hint(message, "another version of titer is needed for this release"));
    }
    Ok(blob)
}

/// Seconds since 1970 that `text`, else the environment, states; 0 when neither does.
pub(crate) fn created(text: Option<&str>) -> anyhow::Result<i64> {
    let from_environment = std::env::var("SOURCE_DATE_EPOCH").ok();
    let Some(text) = text.or(from_environment.as_deref()) else { return Ok(0) };
    let seconds = text.parse::<i64>().ok();
    let time = seconds.map_or_else(|| text.parse::<jiff::Timestamp>(), jiff::Timestamp::from_second);
    let hint = "write it like 2026-01-31T12:00:00Z, or as seconds since 1970, of a year up to 9999";
    time.map(jiff::Timestamp::as_second).map_err(|_| with_hint(format!("`{text}` is not a time"), hint))
}

fn report(args: &CompileArgs, compilation: &Compilation, bytes: u64, prices: Option<&Prices>) -> io::Result<()> {
    let Compilation { records, diagnostics, account, .. } = compilation;
    let mut out = BufWriter::new(io::stdout());
    if args.json {
        write_diagnostics(&mut out, diagnostics)?;
        if let Some(mut prices) = prices.map(prices::facts) {
            prices["type"] = json!("prices");
            write_json(&mut out, &prices)?;
        }
        write_json(&mut out, &summary(account, records.len(), Some(bytes)))?;
        return out.flush();
    }
    print_diagnostics(diagnostics)?;
    hint_at_unsigned(account);
    write_account(&mut out, account)?;
    writeln!(
        out,
        "{}: {} records of {}, release {}, {}",
        args.output.display(),
        records.len(),
        args.channel,
        args.release,
        size(bytes)
    )?;
    out.flush()?;
    prices.into_iter().for_each(prices::print);
    Ok(())
}

/// Says what became of the lines of signature files: faults on standard error and a table, or all of it as JSON lines.
pub(crate) fn report_lines(as_json: bool, compilation: &Compilation) -> io::Result<()> {
    let Compilation { records, diagnostics, account, .. } = compilation;
    let mut out = BufWriter::new(io::stdout());
    if as_json {
        write_diagnostics(&mut out, diagnostics)?;
        write_json(&mut out, &summary(account, records.len(), None))?;
        return out.flush();
    }
    print_diagnostics(diagnostics)?;
    hint_at_unsigned(account);
    write_account(&mut out, account)?;
    out.flush()
}

fn write_diagnostics(out: &mut impl Write, diagnostics: &[Diagnostic]) -> io::Result<()> {
    diagnostics.iter().try_for_each(|diagnostic| {
        let Diagnostic { file, line, code, message, .. } = diagnostic;
        let code = code.as_str();
        write_json(out, &json!({"type": "diagnostic", "file": file, "line": line, "code": code, "message": message}))
    })
}

fn print_diagnostics(diagnostics: &[Diagnostic]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stderr());
    diagnostics.iter().try_for_each(|diagnostic| writeln!(out, "{}", shown(format_args!("{diagnostic}"))))?;
    out.flush()
}

fn summary(account: &Account, records: usize, bytes: Option<u64>) -> Value {
    let codes = |by_code: &BTreeMap<Code, u64>| -> Value {
        by_code.iter().map(|(code, count)| (code.to_string(), json!(count))).collect::<Map<_, _>>().into()
    };
    let kind = |count: &KindAccount| {
        json!({
            "lines": count.lines, "accepted": count.accepted, "refused": count.refused, "ignored": count.ignored,
            "by_code": codes(&count.by_code),
        })
    };
    let by_kind: Map<String, Value> = account.by_kind.iter().map(|(name, count)| (name.clone(), kind(count))).collect();
    json!({
        "type": "summary", "lines": account.lines, "accepted": account.accepted, "refused": account.refused,
        "ignored": account.ignored, "duplicates": account.duplicates, "records": records, "bytes": bytes,
        "by_code": codes(&account.by_code), "by_kind": by_kind,
    })
}

/// A table of lines by kind, each followed by its refused lines by code.
fn write_account(out: &mut impl Write, account: &Account) -> io::Result<()> {
    writeln!(out, "{:<32} {:>9} {:>9} {:>9} {:>9}", "kind", "lines", "accepted", "refused", "ignored")?;
    for (kind, count) in &account.by_kind {
        // The name of an unknown kind is part of a file's name, which may hold anything.
        let kind: String = kind.chars().flat_map(char::escape_debug).take(32).collect();
        let KindAccount { lines, accepted, refused, ignored, by_code } = count;
        writeln!(out, "{kind:<32} {lines:>9} {accepted:>9} {refused:>9} {ignored:>9}")?;
        write_codes(out, by_code)?;
    }
    if account.by_kind.len() > 1 {
        let Account { lines, accepted, refused, ignored, .. } = account;
        writeln!(out, "{:<32} {lines:>9} {accepted:>9} {refused:>9} {ignored:>9}", "all")?;
        write_codes(out, &account.by_code)?;
    }
    if account.duplicates > 0 {
        writeln!(out, "{} of the accepted lines repeat another", account.duplicates)?;
    }
    Ok(())
}

fn write_codes(out: &mut impl Write, by_code: &BTreeMap<Code, u64>) -> io::Result<()> {
    by_code.iter().try_for_each(|(code, count)| writeln!(out, "  refused {code:<22} {:>9} {count:>19}", ""))
}
