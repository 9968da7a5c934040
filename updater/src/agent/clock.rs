//! What time it is, on a machine whose clock may be wrong.
//!
//! Time decides one thing here: whether metadata has expired. A clock that is behind makes old metadata look fresh, one that
//! is ahead makes fresh metadata look old. Naive: believe the clock; then setting it back reopens the past. `tough` remembers
//! the latest time that the clock ever showed and refuses to work before it; then one wild jump ahead stops a terminal for good.
//!
//! Here only time that somebody *signed* is remembered: the timestamp says when it was signed, and it is kept with the trusted
//! metadata. It cannot be earlier than that, so when the clock is behind, that time is used and `clock_behind` is said. A
//! clock that is ahead refuses what looks expired, and all is well once it is right again, since nothing of it was kept.
//!
//! A service that signed a time in the far future would stop its terminals in the same way; so the remembered time is dropped
//! with the key that signed it, when root gives the timestamp another key.

use crate::agent::state::Trusted;
use crate::tuf::SIGNED_AT;
use jiff::Timestamp as Time;
use std::collections::BTreeSet;
use std::sync::Arc;
use tough::schema::{RoleType, Root, Signed, Timestamp};

/// Tells the time; the machine's own, or a test's.
pub(crate) type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The machine's clock.
pub(crate) fn system() -> Clock {
    Arc::new(Time::now)
}

/// The time by which metadata is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) now: Time,
    /// The clock is behind what was signed and verified, by so many seconds.
    pub(crate) behind: Option<i64>,
}

/// When the timestamp in `trusted` was signed; `None` where it does not say, or where that cannot be: after its own expiry.
pub(crate) fn signed_at(trusted: &Trusted) -> Option<Time> {
    let timestamp: Signed<Timestamp> = serde_json::from_str(trusted.get("timestamp.json")?).ok()?;
    let signed = Time::from_second(timestamp.signed._extra.get(SIGNED_AT)?.as_i64()?).ok()?;
    (signed < timestamp.signed.expires).then_some(signed)
}

/// Whether two states of trust have the same keys for the timestamp.
fn same_timestamp_keys(a: &Trusted, b: &Trusted) -> bool {
    let keys = |trusted: &Trusted| {
        let root: Signed<Root> = serde_json::from_str(trusted.get("root.json")?).ok()?;
        let keys = &root.signed.roles.get(&RoleType::Timestamp)?.keyids;
        Some(keys.iter().map(|key| key.to_vec()).collect::<BTreeSet<_>>())
    };
    keys(a).is_some_and(|of_a| keys(b) == Some(of_a))
}

/// The time to judge `verified` by, when `trusted` was trusted before and the clock says `clock`.
pub(crate) fn judge(clock: Time, trusted: &Trusted, verified: &Trusted) -> Judged {
    let before = if same_timestamp_keys(trusted, verified) { signed_at(trusted) } else { None };
    match before.max(signed_at(verified)) {
        Some(signed) if signed > clock => Judged { now: signed, behind: Some(signed.as_second() - clock.as_second()) },
        _ => Judged { now: clock, behind: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Time {
        Time::from_second(seconds).unwrap()
    }

    /// Trusted metadata whose timestamp was signed at `signed_at` by the key with this number.
    fn trusted(signed_at: i64, key: u8) -> Trusted {
        let root = format!(
            r#"{{"signed":{{"_type":"root","spec_version":"1.0.31","consistent_snapshot":true,"version":1,
            "expires":"2100-01-01T00:00:00Z","keys":{{}},"roles":{{"timestamp":{{"keyids":["{key:02x}"],"threshold":1}}}}}},
            "signatures":[]}}"#
        );
        let timestamp = format!(
            r#"{{"signed":{{"_type":"timestamp","spec_version":"1.0.31","version":1,"expires":"2100-01-01T00:00:00Z",
            "meta":{{}},"signed_at":{signed_at}}},"signatures":[]}}"#
        );
        Trusted::from([("root.json".to_owned(), root), ("timestamp.json".to_owned(), timestamp)])
    }

    #[test]
    fn what_was_signed_is_the_least_that_the_time_can_be() {
        let judged = |clock, before: &Trusted, now: &Trusted| judge(time(clock), before, now);
        let (old, new) = (trusted(1000, 1), trusted(2000, 1));
        assert_eq!(judged(3000, &old, &new), Judged { now: time(3000), behind: None });
        assert_eq!(judged(1500, &old, &new), Judged { now: time(2000), behind: Some(500) });
        assert_eq!(
            judged(1500, &new, &old),
            Judged { now: time(2000), behind: Some(500) },
            "also by what was trusted before"
        );
        assert_eq!(judged(1500, &Trusted::new(), &old), Judged { now: time(1500), behind: None });
    }

    #[test]
    fn a_wild_time_goes_with_the_key_that_signed_it() {
        let wild = trusted(4_000_000_000, 1);
        assert_eq!(judge(time(1000), &wild, &trusted(900, 1)).now, time(4_000_000_000));
        assert_eq!(judge(time(1000), &wild, &trusted(900, 2)).now, time(1000));
        // Signed after its own expiry: that says nothing.
        assert_eq!(signed_at(&trusted(5_000_000_000, 1)), None);
        assert_eq!(signed_at(&trusted(i64::MAX, 1)), None);
    }
}
