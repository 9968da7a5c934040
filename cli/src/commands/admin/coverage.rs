//! `titer admin coverage`: who is unprotected against a threat.

use crate::args::CoverageArgs;
use crate::commands::admin::releases;
use crate::output::{say, time, write_json};
use serde_json::json;
use std::io::stdout;
use updater::operator::Operator;
use updater::wire::{Coverage, CoverageAt, MakerCover, UnprotectedTerminal};

/// Rows that are asked for at a time.
const PAGE: u32 = 1000;

/// Runs `titer admin coverage`.
pub(crate) async fn run(operator: &Operator, args: &CoverageArgs) -> anyhow::Result<()> {
    let maker = args.maker.as_ref();
    let coverage = operator.coverage(&args.threat, maker).await?;
    if args.json {
        write_json(&mut stdout(), &with_type("coverage", json!(coverage)))?;
    } else {
        print(&coverage);
    }
    if args.history {
        let history = operator.coverage_history(&args.threat, maker, args.days).await?;
        if !args.json {
            say!("\n{:<22} {:>11} {:>11} {:>11}", "time", "protected", "unprotected", "unknown");
        }
        history.points.iter().try_for_each(|point| print_point(point, args.json))?;
    }
    if args.list {
        if !args.json {
            say!("\n{:<34} {:<20} {:<24} last contact", "terminal", "why", "runs");
        }
        let mut after = None;
        loop {
            let page = operator.coverage_terminals(&args.threat, maker, after.as_deref(), PAGE).await?;
            page.terminals.iter().try_for_each(|terminal| print_terminal(terminal, args.json))?;
            let Some(next) = page.next else { break };
            after = Some(next);
        }
    }
    Ok(())
}

fn print(coverage: &Coverage) {
    let of = coverage.maker.as_ref().map(|maker| format!(" by {maker}")).unwrap_or_default();
    say!("{}{of}", coverage.threat);
    say!("  protected   {:>9}", coverage.protected);
    say!("  unprotected {:>9}", coverage.unprotected);
    for gap in &coverage.reasons {
        say!("    {:>9} {} ({})", gap.terminals, gap.reason.words(), gap.reason.code());
    }
    say!("  unknown     {:>9}", coverage.unknown);
    if coverage.revoked > 0 {
        say!("  revoked     {:>9}", coverage.revoked);
    }
    for maker in &coverage.makers {
        let cure = match (&maker.vaccine, maker.expected) {
            (Some(vaccine), _) => {
                let channels: Vec<_> = [&vaccine.since].into_iter().chain(&maker.also).cloned().collect();
                format!("cure of {} in {}", vaccine.date, releases(&channels))
            }
            (None, Some(expected)) => format!("no cure yet, expected {expected}"),
            (None, None) => "no cure yet".to_owned(),
        };
        let MakerCover { maker, threat, danger, discovered, terminals, .. } = maker;
        let called = if *threat == coverage.threat { String::new() } else { format!(" ({threat})") };
        say!("  {maker}{called}: {danger} danger, discovered {discovered}, {cure}; protects {terminals}");
    }
    if let Some(next) = coverage.next {
        say!("  the next cure is expected on {next}");
    }
}

fn print_point(point: &CoverageAt, json: bool) -> anyhow::Result<()> {
    if json {
        write_json(&mut stdout(), &with_type("coverage_at", json!(point)))?;
    } else {
        let at = time(point.at).unwrap_or_default();
        say!("{at:<22} {:>11} {:>11} {:>11}", point.protected, point.unprotected, point.unknown);
    }
    Ok(())
}

fn print_terminal(terminal: &UnprotectedTerminal, json: bool) -> anyhow::Result<()> {
    if json {
        write_json(&mut stdout(), &with_type("unprotected", json!(terminal)))?;
    } else {
        let row = &terminal.row;
        let contact = row.last_contact.and_then(time).unwrap_or_else(|| "never".to_owned());
        say!("{:<34} {:<20} {:<24} {contact}", row.terminal, terminal.gap.code(), releases(&row.applied));
    }
    Ok(())
}

/// Says what kind of line this is, as lines of several kinds follow each other.
fn with_type(kind: &str, mut line: serde_json::Value) -> serde_json::Value {
    line["type"] = kind.into();
    line
}
