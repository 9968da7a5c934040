//! How long whoever asked too often, or in vain, waits before asking again: terminals of the service, the service of makers' sites.
//!
//! The wait is what the answer names, at most 24 hours; without a name a minute, doubled with each time in a row, up to the same. Up to a
//! quarter is added by chance, so that those who were turned away together do not come back together.

use crate::http::{RETRY_AFTER_MAX, Wait};
use crate::random;
use std::time::Duration;

/// Wait after a refusal that names none.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// The largest part of a wait that is added by chance.
const JITTER: f64 = 0.25;

/// The wait after so many times in a row, counted from 1.
pub(crate) fn wait_after(wait: Wait, in_a_row: u32) -> Duration {
    let wait = match wait {
        Wait::For(time) => time.min(RETRY_AFTER_MAX),
        Wait::Unnamed => FIRST_WAIT.saturating_mul(1 << in_a_row.saturating_sub(1).min(16)).min(RETRY_AFTER_MAX),
    };
    wait + wait.mul_f64(JITTER * random::fraction())
}

/// The longest that [`wait_after`] gives.
pub(crate) fn longest() -> Duration {
    RETRY_AFTER_MAX.mul_f64(1.0 + JITTER)
}
