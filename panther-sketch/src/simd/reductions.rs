//! Reductions of slices, to be inlined into [`vectorized`](super::vectorized) code.
//!
//! Each keeps [`LANES`] partial results and joins them pairwise, so its bytes do not depend on the
//! width of the machine's vectors.

use crate::Real;

/// Partial results of a reduction: four AVX2 registers of f32.
pub const LANES: usize = 32;

/// Terms of [`dot`] that are summed in the precision of the type.
const STRETCH: usize = 4096;

/// xᵀy, each term fused into its partial sum. The longer slice is cut to the length of the other.
///
/// The sums of stretches are added in double precision with their rounding errors (Knuth's two-sum),
/// so that the error does not grow with the length.
#[inline(always)]
pub fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    if x.len() <= STRETCH {
        return short_dot(x, y);
    }
    let (mut sum, mut lost) = (0.0, 0.0);
    for (x, y) in x.chunks(STRETCH).zip(y.chunks(STRETCH)) {
        let term = short_dot(x, y).to_f64();
        let next: f64 = sum + term;
        let rounded_off = next - sum;
        lost += (sum - (next - rounded_off)) + (term - rounded_off);
        sum = next;
    }
    T::from_f64(sum + lost)
}

#[inline(always)]
fn short_dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut sums = [T::ZERO; LANES];
    let (x_chunks, x_rest, y_chunks, y_rest) = chunks(x, y);
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] = x[lane].mul_add(y[lane], sums[lane]);
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] = x.mul_add(*y, sums[lane]);
    }
    pairwise(sums, |a, b| a + b)
}

/// Σ (α·xᵢ)², summed in double precision.
#[inline(always)]
pub fn sum_of_squares<T: Real>(alpha: f64, x: &[T]) -> f64 {
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
    pairwise(sums, |a, b| a + b)
}

/// max |xᵢ| and whether all are finite. The maximum is over the entries that are not NaN.
#[inline(always)]
pub fn max_abs<T: Real>(x: &[T]) -> (T, bool) {
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
    let finite = pairwise(poison, |a, b| a + b) == T::ZERO;
    (pairwise(largest, |a, b| if a > b { a } else { b }), finite)
}

/// Σ f(xᵢ).
#[inline(always)]
pub fn sum<T: Real>(x: &[T], f: impl Fn(T) -> T) -> T {
    fold(x, T::ZERO, f, |a, b| a + b)
}

/// The largest f(xᵢ), or `least` where none is larger. What is NaN is taken only where it comes
/// last: callers exclude it.
#[inline(always)]
pub fn largest<T: Real>(x: &[T], least: T, f: impl Fn(T) -> T) -> T {
    fold(x, least, f, |a, b| if a > b { a } else { b })
}

/// Σ f(xᵢ, yᵢ). The longer slice is cut to the length of the other.
#[inline(always)]
pub fn sum_of_pairs<T: Real>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut sums = [T::ZERO; LANES];
    let (x_chunks, x_rest, y_chunks, y_rest) = chunks(x, y);
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] += f(x[lane], y[lane]);
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] += f(*x, *y);
    }
    pairwise(sums, |a, b| a + b)
}

/// Partial results as one: the upper half joins the lower until one is left.
#[inline(always)]
pub fn pairwise<T: Copy>(mut lanes: [T; LANES], join: impl Fn(T, T) -> T) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}

#[inline(always)]
fn fold<T: Real>(x: &[T], start: T, f: impl Fn(T) -> T, join: impl Fn(T, T) -> T) -> T {
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
    pairwise(lanes, join)
}

/// Two slices of the shorter one's length as chunks of lanes, and what is left of each.
#[inline(always)]
#[allow(clippy::type_complexity, reason = "two pairs of what `as_chunks` returns")]
fn chunks<'a, T>(x: &'a [T], y: &'a [T]) -> (&'a [[T; LANES]], &'a [T], &'a [[T; LANES]], &'a [T]) {
    let length = x.len().min(y.len());
    let ((x_chunks, x_rest), (y_chunks, y_rest)) = (x[..length].as_chunks(), y[..length].as_chunks());
    (x_chunks, x_rest, y_chunks, y_rest)
}
