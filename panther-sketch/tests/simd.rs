//! The reductions of slices against plain loops, at every remainder of their lanes.

use panther_sketch::Real;
use panther_sketch::simd::{dot, largest, max_abs, sum, sum_of_pairs, sum_of_squares, vectorized};

fn values<T: Real>(count: usize) -> Vec<T> {
    (0..count).map(|k| T::from_f64(((k * 37 + 11) % 101) as f64 / 8.0 - 6.0)).collect()
}

/// Multiples of 1/8 below 2⁷, so that sums of products are exact in both precisions.
fn check<T: Real>() {
    for count in (0..=100).chain([1000, 1023]) {
        let (x, mut y) = (values::<T>(count), values::<T>(count + 5));
        y.reverse();
        let reference =
            |f: &dyn Fn(f64, f64) -> f64| -> f64 { x.iter().zip(&y).map(|(x, y)| f(x.to_f64(), y.to_f64())).sum() };
        let results = vectorized(
            #[inline(always)]
            || [dot(&x, &y), dot(&y, &x), sum_of_pairs(&x, &y, |x, y| x - y), sum(&x, |x| x + x)],
        );
        let expected =
            [reference(&|x, y| x * y), reference(&|x, y| x * y), reference(&|x, y| x - y), reference(&|x, _| 2.0 * x)];
        assert_eq!(results.map(T::to_f64), expected, "{count} of {}", T::NAME);
        assert_eq!(sum_of_squares(0.5, &x), reference(&|x, _| x * x / 4.0));
        let most = x.iter().map(|x| x.to_f64().abs()).fold(0.0, f64::max);
        assert_eq!(max_abs(&x), (T::from_f64(most), true));
        let top = x.iter().map(|x| -x.to_f64()).fold(-9.0, f64::max);
        assert_eq!(largest(&x, T::from_f64(-9.0), |x| T::ZERO - x).to_f64(), top);
    }
}

#[test]
fn reductions_of_exact_values_are_exact() {
    check::<f32>();
    check::<f64>();
}

#[test]
fn max_abs_sees_every_entry_that_is_not_finite() {
    for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for k in 0..70 {
            let mut x = values::<f64>(70);
            x[k] = poison;
            assert!(!max_abs(&x).1, "{poison} at {k}");
        }
    }
}
