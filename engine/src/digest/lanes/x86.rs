//! The lanes compiled for vectors that not every processor has. Nothing here but the calls that are right only where it has them.
#![allow(unsafe_code)]

use super::{Block, FEW, Loops, State, compress};

/// The widest loops of this processor; `None` when it has no wider vectors than all have.
pub(super) fn best() -> Option<Loops<16>> {
    available().next()
}

/// All wider loops of this processor, the widest first.
pub(super) fn available() -> impl Iterator<Item = Loops<16>> {
    let has_avx512 =
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") && is_x86_feature_detected!("avx512bw");
    let avx512 = has_avx512.then_some(Loops {
        // SAFETY: this value is made only where the processor has the features, and that is all the function asks for.
        all: |state, lanes, count| unsafe { all_avx512(state, lanes, count) },
        // SAFETY: as above.
        few: |state, lanes, count| unsafe { few_avx512(state, lanes, count) },
    });
    let avx2 = is_x86_feature_detected!("avx2").then_some(Loops {
        // SAFETY: as above, for AVX2.
        all: |state, lanes, count| unsafe { all_avx2(state, lanes, count) },
        // SAFETY: as above, for AVX2.
        few: |state, lanes, count| unsafe { few_avx2(state, lanes, count) },
    });
    avx512.into_iter().chain(avx2)
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn all_avx512(state: &mut State<16>, lanes: &[&[Block]; 16], count: usize) {
    compress(state, lanes, count);
}

#[target_feature(enable = "avx512f,avx512vl,avx512bw")]
fn few_avx512(state: &mut State<FEW>, lanes: &[&[Block]; FEW], count: usize) {
    compress(state, lanes, count);
}

#[target_feature(enable = "avx2")]
fn all_avx2(state: &mut State<16>, lanes: &[&[Block]; 16], count: usize) {
    compress(state, lanes, count);
}

#[target_feature(enable = "avx2")]
fn few_avx2(state: &mut State<FEW>, lanes: &[&[Block]; FEW], count: usize) {
    compress(state, lanes, count);
}
