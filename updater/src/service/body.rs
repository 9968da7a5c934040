//! A long body, taken piece by piece: no more of it is kept than was asked for, and no sender is waited for without end.

use axum::Error;
use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// Bytes that are read and thrown away after a refusal, so that the sender comes to read it: one whose connection is closed
/// while it still sends may never see the answer.
const DISCARDED_MAX: usize = 16 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Why no more of a body could be had.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It ended after so many of the bytes that were asked for.
    Short(usize),
    /// Its next piece did not come in time.
    Slow,
    /// The connection broke off, or the body does not have its form.
    Broken(Error),
}

/// A body that is read in order.
pub(crate) struct BodyReader {
    pieces: BodyDataStream,
    /// What came and was not taken yet.
    rest: Bytes,
    /// Longest wait for the next piece.
    patience: Duration,
}

impl BodyReader {
    pub(crate) fn new(body: Body, patience: Duration) -> Self {
        BodyReader { pieces: body.into_data_stream(), rest: Bytes::new(), patience }
    }

    /// The next `length` bytes. Memory grows with what has come, not with what was announced.
    pub(crate) async fn take(&mut self, length: usize) -> Result<Vec<u8>, BodyError> {
        let mut taken = Vec::new();
        while taken.len() < length {
            if self.rest.is_empty() && !self.more().await? {
                return Err(BodyError::Short(taken.len()));
            }
            let wanted = self.rest.len().min(length - taken.len());
            taken.extend_from_slice(&self.rest.split_to(wanted));
        }
        Ok(taken)
    }

    /// Bytes that have come beyond what was taken: 0 at the end of the body, else not all of them.
    pub(crate) async fn surplus(&mut self) -> Result<usize, BodyError> {
        while self.rest.is_empty() && self.more().await? {}
        Ok(self.rest.len())
    }

    /// Reads what is left, within bounds, and throws it away.
    pub(crate) async fn discard(&mut self) {
        let discard = async {
            let mut discarded = 0;
            while discarded < DISCARDED_MAX && matches!(self.more().await, Ok(true)) {
                discarded += self.rest.len();
            }
        };
        // Whoever is slower has to do without the answer.
        let _ = timeout(DISCARD_TIMEOUT, discard).await;
    }

    /// Fetches the next piece; false at the end.
    async fn more(&mut self) -> Result<bool, BodyError> {
        match timeout(self.patience, self.pieces.next()).await.map_err(|_| BodyError::Slow)? {
            None => Ok(false),
            Some(Ok(piece)) => {
                self.rest = piece;
                Ok(true)
            }
            Some(Err(error)) => Err(BodyError::Broken(error)),
        }
    }
}
