//! Question: how long does a maker wait for a release, and a terminal for its database? Text becomes a blob at the maker's; a
//! blob becomes a database on every terminal.

use benches::{Literals, link_one};
use criterion::{Criterion, Throughput};
use patternc::blob::{self, EngineRange, Meta};
use std::hint::black_box;
use std::time::Duration;

pub(crate) fn benchmarks(c: &mut Criterion) {
    let count = 100_000;
    let set = Literals::synthetic(count);
    let channel = "bench/literals".parse().expect("it is of the form `maker/name`");
    let meta = Meta { channel, release: 1, created: 0, engine: EngineRange { min: 1, max: 1 } };
    let packed = blob::encode(&meta, &set.records).expect("compiled records can be encoded");

    let mut group = c.benchmark_group("compile/100k-lines");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("text-to-blob", |b| {
        b.iter(|| {
            let records = corpus::compile(&[("synthetic.ndb", black_box(&set.ndb))]).records;
            let bytes = blob::encode(&meta, &records).expect("compiled records can be encoded");
            assert_eq!(bytes, packed);
        });
    });
    group.bench_function("blob-to-database", |b| {
        b.iter(|| {
            let records = blob::decode(black_box(&packed)).expect("it was just encoded").records;
            assert_eq!(link_one(&records), set.database);
        });
    });
    group.finish();
}
