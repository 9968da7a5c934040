//! What the operator gives one terminal alone.

use super::*;
use crate::wire::{OneOff, RolloutPolicy};
use jiff::Timestamp;

fn one_off(channel: &str, release: Option<u64>) -> OneOff {
    let until = Timestamp::from_second(NOW + DAY).unwrap();
    OneOff { channel: channel.parse().unwrap(), release, until, why: "its driver hangs".to_owned() }
}

fn given(row: UserRow, one_offs: &[OneOff]) -> UserRow {
    UserRow { one_offs: one_offs.to_vec(), ..row }
}

fn listed() -> Vec<ChannelRelease> {
    [1, 2, 3].map(|release| at("a/product", release)).into_iter().chain([at("b/product", 4), at("b/product", 5)]).collect()
}

#[test]
fn a_terminal_is_given_a_channel_beside_its_product_or_a_release_of_it() {
    let any = row(Designation::Any, &[at("a/product", 2)]);
    for (one_offs, channels) in [
        (vec![one_off("b/product", None)], vec![at("a/product", 3), at("b/product", 5)]),
        (vec![one_off("b/product", Some(4))], vec![at("a/product", 3), at("b/product", 4)]),
        (vec![one_off("a/product", Some(2))], vec![at("a/product", 2)]),
        (vec![one_off("a/product", Some(2)), one_off("b/product", Some(4))], vec![at("a/product", 2), at("b/product", 4)]),
    ] {
        let assignment = decide(&given(any.clone(), &one_offs), tables(&[], &listed()));
        assert_eq!((assignment.reason, assignment.channels), (Reason::OneOff, channels), "{one_offs:?}");
        assert!(assignment.words.contains("its driver hangs"), "{}", assignment.words);
        assert_eq!(assignment.until, Some(NOW + DAY));
    }
    // When it is over, the policy decides alone, and what was given is a foreign channel like others.
    let both = given(row(Designation::Any, &[at("a/product", 3), at("b/product", 5)]), &[one_off("b/product", None)]);
    let stays = decide(&both, tables(&[], &listed()));
    assert_eq!((stays.reason, stays.channels.len()), (Reason::OneOff, 2), "it is not sent back while it is given");
    let policy = Policy { minimum_stay_days: 0, ..Policy::default() };
    let prepared = Prepared::new(with(policy, tables(&[], &listed())), NOW);
    let over = prepared.decide(&both, NOW + DAY);
    assert_eq!((over.reason, over.channels, over.until), (Reason::Back, vec![at("a/product", 3)], None));
}

/// What it is given counts as what it runs: nothing else is looked for that it cures, and something is for what it lacks.
#[test]
fn the_policy_decides_the_rest_with_what_is_given_in_it() {
    let threats = [
        threat("a", "x", Some((3, at("a/product", 3)))),
        threat("b", "x", Some((1, at("b/product", 5)))),
        threat("c", "x", Some((1, at("c/product", 1)))),
    ];
    let listed = [listed(), vec![at("c/product", 1)]].concat();
    let any = row(Designation::Any, &[at("a/product", 2)]);
    let kept_back = [one_off("a/product", Some(2))];
    let assignment = decide(&given(any.clone(), &kept_back), tables(&threats, &listed));
    assert_eq!(assignment.channels, [at("a/product", 2), at("b/product", 5)], "who is kept back is cured by another");
    assert!(assignment.words.contains("besides") && assignment.words.contains("no cure for x"), "{}", assignment.words);
    let with_c = [one_off("a/product", Some(2)), one_off("c/product", None)];
    let assignment = decide(&given(any, &with_c), tables(&threats, &listed));
    assert_eq!(assignment.channels, [at("a/product", 2), at("c/product", 1)]);
}

/// N44: the operator named this terminal, so no ring and no pin holds it back.
#[test]
fn neither_rings_nor_pins_hold_back_what_is_given() {
    let rings = vec![Ring::percent(1), Ring::percent(100)];
    let policy = Policy {
        rollout: RolloutPolicy { rings, ..RolloutPolicy::default() },
        pins: vec!["a/product@1".parse().unwrap()],
        ..Policy::default()
    };
    let runs = row(Designation::Own, &[at("a/product", 1)]);
    let tables = with(policy, tables(&[], &listed()));
    assert_eq!(decide(&runs, tables.clone()).channels, [at("a/product", 1)]);
    let runs = given(runs, &[one_off("a/product", None)]);
    assert_eq!(decide(&runs, tables).channels, [at("a/product", 3)]);
}

/// N47: the kill switch goes before it; so do the owner, the maker and the machine.
#[test]
fn what_goes_before_everything_goes_before_a_one_off() {
    let blocked = |at: &ChannelRelease| Blocked { at: at.clone(), words: String::new() };
    let needs = Needs { memory_bytes: Some(1 << 40), ..Needs::default() };
    let large = ChannelNeeds { channel: "b/product".parse().unwrap(), needs };
    let all = tables(&[], &listed());
    let any = || row(Designation::Any, &[at("a/product", 2)]);
    let small = UserRow { machine: Machine { memory_bytes: Some(1), ..Machine::default() }, ..any() };
    let ended = OneOff { until: Timestamp::from_second(NOW).unwrap(), ..one_off("b/product", None) };
    let all_blocked = vec![blocked(&at("b/product", 4)), blocked(&at("b/product", 5))];
    for (row, one_off, tables, void) in [
        (any(), ended, all.clone(), Void::Over),
        (row(Designation::None, &[at("a/product", 2)]), one_off("a/product", Some(3)), all.clone(), Void::UpdatesNotWished),
        (row(Designation::Own, &[at("a/product", 2)]), one_off("b/product", None), all.clone(), Void::NotAccepted),
        (row(Designation::Own, &[at("a/product", 2)]), one_off("a/other", None), all.clone(), Void::NotAccepted),
        (any(), one_off("b/product", Some(9)), all.clone(), Void::NotListed),
        (any(), one_off("c/product", None), all.clone(), Void::NotListed),
        (small, one_off("b/product", None), Tables { needs: vec![large], ..all.clone() }, Void::DoesNotFit),
        (any(), one_off("b/product", None), Tables { blocked: all_blocked, ..all.clone() }, Void::Blocked(5)),
        (
            any(),
            one_off("a/product", Some(2)),
            Tables { blocked: vec![blocked(&at("a/product", 2))], ..all.clone() },
            Void::Blocked(2),
        ),
    ] {
        let prepared = Prepared::new(tables.clone(), NOW);
        assert_eq!(prepared.one_off(&row, &one_off, NOW), Err(void.clone()));
        let told = decide(&given(row.clone(), std::slice::from_ref(&one_off)), tables.clone());
        assert_eq!(told, decide(&row, tables), "{void:?} leaves the decision as it is");
        let explained = prepared.explain("t", &given(row, &[one_off]), NOW);
        assert!(explained.tried.iter().any(|tried| tried.rule == Rule::OneOff && !tried.yes), "{void:?}");
    }
    // The newest that is not blocked is what it comes to.
    let newest_blocked = Tables { blocked: vec![blocked(&at("b/product", 5))], ..all };
    let told = decide(&given(any(), &[one_off("b/product", None)]), newest_blocked);
    assert_eq!(told.channels, [at("a/product", 3), at("b/product", 4)]);
}

#[test]
fn nobody_goes_back_by_it_unless_the_maker_allows_that() {
    let runs = given(row(Designation::Own, &[at("a/product", 3)]), &[one_off("a/product", Some(2))]);
    assert_eq!(decide(&runs, tables(&[], &listed())).channels, [at("a/product", 3)], "it stays where it is");
    let withdrawn = Withdrawn { at: at("a/product", 3), back_to: Some(1) };
    let left = [at("a/product", 1), at("a/product", 2), at("a/product", 4)];
    let tables = Tables { withdrawn: vec![withdrawn], ..tables(&[], &left) };
    assert_eq!(decide(&runs, tables).channels, [at("a/product", 2)]);
}

#[test]
fn a_variant_that_is_given_takes_the_place_of_the_one_that_runs() {
    let listed = [at("a/product", 2), at("a/product--small", 2)];
    let runs = given(row(Designation::Own, &[at("a/product", 2)]), &[one_off("a/product--small", None)]);
    assert_eq!(decide(&runs, tables(&[], &listed)).channels, [at("a/product--small", 2)]);
}

proptest! {
    /// Whatever is given, nothing comes of it that the owner does not accept, that is blocked, or that leads back.
    #[test]
    fn a_one_off_moves_nobody_where_nobody_may_go(
        wish in 0..4_u8,
        applied in prop::sample::subsequence(vec![at("a/product", 2), at("b/product", 4)], 0..=2),
        of in prop::collection::vec((prop::sample::select(vec!["a/product", "b/product", "c/product"]), prop::option::of(1..7_u64)), 0..3),
        blocked in prop::sample::subsequence(listed(), 0..=3),
    ) {
        let designation = match wish {
            0 => Designation::None,
            1 => Designation::Own,
            2 => Designation::List(vec!["b".parse().unwrap()]),
            _ => Designation::Any,
        };
        let mut one_offs = of.iter().map(|(channel, release)| one_off(channel, *release)).collect::<Vec<_>>();
        one_offs.sort_by(|a, b| a.channel.cmp(&b.channel));
        one_offs.dedup_by(|a, b| a.channel == b.channel);
        let runs = given(row(designation, &applied), &one_offs);
        let words = String::new;
        let blocked = blocked.iter().map(|at| Blocked { at: at.clone(), words: words() }).collect::<Vec<_>>();
        let told = decide(&runs, Tables { blocked: blocked.clone(), ..tables(&[], &listed()) });
        for at in &told.channels {
            let now = applied.iter().find(|now| now.channel == at.channel);
            prop_assert!(now.is_none_or(|now| now.release <= at.release), "{at:?}");
            prop_assert!(now.is_some() || accepts(&runs, &at.channel), "{at:?}");
            prop_assert!(now == Some(at) || !blocked.iter().any(|blocked| blocked.at == *at), "{at:?}");
            prop_assert!(runs.designation.wishes_updates() || now == Some(at), "{at:?}");
        }
        let mut distinct = told.channels.clone();
        distinct.dedup_by(|a, b| a.channel == b.channel);
        prop_assert_eq!(distinct, told.channels);
    }
}
