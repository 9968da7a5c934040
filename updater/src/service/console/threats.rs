//! The countering table, as makers fill it: a block for each maker, or for each threat.

use super::Fault;
use super::page::{columns, counted, danger, link, nothing, page, pages, sorted_by, table, text};
use super::session::SignedIn;
use crate::service::AppState;
use crate::service::store::console::{ThreatOrder, ThreatQuestion};
use crate::wire::ThreatRow;
use axum::extract::{Query, State};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

const ROWS: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    danger: Option<String>,
    state: Option<String>,
    by: Option<String>,
    sort: Option<String>,
    page: Option<u32>,
}

impl Asked {
    fn q(&self) -> &str {
        self.q.as_deref().unwrap_or("").trim()
    }

    fn danger(&self) -> &str {
        self.danger.as_deref().filter(|danger| ["low", "medium", "high"].contains(danger)).unwrap_or("")
    }

    fn uncured(&self) -> bool {
        self.state.as_deref() == Some("uncured")
    }

    fn by_threat(&self) -> bool {
        self.by.as_deref() == Some("threat")
    }

    fn sort(&self) -> &str {
        self.sort.as_deref().unwrap_or("")
    }

    fn question(&self) -> ThreatQuestion<'_> {
        let order = match self.sort() {
            "danger" => ThreatOrder::Danger,
            "discovered" => ThreatOrder::Discovered,
            "vaccine" => ThreatOrder::Vaccine,
            _ => ThreatOrder::Name,
        };
        let (uncured, by_threat) = (self.uncured(), self.by_threat());
        ThreatQuestion { search: self.q(), danger: self.danger(), uncured, by_threat, order }
    }

    /// The same with another order, page or kind of blocks.
    fn link(&self, sort: &str, page: u32, by: &str) -> String {
        let page = if page == 0 { String::new() } else { page.to_string() };
        let state = if self.uncured() { "uncured" } else { "" };
        let pairs =
            [("q", self.q()), ("danger", self.danger()), ("state", state), ("by", by), ("sort", sort), ("page", &page)];
        link("/threats", &pairs)
    }
}

pub(crate) async fn show(State(app): State<AppState>, who: SignedIn, Query(asked): Query<Asked>) -> Result<Markup, Fault> {
    let question = asked.question();
    let number = asked.page.unwrap_or(0);
    let rows = app.store.threats_ordered(&question, u64::from(number) * ROWS as u64, ROWS).await?;
    let all = app.store.threats_counted(&question).await?;
    let more = (u64::from(number) + 1) * (ROWS as u64) < all;
    let by = if asked.by_threat() { "threat" } else { "" };
    let same = |a: &ThreatRow, b: &ThreatRow| {
        if asked.by_threat() { a.news.threat == b.news.threat } else { a.maker == b.maker }
    };
    let body = html! {
        h1 { "Countering table" }
        p.lead { "What each maker says of each threat. A day that is expected is no cure." }
        (form(&asked))
        p.muted { (counted(all, "row", "rows")) " · blocks by " (blocks(&asked)) }
        @if rows.is_empty() { (block("", &html! {}, &nothing(6, "No row is like that."))) }
        @for rows in rows.chunk_by(same) {
            @let name = if asked.by_threat() { rows[0].news.threat.as_str() } else { rows[0].maker.as_str() };
            section.block {
                h2 {
                    @if asked.by_threat() { a href=(link("/coverage", &[("threat", name)])) { (text(name)) } }
                    @else { (text(name)) }
                }
                (block(name, &head(&asked, by), &lines(rows, asked.by_threat())))
            }
        }
        (pages(
            (number > 0).then(|| asked.link(asked.sort(), 0, by)).as_deref(),
            more.then(|| asked.link(asked.sort(), number + 1, by)).as_deref(),
        ))
    };
    Ok(page(&who, "/threats", "Countering table", &body))
}

fn form(asked: &Asked) -> Markup {
    let option = |value: &str, chosen: &str, words: &str| {
        html! { option value=(value) selected[value == chosen] { (words) } }
    };
    let state = if asked.uncured() { "uncured" } else { "" };
    html! {
        form.find role="search" method="get" {
            label { "Threat or maker" input type="search" name="q" value=(asked.q()); }
            label { "Danger" select name="danger" {
                (option("", asked.danger(), "any")) (option("high", asked.danger(), "high"))
                (option("medium", asked.danger(), "medium")) (option("low", asked.danger(), "low"))
            } }
            label { "Cure" select name="state" { (option("", state, "any")) (option("uncured", state, "none yet")) } }
            @if asked.by_threat() { input type="hidden" name="by" value="threat"; }
            @if !asked.sort().is_empty() { input type="hidden" name="sort" value=(asked.sort()); }
            button type="submit" { "Show" }
        }
    }
}

fn blocks(asked: &Asked) -> Markup {
    html! {
        @if asked.by_threat() { a href=(asked.link(asked.sort(), 0, "")) { "maker" } " or " b { "threat" } }
        @else { b { "maker" } " or " a href=(asked.link(asked.sort(), 0, "threat")) { "threat" } }
    }
}

fn block(name: &str, head: &Markup, rows: &Markup) -> Markup {
    table(&format!("Countering table: {}", super::page::visible(name)), head, rows)
}

fn head(asked: &Asked, by: &str) -> Markup {
    let column = |name: &str, sort: &str, order: &'static str| {
        sorted_by(name, &asked.link(sort, 0, by), (asked.sort() == sort).then_some(order))
    };
    html! {
        @if asked.by_threat() { (columns(&["maker"])) } @else { (column("threat", "", "ascending")) }
        (column("danger", "danger", "descending"))
        (column("discovered", "discovered", "descending"))
        (column("vaccine", "vaccine", "descending"))
        (columns(&["channel", "#since release"]))
    }
}

fn lines(rows: &[ThreatRow], by_threat: bool) -> Markup {
    html! {
        @for ThreatRow { maker, news } in rows {
            tr {
                th scope="row" {
                    @if by_threat { (text(maker.as_str())) }
                    @else { a href=(link("/coverage", &[("threat", &news.threat)])) { (text(&news.threat)) } }
                }
                td { (danger(news.danger)) }
                td { (news.discovered) }
                @if let Some(vaccine) = &news.vaccine {
                    td { (vaccine.date) }
                    td { (vaccine.since.channel.to_string()) }
                    td.n { (vaccine.since.release) }
                } @else {
                    td { (expected(news.expected)) }
                    td.muted { "–" }
                    td.n.muted { "–" }
                }
            }
        }
    }
}

/// The state of a maker who has no cure.
pub(crate) fn expected(day: Option<Date>) -> Markup {
    match day {
        None => html! { span.tag.bad { "none yet" } },
        Some(day) if day < jiff::Zoned::now().date() => html! { span.tag.bad { "missed" } " expected " (day) },
        Some(day) => html! { span.tag.warn { "expected" } " " (day) },
    }
}
