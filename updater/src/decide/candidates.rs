//! Help from elsewhere: channels that cure what the product does not.

use super::prepared::{ChannelInfo, Set};
use super::product::{Product, Target, Why, what_is_blocked};
use super::trace::Trace;
use super::{Case, accepts, is_own, listed, names, owned, releases};
use crate::wire::{Assignment, CandidateView, ChannelRelease, Eagerness, Reason, Rule};
use std::cmp::Reverse;

/// A channel that could help.
struct Candidate<'a> {
    target: Target<'a>,
    /// Open threats that it cures.
    gains: Set,
    /// Threats that what runs cures and it does not.
    lacks: Set,
    accepted: bool,
}

impl<'a> Case<'a> {
    /// What is assigned when threats are open, or when what runs is blocked.
    pub(super) fn helped<T: Trace>(
        &self,
        product: &Product<'a>,
        kept: Vec<Target<'a>>,
        back: Option<String>,
        cured: &[u64],
        open: &Set,
        trace: &mut T,
    ) -> Assignment {
        let candidates = self.candidates(&kept, product, cured, open);
        for candidate in &candidates {
            trace.candidate(|| self.view(candidate));
        }
        trace.tried(Rule::CandidateFound, !candidates.is_empty(), || format!("{} channels could help", candidates.len()));
        if candidates.is_empty() {
            return self.unhelped(product, kept, back, open);
        }
        let accepted = candidates.iter().find(|candidate| candidate.accepted);
        trace.tried(Rule::CandidateAccepted, accepted.is_some(), || self.row.designation.words());
        let Some(best) = accepted else {
            return self.not_accepted(product, kept, back, &candidates[0]);
        };
        let installs = self.policy.eagerness != Eagerness::Notify;
        trace.tried(Rule::PolicyInstalls, installs, || format!("the policy's eagerness is {}", self.policy.eagerness));
        match self.policy.eagerness {
            Eagerness::Switch => self.switched(&kept, best),
            Eagerness::Add => self.added(product, kept, open, &candidates),
            Eagerness::Notify => self.instead(product, kept, back, Reason::Offered, || {
                format!(
                    "{} counters {}, which your product does not; it is offered to you",
                    best.target.channel,
                    self.gained(best)
                )
            }),
        }
    }

    /// Channels that cure some of `open`, the best first. By `switch` they must cure all of `cured` too. Where what runs is blocked, one that
    /// loses nothing is enough.
    fn candidates(&self, kept: &[Target<'a>], product: &Product<'a>, cured: &[u64], open: &Set) -> Vec<Candidate<'a>> {
        let stuck = kept.iter().any(|target| target.why == Why::BlockedStuck);
        let runs = |channel| kept.iter().any(|target| target.channel == channel);
        let is_traded_for = |cures: &[u64]| {
            // By `add` nothing is traded.
            self.policy.eagerness != Eagerness::Add && !self.scope.all_in_second(cured, cures)
        };
        // What a channel cures at its last release says of most that they are none, before anything else of them is looked at.
        let could_help = |info: &ChannelInfo| {
            let most = info.most();
            (stuck || self.scope.any_in_both(most, open)) && !is_traded_for(most)
        };
        let mut candidates = Vec::new();
        let mut cures = self.scope.empty();
        for info in self.tables.channels.iter().filter(|info| could_help(info) && !runs(&info.channel)) {
            // Other variants of the product are chosen by the machine alone.
            let own = is_own(self.row, &info.channel);
            if own && !product.own.iter().any(|target| *target.channel == info.channel) {
                continue;
            }
            let Ok(target) = self.target_of(&info.channel, Some(info)) else { continue };
            if target.why == Why::BlockedStuck {
                continue;
            }
            cures.fill(0);
            target.add_cures(&mut cures);
            if is_traded_for(&cures) || !info.fits(&self.row.machine) {
                continue;
            }
            let (gains, lacks) = (self.scope.both(&cures, open), self.scope.first_only(cured, &cures));
            if gains.is_empty() && !(stuck && lacks.is_empty()) {
                continue;
            }
            let accepted = accepts(self.row, &info.channel);
            candidates.push(Candidate { target, gains, lacks, accepted });
        }
        // Most of the most dangerous first; then the terminal's own makers; then by record; then by name.
        candidates.sort_by_cached_key(|candidate| {
            let channel = candidate.target.channel;
            let foreign = !self.row.subscribed.iter().any(|own| own.maker() == channel.maker());
            (Reverse(self.tables.by_danger(&candidate.gains)), foreign, candidate.target.rank(), channel)
        });
        candidates
    }

    fn switched(&self, kept: &[Target<'a>], best: &Candidate<'a>) -> Assignment {
        let channels = releases(std::slice::from_ref(&best.target));
        if let Some(blocked) = blocked_runs(kept) {
            return Assignment::new(
                channels,
                Reason::Blocked,
                format!("{blocked}; {} takes its place", best.target.channel),
            );
        }
        let product = if kept.is_empty() { "what it subscribed to".to_owned() } else { names(kept).join(", ") };
        let words = format!(
            "{product} has no cure for {}; {} has, and this terminal accepts it",
            self.gained(best),
            best.target.channel
        );
        Assignment::new(channels, Reason::Switch, words)
    }

    /// Puts accepted candidates beside what is kept, the best first, each only while it still cures something open.
    fn added(&self, product: &Product<'a>, kept: Vec<Target<'a>>, open: &Set, candidates: &[Candidate<'a>]) -> Assignment {
        let blocked = blocked_runs(&kept);
        let mut channels = kept;
        if blocked.is_some() {
            channels.retain(|target| target.why != Why::BlockedStuck);
        }
        let mut left = open.clone();
        let mut added = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.accepted) {
            let adds = !self.scope.both(&candidate.gains, &left).is_empty();
            let replaces = blocked.is_some() && added.is_empty();
            if channels.len() >= usize::from(self.policy.channels_max) || !(adds || replaces) {
                continue;
            }
            left = self.scope.first_only(&left, &candidate.gains);
            added.push(candidate);
            channels.push(candidate.target.clone());
        }
        let Some(first) = added.first() else {
            return self.instead(product, channels, None, Reason::NoCureYet, || {
                format!(
                    "{} would help, but this terminal runs as many channels as the policy allows",
                    candidates[0].target.channel
                )
            });
        };
        let beside = listed(&added.iter().map(|candidate| candidate.target.channel).collect::<Vec<_>>());
        let channels = releases(&channels);
        if let Some(blocked) = blocked {
            return Assignment::new(channels, Reason::Blocked, format!("{blocked}; {beside} takes its place"));
        }
        let words = format!("its product has no cure for {}; {beside} has, and is put beside it", self.gained(first));
        Assignment::new(channels, Reason::Add, words)
    }

    fn unhelped(&self, product: &Product<'a>, kept: Vec<Target<'a>>, back: Option<String>, open: &Set) -> Assignment {
        if kept.is_empty() || open.is_empty() {
            return self.settled(product, kept, back);
        }
        self.instead(product, kept, back, Reason::NoCureYet, || {
            let open = self.tables.listed(open);
            match self.policy.eagerness {
                Eagerness::Add => {
                    format!("no channel that this terminal may have counters {open} yet; asked again when news comes")
                }
                _ => format!("no channel that could replace yours counters {open} yet; asked again when news comes"),
            }
        })
    }

    fn not_accepted(
        &self,
        product: &Product<'a>,
        kept: Vec<Target<'a>>,
        back: Option<String>,
        best: &Candidate<'a>,
    ) -> Assignment {
        self.instead(product, kept, back, Reason::OthersNotAllowed, || {
            format!(
                "{} counters {}, which your product does not; this terminal accepts no channels of {}, so it keeps its own",
                best.target.channel,
                self.gained(best),
                best.target.channel.maker(),
            )
        })
    }

    /// The product as it is, for this reason, unless there is a weightier one.
    fn instead(
        &self,
        product: &Product<'a>,
        kept: Vec<Target<'a>>,
        back: Option<String>,
        reason: Reason,
        words: impl FnOnce() -> String,
    ) -> Assignment {
        let settled = self.settled(product, kept, back);
        match settled.reason {
            Reason::Blocked | Reason::Back | Reason::Variant | Reason::NoneFits => settled,
            // What is held up may be the very cure.
            Reason::Halted | Reason::RingWaits | Reason::Pinned if reason == Reason::NoCureYet => settled,
            _ => Assignment::new(settled.channels, reason, words()),
        }
    }

    fn gained(&self, candidate: &Candidate<'a>) -> String {
        self.tables.listed(&candidate.gains)
    }

    fn view(&self, candidate: &Candidate<'a>) -> CandidateView {
        let Target { channel, release, .. } = candidate.target;
        CandidateView {
            at: ChannelRelease { channel: channel.clone(), release },
            cures: owned(&self.tables.names(&candidate.gains)),
            lacks: owned(&self.tables.names(&candidate.lacks)),
            accepted: candidate.accepted,
            rank: candidate.target.rank(),
        }
    }
}

/// What of the channels is blocked and stuck, in words.
fn blocked_runs(kept: &[Target<'_>]) -> Option<String> {
    let stuck = kept.iter().find(|target| target.why == Why::BlockedStuck)?;
    stuck.blocked().map(what_is_blocked)
}
