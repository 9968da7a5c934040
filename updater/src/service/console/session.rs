//! Who is signed in: sessions in memory, by a cookie that no page can read and no other site can have sent.

use crate::keys::{KeyError, random_hex};
use crate::service::limits::Neighbourhood;
use crate::service::{App, AppState};
use crate::wire::{Role, Sha256Hex};
use crate::words::query;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const COOKIE: &str = "titer-session";
/// A session ends so long after sign-in, whatever is done in it.
const LIFETIME: Duration = Duration::from_hours(12);
/// A session ends when nothing was asked for in it for so long.
const IDLE_MAX: Duration = Duration::from_hours(1);
/// Sessions held; a further one ends that which was idle for longest.
const SESSIONS_MAX: usize = 1000;
/// Attempts to sign in from one address: so many at once, and then one every six seconds.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).unwrap();
const ATTEMPTS_PER_MINUTE: NonZeroU32 = ATTEMPTS;
/// Addresses that are remembered for that, about.
const ADDRESSES_MAX: usize = 10_000;

/// The role of who has this token; nothing for a token that is none, or is none any more. Asked at every page.
pub(crate) async fn role_of(app: &App, token: &str) -> Option<Role> {
    app.caller_with(token).await.ok().map(|caller| caller.role)
}

struct Session {
    token: String,
    /// What every form of the session carries.
    form: String,
    begun: Instant,
    seen: Instant,
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < LIFETIME && now.duration_since(self.seen) < IDLE_MAX
    }
}

/// The sessions of this service. Lost when it stops: people sign in again.
pub(crate) struct Sessions {
    /// By the digest of what is in the cookie, so that looking one up tells nothing by its time.
    held: Mutex<HashMap<Sha256Hex, Session>>,
    attempts: DefaultKeyedRateLimiter<Neighbourhood>,
    /// Whether browsers come by TLS, here or at a proxy: their cookies are then for TLS alone.
    pub(crate) secure: bool,
}

impl Sessions {
    pub(crate) fn new(secure: bool) -> Self {
        let quota = Quota::per_minute(ATTEMPTS_PER_MINUTE).allow_burst(ATTEMPTS);
        Sessions { held: Mutex::default(), attempts: RateLimiter::keyed(quota), secure }
    }

    /// Whether one more attempt to sign in may be made from this address.
    pub(crate) fn may_try(&self, address: IpAddr) -> bool {
        if self.attempts.len() > ADDRESSES_MAX {
            self.attempts.retain_recent();
        }
        self.attempts.check_key(&Neighbourhood::of(address)).is_ok()
    }

    /// Begins a session and returns the cookie's header.
    pub(crate) fn begin(&self, token: &str) -> Result<String, KeyError> {
        let (secret, form, now) = (random_hex(32)?, random_hex(16)?, Instant::now());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, session| session.lives(now));
        if held.len() >= SESSIONS_MAX
            && let Some(oldest) = held.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key)
        {
            held.remove(&oldest);
        }
        held.insert(Sha256Hex::of(secret.as_bytes()), Session { token: token.to_owned(), form, begun: now, seen: now });
        Ok(cookie(COOKIE, &secret, LIFETIME, self.secure))
    }

    /// Ends the session of a request and returns the header that clears its cookie.
    pub(crate) fn end(&self, headers: &HeaderMap) -> String {
        if let Some(secret) = cookie_of(headers, COOKIE) {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&Sha256Hex::of(secret.as_bytes()));
        }
        cookie(COOKIE, "", Duration::ZERO, self.secure)
    }

    /// The token and the forms' word of the session of a request.
    fn of(&self, headers: &HeaderMap) -> Option<(String, String)> {
        let key = Sha256Hex::of(cookie_of(headers, COOKIE)?.as_bytes());
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let session = held.get_mut(&key).filter(|session| session.lives(now))?;
        session.seen = now;
        Some((session.token.clone(), session.form.clone()))
    }
}

/// Somebody who is signed in. Who is not is sent to the sign-in page, and from there back.
pub(crate) struct SignedIn {
    pub(crate) role: Role,
    /// What the session's forms carry, and what a form must have carried to be obeyed.
    pub(crate) form: String,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Response> {
        if let Some((token, form)) = app.sessions.of(&parts.headers)
            && let Some(role) = role_of(app, &token).await
        {
            return Ok(SignedIn { role, form });
        }
        // The path as it was asked for begins with what the pages are nested below.
        let asked = parts.uri.path_and_query().map_or("", |asked| asked.as_str());
        let next = format!("/console{}", asked.strip_prefix("/console").unwrap_or(asked).trim_end_matches('/'));
        Err(Redirect::to(&query("/console/sign-in", &[("next", &next)])).into_response())
    }
}

/// A cookie's header: not for scripts, not sent along by other sites, for the console alone.
pub(crate) fn cookie(name: &str, value: &str, lifetime: Duration, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/console; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lifetime.as_secs())
}

/// The value of a request's cookie.
pub(crate) fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(named, _)| *named == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_session_lasts_from_sign_in_to_sign_out() {
        let sessions = Sessions::new(true);
        let set = sessions.begin("token").unwrap();
        assert!(set.ends_with("; Path=/console; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"), "{set}");
        let pair = set.split(';').next().unwrap();
        let headers = asking(&format!("other=1; {pair}"));
        assert_eq!(sessions.of(&headers).unwrap().0, "token");
        assert!(sessions.of(&asking("titer-session=guessed")).is_none());
        assert!(sessions.end(&headers).contains("Max-Age=0"));
        assert!(sessions.of(&headers).is_none());
    }

    #[test]
    fn sessions_are_bounded_and_end() {
        let sessions = Sessions::new(false);
        for _ in 0..=SESSIONS_MAX {
            sessions.begin("token").unwrap();
        }
        assert_eq!(sessions.held.lock().unwrap().len(), SESSIONS_MAX);
        let now = Instant::now();
        let session = Session { token: String::new(), form: String::new(), begun: now, seen: now };
        assert!(session.lives(now + IDLE_MAX / 2) && !session.lives(now + IDLE_MAX));
        let busy = Session { seen: now + LIFETIME, ..session };
        assert!(!busy.lives(now + LIFETIME), "also when it is in use");
    }

    #[test]
    fn attempts_from_one_address_are_few() {
        let sessions = Sessions::new(false);
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert!((0..ATTEMPTS.get()).all(|_| sessions.may_try(here)));
        assert!(!sessions.may_try(here) && sessions.may_try(there));
        let (one, neighbour) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        assert!((0..ATTEMPTS.get()).all(|_| sessions.may_try(one)));
        assert!(!sessions.may_try(neighbour), "who has one of IPv6 has all of those");
    }
}
