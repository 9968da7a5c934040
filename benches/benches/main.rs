//! `cargo bench -p benches`; `README.md` tells what the figures mean.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make items without docs")]

mod clean_file;
mod compare;
mod compile;
mod coverage;
mod decide;
mod flood;
mod open;
mod small_files;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    groups,
    clean_file::benchmarks,
    clean_file::dense_benchmarks,
    flood::benchmarks,
    small_files::benchmarks,
    open::benchmarks,
    compile::benchmarks,
    coverage::benchmarks,
    decide::benchmarks
);
criterion_main!(groups);
