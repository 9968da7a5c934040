//! A scan with what is installed: brought up to date first, where that is wished, and watched, while it is on probation.

use crate::args::ScanArgs;
use crate::commands::{self, agent::hinted};
use crate::engine_adapter::Adapter;
use crate::output::{coded, remark};
use std::path::{Path, PathBuf};
use std::time::Duration;
use updater::agent::{self, Agent, AgentError, SETTINGS_FILE, ScanMark, Settings, Trigger, WhenStale};

/// A scan that is watched; dropped by an error, it says nothing of the signatures.
pub(super) struct Watch(ScanMark);

impl Watch {
    /// The scan came to its end.
    pub(super) fn end(self) {
        self.0.end();
    }
}

/// Before the installed database is looked for.
pub(super) fn begin(args: &ScanArgs) -> anyhow::Result<Option<Watch>> {
    let state = commands::state_folder(args.state.as_deref());
    if !args.no_update {
        bring_up_to_date(&state, args.update)?;
    }
    let Ok(Some(mark)) = agent::begin_scan(&state) else {
        // What is wrong with the state is said by whoever opens the database.
        return Ok(None);
    };
    take_back_when_interrupted(mark.path().to_owned());
    Ok(Some(Watch(mark)))
}

/// Asks the service, if the settings or the command line say so, and does with old signatures what the settings say.
fn bring_up_to_date(state: &Path, asked: bool) -> anyhow::Result<()> {
    // A terminal that is not enrolled, or whose settings are wrong, can still scan; `titer agent` says what is wrong.
    let settings = match Settings::load(state) {
        Ok(settings) => settings,
        Err(error) if asked => return Err(hinted(error)),
        Err(error) if may_block(state) => {
            let hint = "mend agent.toml in the state folder; `--no-update` scans without it";
            return Err(coded(&error, error.code(), Some(hint)));
        }
        Err(error) => {
            remark!("note: scanning without an update: {error} ({})", error.code());
            return Ok(());
        }
    };
    if !(asked || settings.allows(Trigger::Scan)) {
        return Ok(());
    }
    let trigger = if asked { Trigger::Command } else { Trigger::Scan };
    let agent = Agent::new(state, Adapter);
    let patience = Duration::from_secs(settings.triggers.scan_wait_seconds);
    let updated = updater::block_on(async { tokio::time::timeout(patience, agent.update_by(trigger, false)).await })?;
    let failed = match updated {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(AgentError::NotEnrolled(_))) if !asked => return Ok(()),
        Ok(Err(error)) => format!("{error} ({})", error.code()),
        Err(_) => format!("the update is not through after {} s", patience.as_secs()),
    };
    stale(state, &settings, &failed)
}

/// Whether settings that cannot be understood may be those of somebody who wants no scan with old signatures. That they cannot be read for
/// another mistake must not let scans pass that they were written to stop.
fn may_block(state: &Path) -> bool {
    let text = std::fs::read(state.join(SETTINGS_FILE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.filter(|line| line.contains("when_stale")).any(|line| line.contains("block"))
}

/// Old signatures are continued with, warned of, or refused.
fn stale(state: &Path, settings: &Settings, failed: &str) -> anyhow::Result<()> {
    let last = agent::status(state).ok().and_then(|status| status.last_contact);
    let now = jiff::Timestamp::now().as_second();
    let age = last.map(|last| now.saturating_sub(last));
    let limit = i64::try_from(settings.triggers.stale_hours * 3600).unwrap_or(i64::MAX);
    // A clock that is behind does not tell how long ago that was.
    let is_stale = age.is_none_or(|age| !(0..=limit).contains(&age));
    let said = match age {
        Some(..0) => "the service was last heard of at a time that this machine's clock has not reached".to_owned(),
        Some(age) => format!("the service was last heard of {} h ago", age / 3600),
        None => "the service was never heard of".to_owned(),
    };
    match settings.triggers.when_stale {
        WhenStale::Block if is_stale => {
            let hint = "`--no-update` scans with what is installed; `when_stale` in agent.toml says what happens here";
            Err(coded(&format!("{said}, and an update failed: {failed}"), "signatures_stale", Some(hint)))
        }
        WhenStale::Warn if is_stale => {
            remark!("warning: {said}, and an update failed: {failed} (signatures_stale)");
            Ok(())
        }
        WhenStale::Warn => {
            remark!("note: scanning with what is installed; an update failed: {failed}");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Somebody who ends a scan does not accuse the signatures: the mark goes first, then the process, as the signal asked.
#[cfg(unix)]
fn take_back_when_interrupted(mark: PathBuf) {
    use tokio::signal::unix::{SignalKind, signal};
    // A scan is not worth failing for want of any of this.
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    let caught = {
        let _runtime = runtime.enter();
        // From here on, not from when the thread runs.
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = caught else { return };
    let wait = async move {
        let number = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hangup.recv() => SignalKind::hangup(),
        };
        drop(std::fs::remove_file(&mark));
        std::process::exit(128 + number.as_raw_value());
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    drop(thread.spawn(move || runtime.block_on(wait)));
}

/// Elsewhere an interrupted scan counts as one that died.
#[cfg(not(unix))]
fn take_back_when_interrupted(_: PathBuf) {}
