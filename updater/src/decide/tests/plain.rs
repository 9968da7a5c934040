//! The rule once more, as plainly as it can be written, with sets of names: what decisions make of bit sets must be the same.

use super::*;
use std::cmp::Reverse;
use std::collections::BTreeSet;

const CHANNELS: [&str; 5] = ["a/fast", "a/product", "b/other", "b/product", "c/product"];
/// More than fit one word of a bit set, so that its borders are met by whatever number is dangerous.
const THREATS: usize = 150;

/// What makers say: of each threat its danger, and of each maker in which of their channels since when it is cured.
#[derive(Clone, Debug)]
struct World {
    newest: Vec<u64>,
    danger: Vec<Danger>,
    cures: Vec<[Option<(bool, u64)>; 3]>,
}

fn name(threat: usize) -> String {
    format!("threat-{threat}")
}

impl World {
    /// The channel and the release in which a maker cures a threat.
    fn cure(&self, threat: usize, maker: usize) -> Option<ChannelRelease> {
        let (second, release) = self.cures[threat][maker]?;
        Some(at([["a/product", "a/fast"], ["b/product", "b/other"], ["c/product"; 2]][maker][usize::from(second)], release))
    }

    fn tables(&self, policy: Policy) -> Tables {
        let rows = (0..THREATS).flat_map(|number| {
            (0..3).map(move |maker| {
                let cure = self.cure(number, maker).map(|since| (maker as i8 + 1, since));
                let mut row = threat(["a", "b", "c"][maker], &name(number), cure);
                row.news.danger = self.danger[number];
                row
            })
        });
        let listed = CHANNELS.iter().zip(&self.newest).flat_map(|(channel, newest)| (1..=*newest).map(|n| at(channel, n)));
        with(policy, tables(&rows.collect::<Vec<_>>(), &listed.collect::<Vec<_>>()))
    }

    /// Threats of this danger or more that a channel cures at a release.
    fn cured(&self, of: &ChannelRelease, least: Danger) -> BTreeSet<usize> {
        let is_cured = |threat: &usize| {
            (0..3).filter_map(|maker| self.cure(*threat, maker)).any(|c| c.channel == of.channel && c.release <= of.release)
        };
        self.of(least).into_iter().filter(is_cured).collect()
    }

    fn of(&self, least: Danger) -> BTreeSet<usize> {
        (0..THREATS).filter(|threat| self.danger[*threat] >= least).collect()
    }
}

/// A candidate: its release, what it gains and lacks, whether it is accepted.
type Candidate = (ChannelRelease, BTreeSet<usize>, BTreeSet<usize>, bool);

/// Candidates for a terminal that runs its own product alone, the best first.
fn candidates(world: &World, prepared: &Prepared, row: &UserRow, policy: &Policy, own: &ChannelRelease) -> Vec<Candidate> {
    let cured = world.cured(own, policy.danger);
    let open = &world.of(policy.danger) - &cured;
    let mut found = Vec::new();
    for (channel, newest) in
        CHANNELS.iter().zip(&world.newest).filter(|(channel, n)| **n > 0 && own.channel.as_str() != **channel)
    {
        let of = at(channel, *newest);
        let cures = world.cured(&of, policy.danger);
        let (gains, lacks) = (&cures & &open, &cured - &cures);
        if gains.is_empty() || (policy.eagerness != Eagerness::Add && !lacks.is_empty()) {
            continue;
        }
        let accepted = match &row.designation {
            Designation::Any => true,
            Designation::List(makers) => makers.iter().any(|maker| maker.as_str() == of.channel.maker()),
            Designation::Own | Designation::None => false,
        };
        found.push((of, gains, lacks, accepted));
    }
    let rank =
        |maker: &str| prepared.records().iter().find(|record| record.maker.as_str() == maker).map(|record| record.rank);
    found.sort_by_key(|(of, gains, ..)| {
        let gained = [Danger::High, Danger::Medium, Danger::Low];
        let gained = gained.map(|danger| gains.iter().filter(|threat| world.danger[**threat] == danger).count());
        (Reverse(gained), of.channel.maker() != "a", rank(of.channel.maker()), of.channel.to_string())
    });
    found
}

/// What is said and installed, by the rule's steps 4 to 7.
fn expected(
    found: &[Candidate],
    policy: &Policy,
    own: &ChannelRelease,
    settled: Option<Reason>,
) -> (Reason, Vec<ChannelRelease>) {
    let alone = vec![own.clone()];
    if let Some(reason) = settled {
        return (reason, alone);
    }
    if found.is_empty() {
        return (Reason::NoCureYet, alone);
    }
    let Some(best) = found.iter().find(|(.., accepted)| *accepted) else { return (Reason::OthersNotAllowed, alone) };
    match policy.eagerness {
        Eagerness::Switch => (Reason::Switch, vec![best.0.clone()]),
        Eagerness::Notify => (Reason::Offered, alone),
        Eagerness::Add => {
            let (mut channels, mut had) = (alone, BTreeSet::new());
            for (of, gains, ..) in found.iter().filter(|(.., accepted)| *accepted) {
                if channels.len() < usize::from(policy.channels_max) && !gains.is_subset(&had) {
                    had.extend(gains);
                    channels.push(of.clone());
                }
            }
            let reason = if channels.len() > 1 { Reason::Add } else { Reason::NoCureYet };
            channels.sort_by(|a, b| a.channel.cmp(&b.channel));
            (reason, channels)
        }
    }
}

fn danger() -> impl Strategy<Value = Danger> {
    prop_oneof![Just(Danger::Low), Just(Danger::Medium), Just(Danger::High)]
}

fn world() -> impl Strategy<Value = World> {
    // Most makers cure most of what there is: else nobody could take anybody's place.
    let cure = prop_oneof![9 => (any::<bool>(), 1..4_u64).prop_map(Some), 1 => Just(None)];
    let newest = prop::collection::vec(0..4_u64, CHANNELS.len());
    let dangers = prop_oneof![
        3 => prop::collection::vec(danger(), THREATS),
        // Few are dangerous, and many are nuisances.
        2 => prop::collection::vec(prop_oneof![1 => Just(Danger::High), 30 => Just(Danger::Low)], THREATS),
    ];
    (newest, dangers, prop::collection::vec([cure.clone(), cure.clone(), cure], THREATS))
        .prop_map(|(newest, danger, cures)| World { newest, danger, cures })
}

fn policy() -> impl Strategy<Value = Policy> {
    let eagerness = prop_oneof![Just(Eagerness::Switch), Just(Eagerness::Add), Just(Eagerness::Notify)];
    (danger(), eagerness, 1..4_u8).prop_map(|(danger, eagerness, channels_max)| Policy {
        danger,
        eagerness,
        channels_max,
        ..Policy::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn decisions_are_those_of_the_plain_rule(
        mut world in world(),
        policy in policy(),
        designation in prop_oneof![2 => Just(Designation::Any), 1 => Just(Designation::Own), 1 => Just(Designation::List(vec!["b".parse().unwrap()]))],
        runs in 1..4_u64,
    ) {
        let product = CHANNELS.iter().position(|channel| *channel == "a/product").unwrap();
        world.newest[product] = world.newest[product].max(1);
        let row = row(designation, &[at("a/product", runs)]);
        let own = at("a/product", world.newest[product].max(runs));
        let prepared = Prepared::new(world.tables(policy.clone()), NOW);
        let found = candidates(&world, &prepared, &row, &policy, &own);
        let explained = prepared.explain("t", &row, NOW);
        let numbers = |names: &[String]| names.iter().map(|name| name["threat-".len()..].parse().unwrap()).collect::<BTreeSet<usize>>();
        let told = explained.candidates.iter().map(|view| (view.at.clone(), numbers(&view.cures), numbers(&view.lacks), view.accepted));
        prop_assert_eq!(told.collect::<Vec<_>>(), found.clone());
        let settled = world.of(policy.danger).is_subset(&world.cured(&own, policy.danger));
        let settled = settled.then_some(if own.release == runs { Reason::Current } else { Reason::Refresh });
        let assignment = prepared.decide(&row, NOW);
        prop_assert_eq!(&explained.assignment, &assignment);
        prop_assert_eq!((assignment.reason, assignment.channels), expected(&found, &policy, &own, settled));
    }
}
