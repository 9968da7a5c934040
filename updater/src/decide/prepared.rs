//! What decisions share: the tables, made ready once.
//!
//! Threats are numbered from the most dangerous down, so that "of this danger or more" is a prefix of a bit set and a decision touches only
//! that: one word for 50 dangerous threats, however many nuisances there are. For each channel the sets of what it cures are kept at
//! each release where something was added; the release that a terminal runs, listed or not, is found among them by halving.

use super::rings::{Opening, opening};
use super::{SHOWN, UserRow};
use crate::Channel;
use crate::threat_id::ThreatIds;
use crate::wire::{
    Blocked, ChannelNeeds, ChannelRelease, Danger, MakerRecord, Needs, Policies, Rollout, ThreatRow, Withdrawn,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A release that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRelease {
    /// Which.
    pub at: ChannelRelease,
    /// Seconds since 1970 when the service took it.
    pub published_at: i64,
}

/// Everything that decisions are made of and that is the same for all terminals.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// The countering table.
    pub threats: Vec<ThreatRow>,
    /// Which names mean one threat.
    pub threat_ids: ThreatIds,
    /// Every listed release.
    pub releases: Vec<ListedRelease>,
    /// The newest release of each channel that was published and is listed no more.
    pub unlisted: Vec<ChannelRelease>,
    /// What makers withdrew: only by that is a terminal told to go back to an earlier release.
    pub withdrawn: Vec<Withdrawn>,
    /// What the operator blocked.
    pub blocked: Vec<Blocked>,
    /// What channels need.
    pub needs: Vec<ChannelNeeds>,
    /// Rollouts, also those that are done.
    pub rollouts: Vec<Rollout>,
    /// Terminals that refused a release because it flagged a clean file, by maker.
    pub false_positives: BTreeMap<String, u64>,
    /// The operator's policies.
    pub policies: Policies,
    /// Seconds since 1970 when the default policy was put: what was published since then waits for its rollout, if there are rings.
    pub rings_since: i64,
}

impl Tables {
    /// How far each channel came: its newest release, also if that was withdrawn since. That a maker withdraws a release does not say that it was
    /// ever published.
    fn newest_by_channel(&self) -> HashMap<&str, u64> {
        let listed = self.releases.iter().map(|listed| &listed.at);
        let mut newest = HashMap::new();
        for at in listed.chain(&self.unlisted) {
            let most = newest.entry(at.channel.as_str()).or_insert(at.release);
            *most = (*most).max(at.release);
        }
        newest
    }
}

/// [`Tables`] made ready for decisions. `Send` and `Sync`; never changes.
#[derive(Debug)]
pub struct Prepared {
    /// Ascending by channel.
    pub(super) channels: Vec<ChannelInfo>,
    /// By number; from the most dangerous down.
    threats: Vec<String>,
    rows: Vec<ThreatRow>,
    threat_ids: ThreatIds,
    /// How many threats are of low, medium and high danger or more.
    at_least: [usize; 3],
    pub(super) policies: Policies,
    records: Vec<MakerRecord>,
    active: BTreeSet<(String, u64)>,
}

/// A channel as decisions see it.
#[derive(Debug)]
pub(super) struct ChannelInfo {
    pub(super) channel: Channel,
    /// Ascending by number.
    pub(super) releases: Vec<ReleaseInfo>,
    /// What is cured from a release on; ascending.
    cures: Vec<(u64, Vec<u64>)>,
    pub(super) withdrawn: Vec<Withdrawn>,
    pub(super) blocked: Vec<Blocked>,
    pub(super) needs: Option<Needs>,
    /// Its maker's; 1 is the best.
    pub(super) rank: u32,
}

/// A listed release.
#[derive(Debug)]
pub(super) struct ReleaseInfo {
    pub(super) release: u64,
    pub(super) opening: Opening,
}

impl ChannelInfo {
    pub(super) fn blocked(&self, release: u64) -> Option<&Blocked> {
        self.blocked.iter().find(|blocked| blocked.at.release == release)
    }

    /// What the channel cures at the latest, at whatever release; no release cures anything else.
    pub(super) fn most(&self) -> &[u64] {
        self.cures.last().map_or(&[], |(_, cured)| cured)
    }

    /// Adds what the channel cures at `release` to a set.
    pub(super) fn add_cures(&self, set: &mut [u64], release: u64) {
        let known = self.cures.partition_point(|(since, _)| *since <= release);
        let Some((_, cured)) = known.checked_sub(1).map(|last| &self.cures[last]) else { return };
        set.iter_mut().zip(cured).for_each(|(set, cured)| *set |= cured);
    }
}

/// The name by which makers' rows of one threat are brought together.
fn threat_id<'a>(ids: &'a ThreatIds, row: &'a ThreatRow) -> &'a str {
    ids.threat_id(&row.maker, &row.news.threat)
}

impl Prepared {
    /// Makes tables ready. `now`, in seconds since 1970, is how long threats without a cure have been without one.
    ///
    /// O(threats × log + channels × threats / 64).
    pub fn new(tables: Tables, now: i64) -> Self {
        let mut danger = HashMap::<&str, Danger>::new();
        for row in &tables.threats {
            let most = danger.entry(threat_id(&tables.threat_ids, row)).or_insert(row.news.danger);
            *most = (*most).max(row.news.danger);
        }
        let mut threats = danger.into_iter().collect::<Vec<_>>();
        threats.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let at_least = [Danger::Low, Danger::Medium, Danger::High];
        let at_least = at_least.map(|least| threats.partition_point(|(_, danger)| *danger >= least));
        let number = threats.iter().enumerate().map(|(number, (name, _))| (*name, number)).collect::<HashMap<_, _>>();
        let came_to = tables.newest_by_channel();
        let is_published =
            |at: &ChannelRelease| came_to.get(at.channel.as_str()).is_some_and(|newest| *newest >= at.release);
        let threat_id_of = |row| threat_id(&tables.threat_ids, row);
        let records = super::record::records(&tables.threats, threat_id_of, is_published, &tables.false_positives, now);
        let active = tables.rollouts.iter().filter(|rollout| rollout.state != crate::wire::RolloutState::Done);
        let active = active.map(|rollout| (rollout.at.channel.to_string(), rollout.at.release)).collect();
        let channels = channels(&tables, &number, &records);
        let threats = threats.into_iter().map(|(name, _)| name.to_owned()).collect();
        let Tables { threats: rows, threat_ids, policies, .. } = tables;
        Prepared { channels, threats, rows, threat_ids, at_least, policies, records, active }
    }

    /// The makers' records, the best first.
    pub fn records(&self) -> &[MakerRecord] {
        &self.records
    }

    /// The countering table.
    pub fn threats(&self) -> &[ThreatRow] {
        &self.rows
    }

    /// Whether a release is being rolled out, so that who is told of it must be noted.
    pub fn is_rolled_out(&self, at: &ChannelRelease) -> bool {
        !self.active.is_empty() && self.active.contains(&(at.channel.to_string(), at.release))
    }

    pub(super) fn channel(&self, channel: &Channel) -> Option<&ChannelInfo> {
        let found = self.channels.binary_search_by(|info| info.channel.as_str().cmp(channel.as_str()));
        found.ok().map(|index| &self.channels[index])
    }

    pub(super) fn add_cures(&self, set: &mut [u64], at: &ChannelRelease) {
        if let Some(info) = self.channel(&at.channel) {
            info.add_cures(set, at.release);
        }
    }

    /// The threats of this danger or more.
    pub(super) fn scope(&self, danger: Danger) -> Scope {
        Scope(self.at_least[danger as usize])
    }

    /// The names in a set, the most dangerous first.
    pub(super) fn names(&self, set: &[u64]) -> Vec<&str> {
        self.each_name(set).collect()
    }

    fn each_name(&self, set: &[u64]) -> impl Iterator<Item = &str> {
        let bits_of = |bits: u64| {
            std::iter::successors((bits != 0).then_some(bits), |bits| Some(bits & (bits - 1)).filter(|left| *left != 0))
        };
        let numbers = set
            .iter()
            .enumerate()
            .flat_map(move |(word, bits)| bits_of(*bits).map(move |left| word * 64 + left.trailing_zeros() as usize));
        numbers.filter_map(|number| self.threats.get(number).map(String::as_str))
    }

    /// The first few names in a set, in words; touches no others.
    pub(super) fn listed(&self, set: &[u64]) -> String {
        let length: u32 = set.iter().map(|bits| bits.count_ones()).sum();
        let mut words = String::new();
        for name in self.each_name(set).take(SHOWN) {
            words.push_str(if words.is_empty() { "" } else { ", " });
            words.push_str(name);
        }
        match length as usize {
            0 => "nothing".to_owned(),
            length if length > SHOWN => format!("{words} and {} more", length - SHOWN),
            _ => words,
        }
    }

    /// Rows of the countering table for these threats; at most 200.
    pub(super) fn rows_of(&self, names: &[String]) -> Vec<ThreatRow> {
        let names = names.iter().map(String::as_str).collect::<BTreeSet<_>>();
        self.rows.iter().filter(|row| names.contains(threat_id(&self.threat_ids, row))).take(200).cloned().collect()
    }

    /// How many threats of a set are of high, medium and low danger.
    pub(super) fn by_danger(&self, set: &[u64]) -> [u32; 3] {
        let up_to = |count: usize| Scope(count).count(set);
        let [low, medium, high] = self.at_least.map(up_to);
        [high, medium - high, low - medium]
    }

    pub(super) fn is_open(release: &ReleaseInfo, row: &UserRow) -> bool {
        release.opening.lets_in(row.group.as_deref(), row.bucket)
    }
}

/// Everything known of each channel that is listed, blocked, withdrawn from or named by news.
fn channels(tables: &Tables, number: &HashMap<&str, usize>, records: &[MakerRecord]) -> Vec<ChannelInfo> {
    let mut infos = BTreeMap::<&str, ChannelInfo>::new();
    fn of<'a, 'b>(infos: &'b mut BTreeMap<&'a str, ChannelInfo>, channel: &'a Channel) -> &'b mut ChannelInfo {
        infos.entry(channel.as_str()).or_insert_with(|| ChannelInfo {
            channel: channel.clone(),
            releases: Vec::new(),
            cures: Vec::new(),
            withdrawn: Vec::new(),
            blocked: Vec::new(),
            needs: None,
            rank: u32::MAX,
        })
    }
    let rollouts = tables.rollouts.iter().map(|rollout| ((rollout.at.channel.as_str(), rollout.at.release), rollout));
    let rollouts = rollouts.collect::<HashMap<_, _>>();
    let has_rings = !tables.policies.default.rollout.rings.is_empty();
    for ListedRelease { at, published_at } in &tables.releases {
        let rollout = rollouts.get(&(at.channel.as_str(), at.release)).copied();
        let opening = opening(rollout, has_rings && *published_at >= tables.rings_since);
        of(&mut infos, &at.channel).releases.push(ReleaseInfo { release: at.release, opening });
    }
    for withdrawn in &tables.withdrawn {
        of(&mut infos, &withdrawn.at.channel).withdrawn.push(withdrawn.clone());
    }
    for blocked in &tables.blocked {
        of(&mut infos, &blocked.at.channel).blocked.push(blocked.clone());
    }
    for needs in &tables.needs {
        of(&mut infos, &needs.channel).needs = Some(needs.needs.clone());
    }
    let mut since = BTreeMap::<&str, Vec<(u64, usize)>>::new();
    for row in &tables.threats {
        // A maker speaks for their own channels only.
        for at in row.cures().filter(|at| at.channel.maker() == row.maker.as_str()) {
            of(&mut infos, &at.channel);
            since.entry(at.channel.as_str()).or_default().push((at.release, number[threat_id(&tables.threat_ids, row)]));
        }
    }
    let words = number.len().div_ceil(64);
    for (channel, mut cures) in since {
        cures.sort_unstable();
        let info = infos.get_mut(channel).expect("it was entered above");
        let mut cured = vec![0; words];
        for (release, threat) in cures {
            cured[threat / 64] |= 1 << (threat % 64);
            match info.cures.last_mut() {
                Some((last, set)) if *last == release => set.clone_from(&cured),
                _ => info.cures.push((release, cured.clone())),
            }
        }
    }
    let ranks = records.iter().map(|record| (record.maker.as_str(), record.rank)).collect::<HashMap<_, _>>();
    for info in infos.values_mut() {
        info.releases.sort_by_key(|release| release.release);
        info.releases.dedup_by_key(|release| release.release);
        info.rank = ranks.get(info.channel.maker()).copied().unwrap_or(u32::MAX);
    }
    infos.into_values().collect()
}

/// A prefix of the threats: so many of the most dangerous.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope(usize);

impl Scope {
    /// A set of none of them.
    pub(super) fn empty(self) -> Vec<u64> {
        vec![0; self.0.div_ceil(64)]
    }

    /// The bits of word `word` that are in the prefix.
    fn mask(self, word: usize) -> u64 {
        match self.0.saturating_sub(word * 64) {
            0 => 0,
            64.. => u64::MAX,
            bits => (1 << bits) - 1,
        }
    }

    /// Those that are not in `set`.
    pub(super) fn without(self, set: &[u64]) -> Set {
        Set(set.iter().enumerate().map(|(word, bits)| !bits & self.mask(word)).collect())
    }

    /// How many of them are in `set`.
    pub(super) fn count(self, set: &[u64]) -> u32 {
        set.iter().enumerate().map(|(word, bits)| (bits & self.mask(word)).count_ones()).sum()
    }

    /// Those in both.
    pub(super) fn both(self, a: &[u64], b: &[u64]) -> Set {
        Set(a.iter().zip(b).enumerate().map(|(word, (a, b))| a & b & self.mask(word)).collect())
    }

    /// Those in `a` that are not in `b`.
    pub(super) fn first_only(self, a: &[u64], b: &[u64]) -> Set {
        Set(a.iter().zip(b).enumerate().map(|(word, (a, b))| a & !b & self.mask(word)).collect())
    }

    /// Whether some of them are in both. A set that is shorter has nothing beyond its end.
    pub(super) fn any_in_both(self, a: &[u64], b: &[u64]) -> bool {
        a.iter().zip(b).enumerate().any(|(word, (a, b))| a & b & self.mask(word) != 0)
    }

    /// Whether `b` has all of them that are in `a`. As above.
    pub(super) fn all_in_second(self, a: &[u64], b: &[u64]) -> bool {
        let b = b.iter().copied().chain(std::iter::repeat(0));
        a.iter().zip(b).enumerate().all(|(word, (a, b))| a & !b & self.mask(word) == 0)
    }

    pub(super) fn any_in_first_only(self, a: &[u64], b: &[u64]) -> bool {
        a.iter().zip(b).enumerate().any(|(word, (a, b))| a & !b & self.mask(word) != 0)
    }
}

/// Threats by number.
#[derive(Clone, Debug)]
pub(super) struct Set(Vec<u64>);

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

impl std::ops::Deref for Set {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}
