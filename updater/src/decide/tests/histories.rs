//! Random histories of tables: coverage never falls by a decision, and terminals come to rest.

use super::*;

const CHANNELS: [&str; 5] = ["a/product", "a/fast", "b/product", "c/product", "d/product"];
const THREATS: usize = 8;

/// What a channel cures from which release on, and its newest release.
#[derive(Clone, Debug)]
struct World {
    newest: [u64; 5],
    cures: [[Option<u64>; THREATS]; 5],
}

impl World {
    fn tables(&self, policy: Policy) -> Tables {
        let mut threats = Vec::new();
        for (channel, cures) in CHANNELS.iter().zip(&self.cures) {
            let maker = channel.split('/').next().unwrap();
            // A maker has one row for a threat: that of its first channel that says something.
            for (number, since) in cures.iter().enumerate() {
                let name = format!("threat-{number}");
                if !threats.iter().any(|row: &ThreatRow| row.maker.as_str() == maker && row.news.threat == name) {
                    threats.push(threat(maker, &name, since.map(|since| (1, at(channel, since)))));
                }
            }
        }
        let listed = CHANNELS.iter().zip(self.newest).filter(|(_, newest)| *newest > 0);
        let listed = listed.map(|(channel, newest)| at(channel, newest)).collect::<Vec<_>>();
        with(policy, tables(&threats, &listed))
    }
}

/// A change: a channel releases, or gains or loses a cure.
#[derive(Clone, Debug)]
enum Change {
    Release(usize),
    Cure(usize, usize),
    Retract(usize, usize),
    Days(i64),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (0..5_usize).prop_map(Change::Release),
        4 => (0..5_usize, 0..THREATS).prop_map(|(channel, threat)| Change::Cure(channel, threat)),
        1 => (0..5_usize, 0..THREATS).prop_map(|(channel, threat)| Change::Retract(channel, threat)),
        1 => (1..10_i64).prop_map(Change::Days),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let eagerness = prop_oneof![Just(Eagerness::Switch), Just(Eagerness::Add), Just(Eagerness::Notify)];
    (eagerness, 0..9_u16, any::<bool>(), 1..5_u8).prop_map(
        |(eagerness, minimum_stay_days, back_when_caught_up, channels_max)| Policy {
            eagerness,
            minimum_stay_days,
            back_when_caught_up,
            channels_max,
            ..Policy::default()
        },
    )
}

fn designation() -> impl Strategy<Value = Designation> {
    prop_oneof![
        6 => Just(Designation::Any),
        1 => Just(Designation::Own),
        1 => Just(Designation::None),
        2 => Just(Designation::List(vec!["b".parse().unwrap()])),
    ]
}

/// A terminal that does what it is told.
struct Terminal {
    row: UserRow,
    now: i64,
}

impl Terminal {
    fn follow(&mut self, assignment: &Assignment) {
        let known = |channel: &Channel| self.row.stays.iter().find(|(stays, _)| stays == channel).cloned();
        let stays = assignment.channels.iter().map(|at| known(&at.channel).unwrap_or((at.channel.clone(), self.now)));
        self.row.stays = stays.collect();
        self.row.applied.clone_from(&assignment.channels);
    }

    fn runs(&self) -> Vec<&Channel> {
        self.row.applied.iter().map(|at| &at.channel).collect()
    }
}

/// What releases cure, of all threats.
fn cured(prepared: &Prepared, releases: &[ChannelRelease]) -> Vec<u64> {
    let mut set = prepared.scope(Danger::Low).empty();
    for at in releases {
        prepared.add_cures(&mut set, at);
    }
    set
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn coverage_never_falls_and_terminals_come_to_rest(policy in policy(), designation in designation(), changes in prop::collection::vec(change(), 1..80)) {
        let mut world = World { newest: [1, 0, 1, 1, 1], cures: [[None; THREATS]; 5] };
        let mut terminal = Terminal { row: row(designation.clone(), &[]), now: NOW };
        let (mut ways_back, began) = (0, terminal.now);
        for change in changes {
            match change {
                Change::Release(channel) => world.newest[channel] += 1,
                Change::Cure(channel, threat) => world.cures[channel][threat] = Some(world.newest[channel].max(1)),
                Change::Retract(channel, threat) => world.cures[channel][threat] = None,
                Change::Days(days) => terminal.now += days * DAY,
            }
            let prepared = Prepared::new(world.tables(policy.clone()), terminal.now);
            let mut moves = 0;
            loop {
                let assignment = prepared.decide(&terminal.row, terminal.now);
                let (before, after) = (cured(&prepared, &terminal.row.applied), cured(&prepared, &assignment.channels));
                prop_assert!(before.iter().zip(&after).all(|(before, after)| before & !after == 0), "{assignment:?} after {:?}", terminal.row.applied);
                for at in &assignment.channels {
                    prop_assert!(accepts(&terminal.row, &at.channel), "{assignment:?}");
                    let had = terminal.row.applied.iter().find(|had| had.channel == at.channel);
                    prop_assert!(had.is_none_or(|had| had.release <= at.release), "{assignment:?}");
                }
                if assignment.channels == terminal.row.applied {
                    break;
                }
                let moved = terminal.runs() != assignment.channels.iter().map(|at| &at.channel).collect::<Vec<_>>();
                ways_back += i64::from(assignment.reason == Reason::Back);
                if assignment.reason == Reason::Switch || assignment.reason == Reason::Add {
                    prop_assert!(before != after, "a move for nothing: {assignment:?}");
                }
                terminal.follow(&assignment);
                moves += usize::from(moved);
                // At most once to each threat's cure, once back, and the first installation.
                prop_assert!(moves <= THREATS + 2, "it does not come to rest: {assignment:?}");
            }
        }
        // Each way back is one of a foreign channel that stayed for long enough.
        let stay = i64::from(policy.minimum_stay_days);
        if stay > 0 && policy.eagerness == Eagerness::Switch {
            prop_assert!(ways_back <= (terminal.now - began) / (stay * DAY), "{ways_back} ways back in {} days", (terminal.now - began) / DAY);
        }
        if designation == Designation::None {
            prop_assert!(terminal.row.applied.is_empty());
        }
    }
}
