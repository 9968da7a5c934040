//! Finding body signatures in a haystack.
//!
//! The naive way tries each pattern at each byte ([`crate::naive`]). The idea here, from Wu and Manber (1994) and the Bloom-filter
//! scanners that followed (Hash-AV, BloomAV, SplitScreen), is to ask a cheap question at every `stride`-th byte only: could the
//! `width` bytes here lie within any signature's *anchor*, a run of fixed bytes that its linker chose? A word of a blocked Bloom
//! filter answers; most answers are no. A yes is looked up in a table of windows and becomes a *candidate*: a signature and
//! the place where its anchor would begin. Candidates are verified exactly, by the signature's program, so the answer is the
//! naive one.
//!
//! For example, an anchor of 15 bytes with windows of 8 at stride 8: its eight windows `[0..8], [1..9], … [7..15]` are stored. Wherever
//! the anchor lies in a file, exactly one of its eight possible windows begins at a multiple of 8 from the start of the file,
//! and so one of the windows that the scan asks for is stored. A run shorter than `width + stride - 1` is served by another tier, with
//! narrower windows or a smaller stride.
//!
//! Signatures tied to one offset are compared there ([`direct`]) and never enter a filter.

mod direct;
mod few;
mod filter;
mod program;
mod runs;
mod spans;
mod tier;

pub(crate) use direct::direct_hits;
pub use filter::Backend;
pub(crate) use program::{InRun, Literal, Outcome, Program, Workspace};
pub(crate) use tier::{Candidate, Hits, TierTable};
