//! What keeps many callers, or one who calls much, from keeping others out.
//!
//! Three token buckets, each `burst` calls at once and one more `every` so long:
//!
//! - a terminal's, charged when its signature holds. Nobody else can empty it, as nobody else can sign;
//! - an address's, for whoever has proven nothing: fetches without a pass, publications, calls whose proof is refused;
//! - one for all of those together, against many addresses.
//!
//! Many terminals share an address. So that one of them, or a stranger beside them, cannot use up what the others need to fetch a release, an
//! answered check-in brings a **pass**: `EXPIRY.TERMINAL.MAC`, which the terminal shows when it fetches; those fetches are charged to the
//! terminal. Its MAC is made with a secret that follows from the timestamp key, so all replicas know it, and checking it reads no table.
//! Rejected: limits by address alone, which punish who sits behind a shared one; signing every fetch, which costs the terminal a write and the
//! service a read each.
//!
//! Addresses of IPv6 count by their first 64 bits, since who has one has all of those.
//!
//! Memory is bounded: full buckets are forgotten once a minute, and beyond [`KEYS_MAX`] keys newcomers share one bucket. Turns are bounded
//! too: so many requests run, so many wait for so long, and the next is told when to come back, each at another time.

use crate::random::fraction;
use crate::service::problem::Problem;
use aws_lc_rs::hmac;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Most buckets of one kind.
const KEYS_MAX: usize = 1 << 20;
/// How often full buckets are forgotten.
pub(crate) const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How long a pass is good: longer than an update takes.
const PASS_LIFETIME_S: i64 = 3600;
/// Who is told to come back, comes after so long at the least, and that much later at the most.
const BUSY_WAIT: Duration = Duration::from_secs(5);
const BUSY_SPREAD: Duration = Duration::from_secs(25);

/// A token bucket: `burst` calls at once, and one more `every` so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls at once.
    pub burst: NonZeroU32,
    /// Time after which one more is allowed; not zero.
    pub every: Duration,
}

impl Rate {
    /// `burst` calls at once and one more `every` so long; at least 1, and at least a nanosecond.
    pub fn new(burst: u32, every: Duration) -> Self {
        Rate { burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN), every: every.max(Duration::from_nanos(1)) }
    }

    fn quota(self) -> Quota {
        let quota = Quota::with_period(self.every).expect("the period is not zero");
        quota.allow_burst(self.burst)
    }
}

/// Bounds on callers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of a terminal. 300 at once, then 5 a second.
    pub terminal: Rate,
    /// Of an address, for whoever has proven nothing. 1,000 at once, then 100 a second.
    pub address: Rate,
    /// Of all of those together. 5,000 at once, then 1,000 a second.
    pub strangers: Rate,
    /// Requests that are worked on at once. 256.
    pub running_max: usize,
    /// Requests that wait for their turn. 16,384.
    pub waiting_max: usize,
    /// How long one waits. 10 seconds.
    pub waiting_patience: Duration,
    /// Connections at once; more wait to be accepted. 16,384, or fewer where the system allows fewer open files.
    pub connections_max: usize,
    /// Connections of one address at once; more are closed. 8,192.
    pub connections_per_address: usize,
    /// Proxies whose `x-forwarded-for` is believed. None.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            terminal: Rate::new(300, Duration::from_millis(200)),
            address: Rate::new(1_000, Duration::from_millis(10)),
            strangers: Rate::new(5_000, Duration::from_millis(1)),
            running_max: 256,
            waiting_max: 16_384,
            waiting_patience: Duration::from_secs(10),
            connections_max: 16_384,
            connections_per_address: 8_192,
            trusted_proxies: Vec::new(),
        }
    }
}

/// An address as it counts: whole for IPv4, the first 64 bits for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Neighbourhood(u64);

impl Neighbourhood {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Neighbourhood(u64::from(u32::from(v4))),
            IpAddr::V6(v6) => Neighbourhood((u128::from(v6) >> 64) as u64),
        }
    }
}

/// Buckets by key, in bounded memory.
struct Buckets<K: Hash + Eq + Clone> {
    by_key: DefaultKeyedRateLimiter<K>,
    /// For keys that there is no room for.
    rest: DefaultDirectRateLimiter,
    keys_max: usize,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate, keys_max: usize) -> Self {
        let (by_key, rest) = (RateLimiter::keyed(rate.quota()), RateLimiter::direct(rate.quota()));
        Buckets { by_key, rest, keys_max, clock: DefaultClock::default() }
    }

    /// Takes a token, or says when there will be one.
    fn take(&self, key: &K) -> Result<(), Duration> {
        let not_until =
            if self.by_key.len() < self.keys_max { self.by_key.check_key(key).err() } else { self.rest.check().err() };
        not_until.map_or(Ok(()), |not_until| Err(not_until.wait_time_from(self.clock.now())))
    }
}

/// To whom a call is charged.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    address: Option<Neighbourhood>,
    /// Whose pass came with it.
    terminal: Option<String>,
}

/// Counts callers and gives turns.
pub(crate) struct Limiter {
    terminals: Buckets<String>,
    addresses: Buckets<Neighbourhood>,
    strangers: DefaultDirectRateLimiter,
    clock: DefaultClock,
    passes: hmac::Key,
    running: Semaphore,
    running_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
    waiting_patience: Duration,
    trusted_proxies: Vec<IpAddr>,
}

impl Limiter {
    /// `secret` makes passes.
    pub(crate) fn new(limits: &Limits, secret: &[u8]) -> Self {
        Limiter {
            terminals: Buckets::new(limits.terminal, KEYS_MAX),
            addresses: Buckets::new(limits.address, KEYS_MAX),
            strangers: RateLimiter::direct(limits.strangers.quota()),
            clock: DefaultClock::default(),
            passes: hmac::Key::new(hmac::HMAC_SHA256, secret),
            running: Semaphore::new(limits.running_max.clamp(1, Semaphore::MAX_PERMITS)),
            running_max: limits.running_max.clamp(1, Semaphore::MAX_PERMITS),
            waiting: AtomicUsize::new(0),
            waiting_max: limits.waiting_max,
            waiting_patience: limits.waiting_patience,
            trusted_proxies: limits.trusted_proxies.clone(),
        }
    }

    /// To whom a call from `peer` with these headers is charged.
    pub(crate) fn budget(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Budget {
        let pass = headers.get(crate::http::PASS_HEADER).and_then(|pass| pass.to_str().ok());
        let terminal = pass.and_then(|pass| self.holder(pass, jiff::Timestamp::now().as_second()));
        let address = peer.map(|peer| Neighbourhood::of(self.caller(peer, headers)));
        Budget { address, terminal: terminal.map(str::to_owned) }
    }

    /// The address that calls: the peer, or who the nearest trusted proxies say is behind them.
    pub(crate) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: &IpAddr| self.trusted_proxies.contains(&address.to_canonical());
        if !is_trusted(&peer) {
            return peer;
        }
        let lists = headers.get_all("x-forwarded-for").iter().filter_map(|list| list.to_str().ok());
        let named = lists.flat_map(|list| list.split(',')).map(|one| one.trim().parse::<IpAddr>());
        // Each proxy appends who it sees; what stands before the first that is not ours is anybody's word.
        let named = named.collect::<Vec<_>>();
        let behind = named.into_iter().rev().map_while(Result::ok).find(|address| !is_trusted(address));
        behind.unwrap_or(peer)
    }

    /// Charges a call to whoever it is of.
    pub(crate) fn charge(&self, budget: &Budget) -> Result<(), Problem> {
        if let Some(terminal) = &budget.terminal {
            return self.terminal(terminal);
        }
        if let Some(address) = &budget.address {
            let taken = self.addresses.take(address);
            taken.map_err(|wait| limited("too many calls from this address by who has proven nothing", wait))?;
        }
        let not_until = self.strangers.check().err();
        not_until.map_or(Ok(()), |not_until| {
            Err(limited("too many calls by who has proven nothing", not_until.wait_time_from(self.clock.now())))
        })
    }

    /// Charges a call to a terminal that has proven who it is.
    pub(crate) fn terminal(&self, terminal: &str) -> Result<(), Problem> {
        let taken = self.terminals.take(&terminal.to_owned());
        taken.map_err(|wait| limited("this terminal calls too often", wait))
    }

    /// A pass for a terminal that has proven who it is.
    pub(crate) fn pass(&self, terminal: &str) -> HeaderValue {
        let until = jiff::Timestamp::now().as_second() + PASS_LIFETIME_S;
        let pass = format!("{until}.{terminal}.{}", self.mac(until, terminal));
        HeaderValue::from_str(&pass).expect("a terminal that is enrolled has a number of plain characters")
    }

    fn mac(&self, until: i64, terminal: &str) -> String {
        hex::encode(hmac::sign(&self.passes, format!("titer-pass-v1\n{until}\n{terminal}").as_bytes()))
    }

    /// The terminal that a pass was given to.
    fn holder<'a>(&self, pass: &'a str, now: i64) -> Option<&'a str> {
        let (until, rest) = pass.split_once('.')?;
        let (terminal, mac) = rest.split_once('.')?;
        let until = until.parse::<i64>().ok().filter(|until| (now..=now + PASS_LIFETIME_S).contains(until))?;
        let signed = format!("titer-pass-v1\n{until}\n{terminal}");
        hmac::verify(&self.passes, signed.as_bytes(), &hex::decode(mac).ok()?).ok()?;
        Some(terminal)
    }

    /// Waits for a turn; it lasts until the value is dropped.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(turn);
        }
        let _waiting = Waiting::enter(self).ok_or_else(|| self.busy("too many requests wait already"))?;
        match timeout(self.waiting_patience, self.running.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(self.busy("no turn came in time")),
        }
    }

    /// Asks to come back later, everybody at another time.
    #[expect(clippy::unused_self, reason = "a limiter that knows its load may spread callers further")]
    pub(crate) fn busy(&self, detail: &str) -> Problem {
        let wait = BUSY_WAIT + BUSY_SPREAD.mul_f64(fraction());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "service_busy", detail).after(wait)
    }

    /// Forgets buckets that are full.
    pub(crate) fn forget(&self) {
        self.terminals.by_key.retain_recent();
        self.terminals.by_key.shrink_to_fit();
        self.addresses.by_key.retain_recent();
        self.addresses.by_key.shrink_to_fit();
    }

    /// Requests that run, requests that wait, buckets of terminals, buckets of addresses.
    pub(crate) fn load(&self) -> [usize; 4] {
        let running = self.running_max.saturating_sub(self.running.available_permits());
        [running, self.waiting.load(Ordering::Relaxed), self.terminals.by_key.len(), self.addresses.by_key.len()]
    }
}

fn limited(detail: &str, wait: Duration) -> Problem {
    // Who was told one moment would come back in it together.
    let wait = wait.max(Duration::from_secs(1)).mul_f64(1.0 + fraction() / 4.0);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail).after(wait.min(Duration::from_hours(24)))
}

/// A place among those that wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(limiter: &'a Limiter) -> Option<Self> {
        let before = limiter.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Waiting(&limiter.waiting);
        (before < limiter.waiting_max).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn limiter() -> Limiter {
        let limits = Limits {
            terminal: Rate::new(2, HOUR),
            address: Rate::new(3, HOUR),
            strangers: Rate::new(7, HOUR),
            trusted_proxies: vec!["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
            ..Limits::default()
        };
        Limiter::new(&limits, b"secret")
    }

    fn budget(limiter: &Limiter, address: &str, headers: &[(&'static str, &str)]) -> Budget {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        limiter.budget(Some(address.parse().unwrap()), &headers)
    }

    fn charges(limiter: &Limiter, budget: &Budget) -> usize {
        (0..20).filter(|_| limiter.charge(budget).is_ok()).count()
    }

    #[test]
    fn strangers_share_what_their_address_has_and_what_all_have() {
        let limiter = limiter();
        let of = |address: &str| charges(&limiter, &budget(&limiter, address, &[]));
        assert_eq!((of("192.0.2.1"), of("192.0.2.1")), (3, 0));
        assert_eq!((of("2001:db8::1"), of("2001:db8::ffff:1"), of("::ffff:192.0.2.1")), (3, 0, 0));
        assert_eq!(of("192.0.2.2"), 1, "seven for all together");
    }

    #[test]
    fn a_pass_is_charged_to_its_terminal_alone() {
        let limiter = limiter();
        let address = "192.0.2.1";
        charges(&limiter, &budget(&limiter, address, &[]));
        let pass = limiter.pass("abc");
        let pass = pass.to_str().unwrap();
        assert_eq!(
            charges(&limiter, &budget(&limiter, address, &[("titer-pass", pass)])),
            2,
            "the address has nothing left"
        );
        assert!(limiter.terminal("abc").is_err() && limiter.terminal("abd").is_ok());
        for forged in [pass.replace("abc", "abd"), format!("9{pass}"), pass[..pass.len() - 2].to_owned(), "..".to_owned()] {
            assert_eq!(budget(&limiter, address, &[("titer-pass", &forged)]).terminal, None, "{forged}");
        }
        let now = jiff::Timestamp::now().as_second();
        assert_eq!(limiter.holder(pass, now + PASS_LIFETIME_S - 5), Some("abc"));
        assert_eq!(limiter.holder(pass, now + PASS_LIFETIME_S + 5), None);
        assert_eq!(Limiter::new(&Limits::default(), b"other").holder(pass, now), None);
    }

    #[test]
    fn only_trusted_proxies_say_who_calls() {
        let limiter = limiter();
        let caller = |peer: &str, list: &str| {
            let headers = [("x-forwarded-for".parse().unwrap(), list.parse().unwrap())].into_iter().collect();
            limiter.caller(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(caller("192.0.2.9", "192.0.2.1"), "192.0.2.9");
        assert_eq!(caller("10.0.0.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(caller("10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2"), "192.0.2.1");
        assert_eq!(caller("10.0.0.1", "198.51.100.7, nonsense"), "10.0.0.1");
        assert_eq!(caller("10.0.0.1", ""), "10.0.0.1");
    }

    #[test]
    fn keys_beyond_the_bound_share_one_bucket() {
        let buckets = Buckets::new(Rate::new(1, HOUR), 10);
        let taken = (0..1000).filter(|key| buckets.take(key).is_ok()).count();
        assert_eq!(taken, 11);
        assert!(buckets.by_key.len() <= 10);
        buckets.by_key.retain_recent();
        assert_eq!(buckets.by_key.len(), 10, "none of them is full again");
    }

    #[tokio::test]
    async fn turns_are_bounded_and_those_sent_away_come_back_apart() {
        let limits =
            Limits { running_max: 1, waiting_max: 1, waiting_patience: Duration::from_millis(20), ..Limits::default() };
        let limiter = Limiter::new(&limits, b"");
        let turn = limiter.turn().await.unwrap();
        let (first, second) = tokio::join!(limiter.turn(), limiter.turn());
        assert!(first.is_err() && second.is_err());
        assert_eq!(limiter.load()[..2], [1, 0]);
        drop(turn);
        assert!(limiter.turn().await.is_ok(), "who waited in vain left no trace");
    }
}
