//! `titer admin token` and `titer admin terminal`: who may enrol, and who may stay.

use crate::args::{TerminalCommand, TokenArgs, TokenCommand};
use crate::output::{say, time, write_json};
use serde_json::json;
use std::io::stdout;
use updater::operator::Operator;
use updater::wire::{TokenRequest, TokenView};

const DAY_SECONDS: u64 = 24 * 3600;

/// Runs `titer admin token`.
pub(crate) async fn token(operator: &Operator, args: &TokenArgs, as_json: bool) -> anyhow::Result<()> {
    match &args.command {
        None => {
            let wanted = TokenRequest {
                uses: args.uses,
                expires_in_seconds: args.expires_days.map(|days| days.saturating_mul(DAY_SECONDS)),
                group: args.group.clone(),
                approval: args.approval,
            };
            let made = operator.make_token(&wanted).await?;
            if as_json { write_json(&mut stdout(), &json!(made))? } else { say!("{}", made.token) }
        }
        Some(TokenCommand::List) => {
            let tokens = operator.tokens().await?;
            if as_json {
                tokens.iter().try_for_each(|token| write_json(&mut stdout(), &json!(token)))?;
            } else {
                print_tokens(&tokens);
            }
        }
        Some(TokenCommand::Revoke { id }) => {
            operator.revoke_token(id).await?;
            done(as_json, &json!({"id": id, "revoked": true}), "token", id, "revoked: nobody enrols with it any more")?;
        }
    }
    Ok(())
}

/// Runs `titer admin terminal`.
pub(crate) async fn terminal(operator: &Operator, command: &TerminalCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        TerminalCommand::Revoke { terminal } => {
            operator.revoke_terminal(terminal).await?;
            let object = json!({"terminal": terminal, "revoked": true});
            done(as_json, &object, "terminal", terminal, "revoked: its calls are refused, and its key cannot enrol again")
        }
        TerminalCommand::Approve { terminal } => {
            operator.approve_terminal(terminal).await?;
            let object = json!({"terminal": terminal, "approved": true});
            done(as_json, &object, "terminal", terminal, "approved")
        }
        TerminalCommand::Remove { terminal } => {
            operator.remove_terminal(terminal).await?;
            let object = json!({"terminal": terminal, "removed": true});
            done(as_json, &object, "terminal", terminal, "removed, with all that it reported")
        }
    }
}

fn done(as_json: bool, object: &serde_json::Value, what: &str, name: &str, words: &str) -> anyhow::Result<()> {
    if as_json {
        write_json(&mut stdout(), object)?;
    } else {
        say!("{what} {name} is {words}");
    }
    Ok(())
}

fn print_tokens(tokens: &[TokenView]) {
    let now = jiff::Timestamp::now().as_second();
    say!("{:<16} {:<16} {:<12} {:<21} {:<21} state", "token", "group", "used", "made", "expires");
    for token in tokens {
        let state = match (token.revoked_at, token.uses < token.uses_max) {
            (Some(_), _) => "revoked",
            (None, false) => "used up",
            (None, true) if token.expires_at.is_some_and(|expires_at| expires_at <= now) => "expired",
            (None, true) => "open",
        };
        say!(
            "{:<16} {:<16} {:<12} {:<21} {:<21} {state}{}",
            token.id,
            token.group.as_deref().unwrap_or("-"),
            format!("{} of {}", token.uses, token.uses_max),
            time(token.created_at).unwrap_or_default(),
            token.expires_at.and_then(time).unwrap_or_else(|| "never".to_owned()),
            if token.approval { ", by approval" } else { "" },
        );
    }
}
