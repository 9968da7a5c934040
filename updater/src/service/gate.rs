//! What is asked of a request before its handler sees it, in order; and what is counted after.
//!
//! 1. An operator's route: is there a token, and does its role suffice?
//! 2. A stranger's: does the budget of their address allow it?
//! 3. Its body, if it is short, within [`Config::body_patience`](super::Config::body_patience).
//! 4. A turn, when many come at once.
//! 5. The handler, within [`Config::request_time`](super::Config::request_time).
//! 6. A refusal for lack of proof is charged to the address; a terminal that checked in gets a pass (`limits.rs`).
//!
//! The body comes before the turn, so that who sends slowly keeps nobody waiting.

use crate::http::PASS_HEADER;
use crate::service::AppState;
use crate::service::limits::Budget;
use crate::service::problem::Problem;
use crate::service::request::{Counted, Peer};
use crate::service::router::{Pace, Route, Who};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::time::Instant;
use tokio::time::timeout;

/// A route and what it needs.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: AppState,
    pub(crate) route: &'static Route,
}

pub(crate) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let path = request.uri().path().to_owned();
    let budget = gate.budget(request.extensions().get::<Peer>().copied(), request.headers());
    let mut response = match gate.pass(request, next, &budget).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    if is_unproven(gate.route.who, response.status())
        && let Err(problem) = gate.app.limits.charge(&budget)
    {
        response = problem.into_response();
    }
    if gate.route.who == Who::Terminal
        && response.status().is_success()
        && let Some(terminal) = terminal_of(&path)
    {
        response.headers_mut().insert(PASS_HEADER, gate.app.limits.pass(terminal));
    }
    gate.app.metrics.answered(gate.route, &response, started.elapsed());
    response.extensions_mut().insert(Counted);
    response
}

/// Whether the answer says that the caller could not prove who they are. Strangers' calls are charged when they come.
fn is_unproven(who: Who, status: StatusCode) -> bool {
    match who {
        Who::Anybody | Who::Maker => false,
        Who::Terminal => {
            matches!(
                status,
                StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
            )
        }
        Who::Viewer | Who::Operator | Who::KeyHolder => status == StatusCode::UNAUTHORIZED,
    }
}

/// The terminal whose call was answered: it proved who it is. `/v1/terminals/{terminal}/…` is the form of all their addresses.
fn terminal_of(path: &str) -> Option<&str> {
    let (terminal, call) = path.strip_prefix("/v1/terminals/")?.split_once('/')?;
    (call == "check-in").then_some(terminal)
}

impl Gate {
    fn budget(&self, peer: Option<Peer>, headers: &HeaderMap) -> Budget {
        self.app.limits.budget(peer.map(|peer| peer.0.ip()), headers)
    }

    async fn pass(&self, mut request: Request, next: Next, budget: &Budget) -> Result<Response, Problem> {
        let Gate { app, route } = self;
        if let Some(least) = route.who.role() {
            let caller = app.caller(request.headers()).await?.at_least(least)?;
            request.extensions_mut().insert(caller);
        } else if matches!(route.who, Who::Anybody | Who::Maker) && route.pace != Pace::Now {
            app.limits.charge(budget)?;
        }
        match route.pace {
            Pace::Now => timed(app, next.run(request)).await,
            Pace::Long => Ok(next.run(request).await),
            Pace::Quick | Pace::Batch => {
                let (parts, body) = request.into_parts();
                let body = Body::from(short_body(app, body, route.body_max()).await?);
                let _turn = app.limits.turn().await?;
                timed(app, next.run(Request::from_parts(parts, body))).await
            }
        }
    }
}

/// A whole body of at most `most` bytes, if it comes within [`Config::body_patience`](super::Config::body_patience).
pub(crate) async fn short_body(app: &AppState, body: Body, most: usize) -> Result<Bytes, Problem> {
    let collect = async {
        let (mut pieces, mut whole) = (body.into_data_stream(), Vec::new());
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|e| Problem::bad_request("body_malformed", e))?;
            if whole.len() + piece.len() > most {
                let detail = format!("a body may have {most} bytes here");
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    };
    let slow = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body stopped coming");
    timeout(app.body_patience, collect).await.map_err(slow)?
}

async fn timed(app: &AppState, answer: impl Future<Output = Response>) -> Result<Response, Problem> {
    timeout(app.request_time, answer).await.map_err(|_| {
        tracing::warn!("a request took longer than it may and is given up");
        app.limits.busy("the request took too long")
    })
}
