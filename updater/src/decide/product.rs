//! What a terminal would run without help: its product, and what foreign channels it has, each at its newest release for it.

use super::prepared::{ChannelInfo, Prepared};
use super::variant::Variant;
use super::{Case, accepts, is_own, same_product};
use crate::Channel;
use crate::wire::{Blocked, ChannelRelease, Pin, Reason};

/// A channel at the release that this terminal shall run of it.
#[derive(Clone, Debug)]
pub(super) struct Target<'a> {
    pub(super) channel: &'a Channel,
    pub(super) info: Option<&'a ChannelInfo>,
    pub(super) release: u64,
    pub(super) why: Why,
}

impl Target<'_> {
    pub(super) fn add_cures(&self, set: &mut [u64]) {
        if let Some(info) = self.info {
            info.add_cures(set, self.release);
        }
    }

    /// The operator's word on this release, if it is blocked.
    pub(super) fn blocked(&self) -> Option<&Blocked> {
        self.info.and_then(|info| info.blocked(self.release))
    }

    pub(super) fn rank(&self) -> u32 {
        self.info.map_or(u32::MAX, |info| info.rank)
    }
}

/// Why a channel is at a release, or why there is none for this terminal; the weightiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// What runs is blocked, and there is nothing in the channel to go to.
    BlockedStuck,
    /// What ran is blocked.
    BlockedLeft,
    /// What ran was withdrawn, and its maker allows to go back.
    WentBack,
    /// The newest release's rollout is halted.
    Halted,
    /// The newest release has not come to this terminal's ring.
    Waits,
    /// The policy pins the channel.
    Pinned,
    /// The operator gives this terminal a release that is not the newest.
    Given,
    /// It is the newest.
    Newest,
}

impl Why {
    /// The reason of an assignment that nothing else changes; `None` for the newest.
    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Why::BlockedStuck | Why::BlockedLeft => Some(Reason::Blocked),
            Why::Halted => Some(Reason::Halted),
            Why::Waits => Some(Reason::RingWaits),
            Why::Pinned => Some(Reason::Pinned),
            Why::Given => Some(Reason::OneOff),
            Why::WentBack | Why::Newest => None,
        }
    }

    pub(super) fn words(self, channel: &Channel) -> String {
        match self {
            Why::BlockedStuck | Why::BlockedLeft => format!("a release of {channel} is blocked by the operator"),
            Why::WentBack => format!("a release of {channel} was withdrawn by its maker"),
            Why::Halted => format!("the rollout of the newest release of {channel} is halted"),
            Why::Waits => {
                format!("the newest release of {channel} is being rolled out and has not come to this terminal yet")
            }
            Why::Pinned => format!("the policy keeps {channel} at a release"),
            Why::Given => format!("the operator keeps {channel} at a release, on this terminal alone"),
            Why::Newest => format!("{channel} is at its newest release"),
        }
    }
}

/// What a terminal has a right to, and what it has besides.
#[derive(Debug)]
pub(super) struct Product<'a> {
    /// The channels that it subscribed to, as variants that fit; those that have a release for it.
    pub(super) own: Vec<Target<'a>>,
    /// Channels that the operator gives this terminal, its own among them or not.
    pub(super) given: Vec<Target<'a>>,
    /// Channels that it runs, that are not its own and that it is not given, as far as they may stay.
    pub(super) foreign: Vec<Target<'a>>,
    /// Foreign channels that may not stay: not accepted any more, or do not fit the machine.
    pub(super) expelled: Vec<&'a Channel>,
    /// Whether it runs foreign channels and none of its own, so that they are its product now.
    pub(super) switched: bool,
    /// Subscribed channels of which no variant fits.
    pub(super) misfits: Vec<&'a Channel>,
    /// Own channels of which it has no release, and why.
    pub(super) missing: Vec<(&'a Channel, Why)>,
    /// The variant that it runs and the one that takes its place.
    pub(super) moved: Option<(&'a Channel, &'a Channel)>,
}

impl<'a> Product<'a> {
    /// What it runs if nothing is added or taken away.
    pub(super) fn all(&self) -> Vec<Target<'a>> {
        let mut all = if self.switched { self.with_given(&[]) } else { self.alone() };
        all.extend(self.foreign.iter().cloned());
        all
    }

    /// The same without foreign channels.
    pub(super) fn alone(&self) -> Vec<Target<'a>> {
        self.with_given(&self.own)
    }

    fn with_given(&self, targets: &[Target<'a>]) -> Vec<Target<'a>> {
        let is_new = |given: &&Target<'a>| !targets.iter().any(|target| target.channel == given.channel);
        targets.iter().chain(self.given.iter().filter(is_new)).cloned().collect()
    }
}

impl<'a> Case<'a> {
    pub(super) fn product(&self, given: &[Target<'a>]) -> Product<'a> {
        let row = self.row;
        let given_variant = |subscribed: &Channel| given.iter().find(|given| same_product(given.channel, subscribed));
        let (mut own, mut misfits, mut missing, mut moved) = (Vec::<Target<'a>>::new(), Vec::new(), Vec::new(), None);
        for subscribed in &row.subscribed {
            if let Some(given) = given_variant(subscribed) {
                if !own.iter().any(|target| target.channel == given.channel) {
                    own.push(given.clone());
                }
                continue;
            }
            let (channel, info) = match self.tables.variant(subscribed, &row.machine) {
                Variant::Itself(info) => (subscribed, info),
                Variant::Other(info) => (&info.channel, Some(info)),
                Variant::None => {
                    misfits.push(subscribed);
                    continue;
                }
            };
            if own.iter().any(|target| target.channel == channel) {
                continue;
            }
            match self.target_of(channel, info) {
                Ok(target) => own.push(target),
                Err(why) => missing.push((channel, why)),
            }
        }
        let nothing_fits = own.is_empty() && missing.is_empty() && !misfits.is_empty();
        let (mut foreign, mut expelled, mut runs_own) = (Vec::new(), Vec::new(), false);
        for at in &row.applied {
            let is_variant_of = |other: &Channel| *other != at.channel && same_product(other, &at.channel);
            if is_own(row, &at.channel) {
                runs_own = true;
                if let Some(target) = own.iter().find(|target| is_variant_of(target.channel)) {
                    moved = moved.or(Some((&at.channel, target.channel)));
                } else if nothing_fits || missing.iter().any(|(channel, _)| is_variant_of(channel)) {
                    // It keeps what it has until something fits, or the variant that does is there for it.
                    own.extend(self.target(&at.channel));
                }
            } else if given.iter().any(|given| *given.channel == at.channel) {
                // It stays as long as it is given.
            } else if accepts(row, &at.channel) && self.tables.fits(&at.channel, &row.machine) {
                foreign.extend(self.target(&at.channel));
            } else {
                expelled.push(&at.channel);
            }
        }
        let switched = !runs_own && !foreign.is_empty();
        if own.is_empty() && !expelled.is_empty() {
            // Without a product of its own, one too many is better than none.
            foreign.extend(expelled.drain(..).filter_map(|channel| self.target(channel).ok()));
        }
        Product { own, given: given.to_vec(), foreign, expelled, switched, misfits, missing, moved }
    }

    /// The release of a channel for this terminal.
    ///
    /// One that is no longer listed stays at what is applied, and so does one whose newest release is older than that, unless the maker
    /// allows to go back.
    pub(super) fn target(&self, channel: &'a Channel) -> Result<Target<'a>, Why> {
        self.target_of(channel, self.tables.channel(channel))
    }

    /// The same of a channel of which `info` is known.
    pub(super) fn target_of(&self, channel: &'a Channel, info: Option<&'a ChannelInfo>) -> Result<Target<'a>, Why> {
        let applied = self.row.applied.iter().find(|at| at.channel == *channel).map(|at| at.release);
        let target = |release, why| Ok(Target { channel, info, release, why });
        let Some(info) = info else {
            return applied.map_or(Err(Why::Newest), |release| target(release, Why::Newest));
        };
        let pinned = self.policy.pins.iter().find(|Pin(at)| at.channel == *channel).map(|Pin(at)| at.release);
        let unblocked = || info.releases.iter().rev().filter(|release| info.blocked(release.release).is_none());
        let visible =
            || unblocked().filter(|at| pinned.is_none_or(|pinned| at.release == pinned) && Prepared::is_open(at, self.row));
        let newest = visible().next().map(|at| at.release);
        let held_up = unblocked().next().filter(|first| newest.is_none_or(|newest| newest < first.release));
        let short = match held_up {
            None if newest.is_none() && !info.releases.is_empty() => Why::BlockedLeft,
            None => Why::Newest,
            Some(_) if pinned.is_some() => Why::Pinned,
            Some(first) if first.opening == super::rings::Opening::Halted => Why::Halted,
            Some(_) => Why::Waits,
        };
        let Some(applied) = applied else {
            return newest.map_or(Err(short), |release| target(release, short));
        };
        let may_go_back = |to: u64| {
            let from = ChannelRelease { channel: channel.clone(), release: applied };
            info.withdrawn.iter().any(|withdrawn| withdrawn.allows(&from, to))
        };
        // Backwards as little as possible: the newest that is allowed is the newest of all that are for this terminal.
        let onward = newest.filter(|newest| *newest > applied);
        let back = newest.filter(|newest| *newest < applied && may_go_back(*newest));
        if info.blocked(applied).is_some() {
            return match onward.or(back) {
                Some(release) => target(release, Why::BlockedLeft),
                None => target(applied, Why::BlockedStuck),
            };
        }
        match (onward, back) {
            (Some(release), _) => target(release, short),
            (None, Some(release)) => target(release, Why::WentBack),
            (None, None) => {
                // Who has a release that others wait for does not wait.
                let waits = held_up.is_some_and(|first| first.release > applied);
                target(applied, if waits { short } else { Why::Newest })
            }
        }
    }

    /// What a terminal is told that runs a blocked release and wishes no updates.
    pub(super) fn blocked_and_kept(&self) -> Option<String> {
        self.row.applied.iter().find_map(|at| {
            let blocked = self.tables.channel(&at.channel)?.blocked(at.release)?;
            Some(format!("{}; this terminal wishes no updates, so it stays", what_is_blocked(blocked)))
        })
    }

    /// What a terminal is told of a blocked release, if what it runs is one.
    pub(super) fn blocked_words(&self, target: &Target<'a>) -> Option<String> {
        if !matches!(target.why, Why::BlockedStuck | Why::BlockedLeft) {
            return None;
        }
        let applied = self.row.applied.iter().find(|at| at.channel == *target.channel)?;
        let blocked = target.info.and_then(|info| info.blocked(applied.release))?;
        let what = what_is_blocked(blocked);
        Some(match target.why {
            Why::BlockedStuck => format!("{what}; there is no other that this terminal could go to, so it stays"),
            _ => format!("{what}; release {} takes its place", target.release),
        })
    }
}

pub(super) fn what_is_blocked(blocked: &Blocked) -> String {
    let because = if blocked.words.is_empty() { String::new() } else { format!(" ({})", blocked.words) };
    format!("release {} of {} is blocked by the operator{because}", blocked.at.release, blocked.at.channel)
}
