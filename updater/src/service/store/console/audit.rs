//! The audit log backwards, by who and what, and its last rows in one piece.

use crate::audit::{AuditHead, AuditPage, AuditRow};
use crate::service::store::audit::AuditSql;
use crate::service::store::listing::rows;
use crate::service::store::{Store, StoreError, int, nat};
use sqlx::{AssertSqlSafe, FromRow};

/// By whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuditWho {
    Anybody,
    /// All of a kind: `operator`, `maker`, `terminal` or `service`.
    Kind(&'static str),
    /// Just this, as in the log.
    One(String),
}

impl AuditWho {
    /// What a person typed: a kind, a name as in the log, or an operator's name alone.
    pub(crate) fn meant(typed: &str) -> Self {
        let typed = typed.trim();
        match ["operator", "maker", "terminal", "service"].into_iter().find(|kind| *kind == typed) {
            Some(kind) => AuditWho::Kind(kind),
            None if typed.is_empty() => AuditWho::Anybody,
            None if typed.contains(':') => AuditWho::One(typed.to_owned()),
            None => AuditWho::One(format!("operator:{typed}")),
        }
    }
}

/// Which rows of the audit log.
#[derive(Clone, Debug)]
pub(crate) struct AuditQuestion<'a> {
    pub(crate) who: AuditWho,
    /// Just this word, or empty for all.
    pub(crate) what: &'a str,
    /// Only rows of an earlier time, in seconds since 1970.
    pub(crate) until: i64,
}

impl AuditQuestion<'_> {
    /// $1 is who, $2 what, $3 the number before which rows are wanted. Each is one range of one index: that of who, where one is
    /// named, else that of what. What is asked besides must not lead to another index, so it is hidden in an expression.
    fn condition(&self) -> &'static str {
        let whoever = self.who == AuditWho::Anybody;
        match (&self.who, self.what.is_empty()) {
            (AuditWho::One(_), true) => "who = $1 AND $2 = ''",
            (AuditWho::One(_), false) => "who = $1 AND what || '' = $2",
            (AuditWho::Kind(_), true) => "substr(who, 1, 4) = $1 AND $2 = ''",
            (_, false) if whoever => "$1 = '' AND what = $2",
            (_, false) => "what = $2 AND substr(who || '', 1, 4) = $1",
            (_, true) => "$1 = '' AND $2 = ''",
        }
    }

    fn who(&self) -> &str {
        match &self.who {
            AuditWho::Anybody => "",
            AuditWho::Kind(kind) => &kind[..4],
            AuditWho::One(who) => who,
        }
    }

    pub(super) fn sql(&self) -> String {
        format!("SELECT * FROM audit WHERE {} AND n < $3 ORDER BY n DESC LIMIT $4", self.condition())
    }
}

#[derive(FromRow)]
struct Number {
    n: i64,
}

/// The last row before a time.
pub(super) const UNTIL: &str = "SELECT n FROM audit WHERE at < $1 ORDER BY at DESC, n DESC LIMIT 1";

/// Each word once: one look into the index for each.
pub(super) const WHATS: &str = "WITH RECURSIVE words (what) AS (SELECT MIN(what) FROM audit
    UNION ALL SELECT (SELECT MIN(a.what) FROM audit a WHERE a.what > words.what) FROM words WHERE words.what IS NOT NULL)
    SELECT what FROM words WHERE what IS NOT NULL";

impl Store {
    /// At most `limit` rows of the audit log with numbers below `before`, the last first.
    pub(crate) async fn audit_before(
        &self,
        question: &AuditQuestion<'_>,
        before: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut before = i64::try_from(before).unwrap_or(i64::MAX);
        if question.until < i64::MAX {
            let last = sqlx::query_as::<_, Number>(UNTIL).bind(question.until).fetch_optional(&self.pool).await?;
            before = before.min(last.map_or(0, |last| last.n + 1));
        }
        let page = sqlx::query_as::<_, AuditSql>(AssertSqlSafe(question.sql())).bind(question.who()).bind(question.what);
        let page = page.bind(before).bind(rows(limit)).fetch_all(&self.pool).await?;
        page.into_iter().map(AuditSql::read).collect()
    }

    /// Every word that says what was done, ascending.
    pub(crate) async fn audit_whats(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar::<_, String>(WHATS).fetch_all(&self.pool).await?)
    }

    /// The head of the log and its last rows, at most `limit`, ascending.
    pub(crate) async fn audit_tail(&self, limit: u64) -> Result<AuditPage, StoreError> {
        let (n, hash) =
            sqlx::query_as::<_, (i64, String)>("SELECT n, hash FROM audit_head WHERE one = 1").fetch_one(&self.pool).await?;
        let head = AuditHead { n: nat(n)?, hash: hash.parse()? };
        let tail = sqlx::query_as::<_, AuditSql>("SELECT * FROM audit WHERE n > $1 AND n <= $2 ORDER BY n");
        let tail = tail.bind(int(head.n.saturating_sub(limit))?).bind(n).fetch_all(&self.pool).await?;
        Ok(AuditPage { rows: tail.into_iter().map(AuditSql::read).collect::<Result<_, _>>()?, head })
    }
}
