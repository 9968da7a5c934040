//! One terminal: its row, why it runs what it runs, what it lacks, what it reported.

use super::Fault;
use super::lag::Published;
use super::page::{ago, at, columns, danger, designation, link, nothing, page, prose, releases, table, text, words};
use super::session::SignedIn;
use super::terminals::{held_by, reason};
use crate::decide::UserRow;
use crate::service::AppState;
use crate::service::coverage::rule::Cures;
use crate::service::store::Store;
use crate::service::store::StoreError;
use crate::service::store::console::Report;
use crate::wire::{Danger, Gap, TerminalRow};
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

const REPORTS: usize = 50;
/// Dangerous threats that are named.
const THREATS: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Asked {
    id: String,
}

pub(crate) async fn show(State(app): State<AppState>, who: SignedIn, Query(asked): Query<Asked>) -> Result<Markup, Fault> {
    app.beacons.flush(&app.store).await;
    let listed = app.store.terminal_row(&asked.id).await?;
    let listed = listed.ok_or_else(|| Fault::not_found("No terminal has this number."))?;
    let held = app.store.held_releases().await?;
    let row = held_by(&listed.row);
    let lag = Published::new(&held).lag(&row);
    let open = open(&app.store, &row).await?;
    let reports = app.store.reports_of(&asked.id, REPORTS).await?;
    let now = super::page::now();
    let body = html! {
        p.crumb { a href=(link("/terminals", &[])) { "Terminals" } }
        h1.id { (prose(&listed.row.terminal)) }
        (facts(&listed.row, &lag.shown(now)))
        section {
            h2 { "Dangerous threats it is unprotected against" }
            (table("Dangerous threats", &columns(&["threat", "danger", "why"]), &html! {
                @if open.is_empty() { (nothing(3, "None.")) }
                @for (threat, gap) in open.iter().take(THREATS) {
                    tr {
                        th scope="row" { a href=(link("/coverage", &[("threat", threat)])) { (text(threat)) } }
                        td { (danger(Danger::High)) }
                        td { (gap.code().replace('_', " ")) }
                    }
                }
            }))
            @if open.len() > THREATS { p.muted { "The first " (THREATS) " of " (open.len()) "." } }
        }
        section { h2 { "Reports" } (reported(&reports)) }
    };
    Ok(page(&who, "/terminals", "Terminal", &body))
}

fn facts(row: &TerminalRow, lag: &Markup) -> Markup {
    let facts = &row.facts;
    html! {
        dl.facts {
            div { dt { "Hardware" } dd { (prose(&facts.hardware)) } }
            div { dt { "System" } dd { (prose(&facts.os)) } }
            div { dt { "Scanner" } dd { (prose(&facts.engine_version)) } }
            div { dt { "Accepts" } dd { (designation(&facts.designation)) } }
            div { dt { "Subscribed to" } dd {
                @for (place, channel) in facts.subscribed.iter().enumerate() { @if place > 0 { ", " } (channel.to_string()) }
            } }
            div { dt { "Runs" } dd { (releases(&row.applied)) } }
            div { dt { "Lag" } dd { (lag) } }
            div { dt { "Enrolled" } dd { (at(row.enrolled_at)) } }
            div { dt { "Last contact" } dd { (ago(row.last_contact)) } }
            div { dt { "Trouble" } dd { @if let Some(code) = &row.trouble { span.tag.bad { (text(code)) } } @else { "none" } } }
            div.wide { dt { "Told" } dd {
                (reason(row.reason.as_deref()))
                @if let Some(words) = &row.words { ": " (prose(words)) }
            } }
        }
    }
}

/// Dangerous threats for which this terminal has no cure, and why.
async fn open(store: &Store, row: &UserRow) -> Result<Vec<(String, Gap)>, StoreError> {
    let (threats, newest, withdrawn) = (store.threats().await?, store.newest().await?, store.withdrawn().await?);
    let dangerous = threats.chunk_by(|a, b| a.news.threat == b.news.threat);
    let dangerous = dangerous.filter(|rows| rows.iter().any(|row| row.news.danger == Danger::High));
    let open = dangerous.filter_map(|rows| {
        let gap = Cures::new(rows, &newest, &withdrawn, None).gap(row)?;
        Some((rows[0].news.threat.clone(), gap))
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
