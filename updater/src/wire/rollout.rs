//! A release on its way through the fleet, ring by ring.

use super::policy::{check_group, danger_or_none, in_range};
use super::{ChannelRelease, Danger};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How new releases reach the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RolloutPolicy {
    /// One after the other. None: every release is for everybody at once.
    pub rings: Vec<Ring>,
    /// What halts a rollout.
    pub gate: Gate,
}

/// A part of the fleet that gets a release before the rest: a group, or a share of all by a stable hash of their numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Terminals of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// So many of a hundred terminals, those of earlier rings with a share included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// Minutes before the next ring opens, at most 43,200. Default: 60.
    #[serde(default = "sixty")]
    pub soak_minutes: u64,
    /// Terminals that must run the release before the next ring opens, 1 to 10,000. Default: 1.
    #[serde(default = "one")]
    pub reports: u64,
}

fn sixty() -> u64 {
    60
}

fn one() -> u64 {
    1
}

impl Ring {
    /// A share of all terminals, with the usual patience.
    pub fn percent(percent: u8) -> Self {
        Ring { group: None, percent: Some(percent), soak_minutes: sixty(), reports: one() }
    }

    /// A group, with the usual patience.
    pub fn group(group: &str) -> Self {
        Ring { group: Some(group.to_owned()), percent: None, soak_minutes: sixty(), reports: one() }
    }
}

/// Whether these can be the rings of a rollout: each a group or a share, shares growing, the last of them everybody. None is right too.
///
/// # Errors
/// What is wrong, in words.
pub fn check_rings(rings: &[Ring]) -> Result<(), String> {
    in_range("rings", rings.len() as u64, 0, 16)?;
    let mut share = 0;
    for ring in rings {
        in_range("rings.soak_minutes", ring.soak_minutes, 0, 43_200)?;
        in_range("rings.reports", ring.reports, 1, 10_000)?;
        match (&ring.group, ring.percent) {
            (Some(group), None) => check_group(group)?,
            (None, Some(percent)) if percent > share && percent <= 100 => share = percent,
            (None, Some(percent)) => return Err(format!("a ring has {percent} percent after one of {share}")),
            _ => return Err("a ring has either a group or a percentage".to_owned()),
        }
    }
    match rings.last() {
        Some(last) if last.percent != Some(100) => Err("the last ring must have 100 percent".to_owned()),
        _ => Ok(()),
    }
}

/// What halts a rollout, counted over the terminals that were told of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// More than so many of a hundred report trouble with it: a failed self-test, crashed scans, a blob that is refused. Default: 5.
    pub trouble_percent: u8,
    /// More than so many of a hundred were told and are not heard of any more: machines that died cannot report. Default: 20.
    pub silent_percent: u8,
    /// Minutes without contact that count as silence, 1 to 43,200. Default: 180.
    pub silent_minutes: u64,
    /// Least danger of a newly cured threat that makes a rollout urgent; none, or in TOML `"none"`: no rollout is. Default: high.
    #[serde(deserialize_with = "danger_or_none")]
    #[schema(value_type = Option<String>)]
    pub urgent: Option<Danger>,
    /// Longest soak of a ring of an urgent rollout, in minutes. Its reports are waited for all the same. Default: 10.
    pub urgent_soak_minutes: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Gate {
            trouble_percent: 5,
            silent_percent: 20,
            silent_minutes: 180,
            urgent: Some(Danger::High),
            urgent_soak_minutes: 10,
        }
    }
}

impl Gate {
    /// Whether every value is in its range.
    ///
    /// # Errors
    /// Which is not, in words.
    pub fn check(&self) -> Result<(), String> {
        in_range("gate.trouble_percent", u64::from(self.trouble_percent), 0, 100)?;
        in_range("gate.silent_percent", u64::from(self.silent_percent), 0, 100)?;
        in_range("gate.silent_minutes", self.silent_minutes, 1, 43_200)?;
        in_range("gate.urgent_soak_minutes", self.urgent_soak_minutes, 0, 43_200)
    }
}

/// How a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// Its open rings may have the release.
    Running,
    /// Nobody else gets the release.
    Halted,
    /// Everybody may have the release.
    Done,
}

/// The rollout of one release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    /// The release.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Its rings; never empty, and the last is everybody.
    pub rings: Vec<Ring>,
    /// What halts it.
    pub gate: Gate,
    /// It cures what should not wait, so rings are opened sooner.
    pub urgent: bool,
    /// How it stands.
    pub state: RolloutState,
    /// Index of the last ring that is open.
    pub ring: usize,
    /// Seconds since 1970 when that ring was opened, or the rollout resumed.
    pub opened_at: i64,
    /// Seconds since 1970 from which reports count: its start, or its last resumption.
    pub counted_from: i64,
    /// Why it is as it is, in words.
    pub words: String,
}

/// What is known of the terminals that were told of a release since its rollout began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Terminals that were told.
    pub told: u64,
    /// Of them, those that run it, or a later one.
    pub installed: u64,
    /// Of them, those that reported trouble with it.
    pub trouble: u64,
    /// Of them, those not heard of for [`Gate::silent_minutes`].
    pub silent: u64,
}

/// A rollout with its counts, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutView {
    /// The rollout.
    #[serde(flatten)]
    pub rollout: Rollout,
    /// Its counts now.
    pub progress: Progress,
}

/// The operator's wish to roll a release out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutStart {
    /// The release.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Its rings; empty: those of the policy.
    #[serde(default)]
    pub rings: Vec<Ring>,
    /// What halts it; absent: as the policy says.
    #[serde(default)]
    pub gate: Option<Gate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_that_never_reach_everybody_or_shrink_are_refused() {
        let percent = |percents: &[u8]| percents.iter().map(|percent| Ring::percent(*percent)).collect::<Vec<_>>();
        for rings in
            [percent(&[]), percent(&[100]), percent(&[1, 10, 100]), [vec![Ring::group("lab")], percent(&[100])].concat()]
        {
            check_rings(&rings).unwrap();
        }
        for rings in [
            percent(&[10]),
            percent(&[10, 5, 100]),
            percent(&[0, 100]),
            percent(&[10, 200]),
            percent(&[100, 100]),
            vec![Ring::group("lab")],
            vec![Ring::group("a b"), Ring::percent(100)],
            vec![Ring { group: Some("lab".to_owned()), ..Ring::percent(100) }],
            vec![Ring { reports: 0, ..Ring::percent(100) }],
        ] {
            check_rings(&rings).unwrap_err();
        }
    }
}
