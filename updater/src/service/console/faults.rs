//! Trouble that terminals report, in groups: one line for what may have happened a thousand times.

use super::page::{
    ROWS, ago, at, columns, counted, link, nothing, number, numbered, page, page_text, pages, prose, slice, table, terminal,
    text, typed, words,
};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::service::store::console::{FAULTS_MAX, FaultGroup, Report};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

const DAY: i64 = 24 * 3600;

#[derive(Deserialize)]
pub(crate) struct Asked {
    code: Option<String>,
    step: Option<String>,
    before: Option<i64>,
    days: Option<i64>,
    q: Option<String>,
    page: Option<u32>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let body = if let Some(code) = &asked.code {
        let step = asked.step.as_deref().unwrap_or("");
        let reports = app.store.troubles(code, step, asked.before.unwrap_or(i64::MAX), ROWS).await?;
        one(code, step, &asked, &reports)
    } else {
        let days = asked.days.unwrap_or(30).clamp(1, 800);
        let q = typed(asked.q.as_ref());
        let mut faults = app.store.faults(super::page::now() - days * DAY).await?;
        let has = |text: &str| text.to_lowercase().contains(&q.to_lowercase());
        faults.retain(|fault| has(&fault.code) || has(&fault.step));
        groups(days, q, asked.page.unwrap_or(0), &faults)
    };
    Ok(page(&who, "/faults", "Faults", &body))
}

fn groups(days: i64, q: &str, page: u32, faults: &[FaultGroup]) -> Markup {
    let address = |days: i64, page: u32| {
        let days = if days == 30 { String::new() } else { days.to_string() };
        link("/faults", &[("q", q), ("days", &days), ("page", &page_text(page))])
    };
    html! {
        h1 { "Faults" }
        p.lead { "What terminals reported in the last "
            @for (place, (span, name)) in [(1, "day"), (7, "week"), (30, "month"), (365, "year")].iter().enumerate() {
                @if place > 0 { " · " }
                @if *span == days { b { (name) } } @else { a href=(address(*span, 0)) { (name) } }
            }
            ". A fault is one code at one step."
        }
        form.find role="search" method="get" {
            label { "Code or step" input type="search" name="q" value=(q); }
            @if days != 30 { input type="hidden" name="days" value=(days); }
            button type="submit" { "Find" }
        }
        (table("Faults", &columns(&["code", "step", "#terminals", "#times", "first", "last"]), &html! {
            @if faults.is_empty() { (nothing(6, "None is like that.")) }
            @for fault in slice(faults, page) {
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
        @if faults.len() == FAULTS_MAX { p.muted { "The " (FAULTS_MAX) " that most terminals reported are looked at." } }
        (numbered(page, faults.len() as u64, |page| address(days, page)))
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
                    th.id scope="row" { (terminal(&report.terminal)) }
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
