//! The `titer` binary as a person or a program meets it.

mod admin;
mod agent;
mod artefacts;
mod care;
mod codes;
mod compile;
mod crash;
mod decisions;
mod fleet;
mod keys;
mod makers;
mod prices;
mod scan;
mod self_test;
mod serve;
mod sig;
mod support;
mod vectors;
