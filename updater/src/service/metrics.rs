//! What is measured, for Prometheus (OpenMetrics text at `/metrics`).
//!
//! Served at the service's own address to viewers. Rejected: a second, loopback listener without a token: it would tell every local user, need
//! a port and TLS of its own on machines where the scraper is elsewhere, and Prometheus sends a token as easily (`authorization`,
//! `credentials_file`).
//!
//! No label comes from outside: routes are templates of the table, statuses and codes are the service's own words. So the number of series is
//! bounded by the program.

use crate::service::problem::{Code, Problem};
use crate::service::request::Counted;
use crate::service::router::Route;
use crate::service::store::Sizes;
use crate::service::{App, AppState};
use crate::tuf;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tough::schema::{Signed, Timestamp};

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Limits of the classes of answering times, in seconds.
const DURATIONS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 20.0];
/// For how long the sizes of tables are said again: counting rows of a large fleet takes tens of milliseconds.
const SIZES_AGE_MAX: Duration = Duration::from_secs(30);
/// A route's place in the labels of requests that no route took.
const UNMATCHED: &str = "unmatched";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfRoute {
    method: &'static str,
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfCode {
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

type Durations = Family<OfRoute, Histogram, fn() -> Histogram>;

/// The numbers, and the text that they are told in.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Durations,
    refusals: Family<OfCode, Counter>,
    check_ins: Family<OfCode, Counter>,
    results: Family<OfKind, Counter>,
    publications: Counter,
    terminal_writes: Counter,
    terminal_commits: Counter,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Connections that were closed because their address had too many.
    pub(crate) connections_refused: Counter,
    /// Terminals that wait for a hint.
    pub(crate) watchers: Gauge,
    requests_running: Gauge,
    requests_waiting: Gauge,
    limited: Family<OfKind, Gauge>,
    rows: Family<OfKind, Gauge>,
    blob_bytes: Gauge,
    versions: Family<OfKind, Gauge>,
    timestamp_age: Gauge,
    timestamp_left: Gauge,
    sizes: tokio::sync::Mutex<Option<(Instant, Sizes)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(DURATIONS);
        let mut metrics = Metrics {
            registry: Registry::with_prefix("titer"),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            check_ins: Family::default(),
            results: Family::default(),
            publications: Counter::default(),
            terminal_writes: Counter::default(),
            terminal_commits: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            watchers: Gauge::default(),
            requests_running: Gauge::default(),
            requests_waiting: Gauge::default(),
            limited: Family::default(),
            rows: Family::default(),
            blob_bytes: Gauge::default(),
            versions: Family::default(),
            timestamp_age: Gauge::default(),
            timestamp_left: Gauge::default(),
            sizes: tokio::sync::Mutex::default(),
        };
        let Metrics { registry, requests, durations, refusals, check_ins, results, publications, .. } = &mut metrics;
        registry.register("requests", "Answers, by route and status", requests.clone());
        registry.register("request_duration_seconds", "Time until the head of the answer", durations.clone());
        registry.register("refusals", "Problem documents, by code", refusals.clone());
        registry.register("check_ins", "Check-ins, by the reason of the assignment", check_ins.clone());
        registry.register("results", "Acknowledgements of terminals, by outcome", results.clone());
        registry.register("publications", "Publications that were taken", publications.clone());
        let Metrics { registry, terminal_writes, terminal_commits, .. } = &mut metrics;
        registry.register("terminal_writes", "Check-ins and results that were written", terminal_writes.clone());
        registry.register("terminal_commits", "Commits that they took", terminal_commits.clone());
        let Metrics { registry, connections, connections_refused, watchers, requests_running, requests_waiting, .. } =
            &mut metrics;
        registry.register("connections", "Open connections", connections.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once because their address had too many",
            connections_refused.clone(),
        );
        registry.register("watchers", "Terminals that wait for a hint", watchers.clone());
        registry.register("requests_running", "Requests that are worked on", requests_running.clone());
        registry.register("requests_waiting", "Requests that wait for their turn", requests_waiting.clone());
        let Metrics { registry, limited, rows, blob_bytes, versions, timestamp_age, timestamp_left, .. } = &mut metrics;
        registry.register("limiter_keys", "Callers whose budget is not full, by kind", limited.clone());
        registry.register("rows", "Rows of the tables, by kind; as of half a minute ago at most", rows.clone());
        registry.register("blob_bytes", "Bytes of all blobs that are held", blob_bytes.clone());
        registry.register("signed_version", "Newest version of each role that was signed here", versions.clone());
        registry.register("timestamp_age_seconds", "Since the timestamp was signed", timestamp_age.clone());
        registry.register("timestamp_left_seconds", "Until the timestamp expires", timestamp_left.clone());
        metrics
    }
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, route: &Route, response: &Response, took: Duration) {
        let (method, route) = (method_name(&route.method), route.path);
        self.requests.get_or_create(&Answered { method, route, status: response.status().as_u16() }).inc();
        self.durations.get_or_create(&OfRoute { method, route }).observe(took.as_secs_f64());
        self.refused(response);
    }

    /// Counts an answer to a request that no route took.
    pub(crate) fn unmatched(&self, response: &Response) {
        debug_assert!(response.extensions().get::<Counted>().is_none());
        let status = response.status().as_u16();
        self.requests.get_or_create(&Answered { method: UNMATCHED, route: UNMATCHED, status }).inc();
        self.refused(response);
    }

    fn refused(&self, response: &Response) {
        if let Some(Code(code)) = response.extensions().get() {
            self.refusals.get_or_create(&OfCode { code }).inc();
        }
    }

    /// Counts a check-in by its assignment's reason.
    pub(crate) fn checked_in(&self, reason: &'static str) {
        self.check_ins.get_or_create(&OfCode { code: reason }).inc();
    }

    /// Counts a terminal's result.
    pub(crate) fn resulted(&self, outcome: &'static str) {
        self.results.get_or_create(&OfKind { kind: outcome }).inc();
    }

    /// Counts a publication.
    pub(crate) fn published(&self) {
        self.publications.inc();
    }

    /// Sets what is looked up rather than counted.
    async fn look(&self, app: &App) -> Result<(), Problem> {
        let mut sizes = self.sizes.lock().await;
        let sizes = match sizes.as_ref() {
            Some((at, sizes)) if at.elapsed() < SIZES_AGE_MAX => sizes,
            _ => &sizes.insert((Instant::now(), app.store.sizes().await?)).1,
        };
        for (kind, rows) in &sizes.rows {
            self.rows.get_or_create(&OfKind { kind }).set(*rows);
        }
        self.blob_bytes.set(sizes.blob_bytes);
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let version = app.store.newest_version(role).await?;
            self.versions.get_or_create(&OfKind { kind: role }).set(version);
        }
        if let Some(bytes) = app.objects.metadata("timestamp.json").await? {
            let timestamp = tuf::read::<Timestamp>(&bytes).map_err(|e| Problem::internal(&e))?;
            let (now, signed) = (jiff::Timestamp::now(), signed_at(&timestamp));
            self.timestamp_left.set(timestamp.signed.expires.as_second() - now.as_second());
            self.timestamp_age.set(signed.map_or(-1, |signed| now.as_second() - signed));
        }
        let (writes, commits) = app.store.written();
        self.terminal_writes.inner().store(writes, Ordering::Relaxed);
        self.terminal_commits.inner().store(commits, Ordering::Relaxed);
        let [running, waiting, terminals, addresses] = app.limits.load().map(|load| i64::try_from(load).unwrap_or(i64::MAX));
        self.requests_running.set(running);
        self.requests_waiting.set(waiting);
        self.limited.get_or_create(&OfKind { kind: "terminals" }).set(terminals);
        self.limited.get_or_create(&OfKind { kind: "addresses" }).set(addresses);
        Ok(())
    }
}

/// Methods of the table; a request's own could be any word.
fn method_name(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// When a timestamp was signed, in seconds since 1970.
fn signed_at(timestamp: &Signed<Timestamp>) -> Option<i64> {
    timestamp.signed._extra.get(tuf::SIGNED_AT)?.as_i64()
}

/// What is measured, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn scrape(State(app): State<AppState>) -> Result<Response, Problem> {
    app.metrics.look(&app).await?;
    let mut text = String::new();
    encode(&mut text, &app.metrics.registry).map_err(|e| Problem::internal(&e))?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page lists every metric, and no other.
    #[test]
    fn the_page_and_the_registry_agree() {
        let metrics = Metrics::default();
        // A family without a member is not told.
        let (method, route, code, kind) = ("GET", "/", "x", "x");
        metrics.requests.get_or_create(&Answered { method, route, status: 200 }).inc();
        metrics.durations.get_or_create(&OfRoute { method, route }).observe(1.0);
        for family in [&metrics.refusals, &metrics.check_ins] {
            family.get_or_create(&OfCode { code }).inc();
        }
        metrics.results.get_or_create(&OfKind { kind }).inc();
        for family in [&metrics.limited, &metrics.rows, &metrics.versions] {
            family.get_or_create(&OfKind { kind }).inc();
        }
        let mut text = String::new();
        encode(&mut text, &metrics.registry).unwrap();
        let mut told: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let mut told: Vec<_> = told.drain(..).map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/service.md")).unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `titer_"));
        let mut listed: Vec<_> = rows.map(|row| format!("titer_{}", row.split(['`', '{']).next().unwrap())).collect();
        for name in &mut listed {
            // Counters have a suffix that their type line has not.
            *name = name.strip_suffix("_total").unwrap_or(name).to_owned();
        }
        told.sort();
        listed.sort();
        assert_eq!(told, listed);
    }
}
