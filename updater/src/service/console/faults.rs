//! Trouble that terminals report, in groups: one line for what may have happened a thousand times.

use super::Fault;
use super::page::{ago, at, columns, counted, link, nothing, number, page, pages, prose, table, text, words};
use super::session::SignedIn;
use crate::service::AppState;
use crate::service::store::console::{FaultGroup, Report};
use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;

const ROWS: usize = 50;
const DAY: i64 = 24 * 3600;

#[derive(Deserialize)]
pub(crate) struct Asked {
    code: Option<String>,
    step: Option<String>,
    before: Option<i64>,
    days: Option<i64>,
}

pub(crate) async fn show(State(app): State<AppState>, who: SignedIn, Query(asked): Query<Asked>) -> Result<Markup, Fault> {
    let body = if let Some(code) = &asked.code {
        let step = asked.step.as_deref().unwrap_or("");
        let reports = app.store.troubles(code, step, asked.before.unwrap_or(i64::MAX), ROWS).await?;
        one(code, step, &asked, &reports)
    } else {
        let days = asked.days.unwrap_or(30).clamp(1, 800);
        groups(days, &app.store.faults(super::page::now() - days * DAY).await?)
    };
    Ok(page(&who, "/faults", "Faults", &body))
}

fn groups(days: i64, faults: &[FaultGroup]) -> Markup {
    html! {
        h1 { "Faults" }
        p.lead { "What terminals reported in the last "
            @for (place, (span, name)) in [(1, "day"), (7, "week"), (30, "month"), (365, "year")].iter().enumerate() {
                @if place > 0 { " · " }
                @if *span == days { b { (name) } } @else { a href=(link("/faults", &[("days", &span.to_string())])) { (name) } }
            }
            ". A fault is one code at one step."
        }
        (table("Faults", &columns(&["code", "step", "#terminals", "#times", "first", "last"]), &html! {
            @if faults.is_empty() { (nothing(6, "None was reported.")) }
            @for fault in faults {
                tr {
                    th scope="row" {
                        a href=(link("/faults", &[("code", &fault.code), ("step", &fault.step)])) { (named(&fault.code)) }
                    }
                    td { (text(&fault.step)) }
                    td.n { (number(fault.terminals.unsigned_abs())) }
                    td.n { (number(fault.times.unsigned_abs())) }
                    td { (ago(Some(fault.first))) }
                    td { (ago(Some(fault.last))) }
                }
            }
        }))
    }
}

fn one(code: &str, step: &str, asked: &Asked, reports: &[Report]) -> Markup {
    let next = reports.last().filter(|_| reports.len() == ROWS).map(|last| last.id.to_string());
    let address = |before: &str| link("/faults", &[("code", code), ("step", step), ("before", before)]);
    html! {
        p.crumb { a href=(link("/faults", &[])) { "Faults" } }
        h1 { (named(code)) @if !step.is_empty() { " at " (prose(step)) } }
        p.lead { "The newest reports. What a code means, and what to do, is in " code { "docs/codes.md" } "." }
        (table("Reports", &columns(&["time", "terminal", "words"]), &html! {
            @if reports.is_empty() { (nothing(3, "None.")) }
            @for report in reports {
                tr {
                    td.nowrap { (at(report.at)) }
                    th.id scope="row" { a href=(link("/terminal", &[("id", &report.terminal)])) { (text(&report.terminal)) } }
                    td.words { @if let Some(said) = &report.words { (words(said)) } }
                }
            }
        }))
        p.muted { (counted(reports.len() as u64, "report", "reports")) " on this page" }
        (pages(asked.before.map(|_| address("")).as_deref(), next.map(|next| address(&next)).as_deref()))
    }
}

fn named(code: &str) -> Markup {
    if code.is_empty() {
        html! { "without a code" }
    } else {
        text(code)
    }
}
