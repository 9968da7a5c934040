//! Where makers' releases are fetched from, and how that fares.

use super::{Store, StoreError, int, nat, now};
use crate::wire::{NewSource, SourceId, SourceView};
use serde_json::json;
use sqlx::FromRow;

/// What a file was known by at the last answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
}

/// A source that is to be fetched from, with what its last answer was known by.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) said: NewSource,
    pub(crate) role: Validators,
    pub(crate) news: Validators,
    pub(crate) failures: u32,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// `ok`, `unchanged`, or the code of the fault.
    pub(crate) code: String,
    pub(crate) words: Option<String>,
    pub(crate) success: bool,
    /// By which the next requests ask whether role and news changed.
    pub(crate) role: Validators,
    pub(crate) news: Validators,
    /// Seconds since 1970.
    pub(crate) next_at: i64,
}

impl Store {
    /// Enters a source, or changes one of the same maker and address; false, and nothing, when there are `most` others.
    pub(crate) async fn put_source(&self, by: &str, source: &NewSource, most: u64) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let id = SourceId::of(&source.maker, &source.url);
        let others = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM sources WHERE id <> $1");
        let (others,) = others.bind(id.as_str()).fetch_one(&mut *tx).await?;
        if nat(others)? >= most {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO sources (id, maker, url, every_seconds, ask, allow_plain, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET every_seconds = excluded.every_seconds, ask = excluded.ask,
             allow_plain = excluded.allow_plain, next_at = excluded.next_at, failures = 0",
        )
        .bind(id.as_str())
        .bind(source.maker.as_str())
        .bind(source.url.as_str())
        .bind(int(source.every_seconds)?)
        .bind(source.ask.as_ref().map(|ask| ask.as_str().to_owned()))
        .bind(i64::from(source.allow_plain))
        .bind(now())
        .execute(&mut *tx)
        .await?;
        self.audit_in(&mut tx, by, "source-added", &json!({ "maker": source.maker, "id": id })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes a source out; false when there is none of this number.
    pub(crate) async fn remove_source(&self, by: &str, id: &SourceId) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query("DELETE FROM sources WHERE id = $1").bind(id.as_str()).execute(&mut *tx).await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "source-removed", &json!({ "id": id })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Every source, by maker and address. None is said to be running.
    pub(crate) async fn sources(&self) -> Result<Vec<SourceView>, StoreError> {
        let rows = sqlx::query_as::<_, SourceSql>("SELECT * FROM sources ORDER BY maker, url").fetch_all(&self.pool).await?;
        rows.into_iter().map(SourceSql::view).collect()
    }

    /// When a source is due next, in seconds since 1970.
    pub(crate) async fn next_source_at(&self) -> Result<Option<i64>, StoreError> {
        let next = sqlx::query_as::<_, (Option<i64>,)>("SELECT MIN(next_at) FROM sources").fetch_one(&self.pool).await?;
        Ok(next.0)
    }

    /// Sources that are due.
    pub(crate) async fn due_sources(&self) -> Result<Vec<SourceId>, StoreError> {
        let due = sqlx::query_as::<_, (String,)>("SELECT id FROM sources WHERE next_at <= $1 ORDER BY next_at");
        let due = due.bind(now()).fetch_all(&self.pool).await?;
        due.into_iter().map(|(id,)| Ok(id.parse()?)).collect()
    }

    /// Takes the turn to fetch from a source, for so many seconds: until then no other replica does, should this one die. `None` when
    /// another has it, unless `at_once`, or when there is no such source.
    pub(crate) async fn take_source(
        &self,
        id: &SourceId,
        seconds: u64,
        at_once: bool,
    ) -> Result<Option<Source>, StoreError> {
        let taken =
            sqlx::query("UPDATE sources SET next_at = $1, last_tried = $2 WHERE id = $3 AND (next_at <= $2 OR $4 = 1)");
        let at = now();
        let taken = taken.bind(at.saturating_add_unsigned(seconds)).bind(at).bind(id.as_str()).bind(i64::from(at_once));
        if taken.execute(&self.writer).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query_as::<_, SourceSql>("SELECT * FROM sources WHERE id = $1").bind(id.as_str());
        row.fetch_optional(&self.pool).await?.map(SourceSql::read).transpose()
    }

    /// Notes what an attempt came to; nothing when the source was removed meanwhile.
    pub(crate) async fn note_attempt(&self, id: &SourceId, attempt: &Attempt) -> Result<(), StoreError> {
        let (role, news) = (&attempt.role, &attempt.news);
        sqlx::query(
            "UPDATE sources SET last_code = $1, last_words = $2, next_at = $3,
             last_success = CASE WHEN $4 = 1 THEN $5 ELSE last_success END,
             failures = CASE WHEN $4 = 1 THEN 0 ELSE failures + 1 END,
             etag = $6, modified = $7, news_etag = $8, news_modified = $9 WHERE id = $10",
        )
        .bind(&attempt.code)
        .bind(attempt.words.clone())
        .bind(attempt.next_at)
        .bind(i64::from(attempt.success))
        .bind(now())
        .bind(role.etag.clone())
        .bind(role.modified.clone())
        .bind(news.etag.clone())
        .bind(news.modified.clone())
        .bind(id.as_str())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Sources whose makers answer questions.
    pub(crate) async fn askable_sources(&self) -> Result<Vec<SourceView>, StoreError> {
        let mut sources = self.sources().await?;
        sources.retain(|view| view.source.ask.is_some());
        Ok(sources)
    }
}

#[derive(FromRow)]
struct SourceSql {
    id: String,
    maker: String,
    url: String,
    every_seconds: i64,
    ask: Option<String>,
    allow_plain: i64,
    etag: Option<String>,
    modified: Option<String>,
    news_etag: Option<String>,
    news_modified: Option<String>,
    next_at: i64,
    failures: i64,
    last_tried: Option<i64>,
    last_success: Option<i64>,
    last_code: Option<String>,
    last_words: Option<String>,
}

impl SourceSql {
    fn source(&self) -> Result<NewSource, StoreError> {
        let url = |text: &str| text.parse().map_err(|_| StoreError::Value(format!("`{text}` is not an address")));
        Ok(NewSource {
            maker: self.maker.parse()?,
            url: url(&self.url)?,
            every_seconds: nat(self.every_seconds)?,
            ask: self.ask.as_deref().map(url).transpose()?,
            allow_plain: self.allow_plain != 0,
        })
    }

    fn read(self) -> Result<Source, StoreError> {
        let said = self.source()?;
        let failures = u32::try_from(self.failures).unwrap_or(u32::MAX);
        let role = Validators { etag: self.etag, modified: self.modified };
        let news = Validators { etag: self.news_etag, modified: self.news_modified };
        Ok(Source { said, role, news, failures })
    }

    fn view(self) -> Result<SourceView, StoreError> {
        Ok(SourceView {
            source: self.source()?,
            id: self.id.parse()?,
            running: false,
            last_tried: self.last_tried,
            last_success: self.last_success,
            last_code: self.last_code,
            last_words: self.last_words,
            failures: nat(self.failures)?,
            next_at: self.next_at,
        })
    }
}
