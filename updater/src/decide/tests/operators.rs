//! What the operator says: pins, rings, blocks, groups, time.

use super::*;

fn rollout(state: RolloutState, ring: usize) -> Rollout {
    Rollout {
        at: at("a/product", 3),
        rings: vec![Ring::group("lab"), Ring::percent(10), Ring::percent(100)],
        gate: crate::wire::Gate::default(),
        urgent: false,
        state,
        ring,
        opened_at: 0,
        counted_from: 0,
        words: String::new(),
    }
}

fn told(row: &UserRow, rollout: Rollout) -> (Reason, u64) {
    let listed = [at("a/product", 2), at("a/product", 3)];
    let assignment = decide(row, Tables { rollouts: vec![rollout], ..tables(&[], &listed) });
    (assignment.reason, assignment.channels[0].release)
}

/// N44: a cohort gets the new release, others get the one before.
#[test]
fn a_release_is_for_who_is_in_an_open_ring() {
    let runs = |bucket, group: Option<&str>| UserRow {
        bucket,
        group: group.map(str::to_owned),
        ..row(Designation::Own, &[at("a/product", 2)])
    };
    let (lab, early, late) = (runs(9999, Some("lab")), runs(999, None), runs(1000, Some("office")));
    let (gets, waits) = ((Reason::Refresh, 3), (Reason::RingWaits, 2));
    for (state, ring, results) in [
        (RolloutState::Running, 0, [gets, waits, waits]),
        (RolloutState::Running, 1, [gets, gets, waits]),
        (RolloutState::Running, 2, [gets, gets, gets]),
        (RolloutState::Done, 2, [gets, gets, gets]),
        (RolloutState::Halted, 1, [(Reason::Halted, 2); 3]),
    ] {
        let results_now = [&lab, &early, &late].map(|row| told(row, rollout(state, ring)));
        assert_eq!(results_now, results, "{state:?} {ring}");
    }
    // Who has it keeps it, whatever becomes of the rollout: only its maker can send it back.
    let has = row(Designation::Own, &[at("a/product", 3)]);
    assert_eq!(told(&has, rollout(RolloutState::Halted, 0)), (Reason::Current, 3));
}

#[test]
fn what_is_published_since_there_are_rings_waits_for_its_rollout() {
    let rings = vec![Ring::percent(1), Ring::percent(100)];
    let policy = Policy { rollout: crate::wire::RolloutPolicy { rings, ..Default::default() }, ..Policy::default() };
    let mut tables = with(policy, tables(&[], &[at("a/product", 2), at("a/product", 3)]));
    tables.rings_since = 100;
    tables.releases[1].published_at = 99;
    let runs = row(Designation::Own, &[at("a/product", 2)]);
    assert_eq!(decide(&runs, tables.clone()).reason, Reason::Refresh);
    tables.releases[1].published_at = 100;
    assert_eq!(decide(&runs, tables.clone()).reason, Reason::RingWaits);
    // A terminal without anything gets what the others have.
    let new = decide(&row(Designation::Own, &[]), tables);
    assert_eq!((new.reason, new.channels), (Reason::FirstInstall, vec![at("a/product", 2)]));
}

#[test]
fn a_share_is_of_all_terminals() {
    let in_first = (0..10_000).filter(|number| bucket_of(&format!("terminal-{number}")) < 500).count();
    assert!((400..600).contains(&in_first), "{in_first} of 10,000 are in a ring of 5 %");
    assert_eq!(bucket_of("x"), bucket_of("x"));
}

/// N47: who runs a blocked release goes on, goes back where its maker allows, takes another, or stays and is warned.
#[test]
fn a_blocked_release_is_left_by_the_first_way_there_is() {
    let blocked = vec![Blocked { at: at("a/product", 2), words: "it hangs".to_owned() }];
    let with = |listed: &[ChannelRelease], withdrawn: &[Withdrawn]| Tables {
        blocked: blocked.clone(),
        withdrawn: withdrawn.to_vec(),
        ..tables(&[], listed)
    };
    let allowed = [Withdrawn { at: at("a/product", 2), back_to: Some(1) }];
    let (own, any) = (row(Designation::Own, &[at("a/product", 2)]), row(Designation::Any, &[at("a/product", 2)]));
    let (one, two, three, b) = (at("a/product", 1), at("a/product", 2), at("a/product", 3), at("b/product", 5));
    for (row, tables, channel) in [
        (&own, with(&[one.clone(), two.clone(), three.clone()], &[]), &three),
        (&own, with(std::slice::from_ref(&one), &allowed), &one),
        (&own, with(&[one.clone(), two.clone()], &[]), &two),
        (&any, with(&[one.clone(), two.clone(), b.clone()], &[]), &b),
        (&own, with(&[one.clone(), two.clone(), b.clone()], &[]), &two),
    ] {
        let assignment = decide(row, tables);
        assert_eq!((assignment.reason, &assignment.channels[..]), (Reason::Blocked, std::slice::from_ref(channel)));
        assert!(assignment.words.contains("it hangs"), "{}", assignment.words);
        assert_eq!(assignment.earliest, None);
    }
    // Nobody else is given it, also not as help.
    assert_eq!(
        decide(&row(Designation::Own, std::slice::from_ref(&one)), with(&[one.clone(), two.clone()], &[])).reason,
        Reason::Current
    );
    assert_eq!(decide(&row(Designation::Own, &[]), with(std::slice::from_ref(&two), &[])).reason, Reason::Blocked);
    let loyal =
        UserRow { subscribed: vec!["b/product".parse().unwrap()], ..row(Designation::Any, std::slice::from_ref(&b)) };
    let cure = [threat("a", "x", Some((1, two.clone())))];
    let assignment = decide(&loyal, Tables { threats: cure.to_vec(), ..with(&[two.clone(), b.clone()], &[]) });
    assert_eq!((assignment.reason, assignment.channels), (Reason::NoCureYet, vec![b.clone()]));
    // Who wishes no updates is warned and left alone.
    let none = decide(&row(Designation::None, std::slice::from_ref(&two)), with(&[three], &[]));
    assert_eq!((none.reason, none.channels), (Reason::Blocked, vec![two]));
}

#[test]
fn a_blocked_release_cures_nothing() {
    let threats = [threat("a", "x", Some((1, at("a/product", 2)))), threat("b", "x", Some((1, at("b/product", 5))))];
    let blocked = vec![Blocked { at: at("a/product", 2), words: String::new() }];
    for (eagerness, channels) in [
        (Eagerness::Switch, vec![at("b/product", 5)]),
        (Eagerness::Add, vec![at("b/product", 5)]),
        (Eagerness::Notify, vec![at("a/product", 2)]),
    ] {
        let tables = Tables { blocked: blocked.clone(), ..tables(&threats, &newest()) };
        let assignment = decide(&row(Designation::Any, &[at("a/product", 2)]), with(eager(eagerness), tables));
        assert_eq!((assignment.reason, assignment.channels), (Reason::Blocked, channels), "{eagerness:?}");
    }
}

#[test]
fn a_pin_holds_a_channel_and_never_sends_it_back() {
    let policy = Policy { pins: vec!["a/product@2".parse().unwrap()], ..Policy::default() };
    let listed = [1, 2, 3].map(|release| at("a/product", release));
    for (applied, reason, release) in [
        (Some(1), Reason::Refresh, 2),
        (Some(2), Reason::Pinned, 2),
        (Some(3), Reason::Current, 3),
        (None, Reason::FirstInstall, 2),
    ] {
        let applied = applied.map(|release| at("a/product", release));
        let assignment = decide(&row(Designation::Own, applied.as_slice()), with(policy.clone(), tables(&[], &listed)));
        assert_eq!((assignment.reason, assignment.channels), (reason, vec![at("a/product", release)]));
    }
    // One that is not listed keeps everybody where they are.
    let gone = Policy { pins: vec!["a/product@9".parse().unwrap()], ..Policy::default() };
    assert_eq!(
        decide(&row(Designation::Own, &[at("a/product", 1)]), with(gone.clone(), tables(&[], &listed))).channels,
        [at("a/product", 1)]
    );
    assert_eq!(decide(&row(Designation::Own, &[]), with(gone, tables(&[], &listed))).reason, Reason::Pinned);
}

#[test]
fn a_group_has_its_own_policy() {
    let threats = [threat("b", "x", Some((1, at("b/product", 5))))];
    let mut tables = tables(&threats, &newest());
    tables.policies.groups.insert("office".to_owned(), eager(Eagerness::Notify));
    let runs =
        |group: Option<&str>| UserRow { group: group.map(str::to_owned), ..row(Designation::Any, &[at("a/product", 2)]) };
    assert_eq!(decide(&runs(None), tables.clone()).reason, Reason::Switch);
    assert_eq!(decide(&runs(Some("lab")), tables.clone()).reason, Reason::Switch);
    assert_eq!(decide(&runs(Some("office")), tables).reason, Reason::Offered);
}

/// V28: what is dangerous may break the window, and a freeze holds the rest.
#[test]
fn what_cures_a_dangerous_threat_is_urgent_and_the_rest_can_wait() {
    let freeze_until = Some(jiff::Timestamp::from_second(NOW + DAY).unwrap());
    let policy = Policy { freeze_until, ..Policy::default() };
    let runs = row(Designation::Own, &[at("a/product", 1)]);
    let plain = decide(&runs, with(policy.clone(), tables(&[], &newest())));
    assert_eq!((plain.reason, plain.urgent, plain.earliest), (Reason::Refresh, false, Some(NOW + DAY)));
    let cure = [threat("a", "x", Some((1, at("a/product", 2))))];
    let urgent = decide(&runs, with(policy.clone(), tables(&cure, &newest())));
    assert_eq!((urgent.urgent, urgent.earliest), (true, None));
    // What it has already is not urgent; nor is anything where the policy says so; a first installation never waits.
    let has = [threat("a", "x", Some((1, at("a/product", 1))))];
    assert!(!decide(&runs, with(policy.clone(), tables(&has, &newest()))).urgent);
    let never = Policy { urgent: None, ..policy.clone() };
    assert!(!decide(&runs, with(never, tables(&cure, &newest()))).urgent);
    assert_eq!(decide(&row(Designation::Own, &[]), with(policy.clone(), tables(&[], &newest()))).earliest, None);
    let over = Policy { freeze_until: Some(jiff::Timestamp::from_second(NOW).unwrap()), ..policy };
    assert_eq!(decide(&runs, with(over, tables(&[], &newest()))).earliest, None);
}

/// What is said of a decision uses words, and those of policies as operators type them, not the names of the program's own types.
#[test]
fn an_explanation_speaks_in_words() {
    let list = Designation::List(vec!["b".parse().unwrap(), "c".parse().unwrap()]);
    let cure = [threat("b", "x", Some((1, at("b/product", 5))))];
    let words = |designation: &Designation, eagerness, threats: &[ThreatRow]| {
        let prepared = Prepared::new(with(eager(eagerness), tables(threats, &newest())), NOW);
        let tried = prepared.explain("t", &row(designation.clone(), &[at("a/product", 2)]), NOW).tried;
        tried.into_iter().map(|tried| tried.words).collect::<Vec<_>>().join("; ")
    };
    for (designation, accepts) in
        [(&list, "besides its own makers it accepts b, c"), (&Designation::Any, "it accepts any maker")]
    {
        for (eagerness, word) in [(Eagerness::Switch, "switch"), (Eagerness::Add, "add"), (Eagerness::Notify, "notify")] {
            let words = words(designation, eagerness, &cure);
            assert!(words.contains(accepts), "{words}");
            assert!(words.contains(&format!("the policy's eagerness is {word}")), "{words}");
        }
    }
    assert!(words(&Designation::Own, Eagerness::Switch, &[]).contains("no threat of danger high or more is open"));
    assert!(words(&Designation::None, Eagerness::Switch, &[]).contains("it wishes no updates"));
}

#[test]
fn an_explanation_names_the_rows_the_rules_and_the_candidates() {
    let threats = [threat("a", "x", None), threat("b", "x", Some((1, at("b/product", 5)))), threat("c", "y", None)];
    let prepared = Prepared::new(tables(&threats, &newest()), NOW);
    let explained = prepared.explain("t-1", &row(Designation::Own, &[at("a/product", 2)]), NOW);
    assert_eq!(explained.assignment.reason, Reason::OthersNotAllowed);
    let rules = explained.tried.iter().map(|tried| (tried.rule, tried.yes)).collect::<Vec<_>>();
    let expected = [
        (Rule::WishesUpdates, true),
        (Rule::Fits, true),
        (Rule::NewestIsOpen, true),
        (Rule::NotBlocked, true),
        (Rule::ProductCures, false),
        (Rule::CandidateFound, true),
        (Rule::CandidateAccepted, false),
    ];
    assert_eq!(rules, expected);
    assert_eq!(explained.threats.len(), 3, "the rows of both open threats");
    let words = explained.tried.iter().map(|tried| &tried.words[..]).collect::<Vec<_>>();
    assert_eq!(
        (words[0], words[4], words[6]),
        ("it accepts its own makers alone", "open are x, y", "it accepts its own makers alone"),
        "in words"
    );
    let [candidate] = &explained.candidates[..] else { panic!("{:?}", explained.candidates) };
    assert_eq!(
        (&candidate.at, &candidate.cures[..], candidate.accepted, candidate.rank),
        (&at("b/product", 5), &["x".to_owned()][..], false, 1)
    );
}
