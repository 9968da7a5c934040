//! `titer agent run`: the agent as a service of the system, which restarts it and keeps what it says.

use super::{describe, hinted};
use crate::exit::Exit;
use crate::output::{coded, remark, say};
use serde_json::json;
use std::path::Path;
use updater::agent::{Agent, AgentError, Daemon, Tick};

/// Runs until SIGTERM or SIGINT; whatever is on its way then is given up as safely as by a power failure.
pub(super) fn run(state: &Path, agent: &Agent, as_json: bool) -> anyhow::Result<Exit> {
    let daemon = Daemon::new(agent.clone()).map_err(|error| match error {
        AgentError::Busy(_) => coded(&error, error.code(), Some("one `titer agent run` is enough for a state folder")),
        error => hinted(error),
    })?;
    if as_json {
        say!("{}", json!({"type": "began"}));
    } else {
        say!("keeping {} up to date", state.display());
    }
    let mut report = if as_json { report_json } else { report };
    updater::block_on(async {
        tokio::select! {
            () = daemon.run(&mut report) => {}
            () = told_to_end() => {}
        }
    })?;
    if as_json {
        say!("{}", json!({"type": "ended"}));
    } else {
        say!("ended");
    }
    Ok(Exit::Fine)
}

/// One JSON object for whatever happened.
fn report_json(tick: &Tick) {
    let object = match tick {
        Tick::Updated(update) => json!({"type": "updated", "update": update}),
        Tick::Applied(staged) => json!({"type": "applied", "staged": staged}),
        Tick::FellBack(back) => json!({"type": "fell_back", "rollback": back}),
        Tick::Failed(error) => {
            json!({"type": "error", "path": null, "code": error.code(), "message": format!("{error} ({})", error.code())})
        }
        Tick::Hinted(wait) => json!({"type": "hinted", "seconds": wait.as_secs()}),
        Tick::Next(wait) => json!({"type": "next", "seconds": wait.as_secs()}),
    };
    say!("{object}");
}

/// One line for whatever happened; the system's journal adds the time.
fn report(tick: &Tick) {
    match tick {
        Tick::Updated(update) => {
            say!("{}", update.assignment.words);
            update.channels.iter().for_each(|channel| say!("{}", describe(channel)));
            update.faults.iter().for_each(|fault| remark!("{}: {} ({})", fault.channel, fault.words, fault.code));
            update.warnings.iter().for_each(|warning| remark!("{} ({})", warning.words, warning.code));
        }
        Tick::Applied(staged) => say!("generation {}, which was staged, is in force", staged.generation),
        Tick::FellBack(back) => remark!("generation {} failed; {} is in force again", back.from, back.to),
        Tick::Failed(error) => remark!("{error} ({})", error.code()),
        Tick::Hinted(wait) => say!("the service has news; next in {} s", wait.as_secs()),
        Tick::Next(wait) => say!("next in {} min", wait.as_secs().div_ceil(60)),
    }
}

#[cfg(unix)]
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
    let [Ok(mut terminate), Ok(mut interrupt)] = kinds.map(signal) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    drop(tokio::signal::ctrl_c().await);
}
