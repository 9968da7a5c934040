//! `titer agent journal`.

use crate::exit::Exit;
use crate::output::{say, write_json};
use anyhow::Context;
use serde_json::json;
use std::io;
use std::path::Path;
use updater::agent::{self, JournalEntry, JournalEvent};

/// Prints the newest `last` lines of the journal, or all, oldest first.
pub(super) fn show(state: &Path, last: Option<usize>, as_json: bool) -> anyhow::Result<Exit> {
    let mut entries = agent::journal(state).with_context(|| format!("cannot read the journal in {}", state.display()))?;
    entries.drain(..entries.len().saturating_sub(last.unwrap_or(usize::MAX)));
    if as_json {
        write_json(&mut io::stdout(), &json!(entries))?;
    } else {
        entries.iter().for_each(print);
    }
    Ok(Exit::Fine)
}

fn print(JournalEntry { at, event, .. }: &JournalEntry) {
    let at = at.strftime("%F %TZ");
    match event {
        JournalEvent::Asked { method, path, status, request, code } => {
            let answer = match (status, code) {
                (Some(status), _) => format!("answered {status}"),
                (None, code) => format!("no answer: {}", code.as_deref().unwrap_or("unknown")),
            };
            let request = request.as_ref().map(|id| format!(", request {id}")).unwrap_or_default();
            say!("{at}  asked  {method} {path}: {answer}{request}");
        }
        JournalEvent::Did { step } => say!("{at}  did    {step}"),
        JournalEvent::Ended { outcome, words: None } => say!("{at}  ended  {outcome}"),
        JournalEvent::Ended { outcome, words: Some(words) } => say!("{at}  ended  {outcome}: {words}"),
        _ => {}
    }
}
