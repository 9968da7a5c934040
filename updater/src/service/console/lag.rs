//! How far a terminal is behind what is published in the channels it runs.

use crate::Channel;
use crate::decide::UserRow;
use crate::service::console::page::span;
use crate::service::store::console::Held;
use maud::{Markup, html};
use std::collections::HashMap;

/// Where a terminal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lag {
    /// It runs the newest releases.
    Current,
    /// So many releases of a channel came after what it runs, the first of them at this time.
    Behind { releases: u64, since: i64 },
    /// It runs nothing, or not all that it subscribed to.
    Lacking,
}

/// Groups of terminals by lag: word in addresses, words for people.
pub(crate) const GROUPS: [(&str, &str); 6] = [
    ("current", "current"),
    ("one", "1 release behind"),
    ("few", "2 or 3 behind"),
    ("many", "4 or more behind"),
    ("lacking", "nothing, or a channel missing"),
    ("unheard", "not heard of yet"),
];

impl Lag {
    /// Its group's word.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Lag::Current => "current",
            Lag::Behind { releases: 1, .. } => "one",
            Lag::Behind { releases: 2 | 3, .. } => "few",
            Lag::Behind { .. } => "many",
            Lag::Lacking => "lacking",
        }
    }

    /// By word and colour.
    pub(crate) fn shown(self, now: i64) -> Markup {
        match self {
            Lag::Current => html! { span.tag.good { "current" } },
            Lag::Behind { releases, since } => {
                let class = if releases < 4 { "tag warn" } else { "tag bad" };
                html! { span class=(class) { (releases) " behind" } " " span.muted.nowrap { "for " (span(now - since)) } }
            }
            Lag::Lacking => html! { span.tag.bad { "incomplete" } },
        }
    }
}

/// What is published, by channel: release and time, ascending, up to the newest that is listed.
pub(crate) struct Published<'a>(HashMap<&'a Channel, Vec<(u64, i64)>>);

impl<'a> Published<'a> {
    /// `held` ascends by channel and release.
    pub(crate) fn new(held: &'a [Held]) -> Self {
        let channels = held.chunk_by(|a, b| a.at.channel == b.at.channel).map(|held| {
            let newest = held.iter().rposition(|release| release.listed).map_or(0, |place| place + 1);
            let releases = held[..newest].iter().filter(|release| !release.withdrawn);
            (&held[0].at.channel, releases.map(|release| (release.at.release, release.published_at)).collect())
        });
        Published(channels.collect())
    }

    /// The worst over what the terminal runs. Channels that it subscribed to count as long as it was not moved to others.
    pub(crate) fn lag(&self, row: &UserRow) -> Lag {
        let mut worst = Lag::Current;
        for at in &row.applied {
            let Some(releases) = self.0.get(&at.channel) else { continue };
            let behind = &releases[releases.partition_point(|(release, _)| *release <= at.release)..];
            let Some((_, first)) = behind.first() else { continue };
            let count = behind.len() as u64;
            worst = match worst {
                Lag::Behind { releases, since } => Lag::Behind { releases: releases.max(count), since: since.min(*first) },
                _ => Lag::Behind { releases: count, since: *first },
            };
        }
        let runs = |channel: &Channel| row.applied.iter().any(|at| at.channel == *channel);
        let moved = row.applied.iter().any(|at| !row.subscribed.contains(&at.channel));
        let lacks = !moved && row.subscribed.iter().any(|channel| self.0.contains_key(channel) && !runs(channel));
        if lacks || row.applied.is_empty() { Lag::Lacking } else { worst }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ChannelRelease, Designation};

    #[test]
    fn lag_is_counted_in_releases_and_time() {
        let held: Vec<_> = (1..=5)
            .map(|release| Held {
                at: ChannelRelease { channel: "a/x".parse().unwrap(), release },
                length: 1,
                published_at: 100 * release.cast_signed(),
                listed: release < 5,
                withdrawn: release == 3,
            })
            .collect();
        let published = Published::new(&held);
        let row = |release| {
            let applied = (release > 0).then(|| ChannelRelease { channel: "a/x".parse().unwrap(), release });
            UserRow::new(Designation::Own, vec!["a/x".parse().unwrap()], Vec::from_iter(applied))
        };
        assert_eq!(published.lag(&row(0)), Lag::Lacking);
        assert_eq!(published.lag(&row(1)), Lag::Behind { releases: 2, since: 200 });
        assert_eq!(published.lag(&row(3)), Lag::Behind { releases: 1, since: 400 });
        assert_eq!((published.lag(&row(4)), published.lag(&row(5))), (Lag::Current, Lag::Current));
    }
}
