//! One terminal: its row, why it runs what it runs, what it lacks, what it reported.

use super::decision::explained;
use super::lag::Published;
use super::one_offs::given;
use super::page::{
    ROWS, ago, at, columns, danger, designation, link, nothing, numbered, page, page_text, pages, prose, releases, size,
    slice, table, text, words,
};
use super::session::SignedIn;
use super::terminals::{held_by, marks, reason};
use super::{Address, Fault};
use crate::decide::UserRow;
use crate::service::AppState;
use crate::service::coverage::by_meaning;
use crate::service::coverage::rule::{Cures, Releases};
use crate::service::store::Store;
use crate::service::store::StoreError;
use crate::service::store::console::Report;
use crate::wire::{Danger, Explanation, Gap, TerminalRow};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Asked {
    id: String,
    /// Which page of the threats.
    page: Option<u32>,
    /// Reports before this one.
    before: Option<i64>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    app.beacons.flush(&app.store).await;
    let listed = app.store.terminal_row(&asked.id).await?;
    let listed = listed.ok_or_else(|| Fault::not_found("No terminal has this number."))?;
    let held = app.store.held_releases().await?;
    let row = held_by(&listed.row);
    let lag = Published::new(&held).lag(&row);
    let open = open(&app.store, &row).await?;
    let reports = app.store.reports_of(&asked.id, asked.before.unwrap_or(i64::MAX), ROWS).await?;
    let explanation = match app.store.terminal(&asked.id).await? {
        Some(known) => {
            Some(app.beacons.tables(&app.store).await?.prepared.explain(&asked.id, &known.row, super::page::now()))
        }
        None => None,
    };
    let now = super::page::now();
    let number = asked.page.unwrap_or(0);
    let body = html! {
        p.crumb { a href=(link("/terminals", &[])) { "Terminals" } }
        h1.id { (prose(&listed.row.terminal)) }
        @if let Some(explanation) = &explanation { (facts(&listed.row, explanation, &lag.shown(now))) }
        section {
            h2 { "Why it runs that" }
            @if let Some(explanation) = &explanation {
                (explained(explanation))
                @if !explanation.one_offs.is_empty() { h3 { "What it alone was given" } (given(&explanation.one_offs)) }
            }
        }
        section {
            h2 { "Dangerous threats it is unprotected against" }
            (unprotected(slice(&open, number)))
            (numbered(number, open.len() as u64, |page| link("/terminal", &[("id", &asked.id), ("page", &page_text(page))])))
        }
        section { h2 { "Reports" } (reported(&reports)) (more(&asked, &reports)) }
    };
    Ok(page(&who, "/terminals", "Terminal", &body))
}

fn facts(row: &TerminalRow, explanation: &Explanation, lag: &Markup) -> Markup {
    let facts = &row.facts;
    html! {
        dl.facts {
            div { dt { "Hardware" } dd { (prose(&facts.hardware)) } }
            div { dt { "System" } dd { (prose(&facts.os)) } }
            div { dt { "Scanner" } dd { (prose(&facts.engine_version)) } }
            div { dt { "Memory" } dd {
                @if let Some(bytes) = facts.memory_bytes { (size(bytes)) } @else { span.muted { "not told" } }
            } }
            div { dt { "Group" } dd {
                @if let Some(group) = &explanation.group { (prose(group)) } @else { span.muted { "none" } }
                span.muted { " · policy " (text(&explanation.policy_name)) }
            } }
            div { dt { "Accepts" } dd { (designation(&facts.designation)) } }
            div { dt { "Subscribed to" } dd {
                @for (place, channel) in facts.subscribed.iter().enumerate() { @if place > 0 { ", " } (channel.to_string()) }
            } }
            div { dt { "Runs" } dd { (releases(&row.applied)) } }
            div { dt { "Lag" } dd { (lag) } }
            div { dt { "Last contact" } dd { (ago(row.last_contact)) } }
            div { dt { "Enrolled" } dd { (at(row.enrolled_at)) } }
            div { dt { "State" } dd { (standing(row)) } }
            div { dt { "Trouble" } dd { @if let Some(code) = &row.trouble { span.tag.bad { (text(code)) } } @else { "none" } } }
            div { dt { "Done to it and by it" } dd {
                a href=(link("/audit", &[("who", &format!("terminal:{}", row.terminal))])) { "audit log" }
            } }
            @if !facts.features.is_empty() { div.wide { dt { "Features" } dd { (words(&facts.features.join(", "))) } } }
            div.wide { dt { "Told at its last contact" } dd {
                (reason(row.reason.as_deref()))
                @if let Some(words) = &row.words { ": " (prose(words)) }
            } }
        }
    }
}

/// Whether it is served, with since when it is not.
fn standing(row: &TerminalRow) -> Markup {
    html! {
        (marks(row))
        @if let Some(since) = row.revoked_at { span.muted { (at(since)) } }
        @else if let Some(since) = row.cloned_at { span.muted { (at(since)) } }
        @else if !row.pending { "served" }
    }
}

fn unprotected(open: &[(String, Gap)]) -> Markup {
    table(
        "Dangerous threats",
        &columns(&["threat", "danger", "why"]),
        &html! {
            @if open.is_empty() { (nothing(3, "None.")) }
            @for (threat, gap) in open {
                tr {
                    th scope="row" { a href=(link("/coverage", &[("threat", threat)])) { (text(threat)) } }
                    td { (danger(Danger::High)) }
                    td { (gap.code().replace('_', " ")) }
                }
            }
        },
    )
}

fn more(asked: &Asked, reports: &[Report]) -> Markup {
    let next = reports.last().filter(|_| reports.len() == ROWS);
    let next = next.map(|last| link("/terminal", &[("id", &asked.id), ("before", &last.id.to_string())]));
    pages(asked.before.map(|_| link("/terminal", &[("id", &asked.id)])).as_deref(), next.as_deref())
}

/// Dangerous threats for which this terminal has no cure, and why.
async fn open(store: &Store, row: &UserRow) -> Result<Vec<(String, Gap)>, StoreError> {
    let (threats, ids, releases) = (store.threats().await?, store.threat_ids().await?, Releases::of(store).await?);
    let threats = by_meaning(&threats, &ids).into_values();
    let dangerous = threats.filter(|rows| rows.iter().any(|row| row.news.danger == Danger::High));
    let open = dangerous.filter_map(|rows| {
        let name = rows.iter().map(|row| &row.news.threat).min()?;
        let gap = Cures::new(rows.iter().copied(), &releases, None).gap(row)?;
        Some((name.clone(), gap))
    });
    Ok(open.collect())
}

fn reported(reports: &[Report]) -> Markup {
    table(
        "Reports",
        &columns(&["time", "outcome", "#generation", "step", "code", "words"]),
        &html! {
            @if reports.is_empty() { (nothing(6, "It has reported nothing yet.")) }
            @for report in reports {
                tr {
                    td.nowrap { (at(report.at)) }
                    td { span class=(if report.outcome == "trouble" { "tag bad" } else { "tag good" }) { (text(&report.outcome)) } }
                    td.n { @if let Some(generation) = report.generation { (generation) } }
                    td { @if let Some(step) = &report.step { (text(step)) } }
                    td { @if let Some(code) = &report.code { (text(code)) } }
                    td.words { @if let Some(said) = &report.words { (words(said)) } }
                }
            }
        },
    )
}
