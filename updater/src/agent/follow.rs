//! What an update does once the service has said what is to be: fetch, install, tell.

use super::backoff::{self, BackOffs, SERVICE};
use super::director::Order;
use super::fetch::fetch;
use super::generation::{self, Made};
use super::journal::Journal;
use super::metadata::{self, Metadata, Source};
use super::state::{Contact, Fault, Identity, StagedMark, Timing};
use super::{
    Agent, AgentError, ChannelFault, ChannelReport, Installed, Manifest, Outcome, Plan, Settings, StagedStatus,
    UpdateReport, WaitsFor, bundle, damage, download, machine, modules, plan, staging,
};
use crate::Channel;
use crate::decide::{UserRow, accepts};
use crate::director::DirectorError;
use crate::http::{HttpError, Proof};
use crate::keys::SigningKey;
use crate::wire::{
    Acknowledge, AssignedBlob, Assignment, ChannelRelease, CheckIn, CheckedIn, Reported, Sha256Hex, TerminalFacts,
};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

impl Agent {
    /// What this terminal says of itself today.
    pub(super) fn facts(&self, session: &Session) -> TerminalFacts {
        let (memory_bytes, features) = (machine::memory_bytes(), machine::features());
        TerminalFacts { engine_version: self.engine.version(), memory_bytes, features, ..session.identity.facts.clone() }
    }

    /// [`Agent::noting`] of an answer by the service; what a file says is no word of a service.
    pub(super) fn noting_of<T>(
        &self,
        session: &Session,
        source: &str,
        result: Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        if !session.is_online() {
            return result;
        }
        self.noting(source, result)
    }

    /// Tells the service what this terminal is and runs. Returns the answer, which nothing vouches for yet, and the counter of the question.
    pub(super) async fn check_in(&self, session: &Session) -> Result<(CheckedIn, u64), AgentError> {
        let facts = self.facts(session);
        let applied = session.installed.as_ref().map(Manifest::releases).unwrap_or_default();
        let freshness = self.state.contact()?.map(|contact| contact.freshness).unwrap_or_default();
        let report = CheckIn { facts, applied, freshness };
        let body = serde_json::to_vec(&report).expect("a check-in is plain JSON");
        let counter = self.state.next_counter()?;
        match session.call(counter, "check-in", body.clone()).await {
            Err(AgentError::Http(HttpError::Refused { last_counter: Some(last), .. })) if last >= counter => {
                // The counter here was lost after a time when this machine's clock was ahead: on from where the service stands.
                tracing::warn!(counter, last, "the counter here is behind; it goes on from {last}");
                let counter = self.state.next_counter_after(last)?;
                Ok((session.call(counter, "check-in", body).await?, counter))
            }
            answer => Ok((answer?, counter)),
        }
    }

    /// Keeps what the service said, and what it is to be told next time.
    pub(super) fn keep_contact(&self, assignment: &Assignment, freshness: String) -> Result<(), AgentError> {
        self.state.put_contact(&Contact { at: self.state.seconds(), assignment: assignment.clone(), freshness })
    }

    pub(super) async fn follow(
        &self,
        session: &Session,
        order: Order,
        step: &mut &'static str,
    ) -> Result<UpdateReport, AgentError> {
        session.begins(self.plan_of(session, &order)?.id);
        check_order(session, &order)?;
        let Order { assignment, blobs } = order;
        let mut report = UpdateReport::new(assignment, self.state.current_if_readable()?);
        if report.assignment.channels.is_empty() {
            return Ok(report);
        }
        let held = self.state.held()?;
        let held_back = report.assignment.channels.iter().any(|at| held.contains(at));
        let damaged = self.damaged(session).await?;
        let wanted = if damaged.is_none() && report.assignment.channels.iter().all(|at| held.contains(at)) {
            session.in_force().to_vec()
        } else {
            let metadata = self.noting_of(session, SERVICE, metadata::refresh(&session.source, &self.state).await)?;
            if session.is_online() {
                self.note(SERVICE, None);
            }
            report.warnings.extend(metadata.warnings.iter().cloned());
            *step = "fetch";
            self.fetch_all(session, &metadata, &blobs, &held, damaged.as_deref(), &mut report).await?
        };
        if damaged.is_some() && wanted.is_empty() {
            let reason = "what it names is harmed, and all that is on offer is held back; `held.json` lists it".to_owned();
            return Err(AgentError::Damaged { path: self.state.folder().join("current"), reason });
        }
        // Nothing is wanted when all is held back and nothing is in force.
        let is_in_force =
            wanted.is_empty() || session.installed.as_ref().is_some_and(|manifest| manifest.channels == wanted);
        if is_in_force && held_back {
            report.outcome = Outcome::HeldBack;
            let held = Acknowledge::Trouble {
                step: "plan".to_owned(),
                code: "held_back".to_owned(),
                words: "these releases were rolled back from on this terminal".to_owned(),
            };
            report.acknowledged = self.acknowledge(session, &held).await;
        } else if is_in_force {
            report.outcome = Outcome::UpToDate;
            // What was staged meanwhile is no longer wanted.
            self.state.drop_staged()?;
        } else {
            *step = "install";
            self.check_room_to_link(&wanted, session.installed.as_ref())?;
            self.install(session, wanted, &mut report).await?;
        }
        // A generation that was rolled back from stays until there is a newer one, so that its number is not given again.
        if report.outcome != Outcome::HeldBack
            && let Err(error) = self.state.clean(session.settings.keep)
        {
            tracing::warn!(%error, "old files could not be removed; the next update tries again");
        }
        // What broke off for a channel that failed is what the next update goes on with.
        if report.faults.is_empty()
            && let Err(error) = download::forget_parts(&self.state)
        {
            tracing::warn!(%error, "parts of downloads could not be removed; the next update tries again");
        }
        Ok(report)
    }

    /// What ought to be in force, when something was installed and is not whole. Nothing when it is, or when nothing was.
    async fn damaged(&self, session: &Session) -> Result<Option<Vec<Installed>>, AgentError> {
        if session.installed.is_some() {
            return Ok(None);
        }
        let state = self.state.clone();
        tokio::task::spawn_blocking(move || damage::meant(&state)).await?
    }

    /// The plan to follow this order.
    pub(super) fn plan_of(&self, session: &Session, order: &Order) -> Result<Plan, AgentError> {
        let generation = session.installed.as_ref().map(|manifest| manifest.generation);
        let (held, state) = (self.state.held()?, &self.state);
        let is_stored = |digest: &Sha256Hex| state.blob_path(digest).is_file();
        let waits_for = self.waits_for(session, &order.assignment).1;
        Ok(plan::plan(generation, session.in_force(), order, &held, waits_for, is_stored))
    }

    /// When an assignment may be put in force, and what keeps it from that now.
    fn waits_for(&self, session: &Session, assignment: &Assignment) -> (Timing, Option<WaitsFor>) {
        // A first installation protects from nothing while it waits for a date.
        let timing = match session.installed {
            Some(_) => Timing::of(assignment),
            None => Timing { earliest: None, ..Timing::of(assignment) },
        };
        (timing, staging::waits_for(&session.settings, session.stage_only, timing, &self.state.now()))
    }

    /// Makes a generation of `wanted`, or takes the staged one that is made of it, and puts it in force unless it has to wait.
    pub(super) async fn install(
        &self,
        session: &Session,
        wanted: Vec<Installed>,
        report: &mut UpdateReport,
    ) -> Result<(), AgentError> {
        let (timing, waits_for) = self.waits_for(session, &report.assignment);
        let before = session.installed.clone();
        let staged = staging::staged(&self.state)?;
        let is_new = staged.as_ref().is_none_or(|staged| !staging::serves(staged, &wanted, before.as_ref()));
        let manifest = if let Some(staged) = staged.filter(|_| !is_new) {
            staged
        } else {
            self.state.drop_staged()?;
            let (state, engine) = (self.state.clone(), self.engine.clone());
            let plan = self.self_test_plan(&session.settings, &session.identity.terminal)?;
            let make = move || generation::make(&state, &*engine, &plan, wanted, before.as_ref());
            let Made { manifest, self_test, faults } = tokio::task::spawn_blocking(make).await??;
            report.self_test = Some(self_test);
            report.faults.extend(faults);
            session.did("link".to_owned());
            session.did("self_test".to_owned());
            manifest
        };
        let generation = manifest.generation;
        if waits_for.is_some() {
            if let Some(mark) = self.state.staged()?.filter(|mark| !is_new && mark.timing != timing) {
                self.state.put_staged(&StagedMark { timing, ..mark })?;
            }
            if is_new {
                self.state.put_staged(&StagedMark { generation, at: self.state.seconds(), timing })?;
                session.did("stage".to_owned());
                let result = Acknowledge::Staged { generation, staged: manifest.releases() };
                report.acknowledged = self.acknowledge(session, &result).await;
            }
            report.outcome = Outcome::Staged;
            report.staged = staging::status(&self.state)?.map(|staged| StagedStatus { waits_for, ..staged });
            return Ok(());
        }
        generation::put_in_force(&self.state, &manifest, &session.settings.probation)?;
        session.did("switch".to_owned());
        let stays = manifest.releases();
        let before = session.installed.as_ref().map(Manifest::releases).unwrap_or_default();
        for gone in before.iter().filter(|at| !stays.contains(at)) {
            session.did(format!("remove {} {}", gone.channel, gone.release));
        }
        report.outcome = Outcome::Installed;
        report.generation = Some(generation);
        let result = Acknowledge::Installed { generation, applied: manifest.releases() };
        report.acknowledged = self.acknowledge(session, &result).await;
        Ok(())
    }

    /// Tells the service what went wrong since the last contact.
    pub(super) async fn tell_faults(&self, session: &Session) -> Result<(), AgentError> {
        let faults = self.state.faults()?;
        for Fault { step, code, words, .. } in &faults {
            let trouble = Acknowledge::Trouble { step: step.clone(), code: code.clone(), words: words.clone() };
            if !self.acknowledge(session, &trouble).await {
                return Ok(());
            }
        }
        if faults.is_empty() { Ok(()) } else { self.state.drop_faults() }
    }

    /// Brings every assigned channel into the store and returns what shall be in force, ascending by channel.
    ///
    /// A channel that fails or is held back stays at what is in force, and does not stop the others. Then channels that the
    /// assignment leaves out stay too: what was to replace them may be what failed, and a channel too many is no harm. `damaged` is what
    /// ought to be in force, where that is harmed: a channel that is held back is brought there again.
    pub(super) async fn fetch_all(
        &self,
        session: &Session,
        metadata: &Metadata,
        blobs: &[AssignedBlob],
        held: &[ChannelRelease],
        damaged: Option<&[Installed]>,
        report: &mut UpdateReport,
    ) -> Result<Vec<Installed>, AgentError> {
        let mut wanted = Vec::new();
        let mut followed = true;
        let mut first_fault = None;
        for at in &report.assignment.channels {
            let in_force = session.in_force().iter().find(|installed| installed.channel == at.channel);
            let mut aim = Some(at.clone());
            let mut from = in_force;
            if held.contains(at) {
                tracing::info!(channel = %at.channel, release = at.release, "release {} of {} is held back", at.release, at.channel);
                followed = false;
                let Some(damaged) = damaged else {
                    wanted.extend(in_force.cloned());
                    continue;
                };
                from = damaged.iter().find(|meant| meant.channel == at.channel);
                aim = match from {
                    Some(meant) => Some(ChannelRelease { channel: meant.channel.clone(), release: meant.release }),
                    None => damage::before_held(metadata, &session.source, at, held).await?,
                };
            }
            let Some(aim) = aim else { continue };
            match self.fetch_one(session, metadata, blobs, &aim, from).await {
                Ok((installed, channel)) => {
                    if in_force != Some(&installed) {
                        session.did(format!("fetch {} {}", aim.channel, aim.release));
                        session.did(format!("verify {} {}", aim.channel, aim.release));
                    }
                    wanted.push(installed);
                    report.channels.push(channel);
                }
                // The disk is everybody's, so its fault ends the update.
                Err(error @ (AgentError::Disk(_) | AgentError::Space { .. } | AgentError::Worker(_))) => return Err(error),
                Err(error) => {
                    tracing::warn!(channel = %at.channel, code = error.code(), "channel {} stays as it is: {error}", at.channel);
                    report.faults.push(ChannelFault::new(&at.channel, &error));
                    wanted.extend(in_force.cloned());
                    followed = false;
                    first_fault.get_or_insert(error);
                }
            }
        }
        if !followed {
            let assigned = |channel: &Channel| report.assignment.channels.iter().any(|at| at.channel == *channel);
            wanted.extend(session.in_force().iter().filter(|installed| !assigned(&installed.channel)).cloned());
        }
        wanted.sort_by(|a, b| a.channel.cmp(&b.channel));
        match first_fault {
            Some(error) if report.channels.is_empty() => Err(error),
            _ => Ok(wanted),
        }
    }

    pub(super) async fn fetch_one(
        &self,
        session: &Session,
        metadata: &Metadata,
        blobs: &[AssignedBlob],
        at: &ChannelRelease,
        in_force: Option<&Installed>,
    ) -> Result<(Installed, ChannelReport), AgentError> {
        check_acceptable(session, at, in_force)?;
        let source = backoff::of_channel(&at.channel);
        if session.is_online() {
            BackOffs::read(&self.state).check(&source, self.state.seconds())?;
        }
        let signed = match (metadata.release(&session.source, at, in_force).await, in_force) {
            // It was withdrawn and nothing may take its place yet: worse than a withdrawn release is none.
            (Err(AgentError::NotListed(_)), Some(installed)) if installed.release == at.release => {
                return Ok((installed.clone(), ChannelReport::stored(installed)));
            }
            (signed, _) => self.noting_of(session, &source, signed)?,
        };
        let (signed, signed_modules) = signed;
        let same = |blob: &AssignedBlob| blob.sha256 == signed.sha256 && blob.length == signed.length;
        if blobs.iter().any(|blob| blob.at == *at && !same(blob)) {
            return Err(DirectorError::Disagrees(at.channel.clone()).into());
        }
        let fetched = match &session.source {
            Source::Service(client) => fetch(client, &self.state, &signed, &*self.progress).await,
            Source::Bundle { bundle, .. } => bundle::take(bundle, &self.state, &signed).await,
        };
        let fetched = self.noting_of(session, &source, fetched)?;
        let modules = modules::fetch(&session.source, &self.state, &signed_modules, &*self.progress).await;
        let modules = self.noting_of(session, &source, modules)?;
        if session.is_online() {
            self.note(&source, None);
        }
        if let Some(code) = &fetched.delta_fault {
            let words =
                format!("a delta to release {} of {} is refused; the whole blob was fetched", at.release, at.channel);
            let told = Acknowledge::Trouble { step: "delta".to_owned(), code: code.clone(), words };
            self.acknowledge(session, &told).await;
        }
        let report = ChannelReport {
            channel: at.channel.clone(),
            release: at.release,
            transfer: fetched.transfer,
            bytes_fetched: fetched.bytes,
            full_bytes: signed.length,
            delta_fault: fetched.delta_fault,
            restarts: fetched.restarts,
            modules,
        };
        Ok((Installed { modules: modules::kept_here(&signed_modules), ..Installed::from(signed) }, report))
    }

    pub(super) async fn report_trouble(&self, session: &Session, step: &str, error: &AgentError) {
        let trouble =
            Acknowledge::Trouble { step: step.to_owned(), code: error.code().to_owned(), words: error.to_string() };
        self.acknowledge(session, &trouble).await;
    }

    /// Tells the service of a result; false when it did not hear. The next check-in then corrects its table.
    pub(super) async fn acknowledge(&self, session: &Session, result: &Acknowledge) -> bool {
        if !session.is_online() {
            return false;
        }
        let body = serde_json::to_vec(&session.reported(result)).expect("a result is plain JSON");
        let told = match self.state.next_counter() {
            Ok(counter) => session.call::<Value>(counter, "acknowledge", body).await,
            Err(error) => Err(error),
        };
        match self.noting(SERVICE, told) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "the service did not hear of the result");
                false
            }
        }
    }
}

/// Refuses what no decision is like, whatever the makers signed.
pub(super) fn check_order(session: &Session, Order { assignment, .. }: &Order) -> Result<(), AgentError> {
    if assignment.channels.is_empty() {
        return Ok(());
    }
    check_distinct(assignment)?;
    check_drops(session, assignment)
}

/// Refuses an assignment that has a channel twice. Two releases of one channel side by side would leave the older one to be what the next
/// assignment is compared with, which is a way back to it.
fn check_distinct(assignment: &Assignment) -> Result<(), AgentError> {
    let mut seen = BTreeSet::new();
    match assignment.channels.iter().find(|at| !seen.insert(&at.channel)) {
        Some(twice) => Err(AgentError::AssignedTwice(twice.channel.clone())),
        None => Ok(()),
    }
}

/// Refuses an assignment that takes a subscribed channel away and puts nothing foreign in its place: no decision is like that, and a director
/// in the wrong hands could disarm terminals by it. A bundle's assignment is this terminal's own.
fn check_drops(session: &Session, assignment: &Assignment) -> Result<(), AgentError> {
    let subscribed = &session.identity.facts.subscribed;
    if assignment.channels.iter().any(|at| !subscribed.contains(&at.channel)) {
        return Ok(());
    }
    let assigned = |channel: &Channel| assignment.channels.iter().any(|at| at.channel == *channel);
    let product =
        session.in_force().iter().map(|installed| &installed.channel).filter(|channel| subscribed.contains(*channel));
    match product.into_iter().find(|channel| !assigned(channel)) {
        Some(dropped) => Err(DirectorError::Drops(dropped.clone()).into()),
        None => Ok(()),
    }
}

/// The terminal's own word on an assignment: a service that was taken over cannot move it to a channel that it does not accept, nor anywhere
/// when it wishes no updates; nor back to an older release, which is checked against what the maker signed.
fn check_acceptable(session: &Session, at: &ChannelRelease, in_force: Option<&Installed>) -> Result<(), AgentError> {
    let facts = &session.identity.facts;
    let row = UserRow::new(facts.designation.clone(), facts.subscribed.clone(), Vec::new());
    let stays = in_force.is_some_and(|installed| installed.release == at.release);
    let accepted = in_force.is_some() || accepts(&row, &at.channel);
    if !accepted || !(stays || row.designation.wishes_updates()) {
        return Err(AgentError::NotAccepted(at.channel.clone()));
    }
    Ok(())
}

/// An enrolled terminal on its way to its service.
pub(super) struct Session {
    /// The generation in force, seen to be whole when the update began; the lock keeps it so.
    pub(super) installed: Option<Manifest>,
    pub(super) settings: Settings,
    pub(super) stage_only: bool,
    pub(super) identity: Identity,
    pub(super) source: Source,
    pub(super) key: SigningKey,
    pub(super) progress: Mutex<Progress>,
    pub(super) journal: Journal,
}

/// How far an update got with its plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    plan: Option<String>,
    steps: Vec<String>,
}

impl Session {
    pub(super) fn is_online(&self) -> bool {
        matches!(self.source, Source::Service(_))
    }

    pub(super) fn in_force(&self) -> &[Installed] {
        self.installed.as_ref().map_or(&[], |manifest| &manifest.channels)
    }

    fn begins(&self, plan: String) {
        *self.progress() = Progress { plan: Some(plan), steps: Vec::new() };
    }

    fn did(&self, step: String) {
        self.journal.did(step.as_str());
        self.progress().steps.push(step);
    }

    /// `result` with the plan and what was done of it.
    pub(super) fn reported<T>(&self, result: T) -> Reported<T> {
        let Progress { plan, steps } = self.progress().clone();
        Reported { result, plan, steps }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn call<T: serde::de::DeserializeOwned>(
        &self,
        counter: u64,
        call: &str,
        body: Vec<u8>,
    ) -> Result<T, AgentError> {
        let path = format!("/v1/terminals/{}/{call}", self.identity.terminal);
        let proof = Proof::Key(&self.key, counter);
        match &self.source {
            Source::Service(client) => Ok(client.call(Method::POST, &path, proof, body).await?),
            Source::Bundle { .. } => unreachable!("a file is not called"),
        }
    }
}
