//! The terminal's side: enrol once, then check in, fetch, verify, link, test, switch, acknowledge.
//!
//! ```text
//! <state>/identity.json     service, number, designation, subscribed channels; there once enrolled
//! <state>/key.pk8           this terminal's key, 0600
//! <state>/counter           last counter of a signed request
//! <state>/trusted.json      the newest verified metadata, all roles in one file
//! <state>/store/<sha256>    verified blobs
//! <state>/modules/<sha256>  verified files that releases have besides their blobs
//! <state>/gen/<n>/          database.tdb and manifest.json; whole from the moment it has this name
//! <state>/current           number of the generation in force
//! <state>/held.json         releases that were rolled back from; none of them is installed again
//! <state>/refused-deltas.json  deltas and indices that are not tried again for a release
//! <state>/clean.json        files of this machine in which no new database may find anything
//! <state>/agent.toml        what the owner of the terminal decides
//! <state>/staged.json       number of a generation that is tested and waits to be put in force
//! <state>/faults.json       what the service has to hear of at the next contact
//! <state>/scans/            marks of scans with a generation on probation
//! <state>/contact.json      last contact and what was said
//! <state>/assignments.json  the newest assignment that was followed, of each cohort
//! <state>/poll.json         tag of what was last assigned, for the idle poll
//! <state>/backoff.json      who asked to be left alone, and until when
//! <state>/parts/<sha256>    downloads that broke off
//! <state>/journal.jsonl     what was asked, answered and done, for people; journal.old.jsonl what came before
//! <state>/tmp/              scratch
//! <state>/lock              one agent at a time
//! ```
//!
//! Crash behaviour: every file is replaced whole ([`crate::disk`]). Nothing that `current` names is touched: a new generation
//! is built beside it, linked, tested, synced and renamed, and only then `current` is replaced. So a process killed at any
//! point leaves a whole, verified generation in force, never an older one, and the next update goes on from there. What a
//! crash may lose is work: a download, or a database that was linked and not yet named.
//!
//! A switch of makers keeps the old maker's generation until the new one has passed its test and is in force: there is no
//! moment without protection. While any part of an assignment fails or is held back, nothing that is in force is dropped.

mod any_path;
mod backoff;
mod bundle;
mod clock;
mod daemon;
mod damage;
mod director;
mod download;
mod error;
mod fetch;
mod follow;
mod generation;
mod import;
mod journal;
mod machine;
mod metadata;
mod modules;
mod plan;
mod poll;
mod probation;
mod repair;
mod report;
mod route;
mod self_test;
mod settings;
mod space;
mod staging;
mod state;
mod threats;
mod watch;
mod window;

use crate::Channel;
use crate::disk::{Checkpoint, Disk, DiskError, Lock};
use crate::http::{Client, HttpError, Network, Proof, Times, is_request_id};
use crate::keys::SigningKey;
use crate::random;
use crate::tuf::{self, TufError};
use crate::wire::{ChannelRelease, CheckedIn, Designation, Enrol, Enrolled, Reported, Sha256Hex, TerminalFacts};
pub use backoff::BackOff;
use backoff::{BackOffs, SERVICE};
pub use bundle::{BundleError, Entry, Exported, Gathered, Index, gather, read_index};
pub use daemon::{Daemon, Tick};
pub use error::AgentError;
pub use fetch::Transfer;
use follow::Session;
use generation::MANIFEST_FILE;
pub use generation::{Installed, Manifest};
pub use import::Imported;
pub use journal::{JournalEntry, JournalEvent, journal};
use metadata::Source;
pub use modules::{FetchedModule, InstalledModule, modules};
pub use plan::{Plan, PlanStep};
pub use poll::Polled;
pub use probation::{ProbationStatus, ScanMark, begin_scan, report_crash};
pub use report::{
    ChannelFault, ChannelReport, Outcome, Probe, Rollback, StagedStatus, Status, UpdateReport, WaitsFor, Warning,
};
use reqwest::Method;
pub use self_test::{CleanFile, HarmfulFile, SelfTest, SelfTestError, SelfTestPlan};
pub use settings::{
    Bundles, Connection, Consent, Probation, SETTINGS_FILE, SelfTestLimits, Settings, Trigger, Triggers, WhenStale,
};
use state::{Identity, State};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
pub use threats::sample_digest;
use tough::schema::{Root, Signed};
use url::Url;
pub use window::{Window, WindowError};

/// How long the service's bare word that nothing changed is enough. Four times in a timestamp's usual life, and often enough that the
/// operator sees what a terminal is like.
const FULL_EVERY: Duration = Duration::from_hours(6);

/// Any error of the caller's.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What the agent does not know: how blobs become a database, and whether a database works.
///
/// Called on a thread that may block.
pub trait Engine: Send + Sync + 'static {
    /// The scanner's version, for the user table.
    fn version(&self) -> String;

    /// Links `blobs`, which are verified files, into a new file at `database`. It may put files of its own beside it; they stay
    /// with the generation.
    ///
    /// # Errors
    /// Any error refuses the update; the generation in force stays.
    fn link(&self, blobs: &[PathBuf], database: &Path) -> Result<(), BoxError>;

    /// Opens the database and tries it on what it must detect and what it must not, within the plan's limits, and such that
    /// a database on which the engine dies does not take the agent with it.
    ///
    /// # Errors
    /// Any error refuses the update; the generation in force stays.
    fn self_test(&self, database: &Path, plan: &SelfTestPlan) -> Result<SelfTest, SelfTestError>;
}

/// Told of downloads as they go; every method does nothing unless it is overridden.
pub trait Progress: Send + Sync {
    /// A download begins: `bytes` are to come.
    fn started(&self, channel: &Channel, transfer: Transfer, bytes: u64) {
        let _ = (channel, transfer, bytes);
    }

    /// `bytes` more have come.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// The download has ended, well or not.
    fn finished(&self, channel: &Channel) {
        let _ = channel;
    }
}

struct Quiet;

impl Progress for Quiet {}

/// How an update is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateOptions {
    /// What causes it; the settings may switch that off. Default: a command.
    pub trigger: Trigger,
    /// What is new is tested and left waiting, whatever the settings say. Default: false.
    pub stage_only: bool,
    /// Also when nothing seems to have changed. Default: false.
    pub fully: bool,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        UpdateOptions { trigger: Trigger::Command, stage_only: false, fully: false }
    }
}

/// How a terminal presents itself when it enrols.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Base address of the service.
    pub service: Url,
    /// One-time token from the operator; it also names the root metadata to trust.
    pub token: String,
    /// Hardware class.
    pub hardware: String,
    /// Operating system.
    pub os: String,
    /// Which makers to accept.
    pub designation: Designation,
    /// Channels to subscribe to: the terminal's own product.
    pub subscribed: Vec<Channel>,
    /// The group that the terminal would like to be in.
    pub group: Option<String>,
}

impl Enrolment {
    /// An enrolment of this machine, of whose makers only the subscribed ones are accepted.
    pub fn of_this_machine(service: Url, token: impl Into<String>, subscribed: Vec<Channel>) -> Self {
        Enrolment {
            service,
            token: token.into(),
            hardware: std::env::consts::ARCH.to_owned(),
            os: std::env::consts::OS.to_owned(),
            designation: Designation::Own,
            subscribed,
            group: None,
        }
    }
}

/// The database in force, for a scanner: no lock, no waiting, one small file read.
///
/// `None` before the first installation, that is, while there is no file `current`, and then only: a scanner that took a
/// damaged state for an empty one would scan with less and call it clean. A scanner that opened the database may go on with
/// it while a newer one is put in force.
///
/// # Errors
/// [`AgentError::Damaged`] or [`AgentError::Disk`] when something is installed and cannot be found; the next
/// [`Agent::update`] builds it anew.
pub fn installed_database(state_dir: &Path) -> Result<Option<PathBuf>, AgentError> {
    let state = State::new(state_dir, Disk::default());
    let Some(number) = state.current()? else { return Ok(None) };
    let database = state.database(number);
    let found = std::fs::metadata(&database).map_err(|e| DiskError::new("find", &database, e))?;
    if !found.is_file() {
        return Err(AgentError::Damaged { path: database, reason: "it is not a file".to_owned() });
    }
    Ok(Some(database))
}

/// The releases that a database in force was linked from, for who scans with it; none for a database that stands elsewhere, or whose
/// manifest cannot be read. One small file is read.
pub fn releases_of(database: &Path) -> Vec<ChannelRelease> {
    let manifest = std::fs::read(database.with_file_name(MANIFEST_FILE)).ok();
    let manifest = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
    manifest.map(|manifest| manifest.releases()).unwrap_or_default()
}

/// Reads a terminal's state; no lock, no network; hashes the database. A folder that holds nothing is a terminal that is not enrolled, and
/// what is wrong with an installation is told in [`Status::damage`], together with what can be read of the rest.
///
/// # Errors
/// [`AgentError::Damaged`] of the identity, or [`AgentError::Disk`].
pub fn status(state_dir: &Path) -> Result<Status, AgentError> {
    let state = State::new(state_dir, Disk::default());
    let identity = state.identity()?;
    let mut damage = None;
    if let Some(fault) = unless_damaged(damage::found(&state), &mut damage)? {
        damage = Some(fault);
    }
    let contact = unless_damaged(state.contact(), &mut damage)?;
    let held_back = unless_damaged(state.held(), &mut damage)?;
    let probation = unless_damaged(probation::status(&state), &mut damage)?;
    let staged = unless_damaged(staging::status(&state), &mut damage)?;
    let untold = unless_damaged(state.faults(), &mut damage)?;
    let generation = state.current_if_readable()?;
    let manifest = generation.and_then(|number| state.manifest(number).ok());
    let facts = identity.as_ref().map(|identity| identity.facts.clone());
    Ok(Status {
        enrolled: identity.is_some(),
        terminal: identity.as_ref().map(|identity| identity.terminal.clone()),
        service: identity.map(|identity| identity.service.to_string()),
        designation: facts.as_ref().map(|facts| facts.designation.clone()),
        subscribed: facts.map(|facts| facts.subscribed).unwrap_or_default(),
        generation,
        previous: manifest.as_ref().and_then(|manifest| manifest.previous),
        channels: manifest.map(|manifest| manifest.channels).unwrap_or_default(),
        database: installed_database(state_dir).unwrap_or_default(),
        damage: damage.map(|fault| Warning { code: fault.code().to_owned(), words: fault.to_string() }),
        last_contact: contact.as_ref().map(|contact| contact.at),
        last_assignment: contact.map(|contact| contact.assignment),
        held_back,
        probation,
        staged,
        untold_faults: untold.into_iter().map(|fault| Warning { code: fault.code, words: fault.words }).collect(),
        backing_off: BackOffs::read(&state).active(state.seconds()).collect(),
    })
}

/// What a part of the state holds, or nothing when it is harmed: then the first such fault is kept in `damage`.
fn unless_damaged<T: Default>(read: Result<T, AgentError>, damage: &mut Option<AgentError>) -> Result<T, AgentError> {
    match read {
        Err(fault)
            if matches!(&fault, AgentError::Damaged { .. })
                || matches!(&fault, AgentError::Disk(e) if e.is_of_other_kind()) =>
        {
            damage.get_or_insert(fault);
            Ok(T::default())
        }
        read => read,
    }
}

/// Files of this machine in which no new database may find anything; none before they are chosen. No lock, no network.
///
/// # Errors
/// [`AgentError::Damaged`] or [`AgentError::Disk`].
pub fn clean_files(state_dir: &Path) -> Result<Vec<CleanFile>, AgentError> {
    Ok(State::new(state_dir, Disk::default()).clean_files()?.unwrap_or_default())
}

/// One terminal: a state folder and the engine that is to use what lands there.
#[derive(Clone)]
pub struct Agent {
    state: State,
    engine: Arc<dyn Engine>,
    progress: Arc<dyn Progress>,
    clean_folders: Arc<[PathBuf]>,
    network: Network,
    full_every: Duration,
}

impl Agent {
    /// An agent for the terminal in `state_dir`, which need not exist yet.
    pub fn new(state_dir: impl Into<PathBuf>, engine: impl Engine) -> Self {
        let state = State::new(state_dir, Disk::default());
        Agent {
            state,
            engine: Arc::new(engine),
            progress: Arc::new(Quiet),
            clean_folders: self_test::system_folders().into(),
            network: Network::default(),
            full_every: FULL_EVERY,
        }
    }

    /// Makes a full update at least this often, even when the service says that nothing changed. Default: 6 hours.
    #[must_use]
    pub fn full_every(mut self, time: Duration) -> Self {
        self.full_every = time;
        self
    }

    /// Reaches the service by these settings, whose proxy and certificates go before those of the owner's [`Settings`]. Default:
    /// [`Network::default`].
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Tells `progress` of downloads. Default: nobody.
    #[must_use]
    pub fn progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Draws the clean files of the self-test from `folders`. Default: the system's folders of executables.
    #[must_use]
    pub fn clean_folders(mut self, folders: impl Into<Arc<[PathBuf]>>) -> Self {
        self.clean_folders = folders.into();
        self
    }

    /// Asks `checkpoint` before every step on the disk. Default: nobody is asked.
    #[must_use]
    pub fn checkpoint(mut self, checkpoint: Arc<dyn Checkpoint>) -> Self {
        self.state = self.state.with_disk(Disk::with_checkpoint(checkpoint));
        self
    }

    /// Tells the time by `clock`. Default: the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> jiff::Timestamp + Send + Sync + 'static) -> Self {
        self.state = self.state.with_clock(Arc::new(clock));
        self
    }

    /// Makes this terminal's key, has it entered in the service's user table, and returns its number.
    ///
    /// A call that broke off may be repeated with the same token.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn enroll(&self, enrolment: &Enrolment) -> Result<String, AgentError> {
        let state = &self.state;
        state.disk.create_dir(state.folder())?;
        let _lock = self.lock()?;
        if let Some(identity) = state.identity()? {
            let service = identity.service.to_string();
            return Err(AgentError::AlreadyEnrolled { terminal: identity.terminal, service });
        }
        let expected = root_of_token(&enrolment.token)?;
        let client = self.client(&enrolment.service, &Settings::load(state.folder())?)?;
        let root = client.get("/metadata/1.root.json", tuf::METADATA_LEN_MAX, &mut |_| {}).await?;
        let found = Sha256Hex::of(&root);
        if found != expected {
            return Err(AgentError::WrongRoot { found, expected });
        }
        let parsed: Signed<Root> = tuf::read(&root)?;
        let signed = parsed.signed.verify_role(&parsed);
        signed.map_err(|e| TufError::Unsigned { role: "root".to_owned(), reason: e.to_string() })?;
        state.put_trusted(&metadata::first_trusted(&root))?;

        let key = SigningKey::load_or_create(&state.disk, &state.key_path())?;
        let facts = TerminalFacts {
            hardware: enrolment.hardware.clone(),
            os: enrolment.os.clone(),
            engine_version: self.engine.version(),
            designation: enrolment.designation.clone(),
            subscribed: enrolment.subscribed.clone(),
            memory_bytes: machine::memory_bytes(),
            features: machine::features(),
            group: enrolment.group.clone(),
        };
        let request = Enrol { token: enrolment.token.clone(), public_key: key.public(), facts: facts.clone() };
        let proof = Proof::Key(&key, state.next_counter()?);
        let body = serde_json::to_vec(&request).expect("an enrolment is plain JSON");
        let Enrolled { terminal } = client.call(Method::POST, "/v1/terminals", proof, body).await?;
        self.choose_clean_files(&terminal)?;
        state.put_identity(&Identity { service: enrolment.service.clone(), terminal: terminal.clone(), facts })?;
        tracing::info!(terminal, "this terminal is enrolled as {terminal}");
        Ok(terminal)
    }

    /// Brings this terminal to what it is assigned. While nothing has changed, here or at the service, that is one short request
    /// ([`UpdateReport::idle`]); else, and every [`Agent::full_every`], it is [`Agent::update_fully`].
    ///
    /// # Errors
    /// As of [`Agent::update_fully`].
    pub async fn update(&self) -> Result<UpdateReport, AgentError> {
        self.update_with(&UpdateOptions::default()).await
    }

    /// Checks in and brings this terminal to what it is assigned.
    ///
    /// Trouble after the check-in is told to the service before it is returned. A service that asked to be left alone is not asked
    /// before its time: [`AgentError::BackingOff`].
    ///
    /// # Errors
    /// [`AgentError`]: nothing was installed and what was in force stays in force.
    pub async fn update_fully(&self) -> Result<UpdateReport, AgentError> {
        self.update_with(&UpdateOptions { fully: true, ..UpdateOptions::default() }).await
    }

    /// The same for another cause; with `stage_only` what is new is tested and left waiting, whatever the settings say.
    ///
    /// # Errors
    /// As of [`Agent::update_with`].
    pub async fn update_by(&self, trigger: Trigger, stage_only: bool) -> Result<UpdateReport, AgentError> {
        self.update_with(&UpdateOptions { trigger, stage_only, fully: false }).await
    }

    /// [`Agent::update`] or [`Agent::update_fully`], as the options say.
    ///
    /// # Errors
    /// [`AgentError`]; [`AgentError::TriggerOff`] when the settings switch this cause off: then nobody is asked.
    pub async fn update_with(&self, options: &UpdateOptions) -> Result<UpdateReport, AgentError> {
        let UpdateOptions { trigger, stage_only, fully } = *options;
        let not_enrolled = || AgentError::NotEnrolled(self.state.folder().to_owned());
        if !self.state.folder().is_dir() {
            return Err(not_enrolled());
        }
        let settings = Settings::load(self.state.folder())?;
        if !settings.allows(trigger) {
            return Err(AgentError::TriggerOff(trigger.code()));
        }
        let _lock = self.lock()?;
        let identity = self.state.identity()?.ok_or_else(not_enrolled)?;
        self.state.set_damaged_aside()?;
        // Before the network is needed.
        let state = self.state.clone();
        let fell_back = tokio::task::spawn_blocking(move || probation::settle(&state)).await??;
        BackOffs::read(&self.state).check(SERVICE, self.state.seconds())?;
        // Once for the whole update, and off the async threads: it hashes the database.
        let state = self.state.clone();
        let installed = tokio::task::spawn_blocking(move || state.installed()).await??;
        let session = self.session(settings, identity, installed, stage_only)?;
        let updated = self.update_in(&session, fully || fell_back.is_some()).await;
        self.note_end(updated.is_err());
        session.journal.note_end(updated.as_ref().map(|report| report.outcome));
        updated.map(|report| UpdateReport { fell_back, ..report })
    }

    fn session(
        &self,
        settings: Settings,
        identity: Identity,
        installed: Option<Manifest>,
        stage_only: bool,
    ) -> Result<Session, AgentError> {
        let source = Source::Service(self.client(&identity.service, &settings)?);
        let (journal, progress) = (self.state.journal(), Mutex::default());
        let key = SigningKey::load(&self.state.disk, &self.state.key_path())?;
        Ok(Session { installed, settings, stage_only, identity, source, key, progress, journal })
    }

    /// How services are reached: as whoever made this agent says, else as the owner's settings do.
    fn network_by(&self, settings: &Settings) -> Network {
        let mut network = self.network.clone();
        network.proxy = network.proxy.or_else(|| settings.network.proxy.clone());
        let ca_file = settings.network.ca.as_ref().map(|file| self.state.folder().join(file));
        network.ca_file = network.ca_file.or(ca_file);
        network
    }

    /// By what time certificates are judged.
    fn times(&self) -> Times {
        let known = self.state.trusted().ok().and_then(|trusted| clock::signed_at(&trusted));
        Times { clock: self.state.clock(), known }
    }

    /// A client whose requests are written in the journal.
    fn client(&self, service: &Url, settings: &Settings) -> Result<Client, HttpError> {
        let journal = self.state.journal();
        let teller = move |method: &Method, path: &str, seen: Result<(u16, Option<&str>), &HttpError>| {
            let (method, path) = (method.to_string(), path.to_owned());
            journal.note(match seen {
                Ok((status, request)) => {
                    // Another's text, of any bytes; what is not plain is no id of a service of this kind.
                    let request = request.filter(|id| is_request_id(id.as_bytes())).map(str::to_owned);
                    JournalEvent::Asked { method, path, status: Some(status), request, code: None }
                }
                Err(error) => {
                    JournalEvent::Asked { method, path, status: None, request: None, code: Some(error.code().to_owned()) }
                }
            });
        };
        Ok(Client::judging(service, &self.network_by(settings), self.times())?.telling(Arc::new(teller)))
    }

    /// What the next update would do. Checks in, as an update does, and fetches and changes nothing that is installed.
    ///
    /// # Errors
    /// [`AgentError`], as an update would until it fetches.
    pub async fn plan(&self) -> Result<Plan, AgentError> {
        let not_enrolled = || AgentError::NotEnrolled(self.state.folder().to_owned());
        let identity = self.state.identity()?.ok_or_else(not_enrolled)?;
        let settings = Settings::load(self.state.folder())?;
        let _lock = self.lock()?;
        self.state.set_damaged_aside()?;
        BackOffs::read(&self.state).check(SERVICE, self.state.seconds())?;
        let state = self.state.clone();
        let installed = tokio::task::spawn_blocking(move || state.installed()).await??;
        let session = self.session(settings, identity, installed, false)?;
        let (told, counter) = self.noting(SERVICE, self.check_in(&session).await)?;
        let order = self.noting(SERVICE, self.take(&session, &told, counter).await)?;
        follow::check_order(&session, &order)?;
        self.plan_of(&session, &order)
    }

    /// Tests the generation in force once more, as it was before it was put in force. One on probation that does not pass is
    /// gone back from. Blocks; needs no network.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`] also when nothing is installed; [`AgentError::Busy`], [`AgentError::Disk`].
    pub fn probe(&self) -> Result<Probe, AgentError> {
        let not_enrolled = || AgentError::NotEnrolled(self.state.folder().to_owned());
        let identity = self.state.identity()?.ok_or_else(not_enrolled)?;
        let settings = Settings::load(self.state.folder())?;
        let _lock = self.lock()?;
        let generation = self.state.current()?.ok_or_else(not_enrolled)?;
        let plan = self.self_test_plan(&settings, &identity.terminal)?;
        let harmful = modules::harmful(&self.state, &self.state.manifest(generation)?.channels);
        let plan = SelfTestPlan { harmful, ..plan };
        match self.engine.self_test(&self.state.database(generation), &plan) {
            Ok(seen) => Ok(Probe { generation, self_test: Some(seen), code: None, words: None, fell_back: None }),
            Err(fault) => {
                let (code, words) = (fault.code().to_owned(), fault.to_string());
                let on_probation = self.state.trial(generation)?.is_some();
                let fall_back = || probation::fall_back(&self.state, generation, &code, &words);
                let fell_back = if on_probation { fall_back()? } else { None };
                Ok(Probe { generation, self_test: None, code: Some(code), words: Some(words), fell_back })
            }
        }
    }

    async fn update_in(&self, session: &Session, fully: bool) -> Result<UpdateReport, AgentError> {
        if !fully && let Some(report) = self.noting(SERVICE, self.idle(session).await)? {
            self.note(SERVICE, None);
            return Ok(report);
        }
        self.state.forget_seen()?;
        let (told, counter) = self.noting(SERVICE, self.check_in(session).await)?;
        self.tell_faults(session).await?;
        let mut step = "assignment";
        match self.take_and_follow(session, &told, counter, &mut step).await {
            Ok(report) => {
                self.remember(session, &told, &report)?;
                Ok(report)
            }
            Err(error) => {
                self.report_trouble(session, step, &error).await;
                Err(error)
            }
        }
    }

    async fn take_and_follow(
        &self,
        session: &Session,
        told: &CheckedIn,
        counter: u64,
        step: &mut &'static str,
    ) -> Result<UpdateReport, AgentError> {
        let order = self.noting(SERVICE, self.take(session, told, counter).await)?;
        *step = "metadata";
        let report = self.follow(session, order, step).await?;
        let Reported { plan, steps, .. } = session.reported(());
        Ok(UpdateReport { plan, steps, ..report })
    }

    /// Puts the generation before the one in force back in force, and holds back the releases of the latter that the former
    /// does not run; they are not installed again, now or later. Blocks; needs no network.
    ///
    /// # Errors
    /// [`AgentError::NoPrevious`] when there is none that is whole.
    pub fn rollback(&self) -> Result<Rollback, AgentError> {
        if !self.state.folder().is_dir() {
            return Err(AgentError::NoPrevious);
        }
        let _lock = self.lock()?;
        self.state.set_damaged_aside()?;
        let from = self.state.current()?.ok_or(AgentError::NoPrevious)?;
        let to = self.state.manifest(from)?.previous.ok_or(AgentError::NoPrevious)?;
        if !self.state.is_whole(to)? {
            return Err(AgentError::NoPrevious);
        }
        let rollback = probation::switch_back(&self.state, from, to)?;
        tracing::warn!(from, to, "rolled back from generation {from} to {to}");
        Ok(rollback)
    }

    /// Chooses anew which files of this machine are taken to be clean, and returns them. For the owner of a machine that is
    /// known to be clean and has changed a lot. Blocks.
    ///
    /// # Errors
    /// [`AgentError::NotEnrolled`], [`AgentError::Busy`] or [`AgentError::Disk`].
    pub fn renew_clean_files(&self) -> Result<Vec<CleanFile>, AgentError> {
        let identity = self.state.identity()?.ok_or_else(|| AgentError::NotEnrolled(self.state.folder().to_owned()))?;
        let _lock = self.lock()?;
        self.choose_clean_files(&identity.terminal)
    }

    fn choose_clean_files(&self, terminal: &str) -> Result<Vec<CleanFile>, AgentError> {
        let files = self_test::choose(&self.clean_folders, terminal);
        self.state.put_clean_files(&files)?;
        Ok(files)
    }

    /// What a self-test on this terminal is given, but for what the releases themselves bring.
    fn self_test_plan(&self, settings: &Settings, terminal: &str) -> Result<SelfTestPlan, AgentError> {
        let clean = match self.state.clean_files()? {
            Some(files) => files,
            None => self.choose_clean_files(terminal)?,
        };
        let SelfTestLimits { seconds, memory_mib } = settings.self_test;
        let (time_max, memory_bytes_max) = (Duration::from_secs(seconds), memory_mib << 20);
        Ok(SelfTestPlan { clean, harmful: Vec::new(), time_max, memory_bytes_max })
    }

    fn lock(&self) -> Result<Lock, AgentError> {
        let taken = Lock::try_take(&self.state.folder().join("lock"))?;
        taken.ok_or_else(|| AgentError::Busy(self.state.folder().to_owned()))
    }
}

fn root_of_token(token: &str) -> Result<Sha256Hex, AgentError> {
    let mut parts = token.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("te1"), Some(_), Some(root)) => root.parse().map_err(|_| AgentError::Token),
        _ => Err(AgentError::Token),
    }
}
