//! `titer bundle`.

use super::admin::releases;
use super::agent::hinted;
use crate::args::{BundleArgs, BundleCommand, SERVICE};
use crate::exit::Exit;
use crate::output::{say, size, time, with_hint, write_json, write_with};
use anyhow::Context;
use serde_json::json;
use std::fs::File;
use std::io;
use std::path::Path;
use updater::Channel;
use updater::agent::{self, AgentError, Settings, gather};
use url::Url;

/// Runs `titer bundle`.
pub(crate) fn run(args: &BundleArgs) -> anyhow::Result<Exit> {
    let BundleCommand::Export { service, state, channels, output, json, network } = &args.command;
    let (service, own) = match (service, state) {
        (Some(service), _) => (service.clone(), Vec::new()),
        (None, Some(state)) => of_terminal(state)?,
        (None, None) => (usual_service()?, Vec::new()),
    };
    let channels = if channels.is_empty() { own } else { channels.clone() };
    let mut network = network.network();
    if let Some(state) = state {
        let by_its_owner = Settings::load(state).map_err(hinted)?.network;
        network.proxy = network.proxy.or(by_its_owner.proxy);
        network.ca_file = network.ca_file.or(by_its_owner.ca.map(|file| state.join(file)));
    }
    let scratch = scratch_for(output).with_context(|| format!("cannot write beside {}", output.display()))?;
    let gathered = updater::block_on(gather(&service, &channels, &network, scratch))?.map_err(hinted)?;
    write_with(output, |out| gathered.write_to(out))?;
    let exported = gathered.exported();
    if *json {
        write_json(&mut io::stdout(), &json!(exported))?;
    } else {
        let until = time(exported.expires).unwrap_or_default();
        say!("{}: {} in {}", output.display(), releases(&exported.releases), size(exported.length));
        say!("terminals take it until {until}, and as long after it as their settings say");
    }
    Ok(Exit::Fine)
}

/// A file without a name where there will be room for the bundle, if anywhere: on the disk that it goes to.
fn scratch_for(output: &Path) -> io::Result<File> {
    let is_file = std::fs::metadata(output).is_ok_and(|found| found.is_file()) || !output.exists();
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if is_file { tempfile::tempfile_in(folder) } else { tempfile::tempfile() }
}

/// The service that the environment names. It is not one of the flag's values: what `--state` says goes before it.
fn usual_service() -> anyhow::Result<Url> {
    let hint = "give --service URL, or --state DIR of a terminal that is enrolled";
    let text = std::env::var(SERVICE).map_err(|_| with_hint("no service is named".to_owned(), hint))?;
    text.parse().map_err(|error| with_hint(format!("`{text}`, of ${SERVICE}, is no address: {error}"), hint))
}

/// Where a terminal is enrolled, and the channels of its product.
fn of_terminal(state: &Path) -> anyhow::Result<(Url, Vec<Channel>)> {
    let status = agent::status(state).map_err(hinted)?;
    let Some(service) = status.service else { return Err(hinted(AgentError::NotEnrolled(state.to_owned()))) };
    let mut channels = status.subscribed;
    channels.extend(status.channels.into_iter().map(|at| at.channel));
    channels.sort();
    channels.dedup();
    Ok((service.parse().context("the terminal's service has no address")?, channels))
}
