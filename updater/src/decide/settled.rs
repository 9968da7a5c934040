//! Decisions for which no other channel need be found: the product, and the reason why it is at these releases.

use super::product::{Product, Target, Why};
use super::{Case, applied, releases, runs};
use crate::Channel;
use crate::wire::{Assignment, ChannelRelease, Reason};

impl<'a> Case<'a> {
    /// What is assigned when no channel need be found: the product, and why it is at these releases.
    pub(super) fn settled(&self, product: &Product<'a>, kept: Vec<Target<'a>>, back: Option<String>) -> Assignment {
        let channels = releases(&kept);
        if let Some(blocked) = kept.iter().find_map(|target| self.blocked_words(target)) {
            return Assignment::new(channels, Reason::Blocked, blocked);
        }
        if let Some(words) = back {
            return Assignment::new(channels, Reason::Back, words);
        }
        if channels.is_empty() {
            return nothing(product);
        }
        if self.row.applied.is_empty() {
            let words = "first installation of the channels this terminal subscribed to";
            return Assignment::new(channels, Reason::FirstInstall, words);
        }
        if let Some((from, to)) = &product.moved {
            let words = format!("{to} fits this machine as it is now, in the place of {from}");
            return Assignment::new(channels, Reason::Variant, words);
        }
        if runs(self.row, &channels) {
            return unchanged(product, &kept, channels);
        }
        if kept.iter().any(|target| target.why == Why::WentBack) {
            let words = "what is installed was withdrawn by its maker, who allows to go back to an earlier release";
            return Assignment::new(channels, Reason::Withdrawn, words);
        }
        Assignment::new(channels, Reason::Refresh, "a newer release of the installed product is published")
    }

    /// What a terminal is told that wishes no updates.
    pub(super) fn keep(&self, product: &Product<'a>) -> Assignment {
        let channels = applied(self.row);
        if let Some(words) = self.blocked_and_kept() {
            return Assignment::new(channels, Reason::Blocked, words);
        }
        let targets = product.all();
        let current = !channels.is_empty() && releases(&targets) == channels;
        if current && self.scope.without(&self.cures(&targets)).is_empty() {
            return unchanged(product, &targets, channels);
        }
        let words = "this terminal wishes no updates, so it keeps what it has";
        Assignment::new(channels, Reason::UpdatesNotWished, words)
    }
}

pub(super) fn none_fits(channel: &Channel) -> String {
    format!("no variant of {channel} fits this machine")
}

/// The terminal runs what it shall run; why that is not the newest, if it is not.
fn unchanged(product: &Product<'_>, kept: &[Target<'_>], channels: Vec<ChannelRelease>) -> Assignment {
    if let Some(misfit) = product.misfits.first() {
        return Assignment::new(channels, Reason::NoneFits, none_fits(misfit));
    }
    let reason = kept
        .iter()
        .filter_map(|target| target.why.reason().map(|reason| (reason, target)))
        .min_by_key(|(_, target)| target.why);
    match reason {
        Some((reason, target)) => Assignment::new(channels, reason, target.why.words(target.channel)),
        None => Assignment::new(channels, Reason::Current, "the newest release is installed"),
    }
}

/// There is nothing to run.
fn nothing(product: &Product<'_>) -> Assignment {
    if let Some(misfit) = product.misfits.first() {
        return Assignment::new(Vec::new(), Reason::NoneFits, none_fits(misfit));
    }
    let waiting = product.missing.iter().find_map(|(channel, why)| why.reason().map(|reason| (reason, why.words(channel))));
    let (reason, words) = waiting.unwrap_or_else(|| {
        let words = "nothing is published yet in the channels this terminal subscribed to";
        (Reason::NothingPublished, words.to_owned())
    });
    Assignment::new(Vec::new(), reason, words)
}
