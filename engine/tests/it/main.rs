//! Behaviour of the engine as its callers see it.

mod cache;
mod damage;
mod document;
mod equivalence;
mod files;
mod limits;
mod normalisation;
mod runs;
mod support;
mod targets;
mod whole_corpora;
