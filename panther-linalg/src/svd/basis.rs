//! From a target to a basis that meets it: the common part of [`rsvd`](crate::rsvd()), [`qb`](crate::qb()) and
//! [`range_finder`](crate::range_finder()).

use std::ops::Range;

use faer::prelude::*;
use panther_sketch::Real;

use crate::estimate::gaussian;
use crate::operator::Scaled;
use crate::operator::scaled_norm;
use crate::seed::derive_seed;
use crate::svd::error_probe::ErrorProbe;
use crate::svd::projection::{Projection, fitted};
use crate::svd::range_finder::{Plan, VERIFICATION};
use crate::svd::small_svd::{Svd, thin_svd};
use crate::{Input, LinalgError, LinearOperator, NormSource, RsvdOptions, RsvdPath, ScaledNorm, Target};

/// Below this multiple of ε·‖A‖² the difference ‖A‖² − ‖B‖² has too few digits left (Yu, Gu and Li 2018, section 3).
pub const CANCELLED: f64 = 1e4;

/// Rounding errors of ‖A‖² − ‖B‖², as a multiple of ε·‖A‖²: what is added to make it a bound.
pub const ROUNDING: f64 = 200.0;

/// A Krylov basis has converged when its last step brought no more than this part of what is left: the next ones
/// bring about as much again.
pub const UNCONVERGED: f64 = 0.03;

/// A fresh block may not bring more than this part of what is left, or the Krylov space has missed something.
pub const MISSED: f64 = 0.02;

/// Times that a basis is deepened or started afresh.
pub const EXTENSIONS: usize = 12;

/// Directions of the first extension for a tolerance; later ones are half of what there is.
pub const FIRST_BLOCK: usize = 32;

/// Random vectors for a norm that only products can tell.
const NORM_VECTORS: usize = 32;

/// Q, W and T, with the SVD of QᵀA.
pub(crate) struct Basis<'a, T, A: ?Sized> {
    pub(crate) projection: Projection<'a, T, A>,
    /// QᵀA = Û Σ V̂ᵀWᵀ.
    pub(crate) svd: Svd<T>,
    pub(crate) size: ScaledNorm,
    pub(crate) norm_source: NormSource,
    pub(crate) path: RsvdPath,
    /// Random vectors for where ‖A‖² − ‖B‖² cannot tell the error.
    pub(crate) probe: Option<ErrorProbe<T>>,
}

/// The target, if A has as many columns and rows as it asks for.
pub(crate) fn checked<T: Real, A: LinearOperator<T> + ?Sized>(a: &A, target: Target) -> Result<Target, LinalgError> {
    checked_for_shape((a.nrows(), a.ncols()), target)
}

/// The target, if a matrix of this shape has as many columns and rows as it asks for.
pub fn checked_for_shape(shape: (usize, usize), target: Target) -> Result<Target, LinalgError> {
    let most = shape.0.min(shape.1);
    if most == 0 {
        return Err(LinalgError::Empty { argument: "a", shape });
    }
    let (argument, rank) = match target {
        Target::Rank(rank) => ("rank", rank),
        Target::Tolerance { relative, max_rank } => {
            if !(relative > 0.0 && relative < 1.0) {
                let requirement = "above 0 and below 1";
                return Err(LinalgError::InvalidNumber { argument: "tolerance", requirement, got: relative });
            }
            ("max_rank", max_rank.unwrap_or(most))
        }
    };
    if rank == 0 || rank > most {
        return Err(LinalgError::OutOfRange { argument, low: 1, high: most, got: rank });
    }
    Ok(target)
}

/// Builds the basis for a checked target.
pub(crate) fn build_basis<'a, T: Real, A: LinearOperator<T> + ?Sized>(
    a: &'a A,
    target: Target,
    options: &RsvdOptions,
    par: Par,
) -> Result<Basis<'a, T, A>, LinalgError> {
    // A family that cannot be drawn is refused also where nothing is drawn in the end.
    fitted(options.distribution, 1, a.ncols()).operator::<T>(1, a.ncols(), options.seed)?;
    let (size, norm_source) = match a.scaled_norm(par)? {
        Some(size) => (size, NormSource::Exact),
        None => (estimated_norm(a, options.seed, par)?, NormSource::Estimated),
    };
    let plan = Plan::new(options);
    let capacity = match target {
        Target::Rank(rank) => plan.growth(sampled(rank, options)).saturating_add(VERIFICATION),
        Target::Tolerance { .. } => plan.growth(FIRST_BLOCK),
    };
    let most = a.nrows().min(a.ncols());
    let scaled = Scaled::new(a, size.exponent);
    let mut projection =
        Projection::new(scaled, size.frobenius, capacity.min(most), options.distribution, options.seed, par);
    if norm_source == NormSource::Estimated {
        projection.count(NORM_VECTORS);
    }
    let svd = Svd { u: Mat::zeros(0, 0), s: Vec::new(), v: Mat::zeros(0, 0) };
    let mut basis = Basis { projection, svd, size, norm_source, path: RsvdPath::Randomized, probe: None };
    if size.frobenius == 0.0 {
        basis.path = RsvdPath::Zero;
        return Ok(basis);
    }
    match target {
        Target::Rank(rank) if capacity >= most => basis.be_exact().map(|()| rank)?,
        Target::Rank(rank) => basis.grow_to_rank(plan, rank, options).map(|()| rank)?,
        Target::Tolerance { relative, max_rank } => {
            let max_rank = max_rank.unwrap_or(most);
            basis.grow_to_tolerance(plan, relative, max_rank, options).map(|()| max_rank)?
        }
    };
    Ok(basis)
}

/// k + p.
pub fn sampled(rank: usize, options: &RsvdOptions) -> usize {
    rank.saturating_add(options.oversampling.unwrap_or_else(|| rank.div_ceil(10).max(10)))
}

/// ‖A‖_F of a matrix-free operator from products with random vectors.
fn estimated_norm<T: Real, A: LinearOperator<T> + ?Sized>(
    a: &A,
    seed: u64,
    par: Par,
) -> Result<ScaledNorm, LinalgError> {
    let g = gaussian::<T>(a.ncols(), NORM_VECTORS, derive_seed(seed, u64::MAX - 2))?;
    let mut image = Mat::zeros(a.nrows(), NORM_VECTORS);
    a.apply(image.as_mut(), g.as_ref(), par);
    let size = scaled_norm("A·X", Input::Dense(image.as_ref()), par)?;
    Ok(ScaledNorm { frobenius: size.frobenius / (NORM_VECTORS as f64).sqrt(), ..size })
}

impl<T: Real, A: LinearOperator<T> + ?Sized> Basis<'_, T, A> {
    /// The full SVD: A is written out by one product with the identity from its cheaper side.
    fn be_exact(&mut self) -> Result<(), LinalgError> {
        let projection = &mut self.projection;
        let (m, n) = (projection.a.operator.nrows(), projection.a.operator.ncols());
        let Svd { u, s, v } = if m >= n {
            let a = projection.apply(Mat::identity(n, n).as_ref())?;
            thin_svd("rsvd", a.as_ref(), projection.par)?
        } else {
            let a = projection.apply_adjoint(Mat::identity(m, m).as_ref())?;
            let Svd { u, s, v } = thin_svd("rsvd", a.as_ref(), projection.par)?;
            Svd { u: v, s, v: u }
        };
        let r = s.len();
        projection.t = Mat::from_fn(r, r, |i, j| if i == j { s[i] } else { T::ZERO });
        projection.q = u;
        projection.w = v;
        self.svd = Svd { u: Mat::identity(r, r), s, v: Mat::identity(r, r) };
        self.path = RsvdPath::Exact;
        Ok(())
    }

    fn grow_to_rank(&mut self, plan: Plan, rank: usize, options: &RsvdOptions) -> Result<(), LinalgError> {
        let columns = sampled(rank, options);
        let end = plan.extend(&mut self.projection, columns, VERIFICATION)?;
        self.solve()?;
        // Subspace iteration has blocks as large as any multiplicity that matters, and a fixed number of steps.
        let Some(mut end) = end else { return Ok(()) };
        for _ in 0..EXTENSIONS {
            let left = self.unexplained(rank);
            if self.energy_of(end.last.clone(), rank) > UNCONVERGED * left {
                if !plan.adaptive || !end.deepen(&mut self.projection)? {
                    break;
                }
            } else if self.energy_of(end.fresh.clone(), rank) > MISSED * left {
                self.path = RsvdPath::Replenished;
                match plan.extend(&mut self.projection, columns, VERIFICATION)? {
                    Some(new_end) => end = new_end,
                    None => break,
                }
            } else {
                break;
            }
            self.solve()?;
        }
        Ok(())
    }

    /// What these columns of Q contribute to the energy of the leading `rank` triplets.
    fn energy_of(&self, columns: Range<usize>, rank: usize) -> f64 {
        let contribution = |i: usize| {
            let part = self.svd.u.as_ref().submatrix(columns.start, i, columns.len(), 1);
            part.squared_norm_l2().to_f64() * self.svd.s[i].to_f64().powi(2)
        };
        (0..rank.min(self.svd.s.len())).map(contribution).sum()
    }

    fn grow_to_tolerance(
        &mut self,
        plan: Plan,
        relative: f64,
        max_rank: usize,
        options: &RsvdOptions,
    ) -> Result<(), LinalgError> {
        let most = self.projection.a.operator.nrows().min(self.projection.a.operator.ncols());
        let largest = sampled(max_rank, options).min(most);
        let target = (relative * self.size.frobenius).powi(2);
        loop {
            let before = self.projection.q.ncols();
            let columns = FIRST_BLOCK.max(before / 2).min(largest);
            // Beyond half of the smaller side the exact SVD is cheaper.
            if before + plan.growth(columns) > most / 2 {
                return self.be_exact();
            }
            plan.extend(&mut self.projection, columns, 0)?;
            self.solve()?;
            let after = self.projection.q.ncols();
            if self.squared_error(after)?.0 <= target || after == before || after >= largest {
                return Ok(());
            }
        }
    }

    fn solve(&mut self) -> Result<(), LinalgError> {
        self.svd = thin_svd("rsvd", self.projection.t.transpose(), self.projection.par)?;
        Ok(())
    }

    /// ‖A‖² less the energy of the leading `rank` triplets, which must not be trusted below [`CANCELLED`].
    fn left_after(&self, rank: usize) -> f64 {
        let captured: f64 = self.svd.s.iter().take(rank).map(|s| s.to_f64().powi(2)).sum();
        self.size.frobenius.powi(2) - captured
    }

    /// What new directions are to be measured against: what is left, or where that has cancelled what of it the basis
    /// has seen, with the rounding errors of T.
    fn unexplained(&self, rank: usize) -> f64 {
        let total = self.size.frobenius.powi(2);
        let left = self.left_after(rank);
        if self.norm_source == NormSource::Exact && left > CANCELLED * T::EPSILON.to_f64() * total {
            return left;
        }
        let seen: f64 = self.svd.s.iter().skip(rank).map(|s| s.to_f64().powi(2)).sum();
        let larger = self.projection.q.nrows().max(self.projection.w.nrows()) as f64;
        seen + (larger * T::EPSILON.to_f64()).powi(2) * total
    }

    /// An upper bound of ‖A − U_kΣ_kV_kᵀ‖² (A scaled), and the probability that it is none.
    pub(crate) fn squared_error(&mut self, rank: usize) -> Result<(f64, f64), LinalgError> {
        let total = self.size.frobenius.powi(2);
        let rounding = T::EPSILON.to_f64() * total;
        let left = self.left_after(rank);
        if self.norm_source == NormSource::Exact && left > CANCELLED * rounding {
            return Ok((left + ROUNDING * rounding, 0.0));
        }
        if self.probe.is_none() {
            self.probe = Some(ErrorProbe::new(&mut self.projection)?);
        }
        let probe = self
            .probe
            .as_ref()
            .map(|probe| probe.squared_error(&self.projection, &self.svd, rank, self.size.frobenius));
        Ok(probe.unwrap_or((total, 0.0)))
    }
}
