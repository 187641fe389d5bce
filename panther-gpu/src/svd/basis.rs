//! From a target to a basis that meets it: the common part of [`rsvd`](crate::rsvd()), [`qb`](crate::qb()) and
//! [`range_finder`](crate::range_finder()), by the rules of panther-linalg.

use std::ops::Range;

use panther_linalg::rules::{
    CANCELLED, EXTENSIONS, FIRST_BLOCK, MISSED, Plan, ROUNDING, UNCONVERGED, VERIFICATION, exponent_of, fitted, sampled,
};
use panther_linalg::{LinalgError, RangeFinder, RsvdOptions, RsvdPath, ScaledNorm, Target};

use crate::matrix::entries::{identity, scale_rows};
use crate::matrix::growing::Growing;
use crate::matrix::norms::{column_energies, scaled_norm};
use crate::matrix::scaling::NearOne;
use crate::svd::block_krylov::{KrylovEnd, block_krylov};
use crate::svd::error_bound::ErrorEstimate;
use crate::svd::factors::Svd;
use crate::svd::projection::Projection;
use crate::svd::small_svd::{projected_svd, thin_svd};
use crate::svd::subspace_iteration::subspace_iteration;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// Q, W and T, with the SVD of QᵀA.
pub(crate) struct Basis<'a, T> {
    pub(crate) projection: Projection<'a, T>,
    /// QᵀA = Û Σ V̂ᵀWᵀ.
    pub(crate) svd: Svd<T>,
    /// ‖A‖_F of the matrix that the projection sees.
    pub(crate) frobenius: f64,
    /// The power of two that was taken out of A.
    pub(crate) exponent: i32,
    pub(crate) size: ScaledNorm,
    pub(crate) path: RsvdPath,
    /// Random vectors, drawn where ‖A‖² − ‖B‖² has lost its digits to cancellation.
    error_estimate: Option<ErrorEstimate<T>>,
}

/// Builds the basis for a checked target, and hands it on.
pub(crate) fn build_basis<T: DeviceReal, R>(
    a: MatrixRef<'_, T>,
    target: Target,
    options: &RsvdOptions,
    finish: impl FnOnce(&mut Basis<'_, T>) -> Result<R, GpuError>,
) -> Result<R, GpuError> {
    // A family that cannot be drawn is refused also where nothing is drawn in the end.
    fitted(options.distribution, 1, a.ncols()).operator::<T>(1, a.ncols(), options.seed).map_err(LinalgError::from)?;
    let size = scaled_norm("a", a)?;
    let near_one = NearOne::new(a, &size)?;
    let plan = Plan::new(options);
    let capacity = match target {
        Target::Rank(rank) => plan.growth(sampled(rank, options)).saturating_add(VERIFICATION),
        Target::Tolerance { .. } => plan.growth(FIRST_BLOCK),
    };
    let most = a.nrows().min(a.ncols());
    let frobenius = near_one.frobenius(&size);
    let projection =
        Projection::new(near_one.view(), frobenius, capacity.min(most), options.distribution, options.seed)?;
    let nothing = || Matrix::zeros(a.device, 0, 0);
    let mut basis = Basis {
        projection,
        svd: Svd { u: nothing()?, s: Vec::new(), v: nothing()? },
        frobenius,
        exponent: near_one.exponent(),
        size,
        path: RsvdPath::Randomized,
        error_estimate: None,
    };
    if frobenius == 0.0 {
        basis.path = RsvdPath::Zero;
        return finish(&mut basis);
    }
    match target {
        Target::Rank(_) if capacity >= most => basis.be_exact()?,
        Target::Rank(rank) => basis.grow_to_rank(&plan, rank, options)?,
        Target::Tolerance { relative, max_rank } => {
            basis.grow_to_tolerance(&plan, relative, max_rank.unwrap_or(most), options)?;
        }
    }
    finish(&mut basis)
}

impl<T: DeviceReal> Basis<'_, T> {
    /// The full SVD.
    fn be_exact(&mut self) -> Result<(), GpuError> {
        let projection = &mut self.projection;
        let device = projection.a.device;
        let Svd { u, s, v } = thin_svd("rsvd", projection.a, exponent_of(self.frobenius))?;
        let r = s.len();
        projection.passes += 1;
        projection.product_columns += r;
        projection.q = Growing::new(device, u.nrows(), r)?;
        projection.q.append(u.as_ref())?;
        projection.w = Growing::new(device, v.nrows(), r)?;
        projection.w.append(v.as_ref())?;
        let mut t = identity(device, r)?;
        let sigma: Vec<f64> = s.iter().map(|s| s.to_f64()).collect();
        scale_rows(&mut t, &sigma)?;
        projection.t = t;
        self.svd = Svd { u: identity(device, r)?, s, v: identity(device, r)? };
        self.path = RsvdPath::Exact;
        Ok(())
    }

    fn grow_to_rank(&mut self, plan: &Plan, rank: usize, options: &RsvdOptions) -> Result<(), GpuError> {
        let columns = sampled(rank, options);
        let end = extend(plan, &mut self.projection, columns, VERIFICATION)?;
        self.solve()?;
        // Subspace iteration has blocks as large as any multiplicity that matters, and a fixed number of steps.
        let Some(mut end) = end else { return Ok(()) };
        for _ in 0..EXTENSIONS {
            let left = self.unexplained(rank);
            if self.energy_of(end.last.clone(), rank)? > UNCONVERGED * left {
                if !plan.adaptive || !end.deepen(&mut self.projection)? {
                    break;
                }
            } else if self.energy_of(end.fresh.clone(), rank)? > MISSED * left {
                self.path = RsvdPath::Replenished;
                match extend(plan, &mut self.projection, columns, VERIFICATION)? {
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
    fn energy_of(&self, columns: Range<usize>, rank: usize) -> Result<f64, GpuError> {
        let k = rank.min(self.svd.s.len());
        let part = self.svd.u.as_ref().subcols(0, k).subrows(columns.start, columns.len());
        let energies = column_energies(part)?;
        Ok(energies.iter().zip(&self.svd.s).map(|(energy, s)| energy * s.to_f64().powi(2)).sum())
    }

    fn grow_to_tolerance(
        &mut self,
        plan: &Plan,
        relative: f64,
        max_rank: usize,
        options: &RsvdOptions,
    ) -> Result<(), GpuError> {
        let most = self.projection.a.nrows().min(self.projection.a.ncols());
        let largest = sampled(max_rank, options).min(most);
        let target = (relative * self.frobenius).powi(2);
        loop {
            let before = self.projection.q.ncols();
            let columns = FIRST_BLOCK.max(before / 2).min(largest);
            // Beyond half of the smaller side the exact SVD is cheaper.
            if before + plan.growth(columns) > most / 2 {
                return self.be_exact();
            }
            extend(plan, &mut self.projection, columns, 0)?;
            self.solve()?;
            let after = self.projection.q.ncols();
            if self.squared_error(after)?.0 <= target || after == before || after >= largest {
                return Ok(());
            }
        }
    }

    fn solve(&mut self) -> Result<(), GpuError> {
        self.svd = projected_svd("rsvd", self.projection.t.as_ref(), exponent_of(self.frobenius))?;
        Ok(())
    }

    /// ‖A‖² less the energy of the leading `rank` triplets, which must not be trusted below [`CANCELLED`].
    fn left_after(&self, rank: usize) -> f64 {
        let captured: f64 = self.svd.s.iter().take(rank).map(|s| s.to_f64().powi(2)).sum();
        self.frobenius.powi(2) - captured
    }

    /// What new directions are to be measured against: what is left, or where that has cancelled what of it the basis
    /// has seen, with the rounding errors of T.
    fn unexplained(&self, rank: usize) -> f64 {
        let total = self.frobenius.powi(2);
        let left = self.left_after(rank);
        if left > CANCELLED * T::EPSILON.to_f64() * total {
            return left;
        }
        let seen: f64 = self.svd.s.iter().skip(rank).map(|s| s.to_f64().powi(2)).sum();
        let larger = self.projection.q.nrows().max(self.projection.w.nrows()) as f64;
        seen + (larger * T::EPSILON.to_f64()).powi(2) * total
    }

    /// An upper bound of ‖A − U_kΣ_kV_kᵀ‖² (A as the projection sees it), and the probability that it is none.
    pub(crate) fn squared_error(&mut self, rank: usize) -> Result<(f64, f64), GpuError> {
        if self.path == RsvdPath::Zero {
            return Ok((0.0, 0.0));
        }
        let total = self.frobenius.powi(2);
        let rounding = T::EPSILON.to_f64() * total;
        let left = self.left_after(rank);
        if left > CANCELLED * rounding {
            return Ok((left + ROUNDING * rounding, 0.0));
        }
        let estimate = match self.error_estimate.take() {
            Some(estimate) => estimate,
            None => ErrorEstimate::new(&mut self.projection)?,
        };
        let measured = estimate.squared_error(&self.projection, &self.svd, rank, self.frobenius);
        self.error_estimate = Some(estimate);
        measured
    }
}

/// Extends the basis so that it holds `columns` more of the leading directions. A Krylov basis is returned as what its end
/// looks like, with `verification` columns of a fresh block in it.
fn extend<T: DeviceReal>(
    plan: &Plan,
    projection: &mut Projection<'_, T>,
    columns: usize,
    verification: usize,
) -> Result<Option<KrylovEnd<T>>, GpuError> {
    match plan.range_finder {
        RangeFinder::BlockKrylov => {
            block_krylov(projection, plan.block(columns), plan.power_iterations, verification).map(Some)
        }
        RangeFinder::SubspaceIteration => subspace_iteration(projection, columns, plan.power_iterations).map(|()| None),
    }
}
