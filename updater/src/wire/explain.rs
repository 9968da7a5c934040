//! Why a terminal is assigned what it is: everything that was asked on the way.

use super::{Assignment, ChannelRelease, Designation, MakerName, OneOff, Policy, ThreatRow, channels_text};
use crate::Channel;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A question that a decision asks, in the order in which it asks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Has the operator given this terminal something of its own, and does that count? Asked for each.
    OneOff,
    /// Does the terminal wish updates?
    WishesUpdates,
    /// Does a variant of each subscribed channel fit the machine?
    Fits,
    /// Is the newest release of each channel for this terminal?
    NewestIsOpen,
    /// Is what it runs free of blocked releases?
    NotBlocked,
    /// Could foreign channels go?
    Back,
    /// Does its product cure every dangerous threat?
    ProductCures,
    /// Has a channel that could help been found?
    CandidateFound,
    /// Does the terminal accept one of them?
    CandidateAccepted,
    /// Does the policy let it be installed?
    PolicyInstalls,
    /// Should it not wait?
    Urgent,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// The question.
    pub rule: Rule,
    /// The answer.
    pub yes: bool,
    /// Why.
    pub words: String,
}

/// A channel that was weighed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CandidateView {
    /// At the release that would be installed.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Open threats that it cures, the most dangerous first.
    pub cures: Vec<String>,
    /// Threats that the product cures and it does not: by `switch` they keep it out.
    pub lacks: Vec<String>,
    /// Whether the terminal accepts its maker.
    pub accepted: bool,
    /// Its maker's rank by record; 1 is the best.
    pub rank: u32,
}

/// A maker's record, from the countering table and from reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MakerRecord {
    /// The maker.
    #[schema(value_type = String)]
    pub maker: MakerName,
    /// Rank: 1 is the best.
    pub rank: u32,
    /// Median days from the first discovery of a threat, by whichever maker, to this maker's cure; a threat without a cure counts as one that
    /// takes longer than it has been known. Absent while more than half are without one.
    pub median_days: Option<u32>,
    /// Threats that the maker cured.
    pub cured: u64,
    /// Threats that the maker knows and has not cured.
    pub uncured: u64,
    /// Terminals that refused a release because it flagged a clean file.
    pub false_positives: u64,
}

/// What a terminal says of its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Machine {
    /// Hardware class.
    pub hardware: String,
    /// Operating system.
    pub os: String,
    /// Version of its scanner.
    pub engine_version: String,
    /// Main memory, in bytes; absent where it is not known.
    pub memory_bytes: Option<u64>,
    /// Features of its processor and other hardware.
    pub features: Vec<String>,
}

/// A decision with all that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The terminal's number.
    pub terminal: String,
    /// The group that it is in; absent for none.
    pub group: Option<String>,
    /// Name of the policy.
    pub policy_name: String,
    /// The policy.
    pub policy: Policy,
    /// Its row: what it is.
    pub machine: Machine,
    /// Its row: which makers it accepts.
    pub designation: Designation,
    /// Its row: what it subscribed to.
    #[serde(with = "channels_text")]
    #[schema(value_type = Vec<String>)]
    pub subscribed: Vec<Channel>,
    /// Its row: what it runs.
    pub applied: Vec<ChannelRelease>,
    /// What the operator gave it alone.
    pub one_offs: Vec<OneOff>,
    /// Rows of the countering table for the threats that are open here, at most 200.
    pub threats: Vec<ThreatRow>,
    /// The questions, in order.
    pub tried: Vec<Tried>,
    /// The channels that were weighed, the best first.
    pub candidates: Vec<CandidateView>,
    /// What came of it.
    pub assignment: Assignment,
}
