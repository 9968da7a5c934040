//! Contents page of the service: every route, by who calls it.

use crate::service::problem::uniform;
use crate::service::{AppState, beacon, content, makers, operator, policy, rollout, terminals, trace, watchers};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post, put};

/// Largest JSON body, in bytes.
const JSON_BODY_MAX: usize = 256 << 10;

pub(crate) fn router(state: AppState) -> Router {
    Router::new()
        // Anybody: what is served here is verified by whoever fetches it.
        .route("/v1/health", get(content::health))
        .route("/metadata/{file}", get(content::metadata))
        .route("/targets/m/{maker}/{name}/{file}", get(content::target))
        .route("/v1/watch", get(watchers::watch))
        .route("/v1/deltas/{to}", get(content::deltas))
        .route("/v1/deltas/{from}/{to}", get(content::delta))
        .route("/v1/makers/{maker}", get(makers::show))
        // Makers, by their signatures. A publication's body is read in steps, each within bounds of its own.
        .route("/v1/makers/{maker}/releases", post(makers::publish))
        .route("/v1/makers/{maker}/keys", post(makers::rotate))
        .route("/v1/makers/{maker}/news", post(makers::news))
        // Terminals, by their keys; the first call by a one-time token.
        .route("/v1/terminals", post(terminals::enrol).get(operator::terminals))
        .route("/v1/terminals/{terminal}/beacon", get(beacon::beacon))
        .route("/v1/terminals/{terminal}/check-in", post(terminals::check_in))
        .route("/v1/terminals/{terminal}/acknowledge", post(terminals::acknowledge))
        // The operator, by their token (and GET /v1/terminals above).
        .route("/v1/makers", post(operator::register_maker))
        .route("/v1/root", post(operator::root))
        .route("/v1/role-keys/{role}", post(operator::role_key))
        .route("/v1/enrolment-tokens", post(operator::enrolment_token))
        .route("/v1/threats", get(operator::threats))
        // The operator, on decisions.
        .route("/v1/policies", get(policy::policies))
        .route("/v1/policies/{name}", put(policy::put_policy).delete(policy::drop_policy))
        .route("/v1/terminals/{terminal}/group", put(policy::put_group))
        .route("/v1/terminals/{terminal}/explain", get(policy::explain))
        .route("/v1/makers-record", get(policy::records))
        .route("/v1/needs", get(policy::needs))
        .route("/v1/channels/{maker}/{name}/needs", post(policy::put_needs))
        .route("/v1/blocked", get(policy::blocked).post(policy::block))
        .route("/v1/unblocked", post(policy::unblock))
        .route("/v1/rollouts", get(rollout::list).post(rollout::start))
        .route("/v1/rollouts/halt", post(rollout::halt))
        .route("/v1/rollouts/resume", post(rollout::resume))
        .fallback(content::unknown)
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX))
        .layer(middleware::from_fn(uniform))
        .layer(middleware::from_fn(trace))
        .with_state(state)
}
