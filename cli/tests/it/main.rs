//! The `titer` binary as a person or a program meets it.

mod artefacts;
mod compile;
mod fleet;
mod scan;
mod support;
