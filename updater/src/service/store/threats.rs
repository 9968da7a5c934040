//! The countering table.

use super::{Store, StoreError, channel_release, date, from_word, int, now, word};
use crate::wire::{Danger, MakerName, ThreatNews, ThreatRow, Vaccine};
use sqlx::FromRow;

impl Store {
    /// Enters a maker's news; returns false, and enters nothing, when `counter` is not newer than the last.
    pub(crate) async fn put_news(&self, maker: &MakerName, counter: u64, news: &ThreatNews) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query("UPDATE makers SET counter = $1 WHERE maker = $2 AND counter < $3")
            .bind(int(counter)?)
            .bind(maker.as_str())
            .bind(int(counter)?)
            .execute(&mut *tx)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(false);
        }
        let vaccine = news.vaccine.as_ref();
        let release = vaccine.map(|vaccine| int(vaccine.since.release)).transpose()?;
        sqlx::query(
            "INSERT INTO threats (maker, threat, danger, discovered, expected, vaccine_date, vaccine_name,
             vaccine_release, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (maker, threat) DO UPDATE SET danger = excluded.danger, discovered = excluded.discovered,
             expected = excluded.expected, vaccine_date = excluded.vaccine_date, vaccine_name = excluded.vaccine_name,
             vaccine_release = excluded.vaccine_release, updated_at = excluded.updated_at",
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
        .execute(&mut *tx)
        .await?;
        self.commit_change(tx).await?;
        Ok(true)
    }

    pub(crate) async fn threats(&self) -> Result<Vec<ThreatRow>, StoreError> {
        let rows = sqlx::query_as::<_, ThreatSql>("SELECT * FROM threats ORDER BY threat, maker");
        rows.fetch_all(&self.pool).await?.into_iter().map(ThreatSql::read).collect()
    }
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
}

impl ThreatSql {
    pub(super) fn read(self) -> Result<ThreatRow, StoreError> {
        let vaccine = match (self.vaccine_date, self.vaccine_name, self.vaccine_release) {
            (Some(made), Some(name), Some(release)) => {
                Some(Vaccine { date: date(&made)?, since: channel_release(&self.maker, &name, release)? })
            }
            _ => None,
        };
        let news = ThreatNews {
            threat: self.threat,
            danger: from_word::<Danger>(&self.danger)?,
            discovered: date(&self.discovered)?,
            expected: self.expected.as_deref().map(date).transpose()?,
            vaccine,
        };
        Ok(ThreatRow { maker: self.maker.parse()?, news })
    }
}
