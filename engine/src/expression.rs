//! Logical expressions: what a logical signature asks of its subsignatures.
//!
//! The meaning is that of ClamAV's logical signatures, found by asking clamscan: every expression has a number of matches, besides
//! being true or false, and counts compare those. `docs/clamav.md` has the rules in words. [`Expression::value`] is the definition;
//! scanners evaluate a lowered form that looks at no more subsignatures than it must.

use std::fmt;

/// What is asked of the subsignatures of one signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expression {
    /// Subsignature number `n` matches.
    Subsignature(u8),
    /// All of them hold. At least two, none of them an `All`.
    All(Vec<Expression>),
    /// Some of them hold. At least two, none of them an `Any`.
    Any(Vec<Expression>),
    /// The number of matches compares so.
    Count {
        /// Of what.
        of: Box<Expression>,
        /// How.
        comparison: Comparison,
        /// With which number.
        matches: u32,
        /// So many different subsignatures must take part; 0 for no such demand. Not looked at when `of` is a single one.
        distinct: u8,
    },
}

/// How a number of matches is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Comparison {
    /// Exactly so many.
    Equal = 0,
    /// Fewer.
    Less = 1,
    /// More.
    More = 2,
}

impl Comparison {
    /// The comparison with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Comparison> {
        [Comparison::Equal, Comparison::Less, Comparison::More].into_iter().find(|comparison| *comparison as u8 == number)
    }

    /// Whether `found` matches compare so with `asked`.
    pub fn holds(self, found: u64, asked: u64) -> bool {
        match self {
            Comparison::Equal => found == asked,
            Comparison::Less => found < asked,
            Comparison::More => found > asked,
        }
    }
}

/// With every group in parentheses: `0&(1|2)>1,3`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Subsignature(number) => write!(f, "{number}"),
            Expression::All(several) | Expression::Any(several) => {
                let operator = if matches!(self, Expression::All(_)) { "&" } else { "|" };
                f.write_str("(")?;
                for (index, one) in several.iter().enumerate() {
                    write!(f, "{}{one}", if index == 0 { "" } else { operator })?;
                }
                f.write_str(")")
            }
            Expression::Count { of, comparison, matches, distinct } => {
                write!(f, "{of}{}{matches}", ["=", "<", ">"][*comparison as usize])?;
                if *distinct > 0 { write!(f, ",{distinct}") } else { Ok(()) }
            }
        }
    }
}

/// What an expression comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// Whether it holds.
    pub holds: bool,
    /// Matches that it stands for; 0 when it does not hold.
    pub matches: u64,
    /// Subsignatures that take part, a bit each; none when it does not hold.
    pub taking_part: u64,
}

impl Value {
    /// A subsignature with so many matches.
    pub fn of_subsignature(number: u8, matches: u64) -> Value {
        let holds = matches > 0;
        Value { holds, matches, taking_part: u64::from(holds).unbounded_shl(number.into()) }
    }

    /// All of several, together.
    pub(crate) fn and(self, other: Value) -> Value {
        if self.holds && other.holds { self.plus(other) } else { Value::default() }
    }

    /// Some of several, together.
    pub(crate) fn or(self, other: Value) -> Value {
        if self.holds || other.holds { self.plus(other) } else { Value::default() }
    }

    fn plus(self, other: Value) -> Value {
        Value {
            holds: true,
            matches: self.matches.saturating_add(other.matches),
            taking_part: self.taking_part | other.taking_part,
        }
    }

    /// What remains when its matches are compared; `single` is the subsignature that it is of, if it is of one.
    pub(crate) fn count(self, single: Option<u8>, comparison: Comparison, asked: u64, distinct: u8) -> Value {
        let enough = single.is_some() || self.taking_part.count_ones() >= u32::from(distinct);
        if !enough || !comparison.holds(self.matches, asked) {
            return Value::default();
        }
        // A subsignature that has as many matches as it shall takes part, even when that is none. Of a group, the number of matches is
        // all that an expression around it learns.
        let taking_part = single.map_or(0, |number| 1_u64.unbounded_shl(number.into()));
        Value { holds: true, matches: self.matches, taking_part }
    }
}

impl Expression {
    /// Most subsignatures of a signature: their numbers are 0 to 63.
    pub const SUBSIGNATURES_MAX: usize = 64;
    /// Most expressions inside one another.
    pub const DEPTH_MAX: usize = 32;

    /// All of `expressions`, in the one form for that: nothing around a single one, no `All` in an `All`.
    pub fn all(expressions: impl IntoIterator<Item = Expression>) -> Expression {
        let flat = expressions.into_iter().flat_map(|expression| match expression {
            Expression::All(inner) => inner,
            other => vec![other],
        });
        Expression::only_or(flat.collect(), Expression::All)
    }

    /// Any of `expressions`, in the one form for that.
    pub fn any(expressions: impl IntoIterator<Item = Expression>) -> Expression {
        let flat = expressions.into_iter().flat_map(|expression| match expression {
            Expression::Any(inner) => inner,
            other => vec![other],
        });
        Expression::only_or(flat.collect(), Expression::Any)
    }

    fn only_or(mut flat: Vec<Expression>, several: impl Fn(Vec<Expression>) -> Expression) -> Expression {
        if flat.len() == 1 { flat.remove(0) } else { several(flat) }
    }

    /// What it comes to when subsignature `n` has `matches(n)` matches. O(expression).
    pub fn value(&self, matches: &impl Fn(u8) -> u64) -> Value {
        match self {
            Expression::Subsignature(number) => Value::of_subsignature(*number, matches(*number)),
            Expression::All(all) => all.iter().map(|one| one.value(matches)).reduce(Value::and).unwrap_or_default(),
            Expression::Any(any) => any.iter().map(|one| one.value(matches)).reduce(Value::or).unwrap_or_default(),
            Expression::Count { of, comparison, matches: asked, distinct } => {
                of.value(matches).count(of.single(), *comparison, u64::from(*asked), *distinct)
            }
        }
    }

    /// The subsignature that it is, if it is nothing more.
    pub fn single(&self) -> Option<u8> {
        match self {
            Expression::Subsignature(number) => Some(*number),
            _ => None,
        }
    }

    /// How many expressions it has inside one another: 1 for a subsignature.
    pub fn depth(&self) -> usize {
        match self {
            Expression::Subsignature(_) => 1,
            Expression::All(several) | Expression::Any(several) => {
                1 + several.iter().map(Expression::depth).max().unwrap_or(0)
            }
            Expression::Count { of, .. } => 1 + of.depth(),
        }
    }

    /// The highest number of a subsignature in it.
    pub fn highest(&self) -> u8 {
        let mut highest = 0;
        self.each_subsignature(&mut |number| highest = highest.max(number));
        highest
    }

    /// Calls `add` with the number of each subsignature in it, as often as it stands there.
    pub fn each_subsignature(&self, add: &mut impl FnMut(u8)) {
        match self {
            Expression::Subsignature(number) => add(*number),
            Expression::All(several) | Expression::Any(several) => {
                for one in several {
                    one.each_subsignature(add);
                }
            }
            Expression::Count { of, .. } => of.each_subsignature(add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(number: u8) -> Expression {
        Expression::Subsignature(number)
    }

    fn count(of: Expression, comparison: Comparison, matches: u32, distinct: u8) -> Expression {
        Expression::Count { of: Box::new(of), comparison, matches, distinct }
    }

    fn holds(expression: &Expression, counts: [u64; 3]) -> bool {
        expression.value(&|number| counts[usize::from(number)]).holds
    }

    #[test]
    fn matches_of_what_holds_add_up() {
        let both = count(Expression::all([sub(0), sub(1)]), Comparison::More, 2, 0);
        assert!(holds(&both, [2, 1, 0]) && !holds(&both, [3, 0, 0]) && !holds(&both, [1, 1, 0]));
        let either = count(Expression::any([sub(0), sub(1)]), Comparison::More, 1, 2);
        assert!(holds(&either, [1, 1, 0]) && !holds(&either, [5, 0, 0]));
    }

    #[test]
    fn what_does_not_hold_counts_as_none() {
        let none = count(Expression::all([sub(0), sub(1)]), Comparison::Equal, 0, 0);
        assert!(holds(&none, [4, 0, 0]) && !holds(&none, [1, 1, 0]));
        let inner = count(Expression::any([sub(0), sub(1)]), Comparison::More, 1, 0);
        let outer = count(Expression::any([inner, sub(2)]), Comparison::More, 1, 0);
        assert!(!holds(&outer, [1, 0, 1]) && holds(&outer, [2, 0, 1]));
    }

    #[test]
    fn a_subsignature_that_shall_be_absent_takes_part_when_it_is() {
        let few = count(sub(2), Comparison::Less, 1, 0);
        let both = count(Expression::all([few, sub(1)]), Comparison::Less, 2, 2);
        assert!(holds(&both, [1, 1, 0]));
    }

    #[test]
    fn nobody_takes_part_through_a_group_that_was_counted() {
        let group = || count(Expression::any([sub(0), sub(1)]), Comparison::Equal, 1, 1);
        let around = |distinct| count(Expression::any([group(), sub(2)]), Comparison::More, 0, distinct);
        assert!(holds(&around(0), [1, 0, 0]) && !holds(&around(1), [1, 0, 0]) && holds(&around(1), [1, 0, 1]));
        let both = |distinct| count(Expression::all([group(), sub(0)]), Comparison::Equal, 2, distinct);
        assert!(holds(&both(1), [1, 0, 0]) && !holds(&both(2), [1, 0, 0]));
    }

    #[test]
    fn one_meaning_has_one_form() {
        assert_eq!(
            Expression::all([Expression::all([sub(0), sub(1)]), sub(2)]),
            Expression::All(vec![sub(0), sub(1), sub(2)])
        );
        assert_eq!(Expression::any([sub(1)]), sub(1));
        assert_eq!((Expression::all([sub(0), sub(5)]).depth(), Expression::all([sub(0), sub(5)]).highest()), (2, 5));
    }
}
