//! What an operator looks at first: is the fleet current, is it heard of, is anything open?

use super::Fault;
use super::attention;
use super::lag::{GROUPS, Published};
use super::page::{ago, bar, columns, counted, danger, link, nothing, number, page, percent, table, text};
use super::session::SignedIn;
use crate::service::AppState;
use crate::service::coverage::rule::Releases;
use crate::service::coverage::{Open, by_threat};
use crate::service::store::console::FaultGroup;
use crate::service::store::coverage::Fleet;
use crate::wire::{Danger, RolloutState};
use axum::extract::State;
use maud::{Markup, html};
use std::collections::HashMap;

const DAY: i64 = 24 * 3600;
/// Open threats and faults that are shown here.
const SHOWN: usize = 8;

pub(crate) async fn show(State(app): State<AppState>, who: SignedIn) -> Result<Markup, Fault> {
    app.beacons.flush(&app.store).await;
    let (fleet, held) = (app.store.fleet().await?, app.store.held_releases().await?);
    let (threats, newest, counting) =
        (app.store.threats().await?, app.store.newest().await?, Releases::of(&app.store).await?);
    let now = super::page::now();
    let mut open = by_threat(&threats, &app.store.threat_ids().await?, &counting, &fleet, Danger::High);
    open.retain(|threat| threat.unprotected > 0 || threat.makers.0 == 0);
    let faults = app.store.faults(now - DAY).await?;
    let mut silent = Vec::new();
    for age in [DAY, 7 * DAY, 30 * DAY] {
        silent.push(app.store.silent_since(now - age).await?);
    }
    let never = app.store.silent_since(1).await?;
    let published = Published::new(&held);
    let attention = attention::list(&app, &fleet, &held).await?;
    let halted = app.store.rollouts_counted(RolloutState::Halted, "").await?;
    let body = html! {
        h1 { "Overview" }
        dl.tiles {
            (tile("Terminals", &number(fleet.terminals()), "/terminals", ""))
            (tile("Channels", &number(newest.len() as u64), "/releases", ""))
            (tile("Rollouts halted", &number(halted), "/rollouts", if halted == 0 { "good" } else { "bad" }))
            (tile("Dangerous threats open", &number(open.len() as u64), "/coverage", if open.is_empty() { "good" } else { "bad" }))
            (tile("Kinds of fault, last day", &number(faults.len() as u64), "/faults", if faults.is_empty() { "good" } else { "warn" }))
        }
        section { h2 { "Needs attention" } (attention) }
        div.columns {
            section { h2 { "How current" } (lags(&fleet, &published)) }
            section { h2 { "Last heard of" } (contacts(fleet.terminals(), &silent, never)) }
        }
        section { h2 { "Dangerous threats that are open" } (threats_open(&open, &fleet)) }
        section { h2 { "Faults of the last day" } (faults_shown(&faults)) }
    };
    Ok(page(&who, "", "Overview", &body))
}

fn tile(name: &str, figure: &str, path: &str, class: &str) -> Markup {
    html! { div.tile { dt { (name) } dd class=(class) { a href=(link(path, &[])) { (figure) } } } }
}

/// A row of a distribution: words that lead to the terminals, how many, share, bar.
fn share(words: &str, href: Option<&str>, terminals: u64, all: u64, class: &str) -> Markup {
    html! {
        tr {
            th scope="row" { @if let Some(href) = href { a href=(href) { (words) } } @else { (words) } }
            td.n { (number(terminals)) }
            td.n.muted { (percent(terminals, all)) }
            td.grow { (bar(terminals, all, class)) }
        }
    }
}

fn lags(fleet: &Fleet, published: &Published<'_>) -> Markup {
    let mut groups = HashMap::from([("unheard", fleet.unheard)]);
    for held in &fleet.configurations {
        *groups.entry(published.lag(&held.row).group()).or_default() += held.terminals;
    }
    let class = |group: &str| match group {
        "current" => "good",
        "one" | "few" => "warn",
        "unheard" => "muted",
        _ => "bad",
    };
    html! {
        table.shares {
            caption.unseen { "Terminals by how far they are behind" }
            tbody {
                @for (group, words) in GROUPS {
                    @let terminals = groups.get(group).copied().unwrap_or(0);
                    (share(words, Some(&link("/terminals", &[("lag", group)])), terminals, fleet.terminals(), class(group)))
                }
            }
        }
    }
}

/// `silent` holds how many were not heard of for a day, a week, a month; `never` is among all of them.
fn contacts(all: u64, silent: &[u64], never: u64) -> Markup {
    let [day, week, month] = [0, 1, 2].map(|place| silent[place].saturating_sub(never));
    let longest = link("/terminals", &[("sort", "contact")]);
    html! {
        table.shares {
            caption.unseen { "Terminals by their last contact" }
            tbody {
                (share("within a day", None, all.saturating_sub(day + never), all, "good"))
                (share("within a week", None, day.saturating_sub(week), all, "warn"))
                (share("within 30 days", None, week.saturating_sub(month), all, "bad"))
                (share("longer ago", Some(&longest), month, all, "bad"))
                (share("never", Some(&longest), never, all, "muted"))
            }
        }
    }
}

fn threats_open(open: &[Open], fleet: &Fleet) -> Markup {
    let all = fleet.terminals() - fleet.unheard;
    let rows = html! {
        @if open.is_empty() { (nothing(5, "None: every terminal that was heard of runs a cure for every dangerous threat.")) }
        @for threat in open.iter().take(SHOWN) {
            tr {
                th scope="row" { (super::coverage::name(threat)) }
                td { (danger(threat.danger)) }
                td.n { (number(threat.unprotected)) " " span.muted { "of " (number(all)) } }
                td.grow { (bar(threat.unprotected, all, "bad")) }
                td { (threat.makers.0) " of " (counted(threat.makers.1 as u64, "maker", "makers")) }
            }
        }
    };
    html! {
        (table("Dangerous threats that are open", &columns(&["threat", "danger", "#unprotected", "", "cure from"]), &rows))
        @if open.len() > SHOWN { p { a href=(link("/coverage", &[])) { "All " (open.len()) } } }
    }
}

fn faults_shown(faults: &[FaultGroup]) -> Markup {
    let rows = html! {
        @if faults.is_empty() { (nothing(4, "None was reported.")) }
        @for fault in faults.iter().take(SHOWN) {
            tr {
                th scope="row" { a href=(link("/faults", &[("code", &fault.code), ("step", &fault.step)])) { (text(&fault.code)) } }
                td { (text(&fault.step)) }
                td.n { (number(fault.terminals.unsigned_abs())) }
                td { (ago(Some(fault.last))) }
            }
        }
    };
    table("Faults of the last day", &columns(&["code", "step", "#terminals", "last"]), &rows)
}
