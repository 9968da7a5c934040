//! What is committed is what the programs make.

mod committed;
