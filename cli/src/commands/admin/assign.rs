//! `titer admin assign`: what one terminal alone is given.

use crate::args::admin::AssignArgs;
use crate::output::{say, time, with_hint};
use serde_json::json;
use updater::operator::Operator;
use updater::wire::{OneOff, OneOffRow};

/// Runs `titer admin assign`.
pub(crate) async fn run(operator: &Operator, asked: &AssignArgs, json: bool) -> anyhow::Result<()> {
    match (&asked.terminal, &asked.channel) {
        (Some(terminal), channel) if asked.remove => {
            operator.take_back(terminal, channel.as_ref()).await?;
            if json {
                super::print(&json!({ "terminal": terminal, "channel": channel.as_ref().map(ToString::to_string) }))?;
            } else {
                say!("terminal {terminal} is told what others are told, from its next contact on");
            }
            Ok(())
        }
        (Some(terminal), Some(channel)) => {
            let (Some(until), Some(why)) = (asked.until, asked.why.clone()) else {
                let hint = "--until TIME --why TEXT; what has no end belongs into a policy: `titer admin group`";
                return Err(with_hint("what one terminal is given ends, and has a reason".to_owned(), hint));
            };
            let one_off = OneOff { channel: channel.clone(), release: asked.release, until, why };
            operator.give(terminal, &one_off).await?;
            if json {
                super::print(&json!({ "terminal": terminal, "one_off": one_off }))?;
            } else {
                let release = asked.release.map_or_else(|| "the newest".to_owned(), |release| format!("release {release}"));
                say!("terminal {terminal} is given {release} of {channel} until {until}, from its next contact on");
            }
            Ok(())
        }
        (terminal, _) => {
            let mut rows = operator.one_offs().await?;
            rows.retain(|row| terminal.as_ref().is_none_or(|terminal| row.terminal == *terminal));
            if json {
                return Ok(rows.iter().try_for_each(|row| super::print(&json!(row)))?);
            }
            print_rows(&rows);
            Ok(())
        }
    }
}

fn print_rows(rows: &[OneOffRow]) {
    say!("{:<32} {:<32} {:<21} {:<21} {:<20} why", "terminal", "channel", "until", "given", "by");
    for row in rows {
        let release = row.release.map_or_else(|| "newest".to_owned(), |release| release.to_string());
        let OneOffRow { terminal, channel, until, why, who, given_at, .. } = row;
        let (at, given) = (format!("{channel} {release}"), time(*given_at).unwrap_or_default());
        say!("{terminal:<32} {at:<32} {:<21} {given:<21} {who:<20} {why}", until.to_string());
    }
}
