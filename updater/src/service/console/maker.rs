//! One maker: record, channels, and where their releases are fetched from.

use super::makers::median;
use super::page::{ago, at, columns, link, nothing, number, page, prose, release, table, text, words};
use super::releases::{running, runs};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::service::store::console::Held;
use crate::service::store::coverage::Fleet;
use crate::wire::{MakerRecord, SourceView};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Asked {
    name: String,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let makers = app.store.makers().await?;
    let found = makers.iter().find(|(maker, _)| maker.as_str() == asked.name);
    let (maker, registered_at) = found.ok_or_else(|| Fault::not_found("No maker of this name is registered."))?;
    let keys = app.store.maker(maker).await?.map(|held| held.keys);
    let tables = app.beacons.tables(&app.store).await?;
    let record = tables.prepared.records().iter().find(|record| record.maker == *maker);
    let held = app.store.held_releases().await?;
    let channels: Vec<_> = held
        .chunk_by(|a, b| a.at.channel == b.at.channel)
        .filter(|held| held[0].at.channel.maker() == maker.as_str())
        .collect();
    let sources: Vec<_> = app.store.sources().await?.into_iter().filter(|source| source.source.maker == *maker).collect();
    let body = html! {
        p.crumb { a href=(link("/makers", &[])) { "Makers" } }
        h1 { (prose(maker.as_str())) }
        dl.facts {
            (facts(record))
            div { dt { "Registered" } dd { (at(*registered_at)) } }
            @if let Some(keys) = &keys {
                div { dt { "Keys" } dd { (keys.keys.len()) ", " (keys.threshold) " must sign" } }
            }
            div { dt { "Says of threats" } dd { a href=(link("/threats", &[("q", maker.as_str())])) { "rows of the countering table" } } }
            div { dt { "Did" } dd { a href=(link("/audit", &[("who", &format!("maker:{maker}"))])) { "rows of the audit log" } } }
        }
        section { h2 { "Channels" } (published(&channels, &app.store.fleet().await?)) }
        section { h2 { "Sources" } (fetched(&sources)) }
    };
    Ok(page(&who, "/makers", &format!("Maker {maker}"), &body))
}

fn facts(record: Option<&MakerRecord>) -> Markup {
    html! {
        @if let Some(record) = record {
            div { dt { "Rank" } dd { (record.rank) } }
            div { dt { "Median of days to a cure" } dd { (median(record)) } }
            div { dt { "Cured" } dd { (number(record.cured)) } }
            div { dt { "Known, no cure" } dd { (number(record.uncured)) } }
            div { dt { "False positives" } dd { (number(record.false_positives)) } }
        } @else { div { dt { "Record" } dd.muted { "has told of no threat yet" } } }
    }
}

fn published(channels: &[&[Held]], fleet: &Fleet) -> Markup {
    let running = running(fleet);
    table(
        "Channels",
        &columns(&["channel", "newest", "published", "#releases", "#terminals"]),
        &html! {
            @if channels.is_empty() { (nothing(5, "Nothing is published yet.")) }
            @for held in channels {
                @let channel = &held[0].at.channel;
                @let terminals: u64 = running.iter().filter(|((of, _), _)| *of == channel).map(|(_, count)| count).sum();
                tr {
                    th scope="row" { a href=(link("/releases", &[("q", channel.as_str())])) { (channel.to_string()) } }
                    @if let Some(newest) = held.iter().rfind(|held| held.listed) {
                        td { a href=(runs(&newest.at)) { (release(&newest.at)) } }
                        td { (ago(Some(newest.published_at))) }
                    } @else { td.muted { "none is listed" } td.muted { "–" } }
                    td.n { (number(held.len() as u64)) }
                    td.n { (number(terminals)) }
                }
            }
        },
    )
}

fn fetched(sources: &[SourceView]) -> Markup {
    table(
        "Sources",
        &columns(&["address", "state", "last tried", "last success", "#failures in a row", "words"]),
        &html! {
            @if sources.is_empty() { (nothing(6, "Releases are uploaded, none are fetched.")) }
            @for source in sources {
                tr {
                    th scope="row" { (text(source.source.url.as_str())) }
                    td { (state(source)) }
                    td { @if source.last_tried.is_some() { (ago(source.last_tried)) } @else { span.muted { "not yet" } } }
                    td { @if source.last_success.is_some() { (ago(source.last_success)) } @else { span.muted { "never" } } }
                    td.n { @if source.failures > 0 { span.bad-text { (number(source.failures)) } } @else { span.muted { "0" } } }
                    td.words { @if let Some(said) = &source.last_words { (words(said)) } }
                }
            }
        },
    )
}

fn state(source: &SourceView) -> Markup {
    let code = source.last_code.as_deref().unwrap_or("waits");
    html! {
        @if source.failures > 0 { span.tag.bad { (text(code)) } }
        @else if source.last_success.is_some() { span.tag.good { (text(code)) } }
        @else { span.tag { (text(code)) } }
    }
}
