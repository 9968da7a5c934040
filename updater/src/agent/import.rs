//! An update out of a bundle: the same steps, with a file in the place of the service.
//!
//! Nobody says what this terminal shall run, so it decides for itself, by the same rule as the service and what it knows: the
//! newest release in the bundle of each channel of its product. There is no director in a bundle: its word is for one terminal at one moment. What the service would have decided otherwise, a switch for
//! want of a cure, waits for the next contact. What was done is told then by the check-in.

use crate::agent::bundle::Bundle;
use crate::agent::director::Order;
use crate::agent::metadata::{self, Source};
use crate::agent::state::{Identity, Trusted};
use crate::agent::{Agent, AgentError, Manifest, Session, Settings, UpdateReport, probation};
use crate::decide::{ListedRelease, Prepared, Tables, UserRow};
use crate::keys::SigningKey;
use crate::wire::{Assignment, ChannelRelease, MakerName};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use tough::schema::{Role, Root, Signed};

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Hours since the bundle was made, as it says itself; nobody signed that.
    pub age_hours: i64,
    /// The service it says it was made from.
    pub service: String,
    /// What the update did.
    #[serde(flatten)]
    pub update: UpdateReport,
}

impl Agent {
    /// Brings this terminal to the newest releases in a bundle. Needs no network.
    ///
    /// # Errors
    /// [`AgentError`]: nothing was installed. [`AgentError::Bundle`] for a file that is no bundle or is harmed,
    /// [`AgentError::BundleForeign`] for another service's, `metadata_rolled_back` for one that is older than what is trusted,
    /// `metadata_expired` for one that is too old.
    pub async fn import(&self, path: &Path) -> Result<Imported, AgentError> {
        let not_enrolled = || AgentError::NotEnrolled(self.state.folder().to_owned());
        let identity = self.state.identity()?.ok_or_else(not_enrolled)?;
        let settings = Settings::load(self.state.folder())?;
        let _lock = self.lock()?;
        self.state.set_damaged_aside()?;
        let journal = self.state.journal();
        let imported = self.import_in(identity, settings, path).await;
        journal.note_end(imported.as_ref().map(|imported| imported.update.outcome));
        imported
    }

    async fn import_in(&self, identity: Identity, settings: Settings, path: &Path) -> Result<Imported, AgentError> {
        let (state, path) = (self.state.clone(), path.to_owned());
        let begin = move || -> Result<_, AgentError> {
            let bundle = Bundle::open(&path)?;
            check_origin(&bundle, &state.trusted()?)?;
            Ok((probation::settle(&state)?, state.installed()?, bundle))
        };
        let (fell_back, installed, bundle) = tokio::task::spawn_blocking(begin).await??;
        let days = i64::try_from(settings.bundle.grace_days).unwrap_or(i64::MAX);
        let grace = SignedDuration::from_hours(days * 24);
        let source = Source::Bundle { bundle: bundle.clone(), grace };
        let key = SigningKey::load(&self.state.disk, &self.state.key_path())?;
        let (journal, progress) = (self.state.journal(), Mutex::default());
        let session = Session { installed, settings, stage_only: false, source, key, identity, progress, journal };
        let assignment = self.assign_from(&session).await?;
        let update = self.follow(&session, Order::of_its_own(assignment), &mut "metadata").await?;
        let age_hours = self.state.seconds().saturating_sub(bundle.index().created) / 3600;
        let update = UpdateReport { fell_back, ..update };
        Ok(Imported { age_hours, service: bundle.index().service.clone(), update })
    }

    /// What this terminal shall run by what is in the bundle; verified before it is looked at.
    async fn assign_from(&self, session: &Session) -> Result<Assignment, AgentError> {
        let Source::Bundle { bundle, .. } = &session.source else { unreachable!("an import has a bundle") };
        let metadata = metadata::refresh(&session.source, &self.state).await?;
        let facts = &session.identity.facts;
        let applied = session.installed.as_ref().map(Manifest::releases).unwrap_or_default();
        let product = facts.subscribed.iter().chain(applied.iter().map(|at| &at.channel)).collect::<BTreeSet<_>>();
        let mut newest = Vec::<ChannelRelease>::new();
        let mut withdrawn = Vec::new();
        for maker in product.iter().map(|channel| MakerName::of(channel)).collect::<Result<BTreeSet<_>, _>>()? {
            let role = match metadata.role(&session.source, &maker).await {
                Err(AgentError::NotListed(_)) => continue,
                role => role?,
            };
            withdrawn.extend(role.withdrawn);
            for release in role.releases.iter().filter(|release| product.contains(&release.channel)) {
                if bundle.index().entry(&format!("blobs/{}", release.sha256)).is_some() {
                    newest.retain(|at| at.channel != release.channel);
                    newest.push(ChannelRelease { channel: release.channel.clone(), release: release.release });
                }
            }
        }
        let row = UserRow::new(facts.designation.clone(), facts.subscribed.clone(), applied);
        let releases = newest.into_iter().map(|at| ListedRelease { at, published_at: 0 }).collect();
        // One that is older than what runs is left out, unless its maker allows to go back to it.
        let now = self.state.seconds();
        Ok(Prepared::new(Tables { releases, withdrawn, ..Tables::default() }, now).decide(&row, now))
    }
}

/// A bundle of this terminal's service holds the very root that is trusted here.
fn check_origin(bundle: &Bundle, trusted: &Trusted) -> Result<(), AgentError> {
    let text = trusted.get("root.json").map(String::as_str).unwrap_or_default();
    let root: Signed<Root> = crate::tuf::read(text.as_bytes())?;
    let found = bundle.get(&format!("metadata/{}.root.json", root.signed.version), crate::tuf::METADATA_LEN_MAX)?;
    // What was signed, not the file: the trusted one was written anew when it was verified.
    let same = |found: Vec<u8>| {
        let found: Signed<Root> = crate::tuf::read(&found).ok()?;
        Some(found.signed.canonical_form().ok()? == root.signed.canonical_form().ok()?)
    };
    match found.and_then(same) {
        Some(true) => Ok(()),
        _ => Err(AgentError::BundleForeign(bundle.index().service.clone())),
    }
}
