//! Is who runs this protected against that? A pure function, asked once for each configuration and not for each terminal.

use crate::Channel;
use crate::decide::{UserRow, accepts};
use crate::wire::{ChannelRelease, Gap, MakerName, ThreatRow, Withdrawn};
use std::collections::{HashMap, HashSet};

/// Releases that count for every threat alike, made ready once.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    /// The newest of each channel that terminals can be given.
    newest: HashMap<Channel, u64>,
    withdrawn: HashMap<Channel, HashSet<u64>>,
}

impl Releases {
    pub(crate) fn new(newest: Vec<ChannelRelease>, withdrawn: Vec<Withdrawn>) -> Self {
        let mut releases = Releases::default();
        releases.newest.extend(newest.into_iter().map(|at| (at.channel, at.release)));
        for Withdrawn { at, .. } in withdrawn {
            releases.withdrawn.entry(at.channel).or_default().insert(at.release);
        }
        releases
    }

    /// Whether the maker took the release back.
    pub(crate) fn is_withdrawn(&self, at: &ChannelRelease) -> bool {
        self.withdrawn.get(&at.channel).is_some_and(|withdrawn| withdrawn.contains(&at.release))
    }
}

/// What protects against one threat.
pub(crate) struct Cures<'a> {
    releases: &'a Releases,
    /// The first release of each channel that has the cure.
    since: HashMap<&'a Channel, u64>,
    /// Channels whose newest release that terminals can be given has the cure.
    available: Vec<&'a Channel>,
}

impl<'a> Cures<'a> {
    /// From the countering table's rows of the threat, by all of its names; of one maker's alone, if `maker` is named. O(rows).
    pub(crate) fn new(
        rows: impl IntoIterator<Item = &'a ThreatRow>,
        releases: &'a Releases,
        maker: Option<&MakerName>,
    ) -> Self {
        let counting = rows.into_iter().filter(|row| maker.is_none_or(|maker| row.maker == *maker));
        let mut since = HashMap::new();
        for at in counting.flat_map(ThreatRow::cures) {
            // A maker can have two names for it, of which one was cured first.
            let first = since.entry(&at.channel).or_insert(at.release);
            *first = at.release.min(*first);
        }
        let mut cures = Cures { releases, since, available: Vec::new() };
        let newest =
            |channel: &Channel| Some(ChannelRelease { channel: channel.clone(), release: *releases.newest.get(channel)? });
        let available = cures.since.keys().copied().filter(|channel| newest(channel).is_some_and(|at| cures.has(&at)));
        cures.available = available.collect();
        cures
    }

    /// Whether this release has the cure: it is not older than the first that has, and not withdrawn.
    pub(crate) fn has(&self, at: &ChannelRelease) -> bool {
        let since = self.since.get(&at.channel);
        since.is_some_and(|since| *since <= at.release) && !self.releases.is_withdrawn(at)
    }

    /// Nothing when who runs this is protected, else why not. O(channels).
    pub(crate) fn gap(&self, row: &UserRow) -> Option<Gap> {
        if row.applied.iter().any(|at| self.has(at)) {
            return None;
        }
        Some(if !row.designation.wishes_updates() {
            Gap::OptedOut
        } else if self.available.iter().any(|channel| accepts(row, channel)) {
            Gap::NotUpdated
        } else if self.available.is_empty() {
            Gap::NoCure
        } else {
            Gap::OthersNotAllowed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Danger, Designation, ThreatNews, Vaccine};
    use jiff::civil::date;

    fn at(channel: &str, release: u64) -> ChannelRelease {
        ChannelRelease { channel: channel.parse().unwrap(), release }
    }

    fn says(maker: &str, cure: Option<ChannelRelease>) -> ThreatRow {
        let vaccine = cure.map(|since| Vaccine { date: date(2026, 11, 12), since });
        let discovered = date(2026, 11, 10);
        let news = ThreatNews { threat: "x".to_owned(), danger: Danger::High, discovered, expected: None, vaccine };
        ThreatRow::said(maker.parse().unwrap(), news)
    }

    fn runs(designation: Designation, applied: &[ChannelRelease]) -> UserRow {
        UserRow::new(designation, vec!["a/product".parse().unwrap()], applied.to_vec())
    }

    #[test]
    fn cover_begins_with_the_first_release_that_has_the_cure() {
        let rows = [says("a", Some(at("a/product", 3))), says("b", None)];
        let newest = [at("a/product", 4), at("b/product", 9)];
        let withdrawn = [Withdrawn { at: at("a/product", 5), back_to: None }];
        let releases = Releases::new(newest.to_vec(), withdrawn.to_vec());
        let cures = Cures::new(&rows, &releases, None);
        for (channel, release, gap) in [
            ("a/product", 2, Some(Gap::NotUpdated)),
            ("a/product", 3, None),
            ("a/product", 4, None),
            ("a/product", 5, Some(Gap::NotUpdated)),
            // Another channel of the same maker, and another maker, have no cure.
            ("a/fast", 9, Some(Gap::NotUpdated)),
            ("b/product", 9, Some(Gap::NotUpdated)),
        ] {
            assert_eq!(cures.gap(&runs(Designation::Own, &[at(channel, release)])), gap, "{channel} {release}");
        }
    }

    #[test]
    fn each_gap_has_its_reason() {
        let releases = Releases::new(vec![at("a/product", 4), at("b/product", 9)], Vec::new());
        let of_b = [says("a", None), says("b", Some(at("b/product", 9)))];
        let nobody = [says("a", None)];
        let unpublished = [says("b", Some(at("b/product", 10)))];
        let own = at("a/product", 4);
        for (rows, designation, gap) in [
            (&of_b[..], Designation::None, Gap::OptedOut),
            (&of_b, Designation::Own, Gap::OthersNotAllowed),
            (&of_b, Designation::Any, Gap::NotUpdated),
            (&of_b, Designation::List(vec!["b".parse().unwrap()]), Gap::NotUpdated),
            (&of_b, Designation::List(vec!["c".parse().unwrap()]), Gap::OthersNotAllowed),
            (&nobody, Designation::Any, Gap::NoCure),
            (&unpublished, Designation::Any, Gap::NoCure),
        ] {
            let found = Cures::new(rows, &releases, None).gap(&runs(designation.clone(), std::slice::from_ref(&own)));
            assert_eq!(found, Some(gap), "{designation:?}");
        }
        let only_a = "a".parse().unwrap();
        let cures = Cures::new(&of_b, &releases, Some(&only_a));
        assert_eq!(cures.gap(&runs(Designation::Any, &[at("b/product", 9)])), Some(Gap::NoCure));
    }
}
