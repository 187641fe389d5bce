//! Loops and products below the algorithms: vector loops, narrow and sparse products, Gram matrices, triangular solves,
//! gathered columns.

mod columns;
mod gather;
mod gram;
mod narrow_product;
mod pairwise_sum;
mod sparse_product;
mod triangular;
mod vector_loops;

pub(crate) use columns::{column, column_mut};
pub(crate) use gather::{gather_columns, to_dense};
pub(crate) use gram::{distance_from_identity, gram, inner_product, orthogonality};
pub(crate) use narrow_product::narrow_product;
use pairwise_sum::pairwise_sum;
pub(crate) use sparse_product::{gather_product, scatter_product};
pub(crate) use triangular::solve_on_the_right;
pub(crate) use vector_loops::{axpy, dot, max_abs, scale, scale_matrix, squared_norm, sum_of_squares, vectorized};
