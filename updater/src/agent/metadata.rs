//! The newest verified metadata, by `tough`, behind what `tough` lacks.
//!
//! - `tough` writes its store in place and without sync. Here it works on a copy in scratch, and what it verified replaces
//!   `trusted.json`, one file, as a whole. Rejected: swapping folders, which needs a link and leaves the old one to clean up.
//! - It judges expiry by the machine's clock and refuses to work once that was set back. It is told not to judge expiry, its
//!   record of the time is not copied, and expiry is judged here, by [`clock`].
//! - It fetches every maker's role and stops at the first bad one. [`MetadataTransport`] stops it after the four top
//!   roles; makers' roles are then verified here, with `tough`'s own check, one by one and only those that are needed.
//!
//! That the top roles hold is read off `targets.json`, which is kept out of the copy and which `tough` writes only after
//! root, timestamp, snapshot and targets have passed signature, threshold, version, hash and expiry.

use crate::agent::bundle::{Bundle, BundleError, BundleTransport};
use crate::agent::clock::{self, Judged};
use crate::agent::state::{State, Trusted};
use crate::agent::{AgentError, Warning};
use crate::http::{Client, HttpError, MetadataTransport};
use crate::tuf::{self, METADATA_LEN_MAX, SignedRelease, TufError};
use crate::wire::{ChannelRelease, MakerName, Sha256Hex};
use jiff::{SignedDuration, Timestamp as Time};
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::path::Path;
use tough::error::Error as ToughError;
use tough::schema::{Delegations, Signed, Snapshot, Targets};
use tough::{ExpirationEnforcement, Limits, RepositoryLoader, TransportError};
use url::Url;

const ROOT: &str = "root.json";
const TARGETS: &str = "targets.json";
const SNAPSHOT: &str = "snapshot.json";
const TIMESTAMP: &str = "timestamp.json";

/// Root versions that one update may walk through.
const ROOT_UPDATES_MAX: u64 = 256;

/// Where metadata comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// The service.
    Service(Client),
    /// A file, whose short-lived roles may have expired by so much.
    Bundle { bundle: Bundle, grace: SignedDuration },
}

impl Source {
    fn grace(&self) -> SignedDuration {
        match self {
            Source::Service(_) => SignedDuration::ZERO,
            Source::Bundle { grace, .. } => *grace,
        }
    }
}

/// Verified top roles; makers' roles are verified when asked for.
pub(crate) struct Metadata {
    delegations: Delegations,
    snapshot: Snapshot,
    now: Time,
    pub(crate) warnings: Vec<Warning>,
}

/// What a terminal trusts after its enrolment: the root that its token vouched for.
pub(crate) fn first_trusted(root: &[u8]) -> Trusted {
    Trusted::from([(ROOT.to_owned(), String::from_utf8_lossy(root).into_owned())])
}

/// Fetches and verifies the top roles and keeps them as the new trusted state.
pub(crate) async fn refresh(source: &Source, state: &State) -> Result<Metadata, AgentError> {
    let scratch = state.scratch().join("metadata");
    let trusted = state.trusted()?;
    lay_out(&scratch, &trusted)?;
    let root = trusted.get(ROOT).map(String::as_str).unwrap_or_default();
    let limits = Limits {
        max_root_size: METADATA_LEN_MAX,
        max_targets_size: METADATA_LEN_MAX,
        max_timestamp_size: METADATA_LEN_MAX,
        max_snapshot_size: METADATA_LEN_MAX,
        max_root_updates: ROOT_UPDATES_MAX,
    };
    let loader = match source {
        Source::Service(client) => RepositoryLoader::new(&root, client.url("/metadata/")?, client.url("/targets/")?)
            .transport(MetadataTransport(client.clone())),
        Source::Bundle { bundle, .. } => {
            let nowhere = |path| Url::parse(path).expect("an address of ours");
            RepositoryLoader::new(&root, nowhere("bundle:///metadata/"), nowhere("bundle:///targets/"))
                .transport(BundleTransport(bundle.clone()))
        }
    };
    let loaded =
        loader.limits(limits).datastore(&scratch).expiration_enforcement(ExpirationEnforcement::Unsafe).load().await;
    let verified = read_back(&scratch)?;
    match (verified.contains_key(TARGETS), loaded) {
        (true, _) => {}
        (false, Err(error)) => return Err(refused(error)),
        (false, Ok(_)) => return Err(AgentError::Metadata { code: "metadata_refused", reason: "no targets".to_owned() }),
    }
    let targets: Signed<Targets> = tuf::read(part(&verified, TARGETS))?;
    let snapshot: Signed<Snapshot> = tuf::read(part(&verified, SNAPSHOT))?;
    let judged = clock::judge(state.now(), &trusted, &verified);
    check_expiry(&verified, judged.now, source.grace())?;
    state.put_trusted(&verified)?;
    Ok(Metadata {
        delegations: targets.signed.delegations.unwrap_or_default(),
        snapshot: snapshot.signed,
        now: judged.now,
        warnings: clock_behind(judged).into_iter().collect(),
    })
}

/// Every top role must be in force still; those that the service signs every day may have expired by `grace`.
fn check_expiry(verified: &Trusted, now: Time, grace: SignedDuration) -> Result<(), AgentError> {
    /// The part of any role that says until when it holds.
    #[derive(Deserialize)]
    struct Role {
        signed: Expires,
    }
    #[derive(Deserialize)]
    struct Expires {
        expires: Time,
    }
    for name in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS] {
        let role = serde_json::from_slice::<Role>(part(verified, name));
        let role = role.map_err(|source| TufError::Malformed { role: name.to_owned(), source })?;
        let short_lived = [TIMESTAMP, SNAPSHOT].contains(&name);
        let now = if short_lived { now.saturating_sub(grace).expect("a time goes in every direction") } else { now };
        if role.signed.expires <= now {
            let reason = format!("{name} expired at {}, and this machine's clock says {now}", role.signed.expires);
            return Err(AgentError::Metadata { code: "metadata_expired", reason });
        }
    }
    Ok(())
}

fn clock_behind(judged: Judged) -> Option<Warning> {
    let seconds = judged.behind?;
    let words = format!("this machine's clock is at least {seconds} s behind: what it just verified was signed later");
    tracing::warn!(code = "clock_behind", "{words}");
    Some(Warning { code: "clock_behind".to_owned(), words })
}

impl Metadata {
    /// A release as its maker signed it.
    pub(crate) async fn release(&self, source: &Source, at: &ChannelRelease) -> Result<SignedRelease, AgentError> {
        let releases = self.releases(source, &MakerName::of(&at.channel)?).await?;
        let release = releases.into_iter().find(|release| release.channel == at.channel && release.release == at.release);
        release.ok_or_else(|| AgentError::NotListed(tuf::target_path(&at.channel, at.release)))
    }

    /// All releases that a maker signed, ascending by channel and release.
    pub(crate) async fn releases(&self, source: &Source, maker: &MakerName) -> Result<Vec<SignedRelease>, AgentError> {
        let name = tuf::role_name(maker);
        let not_listed = || AgentError::NotListed(format!("m/{maker}"));
        let listed = self.snapshot.meta.get(&format!("{name}.json")).ok_or_else(not_listed)?;
        let file = format!("metadata/{}.{name}.json", listed.version);
        let limit = listed.length.unwrap_or(METADATA_LEN_MAX).min(METADATA_LEN_MAX);
        let bytes = match source {
            Source::Service(client) => client.get(&format!("/{file}"), limit, &mut |_| {}).await?,
            Source::Bundle { bundle, .. } => bundle.get(&file, limit)?.ok_or_else(not_listed)?,
        };
        let same = |hash: &[u8]| hash == Sha256Hex::of(&bytes).bytes();
        if !listed.hashes.as_ref().is_none_or(|hashes| same(&hashes.sha256)) {
            return Err(TufError::refused(name, "its sha256 is not the one in the snapshot").into());
        }
        let role = tuf::verify_maker_role(&self.delegations, maker, &bytes, self.now)?;
        if role.version != listed.version {
            let reason = format!("it is version {}, the snapshot lists {}", role.version, listed.version);
            return Err(TufError::refused(name, reason).into());
        }
        Ok(role.releases)
    }
}

/// Writes the trusted files into scratch. They were verified when they were stored; one that no longer parses would be
/// taken by `tough` for none at all, which would forget what version was last seen, so it is refused here.
fn lay_out(scratch: &Path, trusted: &Trusted) -> Result<(), AgentError> {
    let failed = |e| AgentError::Disk(crate::disk::DiskError::new("prepare", scratch, e));
    if scratch.exists() {
        fs::remove_dir_all(scratch).map_err(failed)?;
    }
    fs::create_dir_all(scratch).map_err(failed)?;
    for (name, text) in trusted.iter().filter(|(name, _)| [ROOT, SNAPSHOT, TIMESTAMP].contains(&name.as_str())) {
        if let Err(e) = serde_json::from_str::<serde_json::Value>(text) {
            return Err(AgentError::Damaged { path: name.into(), reason: e.to_string() });
        }
        fs::write(scratch.join(name), text).map_err(failed)?;
    }
    Ok(())
}

fn read_back(scratch: &Path) -> Result<Trusted, AgentError> {
    let mut verified = Trusted::new();
    for name in [ROOT, TIMESTAMP, SNAPSHOT, TARGETS] {
        match fs::read_to_string(scratch.join(name)) {
            Ok(text) => _ = verified.insert(name.to_owned(), text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(crate::disk::DiskError::new("read", scratch, e).into()),
        }
    }
    Ok(verified)
}

fn part<'a>(verified: &'a Trusted, name: &str) -> &'a [u8] {
    verified.get(name).map(String::as_bytes).unwrap_or_default()
}

fn refused(error: ToughError) -> AgentError {
    let code = match &error {
        ToughError::ExpiredMetadata { .. } => "metadata_expired",
        ToughError::OlderMetadata { .. }
        | ToughError::OlderSnapshotInTimestamp { .. }
        | ToughError::SnapshotRoleMissing { .. }
        | ToughError::SnapshotRoleRollback { .. } => "metadata_rolled_back",
        ToughError::VerifyMetadata { .. } | ToughError::VerifyTrustedMetadata { .. } => "metadata_unsigned",
        ToughError::ParseMetadata { .. } | ToughError::ParseTrustedMetadata { .. } => "metadata_malformed",
        // The transport's own word: whoever refused, and for how long, is not to be lost in "metadata".
        ToughError::Transport { source, .. } => match http_error(source) {
            Some(error) => return AgentError::Http(error.clone()),
            None => match source.source().and_then(|source| source.downcast_ref::<BundleError>()) {
                Some(fault) => return AgentError::Bundle(fault.clone()),
                None => "metadata_refused",
            },
        },
        _ => "metadata_refused",
    };
    AgentError::Metadata { code, reason: crate::http::chain(&error) }
}

fn http_error(error: &TransportError) -> Option<&HttpError> {
    error.source().and_then(|source| source.downcast_ref())
}
