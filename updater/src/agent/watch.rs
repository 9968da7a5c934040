//! Listening for the service's hint that something may have changed.
//!
//! A hint is believed for no more than that asking may be worth while: it moves the next poll forward, to a moment by chance within the
//! window that the service names, and everything after that is verified as ever. Whoever forges hints, or keeps them back, gains a few
//! polls or the time until the usual one.
//!
//! The number of the last change that was told is remembered, so that one missed while the connection was down is noticed at the next one.

use crate::agent::{Agent, AgentError, Settings, Trigger, random};
use crate::http::{Answer, Client, HttpError, Network, Proof, Wait};
use reqwest::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Longest silence of a connection; the service says something every 25 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// Longest event that is read, in bytes.
const EVENT_LEN_MAX: usize = 4096;
/// Longest window that is taken from a service.
const WINDOW_MAX: Duration = Duration::from_hours(1);
/// Pauses between connections: after one that was heard on; the longest after others; where the service offers nothing of the kind, or
/// the owner wants none.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_mins(10);
const PAUSE_UNOFFERED: Duration = Duration::from_hours(1);

/// A change was told of; the poll that it causes comes within this time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    window: Duration,
}

impl Hint {
    /// How long to wait before asking, by chance.
    pub(super) fn wait(self) -> Duration {
        self.window.mul_f64(random::fraction())
    }
}

/// What an event says.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Event {
    change: u64,
    window_seconds: u64,
}

/// Why a connection is not one.
enum End {
    /// It was heard on, and ended.
    Ended,
    /// The service asks for this pause, or has no hints to give.
    Asked(Duration),
    /// It could not be had.
    Failed,
}

impl Agent {
    /// Listens as long as somebody wants hints.
    pub(super) async fn listen(&self, hints: watch::Sender<Hint>) {
        let (mut known, mut failures) = (None, 0_u32);
        while !hints.is_closed() {
            let end = match self.is_watching() {
                Ok(true) => self.listen_once(&hints, &mut known).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the service's hints are not heard");
                    End::Failed
                }),
                _ => End::Asked(PAUSE_MAX),
            };
            failures = if matches!(end, End::Failed) { failures.saturating_add(1) } else { 0 };
            let pause = match end {
                End::Ended => PAUSE_MIN,
                End::Asked(pause) => pause.clamp(PAUSE_MIN, PAUSE_UNOFFERED),
                End::Failed => PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX),
            };
            // So that terminals whose service was started again do not come back together.
            sleep(pause + pause.mul_f64(random::fraction())).await;
        }
    }

    fn is_watching(&self) -> Result<bool, AgentError> {
        let settings = Settings::load(self.state.folder())?;
        Ok(settings.triggers.watch && settings.allows(Trigger::Timer))
    }

    async fn listen_once(&self, hints: &watch::Sender<Hint>, known: &mut Option<u64>) -> Result<End, AgentError> {
        let Some(identity) = self.state.identity()? else { return Ok(End::Failed) };
        // A connection that says little is what is wanted; silence is measured here.
        let settings = Settings::load(self.state.folder())?;
        let network = Network { least_speed: 0, ..self.network_by(&settings) };
        let client = Client::judging(&identity.service, &network, self.times())?;
        let asked = timeout(SILENCE_MAX, client.ask("/v1/watch", Proof::None, Vec::new())).await;
        let Ok(answer) = asked else { return Ok(End::Failed) };
        let mut answer = answer?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => return Ok(End::Asked(PAUSE_UNOFFERED)),
            _ => {
                let error = answer.into_error().await;
                return Ok(match error.wait() {
                    Some(Wait::For(time)) => End::Asked(time),
                    _ => End::Failed,
                });
            }
        }
        let mut events = Events::default();
        while let Some(piece) = next_piece(&mut answer).await? {
            for event in events.read(&piece)? {
                if known.replace(event.change).is_some_and(|known| known != event.change) {
                    let window = Duration::from_secs(event.window_seconds).min(WINDOW_MAX);
                    hints.send_replace(Hint { window });
                }
            }
            if hints.is_closed() || !self.is_watching()? {
                break;
            }
        }
        Ok(End::Ended)
    }
}

async fn next_piece(answer: &mut Answer) -> Result<Option<tough::Bytes>, HttpError> {
    timeout(SILENCE_MAX, answer.piece()).await.unwrap_or(Ok(None))
}

/// Server-sent events, as far as they are needed: of each line that begins with `data:`, the rest.
#[derive(Default)]
struct Events {
    line: Vec<u8>,
}

impl Events {
    /// The events whose lines end in `piece`. Lines that are none are passed by, as the standard asks; one without end is an error.
    fn read(&mut self, piece: &[u8]) -> Result<Vec<Event>, AgentError> {
        let mut events = Vec::new();
        for byte in piece {
            match byte {
                b'\n' | b'\r' => {
                    let data = self.line.strip_prefix(b"data:");
                    events.extend(data.and_then(|data| serde_json::from_slice(data).ok()));
                    self.line.clear();
                }
                byte if self.line.len() < EVENT_LEN_MAX => self.line.push(*byte),
                _ => {
                    let url = "/v1/watch".to_owned();
                    return Err(HttpError::TooLong { url, limit: EVENT_LEN_MAX as u64 }.into());
                }
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(events: &mut Events, text: &str) -> Vec<u64> {
        events.read(text.as_bytes()).unwrap().into_iter().map(|event| event.change).collect()
    }

    #[test]
    fn events_are_read_in_whatever_pieces_they_come() {
        let text = ":\n\ndata: {\"change\":1,\"window_seconds\":60}\n\nevent: other\r\ndata:{\"change\":2,\"window_seconds\":0}\r\n\r\n\
                    data: none\n\ndata: {\"change\":-1,\"window_seconds\":1}\n\ndata: {\"change\":3,\"window_seconds\":1,\"more\":[]}\n\n";
        assert_eq!(read(&mut Events::default(), text), [1, 2, 3]);
        for cut in 0..text.len() {
            let mut events = Events::default();
            let halves = [&text[..cut], &text[cut..]].map(|half| read(&mut events, half)).concat();
            assert_eq!(halves, [1, 2, 3], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut events = Events::default();
        events.read(&[b'x'; EVENT_LEN_MAX]).unwrap();
        assert_eq!(events.read(b"x").unwrap_err().code(), "answer_too_long");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..8192)) {
            let _ = Events::default().read(&bytes);
        }
    }
}
