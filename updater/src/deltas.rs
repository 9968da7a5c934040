//! The delta index: which deltas there are, and the cheapest way along them.
//!
//! Blobs are places and deltas the ways between them, so a terminal far behind may take one long way or two short ones. The
//! service signs the index with its timestamp key, so that a mirror cannot send terminals the long way round; what a way leads
//! to is believed only when it is the blob that a maker signed. `docs/delta.md` has the format and the reasons.

use crate::keys::{PublicKey, SigningKey};
use crate::wire::Sha256Hex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of an index with its signature.
pub(crate) const INDEX_LEN_MAX: u64 = 128 << 10;
/// Most deltas in an index.
pub(crate) const EDGES_MAX: usize = 256;
/// Most deltas of a path.
pub(crate) const STEPS_MAX: usize = 4;
/// What a request costs, in bytes: headers, and a round trip in which nothing comes.
const REQUEST_COST: u64 = 1_500;
/// Applying takes the time in which so small a part of the result could have come: 100 MB take a second of work, in which a
/// slow line carries a megabyte.
const APPLY_DIVISOR: u64 = 100;

const DOMAIN: &[u8] = b"titer-delta-index-v1\n";

/// A blob that deltas start from or lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) sha256: Sha256Hex,
    /// Its number in the channel.
    pub(crate) release: u64,
    /// Bytes of the blob.
    pub(crate) length: u64,
}

/// A delta, from one node to another by their places in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) sha256: Sha256Hex,
    /// Bytes of the delta.
    pub(crate) length: u64,
}

/// Deltas of one channel that lead, in a few steps, to the blob `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub(crate) to: Sha256Hex,
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
}

/// The index as it travels.
#[derive(Serialize, Deserialize)]
struct Signed {
    /// An [`Index`] in JSON: as text, so that every byte that was signed is there.
    index: String,
    /// Ed25519 by the timestamp key, over the domain and the text; hexadecimal.
    signature: String,
}

/// Why an index is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("the delta index cannot be read")]
    Malformed,
    #[error("the delta index is not signed by a timestamp key of the service")]
    Unsigned,
    #[error("the delta index is for another blob")]
    OtherTarget,
    #[error("the delta index has more than {EDGES_MAX} deltas")]
    TooLarge,
    #[error("the delta index has a delta that does not lead to a newer release, as on a circle")]
    Circle,
}

impl IndexError {
    pub(crate) fn code(self) -> &'static str {
        match self {
            IndexError::Malformed => "delta_index_malformed",
            IndexError::Unsigned => "delta_index_unsigned",
            IndexError::OtherTarget => "delta_index_other_target",
            IndexError::TooLarge => "delta_index_too_large",
            IndexError::Circle => "delta_index_circle",
        }
    }
}

impl Index {
    /// The index over `deltas`, given as pairs of nodes with digest and length: those from which `to` can be reached in
    /// [`STEPS_MAX`] steps, the nearest first, no more than [`EDGES_MAX`].
    pub(crate) fn around(to: Node, deltas: &[(Node, Node, Sha256Hex, u64)]) -> Index {
        let mut index = Index { to: to.sha256, nodes: vec![to], edges: Vec::new() };
        let mut reached = BTreeMap::from([(to.sha256, 0)]);
        let mut front = BTreeSet::from([to.sha256]);
        for _ in 0..STEPS_MAX {
            let mut next = BTreeSet::new();
            for (from, to, sha256, length) in deltas.iter().filter(|(_, to, ..)| front.contains(&to.sha256)) {
                if index.edges.len() == EDGES_MAX {
                    return index;
                }
                let place = *reached.entry(from.sha256).or_insert_with(|| {
                    next.insert(from.sha256);
                    index.nodes.push(*from);
                    index.nodes.len() - 1
                });
                index.edges.push(Edge { from: place, to: reached[&to.sha256], sha256: *sha256, length: *length });
            }
            front = next;
        }
        index
    }

    /// The index, signed.
    pub(crate) fn sign(&self, key: &SigningKey) -> Vec<u8> {
        let index = serde_json::to_string(self).expect("an index is plain JSON");
        let signature = hex::encode(key.sign(&[DOMAIN, index.as_bytes()].concat()));
        serde_json::to_vec(&Signed { index, signature }).expect("an index is plain JSON")
    }

    /// Reads an index for the blob `to`, signed by one of `keys`, and checks it: nothing is taken of one with a fault.
    pub(crate) fn read(bytes: &[u8], keys: &[PublicKey], to: &Sha256Hex) -> Result<Index, IndexError> {
        let signed: Signed = serde_json::from_slice(bytes).map_err(|_| IndexError::Malformed)?;
        let signature = hex::decode(&signed.signature).map_err(|_| IndexError::Malformed)?;
        let message = [DOMAIN, signed.index.as_bytes()].concat();
        if !keys.iter().any(|key| key.verifies(&message, &signature)) {
            return Err(IndexError::Unsigned);
        }
        let index: Index = serde_json::from_str(&signed.index).map_err(|_| IndexError::Malformed)?;
        index.check(to).map(|()| index)
    }

    fn check(&self, to: &Sha256Hex) -> Result<(), IndexError> {
        if self.to != *to {
            return Err(IndexError::OtherTarget);
        }
        if self.edges.len() > EDGES_MAX || self.nodes.len() > EDGES_MAX + 1 {
            return Err(IndexError::TooLarge);
        }
        let distinct: BTreeSet<_> = self.nodes.iter().map(|node| node.sha256).collect();
        if distinct.len() != self.nodes.len() || !distinct.contains(to) {
            return Err(IndexError::Malformed);
        }
        for edge in &self.edges {
            let (Some(from), Some(to)) = (self.nodes.get(edge.from), self.nodes.get(edge.to)) else {
                return Err(IndexError::Malformed);
            };
            // A blob has one number here, so ways that all lead upwards make no circle.
            if from.release >= to.release {
                return Err(IndexError::Circle);
            }
        }
        Ok(())
    }

    /// The cheapest way to the target from a blob that `held` says is there, without deltas that `refused` names: its deltas
    /// in order, each with the nodes it joins. Nothing when the whole blob, of `whole` bytes, costs no more.
    ///
    /// Nodes ascend along every way, so one pass over the edges in the order of their ends finds it: no more work than sorting.
    pub(crate) fn cheapest(
        &self,
        held: impl Fn(&Sha256Hex) -> bool,
        refused: impl Fn(&Sha256Hex) -> bool,
        whole: u64,
    ) -> Vec<(Node, Node, Edge)> {
        #[derive(Clone, Copy)]
        struct Way {
            cost: u64,
            steps: usize,
            last: Option<Edge>,
        }
        let mut ways: Vec<Option<Way>> =
            self.nodes.iter().map(|node| held(&node.sha256).then_some(Way { cost: 0, steps: 0, last: None })).collect();
        let mut edges: Vec<&Edge> = self.edges.iter().filter(|edge| !refused(&edge.sha256)).collect();
        edges.sort_by_key(|edge| self.nodes[edge.to].release);
        for edge in edges {
            let Some(before) = ways[edge.from].filter(|way| way.steps < STEPS_MAX) else { continue };
            let work = self.nodes[edge.to].length / APPLY_DIVISOR;
            let cost = before.cost.saturating_add(edge.length).saturating_add(REQUEST_COST).saturating_add(work);
            if ways[edge.to].is_none_or(|way| cost < way.cost) {
                ways[edge.to] = Some(Way { cost, steps: before.steps + 1, last: Some(*edge) });
            }
        }
        let target = self.nodes.iter().position(|node| node.sha256 == self.to);
        let Some(mut at) = target.filter(|&at| ways[at].is_some_and(|way| way.cost < whole.saturating_add(REQUEST_COST)))
        else {
            return Vec::new();
        };
        let mut path = Vec::new();
        while let Some(edge) = ways[at].and_then(|way| way.last) {
            path.push((self.nodes[edge.from], self.nodes[edge.to], edge));
            at = edge.from;
        }
        path.reverse();
        path
    }
}

/// Reads any bytes as an index, and looks for ways in what is accepted: nothing panics, and every way leads from what is held to
/// the target. The body of a fuzz target.
#[doc(hidden)]
pub fn fuzz_index(bytes: &[u8]) {
    let Ok(index) = serde_json::from_slice::<Index>(bytes) else { return };
    if index.check(&index.to).is_err() {
        return;
    }
    let path = index.cheapest(|sha256| sha256.bytes()[0] & 1 == 1, |sha256| sha256.bytes()[0] & 3 == 3, 1 << 40);
    assert!(path.len() <= STEPS_MAX);
    assert!(path.windows(2).all(|pair| pair[0].1 == pair[1].0));
    assert!(path.last().is_none_or(|(_, to, _)| to.sha256 == index.to));
    assert!(path.first().is_none_or(|(from, ..)| from.sha256.bytes()[0] & 1 == 1));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn digest(n: u64) -> Sha256Hex {
        Sha256Hex::of(&n.to_le_bytes())
    }

    fn node(release: u64) -> Node {
        Node { sha256: digest(release), release, length: 100_000 }
    }

    fn delta(from: u64, to: u64, length: u64) -> (Node, Node, Sha256Hex, u64) {
        (node(from), node(to), digest(from << 32 | to), length)
    }

    fn path(index: &Index, held: &[u64]) -> Vec<(u64, u64)> {
        let path = index.cheapest(|at| held.iter().any(|n| digest(*n) == *at), |_| false, 100_000);
        path.into_iter().map(|(from, to, _)| (from.release, to.release)).collect()
    }

    #[test]
    fn the_cheapest_way_is_taken() {
        let deltas = [delta(1, 4, 30_000), delta(1, 3, 3_000), delta(3, 4, 2_000), delta(2, 4, 200_000), delta(5, 6, 1)];
        let index = Index::around(node(4), &deltas);
        assert_eq!(index.edges.len(), 4);
        assert_eq!(path(&index, &[1]), [(1, 3), (3, 4)]);
        assert_eq!(path(&index, &[1, 3]), [(3, 4)]);
        assert_eq!(path(&index, &[2]), []);
        assert_eq!(path(&index, &[]), []);
        let without = index.cheapest(|at| *at == digest(1), |delta| *delta == digest(3 << 32 | 4), 100_000);
        assert_eq!(without.len(), 1);
    }

    #[test]
    fn requests_and_work_count() {
        let deltas = [delta(1, 3, 5_000), delta(1, 2, 2_000), delta(2, 3, 2_000)];
        assert_eq!(path(&Index::around(node(3), &deltas), &[1]), [(1, 3)]);
        let tiny = [delta(1, 2, 99_000)];
        assert_eq!(path(&Index::around(node(2), &tiny), &[1]), []);
    }

    #[test]
    fn an_index_is_bounded() {
        let deltas: Vec<_> = (0..1000).map(|n| delta(n, 1000, 10)).collect();
        let index = Index::around(node(1000), &deltas);
        assert_eq!(index.edges.len(), EDGES_MAX);
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&Disk::default(), &folder.path().join("key")).unwrap();
        let bytes = index.sign(&key);
        assert!((bytes.len() as u64) < INDEX_LEN_MAX, "{}", bytes.len());
        assert_eq!(Index::read(&bytes, &[key.public()], &digest(1000)), Ok(index.clone()));
        let other = SigningKey::load_or_create(&Disk::default(), &folder.path().join("other")).unwrap();
        assert_eq!(Index::read(&bytes, &[other.public()], &digest(1000)), Err(IndexError::Unsigned));
        assert_eq!(Index::read(&bytes, &[key.public()], &digest(1)), Err(IndexError::OtherTarget));
        assert_eq!(Index::read(b"{}", &[key.public()], &digest(1)), Err(IndexError::Malformed));
    }

    #[test]
    fn hostile_indices_are_refused_by_name() {
        let sound = Index::around(node(3), &[delta(1, 2, 10), delta(2, 3, 10)]);
        let refused = |change: fn(&mut Index)| {
            let mut index = sound.clone();
            change(&mut index);
            index.check(&digest(3)).unwrap_err()
        };
        let circle = |index: &mut Index| index.edges.push(Edge { from: 1, to: 2, ..index.edges[0] });
        assert_eq!(refused(circle), IndexError::Circle);
        assert_eq!(refused(|index| index.edges[0].from = index.edges[0].to), IndexError::Circle);
        assert_eq!(refused(|index| index.edges[0].from = 99), IndexError::Malformed);
        assert_eq!(refused(|index| index.nodes.push(index.nodes[0])), IndexError::Malformed);
        assert_eq!(refused(|index| index.edges = vec![index.edges[0]; EDGES_MAX + 1]), IndexError::TooLarge);
        assert_eq!(refused(|index| index.to = digest(9)), IndexError::OtherTarget);
    }

    /// A way that is too long is not taken, though each step of it is allowed.
    #[test]
    fn ways_are_short() {
        let deltas: Vec<_> = (0..10).map(|n| delta(n, n + 1, 1)).collect();
        let mut index = Index::around(node(10), &deltas);
        assert_eq!(path(&index, &[6]).len(), STEPS_MAX);
        index.nodes.push(node(5));
        index.edges.push(Edge { from: index.nodes.len() - 1, to: 4, sha256: digest(99), length: 1 });
        assert_eq!(path(&index, &[5]), []);
    }
}
