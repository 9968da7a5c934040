//! Behaviour of the crate as its users see it.

mod blobs;
mod deltas;
mod documents;
mod golden;
mod hostile;
mod support;
