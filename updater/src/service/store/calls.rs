//! What a terminal's signed calls write: one [`Change`] each, made before anything is locked.
//!
//! A call reads the terminal's row ([`Store::held`]), everything that follows from it is worked out, and the change is written if the
//! row is still the one that was read: its counter, which every signed call increases, stands in the `WHERE`. If another call of the terminal
//! came first, nothing is written, and the call begins anew with the row as that one left it. So calls of one terminal come one after another,
//! and what is done under the lock of the tables is a handful of statements whose values are all at hand. Numbers are checked when a change is
//! made, so that only the database itself can fail to write it.
//!
//! Rejected: reading and deciding within the transaction, which has everybody wait for it in SQLite, and in PostgreSQL costs a round trip for
//! each of some twenty statements while the row is locked.

use super::change::{At, Change, CheckInSql, ReportSql, RunsChange, Said, ThreatSql};
use super::coverage::ConfigurationBody;
use super::policy::{FLAGS_CLEAN, RowSql, is_fault};
use super::terminals::{Standing, subscribed_text};
use super::{Store, StoreError, channel_release, int, nat, now};
use crate::Channel;
use crate::decide::UserRow;
use crate::keys::PublicKey;
use crate::wire::{Acknowledge, Assignment, ChannelRelease, CheckIn, OneOff, Reported, ThreatReport};
use sqlx::FromRow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long one remark on copies of a terminal is enough, in seconds.
const COPY_TOLD_EVERY: i64 = 24 * 3600;

/// A terminal as a signed call finds it.
pub(crate) struct Held {
    pub(crate) terminal: String,
    pub(crate) key: PublicKey,
    pub(crate) standing: Standing,
    /// The last counter that was taken.
    pub(crate) counter: u64,
    sql: HeldSql,
}

#[derive(FromRow)]
struct HeldSql {
    public_key: String,
    told: Option<String>,
    freshness: String,
    freshness_before: String,
    cloned_at: Option<i64>,
    /// Digest of its configuration.
    configuration: Option<String>,
    #[sqlx(flatten)]
    row: RowSql,
}

/// What a terminal runs, with the time since when it runs the channel, if that is known.
pub(crate) type Runs = BTreeMap<Channel, (u64, Option<i64>)>;

/// A check-in: its change but for what the terminal is told, and the row that this is decided of.
pub(crate) struct CheckedIn {
    change: Change,
    /// The row as it will be written.
    pub(crate) row: Arc<UserRow>,
    /// It said what neither the last answer nor the one before told this terminal to say.
    pub(crate) is_copy: bool,
}

impl Store {
    /// A terminal as it is; one row is read, by its key.
    pub(crate) async fn held(&self, terminal: &str) -> Result<Option<Held>, StoreError> {
        let select = format!(
            "SELECT public_key, told, freshness, freshness_before, cloned_at, c.sha256 AS configuration, {} FROM terminals t
             LEFT JOIN configurations c ON c.id = t.configuration WHERE t.terminal = $1",
            RowSql::COLUMNS
        );
        let row = sqlx::query_as::<_, HeldSql>(sqlx::AssertSqlSafe(select)).bind(terminal);
        let Some(sql) = row.fetch_optional(&self.pool).await? else { return Ok(None) };
        let (key, counter) = (sql.public_key.parse()?, nat(sql.row.counter)?);
        let standing = Standing::of(sql.row.pending, sql.row.revoked_at);
        Ok(Some(Held { terminal: terminal.to_owned(), key, standing, counter, sql }))
    }

    /// What a terminal runs. Read after its row: whatever changes this changes the row's counter.
    pub(crate) async fn runs(&self, terminal: &str) -> Result<Runs, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, Option<i64>)>(
            "SELECT a.maker, a.name, a.release, s.since FROM applied a LEFT JOIN stays s ON s.terminal = a.terminal
             AND s.maker = a.maker AND s.name = a.name WHERE a.terminal = $1",
        );
        let rows = rows.bind(terminal).fetch_all(&self.pool).await?;
        let read = |(maker, name, release, since): (String, String, i64, Option<i64>)| {
            let at = channel_release(&maker, &name, release)?;
            Ok((at.channel, (at.release, since)))
        };
        rows.into_iter().map(read).collect()
    }
}

impl Held {
    /// What a check-in changes, but for what the terminal is told then; `one_offs` is what the operator gives it, `freshness` what it must say
    /// next time.
    pub(crate) fn checked_in(
        &self,
        runs: &Runs,
        one_offs: Vec<OneOff>,
        counter: u64,
        report: &CheckIn,
        freshness: &str,
    ) -> Result<CheckedIn, StoreError> {
        let (facts, said, at) = (&report.facts, &report.freshness, now());
        let is_copy = *said != self.sql.freshness && *said != self.sql.freshness_before;
        let (runs, after) = changed_runs(runs, &report.applied, at)?;
        let row = UserRow::of(&self.terminal, facts, releases(&after));
        let stays = after.into_iter().filter_map(|(channel, (_, since))| Some((channel, since?))).collect();
        let group = self.sql.row.set_group().or(row.group);
        let row = UserRow { stays, one_offs, group, ..row };
        let said = CheckInSql {
            hardware: facts.hardware.clone(),
            os: facts.os.clone(),
            engine_version: facts.engine_version.clone(),
            designation: serde_json::to_string(&facts.designation)?,
            subscribed: subscribed_text(facts)?,
            memory_bytes: facts.memory_bytes.map(int).transpose()?,
            features: serde_json::to_string(&facts.features)?,
            wished_group: facts.group.clone(),
            freshness: freshness.to_owned(),
            // What is kept has the length that this service gives; anything else can be no answer of its own.
            freshness_before: if said.len() <= freshness.len() { said.clone() } else { String::new() },
            is_copy,
            remarks: is_copy && self.sql.cloned_at.is_none_or(|told| at - told >= COPY_TOLD_EVERY),
            reason: "",
            words: String::new(),
            told: String::new(),
            offers: Vec::new(),
        };
        let body = ConfigurationBody::new(&facts.designation, &facts.subscribed, &row.applied)?;
        let change = self.change(counter, at, body, runs, Said::CheckIn(Box::new(said)))?;
        Ok(CheckedIn { change, row: Arc::new(row), is_copy })
    }

    /// What a result changes.
    pub(crate) fn acknowledged(
        &self,
        runs: &Runs,
        counter: u64,
        reported: &Reported<Acknowledge>,
    ) -> Result<Change, StoreError> {
        let at = now();
        let applied = releases(runs);
        let steps = if reported.steps.is_empty() { None } else { Some(serde_json::to_string(&reported.steps)?) };
        let nothing = |outcome| ReportSql {
            outcome,
            generation: None,
            step: None,
            code: None,
            words: None,
            plan: reported.plan.clone(),
            steps,
            accused: Vec::new(),
            may_change: false,
        };
        let (report, now_runs) = match &reported.result {
            Acknowledge::Installed { generation, applied } => {
                (ReportSql { generation: Some(int(*generation)?), ..nothing("installed") }, applied.as_slice())
            }
            Acknowledge::Staged { generation, .. } => {
                (ReportSql { generation: Some(int(*generation)?), ..nothing("staged") }, applied.as_slice())
            }
            Acknowledge::Trouble { step, code, words } => {
                let accused = if is_fault(code) { self.accused(&applied)? } else { Vec::new() };
                let may_change = !accused.is_empty() && code == FLAGS_CLEAN;
                let (step, code, words) = (Some(step.clone()), Some(code.clone()), Some(words.clone()));
                (ReportSql { step, code, words, accused, may_change, ..nothing("trouble") }, applied.as_slice())
            }
        };
        let (changed, after) = changed_runs(runs, now_runs, at)?;
        let row = &self.sql.row;
        let body = ConfigurationBody::new(&row.designation()?, &row.subscribed()?, &releases(&after))?;
        self.change(counter, at, body, changed, Said::Report(Box::new(report)))
    }

    /// What a threat changes that it met. The same name again brings its time up to date and counts once. Nothing, for one threat too many,
    /// changes the counter alone.
    pub(crate) fn met(&self, counter: u64, threat: Option<&ThreatReport>) -> Result<Change, StoreError> {
        let sql = |met: &ThreatReport| ThreatSql {
            threat: met.threat.clone(),
            sha256: met.sample.map(|sample| sample.to_string()),
        };
        let (terminal, seen, counter) = (self.terminal.clone(), int(self.counter)?, int(counter)?);
        let (runs, said) = (RunsChange::default(), Said::Threat(threat.map(sql)));
        Ok(Change { terminal, seen, counter, at: now(), configuration: None, runs, said })
    }

    fn change(
        &self,
        counter: u64,
        at: i64,
        body: ConfigurationBody,
        runs: RunsChange,
        said: Said,
    ) -> Result<Change, StoreError> {
        let configuration = (self.sql.configuration.as_deref() != Some(body.sha256())).then_some(body);
        let (terminal, seen, counter) = (self.terminal.clone(), int(self.counter)?, int(counter)?);
        Ok(Change { terminal, seen, counter, at, configuration, runs, said })
    }

    /// Whom trouble accuses: of what the terminal was last told the releases that it does not run; those that it runs, if there are no others.
    fn accused(&self, applied: &[ChannelRelease]) -> Result<Vec<At>, StoreError> {
        let Some(told) = &self.sql.told else { return Ok(Vec::new()) };
        let told: Vec<ChannelRelease> = serde_json::from_str(told)?;
        let new = told.iter().filter(|at| !applied.contains(at)).collect::<Vec<_>>();
        At::all(if new.is_empty() { told.iter().collect() } else { new })
    }
}

impl CheckedIn {
    /// The whole change: the terminal is told `assignment`, and of `offers` it is noted that it was told.
    pub(crate) fn told(self, assignment: &Assignment, offers: &[&ChannelRelease]) -> Result<Change, StoreError> {
        let mut change = self.change;
        if let Said::CheckIn(said) = &mut change.said {
            said.reason = assignment.reason.code();
            said.words.clone_from(&assignment.words);
            said.told = serde_json::to_string(&assignment.channels)?;
            said.offers = At::all(offers.iter().copied())?;
        }
        Ok(change)
    }
}

fn releases(runs: &Runs) -> Vec<ChannelRelease> {
    let at = |(channel, (release, _)): (&Channel, &(u64, Option<i64>))| ChannelRelease {
        channel: channel.clone(),
        release: *release,
    };
    runs.iter().map(at).collect()
}

/// What changes when a terminal that ran `before` runs `said`, and what it runs then.
fn changed_runs(before: &Runs, said: &[ChannelRelease], at: i64) -> Result<(RunsChange, Runs), StoreError> {
    // Of two releases of a channel the later in the list counts.
    let said: BTreeMap<&Channel, u64> = said.iter().map(|at| (&at.channel, at.release)).collect();
    let mut change = RunsChange::default();
    change.gone.extend(before.keys().filter(|channel| !said.contains_key(channel)).cloned());
    let mut after = Runs::new();
    for (channel, release) in said {
        let held = before.get(channel);
        if held.is_none_or(|(held, _)| *held != release) {
            change.put.push(At { channel: channel.clone(), release: int(release)? });
        }
        let since = held.and_then(|(_, since)| *since);
        if since.is_none() {
            change.entered.push(channel.clone());
        }
        after.insert(channel.clone(), (release, Some(since.unwrap_or(at))));
    }
    Ok((change, after))
}
