//! Deltas for a new release: from which earlier ones, and within which budget.
//!
//! A terminal that is on last week's release shall need one small delta, so they are made from the releases 1, 2, 4 … 64 before the
//! new one, from the last one of each of the four weeks before, and from those that many terminals run. The graph that they
//! make joins any two releases by a few short ways. Making a delta takes both blobs in memory and about a second for every 50 MB,
//! so the most useful are made first and the budget ends the work.

use crate::blob;
use crate::service::objects::Objects;
use crate::service::publisher::PublishError;
use crate::service::store::NewDelta;
use crate::tuf::SignedRelease;
use crate::wire::Sha256Hex;
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many releases before the new one.
const STEPS_BACK: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Weeks before the one of the newest earlier release that have a checkpoint.
const CHECKPOINTS: i64 = 4;
const WEEK_SECONDS: i64 = 7 * 86_400;
/// Releases that at least one in so many of a channel's terminals runs are common.
const COMMON_SHARE: u64 = 100;
/// Most of the common ones.
const COMMON_MAX: usize = 8;
/// A delta of more than so many hundredths of the blob is not kept: it would save little and cost everybody space.
const SHARE_MAX: u64 = 35;

/// What making the deltas of one publication may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// No further delta is begun after this, however many releases there are: others wait for their turn to publish.
    pub(crate) until: Instant,
    /// Bytes of all deltas of one release, in hundredths of its blob: no further one is kept above.
    pub(crate) share: u64,
}

impl Budget {
    /// That of a publication whose turn it is now: a minute, and the size of each blob.
    pub(crate) fn from_now() -> Budget {
        Budget { until: Instant::now() + Duration::from_mins(1), share: 100 }
    }
}

/// A release that the service holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) release: u64,
    pub(crate) sha256: Sha256Hex,
    /// Seconds since 1970.
    pub(crate) published_at: i64,
    /// Terminals that run it.
    pub(crate) terminals: u64,
}

/// Blobs to make deltas from, the most useful first: the newest, those that terminals run, those few steps back, those of weeks.
/// `history` ascends by release.
pub(crate) fn bases(history: &[Earlier]) -> Vec<Sha256Hex> {
    let mut chosen = Vec::new();
    let mut choose = |earlier: &Earlier| {
        if !chosen.contains(&earlier.sha256) {
            chosen.push(earlier.sha256);
        }
    };
    let back = |steps: &usize| history.len().checked_sub(*steps).map(|at| &history[at]);
    STEPS_BACK.first().and_then(back).into_iter().for_each(&mut choose);
    let all: u64 = history.iter().map(|earlier| earlier.terminals).sum();
    let mut common: Vec<_> =
        history.iter().filter(|earlier| earlier.terminals > 0 && earlier.terminals * COMMON_SHARE >= all).collect();
    common.sort_by_key(|earlier| std::cmp::Reverse((earlier.terminals, earlier.release)));
    common.into_iter().take(COMMON_MAX).for_each(&mut choose);
    STEPS_BACK.iter().filter_map(back).for_each(&mut choose);
    let week = |earlier: &Earlier| earlier.published_at.div_euclid(WEEK_SECONDS);
    let newest = history.last().map_or(0, week);
    let weeks: BTreeMap<i64, &Earlier> = history.iter().map(|earlier| (week(earlier), earlier)).collect();
    weeks.range(newest - CHECKPOINTS..newest).rev().for_each(|(_, earlier)| choose(earlier));
    chosen
}

/// Makes the deltas to `release`, whose blob is `new`, and puts them as objects. Beside `history`, which the tables hold, there are
/// `beside`: releases of the same publication, whose objects are there already.
///
/// Bases are read one by one when their turn comes, so that two blobs are in memory and not ten. A base that cannot be read and a
/// delta that does not lead where it should are logged and left out: the whole blob remains.
pub(crate) async fn publish(
    objects: &Objects,
    release: &SignedRelease,
    new: Bytes,
    beside: &[SignedRelease],
    history: &[Earlier],
    budget: &Budget,
) -> Result<Vec<NewDelta>, PublishError> {
    let newest = history.last().map_or(0, |earlier| earlier.published_at);
    let of_channel = beside.iter().filter(|earlier| earlier.channel == release.channel);
    let mut earlier: Vec<Earlier> = history.iter().filter(|earlier| earlier.release < release.release).cloned().collect();
    earlier.extend(of_channel.map(|earlier| Earlier {
        release: earlier.release,
        sha256: earlier.sha256,
        published_at: newest,
        terminals: 0,
    }));
    earlier.sort_by_key(|earlier| earlier.release);
    let mut left = new.len() as u64 * budget.share / 100;
    let mut made = Vec::new();
    for from in bases(&earlier) {
        if Instant::now() > budget.until || left == 0 {
            tracing::info!(path = release.path(), deltas = made.len(), "the budget for deltas is used up");
            break;
        }
        let Some(base) = objects.blob(&from).await? else { continue };
        let (of_release, of_new) = (release.clone(), new.clone());
        let delta = tokio::task::spawn_blocking(move || make(&base, &of_new, &of_release)).await?;
        let kept = |delta: &Vec<u8>| delta.len() as u64 * 100 <= new.len() as u64 * SHARE_MAX && delta.len() as u64 <= left;
        let Some(delta) = delta.filter(kept) else { continue };
        let length = delta.len() as u64;
        left -= length;
        let listed = NewDelta { from, to: release.sha256, sha256: Sha256Hex::of(&delta), length };
        objects.put_blob(&listed.sha256, delta).await?;
        made.push(listed);
    }
    Ok(made)
}

/// A delta that was seen to lead to its release.
fn make(base: &[u8], new: &[u8], release: &SignedRelease) -> Option<Vec<u8>> {
    let delta = match blob::diff(base, new) {
        Ok(delta) => delta,
        Err(error) => {
            tracing::warn!(path = release.path(), %error, "no delta can be made for this release");
            return None;
        }
    };
    if blob::patch(base, &delta).is_ok_and(|patched| patched == new) {
        return Some(delta);
    }
    tracing::error!(path = release.path(), "a delta does not lead to its release and is not published");
    None
}

/// Decodes every blob in full and compares it with what its maker signed.
pub(crate) fn check(new: &[SignedRelease], blobs: &[Bytes]) -> Result<(), PublishError> {
    for (release, bytes) in new.iter().zip(blobs) {
        blob::check(bytes, release).map_err(|reason| PublishError::Blob { path: release.path(), reason })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(count: u64, each: impl Fn(u64) -> (i64, u64)) -> Vec<Earlier> {
        let earlier = |release: u64| {
            let (published_at, terminals) = each(release);
            Earlier { release, sha256: Sha256Hex::of(&release.to_le_bytes()), published_at, terminals }
        };
        (1..=count).map(earlier).collect()
    }

    fn chosen(history: &[Earlier]) -> Vec<u64> {
        let number = |sha256: &Sha256Hex| history.iter().find(|earlier| earlier.sha256 == *sha256).unwrap().release;
        bases(history).iter().map(number).collect()
    }

    #[test]
    fn powers_of_two_back() {
        assert_eq!(chosen(&history(100, |_| (0, 0))), [100, 99, 97, 93, 85, 69, 37]);
        assert_eq!(chosen(&history(1, |_| (0, 0))), [1]);
        assert!(chosen(&[]).is_empty());
    }

    #[test]
    fn what_terminals_run_comes_early() {
        let history = history(100, |release| {
            (
                0,
                match release {
                    12 => 500,
                    50 => 1000,
                    51 => 3,
                    _ => 0,
                },
            )
        });
        assert_eq!(chosen(&history)[..3], [100, 50, 12]);
        assert!(!chosen(&history).contains(&51));
    }

    #[test]
    fn weeks_have_checkpoints() {
        // Two releases a week.
        let history = history(20, |release| (release.cast_signed() / 2 * WEEK_SECONDS + 5, 0));
        let chosen = chosen(&history);
        assert_eq!(chosen[..5], [20, 19, 17, 13, 5]);
        assert_eq!(chosen[5..], [15]);
    }
}
