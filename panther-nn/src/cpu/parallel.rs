//! Pieces of slices of a fixed size on at most the threads of `Par`, so that sums do not depend on their number.

use faer::Par;
use panther_sketch::parallel;

/// Values of a piece: 64 KiB of f32.
pub(crate) const PIECE: usize = 16 * 1024;

/// `work` on pieces of `y` of `piece` values, with the index of the piece.
pub(crate) fn on_pieces<T: Send>(par: Par, piece: usize, y: &mut [T], work: impl Fn(usize, &mut [T]) + Send + Sync) {
    parallel::for_each(par, y.chunks_mut(piece).enumerate(), |(index, y)| work(index, y));
}

/// `work` on pairs of pieces of `x` and `y`, of the same length.
pub(crate) fn on_pairs<T: Sync, U: Send>(par: Par, x: &[T], y: &mut [U], work: impl Fn(&[T], &mut [U]) + Send + Sync) {
    on_pieces(par, PIECE, y, |index, y| work(&x[index * PIECE..][..y.len()], y));
}

/// `work` on each of `tasks`, with memory that those of one thread share.
pub(crate) fn on_each<W: Send, S: Send>(
    par: Par,
    tasks: Vec<W>,
    memory: impl Fn() -> S,
    work: impl Fn(&mut S, W) + Send + Sync,
) {
    let threads = parallel::threads(par).min(tasks.len());
    let mut memories: Vec<S> = (0..threads).map(|_| memory()).collect();
    if threads > 0 {
        parallel::for_each_with(&mut memories, tasks, work);
    }
}
