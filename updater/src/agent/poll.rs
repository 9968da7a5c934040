//! The idle poll: one conditional request while nothing changes, and when to come back.
//!
//! ```text
//! <state>/poll.json    tag of the last assignment, when it was followed in full, what this terminal was then
//! ```
//!
//! It is written at the end of a full update, with a tag when that found nothing left to do, and removed when the next one begins, so that a
//! failed one is not forgotten by an idle one after it.
//!
//! "Nothing changed" is the service's word and not signed, so it is believed for a while only: [`Agent::full_every`], and never beyond the
//! expiry of the timestamp that is trusted, by this terminal's clock. Whoever answers 304 for ever gains what they had by withholding the
//! timestamp: time until it expires. Then a full update is made, and fails by its code.

use crate::agent::backoff::{BackOffs, SERVICE};
use crate::agent::metadata::Source;
use crate::agent::state::Contact;
use crate::agent::{Agent, AgentError, Manifest, Outcome, Session, UpdateOptions, UpdateReport, random};
use crate::http::{HttpError, Proof};
use crate::poll_mac::{MAC_HEADER, PollKey};
use crate::signed::COUNTER_HEADER;
use crate::tuf;
use crate::wire::{CheckedIn, Sha256Hex};
use reqwest::StatusCode;
use reqwest::header::{HeaderName, HeaderValue, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tough::schema::{Signed, Timestamp};

/// Time between polls when the service names none.
pub(crate) const POLL_EVERY: Duration = Duration::from_mins(10);
/// What the service may name.
const POLL_EVERY_MIN: Duration = Duration::from_secs(10);
const POLL_EVERY_MAX: Duration = Duration::from_hours(24);
/// The first pause after a failure; it doubles with each failure in a row, up to an hour or the usual time, whichever is longer.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// The largest part of a pause that is added by chance.
const JITTER: f64 = 0.25;

/// What is known of the last full update that did not fail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The service's tag of what it assigned, with its quotes; absent while there is something left to do.
    beacon: Option<String>,
    /// Seconds since 1970.
    full_at: i64,
    /// Digest of what the service knows of this terminal, and of what is held back.
    local: Sha256Hex,
    outcome: Outcome,
    poll_seconds: Option<u64>,
    /// What polls are proven with, in hexadecimal.
    #[serde(default)]
    poll_key: Option<String>,
}

/// An update, and when to make the next.
#[derive(Debug)]
pub struct Polled {
    /// What [`Agent::update`] returned.
    pub result: Result<UpdateReport, AgentError>,
    /// Time until the next poll, with its part of chance; at least a second.
    pub next: Duration,
}

impl Agent {
    /// Makes an update and says when to make the next: after the time that the service names (10 minutes if it names none), after the time
    /// that it asked to be left alone, or after a pause that grows with each failure in a row, from 30 seconds to an hour. Up to a quarter
    /// is added by chance, so that terminals that were started together do not stay together.
    ///
    /// For a loop that runs as long as the machine: how often it failed is on disk, so a restart does not begin anew.
    pub async fn poll(&self) -> Polled {
        self.poll_with(&UpdateOptions::default(), None).await
    }

    /// The same for another cause, and with `every` in the place of the time that the service names.
    pub async fn poll_with(&self, options: &UpdateOptions, every: Option<Duration>) -> Polled {
        let result = self.update_with(options).await;
        let seen = self.state.seen().ok().flatten();
        let named = seen.and_then(|seen| seen.poll_seconds).map_or(POLL_EVERY, Duration::from_secs);
        let every = every.unwrap_or_else(|| named.clamp(POLL_EVERY_MIN, POLL_EVERY_MAX));
        let known = BackOffs::read(&self.state);
        let now = self.state.seconds();
        let asked = known.active(now).find(|active| active.source == SERVICE);
        let asked = asked.map_or(Duration::ZERO, |active| Duration::from_secs((active.until - now).max(1).unsigned_abs()));
        let own = match &result {
            Ok(_) | Err(AgentError::TriggerOff(_)) => every,
            Err(AgentError::BackingOff { .. }) => Duration::from_secs(1),
            Err(_) => pause(known.failures, every),
        };
        // The time that was asked for has its part of chance already.
        let next = asked.max(own + own.mul_f64(JITTER * random::fraction()));
        Polled { result, next }
    }

    /// Asks whether anything changed; `None` when a full update is due, for whatever reason.
    pub(super) async fn idle(&self, session: &Session) -> Result<Option<UpdateReport>, AgentError> {
        let Ok(Some(seen)) = self.state.seen() else { return Ok(None) };
        let Ok(Some(contact)) = self.state.contact() else { return Ok(None) };
        let tag = seen.beacon.as_deref().and_then(|tag| HeaderValue::from_str(tag).ok());
        let Some(tag) = tag else { return Ok(None) };
        if !self.may_idle(&seen, session)? {
            return Ok(None);
        }
        let path = format!("/v1/terminals/{}/beacon", session.identity.terminal);
        let Some(key) = seen.poll_key.as_deref().and_then(PollKey::from_hex) else { return Ok(None) };
        let Source::Service(client) = &session.source else { return Ok(None) };
        let counter = self.state.next_counter()?.to_string();
        let text = tag.to_str().unwrap_or_default();
        let mac = [(MAC_HEADER, key.mac(&session.identity.terminal, text, &counter)), (COUNTER_HEADER, counter)];
        let mac = mac.map(|(name, value)| {
            let value = HeaderValue::from_str(&value).expect("digits are a header's value");
            (HeaderName::from_static(name), value)
        });
        let headers = mac.into_iter().chain([(IF_NONE_MATCH, tag)]).collect();
        let answer = client.ask(&path, Proof::None, headers).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED => {}
            StatusCode::OK => return Ok(None),
            _ => match answer.into_error().await {
                wait if wait.wait().is_some() => return Err(wait.into()),
                redirect @ HttpError::Redirected { .. } => return Err(redirect.into()),
                // A service that knows no beacons, or lost its tables: the full way tells what is the matter.
                error => {
                    tracing::info!(%error, "no idle poll can be had; a full update is made");
                    return Ok(None);
                }
            },
        }
        self.state.put_contact(&Contact { at: self.state.seconds(), ..contact.clone() })?;
        let generation = session.installed.as_ref().map(|manifest| manifest.generation);
        Ok(Some(UpdateReport { outcome: seen.outcome, idle: true, ..UpdateReport::new(contact.assignment, generation) }))
    }

    /// Whether the service's bare word that nothing changed is enough now.
    fn may_idle(&self, seen: &Seen, session: &Session) -> Result<bool, AgentError> {
        let age = self.state.seconds() - seen.full_at;
        // One from the future was made before the clock was set back.
        let is_recent = age >= 0 && age.unsigned_abs() < self.full_every.as_secs();
        let local = self.local(session, session.installed.as_ref())?;
        if !self.state.faults()?.is_empty() {
            return Ok(false);
        }
        Ok(is_recent && seen.local == local && (seen.outcome == Outcome::NothingAssigned || self.is_timestamp_valid()?))
    }

    fn is_timestamp_valid(&self) -> Result<bool, AgentError> {
        let trusted = self.state.trusted()?;
        let Some(text) = trusted.get("timestamp.json") else { return Ok(false) };
        let timestamp: Result<Signed<Timestamp>, _> = tuf::read(text.as_bytes());
        Ok(timestamp.is_ok_and(|timestamp| timestamp.signed.expires > self.state.now()))
    }

    /// Keeps what a full update was told.
    pub(super) fn remember(&self, session: &Session, told: &CheckedIn, report: &UpdateReport) -> Result<(), AgentError> {
        // What was installed just now will be told otherwise: "current", and no longer "refresh". The next full update hears that.
        // Something staged may be due at any poll.
        let is_done = report.faults.is_empty() && ![Outcome::Installed, Outcome::Staged].contains(&report.outcome);
        let beacon = told.beacon.clone().filter(|_| is_done);
        let installed = report.generation.map(|number| self.state.manifest(number)).transpose()?;
        let local = self.local(session, installed.as_ref())?;
        let outcome = report.outcome;
        let (poll_seconds, poll_key) = (told.poll_seconds, told.poll_key.clone());
        self.state.put_seen(&Seen { beacon, full_at: self.state.seconds(), local, outcome, poll_seconds, poll_key })
    }

    /// A digest of all that a check-in would tell, and of what this terminal keeps back of what it is assigned.
    fn local(&self, session: &Session, installed: Option<&Manifest>) -> Result<Sha256Hex, AgentError> {
        let facts = self.facts(session);
        let told = (facts, installed.map(Manifest::releases), self.state.held()?, &session.identity.service);
        Ok(Sha256Hex::of(&serde_json::to_vec(&told).expect("facts are plain JSON")))
    }
}

fn pause(failures: u32, every: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MAX.max(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_or_the_usual_time() {
        let every = Duration::from_mins(10);
        let pauses = [0, 1, 2, 3, 7, 8, 9, 4_000_000_000].map(|failures| pause(failures, every).as_secs());
        assert_eq!(pauses, [30, 30, 60, 120, 1920, 3600, 3600, 3600]);
        assert_eq!(pause(40, Duration::from_hours(5)), Duration::from_hours(5));
    }
}
