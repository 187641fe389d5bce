//! Loops over contiguous numbers, compiled for the widest vectors that the machine has.
//!
//! The sums keep a fixed number of partial sums, so their result does not depend on the machine's vector width.

use faer::prelude::*;
use panther_sketch::Real;

use crate::kernels::{column, column_mut};

/// Partial sums that a reduction keeps: four AVX2 registers of f32.
const LANES: usize = 32;

/// Defines a function whose body is compiled for the instruction set that is detected at run time.
///
/// Only what is inlined into the body is compiled so: it may call `inline(always)` functions, but a closure in it may be
/// left behind, scalar and calling `fma` in software.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<'a, T: Real>($($arg:ident: $ty:ty),* $(,)?) -> $ret:ty $body:block) => {
        $(#[$meta])*
        $vis fn $name<'a, T: Real>($($arg: $ty),*) -> $ret {
            struct Kernel<'a, T>($($ty,)* std::marker::PhantomData<&'a T>);
            impl<'a, T: Real> pulp::WithSimd for Kernel<'a, T> {
                type Output = $ret;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> $ret {
                    #[allow(unused_mut, reason = "some bodies write through their arguments, some do not")]
                    let Self($(mut $arg,)* _) = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Kernel($($arg,)* std::marker::PhantomData))
        }
    };
}
pub(crate) use vectorized;

vectorized! {
    /// a = α·a, for a matrix of ours.
    pub(crate) fn scale_matrix<'a, T: Real>(alpha: T, a: MatMut<'a, T>) -> () {
        for j in 0..a.ncols() {
            scale(alpha, column_mut(a.rb_mut(), j));
        }
    }
}

vectorized! {
    /// Σ aᵢⱼ² in double precision, for a matrix of ours.
    pub(crate) fn squared_norm<'a, T: Real>(a: MatRef<'a, T>) -> f64 {
        let mut sum = 0.0;
        for j in 0..a.ncols() {
            sum += sum_of_squares(1.0, column(a, j));
        }
        sum
    }
}

/// Entries of a dot product that are summed in the precision of the type.
const BLOCK: usize = 4096;

/// xᵀy. The sums of blocks are added in double precision with their rounding errors (Knuth's two-sum), so that the error
/// does not grow with the length.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let (mut sum, mut lost) = (0.0, 0.0);
    for (x, y) in x.chunks(BLOCK).zip(y.chunks(BLOCK)) {
        let term = dot_of_block(x, y).to_f64();
        let next: f64 = sum + term;
        let rounded_off = next - sum;
        lost += (sum - (next - rounded_off)) + (term - rounded_off);
        sum = next;
    }
    T::from_f64(sum + lost)
}

#[inline(always)]
fn dot_of_block<T: Real>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::ZERO; LANES];
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] = x[lane].mul_add(y[lane], sums[lane]);
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] = x.mul_add(*y, sums[lane]);
    }
    total(sums)
}

/// y += α·x.
#[inline(always)]
pub(crate) fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    for (x, y) in x.iter().zip(y) {
        *y = alpha.mul_add(*x, *y);
    }
}

/// x = α·x.
#[inline(always)]
pub(crate) fn scale<T: Real>(alpha: T, x: &mut [T]) {
    for x in x {
        *x *= alpha;
    }
}

/// max |xᵢ| and whether all are finite.
#[inline(always)]
pub(crate) fn max_abs<T: Real>(x: &[T]) -> (T, bool) {
    let mut largest = [T::ZERO; LANES];
    // 0·x is zero for finite x and NaN otherwise: a test without branches.
    let mut poison = [T::ZERO; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let x = chunk[lane].abs();
            largest[lane] = if x > largest[lane] { x } else { largest[lane] };
            poison[lane] = x.mul_add(T::ZERO, poison[lane]);
        }
    }
    for x in rest {
        let x = x.abs();
        largest[0] = if x > largest[0] { x } else { largest[0] };
        poison[0] = x.mul_add(T::ZERO, poison[0]);
    }
    let mut max = T::ZERO;
    let mut finite = true;
    for lane in 0..LANES {
        max = if largest[lane] > max { largest[lane] } else { max };
        finite &= poison[lane] == T::ZERO;
    }
    (max, finite)
}

/// Σ (α·xᵢ)², summed in double precision.
#[inline(always)]
pub(crate) fn sum_of_squares<T: Real>(alpha: f64, x: &[T]) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let x = alpha * chunk[lane].to_f64();
            sums[lane] = x.mul_add(x, sums[lane]);
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        let x = alpha * x.to_f64();
        sums[lane] += x * x;
    }
    total(sums)
}

/// The sum of the partial sums, pairwise.
#[inline(always)]
fn total<T: Real>(mut sums: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = sums[lane + half];
            sums[lane] += other;
        }
        half /= 2;
    }
    sums[0]
}
