//! Rings: who may have a release yet, and when the next ring opens or the rollout halts.

use crate::wire::{Progress, Ring, Rollout, RolloutState};

/// For whom a release is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// For everybody.
    All,
    /// For these rings; the others wait.
    Rings(Vec<Ring>),
    /// Its rollout has not begun.
    NotYet,
    /// Its rollout is halted.
    Halted,
}

impl Opening {
    pub(super) fn lets_in(&self, group: Option<&str>, bucket: u16) -> bool {
        match self {
            Opening::All => true,
            Opening::Rings(rings) => rings.iter().any(|ring| is_in(ring, group, bucket)),
            Opening::NotYet | Opening::Halted => false,
        }
    }
}

/// Whether a terminal with this group and place in the fleet is in a ring.
pub fn is_in(ring: &Ring, group: Option<&str>, bucket: u16) -> bool {
    let in_group = ring.group.is_some() && ring.group.as_deref() == group;
    in_group || ring.percent.is_some_and(|percent| u32::from(bucket) < u32::from(percent) * 100)
}

/// For whom a release is by its rollout; without one it is for nobody if it `needs_rollout`, else for all.
pub(super) fn opening(rollout: Option<&Rollout>, needs_rollout: bool) -> Opening {
    let Some(rollout) = rollout else { return if needs_rollout { Opening::NotYet } else { Opening::All } };
    match rollout.state {
        RolloutState::Done => Opening::All,
        RolloutState::Halted => Opening::Halted,
        RolloutState::Running => {
            let open = rollout.rings.len().min(rollout.ring + 1);
            Opening::Rings(rollout.rings[..open].to_vec())
        }
    }
}

/// What becomes of a rollout at `now` with these counts; `None` while nothing changes. Pure.
///
/// A halt goes before everything. The next ring opens when the last one soaked and enough terminals run the release; after the last ring
/// the rollout is done. No ring is passed over: one that nobody is in waits for the operator, and says so.
pub fn step(rollout: &Rollout, progress: &Progress, now: i64) -> Option<Rollout> {
    if rollout.state != RolloutState::Running {
        return None;
    }
    if let Some(words) = fault(rollout, progress) {
        return Some(Rollout { state: RolloutState::Halted, words, ..rollout.clone() });
    }
    let awaited = awaited(rollout, progress, now)?;
    if awaited.soak_seconds > 0 || awaited.reports > 0 {
        return None;
    }
    let well = well(progress);
    let next = rollout.ring + 1;
    if next == rollout.rings.len() {
        let words = format!("{well} terminals run it; it is for everybody");
        return Some(Rollout { state: RolloutState::Done, words, ..rollout.clone() });
    }
    let words = format!("ring {} of {} is open; {well} terminals run it", next + 1, rollout.rings.len());
    Some(Rollout { ring: next, opened_at: now, words, ..rollout.clone() })
}

/// What the open ring of a running rollout lacks before the next one opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Seconds that it has still to soak, 0 or more.
    pub soak_seconds: i64,
    /// Terminals that have still to run the release without trouble.
    pub reports: u64,
}

/// What a rollout waits for at `now` with these counts; `None` for one that does not run.
pub fn awaited(rollout: &Rollout, progress: &Progress, now: i64) -> Option<Awaited> {
    let ring = rollout.rings.get(rollout.ring).filter(|_| rollout.state == RolloutState::Running)?;
    let soaked = now.saturating_sub(rollout.opened_at);
    let soak_seconds = minutes(soak_minutes(rollout, ring)).saturating_sub(soaked).max(0);
    Some(Awaited { soak_seconds, reports: ring.reports.saturating_sub(well(progress)) })
}

/// Minutes for which a ring soaks: fewer where the release is urgent.
pub fn soak_minutes(rollout: &Rollout, ring: &Ring) -> u64 {
    if rollout.urgent { ring.soak_minutes.min(rollout.gate.urgent_soak_minutes) } else { ring.soak_minutes }
}

/// Terminals that run the release well. Trouble is no proof, so those that had some are not counted.
fn well(progress: &Progress) -> u64 {
    progress.installed.saturating_sub(progress.trouble)
}

/// Why a rollout must halt, in words.
fn fault(rollout: &Rollout, progress: &Progress) -> Option<String> {
    let gate = &rollout.gate;
    let exceeds = |count: u64, percent: u8| u128::from(count) * 100 > u128::from(progress.told) * u128::from(percent);
    if exceeds(progress.trouble, gate.trouble_percent) {
        let (count, told, percent) = (progress.trouble, progress.told, gate.trouble_percent);
        return Some(format!("{count} of {told} terminals report trouble with it, more than {percent} %"));
    }
    if exceeds(progress.silent, gate.silent_percent) {
        let (count, told, percent) = (progress.silent, progress.told, gate.silent_percent);
        return Some(format!("{count} of {told} terminals fell silent after it, more than {percent} %"));
    }
    None
}

fn minutes(minutes: u64) -> i64 {
    i64::try_from(minutes.saturating_mul(60)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ChannelRelease, Gate};
    use proptest::prelude::*;

    fn rollout(rings: &[Ring]) -> Rollout {
        Rollout {
            at: ChannelRelease { channel: "acme/stable".parse().unwrap(), release: 7 },
            rings: rings.to_vec(),
            gate: Gate::default(),
            urgent: false,
            state: RolloutState::Running,
            ring: 0,
            opened_at: 0,
            counted_from: 0,
            words: String::new(),
        }
    }

    fn progress(told: u64, installed: u64, trouble: u64, silent: u64) -> Progress {
        Progress { told, installed, trouble, silent }
    }

    #[test]
    fn a_ring_opens_after_its_soak_and_its_reports() {
        let rings = [Ring::group("lab"), Ring { reports: 10, ..Ring::percent(10) }, Ring::percent(100)];
        let first = rollout(&rings);
        assert_eq!(step(&first, &progress(1, 1, 0, 0), 3599), None, "it has not soaked");
        assert_eq!(awaited(&first, &progress(1, 0, 0, 0), 3599), Some(Awaited { soak_seconds: 1, reports: 1 }));
        assert_eq!(step(&first, &progress(1, 0, 0, 0), 999_999), None, "nobody runs it");
        let second = step(&first, &progress(1, 1, 0, 0), 3600).unwrap();
        assert_eq!((second.ring, second.opened_at, second.state), (1, 3600, RolloutState::Running));
        assert_eq!(step(&second, &progress(12, 9, 0, 0), 7200), None);
        let third = step(&second, &progress(12, 10, 0, 0), 7200).unwrap();
        assert_eq!(third.ring, 2);
        assert_eq!(step(&third, &progress(99, 99, 0, 0), 10_799), None);
        let done = step(&third, &progress(99, 99, 0, 0), 10_800).unwrap();
        assert_eq!(done.state, RolloutState::Done);
        assert_eq!(awaited(&done, &progress(99, 99, 0, 0), 10_800), None);
        assert_eq!(step(&done, &progress(99, 0, 99, 99), 99_999), None, "what is done stays so");
    }

    #[test]
    fn trouble_or_silence_halts_before_anything_opens() {
        let running = rollout(&[Ring::percent(100)]);
        for (counts, halts) in [
            (progress(100, 100, 5, 0), false),
            (progress(100, 100, 6, 0), true),
            (progress(100, 100, 0, 20), false),
            (progress(100, 100, 0, 21), true),
            (progress(1, 0, 1, 0), true),
            (progress(0, 0, 0, 0), false),
        ] {
            let halted = step(&running, &counts, 10_000).is_some_and(|next| next.state == RolloutState::Halted);
            assert_eq!(halted, halts, "{counts:?}");
        }
    }

    #[test]
    fn what_is_urgent_soaks_less_and_is_tried_all_the_same() {
        let urgent = Rollout { urgent: true, ..rollout(&[Ring::percent(1), Ring::percent(100)]) };
        assert_eq!(step(&urgent, &progress(1, 1, 0, 0), 599), None);
        assert_eq!(step(&urgent, &progress(1, 0, 0, 0), 600), None, "never without canaries");
        assert_eq!(step(&urgent, &progress(1, 1, 0, 0), 600).unwrap().ring, 1);
    }

    proptest! {
        /// Whatever is reported, rings open one by one, time is kept, and nothing opens after a halt.
        #[test]
        fn rings_open_one_by_one(counts in prop::collection::vec((0..50_u64, 0..50_u64, 0..3_u64, 0..9_u64, 0..9000_i64), 1..60)) {
            let mut at = rollout(&[Ring::group("lab"), Ring::percent(5), Ring::percent(50), Ring::percent(100)]);
            let mut now = 0;
            for (told, installed, trouble, silent, passed) in counts {
                now += passed;
                let Some(next) = step(&at, &progress(told, installed, trouble, silent), now) else { continue };
                prop_assert_eq!(at.state, RolloutState::Running);
                if next.state == RolloutState::Running {
                    prop_assert_eq!(next.ring, at.ring + 1);
                    prop_assert!(now - at.opened_at >= 3600 && installed - trouble >= 1);
                } else {
                    prop_assert_eq!(next.ring, at.ring);
                }
                at = next;
            }
        }

        /// A share is a share: who is in a ring is in every larger one.
        #[test]
        fn shares_are_nested(bucket in 0..10_000_u16, small in 1..=100_u8, large in 1..=100_u8) {
            let (small, large) = (small.min(large), small.max(large));
            prop_assert!(!is_in(&Ring::percent(small), None, bucket) || is_in(&Ring::percent(large), None, bucket));
            prop_assert!(is_in(&Ring::percent(100), None, bucket));
        }
    }
}
