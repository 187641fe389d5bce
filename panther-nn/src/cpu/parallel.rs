//! Pieces of slices of a fixed size on as many threads as there are, so that sums do not depend on their number.

use faer::Par;
use rayon::prelude::*;

/// Values of a piece: 64 KiB of f32.
pub(crate) const PIECE: usize = 16 * 1024;

/// `work` on pieces of `y` of `piece` values, with the index of the piece.
pub(crate) fn on_pieces<T: Send>(par: Par, piece: usize, y: &mut [T], work: impl Fn(usize, &mut [T]) + Send + Sync) {
    match par {
        Par::Rayon(_) if y.len() > piece => {
            y.par_chunks_mut(piece).enumerate().for_each(|(index, y)| work(index, y));
        }
        _ => y.chunks_mut(piece).enumerate().for_each(|(index, y)| work(index, y)),
    }
}

/// `work` on pairs of pieces of `x` and `y`, of the same length.
pub(crate) fn on_pairs<T: Sync, U: Send>(par: Par, x: &[T], y: &mut [U], work: impl Fn(&[T], &mut [U]) + Send + Sync) {
    on_pieces(par, PIECE, y, |index, y| work(&x[index * PIECE..][..y.len()], y));
}

/// `work` on each of `tasks`, with memory that those of one thread share.
pub(crate) fn on_each<W: Send, S>(
    par: Par,
    tasks: Vec<W>,
    memory: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, W) + Send + Sync,
) {
    match par {
        Par::Rayon(_) if tasks.len() > 1 => tasks.into_par_iter().for_each_init(memory, work),
        _ => {
            let mut memory = memory();
            tasks.into_iter().for_each(|task| work(&mut memory, task));
        }
    }
}
