//! Generations that are made and tested and wait: for a command, for consent, or for their time of day.

use crate::agent::generation::{self, Installed, Manifest};
use crate::agent::state::{State, Timing};
use crate::agent::{Agent, AgentError, Consent, Settings, StagedStatus, WaitsFor, probation};
use jiff::Timestamp as Time;
use jiff::tz::TimeZone;

/// What keeps a new generation from being put in force, the weightiest first.
///
/// What the service calls urgent breaks the window only where the owner lets it; the service's own wish to wait binds the agent and no person.
pub(crate) fn waits_for(settings: &Settings, stage_only: bool, timing: Timing, now: &Time) -> Option<WaitsFor> {
    if stage_only {
        return Some(WaitsFor::Command);
    }
    if settings.consent == Consent::Ask {
        return Some(WaitsFor::Consent);
    }
    if timing.earliest.is_some_and(|earliest| now.as_second() < earliest) {
        return Some(WaitsFor::Date);
    }
    let closed = settings.window.is_some_and(|window| !window.is_open(&now.to_zoned(TimeZone::system())));
    (closed && !(settings.urgent && timing.urgent)).then_some(WaitsFor::Window)
}

/// The staged generation, when there is one and it is whole; one that is not counts as none. Blocks: its database is hashed.
pub(crate) fn staged(state: &State) -> Result<Option<Manifest>, AgentError> {
    match state.staged() {
        Ok(Some(mark)) if state.is_whole(mark.generation)? => Ok(Some(state.manifest(mark.generation)?)),
        Ok(_) | Err(AgentError::Damaged { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a staged generation is the one that would be made now.
pub(crate) fn serves(staged: &Manifest, wanted: &[Installed], in_force: Option<&Manifest>) -> bool {
    staged.channels == wanted && staged.previous == in_force.map(|manifest| manifest.generation)
}

/// What is staged, for people.
pub(crate) fn status(state: &State) -> Result<Option<StagedStatus>, AgentError> {
    let Some(mark) = state.staged()? else { return Ok(None) };
    let channels = state.manifest(mark.generation).map(|manifest| manifest.channels).unwrap_or_default();
    Ok(Some(StagedStatus { generation: mark.generation, channels, at: mark.at, waits_for: None }))
}

impl Agent {
    /// Puts the staged generation in force, at any time of day. Blocks; needs no network.
    ///
    /// # Errors
    /// [`AgentError::NothingStaged`]; [`AgentError::StagedOutdated`] when another generation came into force since it was made.
    pub fn apply(&self) -> Result<StagedStatus, AgentError> {
        self.state.identity()?.ok_or(AgentError::NothingStaged)?;
        let settings = Settings::load(self.state.folder())?;
        let _lock = self.lock()?;
        let staged = status(&self.state)?.ok_or(AgentError::NothingStaged)?;
        let manifest = self::staged(&self.state)?;
        let in_force = self.state.current_if_readable()?;
        // One without a predecessor was made when nothing whole was in force.
        let follows = |manifest: &Manifest| manifest.previous.is_none() || manifest.previous == in_force;
        let Some(manifest) = manifest.filter(follows) else {
            self.state.drop_staged()?;
            return Err(AgentError::StagedOutdated { staged: staged.generation });
        };
        generation::put_in_force(&self.state, &manifest, &settings.probation)?;
        self.state.journal().did("switch");
        Ok(staged)
    }

    /// Puts the staged generation in force if the settings let the agent do so now; `None` when they do not, or when nothing
    /// is staged. Blocks; needs no network.
    ///
    /// # Errors
    /// As [`Agent::apply`].
    pub fn apply_if_due(&self) -> Result<Option<StagedStatus>, AgentError> {
        let settings = Settings::load(self.state.folder())?;
        let Some(staged) = self.state.staged()? else { return Ok(None) };
        if waits_for(&settings, false, staged.timing, &self.state.now()).is_some() {
            return Ok(None);
        }
        self.apply().map(Some)
    }

    /// Drops the staged generation and holds its new releases back: the agent does not come with them again. The service is
    /// told at the next contact. Blocks; needs no network.
    ///
    /// # Errors
    /// [`AgentError::NothingStaged`].
    pub fn decline(&self) -> Result<StagedStatus, AgentError> {
        self.state.identity()?.ok_or(AgentError::NothingStaged)?;
        let _lock = self.lock()?;
        let staged = status(&self.state)?.ok_or(AgentError::NothingStaged)?;
        let in_force = match self.state.current_if_readable()? {
            Some(number) => self.state.manifest(number)?.releases(),
            None => Vec::new(),
        };
        let offered = self.state.manifest(staged.generation)?.releases();
        probation::hold(&self.state, offered.into_iter().filter(|at| !in_force.contains(at)))?;
        self.state.add_fault("consent", "declined", format!("generation {} was declined here", staged.generation))?;
        self.state.drop_staged()?;
        self.state.journal().did(format!("decline generation {}", staged.generation));
        Ok(staged)
    }
}
