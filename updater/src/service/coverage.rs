//! Who is unprotected against X, which, and over time. `docs/coverage.md` says how that is known without looking at each terminal.

pub(crate) mod census;
pub(crate) mod rule;

use crate::Channel;
use crate::service::problem::Problem;
use crate::service::store::coverage::{Configuration, Fleet};
use crate::service::store::listing::{After, start};
use crate::service::store::{Store, StoreError};
use crate::service::{App, AppState};
use crate::threat_id::ThreatIds;
use crate::wire::{
    ChannelRelease, Coverage, CoverageAt, CoverageHistory, CoverageTerminals, Danger, Gap, GapCount, MakerCover, MakerName,
    ThreatRow, UnprotectedTerminal,
};
use axum::Json;
use axum::extract::{Query, State};
use jiff::civil::Date;
use rule::{Cures, Releases};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Rows on a page that does not say how many.
pub(crate) const PAGE_ROWS: usize = 100;
/// Rows on a page, at most.
pub(crate) const PAGE_ROWS_MAX: usize = 1000;
/// Points of a history, at most.
const POINTS_MAX: usize = 400;
const DAY: i64 = 24 * 3600;

impl Releases {
    /// What terminals can be given, and what was taken back.
    pub(crate) async fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Releases::new(store.newest_offered().await?, store.withdrawn().await?))
    }
}

/// The tables that coverage of one threat is made of.
pub(crate) struct Tables {
    rows: Vec<ThreatRow>,
    releases: Releases,
}

impl Tables {
    /// Nothing when no maker knows the threat.
    pub(crate) async fn of(store: &Store, threat: &str) -> Result<Option<Self>, StoreError> {
        let rows = store.threat_by_any_name(threat).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(Tables { rows, releases: Releases::of(store).await? }))
    }

    pub(crate) fn cures(&self, maker: Option<&MakerName>) -> Cures<'_> {
        Cures::new(&self.rows, &self.releases, maker)
    }

    /// Who is protected. O(configurations × makers).
    pub(crate) fn count(&self, threat: &str, fleet: &Fleet, maker: Option<&MakerName>) -> Coverage {
        let cures = self.cures(maker);
        let mut gaps = HashMap::<Gap, u64>::new();
        let mut protected = 0;
        for Configuration { row, terminals, .. } in &fleet.configurations {
            match cures.gap(row) {
                None => protected += terminals,
                Some(gap) => *gaps.entry(gap).or_default() += terminals,
            }
        }
        let reasons = Gap::ALL.into_iter().filter_map(|reason| Some(GapCount { reason, terminals: *gaps.get(&reason)? }));
        let reasons = reasons.filter(|count| count.terminals > 0);
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let uncured = self.rows.iter().filter(|row| row.news.vaccine.is_none());
        Coverage {
            threat: threat.to_owned(),
            maker: maker.cloned(),
            protected,
            unprotected: gaps.values().sum(),
            unknown: fleet.unheard,
            revoked: fleet.revoked,
            reasons: reasons.collect(),
            makers: self.rows.iter().map(|row| self.maker(row, fleet)).collect(),
            next: uncured.filter_map(|row| row.news.expected).filter(|expected| *expected >= today).min(),
        }
    }

    fn maker(&self, row: &ThreatRow, fleet: &Fleet) -> MakerCover {
        let cures = Cures::new([row], &self.releases, None);
        let protected = fleet.configurations.iter().filter(|held| cures.gap(&held.row).is_none());
        MakerCover {
            maker: row.maker.clone(),
            threat: row.news.threat.clone(),
            danger: row.news.danger,
            discovered: row.news.discovered,
            expected: row.news.expected,
            vaccine: row.news.vaccine.clone(),
            also: row.also.clone(),
            terminals: protected.map(|held| held.terminals).sum(),
        }
    }

    /// Coverage as it was, with today's cures, from `since` on.
    pub(crate) async fn history(
        &self,
        store: &Store,
        maker: Option<&MakerName>,
        since: i64,
    ) -> Result<Vec<CoverageAt>, StoreError> {
        let cures = self.cures(maker);
        let times = thinned(&store.census_times(since).await?, POINTS_MAX);
        let configurations = store.configurations().await?;
        let protected: HashMap<i64, bool> = configurations.iter().map(|(id, row)| (*id, cures.gap(row).is_none())).collect();
        let census = store.census(&times).await?;
        let at = census.into_iter().map(|census| {
            let mut point = CoverageAt { at: census.at, protected: 0, unprotected: 0, unknown: 0 };
            for (id, terminals) in census.counts {
                match protected.get(&id) {
                    Some(true) => point.protected += terminals,
                    Some(false) => point.unprotected += terminals,
                    None => point.unknown += terminals,
                }
            }
            point
        });
        Ok(at.collect())
    }

    /// Some of the unprotected terminals, with why, and where the list goes on.
    pub(crate) async fn unprotected(
        &self,
        store: &Store,
        question: &Question<'_>,
        after: &After,
        limit: usize,
    ) -> Result<(Vec<UnprotectedTerminal>, Option<After>), StoreError> {
        let fleet = store.fleet().await?;
        let cures = self.cures(question.maker);
        let gaps: HashMap<i64, Gap> = fleet
            .configurations
            .iter()
            .filter_map(|held| Some((held.id, cures.gap(&held.row)?)))
            .filter(|(_, gap)| question.reason.is_none_or(|reason| reason == *gap))
            .collect();
        let wanted: Vec<_> = fleet.configurations.iter().filter(|held| gaps.contains_key(&held.id)).collect();
        let wanted: Vec<_> = wanted.iter().map(|held| (held.id, held.terminals)).collect();
        let listed = store.terminals_of(&wanted, after, limit).await?;
        let next = listed.last().filter(|_| listed.len() == limit);
        let next = next.map(|last| (last.configuration, last.row.terminal.clone()));
        // A terminal that changed over between the two looks has a configuration that was not asked for.
        let rows = listed
            .into_iter()
            .filter_map(|listed| Some(UnprotectedTerminal { gap: *gaps.get(&listed.configuration)?, row: listed.row }));
        Ok((rows.collect(), next))
    }
}

/// A threat with how many are protected against it.
pub(crate) struct Open {
    /// The first of its names, in the order of bytes.
    pub(crate) threat: String,
    /// The others, in that order.
    pub(crate) others: Vec<String>,
    /// The highest that a maker gives it.
    pub(crate) danger: Danger,
    /// The first day on which a maker found it.
    pub(crate) discovered: Date,
    /// Makers who have a cure, and makers who know it.
    pub(crate) makers: (usize, usize),
    pub(crate) protected: u64,
    pub(crate) unprotected: u64,
    /// The earliest day for which a maker without a cure promised one.
    pub(crate) expected: Option<Date>,
}

/// The rows of each threat, whatever makers call it, by its id.
pub(crate) fn by_meaning<'a>(rows: &'a [ThreatRow], ids: &'a ThreatIds) -> BTreeMap<&'a str, Vec<&'a ThreatRow>> {
    let mut threats = BTreeMap::<_, Vec<_>>::new();
    for row in rows {
        threats.entry(ids.id(&row.news.threat)).or_default().push(row);
    }
    threats
}

/// Threats of at least this danger, each once whatever makers call it, those first against which most are unprotected.
/// O(threats × configurations that run a channel with the cure).
pub(crate) fn by_threat(
    rows: &[ThreatRow],
    ids: &ThreatIds,
    releases: &Releases,
    fleet: &Fleet,
    least: Danger,
) -> Vec<Open> {
    let running = Running::new(fleet, releases);
    let open = by_meaning(rows, ids).into_values().filter_map(|rows| {
        let danger = rows.iter().map(|row| row.news.danger).max().filter(|danger| *danger >= least)?;
        let protected = running.protected(rows.iter().flat_map(|row| row.cures()));
        let uncured = rows.iter().filter(|row| row.news.vaccine.is_none());
        let makers = |rows: &[&ThreatRow]| rows.iter().map(|row| &row.maker).collect::<BTreeSet<_>>().len();
        let cured: Vec<_> = rows.iter().copied().filter(|row| row.news.vaccine.is_some()).collect();
        let names: BTreeSet<&str> = rows.iter().map(|row| row.news.threat.as_str()).collect();
        let mut names = names.into_iter();
        Some(Open {
            threat: names.next()?.to_owned(),
            others: names.map(str::to_owned).collect(),
            danger,
            discovered: rows.iter().map(|row| row.news.discovered).min()?,
            makers: (makers(&cured), makers(&rows)),
            protected,
            unprotected: fleet.terminals() - fleet.unheard - protected,
            expected: uncured.filter_map(|row| row.news.expected).min(),
        })
    });
    let mut open: Vec<_> = open.collect();
    open.sort_by(|a, b| b.unprotected.cmp(&a.unprotected).then_with(|| b.danger.cmp(&a.danger)));
    open
}

/// Who runs which channel, for questions about all threats at once: [`Cures`] would look at every channel and configuration for each.
struct Running<'a> {
    fleet: &'a Fleet,
    /// Of each channel, the releases that are run and not withdrawn, each with the configuration's place in the fleet.
    of_channel: HashMap<&'a Channel, Vec<(u64, usize)>>,
}

impl<'a> Running<'a> {
    fn new(fleet: &'a Fleet, releases: &Releases) -> Self {
        let mut of_channel = HashMap::<_, Vec<_>>::new();
        for (place, held) in fleet.configurations.iter().enumerate() {
            for at in held.row.applied.iter().filter(|at| !releases.is_withdrawn(at)) {
                of_channel.entry(&at.channel).or_default().push((at.release, place));
            }
        }
        Running { fleet, of_channel }
    }

    /// Terminals that run one of these or a later release of its channel.
    fn protected<'b>(&self, cures: impl Iterator<Item = &'b ChannelRelease>) -> u64 {
        let run = cures.flat_map(|since| {
            let run = self.of_channel.get(&since.channel).into_iter().flatten();
            run.filter(|(release, _)| *release >= since.release).map(|(_, place)| *place)
        });
        let protected: HashSet<usize> = run.collect();
        protected.into_iter().map(|place| self.fleet.configurations[place].terminals).sum()
    }
}

/// Whose cures count, and which of the unprotected are asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Question<'a> {
    pub(crate) maker: Option<&'a MakerName>,
    pub(crate) reason: Option<Gap>,
}

/// At most `most` of `times`, evenly over them, with the last.
fn thinned(times: &[i64], most: usize) -> Vec<i64> {
    let every = times.len().div_ceil(most).max(1);
    times.iter().rev().step_by(every).rev().copied().collect()
}

/// A cursor as it travels: `NUMBER.TERMINAL`.
pub(crate) fn cursor_text(after: &After) -> String {
    format!("{}.{}", after.0, after.1)
}

/// The place that a cursor names; the start, when there is none.
pub(crate) fn cursor(text: Option<&str>) -> Result<After, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(start()) };
    let parts = text.split_once('.').and_then(|(number, terminal)| Some((number.parse().ok()?, terminal.to_owned())));
    parts.ok_or_else(cursor_malformed)
}

pub(crate) fn cursor_malformed() -> Problem {
    Problem::bad_request("cursor_malformed", "`after` is not where a page ended")
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The threat, by a maker's name for it.
    threat: String,
    /// The one maker whose cures count.
    maker: Option<String>,
    /// Only terminals that are unprotected for this reason.
    #[param(value_type = Option<String>)]
    reason: Option<Gap>,
    /// Where the last page ended.
    after: Option<String>,
    /// Rows on the page: 1 to 1,000, 100 if not said.
    limit: Option<usize>,
    /// How far back, in days: 1 to 800, 30 if not said.
    days: Option<i64>,
}

impl Asked {
    fn maker(&self) -> Result<Option<MakerName>, Problem> {
        let maker = self.maker.as_deref().filter(|maker| !maker.is_empty()).map(str::parse).transpose();
        maker.map_err(|e| Problem::bad_request("request_malformed", e))
    }

    async fn tables(&self, app: &App) -> Result<Tables, Problem> {
        let tables = Tables::of(&app.store, &self.threat).await?;
        tables.ok_or_else(|| Problem::not_found("threat_unknown", "no maker knows a threat of this name"))
    }
}

/// Rows of a page, from what was asked for.
pub(crate) fn page_rows(limit: Option<usize>, usual: usize) -> usize {
    limit.unwrap_or(usual).clamp(1, PAGE_ROWS_MAX)
}

/// Who is protected against a threat.
#[utoipa::path(get, path = "/v1/coverage", params(Asked), responses((status = 200, body = Coverage)))]
pub(crate) async fn count(State(app): State<AppState>, Query(asked): Query<Asked>) -> Result<Json<Coverage>, Problem> {
    let maker = asked.maker()?;
    let tables = asked.tables(&app).await?;
    Ok(Json(tables.count(&asked.threat, &app.store.fleet().await?, maker.as_ref())))
}

/// Terminals that are unprotected against a threat, page by page.
#[utoipa::path(get, path = "/v1/coverage/terminals", params(Asked), responses((status = 200, body = CoverageTerminals)))]
pub(crate) async fn terminals(
    State(app): State<AppState>,
    Query(asked): Query<Asked>,
) -> Result<Json<CoverageTerminals>, Problem> {
    let (maker, after) = (asked.maker()?, cursor(asked.after.as_deref())?);
    let tables = asked.tables(&app).await?;
    app.beacons.flush(&app.store).await;
    let question = Question { maker: maker.as_ref(), reason: asked.reason };
    let limit = page_rows(asked.limit, PAGE_ROWS);
    let (terminals, next) = tables.unprotected(&app.store, &question, &after, limit).await?;
    Ok(Json(CoverageTerminals { terminals, next: next.as_ref().map(cursor_text) }))
}

/// Coverage of a threat over time.
#[utoipa::path(get, path = "/v1/coverage/history", params(Asked), responses((status = 200, body = CoverageHistory)))]
pub(crate) async fn history(
    State(app): State<AppState>,
    Query(asked): Query<Asked>,
) -> Result<Json<CoverageHistory>, Problem> {
    let maker = asked.maker()?;
    let tables = asked.tables(&app).await?;
    let since = jiff::Timestamp::now().as_second() - asked.days.unwrap_or(30).clamp(1, 800) * DAY;
    let points = tables.history(&app.store, maker.as_ref(), since).await?;
    Ok(Json(CoverageHistory { threat: asked.threat, points }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::UserRow;
    use crate::wire::{Designation, ThreatNews, Vaccine, Withdrawn};
    use jiff::civil::date;

    #[test]
    fn few_points_are_kept_of_many_and_the_last_always() {
        let times: Vec<i64> = (0..1000).collect();
        let few = thinned(&times, 400);
        assert_eq!((few.len(), few.last()), (334, Some(&999)));
        assert!(few.is_sorted());
        assert_eq!(thinned(&times[..7], 400), times[..7]);
        assert!(thinned(&[], 400).is_empty());
    }

    /// What the list of all threats says of each is what is said when it is asked for alone.
    #[test]
    fn all_threats_at_once_are_counted_as_each_alone() {
        let at = |channel: &str, release| ChannelRelease { channel: channel.parse().unwrap(), release };
        let held = |id: i64, applied: &[ChannelRelease]| Configuration {
            id,
            row: UserRow::new(Designation::Own, vec!["a/x".parse().unwrap()], applied.to_vec()),
            terminals: 1 << id,
        };
        let configurations =
            vec![held(1, &[at("a/x", 1)]), held(2, &[at("a/x", 2), at("b/x", 3)]), held(3, &[at("a/x", 3)]), held(4, &[])];
        let fleet = Fleet { configurations, unheard: 5, revoked: 7 };
        let says = |maker: &str, threat: &str, since: &[ChannelRelease]| {
            let vaccine = since.first().map(|since| Vaccine { date: date(2026, 11, 12), since: since.clone() });
            let discovered = date(2026, 11, 10);
            let news = ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine };
            ThreatRow { also: since.iter().skip(1).cloned().collect(), ..ThreatRow::said(maker.parse().unwrap(), news) }
        };
        let rows = [
            says("a", "one", &[at("a/x", 2)]),
            says("b", "one", &[at("b/x", 1), at("b/y", 1)]),
            says("a", "two", &[at("a/x", 1)]),
            says("a", "alias-of-two", &[]),
            says("b", "three", &[]),
        ];
        let alias: crate::wire::Alias = "b:two".parse().unwrap();
        let ids = ThreatIds::new([("alias-of-two", &alias)], []);
        let releases = || Releases::new(Vec::new(), vec![Withdrawn { at: at("a/x", 3), back_to: None }]);
        let open = by_threat(&rows, &ids, &releases(), &fleet, Danger::Low);
        let found: Vec<_> =
            open.iter().map(|open| (open.threat.as_str(), open.others.len(), open.protected, open.makers)).collect();
        assert_eq!(found, [("three", 0, 0, (0, 1)), ("one", 0, 4, (2, 2)), ("alias-of-two", 1, 6, (1, 1))]);
        for open in open {
            let named = rows.iter().filter(|row| row.news.threat == open.threat || open.others.contains(&row.news.threat));
            let alone = Tables { rows: named.cloned().collect(), releases: releases() };
            let alone = alone.count(&open.threat, &fleet, None);
            assert_eq!((alone.protected, alone.unprotected), (open.protected, open.unprotected), "{}", open.threat);
        }
    }

    #[test]
    fn cursors_are_read_as_they_were_written() {
        let after = (-3, "ab.cd".to_owned());
        assert_eq!(cursor(Some(&cursor_text(&after))).unwrap(), after);
        assert_eq!(cursor(None).unwrap(), start());
        for odd in ["x", "1", "x.y", "99999999999999999999.a"] {
            assert!(cursor(Some(odd)).is_err(), "{odd}");
        }
    }
}
