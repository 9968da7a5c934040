//! Who asked to be left alone, and until when.
//!
//! ```text
//! <state>/backoff.json    source → until, code, refusals in a row
//! ```
//!
//! A source is a channel, for what is fetched for it alone (its maker's role, blobs, deltas), or the service as a whole, for everything else. They
//! are kept apart: a refusal at one channel's files delays no other channel and no check-in. It is kept on disk, so that neither a restart nor
//! a crash forgets it, and heeded by every update, whoever asks for that: a terminal that comes back each time it is started is what the
//! service is defending itself against.
//!
//! How long the wait is, `patience.rs` says. Trouble that is no refusal (no connection, bad metadata) forbids nothing; it makes [`Agent::poll`](crate::Agent::poll)
//! come back later each time.

use crate::Channel;
use crate::agent::state::State;
use crate::agent::{Agent, AgentError};
use crate::http::{HttpError, Wait};
use crate::patience;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the service as a whole among the sources; no channel has it, for lack of a slash.
pub(crate) const SERVICE: &str = "service";

/// A source that asked to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackOff {
    /// A channel as `maker/name`, or `service`.
    pub source: String,
    /// Seconds since 1970: it is not asked before.
    pub until: i64,
    /// Stable code of its last refusal.
    pub code: String,
    /// Refusals in a row.
    pub refusals: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    until: i64,
    code: String,
    refusals: u32,
}

/// What is on disk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BackOffs {
    /// Updates in a row that failed as a whole.
    #[serde(default)]
    pub(crate) failures: u32,
    #[serde(default)]
    sources: BTreeMap<String, Entry>,
}

impl BackOffs {
    /// Reads them; a file that cannot be understood is as good as none, for it can only delay.
    pub(crate) fn read(state: &State) -> Self {
        state.back_offs().unwrap_or_else(|error| {
            tracing::warn!(%error, "what was known of refusals is lost");
            BackOffs::default()
        })
    }

    /// Refuses while the source does not want to be asked.
    pub(crate) fn check(&self, source: &str, now: i64) -> Result<(), AgentError> {
        match self.active(now).find(|active| active.source == source) {
            Some(BackOff { source, until, code, .. }) => {
                Err(AgentError::BackingOff { who: source, seconds: (until - now).unsigned_abs(), code })
            }
            None => Ok(()),
        }
    }

    /// Sources that are not to be asked at `now`, in seconds since 1970.
    pub(crate) fn active(&self, now: i64) -> impl Iterator<Item = BackOff> {
        let longest = longest();
        // What is further away than any wait is from before the clock was set back.
        let active = self.sources.iter().filter(move |(_, entry)| entry.until > now && entry.until - now <= longest);
        active.map(|(source, entry)| BackOff {
            source: source.clone(),
            until: entry.until,
            code: entry.code.clone(),
            refusals: entry.refusals,
        })
    }

    /// Notes what a source answered: a refusal, or that it does not mind being asked. True when that is news.
    pub(crate) fn note(&mut self, source: &str, error: Option<&AgentError>, now: i64) -> bool {
        let Some(error) = error else { return self.sources.remove(source).is_some() };
        let Some((code, wait)) = refusal(error) else { return false };
        let refusals = self.sources.get(source).map_or(0, |entry| entry.refusals).saturating_add(1);
        let wait = patience::wait_after(wait, refusals);
        // A part of a second counts as one: never earlier than asked.
        let until = now + wait.as_secs_f64().ceil() as i64;
        tracing::warn!(source, code, "{source} is not asked for {} seconds: {error}", until - now);
        self.sources.insert(source.to_owned(), Entry { until, code: code.to_owned(), refusals });
        true
    }

    /// Notes the end of an update as a whole. True when that is news.
    pub(crate) fn note_end(&mut self, failed: bool) -> bool {
        let failures = if failed { self.failures.saturating_add(1) } else { 0 };
        std::mem::replace(&mut self.failures, failures) != failures
    }
}

impl Agent {
    /// Notes what `source` answered, should it be a refusal, and passes it on.
    pub(super) fn noting<T>(&self, source: &str, answer: Result<T, AgentError>) -> Result<T, AgentError> {
        if let Err(error) = &answer {
            self.note(source, Some(error));
        }
        answer
    }

    /// Notes what `source` answered, for this process and later ones. Nothing is lost but politeness when it cannot be written.
    pub(super) fn note(&self, source: &str, error: Option<&AgentError>) {
        let mut known = BackOffs::read(&self.state);
        if known.note(source, error, self.state.seconds())
            && let Err(error) = self.state.put_back_offs(&known)
        {
            tracing::warn!(%error, "what {source} answered is not kept");
        }
    }

    /// Notes whether an update as a whole failed.
    pub(super) fn note_end(&self, failed: bool) {
        let mut known = BackOffs::read(&self.state);
        if known.note_end(failed)
            && let Err(error) = self.state.put_back_offs(&known)
        {
            tracing::warn!(%error, "the number of failures is not kept");
        }
    }
}

fn refusal(error: &AgentError) -> Option<(&str, Wait)> {
    match error {
        AgentError::Http(error) => error.wait().map(|wait| (HttpError::code(error), wait)),
        _ => None,
    }
}

fn longest() -> i64 {
    patience::longest().as_secs_f64().ceil() as i64
}

/// The source that a channel's files are.
pub(crate) fn of_channel(channel: &Channel) -> String {
    channel.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn refused(status: u16, seconds: Option<u64>) -> AgentError {
        let retry_after = seconds.map(Duration::from_secs);
        let (url, detail) = ("http://localhost/".to_owned(), String::new());
        HttpError::Refused { url, status, code: format!("http_{status}"), detail, retry_after, last_counter: None }.into()
    }

    #[test]
    fn a_wait_is_as_long_as_asked_and_a_quarter_at_most_longer() {
        for (seconds, least) in [(0, 0), (1, 1), (100, 100), (86_400, 86_400)] {
            let mut known = BackOffs::default();
            known.note(SERVICE, Some(&refused(429, Some(seconds))), 1000);
            let found = known.sources[SERVICE].until - 1000;
            assert!(found >= least && found <= least + least / 4 + 1, "{seconds}: {found}");
        }
    }

    #[test]
    fn refusals_in_a_row_double_the_wait_up_to_a_day() {
        let mut known = BackOffs::default();
        for row in 0..40 {
            known.note("acme/stable", Some(&refused(503, None)), 0);
            let wait = known.sources["acme/stable"].until as f64;
            let least = (60.0 * 2_f64.powi(row)).min(86_400.0);
            assert!(wait >= least && wait <= least * 1.25 + 1.0, "{row}: {wait}");
        }
        assert!(known.check("acme/stable", 10).is_err());
        known.check("best/stable", 10).unwrap();
        known.check(SERVICE, 10).unwrap();
        assert!(known.note("acme/stable", None, 20));
        known.check("acme/stable", 10).unwrap();
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nobody_waiting_for_years() {
        let mut known = BackOffs::default();
        known.note(SERVICE, Some(&refused(429, Some(3600))), 2_000_000_000);
        assert!(known.check(SERVICE, 2_000_000_001).is_err());
        known.check(SERVICE, 1_000_000_000).unwrap();
    }

    #[test]
    fn other_trouble_is_no_refusal() {
        let mut known = BackOffs::default();
        let unreachable = HttpError::Unreachable { url: String::new(), reason: String::new() };
        assert!(!known.note(SERVICE, Some(&unreachable.into()), 0));
        assert!(!known.note(SERVICE, Some(&refused(404, Some(60))), 0));
        known.check(SERVICE, 0).unwrap();
        assert!(known.note_end(true) && known.note_end(true) && known.note_end(false) && !known.note_end(false));
    }
}
