//! Loops over contiguous numbers, compiled for the widest vectors that the machine has.
//!
//! The sums keep a fixed number of partial sums, so their result does not depend on the machine's vector width.

use panther_sketch::Real;

/// Partial sums that a reduction keeps: four AVX2 registers of f32.
const LANES: usize = 32;

/// Runs `f` compiled for the instruction set that was detected at run time.
#[inline]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// xᵀy.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
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
        *x = *x * alpha;
    }
}

/// max |xᵢ| and whether all are finite.
#[inline(always)]
pub(crate) fn max_abs<T: Real>(x: &[T]) -> (T, bool) {
    let mut largest = [T::ZERO; LANES];
    // 0·x is zero for finite x and NaN otherwise: a test without branches.
    let mut poison = [T::ZERO; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut one = |lane: usize, x: T| {
        let magnitude = x.abs();
        largest[lane] = if magnitude > largest[lane] { magnitude } else { largest[lane] };
        poison[lane] = x.mul_add(T::ZERO, poison[lane]);
    };
    for chunk in chunks {
        for (lane, x) in chunk.iter().enumerate() {
            one(lane, *x);
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        one(lane, *x);
    }
    let max = largest.into_iter().fold(T::ZERO, |max, x| if x > max { x } else { max });
    (max, poison.into_iter().all(|p| p == T::ZERO))
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
            sums[lane] = sums[lane] + sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
