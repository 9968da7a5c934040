//! Who is unprotected against what: all threats, or one with its reasons, makers, course and terminals.

use super::chart;
use super::page::{
    ROWS, ago, bar, columns, counted, danger, designation, link, nothing, number, numbered, page, page_text, pages, percent,
    prose, releases, slice, table, terminal, text, typed,
};
use super::session::SignedIn;
use super::threats::expected;
use super::{Address, Fault};
use crate::service::AppState;
use crate::service::coverage::rule::Releases;
use crate::service::coverage::{Open, Question, Tables, by_threat, cursor, cursor_text};
use crate::wire::{Coverage, Danger, Gap, UnprotectedTerminal};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

const DAY: i64 = 24 * 3600;

#[derive(Deserialize)]
pub(crate) struct Asked {
    threat: Option<String>,
    reason: Option<Gap>,
    after: Option<String>,
    days: Option<i64>,
    danger: Option<Danger>,
    q: Option<String>,
    page: Option<u32>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let Some(threat) = asked.threat.as_deref() else { return all(&app, &who, &asked).await };
    let tables = Tables::of(&app.store, threat).await?;
    let tables = tables.ok_or_else(|| Fault::not_found("No maker knows a threat of this name."))?;
    let after = cursor(asked.after.as_deref())?;
    app.beacons.flush(&app.store).await;
    let coverage = tables.count(threat, &app.store.fleet().await?, None);
    let days = asked.days.unwrap_or(30).clamp(1, 800);
    let history = tables.history(&app.store, None, super::page::now() - days * DAY).await?;
    let question = Question { maker: None, reason: asked.reason };
    let (terminals, next) = tables.unprotected(&app.store, &question, &after, ROWS).await?;
    let reason = asked.reason.map_or("", Gap::code);
    let spans = [(1, "day"), (7, "week"), (30, "month"), (365, "year")];
    let body = html! {
        p.crumb { a href=(link("/coverage", &[])) { "Coverage" } }
        h1 { (prose(threat)) }
        (counts(&coverage))
        section {
            h2 { "Unprotected over time" }
            p.muted { "The last "
                @for (place, (span, name)) in spans.iter().enumerate() {
                    @if place > 0 { " · " }
                    @if *span == days { b { (name) } }
                    @else { a href=(link("/coverage", &[("threat", threat), ("days", &span.to_string())])) { (name) } }
                }
            }
            (chart::unprotected(&history))
        }
        section { h2 { "Makers" } (makers(&coverage)) }
        section {
            h2 { "Unprotected terminals" @if let Some(reason) = asked.reason { " that " (reason.words()) } }
            (listed(&terminals))
            (pages(
                asked.after.as_ref().map(|_| link("/coverage", &[("threat", threat), ("reason", reason)])).as_deref(),
                next.map(|next| link("/coverage", &[("threat", threat), ("reason", reason), ("after", &cursor_text(&next))])).as_deref(),
            ))
        }
    };
    Ok(page(&who, "/coverage", &format!("Coverage: {}", super::page::visible(threat)), &body))
}

fn counts(coverage: &Coverage) -> Markup {
    let all = coverage.protected + coverage.unprotected + coverage.unknown + coverage.revoked;
    let row = |words: &Markup, terminals: u64, class: &str| {
        html! {
            tr {
                th scope="row" { (words) }
                td.n { (number(terminals)) }
                td.n.muted { (percent(terminals, all)) }
                td.grow { (bar(terminals, all, class)) }
            }
        }
    };
    html! {
        table.shares {
            caption.unseen { "Who is protected" }
            tbody {
                (row(&html! { "protected" }, coverage.protected, "good"))
                (row(&html! { b { "unprotected" } }, coverage.unprotected, "bad"))
                @for gap in &coverage.reasons {
                    @let href = link("/coverage", &[("threat", &coverage.threat), ("reason", gap.reason.code())]);
                    (row(&html! { span.sub { a href=(href) { (gap.reason.words()) } } }, gap.terminals, "bad faint"))
                }
                (row(&html! { "not heard of yet" }, coverage.unknown, "muted"))
                @if coverage.revoked > 0 {
                    @let href = link("/terminals", &[("lag", "revoked")]);
                    (row(&html! { a href=(href) { "revoked" } }, coverage.revoked, "muted"))
                }
            }
        }
        @if let Some(next) = coverage.next { p { "The next cure is expected on " b { (next) } "." } }
    }
}

fn makers(coverage: &Coverage) -> Markup {
    table(
        "Makers who know the threat",
        &columns(&["maker", "danger", "discovered", "vaccine", "#in force on", "calls it"]),
        &html! {
            @for maker in &coverage.makers {
                tr {
                    th scope="row" { (text(maker.maker.as_str())) }
                    td { (danger(maker.danger)) }
                    td { (maker.discovered) }
                    td {
                        @if let Some(vaccine) = &maker.vaccine {
                            (vaccine.date) ", " (vaccine.since.channel.to_string()) " since " b { (vaccine.since.release) }
                            @for other in &maker.also { ", " (other.channel.to_string()) " since " b { (other.release) } }
                        } @else { (expected(maker.expected)) }
                    }
                    td.n { (number(maker.terminals)) }
                    td { (text(&maker.threat)) }
                }
            }
        },
    )
}

fn listed(terminals: &[UnprotectedTerminal]) -> Markup {
    table(
        "Unprotected terminals",
        &columns(&["terminal", "why", "hardware", "accepts", "runs", "last contact"]),
        &html! {
            @if terminals.is_empty() { (nothing(6, "None.")) }
            @for UnprotectedTerminal { gap, row } in terminals {
                tr {
                    th.id scope="row" { (terminal(&row.terminal)) }
                    td { (gap.code().replace('_', " ")) }
                    td { (text(&row.facts.hardware)) }
                    td { (designation(&row.facts.designation)) }
                    td { (releases(&row.applied)) }
                    td { (ago(row.last_contact)) }
                }
            }
        },
    )
}

async fn all(app: &AppState, who: &SignedIn, asked: &Asked) -> Result<Markup, Fault> {
    let (threats, releases) = (app.store.threats().await?, Releases::of(&app.store).await?);
    let fleet = app.store.fleet().await?;
    let least = asked.danger.unwrap_or(Danger::High);
    let q = typed(asked.q.as_ref()).to_lowercase();
    let mut open = by_threat(&threats, &app.store.threat_ids().await?, &releases, &fleet, least);
    open.retain(|open| open.others.iter().chain([&open.threat]).any(|name| name.to_lowercase().contains(&q)));
    let heard = fleet.terminals() - fleet.unheard;
    let words = |danger| match danger {
        Danger::High => "high",
        Danger::Medium => "medium and high",
        Danger::Low => "any",
    };
    let value = |danger| match danger {
        Danger::High => "",
        Danger::Medium => "medium",
        Danger::Low => "low",
    };
    let number = asked.page.unwrap_or(0);
    let body = html! {
        h1 { "Coverage" }
        p.lead { "Threats by how many of " (counted(heard, "terminal", "terminals")) " run no cure." }
        form.find role="search" method="get" {
            label { "Threat" input type="search" name="q" value=(q); }
            label { "Danger" select name="danger" {
                @for (danger, value) in [(Danger::High, "high"), (Danger::Medium, "medium"), (Danger::Low, "low")] {
                    option value=(value) selected[danger == least] { (words(danger)) }
                }
            } }
            button type="submit" { "Show" }
        }
        (rows(slice(&open, number), heard))
        (numbered(number, open.len() as u64, |page| {
            link("/coverage", &[("q", &q), ("danger", value(least)), ("page", &page_text(page))])
        }))
    };
    Ok(page(who, "/coverage", "Coverage", &body))
}

/// A threat's name, and how many others it has.
pub(crate) fn name(open: &Open) -> Markup {
    html! {
        a href=(link("/coverage", &[("threat", &open.threat)])) { (text(&open.threat)) }
        @if !open.others.is_empty() { " " span.muted { "and " (counted(open.others.len() as u64, "other name", "other names")) } }
    }
}

fn rows(open: &[Open], heard: u64) -> Markup {
    let names = ["threat", "danger", "discovered", "#unprotected", "", "cure from", "expected"];
    table(
        "Threats by coverage",
        &columns(&names),
        &html! {
            @if open.is_empty() { (nothing(7, "No threat is like that.")) }
            @for threat in open {
                tr {
                    th scope="row" { (name(threat)) }
                    td { (danger(threat.danger)) }
                    td { (threat.discovered) }
                    td.n { (number(threat.unprotected)) " " span.muted { (percent(threat.unprotected, heard)) } }
                    td.grow { (bar(threat.unprotected, heard, if threat.protected == 0 { "bad" } else { "warn" })) }
                    td { (threat.makers.0) " of " (counted(threat.makers.1 as u64, "maker", "makers")) }
                    td { @if threat.makers.0 == 0 { (expected(threat.expected)) } @else if let Some(day) = threat.expected { (expected(Some(day))) } @else { span.muted { "–" } } }
                }
            }
        },
    )
}
