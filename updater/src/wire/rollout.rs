//! A release on its way through the fleet, ring by ring.

use super::{ChannelRelease, Gate, Ring};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
