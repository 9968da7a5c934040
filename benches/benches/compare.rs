//! Every engine over the same haystacks, its answer checked before it is timed.

use benches::Engine;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use std::hint::black_box;

/// Times each engine over all of `haystacks`.
///
/// # Panics
/// When two engines count different matches.
pub(crate) fn compare<H: AsRef<[u8]>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    engines: &mut [Box<dyn Engine + '_>],
    input: &str,
    haystacks: &[H],
) {
    let expected = count_all(&mut *engines[0], haystacks);
    for engine in engines {
        assert_eq!(count_all(&mut **engine, haystacks), expected, "{} on {input}", engine.name());
        group.bench_function(BenchmarkId::new(engine.name(), input), |b| {
            b.iter(|| count_all(&mut **engine, black_box(haystacks)));
        });
    }
}

fn count_all<H: AsRef<[u8]>>(engine: &mut dyn Engine, haystacks: &[H]) -> usize {
    haystacks.iter().map(|haystack| engine.count(haystack.as_ref())).sum()
}
