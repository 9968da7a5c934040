//! Why a terminal runs what it runs: the questions that its decision asks, as `titer admin explain` shows them.

use super::page::{columns, link, nothing, release, table, text, words};
use crate::wire::{CandidateView, ChannelRelease, Explanation};
use maud::{Markup, html};

/// Threats of a candidate that are named.
const NAMED: usize = 6;

/// A decision with all that led to it.
pub(crate) fn explained(explained: &Explanation) -> Markup {
    let assignment = &explained.assignment;
    html! {
        div.note {
            "Shall run " (listed(&assignment.channels)) ": " (words(&assignment.words)) " "
            span.muted { "(" (assignment.reason.code().replace('_', " ")) ")" }
        }
        (table("Questions of the decision", &columns(&["question", "answer", "why"]), &html! {
            @if explained.tried.is_empty() { (nothing(3, "None was asked.")) }
            @for tried in &explained.tried {
                tr {
                    th scope="row" { (tried.rule.question()) }
                    td { @if tried.yes { span.tag { "yes" } } @else { span.tag.warn { "no" } } }
                    td.words { (words(&tried.words)) }
                }
            }
        }))
        @if !explained.candidates.is_empty() { h3 { "Channels that could help" } (candidates(&explained.candidates)) }
    }
}

fn listed(channels: &[ChannelRelease]) -> Markup {
    html! {
        @if channels.is_empty() { "nothing" }
        @for (place, at) in channels.iter().enumerate() { @if place > 0 { ", " } (release(at)) }
    }
}

fn candidates(candidates: &[CandidateView]) -> Markup {
    table(
        "Channels that could help",
        &columns(&["channel", "accepted", "#maker’s rank", "cures", "lacks"]),
        &html! {
            @for candidate in candidates {
                tr {
                    th scope="row" { (release(&candidate.at)) }
                    td { @if candidate.accepted { span.tag.good { "yes" } } @else { span.tag.warn { "no" } } }
                    td.n { (candidate.rank) }
                    td.words { (named(&candidate.cures)) }
                    td.words { (named(&candidate.lacks)) }
                }
            }
        },
    )
}

fn named(threats: &[String]) -> Markup {
    html! {
        @if threats.is_empty() { span.muted { "–" } }
        @for (place, threat) in threats.iter().take(NAMED).enumerate() {
            @if place > 0 { ", " }
            a href=(link("/coverage", &[("threat", threat)])) { (text(threat)) }
        }
        @if threats.len() > NAMED { span.muted { " and " (threats.len() - NAMED) " more" } }
    }
}
