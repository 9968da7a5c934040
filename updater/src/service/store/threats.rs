//! The countering table: what makers say of threats, completed by what the records of their releases are called.

use super::{Store, StoreError, channel_release, date, from_word, int, nat, now, word};
use crate::threat_id::ThreatIds;
use crate::wire::{
    Alias, CureFrom, Danger, MakerName, News, NewsError, RecordSpan, ReportedThreat, Sha256Hex, TOLD_MAX, ThreatNews,
    ThreatQuery, ThreatRow, ThreatView, Vaccine,
};
use jiff::civil::Date;
use serde_json::json;
use sqlx::{Any, FromRow, Transaction};

/// Rows of one page of the table.
const PAGE_MAX: u64 = 1000;
/// Reports that are counted for a terminal's bound reach back so far.
const REPORTS_WINDOW_SECONDS: i64 = 86_400;
/// Threats that a row of the audit log names.
const NAMED_MAX: usize = 20;
/// What became of news.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Rows that are now as the news says; others were told of later.
    pub(crate) taken: usize,
    /// Threats that nobody had told of before, with a sample if there is one.
    pub(crate) new: Vec<(String, Option<Sha256Hex>)>,
}

impl Store {
    /// Enters news that came in a signed request; returns the last counter, and enters nothing, when `counter` is not newer.
    pub(crate) async fn put_news(
        &self,
        maker: &MakerName,
        counter: u64,
        items: &[News],
    ) -> Result<Result<Told, u64>, StoreError> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query("UPDATE makers SET counter = $1 WHERE maker = $2 AND counter < $3")
            .bind(int(counter)?)
            .bind(maker.as_str())
            .bind(int(counter)?)
            .execute(&mut *tx)
            .await?;
        if taken.rows_affected() == 0 {
            let last = sqlx::query_scalar::<_, i64>("SELECT counter FROM makers WHERE maker = $1");
            return Ok(Err(nat(last.bind(maker.as_str()).fetch_optional(&mut *tx).await?.unwrap_or(0))?));
        }
        let told = self.take_news(&mut tx, maker, counter, items).await?;
        self.commit_change(tx).await?;
        Ok(Ok(told))
    }

    /// Enters news, with a row of the audit log: it may move terminals to another maker.
    async fn take_news(
        &self,
        tx: &mut Transaction<'static, Any>,
        maker: &MakerName,
        counter: u64,
        items: &[News],
    ) -> Result<Told, StoreError> {
        let told = put_items(tx, maker, counter, items).await?;
        if told.taken > 0 {
            let named: Vec<&str> = items.iter().take(NAMED_MAX).map(|news| news.news.threat.as_str()).collect();
            let detail = json!({ "taken": told.taken, "told": items.len(), "threats": named });
            self.audit_in(tx, &format!("maker:{maker}"), "news-told", &detail).await?;
        }
        Ok(told)
    }

    /// Enters news of a signed list, from wherever it came. The same list again, or an older one, changes nothing.
    pub(crate) async fn put_news_list(&self, maker: &MakerName, counter: u64, items: &[News]) -> Result<Told, StoreError> {
        let mut tx = self.begin().await?;
        let told = self.take_news(&mut tx, maker, counter, items).await?;
        if told.taken > 0 {
            self.commit_change(tx).await?;
        } else {
            tx.commit().await?;
        }
        Ok(told)
    }

    /// The countering table, by threat and maker. A row whose maker has not said where the cure is has it from the records.
    pub(crate) async fn threats(&self) -> Result<Vec<ThreatRow>, StoreError> {
        let sql = with_records("SELECT * FROM threats WHERE withdrawn = 0", "threat, maker");
        let rows = sqlx::query_as::<_, ThreatSql>(sqlx::AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        read_rows(rows)
    }

    /// Rows of the countering table that are asked for, with all that is known of them.
    pub(crate) async fn threat_views(&self, query: &ThreatQuery) -> Result<Vec<ThreatView>, StoreError> {
        let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        // In a pattern of `LIKE` these three mean something.
        let name = query.name.as_deref().unwrap_or_default().to_ascii_lowercase();
        let pattern: String = name.chars().flat_map(|c| "\\%_".contains(c).then_some('\\').into_iter().chain([c])).collect();
        let after = query.after.as_ref();
        let sql = with_records(
            "SELECT * FROM threats s WHERE s.withdrawn = 0 AND (LOWER(s.threat) LIKE $1 ESCAPE '\\' OR EXISTS (SELECT 1
             FROM aliases a WHERE a.maker = s.maker AND a.threat = s.threat AND LOWER(a.other_threat) LIKE $1 ESCAPE '\\'))
             AND (s.threat > $2 OR (s.threat = $2 AND s.maker > $3)) ORDER BY s.threat, s.maker LIMIT $4",
            "threat, maker",
        );
        let rows = sqlx::query_as::<_, ThreatSql>(sqlx::AssertSqlSafe(sql))
            .bind(format!("%{pattern}%"))
            .bind(after.map_or("", |after| after.threat.as_str()).to_owned())
            .bind(after.map_or("", |after| after.maker.as_str()).to_owned())
            .bind(int(limit)?)
            .fetch_all(&self.pool)
            .await?;
        let ids = self.threat_ids().await?;
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut views = Vec::<ThreatView>::new();
        for (row, cure_from) in with_sources(rows)? {
            views.push(self.view(row, cure_from, &ids, today).await?);
        }
        Ok(views)
    }

    pub(super) async fn view(
        &self,
        row: ThreatRow,
        cure_from: Option<CureFrom>,
        ids: &ThreatIds,
        today: Date,
    ) -> Result<ThreatView, StoreError> {
        let (maker, threat) = (row.maker.as_str(), row.news.threat.as_str());
        let aliases = sqlx::query_as::<_, (String, String)>(
            "SELECT other_maker, other_threat FROM aliases WHERE maker = $1 AND threat = $2 ORDER BY other_maker, other_threat",
        );
        let aliases = aliases.bind(maker).bind(threat).fetch_all(&self.pool).await?;
        let samples =
            sqlx::query_as::<_, (String,)>("SELECT sha256 FROM samples WHERE maker = $1 AND threat = $2 ORDER BY sha256");
        let samples = samples.bind(maker).bind(threat).fetch_all(&self.pool).await?;
        let records = sqlx::query_as::<_, (String, i64, Option<i64>)>(
            "SELECT name, first_release, last_release FROM names WHERE maker = $1 AND threat = $2 ORDER BY name",
        );
        let records = records.bind(maker).bind(threat).fetch_all(&self.pool).await?;
        let span = |(name, first, last): (String, i64, Option<i64>)| {
            Ok::<_, StoreError>(RecordSpan {
                since: channel_release(maker, &name, first)?,
                last: last.map(nat).transpose()?,
            })
        };
        Ok(ThreatView {
            threat_id: ids.threat_id(&row.maker, threat).to_owned(),
            cure_from,
            missed: row.news.vaccine.is_none() && row.news.expected.is_some_and(|expected| expected < today),
            aliases: aliases.into_iter().map(read_alias).collect::<Result<_, _>>()?,
            samples: samples.iter().map(|(sha256,)| sha256.parse()).collect::<Result<_, _>>()?,
            records: records.into_iter().map(span).collect::<Result<_, _>>()?,
            row,
        })
    }

    /// Which names mean the same.
    pub(crate) async fn threat_ids(&self) -> Result<ThreatIds, StoreError> {
        let aliases = sqlx::query_as::<_, (String, String, String)>("SELECT threat, other_maker, other_threat FROM aliases");
        let aliases = aliases.fetch_all(&self.pool).await?.into_iter();
        let aliases = aliases.map(|(threat, maker, other)| Ok::<_, StoreError>((threat, read_alias((maker, other))?)));
        let aliases = aliases.collect::<Result<Vec<_>, _>>()?;
        let samples = sqlx::query_as::<_, (String, String)>("SELECT threat, sha256 FROM samples");
        let samples = samples.fetch_all(&self.pool).await?.into_iter();
        let samples = samples.map(|(threat, sha256)| Ok::<_, StoreError>((threat, sha256.parse::<Sha256Hex>()?)));
        let samples = samples.collect::<Result<Vec<_>, _>>()?;
        Ok(ThreatIds::new(
            aliases.iter().map(|(threat, alias)| (threat.as_str(), alias)),
            samples.iter().map(|(threat, sample)| (threat.as_str(), *sample)),
        ))
    }

    /// Rows whose promised day passed without a cure and of which that was not said yet; it counts as said then.
    pub(crate) async fn newly_missed(&self) -> Result<Vec<ThreatRow>, StoreError> {
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let open = sqlx::query_as::<_, (String, String)>(
            "SELECT maker, threat FROM threats WHERE expected < $1 AND missed_at IS NULL AND withdrawn = 0",
        );
        let open = open.bind(today.to_string()).fetch_all(&self.pool).await?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let mut missed = self.threats().await?;
        let is_open =
            |row: &ThreatRow| open.iter().any(|(maker, threat)| *maker == row.maker.as_str() && *threat == row.news.threat);
        missed.retain(|row| row.news.vaccine.is_none() && is_open(row));
        for row in &missed {
            sqlx::query("UPDATE threats SET missed_at = $1 WHERE maker = $2 AND threat = $3")
                .bind(now())
                .bind(row.maker.as_str())
                .bind(&row.news.threat)
                .execute(&self.writer)
                .await?;
        }
        Ok(missed)
    }

    /// How many threats besides this one a terminal reported in the last day. Read after its row: whatever changes this changes the row's
    /// counter.
    pub(crate) async fn threats_met_besides(&self, terminal: &str, threat: &str) -> Result<u64, StoreError> {
        let others = sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM threat_reports WHERE terminal = $1 AND at > $2 AND threat <> $3",
        );
        let since = now() - REPORTS_WINDOW_SECONDS;
        nat(others.bind(terminal).bind(since).bind(threat).fetch_one(&self.pool).await?)
    }

    /// Threats that terminals reported, the latest first; at most 1,000.
    pub(crate) async fn reported_threats(&self) -> Result<Vec<ReportedThreat>, StoreError> {
        let rows = sqlx::query_as::<_, (String, i64, i64, i64, Option<i64>)>(
            "SELECT r.threat, COUNT(*), MIN(r.at), MAX(r.at), (SELECT a.at FROM asked a WHERE a.threat = r.threat)
             FROM threat_reports r GROUP BY r.threat ORDER BY MAX(r.at) DESC, r.threat LIMIT 1000",
        );
        let read = |(threat, terminals, first_at, last_at, asked_at): (String, i64, i64, i64, Option<i64>)| {
            Ok(ReportedThreat { threat, terminals: nat(terminals)?, first_at, last_at, asked_at })
        };
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }

    /// Whether any maker tells of a threat by this name.
    pub(crate) async fn is_told_of(&self, threat: &str) -> Result<bool, StoreError> {
        let rows = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM threats WHERE threat = $1 AND withdrawn = 0");
        Ok(rows.bind(threat).fetch_one(&self.pool).await?.0 > 0)
    }

    /// Whether makers may be asked about a threat now, which counts as done then: once in `every` seconds.
    pub(crate) async fn take_turn_to_ask(&self, threat: &str, every: u64) -> Result<bool, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO asked (threat, at) VALUES ($1, $2)
             ON CONFLICT (threat) DO UPDATE SET at = excluded.at WHERE asked.at <= $3",
        );
        let at = now();
        let taken = taken.bind(threat).bind(at).bind(at.saturating_sub_unsigned(every)).execute(&self.writer).await?;
        Ok(taken.rows_affected() == 1)
    }
}

/// Rows of the countering table with what the records say of channels for which the makers' news does not say where the cure is: the
/// earliest release that the newest still agrees with, of each channel, the earliest first.
pub(super) fn with_records(threats: &str, order: &str) -> String {
    format!(
        "SELECT * FROM (SELECT t.maker, t.threat, t.danger, t.discovered, t.expected, t.vaccine_date, t.vaccine_name, t.vaccine_release,
         n.name AS record_name, n.first_release, r.published_at FROM ({threats}) t
         LEFT JOIN names n ON n.maker = t.maker AND n.threat = t.threat AND n.last_release IS NULL
         AND (t.vaccine_name IS NULL OR n.name <> t.vaccine_name)
         LEFT JOIN releases r ON r.maker = n.maker AND r.name = n.name AND r.release = n.first_release) q
         ORDER BY {order}, published_at, record_name"
    )
}

/// The rows that [`with_records`] selects: one for each of `threats`, with where its cure is known from. Several channels can have the
/// record; the earliest comes first.
pub(super) fn with_sources(rows: Vec<ThreatSql>) -> Result<Vec<(ThreatRow, Option<CureFrom>)>, StoreError> {
    let mut read = Vec::<(ThreatRow, Option<CureFrom>)>::new();
    for row in rows {
        let (row, from) = row.read()?;
        match read.last_mut().filter(|(last, _)| last.maker == row.maker && last.news.threat == row.news.threat) {
            // What the news says is in each of them; of what the records say each has a part.
            Some((last, Some(CureFrom::News))) => last.also.extend(row.also),
            Some((last, _)) => last.also.extend(row.news.vaccine.map(|cure| cure.since)),
            None => read.push((row, from)),
        }
    }
    Ok(read)
}

/// The same without where that is known from.
pub(super) fn read_rows(rows: Vec<ThreatSql>) -> Result<Vec<ThreatRow>, StoreError> {
    Ok(with_sources(rows)?.into_iter().map(|(row, _)| row).collect())
}

async fn put_items(
    tx: &mut Transaction<'_, Any>,
    maker: &MakerName,
    counter: u64,
    items: &[News],
) -> Result<Told, StoreError> {
    let mut told = Told::default();
    let before = told_of(tx, maker).await?;
    for item in items {
        let threat = &item.news.threat;
        let known = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM threats WHERE threat = $1");
        let (known,) = known.bind(threat).fetch_one(&mut **tx).await?;
        if !put_row(tx, maker, counter, item).await? {
            continue;
        }
        told.taken += 1;
        if known == 0 && !item.withdrawn {
            told.new.push((threat.clone(), item.samples.first().copied()));
        }
        put_ties(tx, maker, item).await?;
    }
    let after = told_of(tx, maker).await?;
    if after > before && after > TOLD_MAX {
        return Err(NewsError::Full(maker.clone()).into());
    }
    Ok(told)
}

/// How much a maker has told: threats, other names and samples. All decisions are made of all of them, so that one maker could else keep every
/// terminal from its answer.
async fn told_of(tx: &mut Transaction<'_, Any>, maker: &MakerName) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar::<_, i64>(
        "SELECT (SELECT COUNT(*) FROM threats WHERE maker = $1) + (SELECT COUNT(*) FROM aliases WHERE maker = $1)
         + (SELECT COUNT(*) FROM samples WHERE maker = $1)",
    );
    nat(count.bind(maker.as_str()).fetch_one(&mut **tx).await?)
}

/// Writes a row unless it was written by newer news.
async fn put_row(tx: &mut Transaction<'_, Any>, maker: &MakerName, counter: u64, item: &News) -> Result<bool, StoreError> {
    let news = &item.news;
    let vaccine = news.vaccine.as_ref();
    let release = vaccine.map(|vaccine| int(vaccine.since.release)).transpose()?;
    let written = sqlx::query(
        "INSERT INTO threats (maker, threat, danger, discovered, expected, vaccine_date, vaccine_name,
         vaccine_release, updated_at, counter, withdrawn) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (maker, threat) DO UPDATE SET danger = excluded.danger, discovered = excluded.discovered,
         missed_at = CASE WHEN threats.expected = excluded.expected THEN threats.missed_at ELSE NULL END,
         expected = excluded.expected, vaccine_date = excluded.vaccine_date, vaccine_name = excluded.vaccine_name,
         vaccine_release = excluded.vaccine_release, updated_at = excluded.updated_at, counter = excluded.counter,
         withdrawn = excluded.withdrawn WHERE threats.counter < excluded.counter",
    )
    .bind(maker.as_str())
    .bind(&news.threat)
    .bind(word(&news.danger)?)
    .bind(news.discovered.to_string())
    .bind(news.expected.map(|date| date.to_string()))
    .bind(vaccine.map(|vaccine| vaccine.date.to_string()))
    .bind(vaccine.map(|vaccine| vaccine.since.channel.name().to_owned()))
    .bind(release)
    .bind(now())
    .bind(int(counter)?)
    .bind(i64::from(item.withdrawn))
    .execute(&mut **tx)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Writes what ties a threat to others in place of what did before; news that is withdrawn ties nothing.
async fn put_ties(tx: &mut Transaction<'_, Any>, maker: &MakerName, item: &News) -> Result<(), StoreError> {
    let threat = &item.news.threat;
    for delete in
        ["DELETE FROM aliases WHERE maker = $1 AND threat = $2", "DELETE FROM samples WHERE maker = $1 AND threat = $2"]
    {
        sqlx::query(delete).bind(maker.as_str()).bind(threat).execute(&mut **tx).await?;
    }
    if item.withdrawn {
        return Ok(());
    }
    for alias in &item.aliases {
        sqlx::query(
            "INSERT INTO aliases (maker, threat, other_maker, other_threat) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(maker.as_str())
        .bind(threat)
        .bind(alias.maker.as_str())
        .bind(&alias.threat)
        .execute(&mut **tx)
        .await?;
    }
    for sample in &item.samples {
        sqlx::query("INSERT INTO samples (maker, threat, sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(maker.as_str())
            .bind(threat)
            .bind(sample.to_string())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

fn read_alias((maker, threat): (String, String)) -> Result<Alias, StoreError> {
    Ok(Alias { maker: maker.parse()?, threat })
}

#[derive(FromRow)]
pub(super) struct ThreatSql {
    maker: String,
    threat: String,
    danger: String,
    discovered: String,
    expected: Option<String>,
    vaccine_date: Option<String>,
    vaccine_name: Option<String>,
    vaccine_release: Option<i64>,
    record_name: Option<String>,
    first_release: Option<i64>,
    published_at: Option<i64>,
}

impl ThreatSql {
    pub(super) fn read(self) -> Result<(ThreatRow, Option<CureFrom>), StoreError> {
        let said = match (self.vaccine_date, self.vaccine_name, self.vaccine_release) {
            (Some(made), Some(name), Some(release)) => {
                Some(Vaccine { date: date(&made)?, since: channel_release(&self.maker, &name, release)? })
            }
            _ => None,
        };
        let recorded = match (self.record_name, self.first_release, self.published_at) {
            (Some(name), Some(release), Some(at)) => {
                Some(Vaccine { date: day(at)?, since: channel_release(&self.maker, &name, release)? })
            }
            _ => None,
        };
        let from = said.as_ref().map(|_| CureFrom::News).or(recorded.as_ref().map(|_| CureFrom::Records));
        let also = said.as_ref().and(recorded.as_ref()).map(|cure| cure.since.clone());
        let news = ThreatNews {
            threat: self.threat,
            danger: from_word::<Danger>(&self.danger)?,
            discovered: date(&self.discovered)?,
            expected: self.expected.as_deref().map(date).transpose()?,
            vaccine: said.or(recorded),
        };
        Ok((ThreatRow { maker: self.maker.parse()?, news, also: Vec::from_iter(also) }, from))
    }
}

/// The day, in UTC, of a time in seconds since 1970.
fn day(seconds: i64) -> Result<Date, StoreError> {
    let time = jiff::Timestamp::from_second(seconds).map_err(|e| StoreError::Value(e.to_string()))?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC).date())
}
