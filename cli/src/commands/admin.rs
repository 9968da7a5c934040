//! `titer admin`: what the operator of a service does.

mod decisions;

use crate::args::{AdminArgs, AdminCommand};
use crate::exit::Exit;
use crate::output::say;
use crate::output::{read, time, with_hint, write_json};
use anyhow::Context;
use std::path::Path;
use updater::operator::Operator;
use updater::wire::{ChannelRelease, TerminalRow, ThreatRow};

/// Runs `titer admin`.
pub(crate) fn run(args: &AdminArgs) -> anyhow::Result<Exit> {
    updater::block_on(run_async(args))?
}

async fn run_async(args: &AdminArgs) -> anyhow::Result<Exit> {
    let operator = Operator::new(&args.service, &operator_token(args.operator_token.as_deref())?)?;
    match &args.command {
        AdminCommand::Root { file } => {
            let version = operator.put_root(read(file)?).await?;
            say!("root version {version} is in force at {}", args.service);
        }
        AdminCommand::RoleKey { role } => say!("{}", operator.role_key(*role).await?),
        AdminCommand::EnrolmentToken => say!("{}", operator.enrolment_token().await?),
        AdminCommand::Terminals { json } => {
            let rows = operator.terminals().await?;
            if *json {
                rows.iter().try_for_each(|row| write_json(&mut std::io::stdout(), &serde_json::json!(row)))?;
            } else {
                print_terminals(&rows);
            }
        }
        AdminCommand::Decisions(command) => decisions::run(&operator, command).await?,
        AdminCommand::Threats { json } => {
            let rows = operator.threats().await?;
            if *json {
                rows.iter().try_for_each(|row| write_json(&mut std::io::stdout(), &serde_json::json!(row)))?;
            } else {
                print_threats(&rows);
            }
        }
    }
    Ok(Exit::Fine)
}

/// The operator's token: from the file named, else from `$TITER_OPERATOR_TOKEN`.
pub(crate) fn operator_token(file: Option<&Path>) -> anyhow::Result<String> {
    let token = match file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => std::env::var("TITER_OPERATOR_TOKEN").map_err(|_| {
            let hint = "give --operator-token FILE, or $TITER_OPERATOR_TOKEN; the service keeps it in DATA/operator-token";
            with_hint("no operator's token".to_owned(), hint)
        })?,
    };
    Ok(token.trim().to_owned())
}

/// The user table as text.
pub(crate) fn print_terminals(rows: &[TerminalRow]) {
    say!("{:<32} {:<10} {:<8} {:<8} {:<24} {:<21} trouble", "terminal", "hardware", "os", "accepts", "runs", "last contact");
    for row in rows {
        let accepts = serde_json::to_value(&row.facts.designation).unwrap_or_default();
        say!(
            "{:<32} {:<10} {:<8} {:<8} {:<24} {:<21} {}",
            row.terminal,
            row.facts.hardware,
            row.facts.os,
            accepts.as_str().map_or_else(|| accepts.to_string(), str::to_owned),
            releases(&row.applied),
            row.last_contact.and_then(time).unwrap_or_else(|| "never".to_owned()),
            row.trouble.as_deref().unwrap_or("-"),
        );
    }
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
    for ThreatRow { maker, news } in rows {
        let date = |date: Option<String>| date.unwrap_or_else(|| "-".to_owned());
        say!(
            "{:<12} {:<20} {:<8} {:<12} {:<12} {:<12} {}",
            maker.as_str(),
            news.threat,
            format!("{:?}", news.danger).to_lowercase(),
            news.discovered.to_string(),
            date(news.expected.map(|expected| expected.to_string())),
            date(news.vaccine.as_ref().map(|vaccine| vaccine.date.to_string())),
            date(news.vaccine.as_ref().map(|vaccine| format!("{} since {}", vaccine.since.channel, vaccine.since.release))),
        );
    }
}

/// Channels at their releases, or that there is none.
pub(crate) fn releases(releases: &[ChannelRelease]) -> String {
    let list: Vec<String> = releases.iter().map(|at| format!("{} {}", at.channel, at.release)).collect();
    if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
}
