//! Contents page of the service: every route, by who calls it.
//!
//! This one list makes the router, the table of who may call what, and the API's description; so no route is in one of them and missing from
//! another. What is asked of each request before its handler sees it is in `gate.rs`.

use crate::service::gate::{Gate, gate};
use crate::service::problem::uniform;
use crate::service::request::identify;
use crate::service::{
    AppState, audit, console, content, coverage, enrolment, makers, metrics, news, one_offs, openapi, operator, operators,
    policy, poll, ready, releases, rollout, sources, terminals, watchers,
};
use crate::wire::Role;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodFilter, on};
use utoipa::OpenApi;

/// Largest JSON body, in bytes, of a call that is no batch.
const JSON_BODY_MAX: usize = 256 << 10;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody: what is served is verified by whoever fetches it, or is no secret.
    Anybody,
    /// Makers, by their signatures.
    Maker,
    /// Terminals, by their keys; the first call by an enrolment token.
    Terminal,
    /// Operators of this role or a higher one, by their tokens.
    Viewer,
    Operator,
    KeyHolder,
}

impl Who {
    /// The least role, where an operator's token is asked for.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Who::Anybody | Who::Maker | Who::Terminal => None,
            Who::Viewer => Some(Role::Viewer),
            Who::Operator => Some(Role::Operator),
            Who::KeyHolder => Some(Role::KeyHolder),
        }
    }
}

/// How long a call may take and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Answered at once, also when the service is busy: it says how the service is.
    Now,
    /// A short body, an answer soon; waits for its turn when many come at once.
    Quick,
    /// As `Quick`, with a body of many rows.
    Batch,
    /// Takes its time within bounds of its own: publications, and answers that do not end.
    Long,
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) who: Who,
    pub(crate) pace: Pace,
}

impl Route {
    /// Most bytes of a short body.
    pub(crate) fn body_max(&self) -> usize {
        if self.pace == Pace::Batch { news::NEWS_BODY_MAX } else { JSON_BODY_MAX }
    }
}

macro_rules! routes {
    ($($who:ident $pace:ident $method:ident $path:literal => $module:ident :: $handler:ident;)*) => {
        /// Every route.
        pub(crate) static ROUTES: &[Route] =
            &[$(Route { method: Method::$method, path: $path, who: Who::$who, pace: Pace::$pace }),*];

        /// What the handlers say of themselves.
        #[derive(OpenApi)]
        #[openapi(paths($($module::$handler),*))]
        pub(crate) struct Handlers;

        fn handlers(state: &AppState) -> Router<AppState> {
            let mut lines = ROUTES.iter();
            let mut next = || Gate { app: state.clone(), route: lines.next().expect("a line for each handler") };
            Router::new()
                $(.route($path, on(MethodFilter::$method, $module::$handler).route_layer(from_fn_with_state(next(), gate))))*
        }
    };
}

routes! {
    // Anybody.
    Anybody   Now   GET  "/v1/health"                           => ready::health;
    Anybody   Now   GET  "/v1/ready"                            => ready::ready;
    Anybody   Quick GET  "/v1/openapi.json"                     => openapi::document;
    Anybody   Quick GET  "/docs"                                => openapi::page;
    Anybody   Quick GET  "/metadata/{file}"                     => content::metadata;
    Anybody   Quick GET  "/targets/m/{maker}/{name}/{file}"     => content::target;
    Anybody   Quick GET  "/v1/deltas/{to}"                      => content::deltas;
    Anybody   Quick GET  "/v1/deltas/{from}/{to}"               => content::delta;
    Anybody   Quick GET  "/v1/makers/{maker}"                   => makers::show;
    Anybody   Quick GET  "/v1/makers/{maker}/site/{file}"       => sources::site;
    // Streams that stay open, which have bounds of their own.
    Anybody   Long  GET  "/v1/watch"                            => watchers::watch;

    // Makers. A publication's body is read in steps, each within bounds of its own.
    Maker     Long  POST "/v1/makers/{maker}/releases"          => makers::publish;
    Maker     Long  POST "/v1/makers/{maker}/keys"              => makers::rotate;
    Maker     Batch POST "/v1/makers/{maker}/news"              => news::tell;

    // Terminals.
    Terminal  Quick POST "/v1/terminals"                        => terminals::enrol;
    Terminal  Quick GET  "/v1/terminals/{terminal}/beacon"      => poll::beacon;
    Terminal  Quick POST "/v1/terminals/{terminal}/check-in"    => terminals::check_in;
    Terminal  Quick POST "/v1/terminals/{terminal}/acknowledge" => terminals::acknowledge;
    Terminal  Quick POST "/v1/terminals/{terminal}/threats"     => news::report;

    // Operators: looking.
    Viewer    Quick GET  "/v1/terminals"                        => operator::terminals;
    Viewer    Quick GET  "/v1/threats"                          => news::threats;
    Viewer    Quick GET  "/v1/threats/reported"                 => news::reported;
    Viewer    Quick GET  "/v1/releases"                         => releases::list;
    Viewer    Quick GET  "/v1/sources"                          => sources::list;
    Viewer    Quick GET  "/v1/coverage"                         => coverage::count;
    Viewer    Quick GET  "/v1/coverage/terminals"               => coverage::terminals;
    Viewer    Quick GET  "/v1/coverage/history"                 => coverage::history;
    Viewer    Quick GET  "/v1/enrolment-tokens"                 => enrolment::list;
    Viewer    Quick GET  "/v1/audit"                            => audit::rows;
    Viewer    Quick GET  "/v1/operators"                        => operators::list;
    Viewer    Quick GET  "/v1/policies"                         => policy::policies;
    Viewer    Quick GET  "/v1/terminals/{terminal}/explain"     => policy::explain;
    Viewer    Quick GET  "/v1/makers-record"                    => policy::records;
    Viewer    Quick GET  "/v1/needs"                            => policy::needs;
    Viewer    Quick GET  "/v1/blocked"                          => policy::blocked;
    Viewer    Quick GET  "/v1/rollouts"                         => rollout::list;
    Viewer    Quick GET  "/v1/one-offs"                         => one_offs::list;
    Viewer    Now   GET  "/metrics"                             => metrics::scrape;

    // Operators: running the fleet.
    Operator  Quick POST "/v1/enrolment-tokens"                 => enrolment::add;
    Operator  Quick DELETE "/v1/enrolment-tokens/{id}"          => enrolment::revoke;
    Operator  Quick POST "/v1/terminals/{terminal}/revoke"      => enrolment::revoke_terminal;
    Operator  Quick POST "/v1/terminals/{terminal}/approve"     => enrolment::approve_terminal;
    Operator  Quick DELETE "/v1/terminals/{terminal}"           => enrolment::remove_terminal;

    Operator  Quick POST "/v1/sources"                          => sources::add;
    Operator  Quick DELETE "/v1/sources/{id}"                   => sources::remove;
    Operator  Quick POST "/v1/sources/{id}/now"                 => sources::now;

    Operator  Quick PUT  "/v1/policies/{name}"                  => policy::put_policy;
    Operator  Quick DELETE "/v1/policies/{name}"                => policy::drop_policy;
    Operator  Quick PUT  "/v1/terminals/{terminal}/group"       => policy::put_group;
    Operator  Quick PUT  "/v1/terminals/{terminal}/one-off"     => one_offs::put;
    Operator  Quick DELETE "/v1/terminals/{terminal}/one-off"   => one_offs::remove;
    Operator  Quick POST "/v1/channels/{maker}/{name}/needs"    => policy::put_needs;
    Operator  Quick POST "/v1/blocked"                          => policy::block;
    Operator  Quick POST "/v1/unblocked"                        => policy::unblock;
    Operator  Quick POST "/v1/rollouts"                         => rollout::start;
    Operator  Quick POST "/v1/rollouts/halt"                    => rollout::halt;
    Operator  Quick POST "/v1/rollouts/resume"                  => rollout::resume;
    Operator  Long  POST "/v1/objects/sweep"                    => releases::sweep;

    // Operators: whose keys and tokens count.
    KeyHolder Quick POST "/v1/makers"                           => operator::register_maker;
    KeyHolder Quick POST "/v1/root"                             => operator::root;
    KeyHolder Quick POST "/v1/role-keys/{role}"                 => operator::role_key;
    KeyHolder Quick POST "/v1/operators"                        => operators::add;
    KeyHolder Quick POST "/v1/operators/{name}/revoke"          => operators::revoke;
}

pub(crate) fn router(state: AppState) -> Router {
    handlers(&state)
        // Operators in a browser, who sign in there.
        .nest("/console", console::router(&state))
        .fallback(content::unknown)
        .layer(DefaultBodyLimit::max(news::NEWS_BODY_MAX))
        .layer(from_fn(uniform))
        .layer(from_fn_with_state(state.clone(), identify))
        .with_state(state)
}
