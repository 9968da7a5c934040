//! Behaviour of the crate as its users see it.

mod anchors;
mod blobs;
mod deltas;
mod documents;
mod golden;
mod hostile;
mod models;
mod support;
