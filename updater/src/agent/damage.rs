//! An installation that the disk or somebody harmed: how that is seen, and what ought to be in force instead.
//!
//! An update makes anew what the service assigns. A release that is held back it does not, so for those what ought to be in force is found
//! out here: by the manifest that `current` names; else by the newest generation that runs nothing held back and does not wait; and where no
//! manifest is left, by what the maker still offers that is older than the release held back.
//!
//! Rejected: to leave it until there is a newer release, which is a terminal without protection that says all is well.

use crate::agent::metadata::{Metadata, Source};
use crate::agent::state::State;
use crate::agent::{AgentError, Installed, Manifest};
use crate::wire::{ChannelRelease, MakerName};

/// What is wrong with what is installed; nothing when it is whole, or when nothing was installed. Blocks: the database is hashed.
pub(crate) fn found(state: &State) -> Result<Option<AgentError>, AgentError> {
    let number = match state.current() {
        Ok(Some(number)) => number,
        Ok(None) => {
            let left = newest(state)?.map(|left| left.generation);
            let path = state.folder().join("current");
            return Ok(left.map(|left| AgentError::Damaged {
                path,
                reason: format!("it is missing, and generation {left} is there"),
            }));
        }
        Err(error) => return Ok(Some(error)),
    };
    if let Err(error) = state.manifest(number) {
        return Ok(Some(error));
    }
    let reason = "it is missing, or its content is not what was tested".to_owned();
    let harmed = || AgentError::Damaged { path: state.database(number), reason };
    Ok(if state.is_whole(number)? { None } else { Some(harmed()) })
}

/// What ought to be in force, whole or not; `None` when nothing was installed, and no channels when nobody can tell.
pub(crate) fn meant(state: &State) -> Result<Option<Vec<Installed>>, AgentError> {
    let named = match state.current() {
        Ok(Some(number)) => state.manifest(number).ok(),
        Ok(None) => return Ok(newest(state)?.map(|manifest| manifest.channels)),
        Err(_) => None,
    };
    let manifest = named.map_or_else(|| newest(state), |named| Ok(Some(named)))?;
    Ok(Some(manifest.map(|manifest| manifest.channels).unwrap_or_default()))
}

/// The newest generation on disk that runs nothing held back and does not wait.
fn newest(state: &State) -> Result<Option<Manifest>, AgentError> {
    let (held, staged) = (state.held()?, state.staged()?.map(|mark| mark.generation));
    let names = state.disk.names(&state.folder().join("gen"))?;
    let mut numbers = names.iter().filter_map(|name| name.parse::<u64>().ok()).collect::<Vec<_>>();
    numbers.sort_unstable();
    let others = numbers.into_iter().rev().filter(|number| Some(*number) != staged);
    let mut manifests = others.filter_map(|number| state.manifest(number).ok());
    Ok(manifests.find(|manifest| !manifest.releases().iter().any(|at| held.contains(at))))
}

/// What a channel runs whose assigned release is held back and of which nothing is known here any more: the newest older one on offer.
pub(crate) async fn before_held(
    metadata: &Metadata,
    source: &Source,
    at: &ChannelRelease,
    held: &[ChannelRelease],
) -> Result<Option<ChannelRelease>, AgentError> {
    let offered = metadata.role(source, &MakerName::of(&at.channel)?).await?.releases.into_iter();
    let older = offered.filter(|on_offer| on_offer.channel == at.channel && on_offer.release < at.release);
    let older = older.map(|on_offer| ChannelRelease { channel: on_offer.channel, release: on_offer.release });
    Ok(older.filter(|on_offer| !held.contains(on_offer)).max_by_key(|on_offer| on_offer.release))
}
