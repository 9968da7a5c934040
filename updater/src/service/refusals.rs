//! Calls of terminals that may not call: evidence that a machine which was shut out is still there.
//!
//! Each is answered with the reason and the remedy, and counted; the audit log has a row of the first in a day, so that a machine which asks every
//! few minutes does not fill it. Only who signed with the terminal's key gets that far.

use crate::service::App;
use crate::service::store::Standing;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One row for a terminal is enough for so long.
const REMARKED_EVERY: Duration = Duration::from_hours(24);
/// Terminals that are remembered. Beyond that all are forgotten, and remarked again.
const REMEMBERED_MAX: usize = 1 << 16;

/// When a refusal of a terminal was last remarked.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<String, Instant>>);

impl Refusals {
    /// Whether this refusal is to be remarked; then the next ones are not.
    fn is_due(&self, terminal: &str, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(terminal).is_some_and(|last| now.duration_since(*last) < REMARKED_EVERY) {
            return false;
        }
        if last.len() >= REMEMBERED_MAX {
            last.clear();
        }
        last.insert(terminal.to_owned(), now);
        true
    }
}

/// Writes down that a terminal which was shut out called. A row that cannot be written is logged: the refusal stands without it.
pub(crate) async fn remark(app: &App, terminal: &str, standing: Standing) {
    if standing != Standing::Revoked || !app.refusals.is_due(terminal, Instant::now()) {
        return;
    }
    let detail = json!({ "terminal": terminal, "code": "terminal_revoked" });
    if let Err(error) = app.store.audit(&format!("terminal:{terminal}"), "terminal-refused", &detail).await {
        tracing::error!(%error, terminal, "the audit log has no row of a call by a revoked terminal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_remark_a_day_for_each() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        assert!(refusals.is_due("a", start));
        assert!(!refusals.is_due("a", start + Duration::from_hours(23)));
        assert!(refusals.is_due("b", start));
        assert!(refusals.is_due("a", start + REMARKED_EVERY));
    }

    #[test]
    fn many_are_not_remembered_without_end() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        for number in 0..REMEMBERED_MAX + 10 {
            assert!(refusals.is_due(&number.to_string(), start));
        }
        assert!(refusals.0.lock().unwrap().len() <= REMEMBERED_MAX);
    }
}
