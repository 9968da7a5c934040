//! Releases by channel, with how many terminals run each.

use super::Fault;
use super::page::{ago, bar, columns, counted, link, nothing, number, page, size, table};
use super::session::SignedIn;
use crate::Channel;
use crate::service::AppState;
use crate::service::store::console::Held;
use crate::service::store::coverage::Fleet;
use axum::extract::State;
use maud::{Markup, html};
use std::collections::HashMap;

/// Releases of a channel that are shown, the newest, besides those that are still run.
const SHOWN: usize = 8;

pub(crate) async fn show(State(app): State<AppState>, who: SignedIn) -> Result<Markup, Fault> {
    let (held, fleet) = (app.store.held_releases().await?, app.store.fleet().await?);
    let running = running(&fleet);
    let body = html! {
        h1 { "Releases" }
        p.lead { "What makers publish, and how many terminals run it." }
        @if held.is_empty() { (table("Releases", &columns(&["channel"]), &nothing(1, "Nothing is published yet."))) }
        @for channel in held.chunk_by(|a, b| a.at.channel == b.at.channel) {
            section.block {
                h2 { (channel[0].at.channel.to_string()) }
                (releases(channel, &running))
            }
        }
    };
    Ok(page(&who, "/releases", "Releases", &body))
}

fn running(fleet: &Fleet) -> HashMap<(&Channel, u64), u64> {
    let mut running = HashMap::new();
    for held in &fleet.configurations {
        for at in &held.row.applied {
            *running.entry((&at.channel, at.release)).or_default() += held.terminals;
        }
    }
    running
}

fn releases(held: &[Held], running: &HashMap<(&Channel, u64), u64>) -> Markup {
    let count = |held: &Held| running.get(&(&held.at.channel, held.at.release)).copied().unwrap_or(0);
    let all: u64 = held.iter().map(count).sum();
    let newest = held.iter().rev().find(|held| held.listed).map(|held| held.at.release);
    let (shown, rest): (Vec<_>, Vec<_>) =
        held.iter().rev().enumerate().partition(|(place, held)| *place < SHOWN || count(held) > 0);
    let columns = columns(&["#release", "state", "published", "#size", "#terminals", ""]);
    html! {
        (table(&format!("Releases of {}", held[0].at.channel), &columns, &html! {
            @for (_, held) in &shown {
                @let runs = format!("{} {}", held.at.channel, held.at.release);
                tr {
                    th.n scope="row" { (held.at.release) }
                    td { (state(held, newest)) }
                    td { (ago(Some(held.published_at))) }
                    td.n { (size(held.length)) }
                    td.n {
                        @if count(held) > 0 { a href=(link("/terminals", &[("runs", &runs)])) { (number(count(held))) } }
                        @else { span.muted { "0" } }
                    }
                    td.grow { (bar(count(held), all, if held.withdrawn { "bad" } else if Some(held.at.release) == newest { "good" } else { "warn" })) }
                }
            }
        }))
        @if !rest.is_empty() { p.muted { (counted(rest.len() as u64, "older release is", "older releases are")) " run by nobody." } }
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
