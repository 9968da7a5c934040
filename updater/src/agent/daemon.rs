//! The agent that stays: asks the service from time to time, puts staged generations in force when their time comes, and
//! watches those on probation.
//!
//! A fleet that asks all at once is an attack on its own service. So each terminal has a place of its own in the interval, by
//! its number, and each wait is lengthened or shortened by up to a tenth at random: terminals that were started together, as
//! after a power failure, drift apart and stay apart. Waits are measured by a clock that nobody can set. What the service
//! answers to wait goes before all this; a check that failed is repeated sooner, and ever later while it fails.

use crate::agent::{Agent, AgentError, Rollback, Settings, StagedStatus, Trigger, UpdateReport, probation};
use crate::disk::Lock;
use crate::wire::Sha256Hex;
use std::time::Duration;

/// Longest sleep at a time: how soon a window that opens, new settings or a failed generation are noticed.
const GLANCE: Duration = Duration::from_mins(1);
/// First wait after a failure.
const RETRY: Duration = Duration::from_mins(2);

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
        let mut failures = 0;
        let mut wait = self.first_wait();
        loop {
            tell(&Tick::Next(wait));
            self.idle(wait, tell).await;
            match self.agent.update_by(Trigger::Timer, false).await {
                Ok(report) => {
                    failures = 0;
                    tell(&Tick::Updated(Box::new(report)));
                }
                // The owner switched it off; so it is looked for again, not reported.
                Err(AgentError::TriggerOff(_)) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tell(&Tick::Failed(error));
                }
            }
            wait = jittered(wait_after(self.interval(), failures), random());
        }
    }

    /// Sleeps, and every minute does what needs no network.
    async fn idle(&self, mut left: Duration, tell: &mut (dyn FnMut(&Tick) + Send)) {
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
            tokio::time::sleep(nap).await;
            left -= nap;
        }
    }

    fn interval(&self) -> Duration {
        Settings::load(self.agent.state.folder()).unwrap_or_default().interval()
    }

    /// A terminal that knows what it shall run waits for its place in the interval; one that runs nothing asks at once.
    fn first_wait(&self) -> Duration {
        match self.agent.state.current() {
            Ok(Some(_)) => place(&self.terminal, self.interval()),
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

/// The wait after so many failures in a row: the interval after none, else minutes that double up to it.
fn wait_after(interval: Duration, failures: u32) -> Duration {
    match failures {
        0 => interval,
        failures => RETRY.saturating_mul(1 << (failures - 1).min(16)).min(interval),
    }
}

/// `wait`, up to a tenth more or less; `random` is 0 to 1.
fn jittered(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(0.9 + 0.2 * random)
}

/// A number from 0 to 1. Where there is no randomness, the middle.
fn random() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
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

    #[test]
    fn failures_are_repeated_sooner_and_ever_later() {
        let waits = [0, 1, 2, 3, 4, 5, 6, 40, u32::MAX].map(|failures| wait_after(HOUR, failures).as_secs() / 60);
        assert_eq!(waits, [60, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(wait_after(Duration::from_mins(1), 3), Duration::from_mins(1));
        assert_eq!(jittered(HOUR, 0.5), HOUR);
        assert!(jittered(HOUR, 0.0) >= HOUR.mul_f64(0.89) && jittered(HOUR, 1.0) <= HOUR.mul_f64(1.11));
    }
}
