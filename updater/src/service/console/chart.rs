//! Coverage over time as a picture that is part of the page: lines, labels, and the figures below for who cannot see it.

use super::page::{at, number, table};
use crate::wire::CoverageAt;
use maud::{Markup, html};
use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 28.0;
/// Figures in the table below, at most.
const FIGURES_MAX: usize = 60;

/// Unprotected and unknown terminals over time. `points` ascend.
pub(crate) fn unprotected(points: &[CoverageAt]) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return html! { p.muted { "The fleet has not been counted yet; the first count is made within minutes." } };
    };
    let peak = points.iter().map(|point| point.unprotected).max().unwrap_or(0);
    let top = ceiling(peak);
    let x = |time: i64| {
        let share = (time - first.at) as f64 / ((last.at - first.at).max(1)) as f64;
        LEFT + share * (WIDTH - LEFT - RIGHT)
    };
    let y = |count: u64| TOP + (1.0 - count as f64 / top as f64) * (HEIGHT - TOP - BOTTOM);
    // Between two counts the first holds.
    let mut line = format!("M{:.1} {:.1}", x(first.at), y(first.unprotected));
    for point in &points[1..] {
        let _ = write!(line, "H{:.1}V{:.1}", x(point.at), y(point.unprotected));
    }
    if points.len() == 1 {
        let _ = write!(line, "H{:.1}", WIDTH - RIGHT);
    }
    let area = format!("{line}V{:.1}H{LEFT:.1}Z", y(0));
    let words = format!(
        "Unprotected terminals: {} at the beginning, {} at most, {} at the end.",
        number(first.unprotected),
        number(peak),
        number(last.unprotected)
    );
    let times = [(first.at, "start"), (last.at, "end")];
    let every = points.len().div_ceil(FIGURES_MAX);
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(words) {
                @for count in [0, top / 2, top] {
                    line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(count)) y2=(y(count)) {}
                    text.axis x=(LEFT - 8.0) y=(y(count) + 4.0) text-anchor="end" { (number(count)) }
                }
                path.area d=(area) {}
                path.line d=(line) {}
                circle.end cx=(if points.len() == 1 { WIDTH - RIGHT } else { x(last.at) }) cy=(y(last.unprotected)) r="3.5" {}
                @for (time, anchor) in times.iter().take(points.len()) {
                    text.axis x=(x(*time)) y=(HEIGHT - 8.0) text-anchor=(anchor) { (minute(*time)) }
                }
            }
            figcaption { (words) }
        }
        details {
            summary { "The figures" }
            (table("Coverage over time", &html! { (super::page::columns(&["time", "#protected", "#unprotected", "#unknown"])) }, &html! {
                @for point in points.iter().rev().step_by(every) {
                    tr {
                        td { (at(point.at)) }
                        td.n { (number(point.protected)) }
                        td.n { (number(point.unprotected)) }
                        td.n { (number(point.unknown)) }
                    }
                }
            }))
        }
    }
}

/// A time as text alone, as pictures take no elements of pages.
fn minute(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default()
}

/// The next number of the form 2, 4, 10, 20, 40, 100, … that is not below this: half of it is whole.
fn ceiling(peak: u64) -> u64 {
    let mut scale = 1_u64;
    loop {
        for step in [2, 4, 10] {
            let ceiling = scale.saturating_mul(step);
            if ceiling >= peak {
                return ceiling;
            }
        }
        scale = scale.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!([0, 2, 3, 5, 11, 41, 999_999].map(ceiling), [2, 2, 4, 10, 20, 100, 1_000_000]);
        assert_eq!(ceiling(u64::MAX), u64::MAX);
    }

    #[test]
    fn any_points_make_a_picture() {
        let point = |at, unprotected| CoverageAt { at, protected: 1, unprotected, unknown: 0 };
        assert!(unprotected(&[]).into_string().contains("not been counted"));
        for points in [vec![point(5, 0)], vec![point(5, 7), point(5, 7)], vec![point(0, u64::MAX), point(i64::MAX, 0)]] {
            let shown = unprotected(&points).into_string();
            assert!(shown.contains("<path") && !shown.contains("NaN") && !shown.contains("inf"), "{shown}");
        }
    }
}
