//! Takes the names of published records over into the tables, so that the countering table knows where a cure is that its maker did not
//! tell of.
//!
//! Actors: one task, woken by each publication. It takes one release at a time, the lowest numbers first, and writes what differs from the
//! release before: the first release of a channel costs a row for each name, a later one a row for each that came or went. It writes in
//! pieces, so that others who write wait for none of it as a whole; killed between two, the next start does the release again, which
//! changes nothing that is there. A publication does not wait for any of this, and so a cure can be seen in the table some seconds late.
//!
//! A first release of 1,000,000 names takes 1.1 s in SQLite and 42 MB, and 8 to 11 s in PostgreSQL; taking 200,000 of them out, 0.4 s and 5 s
//! (the statements alone, on two busy cores).
//!
//! Rejected: an object with the names of each release, to be merged for each question. It would spare the rows, and cost 30 MB for each
//! release of a large channel and a reading of all of them for each answer.

use crate::blob;
use crate::service::AppState;
use crate::service::publisher::PublishError;
use crate::service::store::{NAMES_IN_ONE_GO, Unnamed};
use crate::wire::check_name;
use std::cmp::Ordering;
use std::time::Duration;

/// Looks at the tables this often even when nobody says that there is something new: another replica may have published.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Takes names over for as long as the service runs.
pub(crate) async fn run(app: AppState) {
    loop {
        if let Err(error) = take_all(&app).await {
            tracing::error!(%error, "names of a release could not be taken over; it is tried again");
        }
        // A wake-up while one was at work is kept.
        let _ = tokio::time::timeout(LOOK_EVERY, app.names.notified()).await;
    }
}

async fn take_all(app: &AppState) -> Result<(), PublishError> {
    while let Some(next) = app.store.next_unnamed().await? {
        let Some(changes) = changes(app, &next).await? else {
            app.store.names_done(&next.at, false).await?;
            continue;
        };
        if write(app, &next, &changes).await? {
            app.store.names_done(&next.at, true).await?;
        }
        let (channel, release) = (&next.at.channel, next.at.release);
        tracing::info!(%channel, release, came = changes.came.len(), went = changes.went.len(), "names of {channel} {release}");
    }
    Ok(())
}

/// False when another replica was done before.
async fn write(app: &AppState, next: &Unnamed, changes: &Changes) -> Result<bool, PublishError> {
    for came in changes.came.chunks(NAMES_IN_ONE_GO) {
        if !app.store.add_names(&next.at, came).await? {
            return Ok(false);
        }
    }
    if changes.came.len() > NAMES_IN_ONE_GO {
        app.store.analyze_names().await?;
    }
    let last = next.before.map_or(0, |(release, _)| release);
    for went in changes.went.chunks(NAMES_IN_ONE_GO) {
        if !app.store.end_names(&next.at, last, went).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a release brought and took away; `None`, with a word in the log, when its blob cannot be read.
async fn changes(app: &AppState, next: &Unnamed) -> Result<Option<Changes>, PublishError> {
    let Some(new) = app.objects.blob(&next.sha256).await? else {
        tracing::error!(channel = %next.at.channel, release = next.at.release, "a release has no blob");
        return Ok(None);
    };
    let old = match &next.before {
        Some((_, sha256)) => app.objects.blob(sha256).await?,
        None => None,
    };
    let compared = tokio::task::spawn_blocking(move || {
        let old = old.map_or(Ok(Vec::new()), |old| names(&old))?;
        Ok::<_, String>(Changes::between(&old, names(&new)?))
    });
    match compared.await? {
        Ok(changes) => Ok(Some(changes)),
        Err(reason) => {
            tracing::error!(reason, channel = %next.at.channel, release = next.at.release, "a blob cannot be read");
            Ok(None)
        }
    }
}

/// Names of a blob's records that a threat can have. Others nobody asks for, and the longest do not fit into an index of PostgreSQL: one release
/// of one maker would keep the names of all from being taken over.
fn names(blob: &[u8]) -> Result<Vec<String>, String> {
    let mut names = blob::names(blob)?;
    names.retain(|name| check_name(name).is_ok());
    Ok(names)
}

/// Names that differ between two releases.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    came: Vec<String>,
    went: Vec<String>,
}

impl Changes {
    /// Both lists ascend.
    fn between(old: &[String], new: Vec<String>) -> Self {
        let mut changes = Changes::default();
        let mut old = old.iter().peekable();
        for name in new {
            while let Some(gone) = old.next_if(|held| **held < name) {
                changes.went.push(gone.clone());
            }
            match old.peek().map(|held| (**held).cmp(&name)) {
                Some(Ordering::Equal) => _ = old.next(),
                _ => changes.came.push(name),
            }
        }
        changes.went.extend(old.cloned());
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn what_came_and_what_went() {
        for (old, new, came, went) in [
            ("", "", "", ""),
            ("", "ab", "ab", ""),
            ("ab", "", "", "ab"),
            ("abd", "bce", "ce", "ad"),
            ("abc", "abc", "", ""),
        ] {
            let expected = Changes { came: list(came), went: list(went) };
            assert_eq!(Changes::between(&list(old), list(new)), expected, "{old} {new}");
        }
    }
}
