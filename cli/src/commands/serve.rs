//! `titer serve`.

use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::output::say;
use crate::output::with_hint;
use updater::service::{Config, serve};

/// Runs `titer serve` until it is interrupted or terminated.
pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<Exit> {
    updater::block_on(async {
        let config = Config::new(&args.data, args.listen);
        let running = serve(config, stopped()).await.map_err(|error| {
            let code = error.code();
            with_hint(format!("{error} ({code})"), "the data folder must be this service's own, and the address free")
        })?;
        say!("listening at {}", running.url());
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
