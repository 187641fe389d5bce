//! Reductions of slices with a fixed number of partial results, which do not depend on the machine's vectors.

use crate::Scalar;

/// Partial results: four AVX2 registers of f32.
const LANES: usize = 32;

/// Σ f(x).
#[inline(always)]
pub(crate) fn sum<T: Scalar>(x: &[T], f: impl Fn(T) -> T) -> T {
    fold(x, T::ZERO, f, |a, b| a + b)
}

/// The largest f(x), or `least` where none is larger.
#[inline(always)]
pub(crate) fn largest<T: Scalar>(x: &[T], least: T, f: impl Fn(T) -> T) -> T {
    fold(x, least, f, T::larger)
}

/// Σ f(xᵢ, yᵢ).
#[inline(always)]
pub(crate) fn sum_of_pairs<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut sums = [T::ZERO; LANES];
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] += f(x[lane], y[lane]);
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] += f(*x, *y);
    }
    halved(sums, |a, b| a + b)
}

#[inline(always)]
fn fold<T: Scalar>(x: &[T], start: T, f: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], f(chunk[lane]));
        }
    }
    for (lane, x) in rest.iter().enumerate() {
        lanes[lane] = join(lanes[lane], f(*x));
    }
    halved(lanes, join)
}

/// All partial results as one, pair by pair.
#[inline(always)]
fn halved<T: Scalar>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}
