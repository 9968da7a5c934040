//! Makers by their record: who is asked first when several have a cure.

use super::page::{at, columns, link, nothing, number, numbered, page, page_text, slice, table, text, typed};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::wire::{MakerName, MakerRecord, SourceView};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    page: Option<u32>,
}

/// A maker as a row of the list.
struct Row<'a> {
    maker: &'a MakerName,
    registered_at: i64,
    record: Option<&'a MakerRecord>,
    channels: usize,
    terminals: u64,
    sources: Vec<&'a SourceView>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let makers = app.store.makers().await?;
    let tables = app.beacons.tables(&app.store).await?;
    let (newest, fleet, sources) = (app.store.newest().await?, app.store.fleet().await?, app.store.sources().await?);
    let mut terminals = HashMap::<&str, u64>::new();
    for held in &fleet.configurations {
        let mut makers: Vec<_> = held.row.applied.iter().map(|at| at.channel.maker()).collect();
        makers.dedup();
        for maker in makers {
            *terminals.entry(maker).or_default() += held.terminals;
        }
    }
    let (q, number) = (typed(asked.q.as_ref()).to_lowercase(), asked.page.unwrap_or(0));
    let found = makers.iter().filter(|(maker, _)| maker.as_str().contains(&q));
    let mut rows: Vec<_> = found
        .map(|(maker, registered_at)| Row {
            maker,
            registered_at: *registered_at,
            record: tables.prepared.records().iter().find(|record| record.maker == *maker),
            channels: newest.iter().filter(|at| at.channel.maker() == maker.as_str()).count(),
            terminals: terminals.get(maker.as_str()).copied().unwrap_or(0),
            sources: sources.iter().filter(|source| source.source.maker == *maker).collect(),
        })
        .collect();
    rows.sort_by_key(|row| row.record.map_or(u32::MAX, |record| record.rank));
    let body = html! {
        h1 { "Makers" }
        p.lead { "The better the record, the sooner a maker is asked for help: first by the median of days to a cure." }
        form.find role="search" method="get" {
            label { "Maker" input type="search" name="q" value=(q); }
            button type="submit" { "Find" }
        }
        (listed(slice(&rows, number)))
        (numbered(number, rows.len() as u64, |page| link("/makers", &[("q", &q), ("page", &page_text(page))])))
    };
    Ok(page(&who, "/makers", "Makers", &body))
}

fn listed(rows: &[Row<'_>]) -> Markup {
    let names = [
        "#rank",
        "maker",
        "#median days",
        "#cured",
        "#no cure",
        "#false positives",
        "#channels",
        "#terminals",
        "sources",
        "registered",
    ];
    table(
        "Makers by record",
        &columns(&names),
        &html! {
            @if rows.is_empty() { (nothing(10, "No maker is like that.")) }
            @for row in rows {
                tr {
                    td.n { @if let Some(record) = row.record { (record.rank) } @else { span.muted { "–" } } }
                    th scope="row" { a href=(link("/maker", &[("name", row.maker.as_str())])) { (text(row.maker.as_str())) } }
                    (record(row.record))
                    td.n { (row.channels) }
                    td.n { (number(row.terminals)) }
                    td { (sources(&row.sources)) }
                    td { (at(row.registered_at)) }
                }
            }
        },
    )
}

/// Four cells: median, cured, uncured, false positives.
fn record(record: Option<&MakerRecord>) -> Markup {
    html! {
        @if let Some(record) = record {
            td.n { (median(record)) }
            td.n { (number(record.cured)) }
            td.n { (number(record.uncured)) }
            td.n { @if record.false_positives > 0 { span.bad-text { (number(record.false_positives)) } } @else { span.muted { "0" } } }
        } @else { @for _ in 0..4 { td.n.muted { "–" } } }
    }
}

/// The median of days to a cure; absent while most threats are without one.
pub(crate) fn median(record: &MakerRecord) -> Markup {
    html! { @if let Some(days) = record.median_days { (days) } @else { span.muted { "most uncured" } } }
}

fn sources(sources: &[&SourceView]) -> Markup {
    let failing = sources.iter().filter(|source| source.failures > 0).count();
    html! {
        @if sources.is_empty() { span.muted { "uploads" } }
        @else if failing == 0 { (sources.len()) }
        @else { (sources.len()) " " span.tag.warn { (failing) " failing" } }
    }
}
