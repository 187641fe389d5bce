//! From a target to a basis that meets it: the common part of [`rsvd`](crate::rsvd()), [`qb`](crate::qb()) and
//! [`range_finder`](crate::range_finder()), by the decisions and the bound of panther-linalg.

use std::ops::Range;

use faer::{Mat, Side};
use panther_linalg::rules::{
    Bound, Energies, FIRST_BLOCK, Growth, GrowthLimits, NextStep, Observation, Plan, VERIFICATION, checked_target,
    clamped_to_shape, exponent_of, failure_probability, next_step, sampled, smallest_rank,
};
use panther_linalg::{LinalgError, RangeFinder, RsvdOptions, RsvdPath, ScaledNorm, Target};

use crate::matrix::entries::{identity, scale_rows};
use crate::matrix::growing::Growing;
use crate::matrix::norms::{column_energies, magnitude};
use crate::matrix::scaling::NearOne;
use crate::svd::block_krylov::{KrylovEnd, block_krylov};
use crate::svd::factors::Svd;
use crate::svd::measurement::Measurement;
use crate::svd::projection::Projection;
use crate::svd::small_svd::{projected_svd, thin_svd};
use crate::svd::subspace_iteration::subspace_iteration;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// Q, W and T, with the SVD of QᵀA and the energies that its error is bounded by.
pub(crate) struct Basis<'a, T> {
    pub(crate) projection: Projection<'a, T>,
    /// QᵀA = Û Σ V̂ᵀWᵀ.
    pub(crate) svd: Svd<T>,
    pub(crate) energies: Energies,
    /// ‖A‖_F of the matrix that the projection sees.
    pub(crate) frobenius: f64,
    /// The power of two that was taken out of A.
    pub(crate) exponent: i32,
    pub(crate) norm: ScaledNorm,
    pub(crate) path: RsvdPath,
    /// Whether a Krylov basis converged, `None` where that is not examined.
    pub(crate) converged: Option<bool>,
    options: RsvdOptions,
    measurement: Option<Measurement<T>>,
    /// Bases that were measured.
    measurements: usize,
}

/// Builds the basis for a target, and hands it on.
pub(crate) fn build_basis<T: DeviceReal, R>(
    a: MatrixRef<'_, T>,
    target: Target,
    options: &RsvdOptions,
    finish: impl FnOnce(&mut Basis<'_, T>) -> Result<R, GpuError>,
) -> Result<R, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let target = checked_target((m, n), target, options)?;
    // A family that cannot be drawn is refused also where nothing is drawn in the end.
    clamped_to_shape(options.distribution, 1, n).operator::<T>(1, n, options.seed).map_err(LinalgError::from)?;
    let norm = magnitude("a", a)?;
    let near_one = NearOne::new(a, &norm)?;
    let frobenius = near_one.frobenius(&norm);
    let nothing = || Matrix::zeros(a.device, 0, 0);
    let mut basis = Basis {
        projection: Projection::new(near_one.view(), frobenius, 0, options.distribution, options.seed)?,
        svd: Svd { u: nothing()?, s: Vec::new(), v: nothing()? },
        energies: Energies { total: Some(frobenius.powi(2)), epsilon: T::EPSILON.to_f64(), ..Energies::default() },
        frobenius,
        exponent: near_one.exponent(),
        norm,
        path: if frobenius == 0.0 { RsvdPath::Zero } else { RsvdPath::Randomized },
        converged: None,
        options: *options,
        measurement: None,
        measurements: 0,
    };
    if basis.path != RsvdPath::Zero {
        match target {
            Target::Rank(rank) => basis.grow_to_rank(rank)?,
            Target::Tolerance { relative, max_rank } => basis.grow_to_tolerance(relative, max_rank)?,
        }
    }
    finish(&mut basis)
}

impl<T: DeviceReal> Basis<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.projection.a.nrows(), self.projection.a.ncols())
    }

    /// The full SVD.
    fn be_exact(&mut self) -> Result<(), GpuError> {
        let projection = &mut self.projection;
        let device = projection.a.device;
        let Svd { u, s, v } = thin_svd("rsvd", projection.a, exponent_of(self.frobenius))?;
        let r = s.len();
        projection.count(r);
        projection.q = Growing::new(device, u.nrows(), r)?;
        projection.q.append(u.as_ref())?;
        projection.w = Growing::new(device, v.nrows(), r)?;
        projection.w.append(v.as_ref())?;
        let mut t = identity(device, r)?;
        let sigma: Vec<f64> = s.iter().map(|s| s.to_f64()).collect();
        scale_rows(&mut t, &sigma)?;
        projection.t = t;
        (self.path, self.converged) = (RsvdPath::Exact, Some(true));
        self.set_svd(Svd { u: identity(device, r)?, s, v: identity(device, r)? });
        Ok(())
    }

    /// The basis of `Rank(rank)`: a range finder, deepened and replenished until it has converged, or the exact SVD.
    fn grow_to_rank(&mut self, rank: usize) -> Result<(), GpuError> {
        let plan = Plan::new(&self.options);
        let columns = sampled(rank, &self.options);
        let (m, n) = self.shape();
        let capacity = plan.growth(columns).saturating_add(VERIFICATION);
        if capacity >= m.min(n) {
            return self.be_exact();
        }
        self.projection.restart(capacity)?;
        let Some(mut end) = self.extend(plan, columns, VERIFICATION)? else { return Ok(()) };
        for round in 0.. {
            let fresh = self.energies_seen_by(end.fresh.clone())?;
            let observation = Observation {
                left: self.energies.left_after(rank, m.max(n)),
                last_triplet: self.energies.captured.get(rank + fresh.len() - 1).copied().unwrap_or(0.0),
                last_step: self.contribution(end.last.clone(), rank)?,
                fresh: &fresh,
                rounding: 4.0 * self.projection.tolerance.powi(2),
                can_deepen: plan.adaptive && end.can_deepen(),
                is_full: self.projection.is_full(),
            };
            self.converged = Some(observation.is_converged());
            match next_step(round, &observation) {
                NextStep::Accept => break,
                NextStep::Deepen => {
                    end.deepen(&mut self.projection)?;
                    self.solve()?;
                }
                NextStep::Replenish => {
                    self.path = RsvdPath::Replenished;
                    match self.extend(plan, columns, VERIFICATION)? {
                        Some(next) => end = next,
                        None => break,
                    }
                }
            }
        }
        Ok(())
    }

    /// Energy that these columns of Q contribute to the leading `rank` triplets.
    fn contribution(&self, columns: Range<usize>, rank: usize) -> Result<f64, GpuError> {
        let k = rank.min(self.svd.s.len());
        let part = self.svd.u.as_ref().subcols(0, k).subrows(columns.start, columns.len());
        let energies = column_energies(part)?;
        Ok(energies.iter().zip(&self.svd.s).map(|(energy, s)| energy * s.to_f64().powi(2)).sum())
    }

    /// Squared singular values of A as these columns of Q alone see it: the host has them from a few columns of T.
    fn energies_seen_by(&self, columns: Range<usize>) -> Result<Vec<f64>, GpuError> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let part = self.projection.t.as_ref().subcols(columns.start, columns.len()).to_owned()?.to_host()?;
        let part = Mat::from_fn(part.nrows(), part.ncols(), |i, j| part[(i, j)].to_f64());
        let gram = part.transpose() * &part;
        let shape = gram.shape();
        let ascending = gram
            .self_adjoint_eigenvalues(Side::Lower)
            .map_err(|_| LinalgError::NoConvergence { operation: "rsvd", shape })?;
        Ok(ascending.into_iter().rev().map(|energy| energy.max(0.0)).collect())
    }

    /// A basis that grows until a rank of at most `max_rank` meets the tolerance.
    fn grow_to_tolerance(&mut self, relative: f64, max_rank: Option<usize>) -> Result<(), GpuError> {
        let plan = Plan::new(&self.options);
        let (m, n) = self.shape();
        let smaller_side = m.min(n);
        let largest_rank = max_rank.unwrap_or(smaller_side);
        let largest = sampled(largest_rank, &self.options).min(smaller_side);
        let limits = GrowthLimits { smaller_side, largest, is_capped: max_rank.is_some() };
        loop {
            let before = self.projection.q.ncols();
            let columns = FIRST_BLOCK.max(before / 2).min(largest);
            let mut next = limits.before_extension(before + plan.growth(columns));
            if next == Growth::Extend {
                self.extend(plan, columns, 0)?;
                let is_met = self.rank_within(relative)?.is_some_and(|rank| rank <= largest_rank);
                next = limits.after_extension(before, self.projection.q.ncols(), is_met);
            }
            match next {
                Growth::Extend => {}
                Growth::Accept => return Ok(()),
                Growth::Exact => return self.be_exact(),
                Growth::LargestRank => return self.grow_to_rank(largest_rank),
            }
        }
    }

    /// The smallest rank whose bound is within `relative`·‖A‖_F.
    fn rank_within(&mut self, relative: f64) -> Result<Option<usize>, GpuError> {
        if self.path == RsvdPath::Zero {
            return Ok(Some(0));
        }
        let target = relative.powi(2) * self.energies.scale();
        if self.energies.measurement_could_lower_rank(target) {
            self.measure()?;
        }
        Ok(smallest_rank(&self.energies.bounds(), target))
    }

    /// The smallest rank within the tolerance, or the largest allowed.
    pub(crate) fn rank_for(&mut self, relative: f64, max_rank: Option<usize>) -> Result<usize, GpuError> {
        let largest = max_rank.unwrap_or(usize::MAX).min(self.svd.s.len());
        Ok(self.rank_within(relative)?.unwrap_or(largest).min(largest))
    }

    /// For a tolerance, whether a squared error is within it.
    pub(crate) fn tolerance_met(&self, target: Target, squared: f64) -> Option<bool> {
        match target {
            Target::Rank(_) => None,
            Target::Tolerance { relative, .. } => Some(squared <= relative.powi(2) * self.energies.scale()),
        }
    }

    /// The bound of the squared error of rank k, and the probability that it is none.
    pub(crate) fn bound(&mut self, rank: usize) -> Result<(f64, f64), GpuError> {
        if self.path == RsvdPath::Zero {
            return Ok((0.0, 0.0));
        }
        if self.energies.measured.is_none() && self.energies.needs_measurement(rank) {
            self.measure()?;
        }
        let bounds = self.energies.bounds();
        let Bound { squared, is_measured } = bounds[rank.min(bounds.len() - 1)];
        Ok((squared, if is_measured { failure_probability(self.measurements) } else { 0.0 }))
    }

    fn measure(&mut self) -> Result<(), GpuError> {
        let measurement = match self.measurement.take() {
            Some(measurement) => measurement,
            None => Measurement::new(&mut self.projection)?,
        };
        self.energies.measured = Some(measurement.of(&self.projection)?);
        self.measurement = Some(measurement);
        self.measurements += 1;
        Ok(())
    }

    /// The basis extended by `columns` directions, and its SVD.
    fn extend(&mut self, plan: Plan, columns: usize, verification: usize) -> Result<Option<KrylovEnd<T>>, GpuError> {
        let end = match plan.range_finder {
            RangeFinder::BlockKrylov => {
                let block = plan.block(columns);
                Some(block_krylov(&mut self.projection, block, plan.power_iterations, verification)?)
            }
            RangeFinder::SubspaceIteration => {
                subspace_iteration(&mut self.projection, columns, plan.power_iterations)?;
                None
            }
        };
        self.solve()?;
        Ok(end)
    }

    fn solve(&mut self) -> Result<(), GpuError> {
        let svd = projected_svd("rsvd", self.projection.t.as_ref(), exponent_of(self.frobenius))?;
        self.set_svd(svd);
        Ok(())
    }

    fn set_svd(&mut self, svd: Svd<T>) {
        self.svd = svd;
        self.energies.captured = self.svd.s.iter().map(|s| s.to_f64().powi(2)).collect();
        self.energies.measured = None;
    }
}
