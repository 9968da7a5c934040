//! The `titer` binary as a person or a program meets it.

mod artefacts;
mod compile;
mod crash;
mod fleet;
mod prices;
mod scan;
mod sig;
mod support;
