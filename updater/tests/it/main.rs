//! Behaviour of service, makers and agents together: over real HTTP on loopback, in temporary folders.
#![allow(missing_docs)]

mod bundles;
mod clocks;
mod crash;
mod damage;
mod partial;
mod probation;
mod publications;
mod refusals;
mod self_tests;
mod staging;
mod starting;
mod support;
mod switching;
mod updates;
