//! From a target to a basis that meets it: the common part of [`rsvd`](crate::rsvd()), [`qb`](crate::qb()) and
//! [`range_finder`](crate::range_finder()). Decisions are taken in `decision.rs`, the bound in `bound.rs`.

use std::ops::Range;

use faer::prelude::*;
use panther_sketch::Real;
use panther_sketch::seed::{Purpose, derive};

use crate::estimate::gaussian;
use crate::kernels::squared_norm;
use crate::memory::check_memory;
use crate::operator::{Scaled, scaled_copy, scaled_norm};
use crate::svd::block_krylov::{KrylovEnd, block_krylov};
use crate::svd::bound::{Bound, ERROR_VECTORS, Energies, failure_probability, smallest_rank};
use crate::svd::decision::{Growth, GrowthLimits, NextStep, Observation, next_step};
use crate::svd::measurement::Measurement;
use crate::svd::plan::{FIRST_BLOCK, Plan, VERIFICATION, checked_target, sampled};
use crate::svd::projection::{Projection, clamped_to_shape};
use crate::svd::small_svd::{Svd, thin_svd};
use crate::svd::subspace_iteration::subspace_iteration;
use crate::{Input, LinalgError, LinearOperator, NormSource, RangeFinder, RsvdOptions, RsvdPath, ScaledNorm, Target};

/// Q, W and T, with the SVD of QᵀA and the numbers that its error is bounded by.
pub(crate) struct Basis<'a, T, A: ?Sized> {
    pub(crate) projection: Projection<'a, T, A>,
    /// QᵀA = Û Σ V̂ᵀWᵀ.
    pub(crate) svd: Svd<T>,
    pub(crate) energies: Energies,
    pub(crate) norm: ScaledNorm,
    pub(crate) norm_source: NormSource,
    pub(crate) path: RsvdPath,
    /// Whether a Krylov basis converged, `None` where that is not examined.
    pub(crate) converged: Option<bool>,
    options: RsvdOptions,
    measurement: Option<Measurement<T>>,
    /// Bases that were measured.
    measurements: usize,
}

/// Builds the basis for a target.
pub(crate) fn build_basis<'a, T: Real, A: LinearOperator<T> + ?Sized>(
    a: &'a A,
    target: Target,
    options: &RsvdOptions,
    par: Par,
) -> Result<Basis<'a, T, A>, LinalgError> {
    let (m, n) = (a.nrows(), a.ncols());
    let target = checked_target((m, n), target, options)?;
    // A family that cannot be drawn is refused also where nothing is drawn in the end.
    clamped_to_shape(options.distribution, 1, n).operator::<T>(1, n, options.seed)?;
    let known = a.scaled_norm(par)?;
    check_memory::<T>("rsvd", (m as f64 + n as f64) * ERROR_VECTORS as f64)?;
    let mut basis = Basis::new(a, known, options, par)?;
    if basis.path != RsvdPath::Zero {
        match target {
            Target::Rank(rank) => basis.grow_to_rank(rank)?,
            Target::Tolerance { relative, max_rank } => basis.grow_to_tolerance(relative, max_rank)?,
        }
        basis.check_consistency()?;
    }
    Ok(basis)
}

impl<'a, T: Real, A: LinearOperator<T> + ?Sized> Basis<'a, T, A> {
    fn new(a: &'a A, known: Option<ScaledNorm>, options: &RsvdOptions, par: Par) -> Result<Self, LinalgError> {
        // Where the entries are not stored, products with random vectors give the norm, or show that a norm of 0 is wrong.
        let image = match known {
            Some(norm) if a.has_entries() || norm.frobenius > 0.0 => None,
            _ => Some(Image::new(a, options.seed, par)?),
        };
        let estimate = image.as_ref().map_or(ScaledNorm::ZERO, |image| image.norm);
        if let Some(norm) = known
            && norm.frobenius == 0.0
            && estimate.frobenius > 0.0
        {
            return Err(LinalgError::InconsistentNorm { at_least: estimate.norm() / 10.0, got: 0.0 });
        }
        let norm = known.unwrap_or(estimate);
        let scaled = Scaled::new(a, norm.exponent);
        let mut projection = Projection::new(scaled, norm.frobenius, options.distribution, options.seed, par);
        let measurement = image.map(|image| {
            projection.count(ERROR_VECTORS);
            Measurement::from_products(image.g, scaled_copy(image.ag.as_ref(), -norm.exponent))
        });
        Ok(Self {
            energies: Energies {
                captured: Vec::new(),
                total: known.map(|norm| norm.frobenius.powi(2)),
                measured: None,
                epsilon: T::EPSILON.to_f64(),
            },
            projection,
            svd: Svd { u: Mat::zeros(0, 0), s: Vec::new(), v: Mat::zeros(0, 0) },
            norm,
            norm_source: if known.is_some() { NormSource::Exact } else { NormSource::Estimated },
            path: if norm.frobenius == 0.0 { RsvdPath::Zero } else { RsvdPath::Randomized },
            converged: None,
            options: *options,
            measurement,
            measurements: 0,
        })
    }

    fn shape(&self) -> (usize, usize) {
        (self.projection.q.nrows(), self.projection.w.nrows())
    }

    /// The basis of `Rank(rank)`: a range finder, deepened and replenished until it has converged, or the exact SVD.
    fn grow_to_rank(&mut self, rank: usize) -> Result<(), LinalgError> {
        let plan = Plan::new(&self.options);
        let columns = sampled(rank, &self.options);
        let (m, n) = self.shape();
        let capacity = plan.growth(columns).saturating_add(VERIFICATION);
        if capacity >= m.min(n) {
            return self.be_exact();
        }
        self.reserve(capacity)?;
        let Some(mut end) = self.extend(plan, columns, VERIFICATION)? else { return Ok(()) };
        for round in 0.. {
            let can_deepen = plan.adaptive && end.can_deepen();
            let fresh = self.energies_seen_by(end.fresh.clone())?;
            let observation = self.observe(rank, &end, &fresh, can_deepen);
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

    fn observe<'b>(&self, rank: usize, end: &KrylovEnd<T>, fresh: &'b [f64], can_deepen: bool) -> Observation<'b> {
        let (m, n) = self.shape();
        Observation {
            left: self.energies.left_after(rank, m.max(n)),
            last_triplet: self.energies.captured.get(rank + fresh.len() - 1).copied().unwrap_or(0.0),
            last_step: self.contribution(end.last.clone(), rank),
            fresh,
            rounding: 4.0 * self.projection.tolerance.powi(2),
            can_deepen,
            is_full: self.projection.is_full(),
        }
    }

    /// Energy that these columns of Q contribute to the leading `rank` triplets.
    fn contribution(&self, columns: Range<usize>, rank: usize) -> f64 {
        let part = |i: usize| {
            let part = self.svd.u.as_ref().submatrix(columns.start, i, columns.len(), 1);
            part.squared_norm_l2().to_f64() * self.svd.s[i].to_f64().powi(2)
        };
        (0..rank.min(self.svd.s.len())).map(part).sum()
    }

    /// Squared singular values of A as these columns of Q alone see it.
    fn energies_seen_by(&self, columns: Range<usize>) -> Result<Vec<f64>, LinalgError> {
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let part = self.projection.t.as_ref().subcols(columns.start, columns.len());
        let svd = thin_svd("rsvd", part, Par::Seq)?;
        Ok(svd.s.iter().map(|s| s.to_f64().powi(2)).collect())
    }

    /// A basis that grows until a rank of at most `max_rank` meets the tolerance.
    fn grow_to_tolerance(&mut self, relative: f64, max_rank: Option<usize>) -> Result<(), LinalgError> {
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
                self.reserve(before + plan.growth(columns))?;
                self.extend(plan, columns, 0)?;
                let is_met = self.rank_within(relative)?.is_some_and(|rank| rank <= largest_rank);
                next = limits.after_extension(before, self.projection.q.ncols(), is_met);
            }
            match next {
                Growth::Extend => {}
                Growth::Accept => return Ok(()),
                Growth::Exact => return self.be_exact(),
                Growth::LargestRank => {
                    self.projection.restart();
                    return self.grow_to_rank(largest_rank);
                }
            }
        }
    }

    /// The smallest rank whose bound is within `relative`·‖A‖_F, or of the part of it that the basis has seen where the norm
    /// is not known.
    pub(crate) fn rank_within(&mut self, relative: f64) -> Result<Option<usize>, LinalgError> {
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
    pub(crate) fn rank_for(&mut self, relative: f64, max_rank: Option<usize>) -> Result<usize, LinalgError> {
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
    pub(crate) fn bound(&mut self, rank: usize) -> Result<(f64, f64), LinalgError> {
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

    fn measure(&mut self) -> Result<(), LinalgError> {
        let measurement = match self.measurement.take() {
            Some(measurement) => measurement,
            None => Measurement::new(&mut self.projection)?,
        };
        self.energies.measured = Some(measurement.of(&self.projection));
        self.measurement = Some(measurement);
        self.measurements += 1;
        Ok(())
    }

    /// The basis extended by `columns` directions, and its SVD.
    fn extend(&mut self, plan: Plan, columns: usize, verification: usize) -> Result<Option<KrylovEnd<T>>, LinalgError> {
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

    fn solve(&mut self) -> Result<(), LinalgError> {
        self.set_svd(thin_svd("rsvd", self.projection.t.transpose(), self.projection.par)?)
    }

    fn set_svd(&mut self, svd: Svd<T>) -> Result<(), LinalgError> {
        self.svd = svd;
        self.energies.captured = self.svd.s.iter().map(|s| s.to_f64().powi(2)).collect();
        self.energies.measured = None;
        if self.energies.total.is_none() { self.measure() } else { Ok(()) }
    }

    /// An error unless memory has room for bases of so many columns, their products and their updates.
    fn reserve(&mut self, columns: usize) -> Result<(), LinalgError> {
        let (m, n) = self.shape();
        let columns = columns.min(m.min(n));
        check_memory::<T>("rsvd", 1.5 * columns as f64 * (m as f64 + n as f64))?;
        self.projection.reserve(columns);
        Ok(())
    }

    /// The full SVD of A, written out.
    fn be_exact(&mut self) -> Result<(), LinalgError> {
        let (m, n) = self.shape();
        check_memory::<T>("the exact SVD", 4.0 * m as f64 * n as f64)?;
        self.projection.restart();
        let dense = self.written_out()?;
        if self.norm_source == NormSource::Estimated {
            let norm = scaled_norm("A·X", Input::Dense(dense.as_ref()), self.projection.par)?.norm();
            self.energies.total = Some(norm.powi(2));
            (self.norm.frobenius, self.norm_source) = (norm, NormSource::Exact);
        }
        let par = self.projection.par;
        let Svd { u, s, v } = if m >= n {
            thin_svd("rsvd", dense.as_ref(), par)?
        } else {
            let Svd { u, s, v } = thin_svd("rsvd", dense.transpose(), par)?;
            Svd { u: v, s, v: u }
        };
        let r = s.len();
        self.projection.t = Mat::from_fn(r, r, |i, j| if i == j { s[i] } else { T::ZERO });
        (self.projection.q, self.projection.w) = (u, v);
        (self.path, self.converged) = (RsvdPath::Exact, Some(true));
        self.set_svd(Svd { u: Mat::identity(r, r), s, v: Mat::identity(r, r) })
    }

    /// A·2^−exponent as a dense matrix: from its entries, or by a product with the identity from its cheaper side.
    fn written_out(&mut self) -> Result<Mat<T>, LinalgError> {
        let (m, n) = self.shape();
        if let Some(dense) = self.projection.a.operator.to_dense(self.projection.par) {
            self.projection.count(m.min(n));
            let dense = scaled_copy(dense.as_ref(), -self.norm.exponent);
            scaled_norm("a", Input::Dense(dense.as_ref()), self.projection.par)?;
            return Ok(dense);
        }
        if m >= n {
            return self.projection.apply(Mat::identity(n, n).as_ref());
        }
        let transposed = self.projection.apply_adjoint(Mat::identity(m, m).as_ref())?;
        Ok(transposed.transpose().to_owned())
    }

    /// An error where the products and the norm of an operator without stored entries contradict each other.
    fn check_consistency(&mut self) -> Result<(), LinalgError> {
        if self.projection.a.operator.has_entries() {
            return Ok(());
        }
        if self.energies.measured.is_none() {
            self.measure()?;
        }
        let Some(measured) = self.energies.measured else { return Ok(()) };
        let (m, n) = self.shape();
        let epsilon = T::EPSILON.to_f64();
        let columns = self.projection.q.ncols().max(1) as f64;
        let scale = (self.energies.captured_by(usize::MAX) + measured.outside).sqrt();
        let allowed = 20.0 * (m.max(n) as f64 * columns).sqrt() * epsilon;
        let defect = measured.defect.max(self.adjoint_defect()?);
        let difference = defect.sqrt() / scale;
        if scale > 0.0 && difference > allowed {
            return Err(LinalgError::InconsistentAdjoint { difference, allowed });
        }
        // Only a given norm can be too small: an energy of at least `least` was seen, but for the failure probability.
        let least = self.energies.captured_by(usize::MAX) + measured.outside / 4.0;
        match self.energies.total {
            Some(total) if total < least * (1.0 - 2.0 * allowed) => Err(LinalgError::InconsistentNorm {
                at_least: ScaledNorm { frobenius: least.sqrt(), ..self.norm }.norm(),
                got: self.norm.norm(),
            }),
            _ => Ok(()),
        }
    }

    /// ‖Aᵀ·H − (A)ᵀ·H‖²/s where the exact SVD came from products with A alone; elsewhere both products were compared.
    fn adjoint_defect(&mut self) -> Result<f64, LinalgError> {
        let (m, n) = self.shape();
        if self.path != RsvdPath::Exact || m < n {
            return Ok(0.0);
        }
        let seed = derive(self.projection.seed, Purpose::ErrorEstimate, 1);
        let h = gaussian::<T>(m, ERROR_VECTORS, seed)?;
        let image = self.projection.apply_adjoint(h.as_ref())?;
        let exact = &self.projection.w * (&self.projection.t * (self.projection.q.transpose() * h));
        let difference = image - exact;
        Ok(squared_norm(difference.as_ref()) / ERROR_VECTORS as f64)
    }
}

/// A·G for random vectors G, not scaled yet.
struct Image<T> {
    g: Mat<T>,
    ag: Mat<T>,
    /// An estimate of ‖A‖_F.
    norm: ScaledNorm,
}

impl<T: Real> Image<T> {
    fn new<A: LinearOperator<T> + ?Sized>(a: &A, seed: u64, par: Par) -> Result<Self, LinalgError> {
        let g = gaussian::<T>(a.ncols(), ERROR_VECTORS, derive(seed, Purpose::ErrorEstimate, 0))?;
        let mut ag = Mat::zeros(a.nrows(), ERROR_VECTORS);
        a.apply(ag.as_mut(), g.as_ref(), par)?;
        let norm = scaled_norm("A·X", Input::Dense(ag.as_ref()), par)?;
        let frobenius = norm.frobenius / (ERROR_VECTORS as f64).sqrt();
        Ok(Self { g, ag, norm: ScaledNorm { frobenius, ..norm } })
    }
}
