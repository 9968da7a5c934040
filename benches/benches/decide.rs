//! Question: how many terminals can a service decide for? Every check-in and every idle poll is a decision, so a fleet that polls every ten
//! minutes asks for its size / 600 of them a second; at least 200,000 a second on one processor are wanted, by the processor's time.

use super::cpu::{CpuTime, each};
use criterion::{Criterion, Throughput};
use jiff::civil::date;
use std::hint::black_box;
use updater::Channel;
use updater::decide::{ListedRelease, Prepared, Tables, UserRow};
use updater::wire::{ChannelRelease, Danger, Designation, Eagerness, Policy, Reason, ThreatNews, ThreatRow, Vaccine};

const MAKERS: usize = 5;
const CHANNELS: usize = 10;
const THREATS: usize = 2000;
const DANGEROUS: usize = 50;
/// Noon of the 30th of November 2026.
const NOW: i64 = 1_796_040_000;

fn channel(number: usize) -> Channel {
    format!("maker-{}/channel-{number}", number % MAKERS).parse().expect("it has the form of a channel")
}

fn at(number: usize, release: u64) -> ChannelRelease {
    ChannelRelease { channel: channel(number), release }
}

/// Five makers with two channels each, 2,000 threats of which 50 are dangerous. Each maker has a cure for two threats of three, each a
/// different third left out.
fn tables(policy: Policy) -> Tables {
    let mut threats = Vec::new();
    for number in 0..THREATS {
        for maker in 0..MAKERS {
            let cure = |number: usize| Vaccine { date: date(2026, 11, 12), since: at(maker, 1 + number as u64 % 8) };
            let news = ThreatNews {
                threat: format!("threat-{number}"),
                danger: if number < DANGEROUS { Danger::High } else { Danger::Medium },
                discovered: date(2026, 11, 10),
                expected: None,
                vaccine: ((number + maker) % 3 != 0).then(|| cure(number)),
            };
            let maker = format!("maker-{maker}").parse().expect("it has the form of a maker's name");
            threats.push(ThreatRow::said(maker, news));
        }
    }
    let releases = (0..CHANNELS).flat_map(|number| (1..=8).map(move |release| at(number, release)));
    let releases = releases.map(|at| ListedRelease { at, published_at: 0 }).collect();
    let policies = updater::wire::Policies { default: policy, ..Default::default() };
    Tables { threats, releases, policies, ..Tables::default() }
}

/// A fleet's mix: what they subscribed to, run and accept differs.
fn rows() -> Vec<UserRow> {
    let designations =
        [Designation::Any, Designation::Own, Designation::List(vec!["maker-1".parse().expect("a name")]), Designation::None];
    let row = |number: usize| {
        let subscribed = number % CHANNELS;
        let applied = at(subscribed, 7 + number as u64 % 2);
        UserRow::new(designations[number % 7 % 4].clone(), vec![channel(subscribed)], vec![applied])
    };
    (0..840).map(row).collect()
}

/// A bad day: all makers cure what is dangerous, but for three threats of today, which two of them cure so far.
fn storm() -> Tables {
    let mut tables = tables(Policy::default());
    for (place, row) in tables.threats.iter_mut().enumerate() {
        let (number, maker) = (place / MAKERS, place % MAKERS);
        if number < DANGEROUS {
            let since = at(maker, 1 + number as u64 % 8);
            row.news.vaccine = (number >= 3 || [1, 2].contains(&maker)).then(|| Vaccine { date: date(2026, 11, 12), since });
        }
    }
    tables
}

/// The fleet on that day: one terminal in ten has switched already, yesterday or long ago.
fn caught() -> Vec<UserRow> {
    let row = |(number, row): (usize, UserRow)| {
        let stays = vec![(channel(1), NOW - if number % 20 < 10 { 86_400 } else { 30 * 86_400 })];
        let subscribed = vec![channel(number % MAKERS)];
        let (applied, stays) = if number % 10 == 3 && row.designation == Designation::Any {
            (vec![at(1, 8)], stays)
        } else {
            (vec![at(number % MAKERS, 7 + number as u64 % 2)], Vec::new())
        };
        UserRow { subscribed, applied, stays, ..row }
    };
    rows().into_iter().enumerate().map(row).collect()
}

pub(crate) fn benchmarks(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("decide/5-makers-10-channels-2000-threats");
    for (name, eagerness) in [("switch", Eagerness::Switch), ("add", Eagerness::Add)] {
        let prepared = Prepared::new(tables(Policy { eagerness, ..Policy::default() }), NOW);
        let rows = rows();
        // Every row has 16 dangerous threats open, so that candidates are weighed for all who wish updates.
        let reasons = rows.iter().map(|row| prepared.decide(row, NOW).reason).collect::<Vec<_>>();
        let expected = if eagerness == Eagerness::Add { Reason::Add } else { Reason::NoCureYet };
        assert!(reasons.contains(&expected) && !reasons.contains(&Reason::Current), "{name}: {reasons:?}");
        group.throughput(each(&rows));
        group.bench_function(format!("open/{name}"), |b| {
            b.iter(|| rows.iter().map(|row| prepared.decide(black_box(row), NOW).channels.len()).sum::<usize>());
        });
    }
    let (prepared, rows_then) = (Prepared::new(storm(), NOW), caught());
    let reasons = rows_then.iter().map(|row| prepared.decide(row, NOW).reason).collect::<Vec<_>>();
    for expected in [Reason::Switch, Reason::OthersNotAllowed, Reason::Current, Reason::Refresh, Reason::UpdatesNotWished] {
        assert!(reasons.contains(&expected), "{expected:?}: {reasons:?}");
    }
    group.throughput(each(&rows_then));
    group.bench_function("storm/switch", |b| {
        b.iter(|| rows_then.iter().map(|row| prepared.decide(black_box(row), NOW).channels.len()).sum::<usize>());
    });
    // The everyday case: nothing is open.
    let quiet =
        Tables { threats: tables(Policy::default()).threats.split_off(DANGEROUS * MAKERS), ..tables(Policy::default()) };
    let prepared = Prepared::new(quiet, NOW);
    let rows = rows();
    assert!(rows.iter().any(|row| prepared.decide(row, NOW).reason == Reason::Current));
    group.throughput(each(&rows));
    group.bench_function("nothing-open", |b| {
        b.iter(|| rows.iter().map(|row| prepared.decide(black_box(row), NOW).channels.len()).sum::<usize>());
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("prepare", |b| {
        b.iter_batched(|| tables(Policy::default()), |tables| Prepared::new(tables, NOW), criterion::BatchSize::LargeInput);
    });
    group.finish();
}
