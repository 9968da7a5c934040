//! A maker's record: how soon it cured, how many threats, and how often it was wrong.
//!
//! The days of a threat run from its first discovery by whichever maker to the maker's cure. A threat that is not cured yet is not left out,
//! which would favour makers who leave the hard ones, nor taken for one that never will be, which would punish whoever says early what they
//! know: it is *censored* at its age, and the median is that of Kaplan and Meier. With it a further threat without a cure never makes a median smaller.
//!
//! A cure counts when the release that is named for it was published. Until then it is a promise, whatever the maker calls it: else the best
//! record would be that of whoever promises most.

use crate::wire::{ChannelRelease, MakerRecord, ThreatRow};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// Days after which, or so far without, a cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    days: u32,
    /// At equal days a cure comes first, as usual for this estimate.
    uncured: bool,
}

/// Records of all makers in the table, the best first: by the median, then by how many they cured, then by how seldom they flagged a clean
/// file, then by name. `is_published` says whether a channel came as far as a release.
pub(super) fn records<'a>(
    threats: &'a [ThreatRow],
    threat_id: impl Fn(&'a ThreatRow) -> &'a str,
    is_published: impl Fn(&ChannelRelease) -> bool,
    false_positives: &BTreeMap<String, u64>,
    now: i64,
) -> Vec<MakerRecord> {
    let today = Timestamp::from_second(now).map_or(Date::MIN, |now| now.to_zoned(TimeZone::UTC).date());
    let mut first = HashMap::<&str, Date>::new();
    for row in threats {
        let earliest = first.entry(threat_id(row)).or_insert(row.news.discovered);
        *earliest = (*earliest).min(row.news.discovered);
    }
    let mut cases = BTreeMap::<&str, (&ThreatRow, Vec<Case>)>::new();
    for row in threats {
        let discovered = first[threat_id(row)];
        let cure = row.news.vaccine.as_ref().filter(|cure| is_published(&cure.since)).map(|cure| cure.date);
        let days = days_between(discovered, cure.unwrap_or(today));
        let of_maker = cases.entry(row.maker.as_str()).or_insert_with(|| (row, Vec::new()));
        of_maker.1.push(Case { days, uncured: cure.is_none() });
    }
    let records = cases.into_iter().map(|(maker, (row, mut cases))| {
        cases.sort_unstable();
        let uncured = cases.iter().filter(|case| case.uncured).count() as u64;
        MakerRecord {
            maker: row.maker.clone(),
            rank: 0,
            median_days: median(&cases),
            cured: cases.len() as u64 - uncured,
            uncured,
            false_positives: false_positives.get(maker).copied().unwrap_or(0),
        }
    });
    let mut records = records.collect::<Vec<_>>();
    records.sort_by_key(|record| {
        let median = record.median_days.unwrap_or(u32::MAX);
        (median, Reverse(record.cured), record.false_positives, record.maker.clone())
    });
    records.iter_mut().zip(1..).for_each(|(record, rank)| record.rank = rank);
    records
}

/// Whole days, 0 for a cure that was there before the threat was discovered.
fn days_between(from: Date, until: Date) -> u32 {
    until.since(from).map_or(0, |span| u32::try_from(span.get_days()).unwrap_or(0))
}

/// The first day by which half are cured, of cases in ascending order; exact, by fractions in floating point that are compared with a margin.
fn median(cases: &[Case]) -> Option<u32> {
    let mut uncured_share = 1.0;
    for (index, case) in cases.iter().enumerate() {
        let at_risk = (cases.len() - index) as f64;
        if !case.uncured {
            uncured_share *= 1.0 - 1.0 / at_risk;
        }
        if uncured_share <= 0.5 + 1e-9 {
            return Some(case.days);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cases(days: &[(u32, bool)]) -> Vec<Case> {
        let mut cases = days.iter().map(|&(days, uncured)| Case { days, uncured }).collect::<Vec<_>>();
        cases.sort_unstable();
        cases
    }

    /// Makers choose their dates, and the calendar has ends.
    #[test]
    fn days_between_any_two_dates_are_a_number() {
        assert_eq!(days_between(Date::MIN, Date::MAX), 7_304_483);
        assert_eq!(days_between(Date::MAX, Date::MIN), 0);
        assert_eq!(days_between(Date::MIN, Date::MIN), 0);
    }

    #[test]
    fn medians_by_hand() {
        for (days, expected) in [
            (vec![], None),
            (vec![(3, false)], Some(3)),
            (vec![(3, true)], None),
            (vec![(1, false), (2, false), (9, false)], Some(2)),
            (vec![(1, false), (9, false)], Some(1)),
            // Two of three are cured; the third, known for long, does not change when half were.
            (vec![(1, false), (2, false), (90, true)], Some(2)),
            // One that is known since today says nothing yet.
            (vec![(0, true), (4, false), (6, false)], Some(4)),
            // More than half are without a cure.
            (vec![(4, false), (9, true), (9, true)], None),
        ] {
            assert_eq!(median(&cases(&days)), expected, "{days:?}");
        }
    }

    proptest! {
        #[test]
        fn a_threat_without_a_cure_never_makes_a_record_better(days in prop::collection::vec((0..30_u32, any::<bool>()), 0..20), age in 0..30_u32) {
            let worse = [days.clone(), vec![(age, true)]].concat();
            let (before, after) = (median(&cases(&days)), median(&cases(&worse)));
            prop_assert!(after.unwrap_or(u32::MAX) >= before.unwrap_or(u32::MAX), "{before:?} {after:?}");
        }
    }
}
