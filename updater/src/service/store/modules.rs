//! Modules of releases, and what is kept for good.

use super::{Publication, Store, StoreError, channel_release, int, nat, now};
use crate::Channel;
use crate::wire::{ChannelRelease, KeptRelease, MakerName, Module, Sha256Hex};
use sqlx::{AnyConnection, FromRow};
use std::collections::{BTreeMap, BTreeSet};

/// Releases, as they are kept, of which this holds: at most $4, ascending.
macro_rules! kept {
    ($which:literal) => {
        concat!(
            "SELECT r.maker, r.name, r.release, r.sha256, r.length, r.published_at, r.listed,
             (SELECT COUNT(*) FROM withdrawn w WHERE w.maker = r.maker AND w.name = r.name AND w.release = r.release)
             AS withdrawn FROM releases r WHERE ",
            $which,
            " ORDER BY r.maker, r.name, r.release LIMIT $4"
        )
    };
}

impl Store {
    /// Digests of all modules that a maker ever published, ascending.
    pub(crate) async fn module_digests(&self, maker: &MakerName) -> Result<Vec<Sha256Hex>, StoreError> {
        let rows = sqlx::query_as::<_, (String,)>("SELECT DISTINCT sha256 FROM modules WHERE maker = $1");
        let rows = rows.bind(maker.as_str()).fetch_all(&self.pool).await?;
        let digests = rows.into_iter().map(|(sha256,)| Ok(sha256.parse()?)).collect::<Result<BTreeSet<_>, StoreError>>()?;
        Ok(digests.into_iter().collect())
    }

    /// A digest of the modules of each release that makers offer some of: it changes when one of them does.
    pub(crate) async fn module_marks(&self) -> Result<BTreeMap<ChannelRelease, Sha256Hex>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, String, String, String)>(
            "SELECT maker, name, release, kind, module, sha256 FROM modules WHERE listed = 1",
        );
        let mut of = BTreeMap::<ChannelRelease, Vec<(String, String, String)>>::new();
        for (maker, name, release, kind, module, sha256) in rows.fetch_all(&self.pool).await? {
            of.entry(channel_release(&maker, &name, release)?).or_default().push((kind, module, sha256));
        }
        let mark = |mut modules: Vec<_>| {
            // By the order of bytes; a database may have another.
            modules.sort();
            Sha256Hex::of(&serde_json::to_vec(&modules).expect("names are plain JSON"))
        };
        Ok(of.into_iter().map(|(at, modules)| (at, mark(modules))).collect())
    }

    /// Releases that were ever published, ascending by channel and number, with their modules: at most `limit` after `after`, and of one
    /// channel if that is given, which is then that of `after` too.
    pub(crate) async fn kept_releases(
        &self,
        channel: Option<&Channel>,
        after: Option<&ChannelRelease>,
        limit: usize,
    ) -> Result<Vec<KeptRelease>, StoreError> {
        let release = after.map_or(Ok(-1), |at| int(at.release))?;
        let of_all = kept!("(r.maker, r.name, r.release) > ($1, $2, $3)");
        let of_channel = kept!("r.maker = $1 AND r.name = $2 AND r.release > $3");
        let begins = channel.or(after.map(|at| &at.channel));
        let (maker, name) = begins.map_or(("", ""), |channel| (channel.maker(), channel.name()));
        let rows = sqlx::query_as::<_, KeptSql>(if channel.is_some() { of_channel } else { of_all });
        let rows = rows.bind(maker).bind(name).bind(release).bind(super::listing::rows(limit)).fetch_all(&self.pool).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
        let mut modules = self.kept_modules(first, last).await?;
        let read = |row: KeptSql| {
            let release = channel_release(&row.maker, &row.name, row.release)?;
            Ok(KeptRelease {
                modules: modules.remove(&release).unwrap_or_default(),
                release,
                sha256: row.sha256.parse()?,
                length: nat(row.length)?,
                published_at: row.published_at,
                listed: row.listed == 1,
                withdrawn: row.withdrawn > 0,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// What each release from the first to the last had of modules in the newest role that listed it.
    async fn kept_modules(
        &self,
        first: &KeptSql,
        last: &KeptSql,
    ) -> Result<BTreeMap<ChannelRelease, Vec<Module>>, StoreError> {
        let rows = sqlx::query_as::<_, ModuleSql>(
            "SELECT m.maker, m.name, m.release, m.kind, m.module, m.sha256, m.platform, m.length FROM modules m
             JOIN releases r ON r.maker = m.maker AND r.name = m.name AND r.release = m.release
             WHERE (m.maker, m.name, m.release) >= ($1, $2, $3) AND (m.maker, m.name, m.release) <= ($4, $5, $6)
             AND (m.listed = 1 OR (r.listed = 0 AND m.role_version =
             (SELECT MAX(n.role_version) FROM modules n
              WHERE n.maker = m.maker AND n.name = m.name AND n.release = m.release)))",
        );
        let rows = rows.bind(&first.maker).bind(&first.name).bind(first.release);
        let rows = rows.bind(&last.maker).bind(&last.name).bind(last.release);
        let mut of = BTreeMap::<ChannelRelease, Vec<Module>>::new();
        for row in rows.fetch_all(&self.pool).await? {
            let at = channel_release(&row.maker, &row.name, row.release)?;
            of.entry(at).or_default().push(row.read()?);
        }
        for modules in of.values_mut() {
            modules.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        }
        Ok(of)
    }

    /// Digests of every object that a row names: blobs, modules and deltas, of whatever age.
    pub(crate) async fn named_objects(&self) -> Result<BTreeSet<Sha256Hex>, StoreError> {
        let rows = sqlx::query_as::<_, (String,)>(
            "SELECT sha256 FROM releases UNION SELECT sha256 FROM modules UNION SELECT sha256 FROM deltas",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(sha256,)| Ok(sha256.parse()?)).collect()
    }
}

/// Records the modules of a publication, within its transaction: what its role lists, and no more, is offered from then on.
pub(super) async fn record(tx: &mut AnyConnection, publication: &Publication<'_>) -> Result<(), StoreError> {
    let maker = publication.maker.as_str();
    sqlx::query("UPDATE modules SET listed = 0 WHERE maker = $1").bind(maker).execute(&mut *tx).await?;
    for signed in publication.modules {
        let Module { name, kind, platform, sha256, length } = &signed.module;
        sqlx::query(
            "INSERT INTO modules
             (maker, name, release, kind, module, sha256, platform, length, published_at, listed, role_version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10)
             ON CONFLICT (maker, name, release, kind, module, sha256)
             DO UPDATE SET listed = 1, role_version = excluded.role_version, platform = excluded.platform",
        )
        .bind(maker)
        .bind(signed.of.channel.name())
        .bind(int(signed.of.release)?)
        .bind(kind.as_str())
        .bind(name.as_str())
        .bind(sha256.to_string())
        .bind(platform.as_ref().map(ToString::to_string).unwrap_or_default())
        .bind(int(*length)?)
        .bind(now())
        .bind(int(publication.role_version)?)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct KeptSql {
    maker: String,
    name: String,
    release: i64,
    sha256: String,
    length: i64,
    published_at: i64,
    listed: i64,
    withdrawn: i64,
}

#[derive(FromRow)]
struct ModuleSql {
    maker: String,
    name: String,
    release: i64,
    kind: String,
    module: String,
    sha256: String,
    platform: String,
    length: i64,
}

impl ModuleSql {
    fn read(self) -> Result<Module, StoreError> {
        Ok(Module {
            name: self.module.parse()?,
            kind: self.kind.parse()?,
            platform: if self.platform.is_empty() { None } else { Some(self.platform.parse()?) },
            sha256: self.sha256.parse()?,
            length: nat(self.length)?,
        })
    }
}
