//! Question: what does a file without any match cost? Nearly every file is one.

use crate::compare::compare;
use benches::{Literals, engines};
use criterion::{Criterion, Throughput};
use engine::Database;
use std::time::Duration;

pub(crate) fn benchmarks(c: &mut Criterion) {
    for (name, count) in [("1k", 1000), ("10k", 10_000), ("100k", 100_000)] {
        group(c, &format!("clean-file/{name}-literals"), &Literals::synthetic(count));
    }
}

/// Question: what does a clean file cost when nearly every part of it is a part of some signature? A filter lets all of it pass
/// to verification then.
pub(crate) fn dense_benchmarks(c: &mut Criterion) {
    group(c, "dense-candidates/10k-literals", &Literals::near_clean(10_000));
}

fn group(c: &mut Criterion, name: &str, set: &Literals) {
    let files: Vec<Vec<u8>> = corpus::clean().into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
    let inputs = [("generated-4MiB", vec![corpus::haystack(4 << 20, 2)]), ("corpus-files", files)];
    let database = Database::open(&set.database).expect("a database just linked opens");
    let mut engines = engines::all(&database, &set.literals);

    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for (input, haystacks) in &inputs {
        let bytes: usize = haystacks.iter().map(Vec::len).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        compare(&mut group, &mut engines, input, haystacks);
    }
    group.finish();
}
