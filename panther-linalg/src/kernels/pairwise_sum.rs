//! Sums over many groups of rows, taken pairwise and in parallel.

use std::ops::Range;

use faer::prelude::*;

/// Σ `term(group)` over consecutive groups of `group_rows` rows, the last one shorter.
///
/// Neighbors are added first, then neighboring sums: the rounding of N terms grows as log₂ N, not as N, and the order
/// depends on the sizes alone, so that the bytes do not depend on the number of threads. ⌈log₂ N⌉ + 1 sums are held per
/// thread.
pub(crate) fn pairwise_sum(
    rows: Range<usize>,
    group_rows: usize,
    par: Par,
    term: &(impl Fn(Range<usize>) -> Mat<f64> + Sync),
) -> Mat<f64> {
    let groups = rows.len().div_ceil(group_rows);
    if groups <= 1 {
        return term(rows);
    }
    let middle = rows.start + groups.div_ceil(2) * group_rows;
    let top = || pairwise_sum(rows.start..middle, group_rows, par, term);
    let bottom = || pairwise_sum(middle..rows.end, group_rows, par, term);
    let (mut sum, other) = match par {
        Par::Seq => (top(), bottom()),
        Par::Rayon(_) => rayon::join(top, bottom),
    };
    sum += other;
    sum
}
