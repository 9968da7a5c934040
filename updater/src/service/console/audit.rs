//! What was done, by whom, and whether the log still is what was written.

use super::page::{ROWS, at, columns, counted, digest, link, nothing, number, page, pages, table, text, typed, words};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::audit::{AuditChain, AuditFault, AuditHead, AuditPage, AuditRow};
use crate::service::AppState;
use crate::service::store::console::{AuditQuestion, AuditWho};
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

/// Rows at the end of the log whose chain is followed for each page.
const CHECKED: u64 = 1000;

#[derive(Deserialize)]
pub(crate) struct Asked {
    who: Option<String>,
    what: Option<String>,
    /// The last day that is shown.
    until: Option<String>,
    before: Option<u64>,
}

impl Asked {
    /// The second after the last day; text that is no day bounds nothing.
    fn until(&self) -> i64 {
        let after = typed(self.until.as_ref()).parse::<Date>().ok().and_then(|day| day.tomorrow().ok());
        let midnight = after.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        midnight.map_or(i64::MAX, |midnight| midnight.timestamp().as_second())
    }

    fn link(&self, before: &str) -> String {
        let [who, what, until] = [&self.who, &self.what, &self.until].map(|part| typed(part.as_ref()));
        link("/audit", &[("who", who), ("what", what), ("until", until), ("before", before)])
    }
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let meant = AuditWho::meant(typed(asked.who.as_ref()));
    let question = AuditQuestion { who: meant, what: typed(asked.what.as_ref()), until: asked.until() };
    let rows = app.store.audit_before(&question, asked.before.unwrap_or(u64::MAX), ROWS).await?;
    let next = rows.last().filter(|_| rows.len() == ROWS).map(|last| asked.link(&last.n.to_string()));
    let tail = app.store.audit_tail(CHECKED).await?;
    let body = html! {
        h1 { "Audit log" }
        p.lead { "What was done, by whom: " (counted(tail.head.n, "row", "rows")) ", the last first." }
        (chain(&tail))
        (form(&asked, &app.store.audit_whats().await?))
        (listed(&rows))
        (pages(asked.before.map(|_| asked.link("")).as_deref(), next.as_deref()))
    };
    Ok(page(&who, "/audit", "Audit log", &body))
}

/// Whether the end of the log holds together.
fn chain(tail: &AuditPage) -> Markup {
    let command = html! { code { "titer admin audit verify" } };
    html! {
        @match follow(tail) {
            Ok(()) => {
                div.note {
                    span.tag.good { "holds" } " "
                    @if tail.head.n > tail.rows.len() as u64 { "The last " (counted(tail.rows.len() as u64, "row", "rows")) " follow" }
                    @else { "All rows follow" }
                    " from one another up to the head " (digest(&tail.head.hash)) ". " (command)
                    " follows the whole log, and compares it with a head that was kept elsewhere."
                }
            }
            Err(fault) => {
                div.note.bad-note role="alert" { span.tag.bad { "changed" } " The log was changed: " (text(&fault.to_string())) ". See " (command) "." }
            }
        }
    }
}

fn follow(tail: &AuditPage) -> Result<(), AuditFault> {
    let mut chain = match tail.rows.first() {
        // The first row of all has nothing before it but the origin.
        Some(first) if first.n > 1 => AuditChain::after(AuditHead { n: first.n - 1, hash: first.previous }),
        _ => AuditChain::new(None),
    };
    tail.rows.iter().try_for_each(|row| chain.follow(row))?;
    chain.finish(tail.head).map(|_| ())
}

fn form(asked: &Asked, whats: &[String]) -> Markup {
    let what = typed(asked.what.as_ref());
    // Only words of the form that this service writes: others are no choice, and can be asked for in the address.
    let plain = |word: &&String| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let whats: Vec<_> = whats.iter().filter(plain).collect();
    html! {
        form.find role="search" method="get" {
            label { "Who: operator, maker, terminal, service, or a name" input type="search" name="who" value=(typed(asked.who.as_ref())); }
            label { "What" select name="what" {
                option value="" { "anything" }
                @for word in &whats { option value=(word) selected[*word == what] { (word.replace('-', " ")) } }
                @if !what.is_empty() && !whats.iter().any(|word| *word == what) { option value=(what) selected { (super::page::visible(what)) } }
            } }
            label { "Until the end of" input type="date" name="until" value=(typed(asked.until.as_ref())); }
            button type="submit" { "Show" }
        }
    }
}

fn listed(rows: &[AuditRow]) -> Markup {
    table(
        "Audit log",
        &columns(&["#row", "time", "who", "what", "details"]),
        &html! {
            @if rows.is_empty() { (nothing(5, "No row is like that.")) }
            @for row in rows {
                tr {
                    th.n scope="row" {
                        (number(row.n))
                        @if row.computed_hash() != row.hash { " " span.tag.bad { "changed" } }
                    }
                    td { (at(row.at)) }
                    td { (doer(&row.who)) }
                    td { a href=(link("/audit", &[("what", &row.what)])) { (text(&row.what.replace('-', " "))) } }
                    td.words { (detail(&row.detail)) }
                }
            }
        },
    )
}

/// Who it was, leading to all that they did. Of a terminal the number is cut, as in all lists.
fn doer(who: &str) -> Markup {
    let href = link("/audit", &[("who", who)]);
    if let Some((kind @ ("operator" | "maker" | "terminal"), name)) = who.split_once(':') {
        return html! { span.muted { (kind) } " " a href=(href) { (text(name)) } };
    }
    html! { a href=(href) { (text(who)) } }
}

/// What JSON says, pair by pair; what is no object, as it stands.
fn detail(detail: &str) -> Markup {
    let Ok(Value::Object(pairs)) = serde_json::from_str(detail) else { return words(detail) };
    html! {
        @for (key, value) in pairs.iter().filter(|(_, value)| !value.is_null()) {
            span.pair { span.muted { (text(key)) } " " (words(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))) }
            " "
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_day_ends_at_midnight() {
        let asked = |until: &str| Asked { who: None, what: None, until: Some(until.to_owned()), before: None };
        assert_eq!(asked("1970-01-01").until(), 86_400);
        for none in ["", "yesterday", "2026-02-30", "9999-12-31"] {
            assert_eq!(asked(none).until(), i64::MAX, "{none}");
        }
    }
}
