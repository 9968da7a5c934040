//! The frame of all pages, and what they are made of.

use super::session::SignedIn;
use crate::wire::{ChannelRelease, Danger, Designation};
use crate::words::{printable, query};
use maud::{DOCTYPE, Markup, html};

/// Where the console is.
pub(crate) const ADDRESS: &str = "/console";
/// Characters of somebody's text that a table shows; the rest is in its title.
const SHOWN_MAX: usize = 60;
/// Characters of somebody's text that is shown in a line of its own.
const UNFOLDED_MAX: usize = 160;
/// Digits of a terminal's number that lists show.
const TERMINAL_SHOWN: usize = 12;
/// Longer text has itself for a title.
const TITLED_FROM: usize = 16;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Rows of a list on one page.
pub(crate) const ROWS: usize = 50;

/// What the menu leads to: address below [`ADDRESS`] and name.
const MENU: [(&str, &str); 9] = [
    ("", "Overview"),
    ("/threats", "Countering table"),
    ("/coverage", "Coverage"),
    ("/terminals", "Terminals"),
    ("/makers", "Makers"),
    ("/releases", "Releases"),
    ("/rollouts", "Rollouts"),
    ("/faults", "Faults"),
    ("/audit", "Audit log"),
];

/// What somebody typed in a field of a form, without the spaces around it; nothing where there was no such field.
pub(crate) fn typed(field: Option<&String>) -> &str {
    field.map_or("", |text| text.trim())
}

/// A page of somebody who is signed in; `here` is its entry in the menu.
pub(crate) fn page(who: &SignedIn, here: &str, title: &str, body: &Markup) -> Markup {
    frame(
        title,
        &html! {
            a.skip href="#content" { "Skip to content" }
            header.top {
                a.brand href=(ADDRESS) { "Titer" }
                nav aria-label="Pages" {
                    ul {
                        @for (path, name) in MENU {
                            li { a href={ (ADDRESS) (path) } aria-current=[(path == here).then_some("page")] { (name) } }
                        }
                    }
                }
                form.leave method="post" action="/console/sign-out" {
                    input type="hidden" name="form" value=(who.form);
                    span.role { (who.role) }
                    button type="submit" { "Sign out" }
                }
            }
            main #content tabindex="-1" { (body) }
            footer { "Titer " (env!("CARGO_PKG_VERSION")) " · times are UTC · made " (at(now())) }
        },
    )
}

/// A page without the menu.
pub(crate) fn bare(title: &str, body: &Markup) -> Markup {
    frame(title, &html! { main.bare #content { (body) } })
}

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Titer" }
                link rel="icon" href="/console/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/console/style.css";
            }
            body { (body) }
        }
    }
}

/// What a maker or a terminal wrote, as text: nothing in it acts on the page, turns its direction or stretches it.
pub(crate) fn text(written: &str) -> Markup {
    let whole = visible(written);
    let length = whole.chars().count();
    if length <= SHOWN_MAX {
        // Some columns are narrower.
        return html! { bdi title=[(length > TITLED_FROM).then_some(&whole)] { (whole) } };
    }
    let short: String = whole.chars().take(SHOWN_MAX - 1).collect();
    html! { bdi title=(whole) { (short) "…" } }
}

/// The same at its full length, for where there is room.
pub(crate) fn prose(written: &str) -> Markup {
    html! { bdi { (visible(written)) } }
}

/// The same where there is some room: what is long can be unfolded.
pub(crate) fn words(written: &str) -> Markup {
    let whole = visible(written);
    if whole.chars().count() <= UNFOLDED_MAX {
        return html! { bdi { (whole) } };
    }
    let short: String = whole.chars().take(UNFOLDED_MAX - 1).collect();
    html! { details { summary { bdi { (short) "…" } } bdi { (whole) } } }
}

/// Printable, and without characters that cannot be seen, by which two names could look like one.
pub(crate) fn visible(written: &str) -> String {
    let mut seen = String::new();
    for c in printable(written).chars() {
        match c {
            '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{61c}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2064}'
            | '\u{feff}'
            | '\u{ad}'
            | '\u{e0000}'..='\u{e007f}' => {
                seen.extend(c.escape_unicode());
            }
            _ => seen.push(c),
        }
    }
    seen
}

/// A link to a page of the console with these in its address.
pub(crate) fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    query(&format!("{ADDRESS}{path}"), pairs)
}

/// A number with commas.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `one` terminal, several `many`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A share of a whole, in percent, never rounded to all or nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    match part as f64 * 100.0 / whole.max(1) as f64 {
        _ if part == 0 => "0 %".to_owned(),
        _ if part >= whole => "100 %".to_owned(),
        share if share < 1.0 => "< 1 %".to_owned(),
        share if share > 99.0 => "> 99 %".to_owned(),
        share => format!("{share:.0} %"),
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A time as date and minute, with the seconds and how long ago it is in its title.
pub(crate) fn at(seconds: i64) -> Markup {
    let Ok(time) = jiff::Timestamp::from_second(seconds) else { return html! { "–" } };
    let passed = now() - seconds;
    let distance = if passed < 0 { format!("in {}", span(-passed)) } else { format!("{} ago", span(passed)) };
    let title = format!("{}, {distance}", exactly(time));
    html! { time.nowrap datetime=(time) title=(title) { (time.strftime("%Y-%m-%d %H:%M")) } }
}

fn exactly(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago a time is, with the time itself in its title.
pub(crate) fn ago(seconds: Option<i64>) -> Markup {
    let Some(time) = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) else {
        return html! { span.tag.bad { "never" } };
    };
    html! { time.nowrap datetime=(time) title=(exactly(time)) { (span(now() - time.as_second())) " ago" } }
}

/// Seconds in the largest unit that fits.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        i64::MIN..MINUTE => "moments".to_owned(),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        DAY.. => format!("{} d", seconds / DAY),
    }
}

/// Bytes in the largest unit that fits.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e3 => format!("{bytes:.0} B"),
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// A danger, by word and colour.
pub(crate) fn danger(danger: Danger) -> Markup {
    match danger {
        Danger::High => html! { span.tag.bad { "high" } },
        Danger::Medium => html! { span.tag.warn { "medium" } },
        Danger::Low => html! { span.tag { "low" } },
    }
}

/// Which makers a terminal accepts.
pub(crate) fn designation(designation: &Designation) -> Markup {
    match designation {
        Designation::None => html! { "no updates" },
        Designation::Own => html! { "own maker" },
        Designation::Any => html! { "any maker" },
        Designation::List(makers) => {
            let makers: Vec<_> = makers.iter().map(ToString::to_string).collect();
            html! { "also " (text(&makers.join(", "))) }
        }
    }
}

/// Channels at their releases.
pub(crate) fn releases(releases: &[ChannelRelease]) -> Markup {
    html! {
        @if releases.is_empty() { span.muted { "nothing" } }
        @for (place, at) in releases.iter().enumerate() {
            @if place > 0 { br; }
            span.nowrap { (at.channel.to_string()) " " b { (at.release) } }
        }
    }
}

/// A table that scrolls by itself where it is wider than the page.
pub(crate) fn table(caption: &str, head: &Markup, rows: &Markup) -> Markup {
    grouped(caption, head, &html! { tbody { (rows) } })
}

/// A table whose rows are in groups, each of which is a [`group`].
pub(crate) fn grouped(caption: &str, head: &Markup, groups: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption.unseen { (caption) }
                thead { tr { (head) } }
                (groups)
            }
        }
    }
}

/// Rows below a line that says what they have in common.
pub(crate) fn group(columns: u32, name: &Markup, rows: &Markup) -> Markup {
    html! { tbody { tr.group { th colspan=(columns) scope="rowgroup" { (name) } } (rows) } }
}

/// A row that says why there are no others.
pub(crate) fn nothing(columns: u32, words: &str) -> Markup {
    html! { tr { td.empty colspan=(columns) { (words) } } }
}

/// A bar for a part of a whole, drawn with attributes, as the policy of the pages lets no style in.
pub(crate) fn bar(part: u64, whole: u64, class: &str) -> Markup {
    let width = part as f64 * 100.0 / whole.max(1) as f64;
    // Somebody is always to be seen.
    let width = if part > 0 { width.max(0.8) } else { 0.0 };
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.ground width="100" height="6" {}
            rect class=(class) width=(format!("{width:.2}")) height="6" {}
        }
    }
}

/// A heading of a column by which rows can be ordered.
pub(crate) fn sorted_by(name: &str, href: &str, sorted: Option<&str>) -> Markup {
    html! {
        th scope="col" aria-sort=[sorted] {
            a href=(href) { (name) @if let Some(order) = sorted { span aria-hidden="true" { (if order == "ascending" { " ↑" } else { " ↓" }) } } }
        }
    }
}

/// Headings of columns by which they cannot; those of figures, which stand at the right, begin with `#`.
pub(crate) fn columns(names: &[&str]) -> Markup {
    html! {
        @for name in names {
            @if let Some(name) = name.strip_prefix('#') { th.n scope="col" { (name) } } @else { th scope="col" { (name) } }
        }
    }
}

/// The rows of a page of those that are all at hand.
pub(crate) fn slice<T>(rows: &[T], page: u32) -> &[T] {
    let first = rows.len().min(page as usize * ROWS);
    &rows[first..rows.len().min(first + ROWS)]
}

/// How many rows before a page of a list whose pages have numbers, the first 0.
pub(crate) fn before(page: u32) -> u64 {
    u64::from(page) * ROWS as u64
}

/// Which rows of `all` a page has, and where the others are; `link` makes a page's address.
pub(crate) fn numbered(page: u32, all: u64, link: impl Fn(u32) -> String) -> Markup {
    let (first, last) = (before(page) + 1, (before(page) + ROWS as u64).min(all));
    html! {
        @if all > ROWS as u64 || page > 0 {
            nav.pages aria-label="Rows" {
                @if page > 0 { a rel="prev" href=(link(page - 1)) { "← Rows before" } } @else { span {} }
                span.muted { @if first <= last { (number(first)) " to " (number(last)) " of " (number(all)) } @else { "no more rows" } }
                @if last < all { a rel="next" href=(link(page + 1)) { "Next rows →" } } @else { span {} }
            }
        }
    }
}

/// A page's number as a link has it; nothing for the first.
pub(crate) fn page_text(page: u32) -> String {
    if page == 0 { String::new() } else { page.to_string() }
}

/// A digest, of which the beginning is enough for eyes.
pub(crate) fn digest(digest: &crate::wire::Sha256Hex) -> Markup {
    let whole = digest.to_string();
    html! { code title=(whole) { (whole[..12]) "…" } }
}

/// A terminal's number, which leads to its page. Lists show the beginning of it.
pub(crate) fn terminal(id: &str) -> Markup {
    let whole = visible(id);
    let short: String = whole.chars().take(TERMINAL_SHOWN).collect();
    html! {
        a href=(link("/terminal", &[("id", id)])) title=(whole) { bdi { (short) @if short.len() < whole.len() { "…" } } }
    }
}

/// A release of a channel.
pub(crate) fn release(at: &ChannelRelease) -> Markup {
    html! { span.nowrap { (at.channel.to_string()) " " b { (at.release) } } }
}

/// A part that needs nobody's attention when it is none of the whole.
pub(crate) fn share_of(part: u64, whole: u64, class: &str) -> Markup {
    html! {
        @if part == 0 { span.muted { "0" } }
        @else { span class=(class) { (number(part)) } " " span.muted { "(" (percent(part, whole)) ")" } }
    }
}

/// Where pages go on, and back to the first.
pub(crate) fn pages(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pages aria-label="Rows" {
                @if let Some(first) = first { a rel="first" href=(first) { "← First rows" } }
                @if let Some(next) = next { a rel="next" href=(next) { "Next rows →" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time is a number in some table: whatever it is, the page is shown.
    #[test]
    fn every_number_can_be_shown_as_a_time() {
        let (first, last) = (jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        for seconds in [0, -1, first, last, first - 1, last + 1, i64::MIN, i64::MAX] {
            let is_time = (first..=last).contains(&seconds);
            assert_eq!(at(seconds).into_string().contains("<time"), is_time, "{seconds}");
            assert_eq!(ago(Some(seconds)).into_string().contains("never"), !is_time, "{seconds}");
        }
        assert!(at(last).into_string().contains("9999-12-30") && at(first).into_string().contains("-9999-01-02"));
    }

    /// The number of a page comes from an address that anybody can type.
    #[test]
    fn every_number_of_a_page_can_be_asked_for() {
        let shown = |page, all| numbered(page, all, |page| format!("?page={page}")).into_string();
        assert!(shown(0, 51).contains("1 to 50 of 51") && shown(0, 51).contains("?page=1"));
        assert!(shown(1, 51).contains("51 to 51 of 51"));
        assert!(shown(u32::MAX, 51).contains("no more rows") && shown(u32::MAX, 51).contains("?page=4294967294"));
        assert_eq!(slice(&[7; 51], u32::MAX), [0; 0]);
    }

    #[test]
    fn nothing_that_somebody_wrote_acts_on_a_page() {
        let shown = text("<script>alert(1)</script>\" onload='x'\u{202e}\u{200b}\u{0}").into_string();
        assert!(!shown.contains("<script") && shown.contains("&lt;script&gt;"), "{shown}");
        assert!(shown.contains("\\u{202e}\\u{200b}\\u{0}"), "{shown}");
        let long = text(&"\"><img>".repeat(100)).into_string();
        assert!(!long.contains("<img") && long.matches('"').count() == 2, "{long}");
        assert_eq!(visible("größer 你好 שלום"), "größer 你好 שלום");
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [(0, 9), (1, 1000), (1, 2), (999, 1000), (9, 9), (0, 0)].map(|(a, b)| percent(a, b)),
            ["0 %", "< 1 %", "50 %", "> 99 %", "100 %", "0 %"]
        );
        assert_eq!([5, 60, 7200, 200_000].map(span), ["moments", "1 min", "2 h", "2 d"]);
        assert_eq!([5, 1500, 2_000_000].map(size), ["5 B", "1.5 kB", "2.0 MB"]);
    }
}
