//! What the agent tells its caller.

use crate::Channel;
use crate::agent::AgentError;
use crate::agent::backoff::BackOff;
use crate::agent::fetch::Transfer;
use crate::agent::generation::Installed;
use crate::agent::modules::FetchedModule;
use crate::agent::probation::ProbationStatus;
use crate::agent::self_test::SelfTest;
use crate::wire::{Assignment, ChannelRelease, Designation, Reason, channel_text, channels_text};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What an update came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new generation is in force.
    Installed,
    /// A new generation is tested and waits to be put in force.
    Staged,
    /// What is in force is what was assigned.
    UpToDate,
    /// Nothing was assigned.
    NothingAssigned,
    /// Something of what was assigned had been rolled back from here, and is not installed again; nothing else changed.
    HeldBack,
}

impl Outcome {
    /// Its stable name.
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Installed => "installed",
            Outcome::Staged => "staged",
            Outcome::UpToDate => "up_to_date",
            Outcome::NothingAssigned => "nothing_assigned",
            Outcome::HeldBack => "held_back",
        }
    }
}

/// Why a generation that is tested is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The update was told to stage and no more.
    Command,
    /// The owner wants to be asked.
    Consent,
    /// The window is closed.
    Window,
    /// The service wishes nothing to change before a date.
    Date,
}

/// Something that an update could live with and a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable name.
    pub code: String,
    /// In words.
    pub words: String,
}

/// One channel's part of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelReport {
    /// Which channel.
    #[serde(with = "channel_text")]
    pub channel: Channel,
    /// At which release.
    pub release: u64,
    /// How it came.
    pub transfer: Transfer,
    /// Bytes of blobs and deltas that were fetched for it.
    pub bytes_fetched: u64,
    /// Bytes of the whole blob.
    pub full_bytes: u64,
    /// Why a delta was given up for the whole blob, as a code.
    pub delta_fault: Option<String>,
    /// Codes of what made a download drop what it had and begin anew.
    pub restarts: Vec<String>,
    /// Files besides the blob that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<FetchedModule>,
}

impl ChannelReport {
    /// Of a channel that stays as it is.
    pub(crate) fn stored(installed: &Installed) -> Self {
        ChannelReport {
            channel: installed.channel.clone(),
            release: installed.release,
            transfer: Transfer::Stored,
            bytes_fetched: 0,
            full_bytes: installed.length,
            delta_fault: None,
            restarts: Vec::new(),
            modules: Vec::new(),
        }
    }
}

/// A channel that could not be brought up to date, while others could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFault {
    /// Which channel.
    #[serde(with = "channel_text")]
    pub channel: Channel,
    /// Stable name of the fault.
    pub code: String,
    /// In words.
    pub words: String,
}

impl ChannelFault {
    pub(crate) fn new(channel: &Channel, error: &AgentError) -> Self {
        ChannelFault { channel: channel.clone(), code: error.code().to_owned(), words: error.to_string() }
    }
}

/// What an update did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateReport {
    /// What it came to.
    pub outcome: Outcome,
    /// Whether the service was only asked if anything had changed, and said no. What it said before is then repeated here.
    pub idle: bool,
    /// The generation in force.
    pub generation: Option<u64>,
    /// What the service said.
    pub assignment: Assignment,
    /// Every channel that was brought into the store.
    pub channels: Vec<ChannelReport>,
    /// Channels that failed, also in the self-test; they stay at the release that was in force.
    pub faults: Vec<ChannelFault>,
    /// What the self-test of a new generation saw.
    pub self_test: Option<SelfTest>,
    /// Whether the service has heard of the result.
    pub acknowledged: bool,
    /// The generation that is tested and waits, and for what.
    pub staged: Option<StagedStatus>,
    /// What this update could live with.
    pub warnings: Vec<Warning>,
    /// The plan that was followed, as [`Plan`](crate::agent::Plan) has it; absent where only the service was asked.
    #[serde(default)]
    pub plan: Option<String>,
    /// Steps of it that were done, in order.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Where scans died with the generation that was in force: where the terminal went back to, before anything else.
    pub fell_back: Option<Rollback>,
}

impl UpdateReport {
    /// One of an update that has done nothing yet.
    pub(crate) fn new(assignment: Assignment, generation: Option<u64>) -> Self {
        let blocked = (assignment.reason == Reason::Blocked)
            .then(|| Warning { code: "release_blocked".to_owned(), words: assignment.words.clone() });
        UpdateReport {
            outcome: Outcome::NothingAssigned,
            idle: false,
            generation,
            assignment,
            channels: Vec::new(),
            faults: Vec::new(),
            self_test: None,
            acknowledged: false,
            staged: None,
            warnings: blocked.into_iter().collect(),
            plan: None,
            steps: Vec::new(),
            fell_back: None,
        }
    }
}

/// A generation that is tested and waits to be put in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedStatus {
    /// Its number.
    pub generation: u64,
    /// What it runs.
    pub channels: Vec<Installed>,
    /// Seconds since 1970 when it was staged.
    pub at: i64,
    /// What it waits for, where an update just found that out.
    pub waits_for: Option<WaitsFor>,
}

/// What a probe of the generation in force saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The generation.
    pub generation: u64,
    /// What the test saw, when it was passed.
    pub self_test: Option<SelfTest>,
    /// Stable name of the fault, when it was not.
    pub code: Option<String>,
    /// The fault in words.
    pub words: Option<String>,
    /// Where the terminal went back to: only from a generation on probation.
    pub fell_back: Option<Rollback>,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// The generation that was in force.
    pub from: u64,
    /// The generation that is now.
    pub to: u64,
    /// What it runs.
    pub channels: Vec<Installed>,
}

/// A terminal at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether it is enrolled.
    pub enrolled: bool,
    /// Its number.
    pub terminal: Option<String>,
    /// Where it is enrolled.
    pub service: Option<String>,
    /// Which makers it accepts.
    pub designation: Option<Designation>,
    /// Channels it subscribed to.
    #[serde(with = "channels_text")]
    pub subscribed: Vec<Channel>,
    /// The generation in force.
    pub generation: Option<u64>,
    /// The generation that [`Agent::rollback`](crate::Agent::rollback) would go to.
    pub previous: Option<u64>,
    /// What is in force.
    pub channels: Vec<Installed>,
    /// Its database.
    #[serde(default, with = "crate::agent::any_path::option")]
    pub database: Option<PathBuf>,
    /// What is wrong with the generation in force; the next update makes it anew.
    #[serde(default)]
    pub damage: Option<Warning>,
    /// Seconds since 1970 of the last answer by the service.
    pub last_contact: Option<i64>,
    /// What the service said then.
    pub last_assignment: Option<Assignment>,
    /// Releases that are held back after a rollback.
    pub held_back: Vec<ChannelRelease>,
    /// How the generation in force stands, while it is on probation.
    pub probation: Option<ProbationStatus>,
    /// The generation that is tested and waits.
    pub staged: Option<StagedStatus>,
    /// Faults that the service is told of at the next contact.
    pub untold_faults: Vec<Warning>,
    /// Sources that asked to be left alone, and until when.
    pub backing_off: Vec<BackOff>,
}
