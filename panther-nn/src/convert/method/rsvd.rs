//! Factors from a randomized SVD: the best approximation of rank 2Tk.

use faer::{Accum, Mat, MatRef, Par};
use panther_linalg::{RsvdOptions, Target, rsvd};
use panther_sketch::product;

use super::problem::{Pair, Problem};
use crate::{NnError, Scalar};

/// M̂ = G·Vᵀ with G = M·V, V the leading right singular vectors of M: the best approximation of its rank (Eckart and
/// Young 1936). With inputs, V is that of X·M: ‖XM − XMVVᵀ‖ is then the least possible for ‖XM − XM̂‖, and nothing need be
/// inverted, so that X may lack rank.
///
/// All of it is done in double precision: in single precision directions below n·ε·σ₁ are rounding errors, and with them goes the
/// last digit of what a steep spectrum leaves.
pub(super) fn factors<T: Scalar>(problem: &Problem<'_, T>) -> Result<Pair<T>, NnError> {
    let (m, inputs) = (in_double(problem.weight.matrix()), problem.inputs.map(in_double));
    let (down, up) = in_double_factors(problem, m.as_ref(), inputs.as_ref().map(|x| x.as_ref()))?;
    Ok((rounded(down.as_ref()), rounded(up.as_ref())))
}

fn in_double_factors<T: Scalar>(
    problem: &Problem<'_, T>,
    m: MatRef<'_, f64>,
    inputs: Option<MatRef<'_, f64>>,
) -> Result<Pair<f64>, NnError> {
    let (par, count) = (problem.par, 2.0 * problem.num_terms as f64);
    let (d_in, d_out) = m.shape();
    let width = 2 * problem.half;
    // 1. G and V.
    let rank = width.min(d_in.min(d_out));
    let (g, v) = projected(m, inputs, rank, problem.seed, par)?;
    // 2. The first of them with U1 = V₁ᵀ fixed, S1 = 2T·G₁ learned.
    let (mut down, mut up) = (Mat::zeros(d_in, width), Mat::zeros(width, d_out));
    let first = problem.frozen_up().min(rank);
    down.subcols_mut(0, first).copy_from(faer::Scale(count) * g.subcols(0, first));
    up.subrows_mut(0, first).copy_from(v.subcols(0, first).transpose());
    // 3. The others with U2 fixed, the left singular vectors of G₂ = U₂·Σ·Wᵀ, S2 = 2T·Σ·Wᵀ·V₂ᵀ learned.
    let rest = rank - first;
    if rest > 0 {
        let svd = rsvd(&g.subcols(first, rest), Target::Rank(rest), &seeded(problem.seed), par)?;
        let coefficients = Mat::from_fn(rest, rest, |i, j| count * svd.s[i] * svd.v[(j, i)]);
        down.subcols_mut(problem.half, rest).copy_from(&svd.u);
        let s2 = up.subrows_mut(problem.half, rest);
        product(s2, Accum::Replace, coefficients.as_ref(), v.subcols(first, rest).transpose(), 1.0, par);
    }
    Ok((down, up))
}

/// G, d_in×rank, and V, d_out×rank.
fn projected<T: Scalar>(
    m: MatRef<'_, T>,
    inputs: Option<MatRef<'_, T>>,
    rank: usize,
    seed: u64,
    par: Par,
) -> Result<Pair<T>, NnError> {
    let Some(x) = inputs else {
        let v = rsvd(&m, Target::Rank(rank), &seeded(seed), par)?.v;
        return Ok((times(m, v.as_ref(), par), v));
    };
    let outputs = times(x, m, par);
    let svd = rsvd(&outputs, Target::Rank(rank.min(x.nrows())), &seeded(seed), par)?;
    let found = svd.rank.min(rank);
    let (mut g, mut v) = (Mat::zeros(m.nrows(), rank), Mat::zeros(m.ncols(), rank));
    v.subcols_mut(0, found).copy_from(svd.v.subcols(0, found));
    product(g.subcols_mut(0, found), Accum::Replace, m, v.subcols(0, found), T::ONE, par);
    if found < rank {
        // The outputs are met; what is left of the rank goes to the weights themselves.
        let mut rest = m.to_owned();
        product(rest.as_mut(), Accum::Add, g.subcols(0, found), v.subcols(0, found).transpose(), -T::ONE, par);
        let others = rsvd(&rest, Target::Rank(rank - found), &seeded(seed), par)?.v;
        g.subcols_mut(found, rank - found).copy_from(times(rest.as_ref(), others.as_ref(), par));
        v.subcols_mut(found, rank - found).copy_from(&others);
    }
    Ok((g, v))
}

fn in_double<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64())
}

fn rounded<T: Scalar>(a: MatRef<'_, f64>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::from_f64(a[(i, j)]))
}

pub(in crate::convert) fn seeded(seed: u64) -> RsvdOptions {
    RsvdOptions { seed, ..RsvdOptions::default() }
}

/// A·B.
pub(in crate::convert) fn times<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product(out.as_mut(), Accum::Replace, a, b, T::ONE, par);
    out
}
