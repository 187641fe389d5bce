//! Features of queries and keys, a chunk of positions at a time, and the slopes that lead back through them.

use faer::{Accum, Mat, MatMut, MatRef, Par};
use panther_sketch::product;
use panther_sketch::simd::vectorized;

use crate::Scalar;
use crate::backend::{Arithmetic, AttentionInputs, AttentionKernel, AttentionSizes};
use crate::cpu::CpuTensor;
use crate::cpu::linear_attention::{CHUNK, Head, column, column_mut};

/// What the original package adds to each feature.
const ORIGINAL_EPSILON: f64 = 1e-5;

/// Ω with the scale of the inputs, and how to get from ω·x to features.
pub(super) struct FeatureMap<T: Scalar> {
    kernel: AttentionKernel,
    arithmetic: Arithmetic,
    /// Ω·s, m×d.
    projection: Mat<T>,
    /// s²/2: the exponents of a key contain −s²‖k‖²/2.
    half_square: T,
    /// Bounds of the exponents, so that sums and differences of two are finite.
    most: T,
    /// Bound of a relu feature, so that products of two and sums of those are finite.
    most_relu: T,
    /// The original's factor of a softmax feature, 1/√m.
    ratio: T,
}

macro_rules! reduction {
    ($(#[$doc:meta])* $name:ident, $start:expr, |$sum:ident, $x:ident, $y:ident| $step:expr, $join:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub(super) fn $name<T: Scalar>(a: &[T], b: &[T]) -> T {
            // Independent lanes, which become vectors.
            let mut lanes = [$start; 16];
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
            for (a, b) in a.iter().zip(b) {
                for (($sum, $x), $y) in lanes.iter_mut().zip(a).zip(b) {
                    *$sum = $step;
                }
            }
            for (($sum, $x), $y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
                *$sum = $step;
            }
            lanes.into_iter().fold($start, $join)
        }
    };
}

reduction!(
    /// Σ aᵢ·bᵢ.
    dot, T::ZERO, |sum, x, y| *sum + *x * *y, |a, b| a + b
);
reduction!(
    /// Σ aᵢ; b is a again.
    sum, T::ZERO, |sum, x, _y| *sum + *x, |a, b| a + b
);
reduction!(
    /// max aᵢ; b is a again.
    largest, T::LOWEST, |largest, x, _y| largest.larger(*x), T::larger
);
reduction!(
    /// max(aᵢ + bᵢ).
    largest_sum, T::LOWEST, |largest, x, y| largest.larger(*x + *y), T::larger
);
reduction!(
    /// max(aᵢ − bᵢ).
    largest_difference, T::LOWEST, |largest, x, y| largest.larger(*x - *y), T::larger
);

impl<T: Scalar> FeatureMap<T> {
    pub fn new(inputs: &AttentionInputs<'_, CpuTensor<T>>, sizes: &AttentionSizes) -> Self {
        let (m, d) = (sizes.features, sizes.head_dimension);
        let root = (m as f64).sqrt();
        let scale = match inputs.kernel {
            AttentionKernel::Softmax => (d as f64).powf(-0.25),
            AttentionKernel::Relu => root.recip(),
        };
        let projection = inputs.projection.as_slice();
        let most = T::from_f64(-0.25) * T::LOWEST;
        Self {
            kernel: inputs.kernel,
            arithmetic: inputs.arithmetic,
            projection: Mat::from_fn(m, d, |i, j| T::from_f64(scale) * projection[i * d + j]),
            half_square: T::from_f64(0.5 * scale * scale),
            most,
            most_relu: most.sqrt().sqrt(),
            ratio: T::from_f64(root.recip()),
        }
    }

    /// m.
    pub fn features(&self) -> usize {
        self.projection.nrows()
    }

    /// Room for the features of a chunk.
    pub fn room(&self) -> Mat<T> {
        Mat::zeros(self.features(), CHUNK)
    }

    /// How far above its base a key's exponent may lie where the base is that of keys before it: 1/ε², so that what the
    /// query's factor then loses to underflow does not count.
    pub fn headroom() -> T {
        T::from_f64(-2.0) * T::EPSILON.ln()
    }

    /// Below this a denominator counts as zero.
    pub fn least_denominator() -> T {
        T::MIN_POSITIVE * T::from_f64(T::EPSILON.to_f64().recip())
    }

    /// The largest exponents of no keys at all.
    pub fn no_keys(&self, head: &Head<'_, T>) -> Vec<T> {
        let base = match (self.kernel, self.arithmetic) {
            (AttentionKernel::Softmax, Arithmetic::Stable) => -self.most,
            (AttentionKernel::Softmax, Arithmetic::Original) => self.largest_projection(head),
            (AttentionKernel::Relu, _) => T::ZERO,
        };
        vec![base; self.features()]
    }

    /// The largest ω·k of all keys.
    fn largest_projection(&self, head: &Head<'_, T>) -> T {
        let mut products = self.room();
        let mut found = -self.most;
        for start in (0..head.key.ncols()).step_by(CHUNK) {
            let n = CHUNK.min(head.key.ncols() - start);
            self.project(head.key.subcols(start, n), &mut products);
            vectorized(|| {
                for j in 0..n {
                    let products = products.col_as_slice(j);
                    found = found.larger(largest(products, products));
                }
            });
        }
        found
    }

    /// Ω·s·x into the first columns of `out`.
    fn project(&self, x: MatRef<'_, T>, out: &mut Mat<T>) {
        let out = out.as_mut().subcols_mut(0, x.ncols());
        product(out, Accum::Replace, self.projection.as_ref(), x, T::ONE, Par::Seq);
    }

    /// The exponents of queries (for relu: what the relu is taken of).
    pub fn query_exponents(&self, queries: MatRef<'_, T>, out: &mut Mat<T>) {
        self.project(queries, out);
        let (most, half_square) = (self.most, self.half_square);
        match (self.kernel, self.arithmetic) {
            (AttentionKernel::Softmax, Arithmetic::Stable) => vectorized(|| {
                for j in 0..queries.ncols() {
                    out.col_as_slice_mut(j).iter_mut().for_each(|x| *x = bounded(*x, -most, most));
                }
            }),
            (AttentionKernel::Softmax, Arithmetic::Original) => vectorized(|| {
                for j in 0..queries.ncols() {
                    let (query, x) = (column(queries, j), out.col_as_slice_mut(j));
                    let shift = half_square * dot(query, query) + largest(x, x);
                    x.iter_mut().for_each(|x| *x -= shift);
                }
            }),
            (AttentionKernel::Relu, _) => {}
        }
    }

    /// The exponents of keys, with their −s²‖k‖²/2.
    pub fn key_exponents(&self, keys: MatRef<'_, T>, out: &mut Mat<T>) {
        self.project(keys, out);
        if self.kernel == AttentionKernel::Relu {
            return;
        }
        let (most, half_square) = (self.most, self.half_square);
        vectorized(|| {
            for j in 0..keys.ncols() {
                let key = column(keys, j);
                let square = half_square * dot(key, key);
                for x in out.col_as_slice_mut(j) {
                    *x = (*x - square).larger(-most);
                }
            }
        });
    }

    /// Whether there are maxima to keep: of the stable softmax features alone.
    const fn is_stable_softmax(&self) -> bool {
        matches!((self.kernel, self.arithmetic), (AttentionKernel::Softmax, Arithmetic::Stable))
    }

    /// Raises the largest exponents by those of one key.
    pub fn raise(&self, largest: &mut [T], exponents: &[T]) {
        if self.is_stable_softmax() {
            vectorized(|| largest.iter_mut().zip(exponents).for_each(|(m, x)| *m = m.larger(*x)));
        }
    }

    /// From a key's exponents to its features, e^base times too small; 0 where it is not attended.
    pub fn key_features(&self, x: &mut [T], base: &[T], is_attended: bool) {
        if !is_attended {
            x.fill(T::ZERO);
            return;
        }
        let headroom = Self::headroom();
        let (epsilon, ratio) = (T::from_f64(ORIGINAL_EPSILON), self.ratio);
        match (self.kernel, self.arithmetic) {
            (AttentionKernel::Softmax, Arithmetic::Stable) => vectorized(|| {
                for (x, base) in x.iter_mut().zip(base) {
                    let above = *x - *base;
                    let within = if above > headroom { headroom } else { above };
                    *x = within.exp();
                }
            }),
            (AttentionKernel::Softmax, Arithmetic::Original) => vectorized(|| {
                for (x, base) in x.iter_mut().zip(base) {
                    *x = ((*x - *base).exp() + epsilon) * ratio;
                }
            }),
            (AttentionKernel::Relu, _) => self.relu(x),
        }
    }

    /// From a query's exponents to its features, e^base times too large, and all by a factor such that with the bases
    /// `largest` they would be at most 1.
    pub fn query_features(&self, x: &mut [T], base: &[T], largest: &[T]) {
        let (epsilon, ratio) = (T::from_f64(ORIGINAL_EPSILON), self.ratio);
        match (self.kernel, self.arithmetic) {
            (AttentionKernel::Softmax, Arithmetic::Stable) => vectorized(|| {
                let top = largest_sum(x, largest);
                x.iter_mut().zip(base).for_each(|(x, base)| *x = (*x + *base - top).exp());
            }),
            (AttentionKernel::Softmax, Arithmetic::Original) => {
                vectorized(|| x.iter_mut().for_each(|x| *x = (x.exp() + epsilon) * ratio));
            }
            (AttentionKernel::Relu, _) => self.relu(x),
        }
    }

    fn relu(&self, x: &mut [T]) {
        let most = self.most_relu;
        let added = match self.arithmetic {
            Arithmetic::Stable => T::ZERO,
            Arithmetic::Original => T::from_f64(ORIGINAL_EPSILON),
        };
        vectorized(|| x.iter_mut().for_each(|x| *x = bounded(*x, T::ZERO, most) + added));
    }

    /// From the features f of a position and the gradient by them, less `weight`·`others`, to the gradient by their exponents, in
    /// place; gives its sum.
    pub fn slopes(&self, gradient: &mut [T], features: &[T], weight: T, others: &[T]) -> T {
        let most = self.most_relu;
        match self.kernel {
            AttentionKernel::Softmax => vectorized(|| {
                for ((g, f), other) in gradient.iter_mut().zip(features).zip(others) {
                    *g = *f * (*g - weight * *other);
                }
                sum(gradient, gradient)
            }),
            AttentionKernel::Relu => vectorized(|| {
                for ((g, f), other) in gradient.iter_mut().zip(features).zip(others) {
                    let is_inside = *f > T::ZERO && *f < most;
                    *g = if is_inside { *g - weight * *other } else { T::ZERO };
                }
                T::ZERO
            }),
        }
    }

    /// dx = (Ω·s)ᵀ·(gradient by the exponents), the backward pass through the projection.
    pub fn project_back(&self, exponents: MatRef<'_, T>, out: MatMut<'_, T>) {
        product(out, Accum::Replace, self.projection.transpose(), exponents, T::ONE, Par::Seq);
    }

    /// The gradients by keys, from `slopes`, the gradient by their features less `others`, which becomes that by their exponents.
    pub fn key_gradients(
        &self,
        slopes: &mut Mat<T>,
        features: &Mat<T>,
        others: &[T],
        keys: MatRef<'_, T>,
        mut out: MatMut<'_, T>,
    ) {
        let n = keys.ncols();
        let mut totals = [T::ZERO; CHUNK];
        for (j, total) in totals[..n].iter_mut().enumerate() {
            *total = self.slopes(slopes.col_as_slice_mut(j), features.col_as_slice(j), T::ONE, others);
        }
        self.project_back(slopes.as_ref().subcols(0, n), out.as_mut());
        for (j, total) in totals[..n].iter().enumerate() {
            // −s²‖k‖²/2 is in all exponents of the key.
            let factor = T::from_f64(-2.0) * self.half_square * *total;
            let (key, out) = (column(keys, j), column_mut(out.as_mut(), j));
            vectorized(|| out.iter_mut().zip(key).for_each(|(dk, k)| *dk += factor * *k));
        }
    }
}

/// x within two bounds; the lower where it is NaN.
#[inline(always)]
fn bounded<T: Scalar>(x: T, least: T, most: T) -> T {
    let x = x.larger(least);
    if x > most { most } else { x }
}
