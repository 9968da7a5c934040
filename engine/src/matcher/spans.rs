//! Sets of positions in a haystack, kept as ranges: what a gap turns one position into.

/// A set of positions: ascending, disjoint, inclusive ranges once [`Spans::settle`] ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans {
    ranges: Vec<(usize, usize)>,
}

impl Spans {
    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn ranges(&self) -> &[(usize, usize)] {
        &self.ranges
    }

    /// Every position, in the order of the ranges.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        self.ranges.iter().flat_map(|&(first, last)| first..=last)
    }

    /// How many positions.
    pub(crate) fn len(&self) -> usize {
        self.ranges.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Keeps the lowest position.
    pub(crate) fn keep_first(&mut self) {
        if let Some(first) = self.first() {
            self.set(first, first);
        }
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.ranges.first().map(|range| range.0)
    }

    /// Makes it `first..=last`; empty when `last` is below `first`.
    pub(crate) fn set(&mut self, first: usize, last: usize) {
        self.clear();
        self.push(first, last);
    }

    /// Adds `first..=last`, joining it to the last range when it touches that.
    pub(crate) fn push(&mut self, first: usize, last: usize) {
        if last < first {
            return;
        }
        match self.ranges.last_mut() {
            Some(range) if range.0 <= first && first <= range.1.saturating_add(1) => range.1 = range.1.max(last),
            _ => self.ranges.push((first, last)),
        }
    }

    /// Sorts and joins the ranges after they were pushed in any order.
    pub(crate) fn settle(&mut self) {
        if self.ranges.is_sorted_by(|a, b| a.1 < b.0) {
            return;
        }
        self.ranges.sort_unstable();
        let mut kept = 0;
        for i in 1..self.ranges.len() {
            let (first, last) = self.ranges[i];
            if first <= self.ranges[kept].1.saturating_add(1) {
                self.ranges[kept].1 = self.ranges[kept].1.max(last);
            } else {
                kept += 1;
                self.ranges[kept] = (first, last);
            }
        }
        self.ranges.truncate(kept + 1);
    }

    /// Keeps the positions that `others` has too. Both are settled; allocates when `others` has several ranges.
    pub(crate) fn intersect(&mut self, others: &Spans) {
        if let [(first, last)] = others.ranges[..] {
            self.ranges.retain_mut(|range| {
                *range = (range.0.max(first), range.1.min(last));
                range.0 <= range.1
            });
            return;
        }
        for (first, last) in std::mem::take(&mut self.ranges) {
            let met = others.ranges.iter().map(|other| (first.max(other.0), last.min(other.1)));
            self.ranges.extend(met.filter(|range| range.0 <= range.1));
        }
    }

    /// The highest position; the set is settled.
    pub(crate) fn last(&self) -> Option<usize> {
        self.ranges.last().map(|range| range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_pushed_in_any_order_settle_into_a_set() {
        let mut spans = Spans::default();
        for (first, last) in [(9, 12), (1, 3), (4, 5), (11, 20), (30, 29)] {
            spans.push(first, last);
        }
        spans.settle();
        assert_eq!(spans.ranges(), [(1, 5), (9, 20)]);
        let mut others = Spans::default();
        others.set(5, 9);
        spans.intersect(&others);
        assert_eq!(spans.positions().collect::<Vec<_>>(), [5, 9]);
    }

    #[test]
    fn sets_of_several_ranges_intersect() {
        let set = |ranges: &[(usize, usize)]| Spans { ranges: ranges.to_vec() };
        let mut spans = set(&[(0, 10), (20, 30), (40, 40)]);
        spans.intersect(&set(&[(3, 4), (8, 22), (29, 39)]));
        assert_eq!(spans.ranges(), [(3, 4), (8, 10), (20, 22), (29, 30)]);
        spans.intersect(&set(&[]));
        assert!(spans.is_empty());
    }
}
