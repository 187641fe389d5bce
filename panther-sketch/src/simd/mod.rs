//! Loops for the vector unit that the machine turns out to have: a building block of all crates of
//! Panther.
//!
//! [`vectorized`] compiles what is inlined into a closure for every instruction set of interest and
//! chooses one at run time; the reductions of slices are written to be inlined into it.
//!
//! ```
//! use panther_sketch::simd::{dot, vectorized};
//!
//! let (x, y) = (vec![2.0_f32; 1000], vec![0.5_f32; 1000]);
//! let product = vectorized(
//!     #[inline(always)]
//!     || dot(&x, &y),
//! );
//! assert_eq!(product, 1000.0);
//! ```

mod reductions;

pub use reductions::{LANES, dot, largest, max_abs, pairwise, sum, sum_of_pairs, sum_of_squares};

use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the widest vector instructions found at run time.
///
/// Only what is inlined into `work` is compiled that way, so `work`, the functions it calls and the
/// closures inside are marked `inline(always)`: the compiler may leave others behind, scalar and
/// with fused multiply–adds in software.
///
/// `work` is an `FnMut` although it is called once: the adapter by which an `Fn` closure becomes an
/// `FnOnce` is a function of its own, which is not inlined and would leave the loops scalar.
#[inline(always)]
pub fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}

struct Work<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Work<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
