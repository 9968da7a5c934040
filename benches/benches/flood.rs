//! Question: can a file be made that is much slower to scan than a clean one? Whoever sends files to a scanner would make it.
//!
//! `flood/clean` is the clean file that the others are compared with. The sets are literals like those that makers sign, and literals
//! that have cost some scanner its speed; what is built from a database is built from that of the set it is scanned with.

use crate::compare::compare;
use benches::{Literals, engines};
use corpus::flood::{near_misses, packed_windows, periodic};
use criterion::{Criterion, Throughput};
use engine::Database;
use std::time::Duration;

const LEN: usize = 1 << 20;
const PERIODS: [usize; 8] = [2, 3, 4, 5, 7, 8, 12, 16];

pub(crate) fn benchmarks(c: &mut Criterion) {
    let sets = [("10k-literals", Literals::synthetic(10_000)), ("bad-set", Literals::bad())];
    for (input, set) in &sets {
        let database = Database::open(&set.database).expect("a database just linked opens");
        let mut engines = engines::all(&database, &set.literals);
        for (name, haystack) in haystacks(&database, &set.literals) {
            let mut group = c.benchmark_group(format!("flood/{name}"));
            group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
            group.throughput(Throughput::Bytes(LEN as u64));
            compare(&mut group, &mut engines, input, &[haystack]);
            group.finish();
        }
    }
}

fn haystacks(database: &Database<'_>, literals: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let named = |name: &str, bytes| (name.to_owned(), bytes);
    let mut floods = vec![
        named("clean", corpus::haystack(LEN, 2)),
        named("zeros", vec![0; LEN]),
        named("ff", vec![0xff; LEN]),
        named("nop-sled", vec![0x90; LEN]),
    ];
    // What is repeated is the beginning of a stored window, or of two: a period that is as wide as the windows of a tier then
    // passes its filter everywhere.
    let windows: Vec<u8> = database.windows().take(2).flat_map(|window| window.bytes.to_le_bytes()).collect();
    floods.extend(PERIODS.map(|period| named(&format!("period-{period}"), periodic(&windows[..period], LEN))));
    floods.push(named("near-miss", near_misses(database, literals, LEN)));
    floods.push(named("all-windows", packed_windows(database, LEN)));
    floods.push(named("bad-set", periodic(&corpus::flood::bad_literals().concat(), LEN)));
    floods
}
