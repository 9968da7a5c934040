//! `titer bundle`.

use super::admin::releases;
use super::agent::hinted;
use crate::args::{BundleArgs, BundleCommand};
use crate::exit::Exit;
use crate::output::{say, size, time, write, write_json};
use anyhow::Context;
use serde_json::json;
use std::io;
use std::path::Path;
use updater::Channel;
use updater::agent::{self, AgentError, gather};
use url::Url;

/// Runs `titer bundle`.
pub(crate) fn run(args: &BundleArgs) -> anyhow::Result<Exit> {
    let BundleCommand::Export { service, state, channels, output, json } = &args.command;
    let (service, own) = match (service, state) {
        (Some(service), _) => (service.clone(), Vec::new()),
        (None, Some(state)) => of_terminal(state)?,
        (None, None) => unreachable!("the command line asks for one of them"),
    };
    let channels = if channels.is_empty() { own } else { channels.clone() };
    let (bytes, exported) = updater::block_on(gather(&service, &channels))?.map_err(hinted)?;
    write(output, &bytes)?;
    if *json {
        write_json(&mut io::stdout(), &json!(exported))?;
    } else {
        let until = time(exported.expires).unwrap_or_default();
        say!("{}: {} in {}", output.display(), releases(&exported.releases), size(exported.length));
        say!("terminals take it until {until}, and as long after it as their settings say");
    }
    Ok(Exit::Fine)
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
