//! `titer agent`.

mod journal;
mod limited;
mod modules;
mod run;
pub(crate) mod self_test;

use super::admin::releases;
use super::state_folder;
use crate::args::{AgentArgs, AgentCommand, EnrollArgs};
use crate::engine_adapter::Adapter;
use crate::exit::Exit;
use crate::output::{coded, size, time, with_hint, write_json};
use crate::output::{remark, say};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use updater::agent::{
    self, Agent, AgentError, ChannelReport, Enrolment, Outcome, Plan, PlanStep, Probe, Progress, SelfTestError, Status,
    Transfer, UpdateOptions, UpdateReport, WaitsFor,
};
use updater::wire::{ChannelRelease, Designation};
use updater::{Channel, Network};

/// Runs `titer agent`.
pub(crate) fn run(args: &AgentArgs) -> anyhow::Result<Exit> {
    let state = state_folder(args.state.as_deref());
    let agent = Agent::new(&state, Adapter).progress(Bar::default()).network(network(args));
    match &args.command {
        AgentCommand::Enroll(enroll) => {
            let agent = match enroll.clean_from.as_slice() {
                [] => agent,
                folders => {
                    check_folders(folders)?;
                    agent.clean_folders(folders)
                }
            };
            let terminal = updater::block_on(agent.enroll(&enrolment(enroll)))?.map_err(hinted)?;
            let enrolled = json!({"terminal": terminal, "service": enroll.service});
            print_or_json(args.json, &enrolled, |_| {
                say!("enrolled as {terminal}; its key stays in {}", state.display());
            })?;
            Ok(Exit::Fine)
        }
        AgentCommand::Update(update) => {
            let options = UpdateOptions { trigger: update.trigger.into(), stage_only: update.stage, fully: update.full };
            let report = updater::block_on(agent.update_with(&options))?.map_err(hinted)?;
            print_or_json(args.json, &report, print_update)?;
            Ok(if report.faults.is_empty() { Exit::Fine } else { Exit::Failed })
        }
        AgentCommand::Status => {
            let status = agent::status(&state).map_err(|error| {
                let hint = "if what is installed is damaged, `titer agent update` makes it anew";
                coded(&error, error.code(), Some(hint))
            })?;
            print_or_json(args.json, &status, print_status)?;
            Ok(if status.damage.is_none() { Exit::Fine } else { Exit::Failed })
        }
        AgentCommand::Journal { last } => journal::show(&state, *last, args.json),
        AgentCommand::Import { file } => {
            let imported = updater::block_on(agent.import(file))?.map_err(hinted)?;
            print_or_json(args.json, &imported, |imported| {
                let age = match imported.age_hours {
                    hours @ 0.. => format!("{hours} h ago"),
                    hours => format!("{} h from now, by this machine's clock", hours.saturating_neg()),
                };
                say!("a bundle of {}, which says it was made {age}", imported.service);
                print_report(&imported.update, "by the bundle");
            })?;
            Ok(if imported.update.faults.is_empty() { Exit::Fine } else { Exit::Failed })
        }
        AgentCommand::Plan => {
            let plan = updater::block_on(agent.plan())?.map_err(hinted)?;
            print_or_json(args.json, &plan, print_plan)?;
            Ok(Exit::Fine)
        }
        AgentCommand::Run => run::run(&state, &agent, args.json),
        AgentCommand::Apply => {
            let staged = agent.apply().map_err(hinted)?;
            print_or_json(args.json, &staged, |staged| say!("generation {} is in force", staged.generation))?;
            Ok(Exit::Fine)
        }
        AgentCommand::Decline => {
            let staged = agent.decline().map_err(hinted)?;
            print_or_json(args.json, &staged, |staged| {
                say!("generation {} is dropped, and its new releases are held back", staged.generation);
            })?;
            Ok(Exit::Fine)
        }
        AgentCommand::Probe => {
            let probe = agent.probe().map_err(hinted)?;
            print_or_json(args.json, &probe, print_probe)?;
            Ok(if probe.code.is_none() { Exit::Fine } else { Exit::Failed })
        }
        AgentCommand::ReportCrash => {
            let crashes = agent::report_crash(&state).map_err(hinted)?;
            let crashes = json!({"crashes": crashes});
            print_or_json(args.json, &crashes, |crashes| say!("{} crashes on probation", crashes["crashes"]))?;
            Ok(Exit::Fine)
        }
        AgentCommand::ReportThreat { threat, sample } => {
            let digest = sample
                .as_deref()
                .map(|sample| agent::sample_digest(sample).with_context(|| format!("cannot read {}", sample.display())));
            let told = updater::block_on(agent.report_threat(threat, digest.transpose()?))?.map_err(hinted)?;
            print_or_json(args.json, &told, |told| {
                let asked = if told.asked { "asks every maker" } else { "knows of it, or has asked already" };
                say!("the service {asked}");
            })?;
            Ok(Exit::Fine)
        }
        AgentCommand::CleanFiles { renew } => {
            let files = if *renew { agent.renew_clean_files() } else { agent::clean_files(&state) }.map_err(hinted)?;
            print_or_json(args.json, &files, |files| {
                for file in files {
                    say!("{} {}", file.sha256, file.path.display());
                }
            })?;
            Ok(Exit::Fine)
        }
        AgentCommand::Modules => modules::list(&state, args.json),
        AgentCommand::ShowModule { channel, name, output } => {
            modules::show(&state, channel, name, output.as_deref(), args.json)
        }
        AgentCommand::SelfTest => self_test::child(),
        AgentCommand::Rollback => {
            let rollback = agent.rollback().map_err(hinted)?;
            print_or_json(args.json, &rollback, |rollback| {
                say!("generation {} is in force again, {} is held back", rollback.to, rollback.from);
            })?;
            Ok(Exit::Fine)
        }
    }
}

/// Refuses folders that are none: a name that was mistyped would leave the protection against false alarms without files, and say nothing.
fn check_folders(folders: &[PathBuf]) -> anyhow::Result<()> {
    match folders.iter().find(|folder| !folder.is_dir()) {
        Some(none) => {
            Err(with_hint(format!("{} is no folder to take clean files from", none.display()), "look at --clean-from"))
        }
        None => Ok(()),
    }
}

fn print_or_json<T: serde::Serialize>(as_json: bool, value: &T, print: impl FnOnce(&T)) -> io::Result<()> {
    if as_json {
        return write_json(&mut io::stdout(), &json!(value));
    }
    print(value);
    Ok(())
}

fn network(args: &AgentArgs) -> Network {
    let usual = Network::default();
    Network {
        proxy: args.proxy.clone(),
        ca_file: args.ca.clone(),
        least_speed: args.least_speed.unwrap_or(usual.least_speed),
        ..usual
    }
}

fn enrolment(args: &EnrollArgs) -> Enrolment {
    let mut enrolment = Enrolment::of_this_machine(args.service.clone(), args.token.trim(), args.channels.clone());
    enrolment.designation = match args.accept.as_slice() {
        [word] if word == "own" => Designation::Own,
        [word] if word == "any" => Designation::Any,
        [word] if word == "none" => Designation::None,
        makers => Designation::List(makers.iter().filter_map(|maker| maker.parse().ok()).collect()),
    };
    if let Some(hardware) = &args.hardware {
        enrolment.hardware.clone_from(hardware);
    }
    enrolment.group.clone_from(&args.group);
    enrolment
}

fn print_probe(probe: &Probe) {
    match (&probe.words, &probe.code) {
        (Some(words), Some(code)) => say!("generation {} does not pass: {words} ({code})", probe.generation),
        _ => say!("generation {} passes", probe.generation),
    }
    if let Some(back) = &probe.fell_back {
        say!("generation {} is in force again", back.to);
    }
}

fn print_plan(plan: &Plan) {
    say!("the service says: {} ({})", plan.words, plan.reason.code());
    for held in &plan.held {
        say!("{} release {} is held back here, after a rollback or a refusal", held.channel, held.release);
    }
    if plan.steps.is_empty() {
        say!("nothing to do");
        return;
    }
    say!("plan {}", plan.id);
    for (number, step) in plan.steps.iter().enumerate() {
        let words = match step {
            PlanStep::Fetch { channel, release, bytes_max: Some(0) } => {
                format!("take {channel} release {release}, which is here already")
            }
            PlanStep::Fetch { channel, release, bytes_max: Some(bytes) } => {
                format!("fetch {channel} release {release}, at most {}", size(*bytes))
            }
            PlanStep::Fetch { channel, release, bytes_max: None } => format!("fetch {channel} release {release}"),
            PlanStep::Verify { channel, release } => {
                format!("verify {channel} release {release} against what its maker signed")
            }
            PlanStep::Link => "link a new generation".to_owned(),
            PlanStep::SelfTest => "test it in a process of its own".to_owned(),
            PlanStep::Stage { waits_for } => format!("keep it waiting until {}", until(Some(*waits_for))),
            PlanStep::Switch => "put it in force; the one before stays to go back to".to_owned(),
            PlanStep::Remove { channel, release } => format!("{channel} release {release} is in force no longer"),
        };
        say!("{:>3}. {words}", number + 1);
    }
}

fn print_update(report: &UpdateReport) {
    print_report(report, if report.idle { "nothing has changed since the service said" } else { "the service says" });
}

/// A report, and who said what is to run.
fn print_report(report: &UpdateReport, said: &str) {
    if let Some(back) = &report.fell_back {
        say!("scans died with generation {}; {} is in force again", back.from, back.to);
    }
    for warning in &report.warnings {
        remark!("warning: {} ({})", warning.words, warning.code);
    }
    say!("{said}: {} ({})", report.assignment.words, report.assignment.reason.code());
    for channel in &report.channels {
        say!("{}", describe(channel));
    }
    for fault in &report.faults {
        say!("{}: not brought up to date: {} ({})", fault.channel, fault.words, fault.code);
    }
    let generation = report.generation.map_or_else(|| "none".to_owned(), |number| number.to_string());
    match (report.outcome, &report.self_test) {
        (Outcome::Installed, Some(test)) => {
            say!("generation {generation} is in force: {} signatures, {} samples tested", test.signatures, test.samples);
        }
        (Outcome::Installed, None) => say!("generation {generation}, which was staged, is in force"),
        (Outcome::Staged, _) => {
            if let Some(staged) = &report.staged {
                let until = until(staged.waits_for);
                say!("generation {} is tested and waits until {until}; in force: {generation}", staged.generation);
            }
        }
        (Outcome::HeldBack, _) => {
            say!("held back after a rollback, a refusal or faults; generation {generation} stays in force");
        }
        _ => say!("nothing to install; generation in force: {generation}"),
    }
}

/// Until when what is staged waits.
fn until(waits_for: Option<WaitsFor>) -> &'static str {
    match waits_for {
        Some(WaitsFor::Window) => "the window opens, or `titer agent apply`",
        Some(WaitsFor::Date) => "the date that the service named, or `titer agent apply`",
        _ => "`titer agent apply` or `titer agent decline`",
    }
}

/// How one channel came, in a sentence.
pub(crate) fn describe(report: &ChannelReport) -> String {
    let ChannelReport { channel, release, transfer, bytes_fetched, full_bytes, delta_fault, restarts, modules } = report;
    let fetched = match transfer {
        Transfer::Stored => "was here already".to_owned(),
        Transfer::Full => format!("whole, {}", size(*bytes_fetched)),
        Transfer::Bundle => "out of the bundle".to_owned(),
        Transfer::Delta => format!("by a delta of {} instead of {}", size(*bytes_fetched), size(*full_bytes)),
    };
    let restarts = restarts.iter().map(|code| format!("; begun anew ({code})")).collect::<String>();
    let fault = delta_fault.as_ref().map(|code| format!("; a delta failed ({code})")).unwrap_or_default();
    let modules = modules.iter().map(|came| format!("; {} `{}`, {}", came.kind, came.name, size(came.bytes)));
    let modules = modules.collect::<String>();
    format!("{channel} release {release}: {fetched}{fault}{restarts}{modules}")
}

fn print_status(status: &Status) {
    let Some(terminal) = &status.terminal else {
        say!("not enrolled; `titer agent enroll` enters this terminal at a service");
        return;
    };
    say!("terminal      {terminal} at {}", status.service.as_deref().unwrap_or("?"));
    let subscribed: Vec<String> = status.subscribed.iter().map(Channel::to_string).collect();
    say!("subscribed    {}", subscribed.join(", "));
    if let Some(designation) = &status.designation {
        say!("accepts       {}", json!(designation).to_string().trim_matches('"'));
    }
    let applied: Vec<ChannelRelease> =
        status.channels.iter().map(|at| ChannelRelease { channel: at.channel.clone(), release: at.release }).collect();
    say!("runs          {}", releases(&applied));
    match (status.generation, status.previous) {
        (Some(generation), Some(previous)) => say!("generation    {generation}, before it {previous}"),
        (Some(generation), None) => say!("generation    {generation}"),
        (None, _) if status.damage.is_some() => say!("generation    none that can be told"),
        (None, _) => say!("generation    none; `titer agent update` installs the first"),
    }
    if let Some(damage) = &status.damage {
        say!("damage        {} ({}); `titer agent update` makes it anew", damage.words, damage.code);
    }
    if let Some(probation) = &status.probation {
        let until = time(probation.until).unwrap_or_default();
        let (scans, crashes) = (probation.scans, probation.crashes);
        say!("on probation  until {until}; {scans} scans ended well, {crashes} of {} died", probation.crashes_max);
    }
    if let Some(staged) = &status.staged {
        say!("staged        {}; `titer agent apply` puts it in force", staged.generation);
    }
    for fault in &status.untold_faults {
        say!("to be told    {} ({})", fault.words, fault.code);
    }
    say!("last contact  {}", status.last_contact.and_then(time).unwrap_or_else(|| "never".to_owned()));
    if let Some(assignment) = &status.last_assignment {
        say!("last answer   {}", assignment.words);
    }
    if !status.held_back.is_empty() {
        say!("held back     {}", releases(&status.held_back));
    }
    for waiting in &status.backing_off {
        let until = time(waiting.until).unwrap_or_else(|| "later".to_owned());
        say!("not asked     {} until {until}: it refused ({})", waiting.source, waiting.code);
    }
}

/// The error with its code, and advice where there is some.
pub(crate) fn hinted(error: AgentError) -> anyhow::Error {
    let hint = match error {
        AgentError::NotEnrolled(_) => Some("`titer agent enroll` enters this terminal at a service"),
        AgentError::Token => Some("the operator makes one with `titer admin enrolment-token`"),
        AgentError::Busy(_) => Some("wait for it; the lock goes with its process"),
        AgentError::Http(ref http) if http.code() == "certificate_refused" => {
            Some("look at this machine's clock, and at --ca; what is installed stays in force")
        }
        AgentError::Director(ref fault) if matches!(fault.code(), "assignment_expired" | "one_off_expired") => {
            Some("if this machine's clock is right, tell the operator; what is installed stays in force")
        }
        AgentError::Http(_) => Some("what is installed stays in force"),
        AgentError::SelfTest(SelfTestError::FlagsClean { .. }) => {
            Some("the release is at fault, or that file of this machine is; `docs/agent.md` says how to tell")
        }
        AgentError::Metadata { code: "metadata_expired", .. } => {
            Some("if this machine's clock is right, the service has not signed anew; what is installed stays in force")
        }
        AgentError::BackingOff { .. } => Some("what is installed stays in force; `titer agent status` says until when"),
        AgentError::Space { .. } => Some("what is installed stays in force; make room and update again"),
        AgentError::TriggerOff(_) => Some("`agent.toml` in the state folder says so, under [triggers]"),
        _ => None,
    };
    coded(&error, error.code(), hint)
}

/// Downloads as a bar on standard error, when that is a terminal.
#[derive(Default)]
struct Bar {
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress for Bar {
    fn started(&self, channel: &Channel, transfer: Transfer, bytes: u64) {
        let what = if transfer == Transfer::Delta { "delta of " } else { "" };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}").expect("a template of ours");
        let bar = ProgressBar::new(bytes).with_style(style).with_message(format!("{what}{channel}"));
        *self.bar.lock().expect("nobody panics while drawing") = Some(bar);
    }

    fn advanced(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.lock().expect("nobody panics while drawing") {
            bar.inc(bytes);
        }
    }

    fn finished(&self, _: &Channel) {
        if let Some(bar) = self.bar.lock().expect("nobody panics while drawing").take() {
            bar.finish_and_clear();
        }
    }
}
