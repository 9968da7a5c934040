//! What operators gave single terminals, for a time.

use super::page::{ROWS, ago, at, columns, link, nothing, page, pages, table, terminal, text, typed, words};
use super::session::SignedIn;
use super::{Address, Fault};
use crate::service::AppState;
use crate::wire::{OneOff, OneOffRow};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Those of this terminal, or of those after it.
    q: Option<String>,
    /// Where the last page ended: maker and name of its last row.
    maker: Option<String>,
    name: Option<String>,
}

pub(crate) async fn show(
    State(app): State<AppState>,
    who: SignedIn,
    Address(asked): Address<Asked>,
) -> Result<Markup, Fault> {
    let [q, maker, name] = [&asked.q, &asked.maker, &asked.name].map(|part| typed(part.as_ref()));
    let rows = app.store.one_offs([q, maker, name], ROWS as u64).await?;
    let next = rows.last().filter(|_| rows.len() == ROWS).map(|last| {
        let (maker, name) = (last.channel.maker(), last.channel.name());
        link("/one-offs", &[("q", &last.terminal), ("maker", maker), ("name", name)])
    });
    let body = html! {
        p.crumb { a href=(link("/terminals", &[])) { "Terminals" } }
        h1 { "One-offs" }
        p.lead { "Channels and releases that an operator gave one terminal for a time, whatever the policy says of them." }
        form.find role="search" method="get" {
            label { "From the terminal with this number on" input type="search" name="q" value=(q); }
            button type="submit" { "Show" }
        }
        (table("One-offs", &columns(&["terminal", "channel", "release", "until", "given by", "given", "why"]), &html! {
            @if rows.is_empty() { (nothing(7, "Nothing is given.")) }
            @for row in &rows { (line(row)) }
        }))
        (pages((!maker.is_empty()).then(|| link("/one-offs", &[])).as_deref(), next.as_deref()))
    };
    Ok(page(&who, "/terminals", "One-offs", &body))
}

fn line(row: &OneOffRow) -> Markup {
    html! {
        tr {
            th.id scope="row" { (terminal(&row.terminal)) }
            td { (row.channel.to_string()) }
            td { (release(row.release)) }
            td { (at(row.until.as_second())) }
            td { a href=(link("/audit", &[("who", &row.who)])) { (text(&row.who)) } }
            td { (ago(Some(row.given_at))) }
            td.words { (words(&row.why)) }
        }
    }
}

fn release(release: Option<u64>) -> Markup {
    html! { @if let Some(release) = release { (release) } @else { "the newest" } }
}

/// What one terminal was given.
pub(crate) fn given(one_offs: &[OneOff]) -> Markup {
    table(
        "What it alone was given",
        &columns(&["channel", "release", "until", "why"]),
        &html! {
            @for one_off in one_offs {
                tr {
                    th scope="row" { (one_off.channel.to_string()) }
                    td { (release(one_off.release)) }
                    td { (at(one_off.until.as_second())) }
                    td.words { (words(&one_off.why)) }
                }
            }
        },
    )
}
