//! Why the agent refused or failed.

use crate::Channel;
use crate::agent::bundle::BundleError;
use crate::agent::{BoxError, SelfTestError};
use crate::director::DirectorError;
use crate::disk::DiskError;
use crate::http::HttpError;
use crate::keys::KeyError;
use crate::tuf::TufError;
use crate::wire::{Sha256Hex, ShapeError};
use std::path::{Path, PathBuf};

/// Why the agent refused or failed. Nothing is installed then, and what was in force stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Another agent works in the state folder.
    #[error("another agent is at work in `{}`", .0.display())]
    Busy(PathBuf),
    /// The terminal is not enrolled.
    #[error("`{}` holds no enrolled terminal", .0.display())]
    NotEnrolled(PathBuf),
    /// The terminal is enrolled already.
    #[error("this terminal is enrolled as {terminal} at {service}")]
    AlreadyEnrolled {
        /// Its number.
        terminal: String,
        /// Where.
        service: String,
    },
    /// The enrolment token does not have its form.
    #[error("this is no enrolment token (te1.SECRET.ROOT)")]
    Token,
    /// The service's root metadata is not the one the token names.
    #[error("the service's root metadata has sha256 {found}, the enrolment token names {expected}")]
    WrongRoot {
        /// What came.
        found: Sha256Hex,
        /// What the operator vouched for.
        expected: Sha256Hex,
    },
    /// A file of the state folder.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A file of the state folder cannot be understood.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// This terminal's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The service refused or could not be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A source asked to be left alone, and the time is not over; it was not asked.
    #[error("`{who}` refused ({code}) and is not asked for another {seconds} seconds")]
    BackingOff {
        /// A channel, or `service`.
        who: String,
        /// Seconds left.
        seconds: u64,
        /// Stable code of its refusal.
        code: String,
    },
    /// There is not enough room on the disk.
    #[error("`{}` has {free} bytes free; {needed} are needed, and {spare} are to be left", folder.display())]
    Space {
        /// The folder to write to.
        folder: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes that are left for others.
        spare: u64,
        /// Bytes free.
        free: u64,
    },
    /// Metadata of the service did not verify.
    #[error("metadata is refused: {reason}")]
    Metadata {
        /// Stable name of the fault.
        code: &'static str,
        /// What the verifier says.
        reason: String,
    },
    /// Metadata of one maker did not verify.
    #[error(transparent)]
    Maker(#[from] TufError),
    /// A maker has no delegation, or does not list what was assigned.
    #[error("`{0}` is not among what its maker signed")]
    NotListed(String),
    /// A blob is not the one its maker signed.
    #[error("`{path}` is not what its maker signed: {reason}")]
    Blob {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A delta does not lead to what its maker signed.
    #[error("the delta {delta} is refused: {reason}")]
    Delta {
        /// Its digest.
        delta: Sha256Hex,
        /// Stable name of the fault.
        code: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The service assigned a channel that this terminal neither subscribed to nor accepts by its designation, or a change while it wishes none.
    #[error("the service assigned `{0}`, which this terminal does not accept")]
    NotAccepted(Channel),
    /// What the service assigned is not the director's word to this terminal.
    #[error(transparent)]
    Director(#[from] DirectorError),
    /// The service assigned two releases of one channel.
    #[error("the service assigned `{0}` twice")]
    AssignedTwice(Channel),
    /// The service assigned an older release than the installed one.
    #[error("the service assigned release {assigned} of `{channel}`, {installed} is installed")]
    RolledBack {
        /// The channel.
        channel: Channel,
        /// What was assigned.
        assigned: u64,
        /// What is installed.
        installed: u64,
    },
    /// The blobs could not be linked.
    #[error("linking failed: {0}")]
    Link(#[source] BoxError),
    /// The database did not pass its test.
    #[error("the self-test failed: {0}")]
    SelfTest(#[source] SelfTestError),
    /// The owner's settings cannot be understood.
    #[error("`{}` cannot be understood: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no earlier generation that is whole.
    #[error("there is no earlier generation to go back to")]
    NoPrevious,
    /// Nothing is staged.
    #[error("no generation waits to be put in force")]
    NothingStaged,
    /// What is staged was made for another generation than the one in force.
    #[error("the staged generation {staged} was made to follow another one than is in force; it is dropped")]
    StagedOutdated {
        /// Its number.
        staged: u64,
    },
    /// What caused the update is switched off.
    #[error("updates by this trigger ({0}) are switched off in the settings")]
    TriggerOff(&'static str),
    /// A bundle is none, or is harmed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A bundle was made from another service than this terminal's.
    #[error(
        "this bundle does not hold the root that this terminal trusts: it is of another service, or from before that root; it says {0}"
    )]
    BundleForeign(String),
    /// A name that is no name.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A worker thread died.
    #[error("a worker failed: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

impl AgentError {
    pub(crate) fn settings(path: &Path, reason: impl Into<String>) -> Self {
        AgentError::Settings { path: path.to_owned(), reason: reason.into() }
    }

    /// Stable name of the fault.
    pub fn code(&self) -> &str {
        match self {
            AgentError::Busy(_) => "agent_busy",
            AgentError::NotEnrolled(_) => "not_enrolled",
            AgentError::AlreadyEnrolled { .. } => "already_enrolled",
            AgentError::Token => "token_malformed",
            AgentError::WrongRoot { .. } => "root_not_vouched_for",
            AgentError::Disk(e) if e.is_full() => "disk_space",
            AgentError::Disk(_) => "disk_failed",
            AgentError::Damaged { .. } => "state_damaged",
            AgentError::Key(_) => "key_failed",
            AgentError::Http(e) => e.code(),
            AgentError::BackingOff { .. } => "backing_off",
            AgentError::Space { .. } => "disk_space",
            AgentError::Metadata { code, .. } | AgentError::Delta { code, .. } => code,
            AgentError::Maker(e) => e.code(),
            AgentError::NotListed(_) => "release_not_listed",
            AgentError::Blob { .. } => "blob_refused",
            AgentError::NotAccepted(_) => "assignment_not_accepted",
            AgentError::Director(e) => e.code(),
            AgentError::AssignedTwice(_) => "assignment_ambiguous",
            AgentError::RolledBack { .. } => "release_rolled_back",
            AgentError::Link(_) => "link_failed",
            AgentError::SelfTest(e) => e.code(),
            AgentError::Settings { .. } => "settings_malformed",
            AgentError::NoPrevious => "no_previous_generation",
            AgentError::NothingStaged => "nothing_staged",
            AgentError::StagedOutdated { .. } => "staged_outdated",
            AgentError::TriggerOff(_) => "trigger_off",
            AgentError::Bundle(e) => e.code(),
            AgentError::BundleForeign(_) => "bundle_foreign",
            AgentError::Shape(_) => "name_malformed",
            AgentError::Worker(_) => "worker_failed",
        }
    }
}
