//! Connections: accepted one by one, within bounds, with or without TLS.
//!
//! Rejected: `axum::serve`, which has no time limits for heads and no bound on connections, and `axum-server`, which has the limits and brings
//! HTTP/2, a second way of reloading certificates, and no bound either.
//!
//! Time limits, so that nobody holds a connection by doing nothing: for the handshake; for the head of a request, which is also how long a
//! connection may be idle; for a peer that does not take what is sent. Bodies are the gate's and the handlers' business.

use crate::service::limits::{Limits, Neighbourhood};
use crate::service::metrics::Metrics;
use crate::service::request::Peer;
use crate::service::tls::Tls;
use crate::service::{App, poll};
use axum::Router;
use axum::body::Body;
use futures_util::future::{Either, ready};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service;

/// Pause after a connection could not be accepted, which is mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Open files that are left for everything but connections.
const FILES_RESERVED: u64 = 256;

/// Time limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a TLS handshake. 10 seconds.
    pub handshake: Duration,
    /// For the head of a request, and between two requests. 30 seconds.
    pub head: Duration,
    /// For a peer that takes nothing of what is sent. One minute.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { handshake: Duration::from_secs(10), head: Duration::from_secs(30), write: Duration::from_mins(1) }
    }
}

/// Serves until `stopped`, then lets requests that run end. Connections at once are bounded; beyond that the system's queue keeps them. Dropped
/// unfinished, it cuts all connections off.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    mut stopped: watch::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(connections_max(&app.connection_limits)));
    let addresses = Arc::new(Addresses { most: app.connection_limits.connections_per_address, open: Mutex::default() });
    let mut connections = JoinSet::new();
    loop {
        // Those that ended are forgotten; one that panicked was logged by the runtime, and harms no other.
        while connections.try_join_next().is_some() {}
        let place = tokio::select! {
            _ = stopped.changed() => break,
            place = places.clone().acquire_owned() => place.expect("places are never closed"),
        };
        let (stream, peer) = tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Some(guest) = Guest::enter(&addresses, peer, place, app.clone()) else {
            app.metrics.connections_refused.inc();
            continue;
        };
        connections.spawn(connection(guest, stream, peer, router.clone(), tls.clone(), stopped.clone()));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// As many as the settings say, or as the system has files for, once its soft limit is raised as far as it may be.
fn connections_max(limits: &Limits) -> usize {
    #[cfg(unix)]
    let files = {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let has = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: has.maximum, maximum: has.maximum });
        let has = if raised.is_ok() { has.maximum } else { has.current };
        has.unwrap_or(u64::MAX)
    };
    #[cfg(not(unix))]
    let files = u64::MAX;
    let most = usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX);
    limits.connections_max.min(most).clamp(1, Semaphore::MAX_PERMITS)
}

/// Open connections by address.
struct Addresses {
    most: usize,
    open: Mutex<HashMap<Neighbourhood, usize>>,
}

/// A connection that is counted, until it is dropped.
struct Guest {
    address: Neighbourhood,
    addresses: Arc<Addresses>,
    app: Arc<App>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    fn enter(addresses: &Arc<Addresses>, peer: SocketAddr, place: OwnedSemaphorePermit, app: Arc<App>) -> Option<Self> {
        let address = Neighbourhood::of(peer.ip());
        let mut open = addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= addresses.most {
            return None;
        }
        *count += 1;
        metrics(&app).connections.inc();
        Some(Guest { address, addresses: addresses.clone(), app, _place: place })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
        metrics(&self.app).connections.dec();
    }
}

fn metrics(app: &App) -> &Metrics {
    &app.metrics
}

async fn connection(
    guest: Guest,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    tls: Option<Arc<Tls>>,
    stopped: watch::Receiver<()>,
) {
    // Answers are small: waiting to fill a packet would cost every request the peer's delayed acknowledgement, 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps Nagle's algorithm");
    }
    let (app, patience) = (guest.app.clone(), guest.app.patience);
    let served = match tls {
        None => requests(app, stream, peer, router, stopped).await,
        Some(tls) => match timeout(patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(app, stream, peer, router, stopped).await,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err("the handshake took too long".into()),
        },
    };
    if let Err(error) = served {
        tracing::debug!(%peer, error, "a connection ended: {error}");
    }
    drop(guest);
}

async fn requests(
    app: Arc<App>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    mut stopped: watch::Receiver<()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let patience = app.patience;
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(response) = poll::quick(&app, &request) {
            return Either::Left(ready(Ok(response)));
        }
        request.extensions_mut().insert(Peer(peer));
        Either::Right(router.clone().call(request.map(Body::new)))
    });
    let stream = TokioIo::new(Taken { stream, patience: patience.write, waits: None });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut connection = pin!(builder.serve_connection(stream, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopped.changed() => None,
    };
    if let Some(ended) = ended {
        return Ok(ended?);
    }
    connection.as_mut().graceful_shutdown();
    Ok(connection.await?)
}

/// A stream that fails when the peer takes nothing of what is sent for too long.
struct Taken<S> {
    stream: S,
    patience: Duration,
    /// Since the peer last took something, while more is to be sent.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Taken<S> {
    /// Passes on what a write came to, unless it waits too long.
    fn within<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(patience)));
        std::task::ready!(waits.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taken<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taken<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.within(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.within(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.within(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up_and_one_that_takes_slowly_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Taken { stream: ours, patience: Duration::from_millis(400), waits: None };
        let slow = tokio::spawn(async move {
            let mut piece = [0; 64];
            for _ in 0..10 {
                sleep(Duration::from_millis(80)).await;
                theirs.read_exact(&mut piece).await.unwrap();
            }
            theirs
        });
        ours.write_all(&[0; 640]).await.unwrap();
        let theirs = slow.await.unwrap();
        let given_up = ours.write_all(&[0; 640]).await.unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
