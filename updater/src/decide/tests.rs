use super::*;
use crate::wire::{
    Blocked, ChannelNeeds, Eagerness, Needs, Policies, Ring, Rollout, RolloutState, ThreatNews, ThreatRow, Vaccine,
    Withdrawn,
};
use proptest::prelude::*;

mod histories;
mod one_offs;
mod operators;
mod plain;
mod variants;

const DAY: i64 = 86_400;
/// Noon of the 30th of November 2026.
const NOW: i64 = 1_796_040_000;

fn at(channel: &str, release: u64) -> ChannelRelease {
    ChannelRelease { channel: channel.parse().unwrap(), release }
}

fn threat(maker: &str, threat: &str, days_to_cure: Option<(i8, ChannelRelease)>) -> ThreatRow {
    let vaccine = days_to_cure.map(|(days, since)| Vaccine { date: jiff::civil::date(2026, 11, 1 + days), since });
    let discovered = jiff::civil::date(2026, 11, 1);
    let news = ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine };
    ThreatRow::said(maker.parse().unwrap(), news)
}

fn row(designation: Designation, applied: &[ChannelRelease]) -> UserRow {
    UserRow::new(designation, vec!["a/product".parse().unwrap()], applied.to_vec())
}

fn tables(threats: &[ThreatRow], listed: &[ChannelRelease]) -> Tables {
    let releases = listed.iter().map(|at| ListedRelease { at: at.clone(), published_at: 0 }).collect();
    Tables { threats: threats.to_vec(), releases, ..Tables::default() }
}

fn with(policy: Policy, tables: Tables) -> Tables {
    Tables { policies: Policies { default: policy, ..Policies::default() }, ..tables }
}

fn eager(eagerness: Eagerness) -> Policy {
    Policy { eagerness, ..Policy::default() }
}

fn decide(row: &UserRow, tables: Tables) -> Assignment {
    let prepared = Prepared::new(tables, NOW);
    let assignment = prepared.decide(row, NOW);
    // Whoever asks why is told of the same decision.
    assert_eq!(prepared.explain("t", row, NOW).assignment, assignment);
    assignment
}

fn newest() -> Vec<ChannelRelease> {
    vec![at("a/product", 2), at("b/product", 5)]
}

/// Every row of the decision table, with every value of its "any" columns, by every eagerness.
#[test]
fn the_whole_truth_table() {
    for case in 0..96_u32 {
        let [covers, current, wishes, others, another] = [1, 2, 4, 8, 16].map(|bit| case & bit != 0);
        let eagerness = [Eagerness::Switch, Eagerness::Add, Eagerness::Notify][case as usize / 32];
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
        let own = || vec![at("a/product", 2)];
        let (reason, channels) = match (covers, current, wishes, others, another) {
            (true, true, ..) => (Reason::Current, own()),
            (true, false, true, ..) => (Reason::Refresh, own()),
            (_, _, false, ..) => (Reason::UpdatesNotWished, applied.to_vec()),
            (false, _, true, true, true) => match eagerness {
                Eagerness::Switch => (Reason::Switch, vec![at("b/product", 5)]),
                Eagerness::Add => (Reason::Add, vec![at("a/product", 2), at("b/product", 5)]),
                Eagerness::Notify => (Reason::Offered, own()),
            },
            (false, _, true, _, false) => (Reason::NoCureYet, own()),
            (false, _, true, false, true) => (Reason::OthersNotAllowed, own()),
        };
        let assignment = decide(&row(designation, &applied), with(eager(eagerness), tables(&threats, &newest())));
        assert_eq!((assignment.reason, assignment.channels), (reason, channels), "case {case:07b}");
    }
}

#[test]
fn a_list_of_makers_lets_in_those_and_no_others() {
    let threats = [threat("b", "x", Some((1, at("b/product", 5))))];
    let listed = |maker: &str| Designation::List(vec![maker.parse().unwrap()]);
    let applied = [at("a/product", 2)];
    assert_eq!(decide(&row(listed("b"), &applied), tables(&threats, &newest())).reason, Reason::Switch);
    assert_eq!(decide(&row(listed("c"), &applied), tables(&threats, &newest())).reason, Reason::OthersNotAllowed);
}

#[test]
fn an_expected_or_a_later_cure_is_no_cure() {
    let mut expected = threat("b", "x", None);
    expected.news.expected = Some(jiff::civil::date(2026, 12, 1));
    let later = threat("b", "x", Some((1, at("b/product", 6))));
    for cure in [expected, later] {
        let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), tables(&[cure], &newest()));
        assert_eq!(assignment.reason, Reason::NoCureYet);
    }
}

/// Makers name threats as they like; what is tied together is one threat.
#[test]
fn another_makers_name_for_a_cured_threat_is_no_open_threat() {
    let threats =
        [threat("a", "x-alpha", Some((1, at("a/product", 2)))), threat("b", "y-beta", Some((1, at("b/product", 5))))];
    let runs = row(Designation::Any, &[at("a/product", 2)]);
    let apart = Policy { eagerness: Eagerness::Add, ..Policy::default() };
    assert_eq!(decide(&runs, with(apart.clone(), tables(&threats, &newest()))).reason, Reason::Add);
    let alias = crate::wire::Alias { maker: "a".parse().unwrap(), threat: "x-alpha".to_owned() };
    let threat_ids = crate::threat_id::ThreatIds::new([("y-beta", &alias)], []);
    let tied = Tables { threat_ids, ..with(apart, tables(&threats, &newest())) };
    assert_eq!(decide(&runs, tied).reason, Reason::Current);
}

#[test]
fn a_nuisance_moves_nobody_unless_the_policy_says_so() {
    let mut nuisance = threat("b", "x", Some((1, at("b/product", 5))));
    nuisance.news.danger = Danger::Medium;
    let runs = row(Designation::Any, &[at("a/product", 2)]);
    assert_eq!(decide(&runs, tables(&[nuisance.clone()], &newest())).reason, Reason::Current);
    let strict = Policy { danger: Danger::Medium, ..Policy::default() };
    assert_eq!(decide(&runs, with(strict, tables(&[nuisance], &newest()))).reason, Reason::Switch);
}

#[test]
fn no_cure_is_traded_for_another_but_both_can_be_had() {
    let threats = [threat("a", "x", Some((1, at("a/product", 1)))), threat("b", "y", Some((1, at("b/product", 1))))];
    let runs = row(Designation::Any, &[at("a/product", 2)]);
    let assignment = decide(&runs, tables(&threats, &newest()));
    assert_eq!((assignment.reason, assignment.channels), (Reason::NoCureYet, vec![at("a/product", 2)]));
    let assignment = decide(&runs, with(eager(Eagerness::Add), tables(&threats, &newest())));
    assert_eq!((assignment.reason, assignment.channels), (Reason::Add, newest()));
}

#[test]
fn the_maker_with_the_better_record_is_chosen() {
    let threats = [threat("b", "x", Some((4, at("b/product", 1)))), threat("c", "x", Some((2, at("c/product", 1))))];
    let newest = [newest(), vec![at("c/product", 1)]].concat();
    let runs = row(Designation::Any, &[at("a/product", 2)]);
    assert_eq!(decide(&runs, tables(&threats, &newest)).channels, [at("c/product", 1)]);
    // As soon, but c left three others alone; then the median says that it takes longer.
    let slow = ["y", "z", "w"].map(|name| threat("c", name, None));
    let as_soon = [threat("b", "x", Some((2, at("b/product", 1)))), threat("c", "x", Some((2, at("c/product", 1))))];
    let threats = [&as_soon[..], &slow].concat();
    assert_eq!(decide(&runs, tables(&threats, &newest)).channels, [at("b/product", 5)]);
    // A cure in a release that never came is a promise, however soon.
    let promised = ["y", "z", "w"].map(|name| threat("c", name, Some((0, at("c/product", 9)))));
    let threats = [&as_soon[..], &promised].concat();
    assert_eq!(decide(&runs, tables(&threats, &newest)).channels, [at("b/product", 5)]);
    let came = [&newest[..], &[at("c/product", 9)]].concat();
    assert_eq!(decide(&runs, tables(&threats, &came)).channels, [at("c/product", 9)]);
    // Equal in all: by name, and where one flagged clean files, the other.
    assert_eq!(decide(&runs, tables(&as_soon, &newest)).channels, [at("b/product", 5)]);
    let mut wrong = tables(&as_soon, &newest);
    wrong.false_positives.insert("b".to_owned(), 1);
    assert_eq!(decide(&runs, wrong).channels, [at("c/product", 1)]);
}

#[test]
fn variants_are_named_by_their_maker() {
    let variant = |a: &str, b: &str| same_product(&a.parse().unwrap(), &b.parse().unwrap());
    assert!(variant("a/av", "a/av--small") && variant("a/av--small", "a/av--large") && variant("a/av", "a/av"));
    assert!(!variant("a/av", "b/av--small") && !variant("a/av", "a/av-small") && !variant("a/av", "a/weak"));
    let row = row(Designation::Own, &[]);
    let accepted = |channel: &str| accepts(&row, &channel.parse().unwrap());
    assert!(accepted("a/product") && accepted("a/product--small"));
    assert!(!accepted("a/fast") && !accepted("b/product--small"));
}

/// V22: three makers, one of them with two channels; whichever has the cure is found, and the terminal's own maker goes first.
#[test]
fn any_channel_of_any_of_three_makers_can_help() {
    let newest = ["a/product", "a/fast", "b/product", "c/product"].map(|channel| at(channel, 1));
    let runs = row(Designation::Any, &[at("a/product", 1)]);
    for helper in &newest[1..] {
        let cure = threat(helper.channel.maker(), "x", Some((9, helper.clone())));
        let assignment = decide(&runs, tables(&[cure], &newest));
        assert_eq!((assignment.reason, assignment.channels), (Reason::Switch, vec![helper.clone()]));
    }
    let all = [("a", "a/fast"), ("b", "b/product"), ("c", "c/product")]
        .map(|(maker, channel)| threat(maker, "x", Some((1, at(channel, 1)))));
    assert_eq!(decide(&runs, tables(&all, &newest)).channels, [at("a/fast", 1)]);
    let own = row(Designation::Own, &[at("a/product", 1)]);
    assert_eq!(decide(&own, tables(&all, &newest)).reason, Reason::OthersNotAllowed, "nobody asked for that product");
    assert_eq!(decide(&own, tables(&all[1..], &newest)).reason, Reason::OthersNotAllowed);
    let mut both = own;
    both.subscribed.push("a/fast".parse().unwrap());
    let refreshed = decide(&both, tables(&all, &newest));
    assert_eq!(refreshed.channels, [at("a/fast", 1), at("a/product", 1)], "it subscribed to that too");
}

#[test]
fn several_are_added_as_far_as_each_helps_and_the_policy_lets_it() {
    let threats = [
        threat("b", "x", Some((1, at("b/product", 1)))),
        threat("b", "y", Some((1, at("b/product", 1)))),
        threat("c", "z", Some((1, at("c/product", 1)))),
        threat("d", "x", Some((1, at("d/product", 1)))),
    ];
    let newest = ["a/product", "b/product", "c/product", "d/product"].map(|channel| at(channel, 1));
    let runs = row(Designation::Any, &[at("a/product", 1)]);
    let assignment = decide(&runs, with(eager(Eagerness::Add), tables(&threats, &newest)));
    assert_eq!((assignment.reason, &assignment.channels[..]), (Reason::Add, &newest[..3]), "d would add nothing to b");
    let two = Policy { channels_max: 2, ..eager(Eagerness::Add) };
    assert_eq!(decide(&runs, with(two, tables(&threats, &newest))).channels, newest[..2]);
    let one = Policy { channels_max: 1, ..eager(Eagerness::Add) };
    let assignment = decide(&runs, with(one, tables(&threats, &newest)));
    assert_eq!((assignment.reason, &assignment.channels[..]), (Reason::NoCureYet, &newest[..1]));
}

#[test]
fn a_switched_terminal_stays_switched_and_missing_channels_come_back() {
    let threats = [threat("a", "x", None), threat("b", "x", Some((1, at("b/product", 5))))];
    let switched = decide(&row(Designation::Any, &[at("b/product", 4)]), tables(&threats, &newest()));
    assert_eq!((switched.reason, switched.channels), (Reason::Refresh, vec![at("b/product", 5)]));

    let mut two = row(Designation::Own, &[at("a/product", 2)]);
    two.subscribed.push("a/fast".parse().unwrap());
    let newest = [newest(), vec![at("a/fast", 7)]].concat();
    let assignment = decide(&two, tables(&[], &newest));
    assert_eq!((assignment.reason, assignment.channels), (Reason::Refresh, vec![at("a/fast", 7), at("a/product", 2)]));
}

/// T6, then what the seed leaves open: the own maker catches up.
#[test]
fn a_switched_terminal_goes_back_when_its_maker_caught_up_and_its_stay_is_over() {
    let lacks = [threat("a", "x", None), threat("b", "x", Some((1, at("b/product", 5))))];
    let cures = [threat("a", "x", Some((9, at("a/product", 2)))), lacks[1].clone()];
    let stayed = |days: i64| UserRow {
        stays: vec![("b/product".parse().unwrap(), NOW - days * DAY)],
        ..row(Designation::Any, &[at("b/product", 5)])
    };
    let (back, stay) = ((Reason::Back, vec![at("a/product", 2)]), (Reason::Current, vec![at("b/product", 5)]));
    let never = Policy { back_when_caught_up: false, ..Policy::default() };
    let at_once = Policy { minimum_stay_days: 0, ..Policy::default() };
    for (policy, days, threats, result) in [
        (Policy::default(), 6, &cures, &stay),
        (Policy::default(), 7, &cures, &back),
        (Policy::default(), 700, &lacks, &stay),
        (never, 700, &cures, &stay),
        (at_once, 0, &cures, &back),
    ] {
        let assignment = decide(&stayed(days), with(policy, tables(threats, &newest())));
        assert_eq!((assignment.reason, assignment.channels), *result, "after {days} days");
    }
    // One whose stay is not known has just come.
    let unknown = UserRow { stays: Vec::new(), ..stayed(0) };
    assert_eq!(decide(&unknown, tables(&cures, &newest())).reason, Reason::Current);
    // There must be something to go back to.
    assert_eq!(decide(&stayed(700), tables(&[], &[at("b/product", 5)])).reason, Reason::Current);
}

#[test]
fn an_added_channel_goes_when_it_adds_nothing_any_more() {
    let runs = UserRow {
        stays: vec![("b/product".parse().unwrap(), NOW - 30 * DAY)],
        ..row(Designation::Any, &[at("a/product", 2), at("b/product", 5)])
    };
    let lacks = [threat("a", "x", None), threat("b", "x", Some((1, at("b/product", 5))))];
    assert_eq!(decide(&runs, with(eager(Eagerness::Add), tables(&lacks, &newest()))).reason, Reason::Current);
    let cures = [threat("a", "x", Some((9, at("a/product", 2)))), lacks[1].clone()];
    let assignment = decide(&runs, with(eager(Eagerness::Add), tables(&cures, &newest())));
    assert_eq!((assignment.reason, assignment.channels), (Reason::Back, vec![at("a/product", 2)]));
}

/// V20: whoever accepts others no longer is rid of them, also before any stay is over.
#[test]
fn a_foreign_channel_goes_when_it_is_not_accepted_any_more() {
    let threats = [threat("b", "x", Some((1, at("b/product", 5))))];
    for applied in [vec![at("b/product", 5)], vec![at("a/product", 2), at("b/product", 5)]] {
        let assignment = decide(&row(Designation::Own, &applied), tables(&threats, &newest()));
        assert_eq!(assignment.channels, [at("a/product", 2)]);
        assert!([Reason::Back, Reason::OthersNotAllowed].contains(&assignment.reason), "{assignment:?}");
    }
}

#[test]
fn nothing_published_is_said() {
    let assignment = decide(&row(Designation::Own, &[]), Tables::default());
    assert_eq!((assignment.reason, assignment.channels), (Reason::NothingPublished, vec![]));
}

#[test]
fn a_withdrawn_release_is_left_only_as_far_back_as_its_maker_allows() {
    let runs = row(Designation::Own, &[at("a/product", 4)]);
    let withdrawn = |release, back_to| vec![Withdrawn { at: at("a/product", release), back_to }];
    for (withdrawn, result) in [
        (withdrawn(4, Some(2)), (Reason::Withdrawn, 2)),
        (withdrawn(4, Some(1)), (Reason::Withdrawn, 2)),
        (withdrawn(4, Some(3)), (Reason::Current, 4)),
        (withdrawn(4, None), (Reason::Current, 4)),
        // Of another release, this says nothing of the one that runs.
        (withdrawn(3, Some(1)), (Reason::Current, 4)),
    ] {
        let tables = Tables { withdrawn: withdrawn.clone(), ..tables(&[], &[at("a/product", 2)]) };
        let assignment = decide(&runs, tables);
        assert_eq!((assignment.reason, assignment.channels[0].release), result, "{withdrawn:?}");
    }
}
