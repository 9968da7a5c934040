//! What the operator decides of decisions, and what decisions need of a terminal's row besides.

use super::{Store, StoreError, channel, channel_release, int, nat, now};
use crate::Channel;
use crate::decide::{ListedRelease, Tables, UserRow};
use crate::wire::{
    Blocked, ChannelNeeds, ChannelRelease, DEFAULT_POLICY, Designation, Needs, Policies, Policy, TerminalFacts,
};
use serde_json::json;
use sqlx::FromRow;
use std::collections::BTreeMap;

/// A self-test that refuses a release because of a file that was clean.
pub(super) const FLAGS_CLEAN: &str = "self_test_flags_clean";
/// Trouble that says nothing of a release: its owner's wish.
const NO_FAULT: [&str; 2] = ["held_back", "declined"];

/// Whether trouble with this code speaks against a release.
pub(super) fn is_fault(code: &str) -> bool {
    !NO_FAULT.contains(&code)
}

impl Store {
    /// Everything that decisions are made of and that is the same for all terminals.
    pub(crate) async fn decision_tables(&self) -> Result<Tables, StoreError> {
        let (policies, rings_since) = self.policies().await?;
        Ok(Tables {
            threats: self.threats().await?,
            threat_ids: self.threat_ids().await?,
            releases: self.listed_releases().await?,
            unlisted: self.newest_unlisted().await?,
            withdrawn: self.withdrawn().await?,
            blocked: self.blocked().await?,
            needs: self.needs().await?,
            rollouts: self.rollouts().await?,
            false_positives: self.false_positives().await?,
            policies,
            rings_since,
        })
    }

    /// Every policy, and since when releases wait for rings.
    pub(crate) async fn policies(&self) -> Result<(Policies, i64), StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>("SELECT name, body, put_at FROM policies ORDER BY name");
        let (mut policies, mut rings_since) = (Policies::default(), 0);
        for (name, body, put_at) in rows.fetch_all(&self.pool).await? {
            let policy: Policy = serde_json::from_str(&body)?;
            if name == DEFAULT_POLICY {
                (policies.default, rings_since) = (policy, put_at);
            } else {
                policies.groups.insert(name, policy);
            }
        }
        Ok((policies, rings_since))
    }

    /// Puts the policy of this name. While its rings stay as they are, so does the time from which releases wait for them.
    pub(crate) async fn put_policy(&self, by: &str, name: &str, policy: &Policy) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let before = sqlx::query_as::<_, (String, i64)>("SELECT body, put_at FROM policies WHERE name = $1");
        let before = before.bind(name).fetch_optional(&mut *tx).await?;
        let same_rings = |body: &str| {
            serde_json::from_str::<Policy>(body).is_ok_and(|before| before.rollout.rings == policy.rollout.rings)
        };
        let put_at = before.filter(|(body, _)| same_rings(body)).map_or_else(now, |(_, put_at)| put_at);
        sqlx::query(
            "INSERT INTO policies (name, body, put_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET body = excluded.body, put_at = excluded.put_at",
        )
        .bind(name)
        .bind(serde_json::to_string(policy)?)
        .bind(put_at)
        .execute(&mut *tx)
        .await?;
        self.audit_in(&mut tx, by, "policy-put", &json!({ "name": name, "policy": policy })).await?;
        self.commit_change(tx).await
    }

    /// Takes a policy away, so that the default applies; false when there was none.
    pub(crate) async fn drop_policy(&self, by: &str, name: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM policies WHERE name = $1").bind(name).execute(&mut *tx).await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "policy-dropped", &json!({ "name": name })).await?;
        self.commit_change(tx).await?;
        Ok(true)
    }

    pub(crate) async fn blocked(&self) -> Result<Vec<Blocked>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, String)>(
            "SELECT maker, name, release, words FROM blocked ORDER BY maker, name, release",
        );
        let read = |(maker, name, release, words): (String, String, i64, String)| {
            Ok(Blocked { at: channel_release(&maker, &name, release)?, words })
        };
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }

    /// Blocks a release, or gives a blocked one other words.
    pub(crate) async fn block(&self, by: &str, blocked: &Blocked) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO blocked (maker, name, release, words, blocked_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (maker, name, release) DO UPDATE SET words = excluded.words",
        )
        .bind(blocked.at.channel.maker())
        .bind(blocked.at.channel.name())
        .bind(int(blocked.at.release)?)
        .bind(&blocked.words)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        self.audit_in(&mut tx, by, "release-blocked", &json!(blocked)).await?;
        self.commit_change(tx).await
    }

    /// False when it was not blocked.
    pub(crate) async fn unblock(&self, by: &str, at: &ChannelRelease) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM blocked WHERE maker = $1 AND name = $2 AND release = $3")
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(int(at.release)?)
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "release-unblocked", &json!(at)).await?;
        self.commit_change(tx).await?;
        Ok(true)
    }

    pub(crate) async fn needs(&self) -> Result<Vec<ChannelNeeds>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, String)>("SELECT maker, name, body FROM needs ORDER BY maker, name");
        let read = |(maker, name, body): (String, String, String)| {
            Ok(ChannelNeeds { channel: channel(&format!("{maker}/{name}"))?, needs: serde_json::from_str(&body)? })
        };
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn put_needs(&self, by: &str, channel: &Channel, needs: &Needs) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO needs (maker, name, body) VALUES ($1, $2, $3)
             ON CONFLICT (maker, name) DO UPDATE SET body = excluded.body",
        )
        .bind(channel.maker())
        .bind(channel.name())
        .bind(serde_json::to_string(needs)?)
        .execute(&mut *tx)
        .await?;
        self.audit_in(&mut tx, by, "needs-put", &json!({ "channel": channel.as_str(), "needs": needs })).await?;
        self.commit_change(tx).await
    }

    /// The operator's word on a terminal's group; `None` leaves it to the terminal. False when there is no such terminal.
    pub(crate) async fn put_group(&self, by: &str, terminal: &str, group: Option<&str>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let put = sqlx::query("UPDATE terminals SET group_name = $1 WHERE terminal = $2").bind(group).bind(terminal);
        if put.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "terminal-grouped", &json!({ "terminal": terminal, "group": group })).await?;
        self.commit_row_change(tx).await?;
        Ok(true)
    }

    /// Every listed release.
    pub(crate) async fn listed_releases(&self) -> Result<Vec<ListedRelease>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, i64)>(
            "SELECT maker, name, release, published_at FROM releases WHERE listed = 1 ORDER BY maker, name, release",
        );
        let read = |(maker, name, release, published_at): (String, String, i64, i64)| {
            Ok(ListedRelease { at: channel_release(&maker, &name, release)?, published_at })
        };
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }

    /// How many terminals refused a release of each maker because it flagged a clean file.
    async fn false_positives(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = sqlx::query_as::<_, (String, i64)>("SELECT maker, COUNT(*) FROM blamed WHERE code = $1 GROUP BY maker");
        let rows = rows.bind(FLAGS_CLEAN).fetch_all(&self.pool).await?;
        rows.into_iter().map(|(maker, count)| Ok((maker, nat(count)?))).collect()
    }
}

/// What decisions need of a row of the user table.
#[derive(FromRow)]
pub(super) struct RowSql {
    pub(super) counter: i64,
    designation: String,
    subscribed: String,
    hardware: String,
    os: String,
    engine_version: String,
    memory_bytes: Option<i64>,
    features: Option<String>,
    wished_group: Option<String>,
    group_name: Option<String>,
    enrolled_group: Option<String>,
    pub(super) pending: i64,
    pub(super) revoked_at: Option<i64>,
}

impl RowSql {
    pub(super) const COLUMNS: &str = "counter, designation, subscribed, hardware, os, engine_version, memory_bytes, features, wished_group, group_name,\n         enrolled_group, pending, revoked_at";

    pub(super) fn designation(&self) -> Result<Designation, StoreError> {
        Ok(serde_json::from_str(&self.designation)?)
    }

    pub(super) fn subscribed(&self) -> Result<Vec<Channel>, StoreError> {
        super::terminals::read_subscribed(&self.subscribed)
    }

    /// The group that operators gave the terminal; else its own word counts.
    pub(super) fn set_group(&self) -> Option<String> {
        self.group_name.clone().or_else(|| self.enrolled_group.clone())
    }

    /// `applied` is maker, name, release and since when.
    pub(super) fn read(
        self,
        terminal: &str,
        applied: Vec<(String, String, i64, Option<i64>)>,
    ) -> Result<UserRow, StoreError> {
        let (designation, subscribed, group) = (self.designation()?, self.subscribed()?, self.set_group());
        let facts = TerminalFacts {
            hardware: self.hardware,
            os: self.os,
            engine_version: self.engine_version,
            designation,
            subscribed,
            memory_bytes: self.memory_bytes.map(nat).transpose()?,
            features: self.features.map(|features| serde_json::from_str(&features)).transpose()?.unwrap_or_default(),
            group: self.wished_group,
        };
        let (mut releases, mut stays) = (Vec::new(), Vec::new());
        for (maker, name, release, since) in applied {
            let at = channel_release(&maker, &name, release)?;
            stays.extend(since.map(|since| (at.channel.clone(), since)));
            releases.push(at);
        }
        let row = UserRow::of(terminal, &facts, releases);
        Ok(UserRow { stays, group: group.or(row.group), ..row })
    }
}
