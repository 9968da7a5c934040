//! Whether what the service says to run is said by the director, to this terminal, now.
//!
//! ```text
//! <state>/assignments.json   the newest number that was followed of each cohort, of the last 64 cohorts
//! ```
//!
//! The director's keys are in the root that is trusted here. When they do not fit, root may have changed meanwhile, so root is followed first
//! and the answer looked at once more. The counter of the check-in, which is on the disk before it is sent, ties the answer to it: an answer of
//! before, or one that nobody asked for, is not followed.
//!
//! A bundle comes without a director: there this terminal decides by itself ([`Agent::import`]).

use crate::agent::clock;
use crate::agent::metadata;
use crate::agent::{Agent, AgentError, Session};
use crate::director::{self, DirectorError, Inquiry, Trust, Verified};
use crate::root::RootRole;
use crate::tuf;
use crate::wire::{AssignedBlob, Assignment, CheckedIn};
use crate::words::printable;
use std::collections::BTreeMap;
use tough::schema::{Root, Signed};

/// Cohorts whose numbers are kept; the oldest go first. A replay among older ones would still need a membership of its own.
const COHORTS_MAX: usize = 64;
/// Longest name of a cohort and longest value to be said next time, in bytes.
const WORD_LEN_MAX: usize = 128;

/// The newest number of each cohort.
pub(crate) type Numbers = BTreeMap<String, u64>;

/// An assignment that is to be followed.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) assignment: Assignment,
    /// What the director says of the blobs; none where there is no director.
    pub(crate) blobs: Vec<AssignedBlob>,
}

impl Order {
    /// One that this terminal gives itself.
    pub(crate) fn of_its_own(assignment: Assignment) -> Self {
        Order { assignment, blobs: Vec::new() }
    }
}

impl Agent {
    /// Verifies the answer to the check-in with this counter, and keeps what the next one needs.
    pub(super) async fn take(&self, session: &Session, told: &CheckedIn, counter: u64) -> Result<Order, AgentError> {
        let Verified { mut assignment, blobs, member, number } = match self.verify(session, told, counter) {
            Err(AgentError::Director(DirectorError::Unsigned { .. })) => {
                metadata::refresh(&session.source, &self.state).await?;
                self.verify(session, told, counter)?
            }
            verified => verified?,
        };
        if let Some((cohort, number)) = number {
            self.remember_number(cohort, number)?;
        }
        assignment.words = printable(&assignment.words);
        tracing::info!(reason = assignment.reason.code(), "the service says: {}", assignment.words);
        self.keep_contact(&assignment, member.freshness)?;
        Ok(Order { assignment, blobs })
    }

    fn verify(&self, session: &Session, told: &CheckedIn, counter: u64) -> Result<Verified, AgentError> {
        let trusted = self.state.trusted()?;
        let root: Signed<Root> = tuf::read(trusted.get("root.json").map(String::as_bytes).unwrap_or_default())?;
        let (keys, threshold) = RootRole::Director.keys_in(&root.signed);
        let trust = Trust { root: root.signed.version.get(), keys, threshold };
        let now = clock::judge(self.state.now(), &trusted, &trusted).now;
        let inquiry = Inquiry { terminal: &session.identity.terminal, counter, now };
        let verified = director::verify(&trust, &told.assignment, &told.membership, &inquiry)?;
        if verified.member.cohort.len() > WORD_LEN_MAX || verified.member.freshness.len() > WORD_LEN_MAX {
            let reason = format!("a word has more than {WORD_LEN_MAX} bytes");
            return Err(DirectorError::Malformed { kind: "membership", reason }.into());
        }
        if let Some((cohort, number)) = &verified.number {
            let least = self.state.numbers()?.get(cohort).copied().unwrap_or(0);
            director::check_number(cohort, *number, least)?;
        }
        Ok(verified)
    }

    fn remember_number(&self, cohort: String, number: u64) -> Result<(), AgentError> {
        let mut numbers = self.state.numbers()?;
        if numbers.insert(cohort, number) == Some(number) {
            return Ok(());
        }
        while numbers.len() > COHORTS_MAX {
            let oldest = numbers.iter().min_by_key(|(_, number)| **number).map(|(cohort, _)| cohort.clone());
            numbers.remove(&oldest.expect("there are more than none"));
        }
        self.state.put_numbers(&numbers)
    }
}
