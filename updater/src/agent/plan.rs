//! What an update does, step by step, before it does it.
//!
//! A plan is made of what is in force and what is assigned, and of nothing else, so the same two make the same plan. It is a list of facts and
//! no script: each step is one that this agent has, nothing in it is executed as text, and each can be undone until the next is done.
//!
//! ```text
//! fetch, verify  for each new release   a blob in the store that no generation names
//! link           once                   a generation beside the one in force
//! self_test      once                   the same, proven
//! stage          where it has to wait   the same, kept until its time, a word or a person lets it on
//! switch         once                   the new generation in force, the old one kept to go back to
//! remove         for each that goes     of the new generation; the blob goes when no kept generation names it
//! ```
//!
//! What goes is listed last, because it goes last: there is no moment without protection. Rejected: scripts that the service writes and a
//! terminal runs, as the idea was once; a service that was taken over could then run anything.

use crate::Channel;
use crate::agent::WaitsFor;
use crate::agent::director::Order;
use crate::agent::generation::Installed;
use crate::wire::{ChannelRelease, Reason, Sha256Hex, channel_text};
use serde::{Deserialize, Serialize};

/// Digits of a plan's id: 128 bits.
const ID_DIGITS: usize = 32;

/// What the next update would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Digest of what is in force and what is assigned; reports of the update quote it.
    pub id: String,
    /// The generation in force.
    pub generation: Option<u64>,
    /// Why, as a stable code.
    pub reason: Reason,
    /// Why, in words.
    pub words: String,
    /// The steps, in order; none when there is nothing to do.
    pub steps: Vec<PlanStep>,
}

/// One step of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum PlanStep {
    /// A blob is brought into the store. Undone by dropping it.
    Fetch {
        /// Which channel.
        #[serde(with = "channel_text")]
        channel: Channel,
        /// At which release.
        release: u64,
        /// Most bytes that come: those of the whole blob, and none when it is in the store. Absent where the service does not say.
        bytes_max: Option<u64>,
    },
    /// It is held against what its maker signed. Undone by dropping it.
    Verify {
        /// Which channel.
        #[serde(with = "channel_text")]
        channel: Channel,
        /// At which release.
        release: u64,
    },
    /// The blobs are linked into a database. Undone by dropping it.
    Link,
    /// The database is tried in a process of its own. Undone by dropping it.
    SelfTest,
    /// It waits, whole and tested, beside the one in force. Undone by `decline`, or by dropping it.
    Stage {
        /// For what.
        waits_for: WaitsFor,
    },
    /// It is put in force. Undone by `rollback`.
    Switch,
    /// A release is in force no longer. Undone by `rollback`, while the generation before is kept.
    Remove {
        /// Which channel.
        #[serde(with = "channel_text")]
        channel: Channel,
        /// At which release.
        release: u64,
    },
}

/// Makes the plan from what is in force to what is assigned. Releases that are held back stay out of it, and then nothing is removed, as in
/// the update itself. `is_stored` says whether a blob is in the store. The id is of the pair alone: what it would wait for is the clock's and the owner's.
pub(crate) fn plan(
    generation: Option<u64>,
    in_force: &[Installed],
    order: &Order,
    held: &[ChannelRelease],
    waits_for: Option<WaitsFor>,
    is_stored: impl Fn(&Sha256Hex) -> bool,
) -> Plan {
    let Order { assignment, blobs } = order;
    let runs = |at: &ChannelRelease| in_force.iter().any(|runs| runs.channel == at.channel && runs.release == at.release);
    let new = assignment.channels.iter().filter(|at| !runs(at) && !held.contains(at)).collect::<Vec<_>>();
    let all_followed = !assignment.channels.is_empty() && !assignment.channels.iter().any(|at| held.contains(at));
    let goes = |runs: &&Installed| {
        let assigned = assignment.channels.iter().find(|at| at.channel == runs.channel);
        assigned.map_or(all_followed, |at| at.release != runs.release && !held.contains(at))
    };
    let gone = in_force.iter().filter(goes).collect::<Vec<_>>();
    let mut steps = Vec::new();
    for at in &new {
        let (channel, release) = (at.channel.clone(), at.release);
        let blob = blobs.iter().find(|blob| blob.at == **at);
        let bytes_max = blob.map(|blob| if is_stored(&blob.sha256) { 0 } else { blob.length });
        steps.push(PlanStep::Fetch { channel: channel.clone(), release, bytes_max });
        steps.push(PlanStep::Verify { channel, release });
    }
    if !new.is_empty() || !gone.is_empty() {
        steps.extend([PlanStep::Link, PlanStep::SelfTest]);
        steps.extend(waits_for.map(|waits_for| PlanStep::Stage { waits_for }));
        steps.push(PlanStep::Switch);
    }
    steps.extend(gone.iter().map(|runs| PlanStep::Remove { channel: runs.channel.clone(), release: runs.release }));
    let from = in_force.iter().map(|runs| (runs.channel.to_string(), runs.release)).collect::<Vec<_>>();
    let told = serde_json::to_vec(&(generation, from, &assignment.channels, held)).expect("a plan is plain JSON");
    let id = Sha256Hex::of(&told).to_string()[..ID_DIGITS].to_owned();
    Plan { id, generation, reason: assignment.reason, words: assignment.words.clone(), steps }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AssignedBlob, Assignment};

    fn at(channel: &str, release: u64) -> ChannelRelease {
        ChannelRelease { channel: channel.parse().unwrap(), release }
    }

    fn runs(channel: &str, release: u64) -> Installed {
        let ChannelRelease { channel, release } = at(channel, release);
        Installed { channel, release, sha256: Sha256Hex::of(b""), root: String::new(), length: 1, modules: Vec::new() }
    }

    fn steps(in_force: &[Installed], assigned: &[ChannelRelease], held: &[ChannelRelease]) -> Vec<String> {
        waiting(in_force, assigned, held, None)
    }

    fn waiting(
        in_force: &[Installed],
        assigned: &[ChannelRelease],
        held: &[ChannelRelease],
        waits_for: Option<WaitsFor>,
    ) -> Vec<String> {
        let assignment = Assignment::new(assigned.to_vec(), Reason::Refresh, "");
        let blob =
            |at: &ChannelRelease| AssignedBlob { at: at.clone(), sha256: Sha256Hex::of(&[at.release as u8]), length: 9 };
        let blobs = assigned.iter().map(blob).collect::<Vec<_>>();
        let stored = Sha256Hex::of(&[3]);
        let order = Order { assignment, blobs };
        let plan = plan(Some(1), in_force, &order, held, waits_for, |digest| *digest == stored);
        let word = |step: &PlanStep| match step {
            PlanStep::Fetch { channel, release, bytes_max } => format!("fetch {channel} {release} {}", bytes_max.unwrap()),
            PlanStep::Verify { channel, release } => format!("verify {channel} {release}"),
            PlanStep::Link => "link".to_owned(),
            PlanStep::SelfTest => "self_test".to_owned(),
            PlanStep::Stage { waits_for } => format!("stage {waits_for:?}"),
            PlanStep::Switch => "switch".to_owned(),
            PlanStep::Remove { channel, release } => format!("remove {channel} {release}"),
        };
        plan.steps.iter().map(word).collect()
    }

    #[test]
    fn plans_differ_by_the_pair() {
        let nothing: [String; 0] = [];
        assert_eq!(steps(&[runs("a/p", 1)], &[at("a/p", 1)], &[]), nothing, "current");
        assert_eq!(steps(&[runs("a/p", 1)], &[], &[]), nothing, "nothing assigned removes nothing");
        let refresh = ["fetch a/p 2 9", "verify a/p 2", "link", "self_test", "switch", "remove a/p 1"];
        assert_eq!(steps(&[runs("a/p", 1)], &[at("a/p", 2)], &[]), refresh);
        let switch = ["fetch b/q 3 0", "verify b/q 3", "link", "self_test", "switch", "remove a/p 1"];
        assert_eq!(steps(&[runs("a/p", 1)], &[at("b/q", 3)], &[]), switch);
        let asks = ["fetch b/q 3 0", "verify b/q 3", "link", "self_test", "stage Consent", "switch", "remove a/p 1"];
        assert_eq!(waiting(&[runs("a/p", 1)], &[at("b/q", 3)], &[], Some(WaitsFor::Consent)), asks);
        assert_eq!(waiting(&[runs("a/p", 1)], &[at("a/p", 1)], &[], Some(WaitsFor::Consent)), nothing);
        let first = ["fetch a/p 1 9", "verify a/p 1", "link", "self_test", "switch"];
        assert_eq!(steps(&[], &[at("a/p", 1)], &[]), first);
        let less = ["link", "self_test", "switch", "remove b/q 3"];
        assert_eq!(steps(&[runs("a/p", 1), runs("b/q", 3)], &[at("a/p", 1)], &[]), less);
    }

    #[test]
    fn what_is_held_back_changes_nothing() {
        let nothing: [String; 0] = [];
        assert_eq!(steps(&[runs("a/p", 1)], &[at("a/p", 2)], &[at("a/p", 2)]), nothing);
        assert_eq!(steps(&[runs("a/p", 1)], &[at("b/q", 3)], &[at("b/q", 3)]), nothing, "its replacement does not come");
    }
}
