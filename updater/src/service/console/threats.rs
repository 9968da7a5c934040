//! The countering table, as makers fill it: a block for each maker, or for each threat.

use super::page::{
    ROWS, before, columns, counted, danger, group, grouped, link, nothing, numbered, page, page_text, sorted_by, text, typed,
};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::service::store::console::{ThreatOrder, ThreatQuestion, ThreatState};
use crate::wire::{ChannelRelease, ThreatRow, ThreatView};
use axum::extract::State;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

/// Other names of one row that are shown.
const ALIASES: usize = 3;
/// Columns of the table.
const COLUMNS: u32 = 9;

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
        typed(self.q.as_ref())
    }

    fn danger(&self) -> &str {
        self.danger.as_deref().filter(|danger| ["low", "medium", "high"].contains(danger)).unwrap_or("")
    }

    /// The state as addresses have it; empty for any.
    fn state(&self) -> &str {
        self.state.as_deref().filter(|state| ["uncured", "missed"].contains(state)).unwrap_or("")
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
        let state = match self.state() {
            "uncured" => ThreatState::Uncured,
            "missed" => ThreatState::Missed,
            _ => ThreatState::Any,
        };
        ThreatQuestion { search: self.q(), danger: self.danger(), state, by_threat: self.by_threat(), order }
    }

    /// The same with another order, page or kind of blocks.
    fn link(&self, sort: &str, page: u32, by: &str) -> String {
        let (state, page) = (self.state(), page_text(page));
        let pairs =
            [("q", self.q()), ("danger", self.danger()), ("state", state), ("by", by), ("sort", sort), ("page", &page)];
        link("/threats", &pairs)
    }
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let question = asked.question();
    let number = asked.page.unwrap_or(0);
    let rows = app.store.threats_ordered(&question, before(number), ROWS).await?;
    let all = app.store.threats_counted(&question).await?;
    let by = if asked.by_threat() { "threat" } else { "" };
    let same = |a: &ThreatView, b: &ThreatView| {
        if asked.by_threat() { a.row.news.threat == b.row.news.threat } else { a.row.maker == b.row.maker }
    };
    let body = html! {
        h1 { "Countering table" }
        p.lead {
            "What each maker says of each threat. A day that is expected is no cure. What terminals met is "
            a href=(link("/reported", &[])) { "in a list of its own" } "."
        }
        (form(&asked))
        p.muted { (counted(all, "row", "rows")) " · blocks by " (blocks(&asked)) }
        (grouped("Countering table", &head(&asked, by), &html! {
            @if rows.is_empty() { tbody { (nothing(COLUMNS, "No row is like that.")) } }
            @for rows in rows.chunk_by(same) {
                @let name = if asked.by_threat() { rows[0].row.news.threat.as_str() } else { rows[0].row.maker.as_str() };
                @let href = if asked.by_threat() { link("/coverage", &[("threat", name)]) } else { link("/maker", &[("name", name)]) };
                (group(COLUMNS, &html! { a href=(href) { (text(name)) } }, &lines(rows, asked.by_threat())))
            }
        }))
        (numbered(number, all, |page| asked.link(asked.sort(), page, by)))
    };
    Ok(page(&who, "/threats", "Countering table", &body))
}

fn form(asked: &Asked) -> Markup {
    let option = |value: &str, chosen: &str, words: &str| {
        html! { option value=(value) selected[value == chosen] { (words) } }
    };
    let state = asked.state();
    html! {
        form.find role="search" method="get" {
            label { "Threat or maker" input type="search" name="q" value=(asked.q()); }
            label { "Danger" select name="danger" {
                (option("", asked.danger(), "any")) (option("high", asked.danger(), "high"))
                (option("medium", asked.danger(), "medium")) (option("low", asked.danger(), "low"))
            } }
            label { "Cure" select name="state" { (option("", state, "any")) (option("uncured", state, "none yet")) (option("missed", state, "promised, not in time")) } }
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

fn head(asked: &Asked, by: &str) -> Markup {
    let column = |name: &str, sort: &str, order: &'static str| {
        sorted_by(name, &asked.link(sort, 0, by), (asked.sort() == sort).then_some(order))
    };
    html! {
        @if asked.by_threat() { (columns(&["maker"])) } @else { (column("threat", "", "ascending")) }
        (column("danger", "danger", "descending"))
        (column("discovered", "discovered", "descending"))
        (columns(&["expected"]))
        (column("vaccine", "vaccine", "descending"))
        (columns(&["channel", "#first release", "#last release", "also known as"]))
    }
}

fn lines(rows: &[ThreatView], by_threat: bool) -> Markup {
    html! {
        @for view in rows {
            @let ThreatRow { maker, news, also } = &view.row;
            tr {
                th scope="row" {
                    @if by_threat { a href=(link("/maker", &[("name", maker.as_str())])) { (text(maker.as_str())) } }
                    @else { a href=(link("/coverage", &[("threat", &news.threat)])) { (text(&news.threat)) } }
                }
                td { (danger(news.danger)) }
                td.nowrap { (news.discovered) }
                @if let Some(vaccine) = &news.vaccine {
                    td.nowrap.muted { @if let Some(day) = news.expected { (day) } @else { "–" } }
                    td.nowrap { (vaccine.date) }
                    td { (vaccine.since.channel.to_string()) @for other in also { br; span.muted { "also " } (other.channel.to_string()) span.muted { " since " } (other.release) } }
                    td.n { (vaccine.since.release) }
                    td.n { (last(view, &vaccine.since)) }
                } @else {
                    td.nowrap { @if news.expected.is_some() { (expected(news.expected)) } @else { span.muted { "–" } } }
                    td { span.tag.bad { "none yet" } }
                    td.muted { "–" }
                    td.n.muted { "–" }
                    td.n.muted { "–" }
                }
                td.names { (aliases(view)) }
            }
        }
    }
}

/// The last release with a record of the name, where it is known to have ended.
fn last(view: &ThreatView, since: &ChannelRelease) -> Markup {
    let ended = view.records.iter().find(|span| span.since.channel == since.channel).and_then(|span| span.last);
    html! { @if let Some(release) = ended { (release) } @else { span.muted { "still" } } }
}

fn aliases(view: &ThreatView) -> Markup {
    html! {
        @if view.aliases.is_empty() { span.muted { "–" } }
        @for (place, alias) in view.aliases.iter().take(ALIASES).enumerate() {
            @if place > 0 { ", " }
            a href=(link("/threats", &[("q", &alias.threat), ("by", "threat")])) { (text(&alias.threat)) } " "
            span.muted { "(" (text(alias.maker.as_str())) ")" }
        }
        @if view.aliases.len() > ALIASES { span.muted { " and " (view.aliases.len() - ALIASES) " more" } }
    }
}

/// The state of a maker who has no cure.
pub(crate) fn expected(day: Option<Date>) -> Markup {
    match day {
        None => html! { span.tag.bad { "none yet" } },
        Some(day) if day < jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() => {
            html! { (day) " " span.tag.bad { "missed" } }
        }
        Some(day) => html! { (day) " " span.tag.warn { "expected" } },
    }
}
