//! The bounds that every result must keep. Each check gives the first one that is broken, with its numbers.
//!
//! The units are those of the project's promise: an error may exceed what theory allows by 50·max(m, n)·ε·‖A‖_F, and
//! columns are orthonormal if ‖QᵀQ − I‖_F ≤ 50·min(m, n)·ε. Both are about an order above what backward stable
//! algorithms leave on these sizes, and the same in both precisions.

use faer::{Mat, MatRef};
use panther_linalg::{NormSource, PivotedQr, Qb, Real, Rsvd};

use crate::measure::{Reference, orthogonality, to_double};

/// What a check returns: nothing, or what is wrong.
pub type Check = Result<(), String>;

/// 50·max(m, n)·ε·‖A‖_F.
#[must_use]
pub fn slack(reference: &Reference) -> f64 {
    50.0 * reference.rounding()
}

/// The promise for `rsvd` at its defaults: 1.01 of the best error of rank k, up to rounding.
#[must_use]
pub fn default_error(reference: &Reference, k: usize) -> f64 {
    1.01 * reference.best(k) + slack(reference)
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(message()) }
}

fn at_most(what: &str, found: f64, allowed: f64) -> Check {
    ensure(found <= allowed, || format!("{what}: {found:e}, allowed {allowed:e}"))
}

/// Everything that holds for any truncated SVD of k triplets, whose error may be `allowed` (on the reference's scale).
///
/// # Errors
/// The first bound that is broken.
pub fn rsvd<T: Real>(reference: &Reference, found: &Rsvd<T>, k: usize, allowed: f64) -> Check {
    let (m, n) = reference.shape();
    let shapes = (found.u.shape(), found.s.len(), found.v.shape());
    ensure(shapes == ((m, k), k, (n, k)), || format!("shapes {shapes:?} for {m}×{n} and {k} triplets"))?;
    let s: Vec<f64> = found.s.iter().map(|s| reference.scale(s.to_f64())).collect();
    descending(&s)?;
    orthonormal(reference, "U", found.u.as_ref())?;
    orthonormal(reference, "V", found.v.as_ref())?;
    let error = reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref());
    at_most("‖A − UΣVᵀ‖_F", error, allowed)?;
    singular_values(reference, &s, allowed)?;
    signs(found.u.as_ref())?;
    rsvd_rank(reference, found.rank, &s)?;
    norm(reference, found.norm, found.norm_source)?;
    estimate(reference, found.error_estimate, error, SVD_ESTIMATE)?;
    reported_orthogonality(reference, found)
}

/// Everything that holds for A ≈ QB, whose error may be `allowed` (on the reference's scale).
///
/// # Errors
/// The first bound that is broken.
pub fn qb<T: Real>(reference: &Reference, found: &Qb<Mat<T>>, allowed: f64) -> Check {
    let (m, n) = reference.shape();
    let (q, b) = (found.q.shape(), found.b.shape());
    ensure(q.0 == m && b.1 == n && q.1 == b.0, || format!("shapes {q:?} and {b:?} for {m}×{n}"))?;
    orthonormal(reference, "Q", found.q.as_ref())?;
    let error = reference.qb_error(found.q.as_ref(), found.b.as_ref());
    at_most("‖A − QB‖_F", error, allowed)?;
    norm(reference, found.norm, found.norm_source)?;
    estimate(reference, found.error_estimate, error, SVD_ESTIMATE)
}

/// Everything that holds for a pivoted QR, whose error may be `allowed` (on the reference's scale).
///
/// # Errors
/// The first bound that is broken.
pub fn pivoted_qr<T: Real>(reference: &Reference, found: &PivotedQr<T>, allowed: f64) -> Check {
    let (m, n) = reference.shape();
    let shapes = (found.q.shape(), found.r.shape());
    ensure(shapes == ((m, found.rank), (found.rank, n)), || {
        format!("shapes {shapes:?} for {m}×{n} and rank {}", found.rank)
    })?;
    permutation(&found.permutation, n)?;
    triangular(found.r.as_ref())?;
    orthonormal(reference, "Q", found.q.as_ref())?;
    let error = reference.qr_error(found.q.as_ref(), found.r.as_ref(), &found.permutation);
    at_most("‖AP − QR‖_F", error, allowed)?;
    norm(reference, found.norm, NormSource::Exact)?;
    estimate(reference, found.error_estimate, error, QR_ESTIMATE)
}

/// Q R = A with Q orthonormal and R upper triangular.
///
/// # Errors
/// The first bound that is broken.
pub fn thin_qr<T: Real>(reference: &Reference, q: MatRef<'_, T>, r: MatRef<'_, T>) -> Check {
    let (m, n) = reference.shape();
    let shapes = (q.shape(), r.shape());
    ensure(shapes == ((m, n), (n, n)), || format!("shapes {shapes:?} for {m}×{n}"))?;
    triangular(r)?;
    orthonormal(reference, "Q", q)?;
    let identity: Vec<usize> = (0..n).collect();
    at_most("‖A − QR‖_F", reference.qr_error(q, r, &identity), slack(reference))
}

/// ‖QᵀQ − I‖_F ≤ 50·min(m, n)·ε: the smaller side of A is the order of the orthogonal transformations behind Q, however
/// few of their columns are kept.
///
/// # Errors
/// If not.
pub fn orthonormal<T: Real>(reference: &Reference, what: &str, q: MatRef<'_, T>) -> Check {
    let (m, n) = reference.shape();
    let allowed = 50.0 * m.min(n) as f64 * T::EPSILON.to_f64();
    at_most(&format!("‖QᵀQ − I‖_F of {what}"), orthogonality(q), allowed)
}

fn descending(s: &[f64]) -> Check {
    ensure(s.iter().all(|&s| s >= 0.0) && s.is_sorted_by(|a, b| a >= b), || format!("σ does not descend to 0: {s:?}"))
}

/// A projection loses what it misses: σᵢ(UΣVᵀ) ≤ σᵢ, and Σ(σᵢ² − sᵢ²) = error² − best², so that no single sᵢ² falls
/// short of σᵢ² by more than that. Rounding comes on top.
fn singular_values(reference: &Reference, s: &[f64], allowed: f64) -> Check {
    let best = reference.best(s.len());
    let lost = (allowed * allowed - best * best).max(0.0);
    for (i, (&s, &exact)) in s.iter().zip(reference.singular_values()).enumerate() {
        let low = (exact * exact - lost).max(0.0).sqrt() - slack(reference);
        let high = exact + slack(reference);
        ensure((low..=high).contains(&s), || format!("σ[{i}] = {s:e}, exact {exact:e}, allowed {low:e}..={high:e}"))?;
    }
    Ok(())
}

fn signs<T: Real>(u: MatRef<'_, T>) -> Check {
    for j in 0..u.ncols() {
        let (mut at, mut largest) = (0, 0.0);
        for i in 0..u.nrows() {
            let size = u[(i, j)].to_f64().abs();
            if size > largest {
                (at, largest) = (i, size);
            }
        }
        let value = u[(at, j)].to_f64();
        ensure(value > 0.0, || format!("the largest entry of column {j} of U, in row {at}, is {value}"))?;
    }
    Ok(())
}

/// The rank is the number of singular values above max(m, n)·ε·σ₁, and the rank of A where that is beyond doubt.
fn rsvd_rank(reference: &Reference, rank: usize, s: &[f64]) -> Check {
    let (m, n) = reference.shape();
    let factor = (m.max(n) as f64).sqrt().max(4.0 * (m.min(n) as f64).sqrt());
    let threshold = factor * reference.epsilon() * s.first().copied().unwrap_or(0.0);
    let counted = s.iter().filter(|&&s| s > threshold).count();
    ensure(rank == counted, || format!("rank {rank}, but {counted} of the singular values count"))?;
    match reference.clear_rank() {
        Some(exact) => ensure(rank == exact.min(s.len()), || {
            format!("rank {rank} of a matrix of rank {exact}, {} triplets", s.len())
        }),
        None => Ok(()),
    }
}

fn norm(reference: &Reference, found: f64, source: NormSource) -> Check {
    // A sum of mn squares in the precision of A, or products with random vectors.
    let relative = match source {
        NormSource::Exact => reference.longer_side() * reference.epsilon(),
        NormSource::Estimated => 1.0,
    };
    let difference = (reference.scale(found) - reference.norm()).abs();
    at_most("difference of ‖A‖_F", difference, relative * reference.norm())
}

/// The most that an estimate of `rsvd` or `qb` may be of the true error: it is exact, or twice the root mean square over
/// 32 random vectors, which goes above 3 with a probability of 6·10⁻⁵ for a residual of rank one and less for others.
pub const SVD_ESTIMATE: f64 = 3.0;

/// The same for a pivoted QR, where it is ten times the root mean square over 8 random vectors: above 20 with a
/// probability of 10⁻⁴ at worst.
pub const QR_ESTIMATE: f64 = 20.0;

/// The estimate is not below the true error and not more than `factor` times it, where rounding and √ε·‖A‖_F (below
/// which ‖A‖² − ‖B‖² says nothing) do not blur the comparison.
///
/// # Errors
/// If it is.
pub fn estimate(reference: &Reference, estimate: f64, error: f64, factor: f64) -> Check {
    let estimate = reference.scale(estimate);
    let low = error * (1.0 - 1e-3) - reference.rounding();
    let high = factor * error + 2.0 * reference.epsilon().sqrt() * reference.norm();
    ensure((low..=high).contains(&estimate), || {
        format!("error estimate {estimate:e} of a true error {error:e}, allowed {low:e}..={high:e}")
    })
}

fn reported_orthogonality<T: Real>(reference: &Reference, found: &Rsvd<T>) -> Check {
    let measured = orthogonality(found.u.as_ref()).max(orthogonality(found.v.as_ref()));
    // Both are rounding errors, and the library measures its own in the precision under test, by inner products of
    // max(m, n) terms.
    let (m, n) = reference.shape();
    let blur = (10 * m.min(n) + m.max(n)) as f64 * T::EPSILON.to_f64();
    at_most("difference of the orthogonality reported", (found.orthogonality - measured).abs(), blur)
}

fn permutation(p: &[usize], n: usize) -> Check {
    let mut sorted = p.to_vec();
    sorted.sort_unstable();
    ensure(sorted.iter().copied().eq(0..n), || format!("not a permutation of 0..{n}: {p:?}"))
}

fn triangular<T: Real>(r: MatRef<'_, T>) -> Check {
    for j in 0..r.ncols() {
        for i in j + 1..r.nrows() {
            ensure(r[(i, j)] == T::ZERO, || format!("R[{i}, {j}] = {} below the diagonal", r[(i, j)].to_f64()))?;
        }
    }
    Ok(())
}

/// The bytes of a matrix, column by column, for comparing results bit by bit (−0 differs from 0).
#[must_use]
pub fn bits<T: Real>(a: &Mat<T>) -> Vec<u64> {
    let a = to_double(a.as_ref());
    (0..a.ncols()).flat_map(|j| a.col_as_slice(j).iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}
