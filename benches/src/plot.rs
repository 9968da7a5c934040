//! The plot of throughput against the number of signatures: an SVG that follows the reader's colour scheme.

use crate::curve::READ;
use crate::record::Record;
use crate::tables::{grouped, points};
use anyhow::{Result, ensure};
use std::fmt::Write as _;

const WIDTH: f64 = 700.0;
const HEIGHT: f64 = 430.0;
/// Where the axes are; the space right of them is for labels.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 570.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 372.0;
/// Height and mean advance of the letters of a label.
const LETTER: (f64, f64) = (14.0, 7.0);

/// Engines in the plot: key, label, colour on light and on dark ground, dashes. Others are left out.
const LINES: [(&str, &str, &str, &str, &str); 8] = [
    ("titer", "titer", "#c1121f", "#ff6b6b", ""),
    ("titer-portable", "titer, no SIMD", "#c1121f", "#ff6b6b", "5 4"),
    ("hyperscan", "Hyperscan", "#1d5fbf", "#6ea8fe", ""),
    ("daachorse", "daachorse", "#2a7f3b", "#63c174", ""),
    ("aho-corasick-dfa", "aho-corasick DFA", "#8a5a00", "#e0a93b", ""),
    ("aho-corasick-nfa", "aho-corasick NFA", "#8a5a00", "#e0a93b", "5 4"),
    ("yara-x", "YARA-X", "#7b3fa0", "#c792ea", ""),
    (READ, "reading memory", "#777777", "#999999", "2 4"),
];

const STYLE: &str = "\
    text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f }\n\
    .title { font-size: 15px; font-weight: 600 }\n\
    .grid { stroke: #d0d7de; stroke-width: 1 }\n\
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round }\n";
const STYLE_DARK: &str = "text { fill: #e6edf3 } .grid { stroke: #3d444d }";

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    x: f64,
    y: f64,
}

struct Line {
    index: usize,
    places: Vec<Place>,
}

/// Decades that an axis spans, and where it lies on the picture.
struct Axis {
    first: i32,
    last: i32,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Axis {
        let first = values.clone().fold(f64::MAX, f64::min).log10().floor() as i32;
        let last = values.fold(0.0, f64::max).log10().ceil() as i32;
        Axis { first, last: last.max(first + 1), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + share * (self.to - self.from)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.first..=self.last).map(|decade| 10_f64.powi(decade))
    }
}

/// The plot of a record of [`crate::curve`].
///
/// # Errors
/// When the record is not one, or has no point.
pub fn svg(record: &Record) -> Result<String> {
    let points = points(record)?;
    let measured: Vec<(usize, f64, f64)> = points
        .iter()
        .filter_map(|point| {
            let line = LINES.iter().position(|line| line.0 == point.engine)?;
            Some((line, point.signatures as f64, point.measured.as_ref().ok()?.mb_per_second))
        })
        .collect();
    ensure!(!measured.is_empty(), "there is no point to plot");
    let x = Axis::new(measured.iter().map(|point| point.1), LEFT, RIGHT);
    let y = Axis::new(measured.iter().map(|point| point.2), BOTTOM, TOP);
    let mut lines = Vec::new();
    for index in 0..LINES.len() {
        let mut of_line: Vec<_> = measured.iter().filter(|point| point.0 == index).collect();
        of_line.sort_by(|a, b| a.1.total_cmp(&b.1));
        let places: Vec<Place> = of_line.iter().map(|point| Place { x: x.at(point.1), y: y.at(point.2) }).collect();
        if !places.is_empty() {
            lines.push(Line { index, places });
        }
    }
    let mut svg = String::new();
    head(&mut svg);
    axes(&mut svg, &x, &y);
    let labels = place_labels(&lines);
    for (line, label) in lines.iter().zip(labels) {
        draw(&mut svg, line, label);
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn head(svg: &mut String) {
    let colours = |dark: bool| -> String {
        let rule = |(index, line): (usize, &(&str, &str, &str, &str, &str))| {
            let colour = if dark { line.3 } else { line.2 };
            format!(".l{index} {{ stroke: {colour} }} .t{index} {{ fill: {colour} }} ")
        };
        LINES.iter().enumerate().map(rule).collect::<String>().trim_end().to_owned()
    };
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"Throughput against number of signatures\">\n<style>\n{STYLE}    {}\n\
         @media (prefers-color-scheme: dark) {{\n    {STYLE_DARK}\n    {}\n}}\n</style>\n",
        colours(false),
        colours(true)
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"12\" y=\"22\">Throughput, MB per CPU second, one thread (higher is better)</text>"
    );
}

fn axes(svg: &mut String, x: &Axis, y: &Axis) {
    for value in y.decades() {
        let at = y.at(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>");
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 8.0, at + 4.5, grouped(value));
    }
    for value in x.decades() {
        let at = x.at(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/>");
        let _ =
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", BOTTOM + 20.0, grouped(value));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">number of literal signatures</text>",
        BOTTOM + 44.0
    );
}

fn draw(svg: &mut String, line: &Line, label: Place) {
    let (index, (_, name, _, _, dashes)) = (line.index, LINES[line.index]);
    let path: Vec<String> = line.places.iter().map(|place| format!("{:.1} {:.1}", place.x, place.y)).collect();
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    let _ = writeln!(svg, "<path class=\"line l{index}\"{dashes} d=\"M{}\"/>", path.join("L"));
    for place in &line.places {
        let _ = writeln!(svg, "<circle class=\"t{index}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", place.x, place.y);
    }
    let _ = writeln!(svg, "<text class=\"t{index}\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>", label.x, label.y);
}

/// Where each label begins: beside the end of its line, where it hides neither a line nor a label.
fn place_labels(lines: &[Line]) -> Vec<Place> {
    let mut taken: Vec<(Place, Place)> = Vec::new();
    let mut labels = Vec::new();
    for line in lines {
        let end = *line.places.last().expect("only lines with a point are drawn");
        let width = LINES[line.index].1.len() as f64 * LETTER.1;
        let right = |away: f64| [(9.0, away), (9.0, -away)];
        let left = |away: f64| [(-width - 9.0, 7.0 + away), (-width - 9.0, -7.0 - away)];
        let steps = |from: i32, to: i32| (from..to).map(|step| f64::from(step) * 7.0);
        let candidates = steps(0, 3).flat_map(right).chain(steps(0, 3).flat_map(left)).chain(steps(3, 9).flat_map(right));
        let boxed = |(dx, dy): (f64, f64)| {
            let baseline = Place { x: end.x + dx, y: end.y + dy + 4.5 };
            let corner = Place { x: baseline.x, y: baseline.y - LETTER.0 + 3.0 };
            (baseline, (corner, Place { x: corner.x + width, y: corner.y + LETTER.0 }))
        };
        let is_free = |(_, area): &(Place, (Place, Place))| {
            let inside = area.0.x > LEFT && area.1.x < WIDTH && area.0.y > TOP - 14.0 && area.1.y < BOTTOM;
            let segments = lines.iter().flat_map(|line| line.places.windows(2));
            inside
                && taken.iter().all(|other| !overlap(area, other))
                && segments.into_iter().all(|pair| !crosses(area, pair[0], pair[1]))
                && lines.iter().flat_map(|line| &line.places).all(|place| !holds(area, *place))
        };
        // Where all places are taken the first is as good as any.
        let free = candidates.clone().map(boxed).find(is_free);
        let (label, area) = free.unwrap_or_else(|| boxed((9.0, 0.0)));
        taken.push(area);
        labels.push(label);
    }
    labels
}

fn overlap(a: &(Place, Place), b: &(Place, Place)) -> bool {
    a.0.x < b.1.x && b.0.x < a.1.x && a.0.y < b.1.y && b.0.y < a.1.y
}

fn holds(area: &(Place, Place), place: Place) -> bool {
    let margin = 3.0;
    place.x > area.0.x - margin && place.x < area.1.x + margin && place.y > area.0.y - margin && place.y < area.1.y + margin
}

/// Whether a line from `from` to `to` goes through `area`, as far as a hundred places on it tell.
fn crosses(area: &(Place, Place), from: Place, to: Place) -> bool {
    (0..=100).any(|step| {
        let share = f64::from(step) / 100.0;
        holds(area, Place { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(index: usize, places: &[(f64, f64)]) -> Line {
        Line { index, places: places.iter().map(|&(x, y)| Place { x, y }).collect() }
    }

    #[test]
    fn labels_of_lines_that_end_together_do_not_overlap() {
        let lines = [line(0, &[(100.0, 100.0), (560.0, 200.0)]), line(2, &[(100.0, 120.0), (560.0, 203.0)])];
        let labels = place_labels(&lines);
        assert!((labels[0].y - labels[1].y).abs() >= LETTER.0, "{labels:?}");
    }

    #[test]
    fn a_label_leaves_the_other_line_to_be_seen() {
        let lines = [line(0, &[(100.0, 100.0), (300.0, 200.0)]), line(2, &[(290.0, 200.0), (560.0, 200.0)])];
        let labels = place_labels(&lines);
        assert_ne!(labels[0], Place { x: 309.0, y: 204.5 });
    }

    #[test]
    fn a_point_lies_where_its_value_says() {
        let axis = Axis::new([100.0, 1e6].into_iter(), 0.0, 400.0);
        assert_eq!([100.0, 1e4, 1e6].map(|value| axis.at(value).round() as i32), [0, 200, 400]);
    }

    #[test]
    fn nothing_to_plot_is_an_error() {
        assert!(svg(&Record::here(&crate::curve::COLUMNS)).is_err());
    }
}
