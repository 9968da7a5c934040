//! One rollout: its rings, how those in each fare, what it waits for, and who reported trouble.

use super::page::{
    ROWS, ago, at, bar, columns, link, nothing, number, page, pages, share_of, span, table, terminal, text, words,
};
use super::rollouts::{address, ring, state};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::decide::bucket_of;
use crate::decide::rings::{awaited, is_in, soak_minutes};
use crate::service::AppState;
use crate::service::store::console::{Told, Trouble};
use crate::wire::{Pin, Progress, Ring, Rollout, RolloutState};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

/// Terminals that are counted by ring. Somewhat more than those by which a rollout is judged, as more may have been noted at once.
const TOLD_MAX: usize = 20_000;

#[derive(Deserialize)]
pub(crate) struct Asked {
    /// `maker/name@RELEASE`.
    release: String,
    /// Where the last page of troubles ended.
    terminal: Option<String>,
    code: Option<String>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let unknown = || Fault::not_found("This release has no rollout.");
    let Pin(release) = asked.release.parse().map_err(|_| unknown())?;
    app.beacons.flush(&app.store).await;
    let rollout = app.store.rollout(&release).await?.ok_or_else(unknown)?;
    let now = super::page::now();
    let told = app.store.told(&rollout, now, TOLD_MAX).await?;
    let progress = app.store.progress(&rollout, now).await?;
    let after = (asked.terminal.as_deref().unwrap_or(""), asked.code.as_deref().unwrap_or(""));
    let troubles = app.store.troubles_with(&release, after, ROWS).await?;
    let blocked = app.store.blocked_one(&release).await?;
    let body = html! {
        p.crumb { a href=(link("/rollouts", &[])) { "Rollouts" } }
        h1 { (release.channel.to_string()) " " (release.release) }
        div.lead { (state(&rollout)) ": " (words(&rollout.words)) }
        @if let Some(row) = &blocked {
            div.note.bad-note { b { "Blocked" } " " (ago(Some(row.since))) ": nobody is assigned it. " (words(&row.blocked.words)) }
        }
        (facts(&rollout, &progress, now))
        section {
            h2 { "Rings" }
            (rings(&rollout, &told, now))
            @if told.len() == TOLD_MAX { p.muted { "The first " (number(TOLD_MAX as u64)) " terminals that were told are counted." } }
            @if rollout.state == RolloutState::Done { p.muted { "Who was told is forgotten when a rollout is done." } }
        }
        section { h2 { "Trouble with it" } (troubled(&rollout, &troubles)) (more(&asked, &rollout, &troubles)) }
    };
    Ok(page(&who, "/rollouts", &format!("Rollout of {} {}", release.channel, release.release), &body))
}

fn facts(rollout: &Rollout, progress: &Progress, now: i64) -> Markup {
    let gate = &rollout.gate;
    html! {
        dl.facts {
            div { dt { "Ring open since" } dd { (at(rollout.opened_at)) } }
            div { dt { "Reports count from" } dd { (at(rollout.counted_from)) } }
            div { dt { "Told" } dd { (number(progress.told)) } }
            div { dt { "Run it" } dd { (share_of(progress.installed, progress.told, "")) } }
            div { dt { "Trouble" } dd {
                (share_of(progress.trouble, progress.told, "bad-text")) span.muted { ", halts beyond " (gate.trouble_percent) " %" }
            } }
            div { dt { "Silent for " (number(gate.silent_minutes)) " minutes" } dd {
                (share_of(progress.silent, progress.told, "bad-text")) span.muted { ", halts beyond " (gate.silent_percent) " %" }
            } }
            div { dt { "Urgent" } dd { (if rollout.urgent { "yes: rings soak for less" } else { "no" }) } }
            @if let Some(awaited) = awaited(rollout, progress, now) {
                div { dt { "Waits for" } dd {
                    @match (awaited.soak_seconds, awaited.reports) {
                        (0, 0) => "nothing: it goes on within seconds",
                        (0, reports) => { (number(reports)) " more that run it well" }
                        (soak, 0) => { "its soak: " (span(soak)) }
                        (soak, reports) => { "its soak: " (span(soak)) ", and " (number(reports)) " more that run it well" }
                    }
                } }
            }
        }
    }
}

/// The first ring that a terminal is in.
fn ring_of(rings: &[Ring], told: &Told) -> Option<usize> {
    let bucket = bucket_of(&told.terminal);
    rings.iter().position(|ring| is_in(ring, told.group.as_deref(), bucket))
}

fn rings(rollout: &Rollout, told: &[Told], now: i64) -> Markup {
    let mut counts = vec![Progress::default(); rollout.rings.len()];
    for told in told {
        let Some(of) = ring_of(&rollout.rings, told).and_then(|place| counts.get_mut(place)) else { continue };
        of.told += 1;
        of.installed += u64::from(told.installed);
        of.trouble += u64::from(told.trouble);
        of.silent += u64::from(told.silent);
    }
    let names = ["#ring", "who", "state", "#soaks, minutes", "#told", "#run it", "", "#trouble", "#silent"];
    table(
        "Rings",
        &columns(&names),
        &html! {
            @for (place, (of, counts)) in rollout.rings.iter().zip(&counts).enumerate() {
                tr {
                    th.n scope="row" { (place + 1) }
                    td { (ring(of)) }
                    td { (stands(rollout, place, now)) }
                    td.n { (number(soak_minutes(rollout, of))) }
                    td.n { (number(counts.told)) }
                    td.n { (number(counts.installed)) }
                    td.grow { (bar(counts.installed, counts.told, "good")) }
                    td.n { (share_of(counts.trouble, counts.told, "bad-text")) }
                    td.n { (share_of(counts.silent, counts.told, "bad-text")) }
                }
            }
        },
    )
}

/// How a ring stands, by its place.
fn stands(rollout: &Rollout, place: usize, now: i64) -> Markup {
    let since = span(now - rollout.opened_at);
    html! {
        @match (rollout.state, place.cmp(&rollout.ring)) {
            (RolloutState::Done, _) => { span.tag.good { "open" } }
            (_, std::cmp::Ordering::Greater) => { span.tag { "waits" } }
            (RolloutState::Halted, _) => { span.tag.bad { "halted" } }
            (_, std::cmp::Ordering::Less) => { span.tag.good { "open" } }
            (_, std::cmp::Ordering::Equal) => { span.tag.warn { "soaks" } " " span.muted.nowrap { "for " (since) } }
        }
    }
}

fn troubled(rollout: &Rollout, troubles: &[Trouble]) -> Markup {
    table(
        "Trouble with the release",
        &columns(&["terminal", "code", "time", "counts"]),
        &html! {
            @if troubles.is_empty() { (nothing(4, "None was reported.")) }
            @for trouble in troubles {
                tr {
                    th.id scope="row" { (terminal(&trouble.terminal)) }
                    td { (text(&trouble.code)) }
                    td { (at(trouble.at)) }
                    td { @if trouble.at >= rollout.counted_from { "yes" } @else { span.muted { "no: it was before" } } }
                }
            }
        },
    )
}

fn more(asked: &Asked, rollout: &Rollout, troubles: &[Trouble]) -> Markup {
    let release = Pin(rollout.at.clone()).to_string();
    let next = troubles
        .last()
        .filter(|_| troubles.len() == ROWS)
        .map(|last| link("/rollout", &[("release", &release), ("terminal", &last.terminal), ("code", &last.code)]));
    pages(asked.terminal.as_ref().map(|_| address(&rollout.at)).as_deref(), next.as_deref())
}
