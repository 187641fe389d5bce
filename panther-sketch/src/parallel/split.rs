//! Cutting a matrix into neighboring pieces that threads write on their own.

use std::ops::Range;

use faer::MatMut;

/// Cuts columns into neighboring pieces of `width`, at least 1, the last of which may be narrower;
/// each comes with its range of columns.
pub fn split_columns<T: Send>(
    out: MatMut<'_, T>,
    width: usize,
) -> impl Iterator<Item = (Range<usize>, MatMut<'_, T>)> + Send {
    let width = width.clamp(1, out.ncols().max(1));
    let pieces = out.ncols().div_ceil(width);
    let mut rest = Some(out);
    // Not `from_fn`: the loops read the number of pieces from the range.
    (0..pieces).filter_map(move |k| {
        let all = rest.take()?;
        let taken = width.min(all.ncols());
        let (piece, tail) = all.split_at_col_mut(taken);
        rest = Some(tail);
        Some((k * width..k * width + taken, piece))
    })
}

/// Cuts rows into neighboring pieces of `height`, as [`split_columns`].
pub fn split_rows<T: Send>(
    out: MatMut<'_, T>,
    height: usize,
) -> impl Iterator<Item = (Range<usize>, MatMut<'_, T>)> + Send {
    split_columns(out.transpose_mut(), height).map(|(rows, piece)| (rows, piece.transpose_mut()))
}
