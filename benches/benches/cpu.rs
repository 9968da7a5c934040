//! What a benchmark took of the processor, for what computes on one thread: on a machine that others keep busy, time by the clock says
//! more of them.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use std::time::Duration;

/// Time that this thread has had of the processor; by the clock, where the system does not tell.
pub(crate) struct CpuTime;

static WALL: WallTime = WallTime;

#[cfg(unix)]
fn spent() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

#[cfg(not(unix))]
fn spent() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        spent()
    }

    fn end(&self, began: Duration) -> Duration {
        spent().saturating_sub(began)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

/// What is counted by the second.
pub(crate) fn each<T>(elements: &[T]) -> Throughput {
    Throughput::Elements(elements.len() as u64)
}
