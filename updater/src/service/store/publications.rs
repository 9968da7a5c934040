//! Makers, their releases, and the metadata that was signed.

use super::{Store, StoreError, channel_release, int, nat, now};
use crate::keys::PublicKey;
use crate::tuf::SignedRelease;
use crate::wire::{ChannelRelease, DeltaView, MakerName, ReleaseView, Sha256Hex};
use sqlx::FromRow;

/// A maker and what they last published.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) name: MakerName,
    pub(crate) public_key: PublicKey,
    pub(crate) role_version: u64,
    pub(crate) role_body: Vec<u8>,
}

/// A delta made for a new release.
#[derive(Clone, Debug)]
pub(crate) struct NewDelta {
    pub(crate) from: Sha256Hex,
    pub(crate) to: Sha256Hex,
    pub(crate) sha256: Sha256Hex,
    pub(crate) length: u64,
}

/// One verified publication, to be recorded as a whole.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) maker: &'a MakerName,
    pub(crate) role_version: u64,
    pub(crate) role_body: &'a [u8],
    pub(crate) new: &'a [SignedRelease],
    pub(crate) listed: &'a [SignedRelease],
    pub(crate) deltas: &'a [NewDelta],
}

impl Store {
    /// Enters a maker; returns false when the name is taken by another key.
    pub(crate) async fn register_maker(&self, maker: &MakerName, key: &PublicKey) -> Result<bool, StoreError> {
        sqlx::query("INSERT INTO makers (maker, public_key, registered_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(maker.as_str())
            .bind(key.to_string())
            .bind(now())
            .execute(&self.pool)
            .await?;
        Ok(self.maker(maker).await?.is_some_and(|held| held.public_key == *key))
    }

    pub(crate) async fn maker(&self, maker: &MakerName) -> Result<Option<Maker>, StoreError> {
        let row = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE maker = ?").bind(maker.as_str());
        row.fetch_optional(&self.pool).await?.map(MakerSql::read).transpose()
    }

    /// Makers who have published, by name.
    pub(crate) async fn published_makers(&self) -> Result<Vec<Maker>, StoreError> {
        let rows = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE role_version > 0 ORDER BY maker");
        rows.fetch_all(&self.pool).await?.into_iter().map(MakerSql::read).collect()
    }

    /// Releases of a maker, ascending by channel and number.
    pub(crate) async fn releases(&self, maker: &MakerName) -> Result<Vec<ReleaseView>, StoreError> {
        let rows = sqlx::query_as::<_, ReleaseSql>("SELECT * FROM releases WHERE maker = ? ORDER BY name, release");
        rows.bind(maker.as_str()).fetch_all(&self.pool).await?.into_iter().map(ReleaseSql::read).collect()
    }

    /// The newest listed release of every channel.
    pub(crate) async fn newest(&self) -> Result<Vec<ChannelRelease>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT maker, name, MAX(release) FROM releases WHERE listed = 1 GROUP BY maker, name ORDER BY maker, name",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(maker, name, release)| channel_release(&maker, &name, release)).collect()
    }

    pub(crate) async fn publish(&self, publication: &Publication<'_>) -> Result<(), StoreError> {
        let maker = publication.maker.as_str();
        let mut tx = self.begin().await?;
        for new in publication.new {
            sqlx::query(
                "INSERT INTO releases (maker, name, release, sha256, root, length, created, published_at, listed)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            )
            .bind(maker)
            .bind(new.channel.name())
            .bind(int(new.release)?)
            .bind(new.sha256.to_string())
            .bind(new.root.to_string())
            .bind(int(new.length)?)
            .bind(new.created)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query("UPDATE releases SET listed = 0 WHERE maker = ?").bind(maker).execute(&mut *tx).await?;
        for listed in publication.listed {
            sqlx::query("UPDATE releases SET listed = 1 WHERE maker = ? AND name = ? AND release = ?")
                .bind(maker)
                .bind(listed.channel.name())
                .bind(int(listed.release)?)
                .execute(&mut *tx)
                .await?;
        }
        for delta in publication.deltas {
            sqlx::query("INSERT OR REPLACE INTO deltas (from_sha256, to_sha256, sha256, length) VALUES (?, ?, ?, ?)")
                .bind(delta.from.to_string())
                .bind(delta.to.to_string())
                .bind(delta.sha256.to_string())
                .bind(int(delta.length)?)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query("UPDATE makers SET role_version = ?, role_body = ? WHERE maker = ?")
            .bind(int(publication.role_version)?)
            .bind(publication.role_body)
            .bind(maker)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Deltas that lead to a blob, the smallest first.
    pub(crate) async fn deltas_to(&self, to: &Sha256Hex) -> Result<Vec<DeltaView>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT from_sha256, sha256, length FROM deltas WHERE to_sha256 = ? ORDER BY length, from_sha256",
        );
        let rows = rows.bind(to.to_string()).fetch_all(&self.pool).await?;
        let read = |(from, sha256, length): (String, String, i64)| {
            Ok(DeltaView { from: from.parse()?, sha256: sha256.parse()?, length: nat(length)? })
        };
        rows.into_iter().map(read).collect()
    }

    /// The newest version of a role that was signed here, with its bytes.
    pub(crate) async fn newest_metadata(&self, role: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let row = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT version, body FROM metadata WHERE role = ? ORDER BY version DESC LIMIT 1",
        );
        let row = row.bind(role).fetch_optional(&self.pool).await?;
        row.map(|(version, body)| Ok((nat(version)?, body))).transpose()
    }

    /// Every version of a role that is kept, ascending, with its bytes.
    pub(crate) async fn metadata_versions(&self, role: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT version, body FROM metadata WHERE role = ? ORDER BY version");
        let rows = rows.bind(role).fetch_all(&self.pool).await?;
        rows.into_iter().map(|(version, body)| Ok((nat(version)?, body))).collect()
    }

    /// Records a signed version before its file is written; fails when the version exists.
    pub(crate) async fn add_metadata(&self, role: &str, version: u64, body: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO metadata (role, version, body) VALUES (?, ?, ?)")
            .bind(role)
            .bind(int(version)?)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        if role == "timestamp" {
            // Its file is replaced too; only the newest version can ever be asked for.
            sqlx::query("DELETE FROM metadata WHERE role = ? AND version < ?")
                .bind(role)
                .bind(int(version)?)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        if role == "root" {
            self.changed();
        }
        Ok(())
    }
}

#[derive(FromRow)]
struct MakerSql {
    maker: String,
    public_key: String,
    role_version: i64,
    role_body: Option<Vec<u8>>,
}

impl MakerSql {
    fn read(self) -> Result<Maker, StoreError> {
        Ok(Maker {
            name: self.maker.parse()?,
            public_key: self.public_key.parse()?,
            role_version: nat(self.role_version)?,
            role_body: self.role_body.unwrap_or_default(),
        })
    }
}

#[derive(FromRow)]
struct ReleaseSql {
    maker: String,
    name: String,
    release: i64,
    sha256: String,
    length: i64,
}

impl ReleaseSql {
    fn read(self) -> Result<ReleaseView, StoreError> {
        let release = channel_release(&self.maker, &self.name, self.release)?;
        Ok(ReleaseView { release, sha256: self.sha256.parse()?, length: nat(self.length)? })
    }
}
