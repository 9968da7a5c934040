//! Mends a blob in the store of which the disk harmed a part, so that a delta can be applied to it.
//!
//! A blob's table has the digest of every packed segment, so the harmed ones are known, and they alone are fetched, by ranges of the
//! blob that the service still has. What comes of it is believed when it has the digest that the blob is named by.

use crate::agent::AgentError;
use crate::agent::state::State;
use crate::blob;
use crate::deltas::Node;
use crate::disk::Access;
use crate::http::{Client, HttpError, Proof};
use crate::tuf::SignedRelease;
use crate::wire::Sha256Hex;
use reqwest::StatusCode;
use reqwest::header::{HeaderValue, RANGE};
use std::ops::Range;

/// Looks and fetches at most so often: the header, the table, the segments.
const ROUNDS_MAX: usize = 3;
/// Most ranges of one round; where more is harmed, the whole new blob is the better way.
const RANGES_MAX: usize = 8;

/// The blob at `node`, of the channel of `signed`, mended and put back into the store; nothing when that would cost more than half of
/// fetching `signed` whole. Adds what it fetched to `fetched`.
pub(crate) async fn mend(
    client: &Client,
    state: &State,
    signed: &SignedRelease,
    node: &Node,
    mut bytes: Vec<u8>,
    fetched: &mut (dyn FnMut(u64) + Send),
) -> Result<Option<Vec<u8>>, AgentError> {
    let path =
        format!("/targets/m/{}/{}/{}.{}.titer", signed.channel.maker(), signed.channel.name(), node.sha256, node.release);
    let mut left = signed.length.min(node.length) / 2;
    // The index was signed, but a terminal allocates for no more than its maker's newest blob is about.
    if node.length > 4 * signed.length.max(1 << 20) {
        return Ok(None);
    }
    bytes.resize(node.length as usize, 0);
    for _ in 0..ROUNDS_MAX {
        let ranges = blob::harmed(&bytes);
        let wanted: u64 = ranges.iter().map(|range| (range.end - range.start) as u64).sum();
        if ranges.is_empty() {
            break;
        }
        if ranges.len() > RANGES_MAX || wanted > left {
            return Ok(None);
        }
        left -= wanted;
        for range in ranges {
            let part = part(client, &path, &range, fetched).await?;
            bytes[range].copy_from_slice(&part);
        }
    }
    if Sha256Hex::of(&bytes) != node.sha256 {
        return Ok(None);
    }
    tracing::warn!(path, "a blob that the disk had harmed is mended");
    let (state, path, mended) = (state.clone(), state.blob_path(&node.sha256), bytes.clone());
    tokio::task::spawn_blocking(move || state.disk.replace(&path, &mended, Access::Public)).await??;
    Ok(Some(bytes))
}

async fn part(
    client: &Client,
    path: &str,
    range: &Range<usize>,
    fetched: &mut (dyn FnMut(u64) + Send),
) -> Result<Vec<u8>, AgentError> {
    let asked = format!("bytes={}-{}", range.start, range.end - 1);
    let asked = HeaderValue::from_str(&asked).expect("numbers are a header's value");
    let answer = client.ask(path, Proof::None, vec![(RANGE, asked)]).await?;
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Err(answer.into_error().await.into());
    }
    let url = answer.url().to_string();
    let part = answer.read(range.len() as u64, fetched).await?;
    let short = || HttpError::Unreadable { url, reason: format!("{} bytes instead of {}", part.len(), range.len()) };
    if part.len() == range.len() { Ok(part) } else { Err(short().into()) }
}
