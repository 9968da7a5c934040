//! `titer serve`.

use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::output::{remark, say, with_hint};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use updater::disk::{Checkpoint, Disk};
use updater::service::{Config, Database, PublishError, Rate, ServeError, TlsFiles, serve};

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
        let files = args.tls_cert.clone().zip(args.tls_key.clone());
        config.tls = files.map(|(certificate, key)| TlsFiles { certificate, key });
        config.insecure_listen = args.insecure_listen;
        config.limits.trusted_proxies.clone_from(&args.trusted_proxy);
        config.contact.clone_from(&args.contact);
        let every = Duration::from_secs(1) / args.terminal_rate;
        config.limits.terminal = Rate::new(args.terminal_rate.saturating_mul(60), every);
        let rate = Rate::new(args.address_rate.saturating_mul(10), Duration::from_secs(1) / args.address_rate);
        config.limits.address = rate;
        if u64::from(rate.burst.get()) > u64::from(config.limits.strangers.burst.get()) {
            // All strangers together have no less than one address.
            config.limits.strangers = rate;
        }
        config.console_over_tls = args.console_over_tls || config.tls.is_some();
        if let Some(steps) = std::env::var(DIES_AFTER).ok().and_then(|steps| steps.parse().ok()) {
            config.disk = Disk::with_checkpoint(Arc::new(Dies(AtomicI64::new(steps))));
        }
        let token = args.data.join("operator-token");
        // It is made at the first start, and stays.
        let is_first = !token.exists();
        let running = serve(config, stopped()).await.map_err(|error| {
            let hint = remedy(&error);
            with_hint(format!("{error} ({})", error.code()), hint)
        })?;
        reread_certificate(running.certificate_reader());
        say!("listening at {}", running.url());
        say!("the console is at {}console", running.url());
        say!("the operator's token is in {}", token.display());
        if is_first {
            say_next(&args.data, running.url().as_str());
        }
        running.finished().await?;
        say!("stopped");
        Ok(Exit::Fine)
    })?
}

/// What an operator does after the first start.
fn say_next(data: &Path, url: &str) {
    say!("this is its first start. What comes next:");
    let root_keys = data.join("root-keys");
    if root_keys.join("root.pk8").exists() {
        let root_keys = root_keys.display();
        say!("  move {root_keys} to another place, and a copy to a second one: the service does not need it (docs/keys.md)");
    }
    let token = data.join("operator-token");
    say!("  titer admin --service {url} --operator-token {} operator add NAME --role key-holder", token.display());
    say!("  docs/operator-guide.md goes on from there");
}

/// What to do when the service does not start.
fn remedy(error: &ServeError) -> &'static str {
    match error {
        ServeError::InsecureListen(_) => {
            "give --tls-cert and --tls-key, or listen at 127.0.0.1; --insecure-listen if a proxy in front has TLS"
        }
        ServeError::Tls(_) => "both files are PEM: the certificate first in one, its private key in the other",
        ServeError::Busy(_) => "end the other service, or give another --data",
        ServeError::Store(_) => "look at --database and titer.sqlite3 in the data folder; docs/codes.md has each code",
        ServeError::Object(_) => "look at --objects, or at objects/ in the data folder; docs/codes.md has each code",
        ServeError::Disk(_) | ServeError::Publish(PublishError::Disk(_)) => {
            "look at the rights of the named file and at the room on its disk"
        }
        ServeError::Listen { .. } => "take another --listen, or end who has this one",
        _ => "the data folder must be this service's own; docs/codes.md has each code",
    }
}

/// Has the certificate read anew at SIGHUP, as is usual for services.
fn reread_certificate(read: impl Fn() + Send + Sync + 'static) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut asked) = signal(SignalKind::hangup()) {
            tokio::spawn(async move {
                while asked.recv().await.is_some() {
                    read();
                }
            });
        }
    }
    #[cfg(not(unix))]
    drop(read);
}

/// Done when the process is asked to stop, from this call on: whoever reads that the service is listening may ask at once.
fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    #[cfg(unix)]
    let interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
    async move {
        #[cfg(unix)]
        if let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        // Without a handler nothing asks; the default action ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
