//! Running independent pieces of work on as many threads as `Par` says.

use std::ops::Range;

use faer::{MatMut, Par};
use rayon::prelude::*;

/// How many threads `par` asks for.
pub(crate) fn threads(par: Par) -> usize {
    match par {
        Par::Seq => 1,
        Par::Rayon(threads) => threads.get(),
    }
}

/// Runs `work` on every item. Items must not depend on each other: their order is not fixed.
pub(crate) fn for_each<I: Send>(par: Par, items: Vec<I>, work: impl Fn(I) + Send + Sync) {
    let threads = threads(par);
    if threads <= 1 || items.len() <= 1 {
        items.into_iter().for_each(work);
    } else {
        // Pieces no smaller than this are at most `threads` pieces.
        let least = items.len().div_ceil(threads);
        items.into_par_iter().with_min_len(least).for_each(work);
    }
}

/// Cuts columns into neighbouring pieces of `width`, the last of which may be narrower.
pub(crate) fn split_columns<T>(out: MatMut<'_, T>, width: usize) -> Vec<(Range<usize>, MatMut<'_, T>)> {
    let mut pieces = Vec::new();
    let (mut rest, mut start) = (out, 0);
    while rest.ncols() > 0 {
        let taken = width.clamp(1, rest.ncols());
        let (piece, tail) = rest.split_at_col_mut(taken);
        pieces.push((start..start + taken, piece));
        (rest, start) = (tail, start + taken);
    }
    pieces
}

/// Cuts rows into neighbouring pieces of `height`, the last of which may be lower.
pub(crate) fn split_rows<T>(out: MatMut<'_, T>, height: usize) -> Vec<(Range<usize>, MatMut<'_, T>)> {
    split_columns(out.transpose_mut(), height).into_iter().map(|(rows, piece)| (rows, piece.transpose_mut())).collect()
}
