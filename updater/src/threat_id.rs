//! Which names mean the same threat.
//!
//! Makers name threats as they like. Two names mean the same when they are equal, when a maker says that theirs is another's
//! ([`Alias`]), or when makers name the same file, by its SHA-256, as a sample. What follows from those together follows
//! too. Of all names that mean one threat the least, in the order of bytes, is its id: it depends on what is said and not on who said it first.
//!
//! A maker who says nonsense can join what is different; the rows say whose aliases those are, and withdrawing that maker's news undoes it.
//! What terminals report joins nothing. Rejected: matching by likeness of names, which joins families and parts spellings.

use crate::wire::{Alias, MakerName, Sha256Hex};
use std::collections::HashMap;

/// The names that mean something else than themselves alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreatIds {
    of_name: HashMap<String, String>,
}

impl ThreatIds {
    /// From aliases, each with the name that it is one of, and samples, each with the name of what is in it. In any order; O(n log n).
    pub fn new<'a>(
        aliases: impl IntoIterator<Item = (&'a str, &'a Alias)>,
        samples: impl IntoIterator<Item = (&'a str, Sha256Hex)>,
    ) -> Self {
        let mut sets = Sets::default();
        for (threat, alias) in aliases {
            sets.join(threat, &alias.threat);
        }
        let mut first = HashMap::<Sha256Hex, &str>::new();
        for (threat, sample) in samples {
            let seen = *first.entry(sample).or_insert(threat);
            sets.join(threat, seen);
        }
        ThreatIds { of_name: sets.into_least() }
    }

    /// The id of what `maker` calls `threat`; the name itself when nothing ties it to another.
    pub fn threat_id<'a>(&'a self, _maker: &MakerName, threat: &'a str) -> &'a str {
        self.id(threat)
    }

    /// The id of a name, by whomever.
    pub fn id<'a>(&'a self, threat: &'a str) -> &'a str {
        self.of_name.get(threat).map_or(threat, String::as_str)
    }

    /// All names that mean the same as this one, itself among them, in any order. O(names that mean something else than themselves).
    pub fn names<'a>(&'a self, threat: &'a str) -> impl Iterator<Item = &'a str> {
        let id = self.id(threat);
        let others = self.of_name.iter().filter(move |(_, other)| *other == id).map(|(name, _)| name.as_str());
        others.chain([id])
    }
}

/// Disjoint sets of names, each with its least name as the root.
#[derive(Default)]
struct Sets<'a> {
    number: HashMap<&'a str, usize>,
    names: Vec<&'a str>,
    above: Vec<usize>,
}

impl<'a> Sets<'a> {
    fn number(&mut self, name: &'a str) -> usize {
        let next = self.names.len();
        let number = *self.number.entry(name).or_insert(next);
        if number == next {
            self.names.push(name);
            self.above.push(next);
        }
        number
    }

    fn root(&mut self, mut of: usize) -> usize {
        while self.above[of] != of {
            // Halves the way for who comes next.
            self.above[of] = self.above[self.above[of]];
            of = self.above[of];
        }
        of
    }

    fn join(&mut self, a: &'a str, b: &'a str) {
        let (a, b) = (self.number(a), self.number(b));
        let (a, b) = (self.root(a), self.root(b));
        let (least, other) = if self.names[a] <= self.names[b] { (a, b) } else { (b, a) };
        self.above[other] = least;
    }

    fn into_least(mut self) -> HashMap<String, String> {
        let mut least = HashMap::new();
        for number in 0..self.names.len() {
            let root = self.root(number);
            if root != number {
                least.insert(self.names[number].to_owned(), self.names[root].to_owned());
            }
        }
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn maker() -> MakerName {
        "acme".parse().unwrap()
    }

    #[test]
    fn aliases_and_samples_join_and_names_do_not() {
        let alias: Alias = "best:y".parse().unwrap();
        let file = Sha256Hex::of(b"file");
        let ids = ThreatIds::new([("x", &alias)], [("z", file), ("y", file), ("w", Sha256Hex::of(b"other"))]);
        let id = |name| ids.threat_id(&maker(), name).to_owned();
        assert_eq!(["x", "y", "z", "w", "unheard"].map(id), ["x", "x", "x", "w", "unheard"]);
    }

    proptest! {
        #[test]
        fn ids_are_those_of_a_walk_over_the_ties(ties in proptest::collection::vec((0_u8..12, 0_u8..12), 0..20)) {
            let name = |n: u8| format!("t{n:02}");
            let said: Vec<(String, Alias)> =
                ties.iter().map(|(a, b)| (name(*a), Alias { maker: maker(), threat: name(*b) })).collect();
            let ids = ThreatIds::new(said.iter().map(|(threat, alias)| (threat.as_str(), alias)), []);
            for from in 0..12 {
                let mut reached = vec![from];
                let mut at = 0;
                while at < reached.len() {
                    for (a, b) in &ties {
                        for (a, b) in [(a, b), (b, a)] {
                            if *a == reached[at] && !reached.contains(b) {
                                reached.push(*b);
                            }
                        }
                    }
                    at += 1;
                }
                let least = name(*reached.iter().min().unwrap());
                let from = name(from);
                prop_assert_eq!(ids.threat_id(&maker(), &from), least);
            }
        }
    }
}
