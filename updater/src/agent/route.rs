//! Which way a release comes: along which deltas, or whole.
//!
//! The signed index is searched for the cheapest way from what is in the store (`crate::deltas`). What was refused once is remembered
//! in `refused-deltas.json` until the channel moves on, and not tried again: an index or a delta that is wrong today is wrong at the next
//! poll, and the whole blob is known to be right.

use crate::agent::AgentError;
use crate::agent::fetch::is_of_the_line;
use crate::agent::state::{Refusal, State};
use crate::deltas::{Edge, INDEX_LEN_MAX, Index, IndexError, Node};
use crate::http::{Client, HttpError};
use crate::keys::PublicKey;
use crate::tuf::{self, SignedRelease};
use crate::wire::Sha256Hex;
use tough::schema::key::Key;
use tough::schema::{RoleType, Root, Signed};

/// Deltas to apply one after the other; none for the whole blob.
#[derive(Debug, Default)]
pub(crate) struct Route {
    pub(crate) steps: Vec<(Node, Node, Edge)>,
    /// Why the index was not followed, when it was refused just now.
    pub(crate) fault: Option<&'static str>,
}

/// Chooses the way to `signed`. An index that cannot be had, or not be believed, makes it the whole blob.
///
/// # Errors
/// When the service cannot be reached, which is no reason to fetch more from it; and when the state cannot be written.
pub(crate) async fn choose(client: &Client, state: &State, signed: &SignedRelease) -> Result<Route, AgentError> {
    let held = state.disk.names(&state.folder().join("store")).unwrap_or_default();
    let refusals = refusals(state, signed);
    if held.is_empty() || refusals.iter().any(|refusal| refusal.delta.is_none()) {
        return Ok(Route::default());
    }
    let got = client.get(&format!("/v1/deltas/{}", signed.sha256), INDEX_LEN_MAX, &mut |_| {}).await;
    let bytes = match got {
        Ok(bytes) => bytes,
        Err(HttpError::TooLong { .. }) => return refuse_index(state, signed, IndexError::TooLarge),
        Err(error) => {
            let error = AgentError::from(error);
            if is_of_the_line(&error) {
                return Err(error);
            }
            tracing::warn!(path = signed.path(), %error, "the delta index cannot be had");
            return Ok(Route::default());
        }
    };
    let index = match Index::read(&bytes, &timestamp_keys(state)?, &signed.sha256) {
        Ok(index) => index,
        Err(error) => return refuse_index(state, signed, error),
    };
    let is_held = |sha256: &Sha256Hex| held.contains(&sha256.to_string());
    let is_refused = |sha256: &Sha256Hex| refusals.iter().any(|refusal| refusal.delta.as_ref() == Some(sha256));
    Ok(Route { steps: index.cheapest(is_held, is_refused, signed.length), fault: None })
}

fn refuse_index(state: &State, signed: &SignedRelease, error: IndexError) -> Result<Route, AgentError> {
    tracing::warn!(path = signed.path(), code = error.code(), "{error}; the whole blob is fetched");
    remember(state, signed, None, error.code())?;
    Ok(Route { steps: Vec::new(), fault: Some(error.code()) })
}

/// Notes that a delta, or for `None` the index, is not to be tried again for this release.
pub(crate) fn remember(
    state: &State,
    signed: &SignedRelease,
    delta: Option<Sha256Hex>,
    code: &str,
) -> Result<(), AgentError> {
    let of_others = |refusal: &Refusal| refusal.channel != signed.channel.to_string();
    let mut kept: Vec<Refusal> = all_refusals(state).into_iter().filter(of_others).collect();
    kept.extend(refusals(state, signed).into_iter().filter(|refusal| refusal.delta != delta));
    kept.push(Refusal { channel: signed.channel.to_string(), to: signed.sha256, delta, code: code.to_owned() });
    state.put_refusals(&kept)
}

/// What was refused on the way to this release.
fn refusals(state: &State, signed: &SignedRelease) -> Vec<Refusal> {
    all_refusals(state).into_iter().filter(|refusal| refusal.to == signed.sha256).collect()
}

/// A file that cannot be read costs no update, only another try.
fn all_refusals(state: &State) -> Vec<Refusal> {
    let read = state.refusals();
    read.inspect_err(|error| tracing::warn!(%error, "what deltas were refused is forgotten")).unwrap_or_default()
}

/// The keys that root gives the timestamp to, by what this terminal trusts.
fn timestamp_keys(state: &State) -> Result<Vec<PublicKey>, AgentError> {
    let trusted = state.trusted()?;
    let root: Signed<Root> = tuf::read(trusted.get("root.json").map(String::as_bytes).unwrap_or_default())?;
    let Some(role) = root.signed.roles.get(&RoleType::Timestamp) else { return Ok(Vec::new()) };
    let keys = role.keyids.iter().filter_map(|keyid| root.signed.keys.get(keyid));
    Ok(keys
        .filter_map(|key| match key {
            Key::Ed25519 { keyval, .. } => hex::encode(keyval.public.as_ref() as &[u8]).parse().ok(),
            _ => None,
        })
        .collect())
}
