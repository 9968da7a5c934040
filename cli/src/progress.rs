//! Progress, on standard error, when a person is looking and it takes a while.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Nothing is shown for work that is over by then.
const SHOW_AFTER: Duration = Duration::from_secs(2);

/// A bar, or a counter where the end is not known. Hidden unless standard error is a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    shown: bool,
    template: &'static str,
}

impl Progress {
    /// Counts bytes of `total`.
    pub(crate) fn bytes(what: &'static str, total: u64) -> Progress {
        Progress::new(ProgressBar::hidden().with_message(what), Some(total), "{msg} {wide_bar} {bytes}/{total_bytes} {eta}")
    }

    /// Counts bytes towards an unknown end.
    pub(crate) fn open_ended(what: &'static str) -> Progress {
        Progress::new(ProgressBar::hidden().with_message(what), None, "{spinner} {msg} {bytes} {bytes_per_sec}")
    }

    fn new(bar: ProgressBar, total: Option<u64>, template: &'static str) -> Progress {
        if let Some(total) = total {
            bar.set_length(total);
        }
        Progress { bar, began: Instant::now(), shown: false, template }
    }

    /// Turns while work on `bytes` goes on of which nothing is heard; shown at once, when that is so much that it takes seconds.
    pub(crate) fn silent(what: &'static str, bytes: u64) -> Progress {
        const SHOWN_FROM: u64 = 8 << 20;
        let mut progress = Progress::new(ProgressBar::hidden().with_message(what), None, "{spinner} {msg} {elapsed}");
        if bytes >= SHOWN_FROM {
            progress.show();
            progress.bar.enable_steady_tick(Duration::from_millis(100));
        }
        progress
    }

    /// `bytes` more are done.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.bar.inc(bytes);
        if !self.shown && self.began.elapsed() > SHOW_AFTER {
            self.show();
        }
    }

    fn show(&mut self) {
        self.shown = true;
        self.bar.set_style(ProgressStyle::with_template(self.template).expect("a template of ours"));
        self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
    }

    /// Runs `write` with the bar out of the way.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
