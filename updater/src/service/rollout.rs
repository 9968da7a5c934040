//! Rollouts: what the operator says of them, and the task that judges them.
//!
//! Every [`Config::rollouts_every`](crate::service::Config::rollouts_every) each running rollout is judged by [`rings::step`] on what the
//! tables count, and what is published without one gets one, if the policy has rings. Between the publication and that nobody gets the
//! release, as the decision takes it for one that has not begun. Several services may do this at once: a step is taken only from the state that was judged.

use crate::decide::{ListedRelease, rings};
use crate::service::AppState;
use crate::service::access::Caller;
use crate::service::coverage::{PAGE_ROWS_MAX, page_rows};
use crate::service::policy::parse;
use crate::service::problem::Problem;
use crate::service::releases::after_release;
use crate::service::store::{Store, StoreError};
use crate::wire::{
    ChannelRelease, Gate, Ring, Rollout, RolloutPolicy, RolloutStart, RolloutState, RolloutView, ThreatRow, check_rings,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::time::Duration;

/// Terminals by which a rollout is judged: 10,000 tell a share of 1 % from one of 2 %, and are counted every few seconds. Those that come later are
/// not noted.
const TOLD_ENOUGH: u64 = 10_000;
/// A look at rollouts that comes so much later than it should means that the service was not there.
const GAP_SECONDS: i64 = 60;

/// What page of the rollouts is asked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RolloutsAsked {
    /// Where the last page ended: `MAKER/NAME@RELEASE` of its last row.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, which is also what it is if not said.
    limit: Option<usize>,
}

/// Every rollout with its counts, ascending by channel and number, page by page; counts of one that is done are kept no longer. Code:
/// `cursor_malformed`.
#[utoipa::path(get, path = "/v1/rollouts", params(RolloutsAsked), responses((status = 200, body = Vec<RolloutView>)))]
pub(crate) async fn list(
    State(app): State<AppState>,
    Query(asked): Query<RolloutsAsked>,
) -> Result<Json<Vec<RolloutView>>, Problem> {
    let after = after_release(asked.after.as_deref())?;
    app.beacons.flush(&app.store).await;
    let mut views = Vec::new();
    for rollout in app.store.rollouts_after(after.as_ref(), page_rows(asked.limit, PAGE_ROWS_MAX)).await? {
        let progress = app.store.progress(&rollout, now()).await?;
        views.push(RolloutView { rollout, progress });
    }
    Ok(Json(views))
}

/// Rolls a release out ring by ring, from the first; also one that is for everybody already, or halted.
#[utoipa::path(post, path = "/v1/rollouts", request_body = RolloutStart, responses((status = 200, body = Rollout)))]
pub(crate) async fn start(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<Rollout>, Problem> {
    let RolloutStart { at, rings, gate } = parse(&body)?;
    let tables = app.store.decision_tables().await?;
    if !tables.releases.iter().any(|listed| listed.at == at) {
        return Err(Problem::not_found(
            "release_unknown",
            format!("release {} of {} is not listed", at.release, at.channel),
        ));
    }
    let policy = &tables.policies.default;
    let rings = if rings.is_empty() { policy.rollout.rings.clone() } else { rings };
    let refused = |words: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "rings_refused", words);
    if rings.is_empty() {
        return Err(refused("neither the request nor the policy has rings".to_owned()));
    }
    check_rings(&rings).map_err(refused)?;
    let gate = gate.unwrap_or_else(|| policy.rollout.gate.clone());
    gate.check().map_err(refused)?;
    let rollout = begun(at, rings, gate, &tables.threats, "started by the operator");
    app.store.start_rollout(&rollout, Some(&caller.who)).await?;
    log(&rollout);
    Ok(Json(rollout))
}

/// Stops a rollout: nobody else gets the release.
#[utoipa::path(post, path = "/v1/rollouts/halt", request_body = ChannelRelease, responses((status = 200, body = Rollout)))]
pub(crate) async fn halt(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<Rollout>, Problem> {
    let at: ChannelRelease = parse(&body)?;
    let before = find(&app.store, &at).await?;
    let after = Rollout { state: RolloutState::Halted, words: "halted by the operator".to_owned(), ..before.clone() };
    change(&app, &caller, &before, after).await
}

/// Goes on with a halted rollout at its ring. What was reported before counts no longer.
#[utoipa::path(post, path = "/v1/rollouts/resume", request_body = ChannelRelease, responses((status = 200, body = Rollout)))]
pub(crate) async fn resume(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<Rollout>, Problem> {
    let at: ChannelRelease = parse(&body)?;
    let before = find(&app.store, &at).await?;
    if before.state != RolloutState::Halted {
        return Err(Problem::conflict("rollout_not_halted", "only a halted rollout can be resumed"));
    }
    let now = now();
    app.beacons.flush(&app.store).await;
    app.store.forget_silent(&before, now).await?;
    let words = "resumed by the operator".to_owned();
    // Reports of the second in which it is resumed are of before.
    let after = Rollout { state: RolloutState::Running, opened_at: now, counted_from: now + 1, words, ..before.clone() };
    change(&app, &caller, &before, after).await
}

async fn find(store: &Store, at: &ChannelRelease) -> Result<Rollout, Problem> {
    let unknown =
        || Problem::not_found("rollout_unknown", format!("release {} of {} has no rollout", at.release, at.channel));
    store.rollout(at).await?.ok_or_else(unknown)
}

async fn change(app: &AppState, caller: &Caller, before: &Rollout, after: Rollout) -> Result<Json<Rollout>, Problem> {
    if !app.store.step_rollout(&caller.who, before, &after).await? {
        return Err(Problem::conflict("rollout_changed", "the rollout changed meanwhile; look at it again"));
    }
    log(&after);
    Ok(Json(after))
}

/// Since when terminals could be heard, as far as this process knows. A terminal that was not heard of while there was nobody to hear it has
/// not fallen silent: else every rollout would be halted by an outage of the service itself, or of the machine that it runs on.
#[derive(Debug)]
pub(crate) struct Hearing {
    since: i64,
    looked_at: i64,
    /// Seconds between two looks beyond which nobody was here in between.
    gap: i64,
}

impl Hearing {
    /// Begins at `since`, which is now unless another was here before; looked at every so often from `now` on. Both in seconds since 1970.
    pub(crate) fn new(since: Option<i64>, every: Duration, now: i64) -> Self {
        let gap = GAP_SECONDS.saturating_add(every.as_secs().try_into().unwrap_or(i64::MAX));
        Hearing { since: since.unwrap_or(now), looked_at: now, gap }
    }

    /// Notes that the service is here. It was not if the last look was long ago, or lies ahead: then it was asleep, or its clock was put.
    fn look(&mut self, now: i64) {
        if !(0..=self.gap).contains(&now.saturating_sub(self.looked_at)) {
            self.since = now;
        }
        self.looked_at = now;
    }

    /// Begins anew: what terminals said could not be written down.
    pub(crate) fn was_deaf(&mut self, now: i64) {
        (self.since, self.looked_at) = (now, now);
    }

    /// Whether a terminal that was not heard of for as long as this gate allows is silent.
    fn is_long_enough(&self, gate: &Gate, now: i64) -> bool {
        now.saturating_sub(self.since) >= i64::try_from(gate.silent_minutes.saturating_mul(60)).unwrap_or(i64::MAX)
    }
}

/// Begins rollouts that are due and takes every step that is. Reads two small tables where there are neither rings nor running rollouts.
pub(crate) async fn judge(app: &AppState, hearing: &mut Hearing) -> Result<(), StoreError> {
    hearing.look(now());
    let (policies, rings_since) = app.store.policies().await?;
    let rollouts = app.store.rollouts().await?;
    if !policies.default.rollout.rings.is_empty() {
        begin_due(&app.store, &policies.default.rollout, rings_since, &rollouts).await?;
    }
    let running = rollouts.iter().filter(|rollout| rollout.state == RolloutState::Running).collect::<Vec<_>>();
    if running.is_empty() {
        return Ok(());
    }
    app.beacons.flush(&app.store).await;
    for rollout in running {
        let mut progress = app.store.progress(rollout, now()).await?;
        if !hearing.is_long_enough(&rollout.gate, now()) {
            progress.silent = 0;
        }
        app.beacons.put_enough(&rollout.at, progress.told >= TOLD_ENOUGH);
        if let Some(next) = rings::step(rollout, &progress, now())
            && app.store.step_rollout("service", rollout, &next).await?
        {
            log(&next);
            if next.state == RolloutState::Done {
                app.beacons.put_enough(&next.at, false);
                app.store.forget_offers(&next.at).await?;
            }
        }
    }
    Ok(())
}

async fn begin_due(store: &Store, policy: &RolloutPolicy, since: i64, rollouts: &[Rollout]) -> Result<(), StoreError> {
    let is_due =
        |listed: &ListedRelease| listed.published_at >= since && !rollouts.iter().any(|rollout| rollout.at == listed.at);
    let due = store.listed_releases().await?.into_iter().filter(is_due).collect::<Vec<_>>();
    if due.is_empty() {
        return Ok(());
    }
    let threats = store.threats().await?;
    for ListedRelease { at, .. } in due {
        let rollout = begun(at, policy.rings.clone(), policy.gate.clone(), &threats, "started by the policy");
        if store.start_rollout(&rollout, None).await? {
            log(&rollout);
        }
    }
    Ok(())
}

fn begun(at: ChannelRelease, rings: Vec<Ring>, gate: Gate, threats: &[ThreatRow], words: &str) -> Rollout {
    let urgent = gate.urgent.is_some_and(|danger| {
        // What this very release is the first to cure.
        let first = |row: &&ThreatRow| row.cures().any(|cure| *cure == at);
        threats.iter().filter(first).any(|row| row.news.danger >= danger)
    });
    let now = now();
    let words = words.to_owned();
    Rollout { at, rings, gate, urgent, state: RolloutState::Running, ring: 0, opened_at: now, counted_from: now, words }
}

fn log(rollout: &Rollout) {
    let Rollout { at: ChannelRelease { channel, release }, state, ring, words, .. } = rollout;
    if *state == RolloutState::Halted {
        tracing::warn!(%channel, release, ring, "the rollout of release {release} of {channel} is halted: {words}");
    } else {
        tracing::info!(%channel, release, ring, "the rollout of release {release} of {channel} is {state:?}: {words}");
    }
}

pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_when_somebody_could_hear() {
        let gate = Gate { silent_minutes: 60, ..Gate::default() };
        let mut hearing = Hearing::new(None, Duration::from_secs(5), 1_000);
        let look = |hearing: &mut Hearing, now| {
            hearing.look(now);
            hearing.is_long_enough(&gate, now)
        };
        let every = |from: i64, to: i64| (from..=to).step_by(5);
        assert!(every(1_005, 4_595).all(|now| !look(&mut hearing, now)), "an hour is not over");
        assert!(look(&mut hearing, 4_600));
        // A look that is late by less than the gap is no gap.
        assert!(look(&mut hearing, 4_665));
        assert!(!look(&mut hearing, 4_731), "nobody was here for 66 seconds");
        assert!(every(4_735, 8_330).all(|now| !look(&mut hearing, now)));
        assert!(look(&mut hearing, 8_335));
        assert!(!look(&mut hearing, 8_334), "the clock was put back");
        assert!(
            Hearing::new(Some(0), Duration::from_secs(5), 3_600).is_long_enough(&gate, 3_600),
            "another was here before"
        );
        hearing.was_deaf(8_340);
        assert!(!hearing.is_long_enough(&gate, 8_340 + 3_599));
        assert!(hearing.is_long_enough(&gate, 8_340 + 3_600));
    }
}
