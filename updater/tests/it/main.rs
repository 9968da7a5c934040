//! Behaviour of service, makers and agents together: over real HTTP on loopback, in temporary folders.
#![allow(missing_docs)]

mod back_off;
mod bundles;
mod clocks;
mod crash;
mod damage;
mod decisions;
mod deltas;
mod idle;
mod maker_keys;
mod partial;
mod probation;
mod publications;
mod ranges;
mod reaching;
mod refusals;
mod replicas;
mod resume;
mod root;
mod self_tests;
mod slow_and_endless;
mod staging;
mod starting;
mod support;
mod switching;
mod threats;
mod updates;
mod watching;
mod withdrawal;
