//! Question: what does a process pay before its first byte is scanned? It must not depend on the number of signatures: mail
//! gateways and build jobs start a scanner for a single file.

use benches::Literals;
use criterion::Criterion;
use engine::{Database, DatabaseFile, Scanner};
use std::hint::black_box;

pub(crate) fn benchmarks(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, count) in [("1k", 1000), ("100k", 100_000)] {
        let bytes = Literals::synthetic(count).database;
        let path = dir.path().join(format!("{name}.tdb"));
        std::fs::write(&path, &bytes).expect("the temporary folder takes files");
        let mut group = c.benchmark_group(format!("open/{name}-signatures"));
        group.bench_function("bytes", |b| {
            b.iter(|| Scanner::new(&Database::open(black_box(&bytes)).expect("it opened before")).scratch());
        });
        // The file is in the page cache; a cold one costs a few page faults more.
        group.bench_function("file", |b| {
            b.iter(|| {
                let file = DatabaseFile::open(black_box(&path)).expect("it was just written");
                Scanner::new(&file.database().expect("it opened before")).scratch()
            });
        });
        group.finish();
    }
}
