//! What the operator gives one terminal alone: laid over what the policy says of it.
//!
//! A one-off names a channel, perhaps a release, and when it ends. While it counts, the terminal runs that channel at that release; the policy
//! decides the rest as if the channel were part of the product, so what it cures is not looked for elsewhere and it is no foreign channel that
//! could go. Neither rings nor pins hold it back: the operator named this terminal. What goes before it is what goes before everything: the
//! owner's designation, the machine, the maker's list, the kill switch, and that nobody goes back unless the maker allows it.

use super::product::{Target, Why};
use super::trace::Trace;
use super::{Case, Prepared, UserRow, accepts};
use crate::Channel;
use crate::wire::{Assignment, ChannelRelease, OneOff, Reason, Rule};

/// Why a one-off does not count, now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Void {
    /// Its time is over.
    Over,
    /// The terminal wishes no updates.
    UpdatesNotWished,
    /// The terminal's designation does not let the channel in.
    NotAccepted,
    /// The channel does not fit the machine.
    DoesNotFit,
    /// Its maker lists no such release, or none at all.
    NotListed,
    /// The operator blocked the release.
    Blocked(u64),
}

impl Void {
    /// Why, of this channel, in words.
    pub fn words(&self, channel: &Channel) -> String {
        match self {
            Void::Over => format!("{channel} was given until now"),
            Void::UpdatesNotWished => "this terminal wishes no updates, and an operator does not change that".to_owned(),
            Void::NotAccepted => format!("this terminal accepts no channels of {}", channel.maker()),
            Void::DoesNotFit => format!("{channel} does not fit this machine"),
            Void::NotListed => format!("the maker of {channel} lists no such release"),
            Void::Blocked(release) => format!("release {release} of {channel} is blocked, which goes before a one-off"),
        }
    }
}

impl Prepared {
    /// The release that a one-off comes to for this terminal at `now`, in seconds since 1970.
    ///
    /// It is not the release that was named where a newer one runs and its maker does not allow to go back: then that stays.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn one_off(&self, row: &UserRow, one_off: &OneOff, now: i64) -> Result<u64, Void> {
        let channel = &one_off.channel;
        if one_off.until.as_second() <= now {
            return Err(Void::Over);
        }
        if !row.designation.wishes_updates() {
            return Err(Void::UpdatesNotWished);
        }
        if !accepts(row, channel) {
            return Err(Void::NotAccepted);
        }
        if !self.fits(channel, &row.machine) {
            return Err(Void::DoesNotFit);
        }
        let info = self.channel(channel).ok_or(Void::NotListed)?;
        let is_listed = |release: u64| info.releases.iter().any(|listed| listed.release == release);
        let newest = || info.releases.iter().rev().map(|listed| listed.release).find(|at| info.blocked(*at).is_none());
        let last = || info.releases.last().map(|listed| Void::Blocked(listed.release)).unwrap_or(Void::NotListed);
        let mut release = match one_off.release {
            Some(release) => release,
            None => newest().ok_or_else(last)?,
        };
        if let Some(runs) = row.applied.iter().find(|at| at.channel == *channel && at.release > release)
            && !info.withdrawn.iter().any(|withdrawn| withdrawn.allows(runs, release))
        {
            release = runs.release;
        }
        if info.blocked(release).is_some() {
            return Err(Void::Blocked(release));
        }
        if is_listed(release) { Ok(release) } else { Err(Void::NotListed) }
    }
}

impl<'a> Case<'a> {
    /// The channels that this terminal is given, at their releases.
    pub(super) fn given(&self) -> Vec<Target<'a>> {
        let count = |one_off: &'a OneOff| {
            let release = self.tables.one_off(self.row, one_off, self.now).ok()?;
            Some(self.given_target(&one_off.channel, release))
        };
        self.row.one_offs.iter().filter_map(count).collect()
    }

    fn given_target(&self, channel: &'a Channel, release: u64) -> Target<'a> {
        let info = self.tables.channel(channel);
        let newest = info.and_then(|info| info.releases.last()).map(|newest| newest.release);
        let why = if newest.is_some_and(|newest| newest > release) { Why::Given } else { Why::Newest };
        Target { channel, info, release, why }
    }

    /// Says of each one-off whether it counts.
    pub(super) fn trace_one_offs<T: Trace>(&self, trace: &mut T) {
        for one_off in &self.row.one_offs {
            let counts = self.tables.one_off(self.row, one_off, self.now);
            let OneOff { channel, until, why, .. } = one_off;
            trace.tried(Rule::OneOff, counts.is_ok(), || match &counts {
                Ok(release) => format!("it is given release {release} of {channel} until {until}: {why}"),
                Err(void) => void.words(channel),
            });
        }
    }

    /// What is told, with what this terminal is given in it, and until when. That it runs a blocked release is said before that it is given something.
    pub(super) fn with_given(&self, mut assignment: Assignment, given: &[Target<'a>]) -> Assignment {
        if given.is_empty() {
            return assignment;
        }
        for target in given {
            let at = ChannelRelease { channel: target.channel.clone(), release: target.release };
            match assignment.channels.iter_mut().find(|assigned| assigned.channel == at.channel) {
                Some(assigned) => *assigned = at,
                None => assignment.channels.push(at),
            }
        }
        assignment.channels.sort_by(|a, b| a.channel.cmp(&b.channel));
        let of = |target: &Target<'_>| self.row.one_offs.iter().find(|one_off| one_off.channel == *target.channel);
        let counting = given.iter().filter_map(of);
        assignment.until = counting.clone().map(|one_off| one_off.until.as_second()).min();
        if assignment.reason != Reason::Blocked {
            let besides = match assignment.reason {
                Reason::OneOff => String::new(),
                _ => format!("; besides, {}", assignment.words),
            };
            let words = counting.map(given_words).collect::<Vec<_>>().join("; ");
            assignment = Assignment { reason: Reason::OneOff, words: format!("{words}{besides}"), ..assignment };
        }
        assignment
    }
}

fn given_words(one_off: &OneOff) -> String {
    let OneOff { channel, release, until, why } = one_off;
    let release = release.map_or_else(|| "the newest".to_owned(), |release| format!("release {release}"));
    format!("until {until} the operator gives this terminal {release} of {channel} ({why})")
}
