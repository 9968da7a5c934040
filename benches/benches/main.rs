//! `cargo bench -p benches`; `README.md` tells what the figures mean.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make items without docs")]

mod clean_file;
mod compare;
mod compile;
mod coverage;
mod cpu;
mod decide;
mod flood;
mod open;
mod small_files;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(
    groups,
    clean_file::benchmarks,
    clean_file::dense_benchmarks,
    flood::benchmarks,
    small_files::benchmarks,
    open::benchmarks,
    compile::benchmarks,
    coverage::benchmarks
);
criterion_group! {
    name = decisions;
    config = Criterion::default().with_measurement(cpu::CpuTime);
    targets = decide::benchmarks
}
criterion_main!(groups, decisions);
