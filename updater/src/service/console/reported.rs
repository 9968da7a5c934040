//! What terminals met, whether makers tell of it or not.

use super::page::{ago, columns, counted, link, nothing, number, numbered, page, page_text, slice, table, text, typed};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::wire::ReportedThreat;
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::HashSet;

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    page: Option<u32>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let (q, number) = (typed(asked.q.as_ref()), asked.page.unwrap_or(0));
    let mut reported = app.store.reported_threats().await?;
    reported.retain(|row| row.threat.to_lowercase().contains(&q.to_lowercase()));
    let rows = slice(&reported, number);
    let mut told = HashSet::new();
    for row in rows {
        if app.store.is_told_of(&row.threat).await? {
            told.insert(row.threat.as_str());
        }
    }
    let body = html! {
        p.crumb { a href=(link("/threats", &[])) { "Countering table" } }
        h1 { "Reported by terminals" }
        p.lead { "What terminals say that they met, the latest first. Makers who can be asked are asked about each." }
        form.find role="search" method="get" {
            label { "Threat" input type="search" name="q" value=(q); }
            button type="submit" { "Find" }
        }
        (listed(rows, &told))
        @if reported.len() == 1000 { p.muted { "The latest " (counted(1000, "threat", "threats")) " are looked at." } }
        (numbered(number, reported.len() as u64, |page| link("/reported", &[("q", q), ("page", &page_text(page))])))
    };
    Ok(page(&who, "/threats", "Reported by terminals", &body))
}

fn listed(rows: &[ReportedThreat], told: &HashSet<&str>) -> Markup {
    table(
        "Threats that terminals reported",
        &columns(&["threat", "known", "#terminals", "first", "last", "makers asked"]),
        &html! {
            @if rows.is_empty() { (nothing(6, "None is like that.")) }
            @for row in rows {
                tr {
                    th scope="row" {
                        @if told.contains(row.threat.as_str()) { a href=(link("/coverage", &[("threat", &row.threat)])) { (text(&row.threat)) } }
                        @else { (text(&row.threat)) }
                    }
                    td {
                        @if told.contains(row.threat.as_str()) { span.tag.good { "to a maker" } }
                        @else { span.tag.warn { "to no maker" } }
                    }
                    td.n { (number(row.terminals)) }
                    td { (ago(Some(row.first_at))) }
                    td { (ago(Some(row.last_at))) }
                    td { @if row.asked_at.is_some() { (ago(row.asked_at)) } @else { span.muted { "no" } } }
                }
            }
        },
    )
}
