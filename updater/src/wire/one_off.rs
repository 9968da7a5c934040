//! What an operator gives one terminal alone, and the document that tells it so.

use super::{AssignedBlob, Assignment, channel_text};
use crate::Channel;
use crate::words::printable;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest time for which a one-off may be given, in days. What is to stay is a group with a policy of its own.
pub const ONE_OFF_DAYS_MAX: i64 = 366;
/// Channels that one terminal may be given.
pub const ONE_OFFS_MAX: usize = 16;
/// Longest reason, in bytes.
const WHY_LEN_MAX: usize = 200;

/// A channel that one terminal shall run for a time, whatever the policy says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOff {
    /// The channel.
    #[serde(with = "channel_text")]
    #[schema(value_type = String)]
    pub channel: Channel,
    /// At this release and no other; absent: at the newest that is not blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// From then on it counts no more.
    #[schema(value_type = String)]
    pub until: Timestamp,
    /// Why, for the terminal's owner and the audit log: 1 to 200 bytes.
    pub why: String,
}

impl OneOff {
    /// Whether it ends, soon enough, and says why. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(&self, now: i64) -> Result<(), String> {
        let seconds = self.until.as_second().saturating_sub(now);
        if seconds <= 0 {
            return Err(format!("`until` is {}, which is over", self.until));
        }
        if seconds > ONE_OFF_DAYS_MAX * 86_400 {
            return Err(format!("`until` is {}; {ONE_OFF_DAYS_MAX} days from now are the most", self.until));
        }
        if self.why.trim().is_empty() || self.why.len() > WHY_LEN_MAX {
            return Err(format!("`why` has {} bytes; 1 to {WHY_LEN_MAX} are asked for", self.why.len()));
        }
        if printable(&self.why) != self.why {
            return Err("`why` has characters that no table can show".to_owned());
        }
        Ok(())
    }
}

/// A one-off in force, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OneOffRow {
    /// The terminal's number.
    pub terminal: String,
    /// The channel.
    #[serde(with = "channel_text")]
    #[schema(value_type = String)]
    pub channel: Channel,
    /// At this release and no other; absent: at the newest that is not blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// From then on it counts no more.
    #[schema(value_type = String)]
    pub until: Timestamp,
    /// Why.
    pub why: String,
    /// Who gave it, as the audit log names them.
    pub who: String,
    /// Seconds since 1970 when it was given.
    pub given_at: i64,
}

/// What one terminal shall run, in the place of its cohort's assignment. The director signs it in answer to one check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OneOffDocument {
    /// The only terminal that may follow it.
    pub terminal: String,
    /// The counter of the check-in that this answers.
    pub counter: u64,
    /// Seconds since 1970.
    pub signed_at: i64,
    /// Seconds since 1970; from then on nobody follows it. Not after the first one-off in it ends.
    pub expires: i64,
    /// The version of root that names who signed it.
    pub root: u64,
    /// All that is to be run, and why.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// The blobs of it that the service holds, ascending by channel.
    pub blobs: Vec<AssignedBlob>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_off_ends_and_says_why() {
        let now = 1_800_000_000;
        let of = |seconds: i64, why: &str| OneOff {
            channel: "acme/stable".parse().unwrap(),
            release: Some(7),
            until: Timestamp::from_second(now + seconds).unwrap(),
            why: why.to_owned(),
        };
        of(1, "its driver hangs with 8").check(now).unwrap();
        of(ONE_OFF_DAYS_MAX * 86_400, "w").check(now).unwrap();
        for (seconds, why) in [(0, "w"), (-9, "w"), (ONE_OFF_DAYS_MAX * 86_400 + 1, "w"), (9, " "), (9, "a\x1b[2J")] {
            of(seconds, why).check(now).unwrap_err();
        }
        of(9, &"w".repeat(WHY_LEN_MAX + 1)).check(now).unwrap_err();
        let json = serde_json::to_value(of(9, "w")).unwrap();
        assert_eq!(serde_json::from_value::<OneOff>(json).unwrap(), of(9, "w"));
    }
}
