//! Why a maker's command failed.

use crate::disk::DiskError;
use crate::http::HttpError;
use crate::keys::{KeyError, PublicKey};
use crate::tuf::TufError;
use crate::wire::{MakerName, NewsError};
use std::path::PathBuf;

/// A maker's command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakerError {
    /// The folder holds no maker.
    #[error("`{}` holds no maker; make one with `init`", .0.display())]
    NoMaker(PathBuf),
    /// The folder holds another maker.
    #[error("`{}` belongs to maker `{found}`", folder.display())]
    OtherMaker {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        found: MakerName,
    },
    /// Another call works in the folder, and did not end in two minutes.
    #[error("another command is at work in `{}`", .0.display())]
    Busy(PathBuf),
    /// A file.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signed role.
    #[error(transparent)]
    Role(#[from] TufError),
    /// A file of the folder cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is no blob.
    #[error("`{}` is no blob: {reason}", path.display())]
    NotABlob {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that cannot be a module, or a module that is not there.
    #[error("module `{name}`: {reason}")]
    Module {
        /// The file, or the module's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The blob belongs to a channel of somebody else.
    #[error("the blob is of channel `{channel}`, this maker is `{maker}`")]
    ForeignChannel {
        /// The blob's channel.
        channel: String,
        /// The maker.
        maker: MakerName,
    },
    /// Release numbers only grow.
    #[error("release {found} of `{channel}` is not newer than {newest}")]
    NotNewer {
        /// The channel.
        channel: String,
        /// The blob's release.
        found: u64,
        /// The newest so far.
        newest: u64,
    },
    /// After such a number there would soon be none that everybody can read.
    #[error("release {0} is above {max}, the greatest number of a release", max = super::RELEASE_MAX)]
    ReleaseTooLarge(u64),
    /// The key speaks for somebody else.
    #[error(
        "key {0} is none of this maker's, now or by the change of keys that waits; its signature would count for nothing"
    )]
    KeyNotListed(PublicKey),
    /// A release that is not on offer cannot be withdrawn.
    #[error("`{channel}` release {release} is not on offer")]
    NotListed {
        /// The channel.
        channel: String,
        /// The release.
        release: u64,
    },
    /// Nobody can go back to a release that is not on offer below the withdrawn one.
    #[error("no release of `{channel}` from {back_to} on and below {release} is on offer")]
    NothingToGoBackTo {
        /// The channel.
        channel: String,
        /// What is withdrawn.
        release: u64,
        /// The least release to go back to.
        back_to: u64,
    },
    /// More keys must sign before it can be published.
    #[error("{what} has {have} of {need} signatures by the maker's keys")]
    SignaturesMissing {
        /// The file.
        what: &'static str,
        /// Good ones so far.
        have: u64,
        /// How many it takes.
        need: u64,
    },
    /// A change of keys waits for its publication.
    #[error("a change of keys is signed and not published yet; publish it, or remove `{}`", .0.display())]
    ChangeWaits(PathBuf),
    /// What is here is older than what this maker signed before, as after a restore from a backup.
    #[error(
        "the role here is version {here}, and {newest} is {whose}; a role signed now would be refused or take releases back"
    )]
    SignerBehind {
        /// Version of the role in the folder.
        here: u64,
        /// The newest that is known.
        newest: u64,
        /// From where it is known.
        whose: &'static str,
    },
    /// There is nothing to publish.
    #[error("there is no release to publish yet")]
    NothingReleased,
    /// News that no service takes.
    #[error(transparent)]
    News(#[from] NewsError),
    /// The service refused or could not be reached.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl MakerError {
    /// Stable name of the fault.
    pub fn code(&self) -> &str {
        match self {
            MakerError::NoMaker(_) => "maker_missing",
            MakerError::OtherMaker { .. } => "maker_other",
            MakerError::Busy(_) => "maker_busy",
            MakerError::Disk(_) => "disk_failed",
            MakerError::Key(_) => "key_failed",
            MakerError::Role(e) => e.code(),
            MakerError::Damaged { .. } => "maker_damaged",
            MakerError::NotABlob { .. } => "blob_refused",
            MakerError::Module { .. } => "module_refused",
            MakerError::ForeignChannel { .. } => "channel_foreign",
            MakerError::NotNewer { .. } => "release_not_newer",
            MakerError::ReleaseTooLarge(_) => "number_too_large",
            MakerError::KeyNotListed(_) => "key_not_listed",
            MakerError::NotListed { .. } => "release_not_listed",
            MakerError::NothingToGoBackTo { .. } => "nothing_to_go_back_to",
            MakerError::SignaturesMissing { .. } => "signatures_missing",
            MakerError::ChangeWaits(_) => "key_change_waits",
            MakerError::SignerBehind { .. } => "signer_behind",
            MakerError::NothingReleased => "nothing_released",
            MakerError::News(e) => e.code(),
            MakerError::Http(e) => e.code(),
        }
    }
}
