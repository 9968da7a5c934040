//! The newest verified metadata, by `tough`, behind what `tough` lacks.
//!
//! - `tough` writes its store in place and without sync. Here it works on a copy in scratch, and what it verified replaces
//!   `trusted.json`, one file, as a whole. Rejected: swapping folders, which needs a link and leaves the old one to clean up.
//! - It judges expiry by the machine's clock and refuses to work once that was set back. It is told not to judge expiry, its
//!   record of the time is not copied, and expiry is judged here, by [`clock`].
//! - It fetches every maker's role and stops at the first bad one. [`MetadataTransport`] stops it after the four top
//!   roles; makers' roles are then verified here, with `tough`'s own check, one by one and only those that are needed.
//! - What it verified before it failed is kept, as the specification asks: a root that was followed once is not given up when the service
//!   hides it later, and old keys are not believed again.
//!
//! That the top roles hold is read off `targets.json`, which is kept out of the copy and which `tough` writes only after
//! root, timestamp, snapshot and targets have passed signature, threshold, version, hash and expiry.

use crate::agent::bundle::{Bundle, BundleError, BundleTransport};
use crate::agent::clock::{self, Judged};
use crate::agent::generation::Installed;
use crate::agent::state::{State, Trusted};
use crate::agent::{AgentError, Warning};
use crate::http::{Client, HttpError, MetadataTransport};
use crate::tuf::{self, METADATA_LEN_MAX, MakerRole, SignedModule, SignedRelease, TufError};
use crate::wire::{ChannelRelease, MakerName, Sha256Hex};
use crate::words::printable;
use jiff::{SignedDuration, Timestamp as Time};
use serde::Deserialize;
use std::error::Error;
use std::fs;
use std::path::Path;
use tough::error::Error as ToughError;
use tough::schema::{Delegations, RoleType, Root, Signed, Snapshot, Targets};
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
    let mut verified = read_back(&scratch)?;
    if !verified.contains_key(TARGETS) {
        keep_what_holds(state, &trusted, verified)?;
        return Err(match loaded {
            Err(error) => refused(error),
            Ok(_) => AgentError::Metadata { code: "metadata_refused", reason: "no targets".to_owned() },
        });
    }
    let targets: Signed<Targets> = tuf::read(part(&verified, TARGETS))?;
    let snapshot: Signed<Snapshot> = tuf::read(part(&verified, SNAPSHOT))?;
    let judged = clock::judge(state.now(), &trusted, &verified);
    if let Err(expired) = check_expiry(&verified, judged.now, source.grace()) {
        // Root is followed whether or not it expired; of the others, what was trusted before is trusted still.
        verified.retain(|name, _| name == ROOT);
        verified.extend(trusted.iter().filter(|(name, _)| *name != ROOT).map(|(name, text)| (name.clone(), text.clone())));
        keep_what_holds(state, &trusted, verified)?;
        return Err(expired);
    }
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
        let grace = if short_lived { grace } else { SignedDuration::ZERO };
        let least = now.saturating_sub(grace).expect("a time goes in every direction");
        if role.signed.expires <= least {
            let days = grace.as_hours() / 24;
            let grace = if days > 0 { format!(", more than {days} days after it") } else { String::new() };
            let reason = format!("{name} expired at {}, and this machine's clock says {now}{grace}", role.signed.expires);
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

/// Keeps what was verified of an update that failed. When root gives timestamp or snapshot to others than before, what is trusted of those
/// is dropped: versions that were signed with a stolen key may be beyond all that the new key will ever sign.
fn keep_what_holds(state: &State, before: &Trusted, mut verified: Trusted) -> Result<(), AgentError> {
    if !verified.contains_key(ROOT) {
        return Ok(());
    }
    let (old, new): (Signed<Root>, Signed<Root>) = (tuf::read(part(before, ROOT))?, tuf::read(part(&verified, ROOT))?);
    let same = |role| tuf::role_keys(&old.signed, role) == tuf::role_keys(&new.signed, role);
    if !same(RoleType::Timestamp) || !same(RoleType::Snapshot) {
        verified.retain(|name, _| name == ROOT);
    }
    if *before == verified { Ok(()) } else { state.put_trusted(&verified) }
}

impl Metadata {
    /// A release and its modules as their maker signed them, for a terminal that has `in_force` of the channel.
    ///
    /// A release older than that is given only when the maker withdrew that one and allows to go back so far.
    pub(crate) async fn release(
        &self,
        source: &Source,
        at: &ChannelRelease,
        in_force: Option<&Installed>,
    ) -> Result<(SignedRelease, Vec<SignedModule>), AgentError> {
        let role = self.role(source, &MakerName::of(&at.channel)?).await?;
        check_not_back(&role, at, in_force)?;
        let mut releases = role.releases.into_iter();
        let release = releases.find(|release| release.channel == at.channel && release.release == at.release);
        let release = release.ok_or_else(|| AgentError::NotListed(tuf::target_path(&at.channel, at.release)))?;
        Ok((release, role.modules.into_iter().filter(|signed| signed.of == *at).collect()))
    }

    /// All that a maker signed: releases ascending, and what is withdrawn.
    pub(crate) async fn role(&self, source: &Source, maker: &MakerName) -> Result<MakerRole, AgentError> {
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
        Ok(role)
    }
}

/// Refuses an older release than the one in force, unless its maker withdrew that and allows to go back so far.
fn check_not_back(role: &MakerRole, at: &ChannelRelease, in_force: Option<&Installed>) -> Result<(), AgentError> {
    let Some(installed) = in_force.filter(|installed| installed.release > at.release) else { return Ok(()) };
    let runs = ChannelRelease { channel: at.channel.clone(), release: installed.release };
    if role.withdrawn.iter().any(|withdrawn| withdrawn.allows(&runs, at.release)) {
        return Ok(());
    }
    Err(AgentError::RolledBack { channel: at.channel.clone(), assigned: at.release, installed: installed.release })
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
    if let ToughError::Transport { source, .. } = &error
        && let Some(shape) = source.source().and_then(|cause| cause.downcast_ref::<TufError>())
    {
        return AgentError::Metadata { code: shape.code(), reason: crate::http::chain(shape) };
    }
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
    AgentError::Metadata { code, reason: printable(&crate::http::chain(&error)) }
}

fn http_error(error: &TransportError) -> Option<&HttpError> {
    error.source().and_then(|source| source.downcast_ref())
}
