//! Makers, their releases, and the metadata that was signed.

use super::lease::lags;
use super::{Fence, Store, StoreError, channel_release, int, modules, nat, now};
use crate::Channel;
use crate::deltas::Node;
use crate::keys::PublicKey;
use crate::service::deltas::Earlier;
use crate::tuf::{MakerKeys, SignedModule, SignedRelease};
use crate::wire::{ChannelRelease, MakerName, ReleaseView, Sha256Hex, Withdrawn};
use serde_json::{Value, json};
use sqlx::{Any, FromRow, Transaction};

/// A maker and what they last published.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) name: MakerName,
    pub(crate) keys: MakerKeys,
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
    pub(crate) modules: &'a [SignedModule],
    pub(crate) withdrawn: &'a [Withdrawn],
    /// Keys that take the place of the maker's.
    pub(crate) keys: Option<&'a MakerKeys>,
    pub(crate) deltas: &'a [NewDelta],
}

impl Publication<'_> {
    /// For the audit log: what is new in it.
    fn told(&self) -> Value {
        let releases = self.new.iter().map(|new| json!({ "path": new.path(), "sha256": new.sha256 })).collect::<Vec<_>>();
        let withdrawn = self.withdrawn.iter().map(|old| format!("{} {}", old.at.channel, old.at.release));
        let withdrawn = withdrawn.collect::<Vec<_>>();
        let mut told = json!({ "version": self.role_version, "new": releases, "withdrawn": withdrawn });
        if !self.modules.is_empty() {
            let told_of = |signed: &SignedModule| json!({ "path": signed.path(), "sha256": signed.module.sha256 });
            told["modules"] = self.modules.iter().map(told_of).collect();
        }
        if let Some(keys) = self.keys {
            told["keys"] = json!(keys);
        }
        told
    }
}

impl Store {
    /// Enters a maker; returns false when the name is taken by another key.
    pub(crate) async fn register_maker(&self, by: &str, maker: &MakerName, key: &PublicKey) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let entered =
            sqlx::query("INSERT INTO makers (maker, keys, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(maker.as_str())
                .bind(serde_json::to_string(&MakerKeys::single(*key))?)
                .bind(now())
                .execute(&mut *tx)
                .await?;
        if entered.rows_affected() > 0 {
            self.audit_in(&mut tx, by, "maker-registered", &json!({ "maker": maker, "key": key })).await?;
        }
        tx.commit().await?;
        Ok(self.maker(maker).await?.is_some_and(|held| held.keys.keys.contains(key)))
    }

    pub(crate) async fn maker(&self, maker: &MakerName) -> Result<Option<Maker>, StoreError> {
        let row = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE maker = $1").bind(maker.as_str());
        row.fetch_optional(&self.pool).await?.map(MakerSql::read).transpose()
    }

    /// Makers who have published, by name.
    pub(crate) async fn published_makers(&self) -> Result<Vec<Maker>, StoreError> {
        let rows = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE role_version > 0 ORDER BY maker");
        rows.fetch_all(&self.pool).await?.into_iter().map(MakerSql::read).collect()
    }

    /// Releases of a maker, ascending by channel and number.
    pub(crate) async fn releases(&self, maker: &MakerName) -> Result<Vec<ReleaseView>, StoreError> {
        let rows = sqlx::query_as::<_, ReleaseSql>(
            "SELECT r.maker, r.name, r.release, r.sha256, r.length, r.listed,
             (SELECT COUNT(*) FROM withdrawn w WHERE w.maker = r.maker AND w.name = r.name AND w.release = r.release)
             AS withdrawn FROM releases r WHERE r.maker = $1 ORDER BY r.name, r.release",
        );
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

    /// The newest release of each channel that was published and is listed no more.
    pub(crate) async fn newest_unlisted(&self) -> Result<Vec<ChannelRelease>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT maker, name, MAX(release) FROM releases WHERE listed = 0 GROUP BY maker, name ORDER BY maker, name",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(maker, name, release)| channel_release(&maker, &name, release)).collect()
    }

    /// The newest release of each channel that is listed and not blocked: what terminals can be given.
    pub(crate) async fn newest_offered(&self) -> Result<Vec<ChannelRelease>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT r.maker, r.name, MAX(r.release) FROM releases r WHERE r.listed = 1 AND NOT EXISTS (SELECT 1 FROM blocked b
             WHERE b.maker = r.maker AND b.name = r.name AND b.release = r.release) GROUP BY r.maker, r.name ORDER BY r.maker, r.name",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(maker, name, release)| channel_release(&maker, &name, release)).collect()
    }

    /// Records a publication, all of it or nothing; from then on the metadata lags.
    pub(crate) async fn publish(&self, publication: &Publication<'_>, fence: Fence) -> Result<(), StoreError> {
        let maker = publication.maker.as_str();
        let mut tx = self.begin_fenced(fence).await?;
        for new in publication.new {
            sqlx::query(
                "INSERT INTO releases (maker, name, release, sha256, root, length, created, published_at, listed)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
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
        sqlx::query("UPDATE releases SET listed = 0 WHERE maker = $1").bind(maker).execute(&mut *tx).await?;
        for listed in publication.listed {
            sqlx::query("UPDATE releases SET listed = 1 WHERE maker = $1 AND name = $2 AND release = $3")
                .bind(maker)
                .bind(listed.channel.name())
                .bind(int(listed.release)?)
                .execute(&mut *tx)
                .await?;
        }
        modules::record(&mut tx, publication).await?;
        sqlx::query("DELETE FROM withdrawn WHERE maker = $1").bind(maker).execute(&mut *tx).await?;
        for withdrawn in publication.withdrawn {
            sqlx::query("INSERT INTO withdrawn (maker, name, release, back_to) VALUES ($1, $2, $3, $4)")
                .bind(maker)
                .bind(withdrawn.at.channel.name())
                .bind(int(withdrawn.at.release)?)
                .bind(withdrawn.back_to.map(int).transpose()?)
                .execute(&mut *tx)
                .await?;
        }
        if let Some(keys) = publication.keys {
            free_counters(&mut tx, publication.maker, keys).await?;
            sqlx::query("UPDATE makers SET keys = $1 WHERE maker = $2")
                .bind(serde_json::to_string(keys)?)
                .bind(maker)
                .execute(&mut *tx)
                .await?;
        }
        for delta in publication.deltas {
            sqlx::query(
                "INSERT INTO deltas (from_sha256, to_sha256, sha256, length) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (to_sha256, from_sha256) DO UPDATE SET sha256 = excluded.sha256, length = excluded.length",
            )
            .bind(delta.from.to_string())
            .bind(delta.to.to_string())
            .bind(delta.sha256.to_string())
            .bind(int(delta.length)?)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query("UPDATE makers SET role_version = $1, role_body = $2 WHERE maker = $3")
            .bind(int(publication.role_version)?)
            .bind(publication.role_body)
            .bind(maker)
            .execute(&mut *tx)
            .await?;
        self.audit_in(&mut tx, &format!("maker:{maker}"), "published", &publication.told()).await?;
        lags(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Releases that their makers withdrew.
    pub(crate) async fn withdrawn(&self) -> Result<Vec<Withdrawn>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, Option<i64>)>(
            "SELECT maker, name, release, back_to FROM withdrawn ORDER BY maker, name, release",
        );
        let read = |(maker, name, release, back_to): (String, String, i64, Option<i64>)| {
            let back_to = back_to.map(nat).transpose()?;
            Ok(Withdrawn { at: channel_release(&maker, &name, release)?, back_to })
        };
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }

    /// Releases of a channel, ascending, with the number of terminals that run each.
    pub(crate) async fn history(&self, channel: &Channel) -> Result<Vec<Earlier>, StoreError> {
        let rows = sqlx::query_as::<_, (i64, String, i64, i64)>(
            "SELECT r.release, r.sha256, r.published_at,
             (SELECT COUNT(*) FROM applied a WHERE a.maker = r.maker AND a.name = r.name AND a.release = r.release)
             FROM releases r WHERE r.maker = $1 AND r.name = $2 ORDER BY r.release",
        );
        let rows = rows.bind(channel.maker()).bind(channel.name()).fetch_all(&self.pool).await?;
        let read = |(release, sha256, published_at, terminals): (i64, String, i64, i64)| {
            Ok(Earlier { release: nat(release)?, sha256: sha256.parse()?, published_at, terminals: nat(terminals)? })
        };
        rows.into_iter().map(read).collect()
    }

    /// The release with this blob and the deltas of its channel that lead to it or to earlier ones, the newest first; nothing
    /// when no release has this blob.
    pub(crate) async fn deltas_around(&self, to: &Sha256Hex) -> Result<Option<(Node, Vec<Delta>)>, StoreError> {
        let target = sqlx::query_as::<_, (String, String, i64, i64)>(
            "SELECT maker, name, release, length FROM releases WHERE sha256 = $1 ORDER BY release DESC LIMIT 1",
        );
        let target = target.bind(to.to_string()).fetch_optional(&self.pool).await?;
        let Some((maker, name, release, length)) = target else { return Ok(None) };
        let rows = sqlx::query_as::<_, DeltaSql>(
            "SELECT f.sha256 AS from_sha256, f.release AS from_release, f.length AS from_length,
             t.sha256 AS to_sha256, t.release AS to_release, t.length AS to_length, d.sha256, d.length
             FROM deltas d
             JOIN releases f ON f.sha256 = d.from_sha256 AND f.maker = $1 AND f.name = $2
             JOIN releases t ON t.sha256 = d.to_sha256 AND t.maker = $1 AND t.name = $2
             WHERE t.release <= $3 AND f.release < t.release ORDER BY t.release DESC, f.release DESC LIMIT $4",
        );
        let rows = rows.bind(maker).bind(name).bind(release).bind(DELTAS_READ_MAX).fetch_all(&self.pool).await?;
        let deltas = rows.into_iter().map(DeltaSql::read).collect::<Result<_, _>>()?;
        Ok(Some((Node { sha256: *to, release: nat(release)?, length: nat(length)? }, deltas)))
    }

    /// The digest of the delta between two blobs.
    pub(crate) async fn delta(&self, from: &Sha256Hex, to: &Sha256Hex) -> Result<Option<Sha256Hex>, StoreError> {
        let row = sqlx::query_as::<_, (String,)>("SELECT sha256 FROM deltas WHERE from_sha256 = $1 AND to_sha256 = $2");
        let row = row.bind(from.to_string()).bind(to.to_string()).fetch_optional(&self.pool).await?;
        row.map(|(sha256,)| Ok(sha256.parse()?)).transpose()
    }

    /// The newest version of a role that was signed here, with its bytes.
    pub(crate) async fn newest_metadata(&self, role: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let row = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT version, body FROM metadata WHERE role = $1 ORDER BY version DESC LIMIT 1",
        );
        let row = row.bind(role).fetch_optional(&self.pool).await?;
        row.map(|(version, body)| Ok((nat(version)?, body))).transpose()
    }

    /// Every version of a role that is kept, ascending, with its bytes.
    pub(crate) async fn metadata_versions(&self, role: &str) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows =
            sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT version, body FROM metadata WHERE role = $1 ORDER BY version");
        let rows = rows.bind(role).fetch_all(&self.pool).await?;
        rows.into_iter().map(|(version, body)| Ok((nat(version)?, body))).collect()
    }

    /// Records a signed version before its file is written; fails when the version exists.
    pub(crate) async fn add_metadata(&self, role: &str, version: u64, body: &[u8], fence: Fence) -> Result<(), StoreError> {
        let mut tx = self.begin_fenced(fence).await?;
        sqlx::query("INSERT INTO metadata (role, version, body) VALUES ($1, $2, $3)")
            .bind(role)
            .bind(int(version)?)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        if role == "timestamp" {
            // Its file is replaced too; only the newest version can ever be asked for.
            sqlx::query("DELETE FROM metadata WHERE role = $1 AND version < $2")
                .bind(role)
                .bind(int(version)?)
                .execute(&mut *tx)
                .await?;
        }
        if role == "root" {
            return self.commit_change(tx).await;
        }
        Ok(tx.commit().await?)
    }

    /// Keeps a root that is to follow the newest; there is one at most.
    pub(crate) async fn put_next_root(&self, version: u64, body: &[u8], fence: Fence) -> Result<(), StoreError> {
        let mut tx = self.begin_fenced(fence).await?;
        sqlx::query("DELETE FROM metadata WHERE role = 'next root'").execute(&mut *tx).await?;
        sqlx::query("INSERT INTO metadata (role, version, body) VALUES ('next root', $1, $2)")
            .bind(int(version)?)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        lags(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn next_root(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.newest_metadata("next root").await
    }

    /// Makes the next root the newest.
    pub(crate) async fn promote_next_root(&self, fence: Fence) -> Result<(), StoreError> {
        let mut tx = self.begin_fenced(fence).await?;
        sqlx::query("UPDATE metadata SET role = 'root' WHERE role = 'next root'").execute(&mut *tx).await?;
        let newest = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT version, body FROM metadata WHERE role = 'root' ORDER BY version DESC LIMIT 1",
        );
        let (version, body) = newest.fetch_one(&mut *tx).await?;
        let told = json!({ "version": version, "sha256": Sha256Hex::of(&body) });
        self.audit_in(&mut tx, "service", "root-in-force", &told).await?;
        self.commit_change(tx).await
    }
}

/// Takes counters of a maker's news back to the time of now, where all of the keys are other ones: who stole one of the old keys may have signed
/// the highest counter that there is. What an old key signed before counts no more all the same, and the new ones' counters begin above.
async fn free_counters(tx: &mut Transaction<'_, Any>, maker: &MakerName, keys: &MakerKeys) -> Result<(), StoreError> {
    let held = sqlx::query_scalar::<_, String>("SELECT keys FROM makers WHERE maker = $1").bind(maker.as_str());
    let held: MakerKeys = serde_json::from_str(&held.fetch_one(&mut **tx).await?)?;
    if held.keys.iter().any(|key| keys.keys.contains(key)) {
        return Ok(());
    }
    let now = jiff::Timestamp::now().as_microsecond();
    for text in [
        "UPDATE makers SET counter = $1 WHERE maker = $2 AND counter > $1",
        "UPDATE threats SET counter = $1 WHERE maker = $2 AND counter > $1",
    ] {
        sqlx::query(text).bind(now).bind(maker.as_str()).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Most deltas that are read for one index, the newest first.
const DELTAS_READ_MAX: i64 = 2048;

/// A delta with the blobs it joins, its digest and its length.
pub(crate) type Delta = (Node, Node, Sha256Hex, u64);

#[derive(FromRow)]
struct DeltaSql {
    from_sha256: String,
    from_release: i64,
    from_length: i64,
    to_sha256: String,
    to_release: i64,
    to_length: i64,
    sha256: String,
    length: i64,
}

impl DeltaSql {
    fn read(self) -> Result<Delta, StoreError> {
        let node = |sha256: String, release, length| -> Result<Node, StoreError> {
            Ok(Node { sha256: sha256.parse()?, release: nat(release)?, length: nat(length)? })
        };
        let from = node(self.from_sha256, self.from_release, self.from_length)?;
        let to = node(self.to_sha256, self.to_release, self.to_length)?;
        Ok((from, to, self.sha256.parse()?, nat(self.length)?))
    }
}

#[derive(FromRow)]
struct MakerSql {
    maker: String,
    keys: String,
    role_version: i64,
    role_body: Option<Vec<u8>>,
}

impl MakerSql {
    fn read(self) -> Result<Maker, StoreError> {
        Ok(Maker {
            name: self.maker.parse()?,
            keys: serde_json::from_str(&self.keys)?,
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
    listed: i64,
    withdrawn: i64,
}

impl ReleaseSql {
    fn read(self) -> Result<ReleaseView, StoreError> {
        let release = channel_release(&self.maker, &self.name, self.release)?;
        let (listed, withdrawn) = (self.listed == 1, self.withdrawn > 0);
        Ok(ReleaseView { release, sha256: self.sha256.parse()?, length: nat(self.length)?, listed, withdrawn })
    }
}
