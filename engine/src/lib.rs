//! Titer's scanning engine.
#![deny(unsafe_code)]

pub mod pattern;
