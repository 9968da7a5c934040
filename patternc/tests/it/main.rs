//! Behaviour of the crate as its users see it.

mod anchors;
mod blobs;
mod containers;
mod deltas;
mod documents;
mod golden;
mod hostile;
mod ignores;
mod kinds;
mod models;
mod signatures;
mod support;
