//! Behaviour of the engine as its callers see it.

mod cache;
mod damage;
mod digests;
mod document;
mod equivalence;
mod files;
mod imports;
mod limits;
mod logical;
mod normalisation;
mod pictures;
mod runs;
mod support;
mod targets;
mod whole_corpora;
