//! `titer sig check`.

use crate::args::SigCheckArgs;
use crate::commands::{compile, model};
use crate::exit::Exit;
use crate::output::{hex, read, say, with_hint};
use anyhow::Context;
use patternc::compile::{Compilation, Compiler};
use patternc::diagnostic::Diagnostic;
use patternc::explain::printable;
use patternc::lint::{Linted, Lints, Warning, lint};
use patternc::prices::Found;
use serde_json::{Value, json};
use std::io::{self, Read};
use std::path::Path;

pub(super) fn run(args: &SigCheckArgs) -> anyhow::Result<Exit> {
    let compilation = compile_all(args)?;
    let model = model::load(args.model.as_deref())?;
    let linted = lint(&compilation, &Lints { model: &model, candidates_per_mib_max: args.candidates })?;
    let report = Report { compilation: &compilation, json: args.json };
    compilation.diagnostics.iter().for_each(|diagnostic| report.diagnostic(diagnostic));
    compile::hint_at_unsigned(&compilation.account);
    report.head(&linted);
    let mut clean = 0;
    for one in &linted {
        clean += usize::from(one.warnings.is_empty());
        if !one.warnings.is_empty() || clean <= args.limit {
            report.signature(one);
        }
    }
    let warnings = linted.iter().map(|one| one.warnings.len()).sum();
    report.summary(warnings, clean.saturating_sub(args.limit));
    let denied = args.deny_warnings && warnings > 0;
    Ok(if compilation.account.refused > 0 || denied { Exit::Found } else { Exit::Fine })
}

fn compile_all(args: &SigCheckArgs) -> anyhow::Result<Compilation> {
    let mut compiler = Compiler::new().unsigned(compile::unsigned(args.unsigned));
    for path in &args.files {
        if path == Path::new("-") {
            let Some(kind) = args.kind else {
                return Err(with_hint("standard input has no extension".to_owned(), "say what it is with --kind"));
            };
            let mut text = Vec::new();
            io::stdin().lock().read_to_end(&mut text).context("cannot read standard input")?;
            compiler.add_text("-", kind, &text);
        } else if let Some(kind) = args.kind {
            compiler.add_text(&path.display().to_string(), kind, &read(path)?);
        } else {
            compiler.add_file(path)?;
        }
    }
    Ok(compiler.finish())
}

struct Report<'a> {
    compilation: &'a Compilation,
    json: bool,
}

impl Report<'_> {
    fn diagnostic(&self, diagnostic: &Diagnostic) {
        let Diagnostic { file, line, code, message } = diagnostic;
        if self.json {
            let code = code.as_str();
            say!("{}", json!({"type": "diagnostic", "file": file, "line": line, "code": code, "message": message}));
        } else {
            say!("{}", printable(&diagnostic.to_string()));
        }
    }

    fn head(&self, linted: &[Linted]) {
        if !self.json && !linted.is_empty() {
            say!("candidates/MiB  class     found by              signature");
        }
    }

    fn signature(&self, one: &Linted) {
        let name = self.compilation.records[one.record].name();
        let origin = self.compilation.origin(one.record);
        let (file, line) = origin.map_or(("", 0), |origin| (origin.file, origin.line));
        let warnings = || one.warnings.iter().map(|warning| (warning.code(), self.told(warning)));
        if self.json {
            let mut object = json!({"type": "signature", "file": file, "line": line, "signature": name});
            object["found_by"] = found(&one.found);
            object["warnings"] =
                warnings().map(|(code, message)| json!({"code": code, "message": message})).collect::<Value>();
            say!("{object}");
            return;
        }
        let [candidates, class, by] = columns(&one.found);
        say!("{candidates:>14}  {class:<8}  {by:<20}  {} ({})", printable(name), place(file, line));
        for (code, message) in warnings() {
            say!("  warning: {code}: {}", printable(&message));
        }
    }

    fn summary(&self, warnings: usize, left_out: usize) {
        let Compilation { records, account, .. } = self.compilation;
        let (lines, refused) = (account.lines, account.refused);
        if self.json {
            say!(
                "{}",
                json!({
                    "type": "summary", "lines": lines, "accepted": account.accepted, "refused": refused,
                    "signatures": records.len(), "warnings": warnings, "left_out": left_out,
                })
            );
            return;
        }
        let more = if left_out > 0 { format!(" ({left_out} not listed)") } else { String::new() };
        say!("{lines} lines, {refused} refused; {} signatures{more}, {warnings} warnings", records.len());
    }

    /// A warning, and which other signatures it is about.
    fn told(&self, warning: &Warning) -> String {
        const PLACES: usize = 3;
        match warning {
            Warning::Repeated { places } => {
                let named: Vec<String> = places.iter().take(PLACES).map(|(file, line)| place(file, *line)).collect();
                format!("{warning}: {}{}", named.join(", "), if places.len() > PLACES { ", ..." } else { "" })
            }
            Warning::SameContent { record } => {
                let name = self.compilation.records[*record].name();
                let origin = self.compilation.origin(*record).map(|origin| place(origin.file, origin.line));
                format!("{warning}: {name} ({})", origin.unwrap_or_default())
            }
            warning => warning.to_string(),
        }
    }
}

fn place(file: &str, line: u32) -> String {
    format!("{}:{line}", printable(file))
}

/// Candidates, class, and by what it is found.
fn columns(found: &Found) -> [String; 3] {
    let none = || "-".to_owned();
    match found {
        Found::Windows { class, candidates_per_mib, window, .. } => {
            let by = format!("{} {}", tier(found).unwrap_or_default(), hex(window));
            [format!("{candidates_per_mib:.4}"), class.name().to_owned(), by]
        }
        Found::Directly => [none(), none(), "offset or digest".to_owned()],
        Found::Evaluated => [none(), none(), "each file".to_owned()],
        Found::Never => [none(), none(), "nothing".to_owned()],
    }
}

/// Bytes of a window and from one to the next, as in `titer inspect`.
fn tier(found: &Found) -> Option<String> {
    let Found::Windows { width, stride, folded, .. } = found else { return None };
    Some(format!("{width}/{stride}{}", if *folded { " folded" } else { "" }))
}

fn found(found: &Found) -> Value {
    match found {
        Found::Windows { class, candidates_per_mib, window, .. } => json!({
            "by": "windows", "tier": tier(found), "class": class.name(), "window": hex(window),
            "candidates_per_mib": (candidates_per_mib * 1e4).round() / 1e4,
        }),
        Found::Directly => json!({"by": "offset-or-digest"}),
        Found::Evaluated => json!({"by": "each-file"}),
        Found::Never => json!({"by": "nothing"}),
    }
}
