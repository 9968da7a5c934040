//! What somebody should look at now, in one list.

use super::page::{counted, link, number, release, text};
use super::releases::{running, runs};
use super::rollouts::address;
use crate::service::AppState;
use crate::service::store::StoreError;
use crate::service::store::console::{Held, ThreatOrder, ThreatQuestion, ThreatState};
use crate::service::store::coverage::Fleet;
use crate::service::store::listing::Mark;
use crate::wire::RolloutState;
use maud::{Markup, html};

/// Items of one kind that are named one by one.
const NAMED: usize = 5;

/// One thing: how bad, the word for it, what it is.
struct Item {
    class: &'static str,
    word: &'static str,
    what: Markup,
}

/// The list, and whether there is anything in it.
pub(crate) async fn list(app: &AppState, fleet: &Fleet, held: &[Held]) -> Result<Markup, StoreError> {
    let mut items = rollouts(app).await?;
    items.extend(releases(app, fleet, held).await?);
    items.extend(terminals(app).await?);
    items.extend(makers(app).await?);
    Ok(html! {
        @if items.is_empty() { div.note { span.tag.good { "all well" } " Nothing needs anybody’s attention." } }
        @else {
            ul.attention {
                @for Item { class, word, what } in &items { li { span class=(class) { (word) } span { (what) } } }
            }
        }
    })
}

fn bad(word: &'static str, what: Markup) -> Item {
    Item { class: "tag bad", word, what }
}

fn warn(word: &'static str, what: Markup) -> Item {
    Item { class: "tag warn", word, what }
}

async fn rollouts(app: &AppState) -> Result<Vec<Item>, StoreError> {
    let halted = app.store.rollouts_in(RolloutState::Halted, "", 0, NAMED).await?;
    let mut items: Vec<_> = halted
        .iter()
        .map(|rollout| {
            bad("halted", html! { a href=(address(&rollout.at)) { (release(&rollout.at)) } ": " (text(&rollout.words)) })
        })
        .collect();
    let all = app.store.rollouts_counted(RolloutState::Halted, "").await?;
    if all > NAMED as u64 {
        let more = number(all - NAMED as u64);
        items.push(bad("halted", html! { a href=(link("/rollouts", &[("state", "halted")])) { (more) " more rollouts" } }));
    }
    Ok(items)
}

/// Releases that nobody should run and somebody does.
async fn releases(app: &AppState, fleet: &Fleet, held: &[Held]) -> Result<Vec<Item>, StoreError> {
    let (running, blocked) = (running(fleet), app.store.blocked().await?);
    let run_by = |at| running.get(&at).copied().unwrap_or(0);
    let mut items = Vec::new();
    for blocked in &blocked {
        let terminals = run_by((&blocked.at.channel, blocked.at.release));
        if terminals > 0 {
            let who = html! { a href=(runs(&blocked.at)) { (counted(terminals, "terminal", "terminals")) } };
            items.push(bad(
                "blocked",
                html! { (release(&blocked.at)) " is still run by " (who) ": " (text(&blocked.words)) },
            ));
        }
    }
    for held in held.iter().filter(|held| held.withdrawn) {
        let terminals = run_by((&held.at.channel, held.at.release));
        if terminals > 0 {
            let who = html! { a href=(runs(&held.at)) { (counted(terminals, "terminal", "terminals")) } };
            items.push(warn("withdrawn", html! { (release(&held.at)) " is still run by " (who) }));
        }
    }
    let lost = app.store.lost_count().await?;
    if lost > 0 {
        let what = html! { (counted(lost, "stored object is", "stored objects are")) " lost; makers who publish again send them anew" };
        items.insert(0, bad("lost", what));
    }
    let more = items.len().saturating_sub(2 * NAMED);
    items.truncate(2 * NAMED);
    if more > 0 {
        items.push(warn("releases", html! { a href=(link("/releases", &[])) { (more) " more that nobody should run" } }));
    }
    Ok(items)
}

async fn terminals(app: &AppState) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let lists = [
        (Mark::Copied, "copied", "bad", "copies", "seen in two copies, or put back to an older state"),
        (Mark::Pending, "pending", "warn", "approval", "waiting for approval"),
    ];
    for (mark, word, class, tag, words) in lists {
        let terminals = app.store.marked(mark).await?;
        if terminals > 0 {
            let who = counted(terminals, "terminal", "terminals");
            let what = html! { a href=(link("/terminals", &[("lag", word)])) { (who) } " " (words) };
            items.push(if class == "bad" { bad(tag, what) } else { warn(tag, what) });
        }
    }
    Ok(items)
}

async fn makers(app: &AppState) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let sources = app.store.sources().await?;
    for source in sources.iter().filter(|source| source.failures > 0).take(NAMED) {
        let (maker, code) = (source.source.maker.as_str(), source.last_code.as_deref().unwrap_or_default());
        let times = counted(source.failures, "time", "times");
        let what = html! { a href=(link("/maker", &[("name", maker)])) { (text(maker)) } "’s source failed " (times) " in a row: " (text(code)) };
        items.push(warn("source", what));
    }
    let (search, danger, order) = ("", "", ThreatOrder::Name);
    let missed = ThreatQuestion { search, danger, state: ThreatState::Missed, by_threat: false, order };
    let missed = app.store.threats_counted(&missed).await?;
    if missed > 0 {
        let href = link("/threats", &[("state", "missed")]);
        let what = html! { a href=(href) { (counted(missed, "promised cure", "promised cures")) } " did not come in time" };
        items.push(warn("missed", what));
    }
    Ok(items)
}
