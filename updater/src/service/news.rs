//! What is known of threats: makers tell, terminals report, and of what is new every maker is asked at once.
//!
//! A threat is new when no maker told of it before. Then each source of every maker is fetched from, whether or not it is due, unless it
//! waits after a fault, and each
//! maker who answers questions is asked `GET ADDRESS?threat=NAME&sha256=DIGEST`; the answer is a signed list of news, as in
//! `news.json`. Each question is a task with a time limit of its own ([`Config::ask_time`](crate::service::Config::ask_time)), so a maker
//! who hangs holds up nobody. About one threat makers are asked at most once in
//! [`Config::ask_every`](crate::service::Config::ask_every), however many terminals meet it; answers cause no further questions. How many
//! questions wait at a time is bounded; those above are dropped, and the next report asks again.

use crate::service::problem::Problem;
use crate::service::sources::{Site, SourceError};
use crate::service::store::Told;
use crate::service::terminals::{take_threat, verify};
use crate::service::{App, AppState, counter_of, makers};
use crate::wire::{
    MakerName, NewsBody, NewsError, NewsList, NewsTaken, ReportedThreat, Sha256Hex, SignedNews, SourceView, ThreatQuery,
    ThreatReport, ThreatReported, ThreatView, check_name, check_news,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Uri};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Threats that makers are being asked about at a time.
pub(crate) const ASKED_MAX: usize = 64;
/// Largest body of news, in bytes.
pub(crate) const NEWS_BODY_MAX: usize = 2 << 20;
/// Threats that one terminal may report in a day.
const REPORTS_A_DAY_MAX: u64 = 32;
/// How often promises are looked through.
const PROMISES_EVERY: Duration = Duration::from_hours(1);

/// News of one threat or several, in a request that one of the maker's keys signed: all of it or none.
#[utoipa::path(post, path = "/v1/makers/{maker}/news", params(("maker" = String, Path)), request_body = NewsBody,
    responses((status = 200, body = NewsTaken)))]
pub(crate) async fn tell(
    State(app): State<AppState>,
    Path(maker): Path<MakerName>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<NewsTaken>, Problem> {
    let held = makers::find(&app, &maker).await?;
    let counter = counter_of(&headers, &held.keys.keys, &Method::POST, uri.path(), &body)?;
    let items: NewsBody = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    let items = items.into_items();
    check_news(&maker, &items)?;
    let told = app.store.put_news(&maker, counter, &items).await?;
    let told = told.map_err(|last| Problem::replayed(counter, last))?;
    log(&maker, &told);
    ask_about_new(&app, &told);
    Ok(Json(NewsTaken { taken: told.taken as u64 }))
}

/// Takes a signed list of a maker's news in, from wherever it came; true when it told of something.
pub(crate) async fn take_list(app: &AppState, maker: &MakerName, bytes: &[u8]) -> Result<bool, SourceError> {
    let told = enter_list(app, maker, bytes).await?;
    ask_about_new(app, &told);
    Ok(told.taken > 0)
}

async fn enter_list(app: &App, maker: &MakerName, bytes: &[u8]) -> Result<Told, SourceError> {
    let keys = app.store.maker(maker).await?.map_or_else(Vec::new, |held| held.keys.keys);
    let NewsList { counter, news, .. } = SignedNews::verify(bytes, maker, &keys)?;
    let told = app.store.put_news_list(maker, counter, &news).await?;
    log(maker, &told);
    Ok(told)
}

fn log(maker: &MakerName, told: &Told) {
    if told.taken > 0 {
        tracing::info!(%maker, taken = told.taken, new = told.new.len(), "{maker} tells of {} threats", told.taken);
    }
}

/// The countering table, a page at a time.
#[utoipa::path(get, path = "/v1/threats", params(ThreatQuery), responses((status = 200, body = Vec<ThreatView>)))]
pub(crate) async fn threats(
    State(app): State<AppState>,
    Query(query): Query<ThreatQuery>,
) -> Result<Json<Vec<ThreatView>>, Problem> {
    Ok(Json(app.store.threat_views(&query).await?))
}

/// Threats that terminals reported.
#[utoipa::path(get, path = "/v1/threats/reported", responses((status = 200, body = Vec<ReportedThreat>)))]
pub(crate) async fn reported(State(app): State<AppState>) -> Result<Json<Vec<ReportedThreat>>, Problem> {
    Ok(Json(app.store.reported_threats().await?))
}

/// A terminal's word that it met a threat.
#[utoipa::path(post, path = "/v1/terminals/{terminal}/threats", params(("terminal" = String, Path)), request_body = ThreatReport,
    responses((status = 200, body = ThreatReported)))]
pub(crate) async fn report(
    State(app): State<AppState>,
    Path(terminal): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ThreatReported>, Problem> {
    let (counter, held) = verify(&app, &terminal, &uri, &headers, &body).await?;
    let report: ThreatReport = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    check_name(&report.threat)?;
    if !take_threat(&app, held, counter, &report, REPORTS_A_DAY_MAX).await? {
        let detail = format!("a terminal reports at most {REPORTS_A_DAY_MAX} threats a day");
        // Not 429, by which the terminal would leave the service alone altogether.
        return Err(Problem::conflict("reports_too_many", detail));
    }
    tracing::info!(terminal, threat = report.threat, "terminal {terminal} met {}", report.threat);
    let is_told_of = app.store.is_told_of(&report.threat).await?;
    let asked = !is_told_of && ask_about(&app, &report.threat, report.sample).await?;
    Ok(Json(ThreatReported { asked }))
}

impl From<NewsError> for Problem {
    fn from(e: NewsError) -> Self {
        let code = e.code();
        Problem::bad_request(code, e)
    }
}

/// Asks about what nobody had told of before, without waiting for answers.
pub(crate) fn ask_about_new(app: &AppState, told: &Told) {
    let (app, new) = (app.clone(), told.new.clone());
    if new.is_empty() {
        return;
    }
    tokio::spawn(async move {
        for (threat, sample) in new {
            if let Err(error) = ask_about(&app, &threat, sample).await {
                tracing::error!(%error, threat, "makers could not be asked about {threat}");
            }
        }
    });
}

/// Has every maker asked about a threat, unless that was done a short while ago or too many others are being asked about; true when it is done.
async fn ask_about(app: &AppState, threat: &str, sample: Option<Sha256Hex>) -> Result<bool, crate::service::StoreError> {
    let Ok(turn) = app.asking.clone().try_acquire_owned() else {
        tracing::warn!(threat, "makers are not asked about {threat}: {ASKED_MAX} others wait");
        return Ok(false);
    };
    if !app.store.take_turn_to_ask(threat, app.ask_every.as_secs()).await? {
        return Ok(false);
    }
    let askable = app.store.askable_sources().await?;
    tracing::info!(threat, makers = askable.len(), "makers are asked about {threat}");
    app.sources.fetch_all();
    let (app, threat) = (app.clone(), threat.to_owned());
    tokio::spawn(async move {
        let mut asking = JoinSet::new();
        for view in askable {
            let (app, threat) = (app.clone(), threat.clone());
            asking.spawn(async move { ask(&app, &view, &threat, sample).await });
        }
        while asking.join_next().await.is_some() {}
        drop(turn);
    });
    Ok(true)
}

/// Asks one maker, within the time of a question.
async fn ask(app: &App, view: &SourceView, threat: &str, sample: Option<Sha256Hex>) {
    let maker = &view.source.maker;
    let Some(address) = &view.source.ask else { return };
    let question = async {
        let site = Site::at(address, view.source.allow_plain, &app.source_network)?;
        let sample = sample.map(|sample| sample.to_string());
        let mut query = vec![("threat", threat)];
        query.extend(sample.as_deref().map(|sample| ("sha256", sample)));
        // What is new in an answer makes nobody ask again.
        enter_list(app, maker, &site.query(&query).await?).await
    };
    match timeout(app.ask_time, question).await {
        Ok(Ok(told)) => tracing::info!(%maker, threat, taken = told.taken, "{maker} answers about {threat}"),
        Ok(Err(error)) => {
            tracing::warn!(%maker, threat, code = error.code(), "{maker} does not answer about {threat}: {error}");
        }
        Err(_) => tracing::warn!(%maker, threat, "{maker} does not answer about {threat} in time"),
    }
}

/// Tells the log of promised days that passed without a cure, once each.
pub(crate) async fn watch_promises(app: AppState) {
    loop {
        match app.store.newly_missed().await {
            Ok(missed) => {
                for row in missed {
                    let (maker, threat) = (&row.maker, &row.news.threat);
                    let expected = row.news.expected.map(|day| day.to_string());
                    tracing::warn!(%maker, threat, expected, code = "cure_missed", "{maker} promised a cure for {threat} and has none");
                }
            }
            Err(error) => tracing::error!(%error, "promises could not be looked through"),
        }
        tokio::time::sleep(PROMISES_EVERY).await;
    }
}
