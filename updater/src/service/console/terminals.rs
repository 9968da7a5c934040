//! The user table.

use super::lag::{GROUPS, Published};
use super::page::{
    ROWS, ago, columns, counted, designation, link, nothing, page, pages, releases, sorted_by, table, terminal, text, typed,
};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::decide::UserRow;
use crate::service::AppState;
use crate::service::coverage::{cursor, cursor_text};
use crate::service::operator::sought;
use crate::service::store::coverage::{Fleet, UNHEARD};
use crate::service::store::listing::{After, Listed, Mark, Terminals};
use crate::wire::TerminalRow;
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

/// What terminals can be marked with: the word in addresses, and words for people.
const MARKS: [(Mark, &str, &str); 3] = [
    (Mark::Pending, "pending", "waits for approval"),
    (Mark::Copied, "copied", "seen in copies, or put back"),
    (Mark::Revoked, "revoked", "revoked"),
];

#[derive(Deserialize)]
pub(crate) struct Asked {
    q: Option<String>,
    sort: Option<String>,
    /// A group of lag, or a mark.
    lag: Option<String>,
    /// `maker/name RELEASE`: only those that run it.
    runs: Option<String>,
    after: Option<String>,
}

impl Asked {
    fn link(&self, sort: &str, after: Option<&After>) -> String {
        let after = after.map(cursor_text).unwrap_or_default();
        let [q, lag, runs] = [&self.q, &self.lag, &self.runs].map(|part| typed(part.as_ref()));
        link("/terminals", &[("q", q), ("sort", sort), ("lag", lag), ("runs", runs), ("after", &after)])
    }
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    app.beacons.flush(&app.store).await;
    let after = cursor(asked.after.as_deref())?;
    let (fleet, held) = (app.store.fleet().await?, app.store.held_releases().await?);
    let published = Published::new(&held);
    let sort = typed(asked.sort.as_ref());
    let (rows, next) = if let Some((mark, ..)) = MARKS.iter().find(|(_, word, _)| *word == typed(asked.lag.as_ref())) {
        let of = Terminals::Marked(*mark);
        let rows = app.store.terminals_page(&of, &after, ROWS).await?;
        let next = rows.last().map(|last| of.after(last));
        (rows, next)
    } else if let Some(which) = configurations(&asked, &fleet, &published) {
        let rows = app.store.terminals_of(&which, &after, ROWS).await?;
        let next = rows.last().map(|last| (last.configuration, last.row.terminal.clone()));
        (rows, next)
    } else {
        let of = match typed(asked.q.as_ref()) {
            "" if sort == "contact" => Terminals::Silent,
            q => sought(&app.store, q).await?,
        };
        let rows = app.store.terminals_page(&of, &after, ROWS).await?;
        let next = rows.last().map(|last| of.after(last));
        (rows, next)
    };
    let next = next.filter(|_| rows.len() == ROWS);
    let body = html! {
        h1 { "Terminals" }
        p.lead { (counted(fleet.terminals(), "terminal", "terminals")) " in all. What single ones were given: " a href=(link("/one-offs", &[])) { "one-offs" } "." }
        (form(&asked))
        (listed(&asked, sort, &rows, &published))
        (pages(
            asked.after.as_ref().map(|_| asked.link(sort, None)).as_deref(),
            next.map(|next| asked.link(sort, Some(&next))).as_deref(),
        ))
    };
    Ok(page(&who, "/terminals", "Terminals", &body))
}

/// Configurations whose terminals are asked for, where lag or a release says which: ascending, with how many have each.
fn configurations(asked: &Asked, fleet: &Fleet, published: &Published<'_>) -> Option<Vec<(i64, u64)>> {
    let (lag, runs) = (typed(asked.lag.as_ref()), typed(asked.runs.as_ref()));
    if lag.is_empty() && runs.is_empty() {
        return None;
    }
    if lag == "unheard" {
        return Some(vec![(UNHEARD, fleet.unheard)]);
    }
    let runs_it =
        |row: &UserRow| runs.is_empty() || row.applied.iter().any(|at| format!("{} {}", at.channel, at.release) == runs);
    let wanted = fleet
        .configurations
        .iter()
        .filter(|held| (lag.is_empty() || published.lag(&held.row).group() == lag) && runs_it(&held.row));
    Some(wanted.map(|held| (held.id, held.terminals)).collect())
}

fn form(asked: &Asked) -> Markup {
    let lag = typed(asked.lag.as_ref());
    html! { div.finds {
        form.find role="search" method="get" {
            label { "Number, hardware, system or channel" input type="search" name="q" value=(typed(asked.q.as_ref())); }
            button type="submit" { "Find" }
        }
        form.find method="get" aria-label="By lag or mark" {
            label { "Lag or mark" select name="lag" {
                option value="" { "any" }
                @for (group, words) in GROUPS { option value=(group) selected[group == lag] { (words) } }
                @for (_, mark, words) in MARKS { option value=(mark) selected[mark == lag] { (words) } }
            } }
            @if let Some(runs) = asked.runs.as_deref().filter(|runs| !runs.is_empty()) {
                label { "Runs" input type="text" name="runs" value=(runs); }
            }
            button type="submit" { "Show" }
        }
    } }
}

fn listed(asked: &Asked, sort: &str, rows: &[Listed], published: &Published<'_>) -> Markup {
    let plain = [&asked.q, &asked.lag, &asked.runs].iter().all(|part| typed(part.as_ref()).is_empty());
    let head = html! {
        (columns(&["terminal", "lag"]))
        @if plain && sort != "contact" { (sorted_by("last contact", &asked.link("contact", None), None)) }
        @else if plain { (sorted_by("last contact", &asked.link("", None), Some("ascending"))) }
        @else { (columns(&["last contact"])) }
        (columns(&["runs", "accepts", "trouble", "told", "hardware", "system", "scanner"]))
    };
    let now = super::page::now();
    table(
        "User table",
        &head,
        &html! {
            @if rows.is_empty() { (nothing(10, "No terminal is like that.")) }
            @for Listed { row, .. } in rows {
                tr {
                    th.id scope="row" { (terminal(&row.terminal)) }
                    td {
                        @if row.last_contact.is_some() { (published.lag(&held_by(row)).shown(now)) }
                        @else { span.muted { "–" } }
                    }
                    td { (ago(row.last_contact)) }
                    td { (releases(&row.applied)) }
                    td { (designation(&row.facts.designation)) }
                    td {
                        (marks(row))
                        @if let Some(code) = &row.trouble { span.tag.bad { (text(code)) } }
                        @else if !marked(row) { span.muted { "–" } }
                    }
                    td { (reason(row.reason.as_deref())) }
                    td { (text(&row.facts.hardware)) }
                    td { (text(&row.facts.os)) }
                    td { (text(&row.facts.engine_version)) }
                }
            }
        },
    )
}

fn marked(row: &TerminalRow) -> bool {
    row.pending || row.cloned_at.is_some() || row.revoked_at.is_some()
}

/// What the operator is to look at in a row, by word and colour.
pub(crate) fn marks(row: &TerminalRow) -> Markup {
    html! {
        @if row.pending { span.tag.warn { "waits for approval" } " " }
        @if row.cloned_at.is_some() { span.tag.bad { "copies" } " " }
        @if row.revoked_at.is_some() { span.tag.bad { "revoked" } " " }
    }
}

/// What a row says of the terminal, as decisions see it.
pub(crate) fn held_by(row: &TerminalRow) -> UserRow {
    let (designation, subscribed) = (row.facts.designation.clone(), row.facts.subscribed.clone());
    UserRow::new(designation, subscribed, row.applied.clone())
}

/// The code of what a terminal was told, as words.
pub(crate) fn reason(code: Option<&str>) -> Markup {
    html! {
        @if let Some(code) = code { (text(&code.replace('_', " "))) } @else { span.muted { "–" } }
    }
}
