//! Behaviour of service, makers and agents together: over real HTTP on loopback, in temporary folders.
#![allow(missing_docs)]

mod back_off;
mod crash;
mod damage;
mod deltas;
mod idle;
mod partial;
mod publications;
mod ranges;
mod reaching;
mod refusals;
mod resume;
mod slow_and_endless;
mod starting;
mod support;
mod switching;
mod updates;
