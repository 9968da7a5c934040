//! The record: tables of tab-separated text that are committed, and that say where, by what and when they were measured.

use anyhow::{Context, Result, bail, ensure};
use std::process::Command;

/// Rows of fields under named columns, and notes about all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What and its value: the machine, the compiler, the commit, the date, and more.
    pub notes: Vec<(String, String)>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// As many fields each as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Record {
    /// An empty record of this machine, compiler, commit and day.
    pub fn here(columns: &[&str]) -> Record {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Record { notes: provenance(), columns, rows: Vec::new() }
    }

    /// Reads what [`Record::to_text`] wrote.
    ///
    /// # Errors
    /// When a row has more or fewer fields than there are columns, or there are no columns.
    pub fn parse(text: &str) -> Result<Record> {
        let mut record = Record::default();
        for (index, line) in text.lines().enumerate() {
            if let Some(note) = line.strip_prefix("# ") {
                let (key, value) =
                    note.split_once(": ").with_context(|| format!("line {}: a note without a colon", index + 1))?;
                record.notes.push((key.to_owned(), value.to_owned()));
                continue;
            }
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            if record.columns.is_empty() {
                record.columns = fields;
                continue;
            }
            let (found, wanted) = (fields.len(), record.columns.len());
            ensure!(found == wanted, "line {}: {found} fields under {wanted} columns", index + 1);
            record.rows.push(fields);
        }
        ensure!(!record.columns.is_empty(), "there is no line of columns");
        Ok(record)
    }

    /// As text: a line `# what: value` for each note, the columns, the rows.
    pub fn to_text(&self) -> String {
        let mut text: String = self.notes.iter().map(|(key, value)| format!("# {key}: {value}\n")).collect();
        for line in std::iter::once(&self.columns).chain(&self.rows) {
            text.push_str(&line.join("\t"));
            text.push('\n');
        }
        text
    }

    /// The value of a note, or nothing.
    pub fn note(&self, key: &str) -> &str {
        self.notes.iter().find(|(found, _)| found == key).map_or("", |(_, value)| value)
    }

    /// Where, by what and when, in one line for people.
    pub fn provenance(&self) -> String {
        let note = |key| self.note(key);
        format!("{}, {}, commit {}, {}.", note("machine"), note("rustc"), note("commit"), note("date"))
    }
}

fn provenance() -> Vec<(String, String)> {
    let note = |key: &str, value: String| (key.to_owned(), value);
    let date = jiff::Timestamp::now().to_string();
    let date = date.split('T').next().unwrap_or_default().to_owned();
    vec![
        note("machine", machine()),
        note("rustc", output("rustc", &["--version"])),
        note("commit", output("git", &["describe", "--always", "--dirty", "--abbrev=9", "--exclude=*"])),
        note("date", date),
    ]
}

/// Model and number of processors, as Linux tells them.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = info.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value("model name").unwrap_or_else(|| "unknown processor".to_owned());
    let numbers = [("family", value("cpu family")), ("model", value("model\t"))];
    let numbers: Vec<String> = numbers.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let vectors = if info.contains(" avx512bw") { ", AVX-512" } else { "" };
    format!("{model} ({}), {cores} cores{vectors}", numbers.join(" "))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output();
    let text =
        done.ok().filter(|done| done.status.success()).map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned());
    text.unwrap_or_else(|| format!("unknown {program}"))
}

/// CPU seconds that this process has used, of all its threads, in user and system.
///
/// # Errors
/// Where the system has no such clock.
#[cfg(unix)]
pub fn cpu_seconds() -> Result<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

/// CPU seconds that this process has used.
///
/// # Errors
/// Always: it is not known how to ask this system.
#[cfg(not(unix))]
pub fn cpu_seconds() -> Result<f64> {
    bail!("CPU time is measured on Unix only")
}

/// The middle one of `values`.
///
/// # Errors
/// When there is none.
pub fn median(values: &mut [f64]) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    let Some(&middle) = values.get(values.len() / 2) else { bail!("there is nothing to take the median of") };
    Ok(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = Record::here(&["one", "two"]);
        record.rows.push(vec!["1".to_owned(), String::new()]);
        assert_eq!(Record::parse(&record.to_text()).unwrap(), record);
        assert!(record.note("rustc").starts_with("rustc 1."));
        assert_eq!(record.note("no such note"), "");
    }

    #[test]
    fn a_torn_record_is_refused() {
        for torn in ["", "# note without colon\n", "one\ttwo\n1\n"] {
            assert!(Record::parse(torn).is_err(), "{torn:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]).unwrap().total_cmp(&2.0), Ordering::Equal);
        assert!(median(&mut []).is_err());
    }
}
