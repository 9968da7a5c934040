//! The agent that stays: asks the service from time to time, puts staged generations in force when their time comes, and
//! watches those on probation.
//!
//! A fleet that asks all at once is an attack on its own service. So each terminal begins at a place of its own in the
//! interval, by its number, and then waits as [`Agent::poll`] says: what the service names, or the owner, jitter, and back-off.
//! Waits are measured by a clock that nobody can set.

use crate::agent::poll::POLL_EVERY;
use crate::agent::watch::Hint;
use crate::agent::{
    Agent, AgentError, Polled, Rollback, Settings, StagedStatus, Trigger, UpdateOptions, UpdateReport, probation,
};
use crate::disk::Lock;
use crate::wire::Sha256Hex;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Longest sleep at a time: how soon a window that opens, new settings or a failed generation are noticed.
const GLANCE: Duration = Duration::from_mins(1);
/// Least time from one poll to the next that a hint causes, whatever a service says.
const HINTED_POLLS_APART: Duration = Duration::from_secs(2);

/// What a daemon tells of.
#[derive(Debug)]
pub enum Tick {
    /// The service was asked.
    Updated(Box<UpdateReport>),
    /// A staged generation was put in force.
    Applied(StagedStatus),
    /// A generation on probation failed.
    FellBack(Rollback),
    /// It did not work; it is tried again.
    Failed(AgentError),
    /// The service is asked again after this time.
    Next(Duration),
    /// The service said that something may have changed, and is asked after this time.
    Hinted(Duration),
}

/// An agent that runs until it is dropped. One for each state folder.
pub struct Daemon {
    agent: Agent,
    terminal: String,
    _lock: Lock,
}

impl Daemon {
    /// A daemon for the terminal of `agent`.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`]; [`AgentError::Busy`] when there is one already; [`AgentError::Settings`].
    pub fn new(agent: Agent) -> Result<Self, AgentError> {
        let folder = agent.state.folder();
        let identity = agent.state.identity()?.ok_or_else(|| AgentError::NotEnrolled(folder.to_owned()))?;
        Settings::load(folder)?;
        let lock = Lock::try_take(&folder.join("daemon.lock"))?.ok_or_else(|| AgentError::Busy(folder.to_owned()))?;
        Ok(Daemon { terminal: identity.terminal, agent, _lock: lock })
    }

    /// Goes on for ever, telling `tell` of what happens. Dropped, it ends after the step that it is in: what is on its way is
    /// given up, and begun anew next time.
    pub async fn run(&self, tell: &mut (dyn FnMut(&Tick) + Send)) {
        let (hints, heard) = watch::channel(Hint::default());
        // Both in one task, so that dropping this ends both.
        tokio::select! {
            () = self.agent.listen(hints) => {}
            () = self.run_hearing(heard, tell) => {}
        }
    }

    async fn run_hearing(&self, mut hints: watch::Receiver<Hint>, tell: &mut (dyn FnMut(&Tick) + Send)) {
        let options = UpdateOptions { trigger: Trigger::Timer, ..UpdateOptions::default() };
        let mut wait = self.first_wait();
        loop {
            tell(&Tick::Next(wait));
            self.idle(wait, &mut hints, tell).await;
            let Polled { result, next } = self.agent.poll_with(&options, self.interval()).await;
            match result {
                Ok(report) => tell(&Tick::Updated(Box::new(report))),
                // The owner switched it off; so it is looked at again, not reported.
                Err(AgentError::TriggerOff(_)) => {}
                Err(error) => tell(&Tick::Failed(error)),
            }
            wait = next;
        }
    }

    /// Sleeps, for less when there is a hint, and every minute does what needs no network.
    async fn idle(&self, mut left: Duration, hints: &mut watch::Receiver<Hint>, tell: &mut (dyn FnMut(&Tick) + Send)) {
        let began = Instant::now();
        let mut probed = false;
        loop {
            let agent = self.agent.clone();
            let glance = tokio::task::spawn_blocking(move || agent.glance(!probed)).await;
            probed = true;
            match glance.unwrap_or_else(|e| Err(e.into())) {
                Ok(ticks) => ticks.iter().for_each(&mut *tell),
                // Somebody else is at work; the next glance is soon.
                Err(AgentError::Busy(_)) => {}
                Err(error) => tell(&Tick::Failed(error)),
            }
            if left.is_zero() {
                return;
            }
            let nap = left.min(GLANCE);
            let napping = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(nap) => left -= nap,
                Ok(()) = hints.changed() => {
                    let hinted = hints.borrow_and_update().wait().max(HINTED_POLLS_APART.saturating_sub(began.elapsed()));
                    left = left.saturating_sub(napping.elapsed());
                    // A hint puts no poll off.
                    if hinted < left {
                        left = hinted;
                        tell(&Tick::Hinted(hinted));
                    }
                }
            }
        }
    }

    /// The owner's interval; settings that were harmed meanwhile fail the update, not the daemon.
    fn interval(&self) -> Option<Duration> {
        Settings::load(self.agent.state.folder()).unwrap_or_default().interval()
    }

    /// A terminal that knows what it shall run waits for its place in the interval; one that runs nothing asks at once.
    fn first_wait(&self) -> Duration {
        match self.agent.state.current() {
            Ok(Some(_)) => place(&self.terminal, self.interval().unwrap_or(POLL_EVERY)),
            _ => Duration::ZERO,
        }
    }
}

impl Agent {
    /// What needs no network: a probation is settled, its generation probed if `probe`, and what is staged is put in force.
    fn glance(&self, probe: bool) -> Result<Vec<Tick>, AgentError> {
        let mut ticks = Vec::new();
        if probation::status(&self.state)?.is_some() {
            let settled = {
                let _lock = self.lock()?;
                probation::settle(&self.state)?
            };
            let probed = match &settled {
                None if probe => self.probe()?.fell_back,
                _ => None,
            };
            ticks.extend(settled.or(probed).map(Tick::FellBack));
        }
        ticks.extend(self.apply_if_due()?.map(Tick::Applied));
        Ok(ticks)
    }
}

/// A terminal's place in the interval: spread evenly by its number.
fn place(terminal: &str, interval: Duration) -> Duration {
    let digest = Sha256Hex::of(terminal.as_bytes());
    let (bytes, _) = digest.bytes().split_first_chunk::<4>().expect("a digest has 32 bytes");
    interval.mul_f64(f64::from(u32::from_le_bytes(*bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn terminals_are_spread_over_the_interval() {
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let place = place(&format!("terminal {number}"), HOUR);
            assert!(place <= HOUR);
            tenths[(place.as_secs() * 10 / 3601) as usize] += 1;
        }
        assert!(tenths.iter().all(|count| (60..140).contains(count)), "{tenths:?}");
        assert_eq!(place("one", HOUR), place("one", HOUR));
    }
}
