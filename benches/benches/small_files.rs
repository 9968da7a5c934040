//! Question: how many small files does a warm process scan in a second? Trees are mostly small files, and what is done once for each
//! file weighs most there. The bytes are in memory: no file is opened.

use crate::compare::compare;
use benches::{Literals, engines};
use criterion::{Criterion, Throughput};
use engine::Database;
use std::time::Duration;

pub(crate) fn benchmarks(c: &mut Criterion) {
    let set = Literals::synthetic(10_000);
    let database = Database::open(&set.database).expect("a database just linked opens");
    let mut engines = engines::all(&database, &set.literals);
    let bytes = corpus::haystack(4 << 20, 2);
    let files: Vec<&[u8]> = bytes.chunks(4 << 10).collect();

    let mut group = c.benchmark_group("small-files/4KiB");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(files.len() as u64));
    compare(&mut group, &mut engines, "10k-literals", &files);
    group.finish();
}
