//! Is who runs this protected against that? A pure function, asked once for each configuration and not for each terminal.

use crate::Channel;
use crate::decide::{UserRow, accepts};
use crate::wire::{ChannelRelease, Gap, MakerName, ThreatRow, Withdrawn};
use std::collections::{HashMap, HashSet};

/// What protects against one threat.
pub(crate) struct Cures<'a> {
    /// The first release of each channel that has the cure.
    since: HashMap<&'a Channel, u64>,
    withdrawn: HashSet<(&'a Channel, u64)>,
    /// Channels whose newest listed release has the cure.
    available: Vec<&'a Channel>,
}

impl<'a> Cures<'a> {
    /// From the countering table's rows of the threat, by all of its names; of one maker's alone, if `maker` is named.
    pub(crate) fn new(
        rows: impl IntoIterator<Item = &'a ThreatRow>,
        newest: &'a [ChannelRelease],
        withdrawn: &'a [Withdrawn],
        maker: Option<&MakerName>,
    ) -> Self {
        let counting = rows.into_iter().filter(|row| maker.is_none_or(|maker| row.maker == *maker));
        let mut since = HashMap::new();
        for at in counting.flat_map(ThreatRow::cures) {
            // A maker can have two names for it, of which one was cured first.
            let first = since.entry(&at.channel).or_insert(at.release);
            *first = at.release.min(*first);
        }
        let withdrawn = withdrawn.iter().filter(|withdrawn| since.contains_key(&withdrawn.at.channel));
        let withdrawn = withdrawn.map(|withdrawn| (&withdrawn.at.channel, withdrawn.at.release)).collect();
        let mut cures = Cures { since, withdrawn, available: Vec::new() };
        cures.available = newest.iter().filter(|at| cures.has(at)).map(|at| &at.channel).collect();
        cures
    }

    /// Whether this release has the cure: it is not older than the first that has, and not withdrawn.
    pub(crate) fn has(&self, at: &ChannelRelease) -> bool {
        let since = self.since.get(&at.channel);
        since.is_some_and(|since| *since <= at.release) && !self.withdrawn.contains(&(&at.channel, at.release))
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
        let cures = Cures::new(&rows, &newest, &withdrawn, None);
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
        let newest = [at("a/product", 4), at("b/product", 9)];
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
            let found = Cures::new(rows, &newest, &[], None).gap(&runs(designation.clone(), std::slice::from_ref(&own)));
            assert_eq!(found, Some(gap), "{designation:?}");
        }
        let only_a = "a".parse().unwrap();
        let cures = Cures::new(&of_b, &newest, &[], Some(&only_a));
        assert_eq!(cures.gap(&runs(Designation::Any, &[at("b/product", 9)])), Some(Gap::NoCure));
    }
}
