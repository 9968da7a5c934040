//! Behaviour of service, makers and agents together: over real HTTP on loopback, in temporary folders.
#![allow(missing_docs)]

mod audit;
mod back_off;
mod bundles;
mod clocks;
mod crash;
mod damage;
mod deltas;
mod idle;
mod limits;
mod maker_keys;
mod metrics;
mod news;
mod openapi;
mod partial;
mod probation;
mod publications;
mod ranges;
mod reaching;
mod refusals;
mod replicas;
mod resume;
mod roles;
mod root;
mod self_tests;
mod slow_and_endless;
mod sources;
mod staging;
mod starting;
mod support;
mod switching;
mod threats;
mod tls;
mod updates;
mod watching;
mod withdrawal;
