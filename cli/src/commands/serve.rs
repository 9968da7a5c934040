//! `titer serve`.

use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::output::{remark, say, with_hint};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use updater::disk::{Checkpoint, Disk};
use updater::service::{Config, Database, serve};

/// For tests of what a crash leaves behind: the service ends itself, as by a kill, before the step on its disk that has this number.
const DIES_AFTER: &str = "TITER_TEST_DIES_AFTER";

/// Address of the tables. Unlike an argument, other users of the machine do not see it.
const DATABASE: &str = "TITER_DATABASE";

/// Lets so many steps pass.
struct Dies(AtomicI64);

impl Checkpoint for Dies {
    fn reached(&self, step: &'static str) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        remark!("ends before: {step}");
        std::process::abort()
    }
}

/// Runs `titer serve` until it is interrupted or terminated.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    updater::block_on(async {
        let mut config = Config::new(&args.data, args.listen);
        config.mark_file.clone_from(&args.mark);
        config.database = args.database.clone().or_else(|| std::env::var(DATABASE).ok()).map(Database::Postgres);
        config.bucket.clone_from(&args.objects);
        config.watch_window = Duration::from_secs(args.watch_window);
        config.watchers_max = args.watchers;
        config.console_over_tls = args.console_over_tls;
        if let Some(steps) = std::env::var(DIES_AFTER).ok().and_then(|steps| steps.parse().ok()) {
            config.disk = Disk::with_checkpoint(Arc::new(Dies(AtomicI64::new(steps))));
        }
        let running = serve(config, stopped()).await.map_err(|error| {
            let code = error.code();
            with_hint(format!("{error} ({code})"), "the data folder must be this service's own, and the address free")
        })?;
        say!("listening at {}", running.url());
        say!("the console is at {}console", running.url());
        say!("the operator's token is in {}", args.data.join("operator-token").display());
        running.finished().await?;
        say!("stopped");
        Ok(Exit::Fine)
    })?
}

/// Done when the process is asked to stop.
async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler nothing asks; the default action ends the process.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
