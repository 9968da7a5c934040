//! What `tough` fetches through.

use crate::http::Client;
use crate::tuf::{self, METADATA_LEN_MAX};
use futures_util::stream;
use std::future::ready;
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream};
use url::Url;

/// Gives `tough` the shared client, and the four top roles only, each after a look at its form.
///
/// `tough` would fetch every maker's role and stop at the first bad one, so that one maker could hide all others. Asked for a
/// maker's role, this transport says that there is none; `tough` then stops, after it has verified and kept root, timestamp,
/// snapshot and targets, and the caller verifies the makers it needs, each by itself.
#[derive(Clone, Debug)]
pub(crate) struct MetadataTransport(pub(crate) Client);

#[tough::async_trait]
impl Transport for MetadataTransport {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let file = url.path_segments().and_then(Iterator::last).unwrap_or_default();
        let Some(role) = tuf::top_role(file) else {
            return Err(TransportError::new(TransportErrorKind::FileNotFound, &url));
        };
        let client = &self.0;
        let fetched = client.fetch(&url, METADATA_LEN_MAX, &mut |_| {}).await;
        match fetched {
            Ok(bytes) => Ok(once(match tuf::check_file(role, &bytes) {
                Ok(()) => Ok(Bytes::from(bytes)),
                Err(e) => Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, e)),
            })),
            Err(e) if e.is_missing() => Err(TransportError::new_with_cause(TransportErrorKind::FileNotFound, &url, e)),
            // `tough` takes any error returned here for "there is no newer root"; one inside the stream ends the update.
            Err(e) => Ok(once(Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, e)))),
        }
    }
}

fn once(item: Result<Bytes, TransportError>) -> TransportStream {
    Box::pin(stream::once(ready(item)))
}
