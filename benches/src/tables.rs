//! From the records to the tables of `benches/README.md`.

use crate::curve::READ;
use crate::record::Record;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns of the record of criterion's groups.
pub const GROUP_COLUMNS: [&str; 6] = ["group", "engine", "input", "median_ns", "bytes", "elements"];
/// Order of engines in tables; others follow by name.
const ENGINE_ORDER: [&str; 8] =
    ["titer", "titer-portable", "hyperscan", "daachorse", "aho-corasick-dfa", "aho-corasick-nfa", "yara-x", READ];

/// The record of what criterion keeps below `folder`, `target/criterion`: the last run of each benchmark.
///
/// # Errors
/// When there is none, or it is not as criterion writes it.
pub fn from_criterion(folder: &Path) -> Result<Record> {
    let mut record = Record::here(&GROUP_COLUMNS);
    let mut found = Vec::new();
    runs_below(folder, &mut found)?;
    for run in found {
        let json = |name: &str| -> Result<Value> {
            let path = run.join(name);
            let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(serde_json::from_str(&text)?)
        };
        let (benchmark, estimates) = (json("benchmark.json")?, json("estimates.json")?);
        let text = |key: &str| benchmark[key].as_str().unwrap_or_default().to_owned();
        let throughput =
            |kind: &str| benchmark["throughput"][kind].as_u64().map_or_else(String::new, |count| count.to_string());
        let median = estimates["median"]["point_estimate"].as_f64().context("an estimate without a median")?;
        record.rows.push(vec![
            text("group_id"),
            text("function_id"),
            text("value_str"),
            format!("{median:.1}"),
            throughput("Bytes"),
            throughput("Elements"),
        ]);
    }
    ensure!(!record.rows.is_empty(), "{} holds no run of criterion", folder.display());
    record.rows.sort();
    Ok(record)
}

/// Folders called `new`, which hold the last run of a benchmark.
fn runs_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && path.ends_with("new") {
            found.push(path);
        } else if path.is_dir() {
            runs_below(&path, found)?;
        }
    }
    Ok(())
}

/// The generated parts of `benches/README.md`: name and text.
///
/// # Errors
/// When a record lacks a column or holds what is not a number where there must be one.
pub fn sections(curve: &Record, groups: &Record) -> Result<Vec<(&'static str, String)>> {
    let curve = Curve::new(curve)?;
    let groups = Groups::new(groups)?;
    Ok(vec![
        ("curve", curve.speeds()),
        ("curve-build", curve.builds()),
        ("throughput", groups.throughput()),
        ("floods", groups.floods()),
        ("times", groups.times()),
    ])
}

/// `document` with each section put between its `<!-- generated: NAME -->` and `<!-- end -->`.
///
/// # Errors
/// When a section has no place in the document, or its end is missing.
pub fn fill(document: &str, sections: &[(&'static str, String)]) -> Result<String> {
    const END: &str = "<!-- end -->";
    let mut filled = document.to_owned();
    for (name, text) in sections {
        let mark = format!("<!-- generated: {name} -->\n");
        let start = filled.find(&mark).with_context(|| format!("no `{}`", mark.trim()))? + mark.len();
        let len = filled[start..].find(END).with_context(|| format!("`{}` has no `{END}`", mark.trim()))?;
        filled.replace_range(start..start + len, &format!("\n{text}\n"));
    }
    Ok(filled)
}

/// What one engine did with one number of signatures.
pub struct Point {
    /// How many signatures.
    pub signatures: usize,
    /// Which engine.
    pub engine: String,
    /// What was measured, or why it was left out.
    pub measured: Result<Measured, String>,
}

/// How an engine built and scanned.
pub struct Measured {
    /// MB scanned in a CPU second.
    pub mb_per_second: f64,
    /// CPU seconds to build.
    pub build_seconds: f64,
    /// Peak of memory until it was built.
    pub build_mib: f64,
}

/// The points of a record of [`crate::curve`].
///
/// # Errors
/// When a column is missing or a field is not a number.
pub fn points(record: &Record) -> Result<Vec<Point>> {
    let point = |row: &Vec<String>| {
        let signatures = field(record, row, "signatures")?.parse()?;
        let left_out = field(record, row, "left_out")?;
        let measured = if left_out.is_empty() {
            let number = |column| -> Result<f64> { Ok(field(record, row, column)?.parse()?) };
            Ok(Measured {
                mb_per_second: number("mb_per_cpu_second")?,
                build_seconds: number("build_cpu_seconds")?,
                build_mib: number("build_peak_mib")?,
            })
        } else {
            Err(left_out.to_owned())
        };
        Ok(Point { signatures, engine: field(record, row, "engine")?.to_owned(), measured })
    };
    record.rows.iter().map(point).collect()
}

fn field<'r>(record: &'r Record, row: &'r [String], column: &str) -> Result<&'r str> {
    let index = record.columns.iter().position(|found| found == column);
    let value = index.and_then(|index| row.get(index)).with_context(|| format!("no column `{column}`"))?;
    Ok(value)
}

struct Curve<'r> {
    record: &'r Record,
    points: Vec<Point>,
    sizes: Vec<usize>,
    engines: Vec<String>,
}

impl Curve<'_> {
    fn new(record: &Record) -> Result<Curve<'_>> {
        let points = points(record)?;
        let sizes: BTreeSet<usize> = points.iter().map(|point| point.signatures).collect();
        let engines = ordered(points.iter().map(|point| point.engine.as_str()));
        Ok(Curve { record, points, sizes: sizes.into_iter().collect(), engines })
    }

    fn at(&self, engine: &str, signatures: usize) -> Option<&Measured> {
        let point = self.points.iter().find(|point| point.engine == engine && point.signatures == signatures)?;
        point.measured.as_ref().ok()
    }

    /// A table with a column for each size, a row for each engine that `cell` has anything to say of.
    fn table(&self, cell: impl Fn(&str, usize) -> Option<String>) -> Table {
        let mut table =
            Table::new(std::iter::once("MB per CPU second".to_owned()).chain(self.sizes.iter().map(|&n| grouped(n as f64))));
        for engine in &self.engines {
            let cells: Vec<_> = self.sizes.iter().map(|&size| cell(engine, size).unwrap_or_default()).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                table.row(std::iter::once(engine.clone()).chain(cells));
            }
        }
        table
    }

    fn speeds(&self) -> String {
        let mut table = self.table(|engine, size| Some(grouped(self.at(engine, size)?.mb_per_second)));
        let is_peer = |engine: &&String| !engine.starts_with("titer") && *engine != READ;
        for other in self.engines.iter().filter(is_peer) {
            let ratio = |&size: &usize| {
                let ratio = self.at("titer", size)?.mb_per_second / self.at(other, size)?.mb_per_second;
                Some(format!("{ratio:.1} ×"))
            };
            let ratios: Vec<_> = self.sizes.iter().map(|size| ratio(size).unwrap_or_default()).collect();
            if ratios.iter().any(|ratio| !ratio.is_empty()) {
                table.row(std::iter::once(format!("titer to {other}")).chain(ratios));
            }
        }
        let about = format!(
            "{} Literals: {}. Haystack: {}.",
            self.record.provenance(),
            self.record.note("literals"),
            self.record.note("haystack")
        );
        format!("{about}\n\n{}{}", table.text(), self.left_out())
    }

    fn builds(&self) -> String {
        let build = |engine: &str, size| {
            let built = self.at(engine, size)?;
            (engine != READ).then(|| format!("{:.2} s, {} MiB", built.build_seconds, grouped(built.build_mib)))
        };
        let mut table = self.table(build);
        "to build".clone_into(&mut table.head[0]);
        table.text()
    }

    fn left_out(&self) -> String {
        let reason = |point: &Point| {
            let reason = point.measured.as_ref().err()?;
            Some(format!("{} at {}: {reason}", point.engine, grouped(point.signatures as f64)))
        };
        let reasons: Vec<String> = self.points.iter().filter_map(reason).collect();
        if reasons.is_empty() { String::new() } else { format!("\nLeft out: {}.\n", reasons.join("; ")) }
    }
}

/// One benchmark of criterion.
struct Run {
    group: String,
    engine: String,
    input: String,
    nanoseconds: f64,
    bytes: Option<f64>,
    elements: Option<f64>,
}

struct Groups<'r> {
    record: &'r Record,
    runs: Vec<Run>,
}

impl Groups<'_> {
    fn new(record: &Record) -> Result<Groups<'_>> {
        let run = |row: &Vec<String>| {
            let text = |column| Ok::<_, anyhow::Error>(field(record, row, column)?.to_owned());
            let number = |column| -> Result<Option<f64>> {
                let text = field(record, row, column)?;
                Ok(if text.is_empty() { None } else { Some(text.parse()?) })
            };
            Ok(Run {
                group: text("group")?,
                engine: text("engine")?,
                input: text("input")?,
                nanoseconds: number("median_ns")?.context("a run without its time")?,
                bytes: number("bytes")?,
                elements: number("elements")?,
            })
        };
        let runs: Result<Vec<Run>> = record.rows.iter().map(run).collect();
        Ok(Groups { record, runs: runs? })
    }

    fn time(&self, group: &str, engine: &str, input: &str) -> Option<f64> {
        let run = self.runs.iter().find(|run| run.group == group && run.engine == engine && run.input == input);
        run.map(|run| run.nanoseconds)
    }

    fn throughput(&self) -> String {
        let asked = |run: &&Run| !run.group.starts_with("flood/") && !run.input.is_empty();
        let runs: Vec<&Run> = self.runs.iter().filter(asked).collect();
        let engines = ordered(runs.iter().map(|run| run.engine.as_str()));
        let questions: BTreeSet<(&str, &str)> = runs.iter().map(|run| (run.group.as_str(), run.input.as_str())).collect();
        let head = ["group".to_owned(), "haystack".to_owned(), "unit".to_owned()];
        let mut table = Table::new(head.into_iter().chain(engines.clone()));
        table.left = 3;
        for (group, input) in questions {
            let of =
                |engine: &String| runs.iter().find(|run| run.group == group && run.input == input && run.engine == *engine);
            let unit = if engines.iter().filter_map(of).any(|run| run.bytes.is_some()) { "MB/s" } else { "files/s" };
            let cell = |engine: &String| {
                let run = of(engine)?;
                let per_second = |count: f64| count / run.nanoseconds * 1e9;
                Some(grouped(run.bytes.map(|bytes| per_second(bytes) / 1e6).or(run.elements.map(per_second))?))
            };
            let cells: Vec<String> = engines.iter().map(|engine| cell(engine).unwrap_or_default()).collect();
            table.row([format!("`{group}`"), input.to_owned(), unit.to_owned()].into_iter().chain(cells));
        }
        format!("{}\n\n{}", self.record.provenance(), table.text())
    }

    /// How many times longer each flood takes than clean bytes, the same engine and the same set.
    fn floods(&self) -> String {
        let runs: Vec<&Run> = self.runs.iter().filter(|run| run.group.starts_with("flood/")).collect();
        let engines = ordered(runs.iter().map(|run| run.engine.as_str()));
        let sets: BTreeSet<&str> = runs.iter().map(|run| run.input.as_str()).collect();
        let mut text = String::new();
        for set in sets {
            let mut table = Table::new(std::iter::once(format!("set `{set}`")).chain(engines.clone()));
            let mut groups: Vec<&str> = runs.iter().filter(|run| run.input == set).map(|run| run.group.as_str()).collect();
            groups.sort_by_key(|group| (*group != "flood/clean", period(group), *group));
            groups.dedup();
            for group in groups {
                let cell = |engine: &String| {
                    let clean =
                        runs.iter().find(|run| run.group == "flood/clean" && run.engine == *engine && run.input == set)?;
                    if group == "flood/clean" {
                        return Some(format!("{} MB/s", grouped(clean.bytes? / clean.nanoseconds * 1e3)));
                    }
                    Some(format!("{:.2} ×", self.time(group, engine, set)? / clean.nanoseconds))
                };
                let cells: Vec<String> = engines.iter().map(|engine| cell(engine).unwrap_or_default()).collect();
                table.row(std::iter::once(format!("`{group}`")).chain(cells));
            }
            text.push_str(&table.text());
            text.push('\n');
        }
        text.trim_end().to_owned() + "\n"
    }

    fn times(&self) -> String {
        let mut table = Table::new(["group", "what", "time"].map(str::to_owned));
        table.left = 2;
        for run in self.runs.iter().filter(|run| run.input.is_empty()) {
            table.row([format!("`{}`", run.group), run.engine.clone(), duration(run.nanoseconds)]);
        }
        table.text()
    }
}

/// The number at the end of `flood/period-12`, so that 12 comes after 2.
fn period(group: &str) -> usize {
    group.strip_prefix("flood/period-").and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Names, each once, those of [`ENGINE_ORDER`] first.
fn ordered<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let rank = |name: &str| ENGINE_ORDER.iter().position(|known| *known == name).unwrap_or(ENGINE_ORDER.len());
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| (rank(name), *name));
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

/// A Markdown table.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns aligned to the left; the others hold numbers.
    left: usize,
}

impl Table {
    fn new(head: impl IntoIterator<Item = String>) -> Table {
        Table { head: head.into_iter().collect(), rows: Vec::new(), left: 1 }
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn text(&self) -> String {
        let rule = (0..self.head.len()).map(|column| if column < self.left { "---" } else { "---:" }.to_owned());
        let lines = [self.head.clone(), rule.collect()].into_iter().chain(self.rows.iter().cloned());
        lines.map(|cells| format!("| {} |\n", cells.join(" | "))).collect()
    }
}

/// Rounded to three digits or a whole number, the thousands apart.
pub(crate) fn grouped(number: f64) -> String {
    if number < 10.0 {
        return format!("{number:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn duration(nanoseconds: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (size, unit) = units.into_iter().find(|(size, _)| nanoseconds >= *size).unwrap_or((1.0, "ns"));
    let (value, digits) = (nanoseconds / size, if nanoseconds / size < 10.0 { 2 } else { 0 });
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(columns: &[&str], rows: &[&[&str]]) -> Record {
        let owned = |fields: &[&str]| fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>();
        Record { notes: Vec::new(), columns: owned(columns), rows: rows.iter().map(|row| owned(row)).collect() }
    }

    #[test]
    fn numbers_can_be_read() {
        assert_eq!([3.0, 2.3456, 12.4, 999.6, 1234567.0].map(grouped), ["3", "2.35", "12", "1,000", "1,234,567"]);
        assert_eq!([2.3456, 1500.0, 2.5e7, 61e9].map(duration), ["2.35 ns", "1.50 µs", "25 ms", "61 s"]);
    }

    #[test]
    fn sections_are_filled_in_and_stay_when_filled_again() {
        let document = "a\n<!-- generated: one -->\nold\n<!-- end -->\nb\n";
        let sections = [("one", "new\n".to_owned())];
        let filled = fill(document, &sections).unwrap();
        assert_eq!(filled, "a\n<!-- generated: one -->\n\nnew\n\n<!-- end -->\nb\n");
        assert_eq!(fill(&filled, &sections).unwrap(), filled);
        assert!(fill("nothing", &sections).is_err());
        assert!(fill("<!-- generated: one -->\n", &sections).is_err());
    }

    #[test]
    fn what_was_left_out_is_named() {
        let row = |signatures, engine, speed, left_out| [signatures, engine, speed, "0.5", "20", "7", "3", left_out];
        let rows = [
            row("100", "titer", "5000.0", ""),
            row("100", "hyperscan", "1000.0", ""),
            row("1000", "hyperscan", "", "too slow"),
        ];
        let rows: Vec<&[&str]> = rows.iter().map(<[&str; 8]>::as_slice).collect();
        let record = record(&crate::curve::COLUMNS, &rows);
        let speeds = Curve::new(&record).unwrap().speeds();
        assert!(speeds.contains("| titer | 5,000 |  |"), "{speeds}");
        assert!(speeds.contains("| titer to hyperscan | 5.0 × |  |"), "{speeds}");
        assert!(speeds.contains("Left out: hyperscan at 1,000: too slow."), "{speeds}");
    }

    #[test]
    fn a_flood_is_compared_with_the_same_engine_on_clean_bytes() {
        let rows: [&[&str]; 4] = [
            &["flood/clean", "titer", "10k", "1000.0", "4000", ""],
            &["flood/period-12", "titer", "10k", "2000.0", "4000", ""],
            &["flood/period-2", "titer", "10k", "1500.0", "4000", ""],
            &["open/1k", "bytes", "", "700.0", "", ""],
        ];
        let record = record(&GROUP_COLUMNS, &rows);
        let groups = Groups::new(&record).unwrap();
        let floods = groups.floods();
        assert!(
            floods.contains("| `flood/clean` | 4,000 MB/s |\n| `flood/period-2` | 1.50 × |\n| `flood/period-12` | 2.00 × |"),
            "{floods}"
        );
        assert!(groups.times().contains("| `open/1k` | bytes | 700 ns |"));
    }

    #[test]
    fn a_record_without_a_column_is_refused() {
        assert!(points(&record(&["signatures"], &[&["1"]])).is_err());
    }
}
