//! What the data of the corpus must hold to.

mod clean;
mod formats;
mod seeds;
