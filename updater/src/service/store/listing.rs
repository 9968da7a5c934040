//! The user table and the countering table, page by page: a fleet's rows are never one answer.
//!
//! Each page begins after the last row of the one before, by an index, so that the thousandth costs what the first does. Rows that
//! change place while somebody turns pages can be missed or met twice.

use super::coverage::read_body;
use super::terminals::TerminalSql;
use super::threats::{ThreatSql, read_rows, with_records};
use super::{Store, StoreError};
use crate::wire::{TerminalRow, ThreatRow};
use sqlx::any::AnyArguments;
use sqlx::query::QueryAs;
use sqlx::{Any, AssertSqlSafe, FromRow};
use std::collections::{HashSet, VecDeque};

/// Names of one threat beyond which the whole table is read at once.
const NAMES_ASKED_MAX: usize = 16;

macro_rules! listed {
    ($rest:literal) => {
        concat!(
            "SELECT t.*, c.body AS configured, (SELECT r.code FROM reports r WHERE r.terminal = t.terminal ORDER BY r.id DESC
             LIMIT 1) AS trouble FROM terminals t LEFT JOIN configurations c ON c.id = t.configuration AND c.id <> 0 WHERE ",
            $rest
        )
    };
}

/// Terminals that were not heard of since $1; `+ 0` has the other index taken, that of the revoked ones alone.
pub(super) const SILENT: &str = "SELECT COUNT(*) FROM terminals WHERE COALESCE(last_contact, 0) < $1";
pub(super) const SILENT_REVOKED: &str =
    "SELECT COUNT(*) FROM terminals WHERE revoked_at IS NOT NULL AND COALESCE(last_contact, 0) + 0 < $1";

/// A row of the user table with the number of its configuration.
pub(crate) struct Listed {
    pub(crate) row: TerminalRow,
    pub(crate) configuration: i64,
}

/// What a page of the user table is of.
#[derive(Clone, Debug, Default)]
pub(crate) enum Terminals {
    /// All, by time of enrolment.
    #[default]
    All,
    /// All, those first that were not heard of for longest.
    Silent,
    /// Those whose number begins so, by number.
    Numbered(String),
    /// Those with a mark, by number.
    Marked(Mark),
    /// Those of this hardware, system or scanner, or with one of these configurations, by time of enrolment.
    Like(String, Configured),
}

/// Some configurations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    /// Their numbers.
    pub(crate) ids: Vec<i64>,
    /// How many terminals have one of them.
    pub(crate) terminals: u64,
}

/// So many terminals are sorted for a page; more are met soon enough along the time of enrolment.
const SORTED_MAX: u64 = 10_000;

/// The page of terminals with the text $3 or one of these configurations, after $1 and $2, at most $4.
///
/// Each text is a range of an index in the order of the page, so that a class that few have costs what one that all have does; in one query with
/// `OR`, databases go along the time of enrolment until the page is full, for a rare class through all that there is. The `+ 0` keeps a column's index from
/// being used: configurations that few terminals have are found by configuration, and sorted; those of many along the time of enrolment.
pub(super) fn like_page(configured: &Configured) -> String {
    let part = |which: &str, plus: &str| {
        format!(
            "SELECT * FROM (SELECT terminal, enrolled_at FROM terminals WHERE {which}
             AND (enrolled_at{plus}, terminal) > ($1, $2) ORDER BY enrolled_at{plus}, terminal LIMIT $4) p"
        )
    };
    let mut parts = ["hardware = $3", "os = $3", "engine_version = $3"].map(|which| part(which, "")).to_vec();
    if !configured.ids.is_empty() {
        let (of, sorted) = if configured.terminals <= SORTED_MAX { ("", " + 0") } else { (" + 0", "") };
        parts.push(part(&format!("configuration{of} IN ({})", numbers(&configured.ids)), sorted));
    }
    let page = format!("SELECT terminal FROM ({}) q ORDER BY enrolled_at, terminal LIMIT $4", parts.join(" UNION "));
    format!(listed!("t.terminal IN ({}) ORDER BY t.enrolled_at, t.terminal"), page)
}

/// What an operator is to look at in a terminal's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It waits for approval.
    Pending,
    /// There are copies of it, or it was put back.
    Copied,
    /// Its calls are refused.
    Revoked,
}

impl Mark {
    /// As a condition, which is word for word that of an index.
    fn condition(self) -> &'static str {
        match self {
            Mark::Pending => "t.pending = 1",
            Mark::Copied => "t.cloned_at IS NOT NULL",
            Mark::Revoked => "t.revoked_at IS NOT NULL",
        }
    }

    /// Those with the mark after the terminal $1, at most $2.
    pub(super) fn page(self) -> String {
        format!(listed!("{} AND t.terminal > $1 ORDER BY t.terminal LIMIT $2"), self.condition())
    }
}

/// Where a page begins: after the row with these. The number of seconds or of the configuration, and the terminal.
pub(crate) type After = (i64, String);

/// The beginning of any list.
pub(crate) fn start() -> After {
    (i64::MIN, String::new())
}

impl Terminals {
    /// Where the list goes on after this row.
    pub(crate) fn after(&self, listed: &Listed) -> After {
        let number = match self {
            Terminals::All | Terminals::Like(..) => listed.row.enrolled_at,
            Terminals::Silent => listed.row.last_contact.unwrap_or(0),
            Terminals::Numbered(_) | Terminals::Marked(_) => 0,
        };
        (number, listed.row.terminal.clone())
    }
}

impl Store {
    /// One row of the user table.
    pub(crate) async fn terminal_row(&self, terminal: &str) -> Result<Option<Listed>, StoreError> {
        let row = sqlx::query_as::<_, ListedSql>(listed!("t.terminal = $1")).bind(terminal);
        row.fetch_optional(&self.pool).await?.map(ListedSql::read).transpose()
    }

    /// At most `limit` rows of the user table after `after`.
    pub(crate) async fn terminals_page(
        &self,
        of: &Terminals,
        after: &After,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let (number, terminal) = after;
        let limit = rows(limit);
        let by_enrolment = listed!("(t.enrolled_at, t.terminal) > ($1, $2) ORDER BY t.enrolled_at, t.terminal LIMIT $3");
        let by_contact = listed!(
            "(COALESCE(t.last_contact, 0), t.terminal) > ($1, $2) ORDER BY COALESCE(t.last_contact, 0), t.terminal LIMIT $3"
        );
        let numbered = listed!("t.terminal > $1 AND t.terminal >= $2 AND t.terminal < $3 ORDER BY t.terminal LIMIT $4");
        match of {
            Terminals::All => self.listed(sqlx::query_as(by_enrolment).bind(*number).bind(terminal).bind(limit)).await,
            Terminals::Silent => self.listed(sqlx::query_as(by_contact).bind(*number).bind(terminal).bind(limit)).await,
            Terminals::Numbered(prefix) => {
                // The digit after the last: numbers are hexadecimal.
                let end = format!("{prefix}g");
                self.listed(sqlx::query_as(numbered).bind(terminal).bind(prefix).bind(end).bind(limit)).await
            }
            Terminals::Marked(mark) => {
                self.listed(sqlx::query_as(AssertSqlSafe(mark.page())).bind(terminal).bind(limit)).await
            }
            Terminals::Like(text, configured) => {
                let page = sqlx::query_as(AssertSqlSafe(like_page(configured)));
                let page = page.bind(*number).bind(terminal).bind(text).bind(limit);
                self.listed(page).await
            }
        }
    }

    /// At most `limit` terminals that are not revoked and have one of `configurations`, which ascend, after `after`: by configuration, then
    /// by number.
    ///
    /// Three queries at most, each of one range of an index: the rest of the configuration in which the last page ended, those that
    /// fit the page as a whole, the beginning of the next. In one query, databases would sort all that there is.
    pub(crate) async fn terminals_of(
        &self,
        configurations: &[(i64, u64)],
        after: &After,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut left: VecDeque<_> = configurations.iter().filter(|(id, _)| *id >= after.0).copied().collect();
        let mut page = Vec::new();
        if left.pop_front_if(|(id, _)| *id == after.0).is_some() {
            page.extend(self.terminals_in(after.0, &after.1, limit).await?);
        }
        let mut whole = Vec::new();
        let mut room = (limit - page.len()) as u64;
        while let Some((id, terminals)) = left.pop_front_if(|(_, terminals)| *terminals <= room) {
            whole.push(id);
            room -= terminals;
        }
        if !whole.is_empty() && page.len() < limit {
            let sql = format!(
                listed!("t.configuration IN ({}) AND t.revoked_at IS NULL ORDER BY t.configuration, t.terminal LIMIT $1"),
                numbers(&whole)
            );
            page.extend(self.listed(sqlx::query_as(AssertSqlSafe(sql)).bind(rows(limit - page.len()))).await?);
        }
        if let Some((id, _)) = left.pop_front().filter(|_| page.len() < limit) {
            page.extend(self.terminals_in(id, "", limit - page.len()).await?);
        }
        Ok(page)
    }

    async fn terminals_in(&self, configuration: i64, after: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let sql = listed!("t.configuration = $1 AND t.terminal > $2 AND t.revoked_at IS NULL ORDER BY t.terminal LIMIT $3");
        self.listed(sqlx::query_as(sql).bind(configuration).bind(after).bind(rows(limit))).await
    }

    async fn listed(&self, query: QueryAs<'_, Any, ListedSql, AnyArguments>) -> Result<Vec<Listed>, StoreError> {
        query.fetch_all(&self.pool).await?.into_iter().map(ListedSql::read).collect()
    }

    /// What makers say of a threat, by whichever of its names, by maker and name.
    pub(crate) async fn threat_by_any_name(&self, threat: &str) -> Result<Vec<ThreatRow>, StoreError> {
        let ids = self.threat_ids().await?;
        let names: HashSet<&str> = ids.names(threat).collect();
        let mut rows = Vec::new();
        if names.len() <= NAMES_ASKED_MAX {
            for name in names {
                rows.extend(self.threat(name).await?);
            }
        } else {
            rows = self.threats().await?;
            rows.retain(|row| names.contains(row.news.threat.as_str()));
        }
        rows.sort_by(|a, b| (&a.maker, &a.news.threat).cmp(&(&b.maker, &b.news.threat)));
        Ok(rows)
    }

    /// What makers say of one name.
    async fn threat(&self, threat: &str) -> Result<Vec<ThreatRow>, StoreError> {
        let sql = with_records("SELECT * FROM threats WHERE threat = $1 AND withdrawn = 0", "maker");
        read_rows(sqlx::query_as::<_, ThreatSql>(AssertSqlSafe(sql)).bind(threat).fetch_all(&self.pool).await?)
    }

    /// How many terminals have a mark. Looks only at those, by an index.
    pub(crate) async fn marked(&self, mark: Mark) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM terminals t WHERE {}", mark.condition());
        super::nat(sqlx::query_as::<_, (i64,)>(AssertSqlSafe(sql)).fetch_one(&self.pool).await?.0)
    }

    /// How many terminals that are not revoked were last heard of before this time, in seconds since 1970. Looks only at those and at the
    /// revoked ones, by an index of each.
    pub(crate) async fn silent_since(&self, at: i64) -> Result<u64, StoreError> {
        let mut counts = Vec::new();
        for sql in [SILENT, SILENT_REVOKED] {
            let count = sqlx::query_as::<_, (i64,)>(sql).bind(at).fetch_one(&self.pool).await?.0;
            counts.push(super::nat(count)?);
        }
        Ok(counts[0].saturating_sub(counts[1]))
    }
}

/// A number of rows as databases take it.
pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The numbers with commas between them; -1, which nothing has, when there are none.
pub(super) fn numbers(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    if ids.is_empty() { "-1".to_owned() } else { ids.join(",") }
}

/// A pattern for what has this text in it, whatever its case.
pub(super) fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[derive(FromRow)]
struct ListedSql {
    #[sqlx(flatten)]
    terminal: TerminalSql,
    configuration: i64,
    configured: Option<String>,
}

impl ListedSql {
    fn read(self) -> Result<Listed, StoreError> {
        let applied = self.configured.as_deref().map(read_body).transpose()?.map(|row| row.applied);
        Ok(Listed { row: self.terminal.read(applied.unwrap_or_default())?, configuration: self.configuration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_patterns_mean_is_taken_as_text() {
        assert_eq!(like("50%_Off!"), "%50!%!_off!!%");
        assert_eq!((numbers(&[3, 1]), numbers(&[])), ("3,1".to_owned(), "-1".to_owned()));
    }
}
