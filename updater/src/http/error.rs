//! Why a request got no usable answer.

use crate::words::{is_code, printable};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};
use url::Url;

/// Longest wait that a service can ask for; a mistake there, or somebody who plays it, costs a day and no more.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// How long an answer asks to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It says so; at most [`RETRY_AFTER_MAX`].
    For(Duration),
    /// It does not say.
    Unnamed,
}

/// A request got no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or it broke off.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The service answered with a refusal.
    #[error("{url} answers {status} ({code}): {detail}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// The service's stable code.
        code: String,
        /// Its words.
        detail: String,
        /// How long it asks not to be asked again, by `Retry-After`; at most 24 hours.
        retry_after: Option<Duration>,
        /// The last counter that it took of the key which signed the request, where it says so.
        last_counter: Option<u64>,
    },
    /// The answer leads elsewhere. Nothing is fetched from places that nobody vouched for.
    #[error("{url} answers {status}, a redirection to `{location}`, which is not followed")]
    Redirected {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// Where it leads, as the service put it.
        location: String,
    },
    /// More bytes than were announced or are allowed.
    #[error("{url} sends more than {limit} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// The head of the answer has more headers, or longer ones, than are read.
    #[error("{url} sends more headers than are read: {reason}")]
    HeadTooLong {
        /// What was asked for.
        url: String,
        /// What the reader says.
        reason: String,
    },
    /// Fewer bytes came than the least speed asks for.
    #[error("{url} sent {bytes} bytes in {seconds:.1} seconds, less than {least} a second")]
    TooSlow {
        /// What was asked for.
        url: String,
        /// Bytes that came.
        bytes: u64,
        /// In this time.
        seconds: f64,
        /// Bytes a second that are expected.
        least: u64,
    },
    /// The answer is not what it should be.
    #[error("{url} sends what cannot be read: {reason}")]
    Unreadable {
        /// What was asked for.
        url: String,
        /// What the reader says.
        reason: String,
    },
    /// A part of a file was asked for, and the answer is not that part.
    #[error("{url} was asked for the rest of a file from byte {from} and {reason}")]
    NotThatPart {
        /// What was asked for.
        url: String,
        /// First byte that was asked for.
        from: u64,
        /// Stable name of the fault.
        code: &'static str,
        /// What came instead.
        reason: String,
    },
    /// The service shows a certificate that nobody trusted here vouches for, or one for another name.
    #[error("{url} is not believed to be itself: {reason}")]
    Certificate {
        /// What was asked for.
        url: String,
        /// What the verifier says.
        reason: String,
    },
    /// The proxy or the file of certificates cannot be used.
    #[error("{reason}")]
    Setup {
        /// Stable name of the fault.
        code: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl HttpError {
    /// Stable name of the fault; the service's own code when it refused.
    pub fn code(&self) -> &str {
        match self {
            HttpError::Unreachable { .. } => "service_unreachable",
            HttpError::Refused { code, .. } => code,
            HttpError::Redirected { .. } => "redirect_refused",
            HttpError::TooLong { .. } => "answer_too_long",
            HttpError::HeadTooLong { .. } => "answer_head_too_long",
            HttpError::TooSlow { .. } => "answer_too_slow",
            HttpError::Unreadable { .. } => "answer_unreadable",
            HttpError::Certificate { .. } => "certificate_refused",
            HttpError::NotThatPart { code, .. } | HttpError::Setup { code, .. } => code,
        }
    }

    /// Whether the answer asks to be left alone for a while, and for how long if it says so.
    ///
    /// 429 and 503 do. 403 does when it names a time, or when it does not come from a service of this kind: stores and caches
    /// in front of one answer so to who asks too often.
    pub(crate) fn wait(&self) -> Option<Wait> {
        match self {
            HttpError::Refused { status: 429 | 503, retry_after: None, .. } => Some(Wait::Unnamed),
            HttpError::Refused { status: 403 | 429 | 503, retry_after: Some(time), .. } => Some(Wait::For(*time)),
            HttpError::Refused { status: 403, code, .. } if code == "http_403" => Some(Wait::Unnamed),
            _ => None,
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        // Some stores answer 403 for what is not there.
        matches!(
            self,
            HttpError::Refused { status: 403, retry_after: None, .. } | HttpError::Refused { status: 404 | 410, .. }
        )
    }

    /// What the client library says, under the name of its cause.
    pub(super) fn of_network(url: &Url, error: &reqwest::Error) -> HttpError {
        let (url, reason) = (url.to_string(), chain(error));
        if let Some(rustls::Error::InvalidCertificate(_)) = cause(error) {
            return HttpError::Certificate { url, reason };
        }
        match cause::<hyper::Error>(error) {
            Some(cause) if cause.is_parse_too_large() => HttpError::HeadTooLong { url, reason },
            Some(cause) if cause.is_parse() => HttpError::Unreadable { url, reason },
            _ => HttpError::Unreachable { url, reason },
        }
    }

    /// What an answer that is no success says.
    pub(super) fn of_refusal(url: &Url, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> HttpError {
        /// The part of a problem document (RFC 9457) that a caller acts on.
        #[derive(Deserialize)]
        struct Problem {
            code: String,
            #[serde(default)]
            detail: String,
            #[serde(default)]
            last_counter: Option<u64>,
        }
        let (url, number) = (url.to_string(), status.as_u16());
        if status.is_redirection() {
            let location =
                headers.get("location").map_or_else(String::new, |to| printable(&String::from_utf8_lossy(to.as_bytes())));
            return HttpError::Redirected { url, status: number, location };
        }
        // What is no code may come from anybody who answers in JSON, and callers show and compare codes.
        let problem = serde_json::from_slice::<Problem>(body).ok().filter(|problem| is_code(&problem.code));
        let nothing = || Problem { code: format!("http_{number}"), detail: String::new(), last_counter: None };
        let Problem { code, detail, last_counter } = problem.unwrap_or_else(nothing);
        let retry_after = retry_after(headers, SystemTime::now());
        HttpError::Refused { url, status: number, code, detail: printable(&detail), retry_after, last_counter }
    }
}

/// The wait that `Retry-After` asks for, in seconds or as a date (RFC 9110, section 10.2.3); nothing for what is neither.
///
/// A date is compared with the answer's own `Date`, so that it does not matter whether the clock here is right.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time too.
        return Some(wanted.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX));
    }
    let until = httpdate::parse_http_date(wanted).ok()?;
    let from = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(from).unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// The first error of this kind among the causes. An error of the system may hold another one, which is not among its own causes.
fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(cause) = source {
        let held = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = cause.downcast_ref().or_else(|| held.and_then(|held| held.downcast_ref())) {
            return Some(found);
        }
        // An error of the system that holds one names the causes of that, and not itself.
        source = held.map_or_else(|| cause.source(), |held| Some(held as &(dyn Error + 'static)));
    }
    None
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        let asked = |headers: &[(&'static str, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            retry_after(&headers.collect(), now).map(|wait| wait.as_secs())
        };
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun Nov  6 08:50:07 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Mon, 06 Nov 1995 08:00:00 GMT", Some(86_400)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(asked(&[("retry-after", value)]), expected, "{value}");
        }
        let at = [("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "Sun, 06 Nov 1994 08:50:00 GMT")];
        assert_eq!(asked(&at), Some(7), "the service's own clock counts");
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn which_refusals_ask_to_wait() {
        let refusal = |status: u16, headers: &[(&'static str, &str)], body: &str| {
            let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let url = "http://localhost/".parse().unwrap();
            HttpError::of_refusal(&url, StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
        };
        let minute = Some(Wait::For(Duration::from_mins(1)));
        let after = [("retry-after", "60")];
        assert_eq!(refusal(429, &after, "").wait(), minute);
        assert_eq!(refusal(503, &[], "<html>").wait(), Some(Wait::Unnamed));
        assert_eq!(refusal(403, &after, "").wait(), minute);
        assert_eq!(refusal(403, &[], "Access denied").wait(), Some(Wait::Unnamed));
        assert_eq!(refusal(403, &[], r#"{"code":"enrolment_token_refused"}"#).wait(), None);
        assert_eq!(refusal(404, &after, "").wait(), None);
        assert_eq!(refusal(500, &[], "").wait(), None);
        let redirected = refusal(302, &[("location", "http://elsewhere/")], "");
        assert_eq!((redirected.code(), redirected.wait()), ("redirect_refused", None));
    }
}
