//! `titer admin`: what the operator of a service does.

mod assign;
mod audit;
mod coverage;
mod decisions;
mod enrolment;
mod operators;
mod releases;
mod source;
mod threats;

use crate::args::{AdminArgs, AdminCommand};
use crate::exit::Exit;
use crate::output::say;
use crate::output::{coded, read, time, with_hint, write_json};
use anyhow::Context;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use updater::HttpError;
use updater::operator::Operator;
use updater::wire::{ChannelRelease, TerminalRow, ThreatRow};

/// Runs `titer admin`.
pub(crate) fn run(args: &AdminArgs) -> anyhow::Result<Exit> {
    updater::block_on(run_async(args))?
}

async fn run_async(args: &AdminArgs) -> anyhow::Result<Exit> {
    let token = operator_token(args.operator_token.as_deref())?;
    let operator = Operator::with(&args.service, &token, &args.network.network()).map_err(hinted)?;
    command(args, &operator).await.map_err(|error| match error.downcast::<HttpError>() {
        Ok(http) => hinted(http),
        Err(other) => other,
    })
}

async fn command(args: &AdminArgs, operator: &Operator) -> anyhow::Result<Exit> {
    let json = args.json;
    match &args.command {
        AdminCommand::Coverage(args) => coverage::run(operator, args).await?,
        AdminCommand::Root { file } => {
            let version = operator.put_root(read(file)?).await?;
            if json {
                print(&json!({ "version": version }))?;
            } else {
                say!("root version {version} is in force at {}", args.service);
            }
        }
        AdminCommand::RoleKey { role } => {
            let key = operator.role_key(*role).await?;
            if json {
                print(&json!({ "role": role.name(), "public_key": key }))?;
            } else {
                say!("{key}");
            }
        }
        AdminCommand::EnrolmentToken => {
            let token = operator.enrolment_token().await?;
            if json {
                print(&json!({ "token": token }))?;
            } else {
                say!("{token}");
            }
        }
        AdminCommand::Operator(asked) => operators::run(asked, operator, json).await?,
        AdminCommand::Audit(asked) => audit::run(asked, operator, json).await?,
        AdminCommand::Token(asked) => enrolment::token(operator, asked, json).await?,
        AdminCommand::Terminal(asked) => enrolment::terminal(operator, &asked.command, json).await?,
        AdminCommand::Terminals { search, silent } => {
            terminals(operator, search.as_deref().unwrap_or_default(), *silent, json).await?;
        }
        AdminCommand::Decisions(command) => decisions::run(operator, command, json).await?,
        AdminCommand::Threats { reported: true, .. } => return threats::reported(operator, json).await,
        AdminCommand::Threats { name, .. } => return threats::run(operator, name.as_deref(), json).await,
        AdminCommand::Gc { dry_run, read } => releases::sweep(operator, *dry_run, *read, json).await?,
        AdminCommand::Source(args) => return source::run(operator, args, json).await,
    }
    Ok(Exit::Fine)
}

/// Writes one object as a line.
fn print(object: &Value) -> io::Result<()> {
    write_json(&mut io::stdout(), object)
}

/// A refusal with its code, and what to do.
fn hinted(error: HttpError) -> anyhow::Error {
    let hint = match error.code() {
        "operator_token_refused" => {
            "give --operator-token FILE, or $TITER_OPERATOR_TOKEN; a key-holder makes tokens by `titer admin operator add`"
        }
        "operator_token_revoked" => "ask a key-holder for another: `titer admin operator add NAME --role ROLE`",
        "operator_role_too_low" => "ask somebody with that role, or a key-holder for a token that has it",
        "operator_taken" => "names are not used twice; take another",
        "operator_unknown" => "`titer admin operator list` shows all",
        "service_unreachable" => "look at --service, --proxy and whether the service runs",
        "certificate_refused" => "name the certificates that vouch for the service with --ca",
        "rate_limited" | "service_busy" => "wait as long as the message says, then try again",
        _ => "docs/codes.md says what each code means and what to do",
    };
    coded(&error, error.code(), Some(hint))
}

/// The operator's token: from the file named, else from `$TITER_OPERATOR_TOKEN`.
pub(crate) fn operator_token(file: Option<&Path>) -> anyhow::Result<String> {
    let token = match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => std::env::var("TITER_OPERATOR_TOKEN").map_err(|error| {
            let hint = "give --operator-token FILE, or $TITER_OPERATOR_TOKEN; the service keeps it in DATA/operator-token";
            let message = match error {
                std::env::VarError::NotPresent => "no operator's token",
                std::env::VarError::NotUnicode(_) => "$TITER_OPERATOR_TOKEN is not UTF-8, so it is no token",
            };
            with_hint(message.to_owned(), hint)
        })?,
    };
    let token = token.trim();
    if token.is_empty() || token.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let of = file.map_or_else(|| "$TITER_OPERATOR_TOKEN".to_owned(), |path| path.display().to_string());
        return Err(with_hint(format!("{of} is not one token"), "a token is one line without spaces"));
    }
    Ok(token.to_owned())
}

/// Prints the user table, each page as it comes: a fleet's rows need not fit the memory.
async fn terminals(operator: &Operator, search: &str, silent: bool, json: bool) -> anyhow::Result<()> {
    let (mut last, mut is_first) = (None, !json);
    loop {
        let page = if silent {
            operator.silent_terminals_after(last.as_ref()).await?
        } else {
            operator.terminals_after(last.as_ref(), search).await?
        };
        if std::mem::take(&mut is_first) {
            print_terminals(&[]);
        }
        let Some(rows) = page else { return Ok(()) };
        if json {
            rows.iter().try_for_each(|row| print(&json!(row)))?;
        } else {
            print_rows(&rows);
        }
        last = rows.into_iter().next_back();
    }
}

/// The user table as text, or the beginning of it.
pub(crate) fn print_terminals(rows: &[TerminalRow]) {
    say!("{:<32} {:<10} {:<8} {:<8} {:<24} {:<21} trouble", "terminal", "hardware", "os", "accepts", "runs", "last contact");
    print_rows(rows);
}

fn print_rows(rows: &[TerminalRow]) {
    for row in rows {
        say!(
            "{:<32} {:<10} {:<8} {:<8} {:<24} {:<21} {}",
            row.terminal,
            row.facts.hardware,
            row.facts.os,
            row.facts.designation,
            releases(&row.applied),
            row.last_contact.and_then(time).unwrap_or_else(|| "never".to_owned()),
            standing(row).or(row.trouble.as_deref()).unwrap_or("-"),
        );
    }
}

/// What goes before a terminal's own trouble.
fn standing(row: &TerminalRow) -> Option<&'static str> {
    let revoked = row.revoked_at.map(|_| "revoked");
    let pending = row.pending.then_some("waits for approval");
    revoked.or(pending).or(row.cloned_at.map(|_| "there are copies of it"))
}

/// The countering table as text.
pub(crate) fn print_threats(rows: &[ThreatRow]) {
    say!(
        "{:<12} {:<20} {:<8} {:<12} {:<12} {:<12} cured by",
        "maker",
        "threat",
        "danger",
        "discovered",
        "expected",
        "vaccine"
    );
    for row in rows {
        let ThreatRow { maker, news, .. } = row;
        let cures: Vec<_> = row.cures().map(|at| format!("{} since {}", at.channel, at.release)).collect();
        let date = |date: Option<String>| date.unwrap_or_else(|| "-".to_owned());
        say!(
            "{:<12} {:<20} {:<8} {:<12} {:<12} {:<12} {}",
            maker.as_str(),
            news.threat,
            news.danger,
            news.discovered.to_string(),
            date(news.expected.map(|expected| expected.to_string())),
            date(news.vaccine.as_ref().map(|vaccine| vaccine.date.to_string())),
            if cures.is_empty() { "-".to_owned() } else { cures.join(", ") },
        );
    }
}

/// Channels at their releases, or that there is none.
pub(crate) fn releases(releases: &[ChannelRelease]) -> String {
    let list: Vec<String> = releases.iter().map(|at| format!("{} {}", at.channel, at.release)).collect();
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
