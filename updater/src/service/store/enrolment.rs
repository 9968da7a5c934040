//! Tokens, and terminals that come with one.

use super::terminals::subscribed_text;
use super::{Store, StoreError, int, nat, now};
use crate::keys::PublicKey;
use crate::wire::{Sha256Hex, TerminalFacts, TokenView};
use serde_json::json;
use sqlx::{Any, FromRow, Transaction};

/// What became of an attempt to use an enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolment {
    /// The terminal with this number may go on; also when the same key asks again.
    Accepted(String),
    /// The token is unknown, or as often used as it may be.
    Refused,
    /// The token's time is over, or the operator revoked it.
    Over,
    /// The operator revoked the terminal with this key.
    Revoked,
}

/// A token to be entered.
pub(crate) struct NewToken<'a> {
    /// Digest of the whole token.
    pub(crate) digest: Sha256Hex,
    pub(crate) uses_max: u64,
    /// Seconds since 1970.
    pub(crate) expires_at: Option<i64>,
    pub(crate) group: Option<&'a str>,
    pub(crate) approval: bool,
}

#[derive(FromRow)]
struct TokenSql {
    sha256: String,
    token_group: Option<String>,
    uses: i64,
    uses_max: i64,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    approval: i64,
}

impl TokenSql {
    fn is_over(&self) -> bool {
        self.revoked_at.is_some() || self.expires_at.is_some_and(|at| at <= now())
    }

    fn view(self) -> Result<TokenView, StoreError> {
        let Self { token_group: group, created_at, expires_at, revoked_at, .. } = self;
        let (id, uses, uses_max) = (token_id(&self.sha256), nat(self.uses)?, nat(self.uses_max)?);
        Ok(TokenView { id, group, uses, uses_max, created_at, expires_at, revoked_at, approval: self.approval != 0 })
    }
}

/// Digits of a token's digest by which it is named.
const TOKEN_ID_DIGITS: usize = 16;

/// The name of the token with this digest.
pub(crate) fn token_id(digest: &str) -> String {
    digest.chars().take(TOKEN_ID_DIGITS).collect()
}

impl Store {
    /// Enters a token.
    pub(crate) async fn add_token(&self, by: &str, token: &NewToken<'_>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let insert = sqlx::query(
            "INSERT INTO enrolment_tokens (sha256, created_at, uses_max, expires_at, token_group, approval)
             VALUES ($1, $2, $3, $4, $5, $6)",
        );
        let insert = insert.bind(token.digest.to_string()).bind(now()).bind(int(token.uses_max)?).bind(token.expires_at);
        insert.bind(token.group).bind(i64::from(token.approval)).execute(&mut *tx).await?;
        let id = token_id(&token.digest.to_string());
        let told = json!({ "id": id, "uses": token.uses_max, "group": token.group, "approval": token.approval });
        self.audit_in(&mut tx, by, "enrolment-token-made", &told).await?;
        Ok(tx.commit().await?)
    }

    /// Every token, the newest first.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenView>, StoreError> {
        let rows = sqlx::query_as::<_, TokenSql>(
            "SELECT sha256, token_group, uses, uses_max, created_at, expires_at, revoked_at, approval FROM enrolment_tokens
             ORDER BY created_at DESC, sha256",
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(TokenSql::view).collect()
    }

    /// From now on nobody enrols with this token; false when there is none of this name. One that is revoked stays so.
    pub(crate) async fn revoke_token(&self, by: &str, id: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let revoke = sqlx::query(
            "UPDATE enrolment_tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE substr(sha256, 1, 16) = $2",
        );
        if revoke.bind(now()).bind(id).execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "enrolment-token-revoked", &json!({ "id": id })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Uses a token for the terminal with this key: a new one, which gets the number `terminal`, or one that is enrolled
    /// already, which keeps its number and whose facts are brought up to date. A terminal that died before it read the answer
    /// asks again with the same token and key and gets the same number, and the token is used once for both.
    pub(crate) async fn enrol(
        &self,
        token: &Sha256Hex,
        terminal: &str,
        key: &PublicKey,
        counter: u64,
        facts: &TerminalFacts,
    ) -> Result<Enrolment, StoreError> {
        let mut tx = self.begin().await?;
        let known =
            sqlx::query_as::<_, (String, Option<i64>)>("SELECT terminal, revoked_at FROM terminals WHERE public_key = $1");
        let known = known.bind(key.to_string()).fetch_optional(&mut *tx).await?;
        if known.as_ref().is_some_and(|(_, revoked_at)| revoked_at.is_some()) {
            return Ok(Enrolment::Revoked);
        }
        let terminal = known.as_ref().map_or(terminal, |(known, _)| known.as_str());
        let token = token.to_string();
        if let Some(known) = used_before(&mut tx, &token, key).await? {
            return Ok(Enrolment::Accepted(known));
        }
        let row = sqlx::query_as::<_, TokenSql>(
            "SELECT sha256, token_group, uses, uses_max, created_at, expires_at, revoked_at, approval FROM enrolment_tokens
             WHERE sha256 = $1",
        );
        let Some(held) = row.bind(&token).fetch_optional(&mut *tx).await? else { return Ok(Enrolment::Refused) };
        if held.is_over() {
            return Ok(Enrolment::Over);
        }
        // Asked in the statement that writes, so that two who come at the same time do not both have the last use.
        let used = sqlx::query("UPDATE enrolment_tokens SET uses = uses + 1 WHERE sha256 = $1 AND uses < uses_max");
        if used.bind(&token).execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(Enrolment::Refused);
        }
        // Once more, as the token's row is this transaction's own only now: the same terminal may have asked twice at once.
        if let Some(known) = used_before(&mut tx, &token, key).await? {
            return Ok(Enrolment::Accepted(known));
        }
        // Another number than was meant: the same key enrolled with another token meanwhile.
        let terminal = put_terminal(&mut tx, terminal, key, counter, facts, &held).await?;
        let used = sqlx::query("INSERT INTO token_uses (sha256, terminal, at) VALUES ($1, $2, $3)");
        used.bind(&token).bind(&terminal).bind(now()).execute(&mut *tx).await?;
        let told = json!({ "key": key, "digest": token, "again": known.is_some() });
        self.audit_in(&mut tx, &format!("terminal:{terminal}"), "terminal-enrolled", &told).await?;
        tx.commit().await?;
        Ok(Enrolment::Accepted(terminal))
    }
}

/// The terminal with this key, when it used this token.
async fn used_before(tx: &mut Transaction<'_, Any>, token: &str, key: &PublicKey) -> Result<Option<String>, StoreError> {
    let used = sqlx::query_scalar::<_, String>(
        "SELECT t.terminal FROM token_uses u JOIN terminals t ON t.terminal = u.terminal
         WHERE u.sha256 = $1 AND t.public_key = $2",
    );
    Ok(used.bind(token).bind(key.to_string()).fetch_optional(&mut **tx).await?)
}

/// Enters a terminal or brings it up to date, and returns its number. The counter of a known key only grows here too, so that no recorded request becomes worth
/// anything again; and one that was approved stays so.
async fn put_terminal(
    tx: &mut Transaction<'_, Any>,
    terminal: &str,
    key: &PublicKey,
    counter: u64,
    facts: &TerminalFacts,
    token: &TokenSql,
) -> Result<String, StoreError> {
    let entered = sqlx::query_scalar::<_, String>(
        "INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed,
         enrolled_at, pending, enrolled_group) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (public_key) DO UPDATE SET counter = CASE WHEN
         terminals.counter < excluded.counter THEN excluded.counter ELSE terminals.counter END, hardware = excluded.hardware,
         os = excluded.os, engine_version = excluded.engine_version, designation = excluded.designation,
         subscribed = excluded.subscribed, enrolled_group = excluded.enrolled_group, freshness = '', freshness_before = ''
         RETURNING terminal",
    )
    .bind(terminal)
    .bind(key.to_string())
    .bind(int(counter)?)
    .bind(&facts.hardware)
    .bind(&facts.os)
    .bind(&facts.engine_version)
    .bind(serde_json::to_string(&facts.designation)?)
    .bind(subscribed_text(facts)?)
    .bind(now())
    .bind(token.approval)
    .bind(&token.token_group)
    .fetch_one(&mut **tx)
    .await?;
    Ok(entered)
}
