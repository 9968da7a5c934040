//! Numbers of matches for which an expression holds.

use engine::expression::{Comparison, Expression};
use patternc::record::{Logical, Subsignature};

/// How many ways to choose among the branches of an expression are tried, and how many numbers drawn at random after that.
const TURNS: usize = 8;
const DRAWS: u32 = 256;

/// Numbers of matches of its subsignatures for which the expression of `logical` holds: the likely ones first, and none twice.
pub(super) fn solutions(logical: &Logical) -> impl Iterator<Item = Vec<u64>> {
    let (expression, subsignatures) = (&logical.expression, logical.subsignatures.len());
    let chosen = (0..TURNS).map(move |turn| {
        let mut counts = vec![0; subsignatures];
        want(expression, turn, &mut counts);
        (turn, counts)
    });
    let mut random = 0x9e37_79b9_u32;
    let drawn = (0..DRAWS).map(move |_| {
        let mut draw = || {
            random = random.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
            [0_u64, 0, 1, 1, 1, 2, 3, 5][(random >> 29) as usize]
        };
        (0, logical.subsignatures.iter().map(|subsignature| draw().min(most(subsignature))).collect())
    });
    let mut seen: Vec<Vec<u64>> = Vec::new();
    let triggered = chosen.chain(drawn).map(|(turn, mut counts)| {
        want_triggers(&logical.subsignatures, turn, &mut counts);
        counts
    });
    triggered.filter(move |counts| {
        let possible = counts.iter().zip(&logical.subsignatures).all(|(count, subsignature)| *count <= most(subsignature));
        let new = possible && holds(expression, counts) && !seen.contains(counts);
        if new {
            seen.push(counts.clone());
        }
        new
    })
}

/// The most matches that a subsignature can have.
fn most(subsignature: &Subsignature) -> u64 {
    match subsignature {
        Subsignature::Regex(regex) if !regex.global => 1,
        Subsignature::ByteCompare { .. } | Subsignature::Image { .. } => 1,
        _ => u64::MAX,
    }
}

/// Raises `counts` so that what has matches is triggered: the last first, as triggers are about earlier ones.
fn want_triggers(subsignatures: &[Subsignature], turn: usize, counts: &mut [u64]) {
    for (number, subsignature) in subsignatures.iter().enumerate().rev() {
        match subsignature {
            _ if counts[number] == 0 => {}
            Subsignature::Regex(regex) => want(&regex.trigger, turn, counts),
            Subsignature::ByteCompare { trigger, .. } => at_least(counts, *trigger, 1),
            _ => {}
        }
    }
}

/// Whether `expression` holds with so many matches of each subsignature.
pub(super) fn holds(expression: &Expression, counts: &[u64]) -> bool {
    expression.value(&|number| counts[usize::from(number)]).holds
}

/// Raises `counts` so that `expression` may hold: it does unless its parts contradict each other.
fn want(expression: &Expression, turn: usize, counts: &mut [u64]) {
    match expression {
        Expression::Subsignature(number) => at_least(counts, *number, 1),
        Expression::All(all) => all.iter().for_each(|one| want(one, turn, counts)),
        Expression::Any(any) => want(&any[turn % any.len()], turn, counts),
        Expression::Count { of, comparison, matches, distinct } => {
            let least = match comparison {
                Comparison::Equal => u64::from(*matches),
                Comparison::More => u64::from(*matches) + 1,
                Comparison::Less => 0,
            };
            match of.single() {
                Some(number) => at_least(counts, number, least),
                None if least == 0 && *distinct == 0 => {}
                None => want_matches(of, turn, counts, least, usize::from(*distinct)),
            }
        }
    }
}

/// Raises `counts` so that `group` holds with `least` matches, or more, of `distinct` subsignatures.
fn want_matches(group: &Expression, turn: usize, counts: &mut [u64], least: u64, distinct: usize) {
    match group {
        Expression::Any(any) => {
            let first = turn % any.len();
            any.iter().cycle().skip(first).take(distinct.clamp(1, any.len())).for_each(|one| want(one, turn, counts));
        }
        other => want(other, turn, counts),
    }
    let value = group.value(&|number| counts[usize::from(number)]);
    if value.holds && value.matches < least {
        // Of those that take part one after another takes its turn.
        let taking_part: Vec<usize> = (0..counts.len()).filter(|number| value.taking_part >> number & 1 != 0).collect();
        counts[taking_part[turn % taking_part.len()]] += least - value.matches;
    }
}

fn at_least(counts: &mut [u64], number: u8, least: u64) {
    let count = &mut counts[usize::from(number)];
    *count = (*count).max(least);
}

#[cfg(test)]
mod tests {
    use super::*;
    use patternc::record::Record;

    fn first(expression: &str, subsignatures: usize) -> Option<Vec<u64>> {
        let line = format!("N;Engine:51-255,Target:0;{expression}{}", ";aabbcc".repeat(subsignatures));
        let Some(Record::Logical(logical)) = patternc::clamav::ldb(line).unwrap() else { panic!("a logical signature") };
        solutions(&logical).next()
    }

    #[test]
    fn what_expressions_ask_for() {
        for (expression, subsignatures, counts) in [
            ("0&1", 2, vec![1, 1]),
            ("0|1", 2, vec![1, 0]),
            ("0&(1=0)", 2, vec![1, 0]),
            ("0=3", 1, vec![3]),
            ("0>2&1<3", 2, vec![3, 0]),
            ("(0|1|2)>3", 3, vec![4, 0, 0]),
            ("(0|1|2)>1,2", 3, vec![1, 1, 0]),
            ("((0&1)|2)>4,3", 3, vec![3, 1, 1]),
            ("(0|1)=0&2", 3, vec![0, 0, 1]),
            ("(0&1)<5&2", 3, vec![0, 0, 1]),
            ("0=0&(0|1)", 2, vec![0, 1]),
        ] {
            assert_eq!(first(expression, subsignatures), Some(counts), "{expression}");
        }
    }

    #[test]
    fn contradictions_have_no_solution() {
        assert_eq!(first("0=0&0>1", 1), None);
    }

    #[test]
    fn what_has_matches_is_triggered() {
        let first = |line: &str| {
            let Some(Record::Logical(logical)) = patternc::clamav::ldb(line).unwrap() else { panic!("a logical signature") };
            solutions(&logical).next()
        };
        assert_eq!(first("N;Engine:81-255,Target:0;2;aabb;ccdd;(0&1)>2/a/"), Some(vec![2, 1, 1]));
        assert_eq!(first("N;Engine:81-255,Target:0;3;aabb;ccdd;0/a/;2&1/b/"), Some(vec![1, 1, 1, 1]));
        assert_eq!(first("N;Engine:81-255,Target:0;1>1;aabb;0/a/"), None);
        assert_eq!(first("N;Engine:81-255,Target:0;1>1;aabb;0/a/g"), Some(vec![1, 2]));
        assert_eq!(first("N;Engine:81-255,Target:0;1;aabb;0(>>2#de2#=7)"), Some(vec![1, 1]));
    }
}
