//! `titer admin` on decisions: policies, rollouts, blocked releases, needs, groups, and why.

use crate::args::admin::{DecisionCommand, PolicyCommand, ReleaseCommand, RolloutCommand};
use crate::output::{coded, read, remark, say, write_json};
use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use updater::operator::Operator;
use updater::wire::{
    Blocked, ChannelRelease, DEFAULT_POLICY, Explanation, MakerRecord, Needs, Policies, Policy, Ring, Rollout, RolloutStart,
    RolloutView, check_rings,
};

/// Runs one of them.
pub(crate) async fn run(operator: &Operator, command: &DecisionCommand, json: bool) -> anyhow::Result<()> {
    match command {
        DecisionCommand::Policy { command } => policy(operator, command, json).await,
        DecisionCommand::Rollout { command } => rollout(operator, command, json).await,
        DecisionCommand::Release { command } => release(operator, command, json).await,
        DecisionCommand::Makers => {
            let records = operator.makers_record().await?;
            if json {
                return lines(&records);
            }
            print_records(&records);
            Ok(())
        }
        DecisionCommand::Explain { terminal } => {
            let explained = operator.explain(terminal).await?;
            if json {
                return line(&explained);
            }
            print_explanation(&explained);
            Ok(())
        }
        DecisionCommand::Assign(asked) => super::assign::run(operator, asked, json).await,
        DecisionCommand::Group { terminal, group } => {
            operator.put_group(terminal, group.as_deref()).await?;
            match group {
                Some(group) => say!("terminal {terminal} is in group {group}"),
                None => say!("terminal {terminal} is in the group that it names itself, if any"),
            }
            Ok(())
        }
        DecisionCommand::Needs { channel, file } => {
            if let (Some(channel), Some(file)) = (channel, file) {
                let needs = Needs::from_toml(&text(file)?).map_err(|e| of_file(file, e))?;
                operator.put_needs(channel, &needs).await?;
                say!("what {channel} needs is put");
                return Ok(());
            }
            let needs = operator.needs().await?;
            if json {
                return lines(&needs);
            }
            needs.iter().try_for_each(|of| {
                say!("{} {}", of.channel, serde_json::to_string(&of.needs)?);
                Ok(())
            })
        }
    }
}

async fn policy(operator: &Operator, command: &PolicyCommand, json: bool) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Show { group } => {
            let policies = operator.policies().await?;
            let shown = match group.as_deref() {
                None | Some(DEFAULT_POLICY) => Some(&policies.default),
                Some(group) => policies.groups.get(group),
            };
            let Some(shown) = shown else {
                let words = format!("no policy `{}` was put; the default one applies", group.as_deref().unwrap_or_default());
                return Err(coded(&words, "policy_unknown", Some("`titer admin policy show` names those that were")));
            };
            match (json, group) {
                (true, None) => line(&policies),
                (true, Some(_)) => line(shown),
                (false, _) => {
                    print_policy(&policies, shown, group.is_none());
                    Ok(())
                }
            }
        }
        PolicyCommand::Set { file, group } => {
            let policy = Policy::from_toml(&text(file)?).map_err(|e| of_file(file, e))?;
            operator.put_policy(group, &policy).await?;
            say!("policy {group} is put");
            Ok(())
        }
        PolicyCommand::Clear { group } => {
            operator.drop_policy(group).await?;
            say!("policy {group} is taken away");
            Ok(())
        }
    }
}

/// A policy as a file that can be put again; what else is said are remarks of that file.
fn print_policy(policies: &Policies, shown: &Policy, names_groups: bool) {
    if names_groups && !policies.groups.is_empty() {
        let groups = policies.groups.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        say!("# The default policy. These groups have their own, which --group GROUP shows: {groups}");
    }
    say!("{}", shown.to_toml().trim_end());
}

async fn rollout(operator: &Operator, command: &RolloutCommand, json: bool) -> anyhow::Result<()> {
    match command {
        RolloutCommand::Start { at, percent, group, soak_minutes, reports } => {
            let usual = Ring::percent(100);
            let patience = |ring: Ring| Ring {
                soak_minutes: soak_minutes.unwrap_or(usual.soak_minutes),
                reports: reports.unwrap_or(usual.reports),
                ..ring
            };
            let groups = group.iter().map(|group| Ring::group(group));
            let rings =
                groups.chain(percent.iter().map(|percent| Ring::percent(*percent))).map(patience).collect::<Vec<_>>();
            check_rings(&rings).map_err(anyhow::Error::msg)?;
            let started = operator.start_rollout(&RolloutStart { at: at.0.clone(), rings, gate: None }).await?;
            told(&started, json)
        }
        RolloutCommand::Status => {
            if !json {
                print_rollouts_head();
            }
            let mut last = None;
            while let Some(page) = operator.rollouts_after(last.as_ref()).await? {
                if json {
                    lines(&page)?;
                } else {
                    print_rollouts(&page);
                }
                last = page.into_iter().next_back();
            }
            Ok(())
        }
        RolloutCommand::Halt { at } => told(&operator.halt_rollout(&at.0).await?, json),
        RolloutCommand::Resume { at } => told(&operator.resume_rollout(&at.0).await?, json),
    }
}

async fn release(operator: &Operator, command: &ReleaseCommand, json: bool) -> anyhow::Result<()> {
    match command {
        ReleaseCommand::Block { at, words } => {
            operator.block(&Blocked { at: at.0.clone(), words: words.clone().unwrap_or_default() }).await?;
            say!("{at} is blocked: terminals leave it at their next contact, as far as they can");
            remark_unknown(operator, &at.0).await;
        }
        ReleaseCommand::Unblock { at } => {
            operator.unblock(&at.0).await?;
            say!("{at} may be assigned again");
        }
        ReleaseCommand::Kept(command) => return super::releases::run(operator, command, json).await,
        ReleaseCommand::Blocked => {
            let blocked = operator.blocked().await?;
            if json {
                return lines(&blocked);
            }
            for one in &blocked {
                say!("{} {} {}", one.at.channel, one.at.release, one.words);
            }
        }
    }
    Ok(())
}

/// A release may be blocked before it comes, so a slip of the pen is no error; but whoever blocks in a hurry must learn that it stops nothing.
async fn remark_unknown(operator: &Operator, at: &ChannelRelease) {
    let ChannelRelease { channel, release } = at;
    match operator.release(at).await {
        Ok(None) => {
            remark!(
                "warning: release {release} of {channel} was never published here; if that is misspelt, nothing is stopped yet"
            );
            remark!("hint: `titer admin release list` shows what was");
        }
        Ok(Some(_)) => {}
        Err(error) => {
            remark!("warning: whether release {release} of {channel} was ever published could not be asked: {error}");
        }
    }
}

fn text(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(file)?).with_context(|| format!("{} is not UTF-8", file.display()))
}

fn of_file(file: &Path, error: String) -> anyhow::Error {
    anyhow::anyhow!("{} cannot be understood: {error}", file.display())
}

fn line<T: Serialize>(value: &T) -> anyhow::Result<()> {
    Ok(write_json(&mut std::io::stdout(), &serde_json::json!(value))?)
}

fn lines<T: Serialize>(values: &[T]) -> anyhow::Result<()> {
    values.iter().try_for_each(line)
}

fn told(rollout: &Rollout, json: bool) -> anyhow::Result<()> {
    if json {
        return line(rollout);
    }
    let Rollout { at, state, ring, rings, words, .. } = rollout;
    say!("{}@{} is {}, ring {} of {}: {words}", at.channel, at.release, code(state), ring + 1, rings.len());
    Ok(())
}

fn print_rollouts_head() {
    say!(
        "{:<32} {:<8} {:<6} {:>7} {:>9} {:>7} {:>6}  why",
        "release",
        "state",
        "ring",
        "told",
        "installed",
        "trouble",
        "silent"
    );
}

fn print_rollouts(rollouts: &[RolloutView]) {
    for RolloutView { rollout, progress } in rollouts {
        say!(
            "{:<32} {:<8} {:<6} {:>7} {:>9} {:>7} {:>6}  {}",
            format!("{}@{}", rollout.at.channel, rollout.at.release),
            code(&rollout.state),
            format!("{}/{}", rollout.ring + 1, rollout.rings.len()),
            progress.told,
            progress.installed,
            progress.trouble,
            progress.silent,
            rollout.words,
        );
    }
}

fn print_records(records: &[MakerRecord]) {
    say!("{:>4} {:<39} {:>11} {:>6} {:>8} {:>15}", "rank", "maker", "median days", "cured", "no cure", "false positives");
    for record in records {
        let median = record.median_days.map_or_else(|| "-".to_owned(), |days| days.to_string());
        let MakerRecord { rank, maker, cured, uncured, false_positives, .. } = record;
        say!("{rank:>4} {:<39} {median:>11} {cured:>6} {uncured:>8} {false_positives:>15}", maker.as_str());
    }
}

fn print_explanation(explained: &Explanation) {
    let Explanation { terminal, group, policy_name, machine, designation, subscribed, applied, .. } = explained;
    say!("terminal {terminal}");
    say!("  group       {}", group.as_deref().unwrap_or("-"));
    say!("  policy      {policy_name}");
    say!("  machine     {} {}, scanner {}", machine.hardware, machine.os, machine.engine_version);
    say!("  accepts     {}", designation);
    say!("  subscribed  {}", subscribed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    say!("  runs        {}", super::releases(applied));
    say!();
    for tried in &explained.tried {
        say!("{:<4} {:<20} {}", if tried.yes { "yes" } else { "no" }, code(&tried.rule), tried.words);
    }
    if !explained.candidates.is_empty() {
        say!();
        say!("{:<32} {:<9} {:>4}  cures", "candidate", "accepted", "rank");
    }
    for candidate in &explained.candidates {
        let lacks =
            if candidate.lacks.is_empty() { String::new() } else { format!("; lacks {}", candidate.lacks.join(", ")) };
        let at = format!("{} {}", candidate.at.channel, candidate.at.release);
        let accepted = if candidate.accepted { "yes" } else { "no" };
        say!("{at:<32} {accepted:<9} {:>4}  {}{lacks}", candidate.rank, candidate.cures.join(", "));
    }
    if !explained.threats.is_empty() {
        say!();
        super::print_threats(&explained.threats);
    }
    say!();
    let assignment = &explained.assignment;
    say!("shall run {}: {} ({})", super::releases(&assignment.channels), assignment.words, assignment.reason.code());
}

/// A value's word in JSON.
fn code<T: Serialize>(value: &T) -> String {
    let value = serde_json::json!(value);
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
