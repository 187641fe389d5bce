//! Errors and orthogonality, measured in double precision whatever the precision under test.
//!
//! Everything about A is measured on A·2^−e, e the exponent of its largest entry: the scaling is exact, and nothing
//! that is squared overflows or underflows.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::{Auto, Mat, MatRef, Par, Spec};
use panther_linalg::Real;

/// The matrix that results are compared with, scaled by a power of two, and its exact singular values.
pub struct Reference {
    scaled: Mat<f64>,
    exponent: i32,
    sigma: Vec<f64>,
    norm: f64,
    epsilon: f64,
}

impl Reference {
    /// Scales `a` and takes its singular values with faer's SVD in double precision.
    #[must_use]
    pub fn new<T: Real>(a: MatRef<'_, T>) -> Self {
        Self::with_epsilon(to_double(a), T::EPSILON.to_f64())
    }

    fn with_epsilon(a: Mat<f64>, epsilon: f64) -> Self {
        let exponent = exponent_of(largest(a.as_ref()));
        let scaled = Mat::from_fn(a.nrows(), a.ncols(), |i, j| times_power_of_two(a[(i, j)], -exponent));
        let norm = frobenius(scaled.as_ref());
        let sigma = exact_singular_values(scaled.as_ref());
        Self { scaled, exponent, sigma, norm, epsilon }
    }

    /// m and n.
    #[must_use]
    pub fn shape(&self) -> (usize, usize) {
        self.scaled.shape()
    }

    /// max(m, n).
    #[must_use]
    pub fn longer_side(&self) -> f64 {
        self.scaled.nrows().max(self.scaled.ncols()) as f64
    }

    /// ε of the precision that A came in.
    #[must_use]
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Exact singular values of the scaled matrix, descending.
    #[must_use]
    pub fn singular_values(&self) -> &[f64] {
        &self.sigma
    }

    /// ‖A‖_F, scaled.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// The best error of rank k in the Frobenius norm, scaled: √(σ²ₖ₊₁ + …).
    #[must_use]
    pub fn best(&self, k: usize) -> f64 {
        // Smallest first, so that nothing small is lost.
        self.sigma[k.min(self.sigma.len())..].iter().rev().map(|s| s * s).sum::<f64>().sqrt()
    }

    /// max(m, n)·ε·‖A‖_F, scaled: the unit that rounding is measured in.
    #[must_use]
    pub fn rounding(&self) -> f64 {
        self.longer_side() * self.epsilon * self.norm
    }

    /// A quantity with the units of A, such as an error estimate, on the scale of this reference.
    #[must_use]
    pub fn scale(&self, x: f64) -> f64 {
        times_power_of_two(x, -self.exponent)
    }

    /// τ·σ₁, above which a singular value counts for the rank: τ = ε·max(√l, 4√s), l = max(m, n), s = min(m, n).
    #[must_use]
    pub fn rank_threshold(&self) -> f64 {
        let (m, n) = self.shape();
        let factor = (m.max(n) as f64).sqrt().max(4.0 * (m.min(n) as f64).sqrt());
        factor * self.epsilon * self.sigma.first().copied().unwrap_or(0.0)
    }

    /// The rank, if there is no doubt about it: every singular value is either above 10·max(m, n)·ε·‖A‖_F or below half of
    /// the threshold, as rounding A to the precision it has may leave them.
    #[must_use]
    pub fn clear_rank(&self) -> Option<usize> {
        let rank = self.sigma.iter().take_while(|&&s| s > 10.0 * self.rounding()).count();
        let rest = self.sigma.get(rank).copied().unwrap_or(0.0);
        (rest <= 0.5 * self.rank_threshold()).then_some(rank)
    }

    /// ‖A − U·diag(s)·Vᵀ‖_F, scaled.
    #[must_use]
    pub fn svd_error<T: Real>(&self, u: MatRef<'_, T>, s: &[T], v: MatRef<'_, T>) -> f64 {
        let mut us = to_double(u);
        for (j, s) in s.iter().enumerate() {
            let s = self.scale(s.to_f64());
            us.col_as_slice_mut(j).iter_mut().for_each(|x| *x *= s);
        }
        self.distance(self.scaled.as_ref(), us.as_ref(), to_double(v).transpose())
    }

    /// ‖A − QB‖_F, scaled.
    #[must_use]
    pub fn qb_error<T: Real>(&self, q: MatRef<'_, T>, b: MatRef<'_, T>) -> f64 {
        self.distance(self.scaled.as_ref(), to_double(q).as_ref(), self.scaled_double(b).as_ref())
    }

    /// ‖A − QQᵀA‖_F, scaled.
    #[must_use]
    pub fn projection_error<T: Real>(&self, q: MatRef<'_, T>) -> f64 {
        let q = to_double(q);
        let b = q.transpose() * &self.scaled;
        self.distance(self.scaled.as_ref(), q.as_ref(), b.as_ref())
    }

    /// ‖A[:, P] − QR‖_F, scaled.
    #[must_use]
    pub fn qr_error<T: Real>(&self, q: MatRef<'_, T>, r: MatRef<'_, T>, permutation: &[usize]) -> f64 {
        let (m, n) = self.shape();
        let permuted = Mat::from_fn(m, n, |i, j| self.scaled[(i, permutation[j])]);
        self.distance(permuted.as_ref(), to_double(q).as_ref(), self.scaled_double(r).as_ref())
    }

    /// |Rᵢᵢ| of faer's column-pivoted Householder QR, scaled.
    #[must_use]
    pub fn classical_pivots(&self) -> Vec<f64> {
        let (m, n) = self.shape();
        if self.norm == 0.0 {
            // faer divides by the norm here.
            return vec![0.0; m.min(n)];
        }
        let qr = self.scaled.col_piv_qr();
        (0..m.min(n)).map(|i| qr.R()[(i, i)].abs()).collect()
    }

    fn scaled_double<T: Real>(&self, x: MatRef<'_, T>) -> Mat<f64> {
        Mat::from_fn(x.nrows(), x.ncols(), |i, j| self.scale(x[(i, j)].to_f64()))
    }

    fn distance(&self, a: MatRef<'_, f64>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> f64 {
        let mut difference = a.to_owned();
        // An empty inner dimension (rank 0) leaves A.
        faer::linalg::matmul::matmul(&mut difference, faer::Accum::Add, left, right, -1.0, Par::Seq);
        frobenius(difference.as_ref())
    }
}

/// ‖QᵀQ − I‖_F.
#[must_use]
pub fn orthogonality<T: Real>(q: MatRef<'_, T>) -> f64 {
    let q = to_double(q);
    let gram = q.transpose() * &q;
    let defect = Mat::from_fn(q.ncols(), q.ncols(), |i, j| gram[(i, j)] - f64::from(u8::from(i == j)));
    frobenius(defect.as_ref())
}

/// The same numbers in double precision.
#[must_use]
pub fn to_double<T: Real>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64())
}

/// ‖A‖_F of a matrix whose squares do not overflow; NaN if an entry is.
#[must_use]
pub fn frobenius(a: MatRef<'_, f64>) -> f64 {
    let columns = (0..a.ncols()).map(|j| (0..a.nrows()).map(|i| a[(i, j)] * a[(i, j)]).sum::<f64>());
    columns.sum::<f64>().sqrt()
}

/// The rank of a matrix of small integers, exactly: elimination modulo the prime 2³¹ − 1.
///
/// It is the rank over the rationals as long as no minor reaches the prime, which Hadamard's bound (size·√order)^order
/// rules out for entries up to 2 and order up to 11.
#[must_use]
pub fn integer_rank<T: Real>(a: MatRef<'_, T>) -> usize {
    const P: i64 = (1 << 31) - 1;
    let (m, n) = a.shape();
    let mut rows: Vec<Vec<i64>> =
        (0..m).map(|i| (0..n).map(|j| (a[(i, j)].to_f64() as i64).rem_euclid(P)).collect()).collect();
    let mut rank = 0;
    for j in 0..n {
        let Some(pivot) = (rank..m).find(|&i| rows[i][j] != 0) else { continue };
        rows.swap(rank, pivot);
        let (done, rest) = rows.split_at_mut(rank + 1);
        let top = &done[rank];
        for row in rest.iter_mut().filter(|row| row[j] != 0) {
            // Multiplied through instead of divided: no inverse needed.
            let (scale, factor) = (top[j], row[j]);
            for (x, &t) in row.iter_mut().zip(top) {
                *x = (*x * scale - t * factor).rem_euclid(P);
            }
        }
        rank += 1;
    }
    rank
}

/// Singular values, descending, of a matrix whose squares do not overflow: faer's SVD, always on one thread, whatever
/// parallelism a test has asked for. Two of its short cuts are left out: it would begin with a QR for tall matrices, which
/// treats a column as dependent once 16·m·ε of it is left, and divide and conquer from 128 columns on, which does not
/// converge on some matrices of rank one.
///
/// # Panics
/// If the iteration does not converge.
#[must_use]
pub fn exact_singular_values(a: MatRef<'_, f64>) -> Vec<f64> {
    let (m, n) = a.shape();
    let mut s = Diag::<f64>::zeros(m.min(n));
    let no = ComputeSvdVectors::No;
    let params = Spec::new(SvdParams {
        qr_ratio_threshold: f64::INFINITY,
        recursion_threshold: usize::MAX,
        ..<SvdParams as Auto<f64>>::auto()
    });
    let mut memory = MemBuffer::new(svd_scratch::<f64>(m, n, no, no, Par::Seq, params));
    svd(a, s.as_mut(), None, None, Par::Seq, MemStack::new(&mut memory), params).expect("the SVD converges");
    (0..m.min(n)).map(|i| s[i]).collect()
}

/// e with 2^e ≤ x < 2^(e+1), and 0 for x = 0.
fn exponent_of(x: f64) -> i32 {
    if x == 0.0 {
        return 0;
    }
    let estimate = x.log2().floor() as i32;
    // The logarithm of a number next to a power of two may be rounded to the wrong side.
    (estimate - 1..=estimate + 1).rev().find(|&e| times_power_of_two(1.0, e) <= x).unwrap_or(estimate)
}

/// x·2^e in two steps: 2^e alone may leave the range where the product does not.
fn times_power_of_two(x: f64, e: i32) -> f64 {
    let half = e / 2;
    x * 2f64.powi(half) * 2f64.powi(e - half)
}

fn largest(a: MatRef<'_, f64>) -> f64 {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)].abs())).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_survives_the_whole_range() {
        for x in [1.0, 0.75, 5e-324, f64::MIN_POSITIVE, f64::MAX, 1e150, 1e-150] {
            let e = exponent_of(x);
            let y = times_power_of_two(x, -e);
            assert!((1.0..2.0).contains(&y), "{x:e} {e} {y}");
        }
    }

    #[test]
    fn norm_and_best_error_of_a_large_diagonal() {
        let a = Mat::from_fn(3, 2, |i, j| if i == j { [3e200, 4e200][i] } else { 0.0 });
        let reference = Reference::new::<f64>(a.as_ref());
        assert!((reference.norm() / reference.scale(5e200) - 1.0).abs() < 1e-15);
        assert!((reference.best(1) / reference.scale(3e200) - 1.0).abs() < 1e-15);
        assert_eq!(reference.best(2), 0.0);
        assert_eq!(reference.clear_rank(), Some(2));
    }

    #[test]
    fn errors_see_what_they_should() {
        let a = Mat::from_fn(4, 3, |i, j| if i == j { (j + 1) as f64 } else { 0.0 });
        let reference = Reference::new::<f64>(a.as_ref());
        let q = Mat::from_fn(4, 3, |i, j| f64::from(u8::from(i == j)));
        let r = Mat::from_fn(3, 3, |i, j| if i == j { [3.0, 1.0, 2.0][i] } else { 0.0 });
        // Columns of A in the order 2, 0, 1 are 3e₂, e₀, 2e₁; Q of the same order makes the product exact.
        let shuffled = Mat::from_fn(4, 3, |i, j| q[(i, [2, 0, 1][j])]);
        assert_eq!(reference.qr_error(shuffled.as_ref(), r.as_ref(), &[2, 0, 1]), 0.0);
        assert!(reference.qr_error(q.as_ref(), r.as_ref(), &[2, 0, 1]) > 0.1);
        assert_eq!(reference.svd_error(q.as_ref(), &[1.0, 2.0, 3.0], q.get(0..3, ..)), 0.0);
        assert_eq!(orthogonality(q.as_ref()), 0.0);
    }

    #[test]
    fn integer_rank_is_exact() {
        let a = Mat::from_fn(3, 3, |i, j| (3 * i + j) as f64);
        assert_eq!(integer_rank(a.as_ref()), 2);
        assert_eq!(integer_rank(Mat::<f64>::zeros(2, 2).as_ref()), 0);
        assert_eq!(integer_rank(Mat::<f64>::identity(4, 3).as_ref()), 3);
    }
}
