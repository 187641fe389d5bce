//! Random sketch operators S, d×n, scaled so that E\[SᵀS\] = I: S·A keeps the geometry of the
//! columns of A in d rows.
//!
//! | family | entries | S·A, A n×p | extra memory | when | literature | Panther for PyTorch |
//! |---|---|---|---|---|---|---|
//! | [`Gaussian`] | N(0, 1/d) | 2dnp flops | panel of S | the safest guarantees | Halko, Martinsson, Tropp 2011 | `gaussian` (dense sketch) |
//! | [`Rademacher`] | ±1/√d | 2dnp flops | panel of S | as Gaussian, bounded entries | Achlioptas 2003 | scaled sign sketch |
//! | [`Uniform`] | U(−√3, √3)/√d | 2dnp flops | panel of S | as Gaussian, bounded entries | RandBLAS | `uniform` |
//! | [`SparseSign`] | ζ per column, ±1/√ζ | ζ·nnz(A) additions | d×p sums | first choice; sparse A; streams | SJLT, OSNAP, "SASO"; ζ = 1 CountSketch | sparse sketch operator (SASO) |
//! | [`LessUniform`] | ζ per row, sampled | dζp additions | d·ζ draws, in blocks | A of low coherence, fewest reads | LESS-uniform, "LASO" | sparse sketch operator (LASO) |
//! | [`Srht`] | ±1/√d | np log d additions | n signs | many columns, structured guarantee | Tropp 2011 | SRHT |
//!
//! ζ is called `vec_nnz`. [`Distribution`] names a family at run time; each family is also a type
//! of its own. All of them multiply dense views of any strides and sparse matrices through
//! [`SketchOperator`].
//!
//! **Determinism.** Entry (i, j) is a function of (family, seed, d, n, i, j) alone, the same draws
//! for f32 and f64, and products are the same bytes for any number of threads. The words and the
//! rules by which they become entries are written down in [`stream`] and in each family, so that
//! another device can draw the same operator.
//!
//! ```
//! use faer::{Mat, Par};
//! use panther_sketch::{Distribution, SketchOperator};
//!
//! let a = Mat::<f64>::from_fn(500, 4, |i, j| ((i * (j + 1)) as f64).sin());
//! let s = Distribution::SparseSign { vec_nnz: 8 }.operator::<f64>(200, 500, 42)?;
//! let sketch = s.left(a.as_ref().into(), Par::Seq)?;
//! // Norms are kept to about 1/√d.
//! assert!((sketch.norm_l2() / a.norm_l2() - 1.0).abs() < 0.2);
//! # Ok::<(), panther_sketch::SketchError>(())
//! ```

mod check;
mod dense;
mod distribution;
mod error;
mod input;
mod memory;
mod operator;
pub mod parallel;
mod product;
mod scalar;
pub mod seed;
pub mod simd;
mod sparse;
mod srht;
pub mod stream;
mod tile;

pub use dense::{Gaussian, Rademacher, Uniform};
pub use distribution::Distribution;
pub use error::SketchError;
pub use input::Input;
pub use memory::{try_resize, try_vec, try_zeros};
pub use operator::SketchOperator;
pub use product::product;
pub use scalar::Real;
pub use sparse::{LessUniform, SparseSign};
pub use srht::Srht;
