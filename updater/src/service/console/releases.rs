//! Releases by channel, with how many terminals run each.

use super::page::{ago, bar, columns, counted, group, grouped, link, nothing, number, page, pages, size, typed};
use super::rollouts::{self, address};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::Channel;
use crate::service::AppState;
use crate::service::store::console::Held;
use crate::service::store::coverage::Fleet;
use crate::wire::{Blocked, ChannelRelease, Rollout};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::HashMap;

/// Releases of a channel that are shown, the newest, besides those that are still run.
const SHOWN: usize = 8;
/// Columns of the table.
const COLUMNS: u32 = 7;
/// Channels on one page.
const CHANNELS: usize = 20;

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    page: Option<usize>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let (held, fleet) = (app.store.held_releases().await?, app.store.fleet().await?);
    let (blocked, rollouts) = (app.store.blocked().await?, app.store.rollouts().await?);
    let said = Said { running: running(&fleet), blocked: &blocked, rollouts: &rollouts };
    let q = typed(asked.q.as_ref());
    let found = held.chunk_by(|a, b| a.at.channel == b.at.channel);
    let found: Vec<_> = found.filter(|held| held[0].at.channel.as_str().contains(q)).collect();
    let number = asked.page.unwrap_or(0);
    let shown = found.iter().skip(number.saturating_mul(CHANNELS)).take(CHANNELS);
    let here =
        |page: usize| link("/releases", &[("q", q), ("page", &if page == 0 { String::new() } else { page.to_string() })]);
    let more = found.len() > number.saturating_add(1).saturating_mul(CHANNELS);
    let body = html! {
        h1 { "Releases" }
        p.lead { "What makers publish, and how many terminals run it." }
        form.find role="search" method="get" {
            label { "Channel" input type="search" name="q" value=(q); }
            button type="submit" { "Find" }
        }
        (grouped("Releases", &columns(&["#release", "state", "rollout", "published", "#size", "#terminals", ""]), &html! {
            @if found.is_empty() { tbody { (nothing(COLUMNS, "No channel is like that.")) } }
            @for channel in shown { (group(COLUMNS, &html! { (channel[0].at.channel.to_string()) }, &releases(channel, &said))) }
        }))
        (pages((number > 0).then(|| here(0)).as_deref(), more.then(|| here(number + 1)).as_deref()))
    };
    Ok(page(&who, "/releases", "Releases", &body))
}

/// What the tables say of releases besides.
struct Said<'a> {
    running: HashMap<(&'a Channel, u64), u64>,
    blocked: &'a [Blocked],
    rollouts: &'a [Rollout],
}

/// Where the terminals that run a release are listed.
pub(crate) fn runs(at: &ChannelRelease) -> String {
    link("/terminals", &[("runs", &format!("{} {}", at.channel, at.release))])
}

/// How many terminals run each release.
pub(crate) fn running(fleet: &Fleet) -> HashMap<(&Channel, u64), u64> {
    let mut running = HashMap::new();
    for held in &fleet.configurations {
        for at in &held.row.applied {
            *running.entry((&at.channel, at.release)).or_default() += held.terminals;
        }
    }
    running
}

fn releases(held: &[Held], said: &Said<'_>) -> Markup {
    let count = |held: &Held| said.running.get(&(&held.at.channel, held.at.release)).copied().unwrap_or(0);
    let all: u64 = held.iter().map(count).sum();
    let newest = held.iter().rev().find(|held| held.listed).map(|held| held.at.release);
    let (shown, rest): (Vec<_>, Vec<_>) =
        held.iter().rev().enumerate().partition(|(place, held)| *place < SHOWN || count(held) > 0);
    html! {
            @for (_, held) in &shown {
                tr {
                    th.n scope="row" { (held.at.release) }
                    td { (state(held, newest)) @if said.blocked.iter().any(|blocked| blocked.at == held.at) { " " span.tag.bad { "blocked" } } }
                    td {
                        @if let Some(rollout) = said.rollouts.iter().find(|rollout| rollout.at == held.at) {
                            a href=(address(&held.at)) { (rollouts::state(rollout)) }
                        } @else { span.muted { "–" } }
                    }
                    td { (ago(Some(held.published_at))) }
                    td.n { (size(held.length)) }
                    td.n {
                        @if count(held) > 0 { a href=(runs(&held.at)) { (number(count(held))) } }
                        @else { span.muted { "0" } }
                    }
                    td.grow { (bar(count(held), all, if held.withdrawn { "bad" } else if Some(held.at.release) == newest { "good" } else { "warn" })) }
                }
            }
        @if !rest.is_empty() {
            tr { td.muted colspan=(COLUMNS) { (counted(rest.len() as u64, "older release is", "older releases are")) " run by nobody." } }
        }
    }
}

fn state(held: &Held, newest: Option<u64>) -> Markup {
    html! {
        @if held.withdrawn { span.tag.bad { "withdrawn" } }
        @else if Some(held.at.release) == newest { span.tag.good { "newest" } }
        @else if held.listed { span.tag { "listed" } }
        @else { span.muted { "not listed any more" } }
    }
}
