//! Question: what does a file without any match cost? Nearly every file is one.

use benches::{Aho, Daachorse, Engine, Literals, Titer};
use criterion::{BenchmarkId, Criterion, Throughput};
use engine::Database;
use std::hint::black_box;
use std::time::Duration;

pub(crate) fn benchmarks(c: &mut Criterion) {
    for (name, count) in [("1k", 1000), ("10k", 10_000), ("100k", 100_000)] {
        compare(c, &format!("clean-file/{name}-literals"), &Literals::synthetic(count));
    }
}

/// Question: what does a clean file cost when nearly every part of it is a part of some signature? A filter lets all of it pass
/// to verification then.
pub(crate) fn dense_benchmarks(c: &mut Criterion) {
    compare(c, "dense-candidates/10k-literals", &Literals::near_clean(10_000));
}

fn compare(c: &mut Criterion, name: &str, set: &Literals) {
    let files: Vec<Vec<u8>> = corpus::clean().into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
    let inputs = [("generated-4MiB", vec![corpus::haystack(4 << 20, 2)]), ("corpus-files", files)];
    let database = Database::open(&set.database).expect("a database just linked opens");
    let mut engines: Vec<Box<dyn Engine>> = vec![Box::new(Titer::new(&database)), Box::new(Daachorse::new(&set.literals))];
    engines.extend(Aho::all(&set.literals).into_iter().map(|engine| Box::new(engine) as Box<dyn Engine>));

    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for (input, haystacks) in &inputs {
        let bytes: usize = haystacks.iter().map(Vec::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        let expected = count_all(&mut *engines[0], haystacks);
        for engine in &mut engines {
            assert_eq!(count_all(&mut **engine, haystacks), expected, "{} on {input}", engine.name());
            group.bench_function(BenchmarkId::new(engine.name(), input), |b| {
                b.iter(|| count_all(&mut **engine, black_box(haystacks)));
            });
        }
    }
    group.finish();
}

fn count_all(engine: &mut dyn Engine, haystacks: &[Vec<u8>]) -> usize {
    haystacks.iter().map(|haystack| engine.count(haystack)).sum()
}
