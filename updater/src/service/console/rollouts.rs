//! Which release is open to whom: rollouts by state, what is blocked, and what new releases get.

use super::page::{
    ROWS, ago, before, columns, link, nothing, number, numbered, page, page_text, release, share_of, table, text, typed,
    words,
};
use super::releases::running;
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::service::store::console::BlockedRow;
use crate::service::store::coverage::Fleet;
use crate::wire::{ChannelRelease, Pin, Progress, Ring, Rollout, RolloutPolicy, RolloutState};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

/// Rollouts of each state on the page of all states.
const EACH: usize = 10;
const STATES: [(RolloutState, &str, &str); 3] = [
    (RolloutState::Halted, "halted", "Halted"),
    (RolloutState::Running, "running", "Running"),
    (RolloutState::Done, "done", "Done"),
];

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    state: Option<String>,
    page: Option<u32>,
}

impl Asked {
    fn q(&self) -> &str {
        typed(self.q.as_ref())
    }

    fn state(&self) -> &str {
        let known = |state: &&str| *state == "blocked" || STATES.iter().any(|(_, word, _)| word == state);
        self.state.as_deref().filter(known).unwrap_or("")
    }

    fn link(&self, state: &str, page: u32) -> String {
        link("/rollouts", &[("q", self.q()), ("state", state), ("page", &page_text(page))])
    }
}

/// A rollout with its counts, where they are kept.
type Counted = (Rollout, Option<Progress>);

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    app.beacons.flush(&app.store).await;
    let wanted = asked.state();
    let (limit, number) = if wanted.is_empty() { (EACH, 0) } else { (ROWS, asked.page.unwrap_or(0)) };
    let mut sections = Vec::new();
    for (state, word, title) in STATES.into_iter().filter(|(_, word, _)| wanted.is_empty() || *word == wanted) {
        let all = app.store.rollouts_counted(state, asked.q()).await?;
        let mut rows = Vec::new();
        for rollout in app.store.rollouts_in(state, asked.q(), before(number), limit).await? {
            let progress = match state {
                RolloutState::Done => None,
                _ => Some(app.store.progress(&rollout, super::page::now()).await?),
            };
            rows.push((rollout, progress));
        }
        sections.push((word, title, all, rolled(title, &rows)));
    }
    if wanted.is_empty() || wanted == "blocked" {
        let rows = app.store.blocked_page(asked.q(), before(number), limit).await?;
        let all = app.store.blocked_counted(asked.q()).await?;
        sections.push(("blocked", "Blocked by the kill switch", all, blocked(&rows, &app.store.fleet().await?)));
    }
    let (policies, _) = app.store.policies().await?;
    let body = html! {
        h1 { "Rollouts" }
        p.lead { "To whom new releases are open, and what those report who were told of them." }
        (form(&asked))
        @for (word, title, all, rows) in &sections {
            section {
                h2 { (title) " " span.muted { (super::page::number(*all)) } }
                (rows)
                @if wanted.is_empty() && *all > EACH as u64 { p { a href=(asked.link(word, 0)) { "All " (super::page::number(*all)) } } }
                @if !wanted.is_empty() { (numbered(number, *all, |page| asked.link(word, page))) }
            }
        }
        section { h2 { "What the policy gives new releases" } (by_policy(&policies.default.rollout)) }
    };
    Ok(page(&who, "/rollouts", "Rollouts", &body))
}

fn form(asked: &Asked) -> Markup {
    html! {
        form.find role="search" method="get" {
            label { "Channel" input type="search" name="q" value=(asked.q()); }
            label { "State" select name="state" {
                option value="" { "any" }
                @for (_, word, _) in STATES { option value=(word) selected[word == asked.state()] { (word) } }
                option value="blocked" selected[asked.state() == "blocked"] { "blocked" }
            } }
            button type="submit" { "Show" }
        }
    }
}

fn rolled(title: &str, rows: &[Counted]) -> Markup {
    let names = ["release", "state", "open to", "since", "#told", "#run it", "#trouble", "#silent", "why"];
    table(
        &format!("{title} rollouts"),
        &columns(&names),
        &html! {
            @if rows.is_empty() { (nothing(9, "None.")) }
            @for (rollout, progress) in rows {
                tr {
                    th scope="row" { a href=(address(&rollout.at)) { (release(&rollout.at)) } }
                    td { (state(rollout)) }
                    td { (open_to(rollout)) }
                    td { (ago(Some(rollout.opened_at))) }
                    @if let Some(counts) = progress {
                        td.n { (number(counts.told)) }
                        td.n { (share_of(counts.installed, counts.told, "")) }
                        td.n { (share_of(counts.trouble, counts.told, "bad-text")) }
                        td.n { (share_of(counts.silent, counts.told, "bad-text")) }
                    } @else { @for _ in 0..4 { td.n.muted { "–" } } }
                    td.words { (words(&rollout.words)) }
                }
            }
        },
    )
}

/// Where the page of a release's rollout is.
pub(crate) fn address(at: &ChannelRelease) -> String {
    link("/rollout", &[("release", &Pin(at.clone()).to_string())])
}

/// By word and colour, with the ring where one is open.
pub(crate) fn state(rollout: &Rollout) -> Markup {
    let ring = format!("ring {} of {}", rollout.ring + 1, rollout.rings.len());
    html! {
        @match rollout.state {
            RolloutState::Halted => { span.tag.bad { "halted" } " " span.muted.nowrap { "in " (ring) } }
            RolloutState::Running => { span.tag.warn { "running" } " " span.muted.nowrap { (ring) } }
            RolloutState::Done => { span.tag.good { "done" } }
        }
        @if rollout.urgent && rollout.state != RolloutState::Done { " " span.tag { "urgent" } }
    }
}

fn open_to(rollout: &Rollout) -> Markup {
    html! {
        @match rollout.state {
            RolloutState::Done => "everybody",
            RolloutState::Halted => "nobody else",
            RolloutState::Running => {
                @for (place, of) in rollout.rings.iter().take(rollout.ring + 1).enumerate() { @if place > 0 { ", " } (ring(of)) }
            }
        }
    }
}

/// Who is in a ring.
pub(crate) fn ring(ring: &Ring) -> Markup {
    html! {
        @if let Some(group) = &ring.group { "group " (text(group)) }
        @else if ring.percent == Some(100) { "everybody" }
        @else if let Some(percent) = ring.percent { (percent) " %" }
    }
}

fn blocked(rows: &[BlockedRow], fleet: &Fleet) -> Markup {
    let running = running(fleet);
    table(
        "Blocked releases",
        &columns(&["release", "since", "#still run by", "why"]),
        &html! {
            @if rows.is_empty() { (nothing(4, "None.")) }
            @for BlockedRow { blocked, since } in rows {
                @let terminals = running.get(&(&blocked.at.channel, blocked.at.release)).copied().unwrap_or(0);
                tr {
                    th scope="row" { (release(&blocked.at)) }
                    td { (ago(Some(*since))) }
                    td.n {
                        @if terminals > 0 { a href=(super::releases::runs(&blocked.at)) { (number(terminals)) } }
                        @else { span.muted { "0" } }
                    }
                    td.words { (words(&blocked.words)) }
                }
            }
        },
    )
}

fn by_policy(policy: &RolloutPolicy) -> Markup {
    let gate = &policy.gate;
    html! {
        @if policy.rings.is_empty() {
            p.muted { "No rings: every release is for everybody at once." }
        } @else {
            (table("Rings of new releases", &columns(&["#ring", "who", "#soaks, minutes", "#must run it"]), &html! {
                @for (place, of) in policy.rings.iter().enumerate() {
                    tr {
                        th.n scope="row" { (place + 1) }
                        td { (ring(of)) }
                        td.n { (number(of.soak_minutes)) }
                        td.n { (number(of.reports)) }
                    }
                }
            }))
            p.muted {
                "Halted when more than " (gate.trouble_percent) " % of those told report trouble, or more than " (gate.silent_percent)
                " % are not heard of for " (number(gate.silent_minutes)) " minutes."
            }
        }
    }
}
