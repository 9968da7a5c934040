//! `cargo bench -p benches`; `README.md` tells what the figures mean.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make items without docs")]

mod clean_file;
mod compile;
mod open;

use criterion::{criterion_group, criterion_main};

criterion_group!(groups, clean_file::benchmarks, clean_file::dense_benchmarks, open::benchmarks, compile::benchmarks);
criterion_main!(groups);
