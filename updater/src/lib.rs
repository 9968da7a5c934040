//! Distribution of signature releases: the update service, the makers' side and the terminals' agent.
//!
//! ```text
//! maker ──signed role, blobs──▶ service ──metadata, blobs, deltas──▶ agent ──▶ generation ──▶ scanner
//!                                  ▲  └──assignment: what to run, and why──▶ │
//!                                  └──────check-in, acknowledgement──────────┘
//! ```
//!
//! Three sides, three modules: [`service`], [`maker`] (and [`operator`] for whoever runs the service), [`agent`]. What
//! travels between them is in [`wire`]; the decision which maker a terminal runs is a pure function, [`decide::Prepared::decide`].
//!
//! Trust: a maker's key signs releases and never leaves the maker; the service's keys order them in time; a terminal installs
//! only what both say, and never an older release than it had. Files change by the rules of [`disk`], so a crash at any point
//! leaves the old state or the new one.
//!
//! A release's content is none of this crate's business beyond the blob's header; how blobs are linked and tested is
//! the [`agent::Engine`] that the caller brings.
//!
//! Everything that waits is `async` and runs on tokio; [`block_on`] is for callers that are not.
#![forbid(unsafe_code)]

pub mod agent;
pub mod audit;
mod blob;
pub mod decide;
#[doc(hidden)]
pub mod deltas;
pub mod director;
pub mod disk;
#[doc(hidden)]
pub mod fuzzing;
mod http;
pub mod keys;
pub mod maker;
pub mod operator;
mod patience;
mod random;
pub mod root;
pub mod service;
mod signed;
pub mod statement;
pub mod threat_id;
mod tuf;
pub mod wire;
mod words;

pub use agent::{Agent, installed_database};
pub use blob::{Channel, Root};
pub use http::{HttpError, Network};
pub use tuf::TufError;

/// Runs a future of this crate to its end on a runtime of its own.
///
/// # Errors
/// When the system gives no threads for a runtime.
///
/// # Panics
/// When called from within a runtime.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(future))
}
