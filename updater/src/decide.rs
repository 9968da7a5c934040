//! What shall this terminal run? A pure function of three tables: its row, the countering table, the channels.
//!
//! The rule, from the decision table of the requirements. The product is what the terminal subscribed to, or, once it was
//! switched to a channel that it did not subscribe to, what it runs. A threat is open when the product has no cure for it.
//!
//! | product covers | applied current | wishes updates | others allowed | another covers | result |
//! |---|---|---|---|---|---|
//! | yes | yes | any | any | any | [`Reason::Current`] |
//! | yes | no | yes | any | any | [`Reason::Refresh`] (or [`Reason::FirstInstall`]) |
//! | yes | no | no | any | any | [`Reason::UpdatesNotWished`] |
//! | no | – | yes | yes | yes | [`Reason::Switch`] |
//! | no | – | yes | yes | no | [`Reason::NoCureYet`], and the newest of its own product |
//! | no | – | yes | no | any | [`Reason::OthersNotAllowed`] or [`Reason::NoCureYet`], and the newest of its own product |
//! | no | – | no | any | any | [`Reason::UpdatesNotWished`] |
//!
//! A switch never trades one cure for another: the other channel must cure all that the product cures and at least one
//! open threat more. So a terminal cannot be sent back and forth: each switch strictly grows what it is cured of. Several
//! candidates are ranked by open threats cured, then by the maker's mean days from discovery to cure, then by name.
//! Only threats of [`SWITCH_DANGER`] count; a nuisance is no reason to change makers.

use crate::Channel;
use crate::wire::{Assignment, ChannelRelease, Danger, Designation, Reason, ThreatRow, Withdrawn};
use std::collections::BTreeSet;

/// Least danger for which a terminal is moved to another maker.
pub const SWITCH_DANGER: Danger = Danger::High;

/// The part of a user-table row that the decision needs.
#[derive(Clone, Debug)]
pub struct UserRow {
    /// Which makers it accepts.
    pub designation: Designation,
    /// What it subscribed to.
    pub subscribed: Vec<Channel>,
    /// What it runs.
    pub applied: Vec<ChannelRelease>,
}

/// Returns what a terminal shall run, ascending by channel, and why. `newest` holds the newest listed release of every
/// channel, `withdrawn` what their makers withdrew: only by that is a terminal told to go back to an earlier release.
///
/// O(threats × channels), but for a logarithm; reads no clock and no other state.
pub fn decide(row: &UserRow, threats: &[ThreatRow], newest: &[ChannelRelease], withdrawn: &[Withdrawn]) -> Assignment {
    let tables = Tables { threats, newest, withdrawn };
    if !row.designation.wishes_updates() {
        return tables.keep(row);
    }
    let own = tables.newest_of_product(row);
    let cured = tables.cured_by_all(&own);
    let open = tables.dangerous().filter(|threat| !cured.contains(threat)).collect::<BTreeSet<_>>();
    if open.is_empty() {
        return refresh(row, own);
    }
    let candidates = tables.candidates(row, &cured, &open);
    let allowed = candidates.iter().find(|c| accepts(row, &c.release.channel));
    match (allowed, candidates.first()) {
        (Some(candidate), _) => switch(row, candidate),
        (None, Some(foreign)) => Assignment {
            channels: own,
            reason: Reason::OthersNotAllowed,
            words: format!(
                "{} counters {}, which your product does not; this terminal accepts no channels of {}, so it keeps its own",
                foreign.release.channel,
                foreign.gains.join(", "),
                foreign.release.channel.maker(),
            ),
        },
        (None, None) if own.is_empty() => refresh(row, own),
        (None, None) => {
            let open = open.into_iter().collect::<Vec<_>>().join(", ");
            let words = format!("no channel that could replace yours counters {open} yet; asked again when news comes");
            Assignment { channels: own, reason: Reason::NoCureYet, words }
        }
    }
}

/// A channel that could replace the product.
struct Candidate<'a> {
    release: ChannelRelease,
    /// Open threats it cures, by name.
    gains: Vec<&'a str>,
    days_to_cure: f64,
}

struct Tables<'a> {
    threats: &'a [ThreatRow],
    newest: &'a [ChannelRelease],
    withdrawn: &'a [Withdrawn],
}

impl<'a> Tables<'a> {
    fn dangerous(&self) -> impl Iterator<Item = &'a str> {
        let dangerous = self.threats.iter().filter(|row| row.news.danger >= SWITCH_DANGER);
        dangerous.map(|row| row.news.threat.as_str())
    }

    fn cured_by(&self, at: &ChannelRelease) -> BTreeSet<&'a str> {
        let rows = self.threats.iter().filter(|row| {
            let cure = row.news.vaccine.as_ref();
            let here = cure.filter(|cure| cure.since.channel == at.channel && cure.since.release <= at.release);
            row.maker.as_str() == at.channel.maker() && here.is_some()
        });
        let cured = rows.map(|row| row.news.threat.as_str()).collect::<BTreeSet<_>>();
        self.dangerous().filter(|threat| cured.contains(threat)).collect()
    }

    fn cured_by_all(&self, channels: &[ChannelRelease]) -> BTreeSet<&'a str> {
        channels.iter().flat_map(|at| self.cured_by(at)).collect()
    }

    /// The product's channels at their newest release. One that is no longer listed stays at what is applied, and so does one whose
    /// newest release is older than that, unless the maker allows to go back.
    fn newest_of_product(&self, row: &UserRow) -> Vec<ChannelRelease> {
        let of_channel = |channel: &Channel| {
            let applied = row.applied.iter().find(|at| at.channel == *channel);
            match (self.newest_listed(channel), applied) {
                (Some(newest), Some(applied)) if newest.release < applied.release => {
                    let may = self.withdrawn.iter().any(|withdrawn| withdrawn.allows(applied, newest.release));
                    Some(if may { newest } else { applied })
                }
                (newest, applied) => newest.or(applied),
            }
        };
        product(row).into_iter().filter_map(|channel| of_channel(channel).cloned()).collect()
    }

    fn newest_listed(&self, channel: &Channel) -> Option<&'a ChannelRelease> {
        self.newest.iter().find(|at| at.channel == *channel)
    }

    /// Channels that cure all of `cured` and some of `open`, the best first.
    fn candidates(&self, row: &UserRow, cured: &BTreeSet<&str>, open: &BTreeSet<&'a str>) -> Vec<Candidate<'a>> {
        let runs = |channel: &Channel| row.applied.iter().any(|at| at.channel == *channel);
        let mut candidates = Vec::new();
        for release in self.newest.iter().filter(|at| !runs(&at.channel)) {
            let cures = self.cured_by(release);
            let gains = cures.intersection(open).copied().collect::<Vec<_>>();
            if !gains.is_empty() && cures.is_superset(cured) {
                let days_to_cure = self.days_to_cure(release.channel.maker());
                candidates.push(Candidate { release: release.clone(), gains, days_to_cure });
            }
        }
        candidates.sort_by(|a, b| {
            let gains = b.gains.len().cmp(&a.gains.len());
            let record = gains.then(a.days_to_cure.total_cmp(&b.days_to_cure));
            record.then_with(|| a.release.channel.to_string().cmp(&b.release.channel.to_string()))
        });
        candidates
    }

    /// Mean days from discovery to cure over the cures a maker made.
    fn days_to_cure(&self, maker: &str) -> f64 {
        let cures = self.threats.iter().filter(|row| row.maker.as_str() == maker);
        let days = cures.filter_map(|row| {
            let made = row.news.vaccine.as_ref()?.date;
            made.since(row.news.discovered).ok().map(|span| f64::from(span.get_days()))
        });
        let days = days.collect::<Vec<_>>();
        days.iter().sum::<f64>() / days.len().max(1) as f64
    }

    fn keep(&self, row: &UserRow) -> Assignment {
        let channels = applied(row);
        let current = !channels.is_empty() && self.newest_of_product(row) == channels;
        let cured = self.cured_by_all(&channels);
        if current && self.dangerous().all(|threat| cured.contains(threat)) {
            return refresh(row, channels);
        }
        let words = "this terminal wishes no updates, so it keeps what it has".to_owned();
        Assignment { channels, reason: Reason::UpdatesNotWished, words }
    }
}

/// Channels of the terminal's product, ascending.
fn product(row: &UserRow) -> BTreeSet<&Channel> {
    let switched = row.applied.iter().any(|at| !row.subscribed.contains(&at.channel));
    if switched { row.applied.iter().map(|at| &at.channel).collect() } else { row.subscribed.iter().collect() }
}

/// What the terminal runs, ascending by channel.
fn applied(row: &UserRow) -> Vec<ChannelRelease> {
    let mut applied = row.applied.clone();
    applied.sort_by(|a, b| a.channel.cmp(&b.channel));
    applied
}

/// A channel may be installed when the terminal subscribed to it or its designation lets others in. Another product of a subscribed maker is
/// another channel: nobody asked for it.
///
/// The agent asks the same question of every assignment, so that a service that was taken over cannot move a terminal.
pub fn accepts(row: &UserRow, channel: &Channel) -> bool {
    row.subscribed.contains(channel) || row.designation.allows_other(channel.maker())
}

fn refresh(row: &UserRow, own: Vec<ChannelRelease>) -> Assignment {
    let (reason, words) = if own.is_empty() {
        (Reason::NothingPublished, "nothing is published yet in the channels this terminal subscribed to")
    } else if row.applied.is_empty() {
        (Reason::FirstInstall, "first installation of the channels this terminal subscribed to")
    } else if applied(row) == own {
        (Reason::Current, "the newest release is installed")
    } else if own.iter().any(|at| row.applied.iter().any(|runs| runs.channel == at.channel && runs.release > at.release)) {
        (Reason::Withdrawn, "what is installed was withdrawn by its maker, who allows to go back to an earlier release")
    } else {
        (Reason::Refresh, "a newer release of the installed product is published")
    };
    Assignment { channels: own, reason, words: words.to_owned() }
}

fn switch(row: &UserRow, candidate: &Candidate<'_>) -> Assignment {
    let product = product(row).into_iter().map(ToString::to_string).collect::<Vec<_>>();
    Assignment {
        words: format!(
            "{} has no cure for {}; {} has, and this terminal accepts it",
            product.join(", "),
            candidate.gains.join(", "),
            candidate.release.channel,
        ),
        channels: vec![candidate.release.clone()],
        reason: Reason::Switch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ThreatNews, Vaccine};

    fn at(channel: &str, release: u64) -> ChannelRelease {
        ChannelRelease { channel: channel.parse().unwrap(), release }
    }

    fn threat(maker: &str, threat: &str, days_to_cure: Option<(i8, ChannelRelease)>) -> ThreatRow {
        let vaccine = days_to_cure.map(|(days, since)| Vaccine { date: jiff::civil::date(2026, 11, 1 + days), since });
        let discovered = jiff::civil::date(2026, 11, 1);
        let news = ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine };
        ThreatRow { maker: maker.parse().unwrap(), news }
    }

    fn row(designation: Designation, applied: &[ChannelRelease]) -> UserRow {
        UserRow { designation, subscribed: vec!["a/product".parse().unwrap()], applied: applied.to_vec() }
    }

    fn newest() -> Vec<ChannelRelease> {
        vec![at("a/product", 2), at("b/product", 5)]
    }

    /// Every row of the decision table, with every value of its "any" columns.
    #[test]
    fn the_whole_truth_table() {
        for case in 0..32_u32 {
            let [covers, current, wishes, others, another] = [1, 2, 4, 8, 16].map(|bit| case & bit != 0);
            let designation = match (wishes, others) {
                (false, _) => Designation::None,
                (true, false) => Designation::Own,
                (true, true) => Designation::Any,
            };
            let threats = [
                threat("a", "x", covers.then(|| (3, at("a/product", 2)))),
                threat("b", "x", another.then(|| (1, at("b/product", 5)))),
            ];
            let applied = [at("a/product", if current { 2 } else { 1 })];
            let (reason, channels) = match (covers, current, wishes, others, another) {
                (true, true, ..) => (Reason::Current, at("a/product", 2)),
                (true, false, true, ..) => (Reason::Refresh, at("a/product", 2)),
                (_, _, false, ..) => (Reason::UpdatesNotWished, applied[0].clone()),
                (false, _, true, true, true) => (Reason::Switch, at("b/product", 5)),
                (false, _, true, _, false) => (Reason::NoCureYet, at("a/product", 2)),
                (false, _, true, false, true) => (Reason::OthersNotAllowed, at("a/product", 2)),
            };
            let assignment = decide(&row(designation, &applied), &threats, &newest(), &[]);
            assert_eq!((assignment.reason, assignment.channels), (reason, vec![channels]), "case {case:05b}");
        }
    }

    #[test]
    fn a_list_of_makers_lets_in_those_and_no_others() {
        let threats = [threat("b", "x", Some((1, at("b/product", 5))))];
        let listed = |maker: &str| Designation::List(vec![maker.parse().unwrap()]);
        let applied = [at("a/product", 2)];
        assert_eq!(decide(&row(listed("b"), &applied), &threats, &newest(), &[]).reason, Reason::Switch);
        assert_eq!(decide(&row(listed("c"), &applied), &threats, &newest(), &[]).reason, Reason::OthersNotAllowed);
    }

    #[test]
    fn an_expected_or_a_later_cure_is_no_cure() {
        let mut expected = threat("b", "x", None);
        expected.news.expected = Some(jiff::civil::date(2026, 12, 1));
        let later = threat("b", "x", Some((1, at("b/product", 6))));
        for cure in [expected, later] {
            let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), &[cure], &newest(), &[]);
            assert_eq!(assignment.reason, Reason::NoCureYet);
        }
    }

    #[test]
    fn a_nuisance_moves_nobody() {
        let mut nuisance = threat("b", "x", Some((1, at("b/product", 5))));
        nuisance.news.danger = Danger::Medium;
        let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), &[nuisance], &newest(), &[]);
        assert_eq!(assignment.reason, Reason::Current);
    }

    #[test]
    fn no_cure_is_traded_for_another() {
        let threats = [threat("a", "x", Some((1, at("a/product", 1)))), threat("b", "y", Some((1, at("b/product", 1))))];
        let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), &threats, &newest(), &[]);
        assert_eq!((assignment.reason, assignment.channels), (Reason::NoCureYet, vec![at("a/product", 2)]));
    }

    #[test]
    fn the_maker_with_the_better_record_is_chosen() {
        let threats = [threat("b", "x", Some((4, at("b/product", 1)))), threat("c", "x", Some((2, at("c/product", 1))))];
        let newest = [newest(), vec![at("c/product", 1)]].concat();
        let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), &threats, &newest, &[]);
        assert_eq!(assignment.channels, [at("c/product", 1)]);
    }

    #[test]
    fn a_switched_terminal_stays_switched_and_missing_channels_come_back() {
        let threats = [threat("a", "x", None), threat("b", "x", Some((1, at("b/product", 5))))];
        let switched = decide(&row(Designation::Any, &[at("b/product", 4)]), &threats, &newest(), &[]);
        assert_eq!((switched.reason, switched.channels), (Reason::Refresh, vec![at("b/product", 5)]));

        let mut two = row(Designation::Own, &[at("a/product", 2)]);
        two.subscribed.push("a/fast".parse().unwrap());
        let newest = [newest(), vec![at("a/fast", 7)]].concat();
        let assignment = decide(&two, &[], &newest, &[]);
        assert_eq!((assignment.reason, assignment.channels), (Reason::Refresh, vec![at("a/fast", 7), at("a/product", 2)]));
    }

    #[test]
    fn nothing_published_is_said() {
        let assignment = decide(&row(Designation::Own, &[]), &[], &[], &[]);
        assert_eq!((assignment.reason, assignment.channels), (Reason::NothingPublished, vec![]));
    }

    #[test]
    fn a_withdrawn_release_is_left_only_as_far_back_as_its_maker_allows() {
        let listed = [at("a/product", 2)];
        let runs = row(Designation::Own, &[at("a/product", 4)]);
        let withdrawn = |release, back_to| [Withdrawn { at: at("a/product", release), back_to }];
        for (withdrawn, result) in [
            (withdrawn(4, Some(2)), (Reason::Withdrawn, 2)),
            (withdrawn(4, Some(1)), (Reason::Withdrawn, 2)),
            (withdrawn(4, Some(3)), (Reason::Current, 4)),
            (withdrawn(4, None), (Reason::Current, 4)),
            // Of another release, this says nothing of the one that runs.
            (withdrawn(3, Some(1)), (Reason::Current, 4)),
        ] {
            let assignment = decide(&runs, &[], &listed, &withdrawn);
            assert_eq!((assignment.reason, assignment.channels[0].release), result, "{withdrawn:?}");
        }
    }
}
