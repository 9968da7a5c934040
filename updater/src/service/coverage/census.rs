//! Counts the fleet by configuration every now and then, so that coverage can be told for times gone by.
//!
//! The older a census is, the fewer are kept: all of two days, one an hour of a month, one a day of two years and a little.

use crate::service::AppState;
use crate::service::store::{Store, StoreError};
use std::time::Duration;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// From this age on, in seconds, one census is kept of each span of so many seconds; the last are dropped.
const KEPT: [(i64, i64); 3] = [(2 * DAY, HOUR), (32 * DAY, DAY), (800 * DAY, i64::MAX)];

/// Takes a census every `every`, the first at once. A failure is logged, and the next is tried.
pub(crate) async fn keep(app: AppState, every: Duration) {
    loop {
        let now = jiff::Timestamp::now().as_second();
        if let Err(error) = take(&app.store, every, now).await {
            tracing::error!(%error, "the fleet could not be counted; coverage over time lacks this moment");
        }
        tokio::time::sleep(every).await;
    }
}

/// Several services on the same tables write the same row: its time is the beginning of the span.
async fn take(store: &Store, every: Duration, now: i64) -> Result<(), StoreError> {
    let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
    store.take_census(now - now.rem_euclid(every)).await?;
    let times = store.census_times(i64::MIN).await?;
    store.forget_census(&superfluous(&times, now)).await
}

/// Which of these times, ascending, need not be kept: of each span of their age, all but the first.
fn superfluous(times: &[i64], now: i64) -> Vec<i64> {
    let mut kept = None;
    let too_many = times.iter().filter(|at| {
        let Some((_, span)) = KEPT.iter().rev().find(|(age, _)| now - **at >= *age) else { return false };
        if *span == i64::MAX {
            return true;
        }
        let this = Some((*span, at.div_euclid(*span)));
        let again = kept == this;
        kept = this;
        again
    });
    too_many.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_older_the_fewer() {
        let now = 1_700_000_000 / DAY * DAY;
        let mut times: Vec<i64> = (0..900 * 96).map(|quarter| now - quarter * 900).collect();
        times.reverse();
        let gone: HashSet<i64> = superfluous(&times, now).into_iter().collect();
        let left: Vec<i64> = times.iter().filter(|at| !gone.contains(at)).copied().collect();
        // Of the spans that began before the age of the next began, one each is left too.
        assert_eq!(left.len(), 2 * 96 + (30 * 24 + 1) + (768 + 1));
        assert_eq!((left.first(), left.last()), (Some(&(now - 800 * DAY + 900)), Some(&now)));
        assert!(superfluous(&left, now).is_empty(), "what was thinned is not thinned again");
        // An hour later the same is left, but for what came of age.
        let gone = superfluous(&left, now + HOUR);
        assert!((1..=6).contains(&gone.len()), "{gone:?}");
    }
}
