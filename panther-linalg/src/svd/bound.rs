//! The bound of ‖A − A_k‖_F for every rank k, from a few numbers.
//!
//! With Q the basis, K its columns and σᵢ the singular values of QᵀA,
//!
//! ```text
//! ‖A − A_k‖² = ‖(I − QQᵀ)A‖² + Σ_{k<i≤K} σᵢ²
//! ```
//!
//! The second term is known. The first is ‖A‖² − Σ_{i≤K} σᵢ², which tells nothing below √ε·‖A‖ (Yu, Gu and Li 2018,
//! section 3), or it is measured with random vectors G that are independent of Q: ‖(I − QQᵀ)AG‖²/s falls short of
//! ‖(I − QQᵀ)A‖²/θ² with a probability of at most P(χ²_s ≤ s/θ²), which a matrix of rank one attains (Gratton and
//! Titley-Peloquin 2018). For each k the smaller of both is the bound; the error falls with k, so the bound of a smaller k
//! holds for all larger ones.

use crate::estimate::chi_squared_below;

/// s, random vectors of a measurement.
pub const ERROR_VECTORS: usize = 32;

/// θ, the factor that a measurement is multiplied by: one in 200 000 is too small nevertheless.
pub const SAFETY: f64 = 2.0;

/// Rounding errors of ‖A‖² − Σσᵢ², as a multiple of ε·‖A‖². Inner products are summed in panels, so that it does not grow
/// with the size of A.
pub const ROUNDING: f64 = 200.0;

/// Rounding errors of the triplets, as a multiple of ε·‖A‖.
const TRIPLET_ROUNDING: f64 = 8.0;

/// Below this multiple of [`ROUNDING`] a difference of squares is measured instead: it is known to 2 %.
const CANCELLED: f64 = 50.0;

/// What the bound is computed from. All energies are squared norms on the scale of the basis.
#[derive(Clone, Debug, Default)]
pub struct Energies {
    /// σᵢ² of QᵀA, descending.
    pub captured: Vec<f64>,
    /// ‖A‖², if it is known and not estimated.
    pub total: Option<f64>,
    /// The random measurement of this basis, if there was one.
    pub measured: Option<Measured>,
    /// ε of the type.
    pub epsilon: f64,
}

/// A basis measured with s random vectors G.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// ‖(I − QQᵀ)AG‖²/s.
    pub outside: f64,
    /// ‖Qᵀ(AG) − (AᵀQ)ᵀG‖²/s: rounding errors of the projection.
    pub defect: f64,
}

/// An upper bound of a squared error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The bound.
    pub squared: f64,
    /// Whether it rests on a measurement, which may be too small.
    pub is_measured: bool,
}

impl Energies {
    /// The bounds for k = 0, …, K, descending.
    #[must_use]
    pub fn bounds(&self) -> Vec<Bound> {
        let mut bounds: Vec<Bound> = Vec::with_capacity(self.captured.len() + 1);
        let tails = self.tails();
        let mut leading = 0.0;
        for (k, &tail) in tails.iter().enumerate() {
            let mut best = self.one(leading, tail);
            if let Some(&before) = bounds.last()
                && before.squared < best.squared
            {
                best = before;
            }
            bounds.push(best);
            leading += self.captured.get(k).copied().unwrap_or(0.0);
        }
        bounds
    }

    /// Σ_{k<i≤K} σᵢ² for k = 0, …, K, summed from the small end.
    fn tails(&self) -> Vec<f64> {
        let mut tails = vec![0.0; self.captured.len() + 1];
        for (k, &energy) in self.captured.iter().enumerate().rev() {
            tails[k] = tails[k + 1] + energy;
        }
        tails
    }

    fn one(&self, leading: f64, tail: f64) -> Bound {
        let difference = self.total.map(|total| Bound {
            squared: (total - leading).max(0.0) + ROUNDING * self.epsilon * total,
            is_measured: false,
        });
        let measured = self.measured.map(|measured| Bound {
            squared: measured.squared(tail, TRIPLET_ROUNDING * self.epsilon * self.scale().sqrt()),
            is_measured: true,
        });
        match (difference, measured) {
            (Some(difference), Some(measured)) if measured.squared < difference.squared => measured,
            (Some(difference), _) => difference,
            (None, Some(measured)) => measured,
            (None, None) => Bound { squared: f64::INFINITY, is_measured: false },
        }
    }

    /// ‖A‖², at least as far as the basis has seen it.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.total.unwrap_or_else(|| self.captured_by(self.captured.len()))
    }

    /// Σ_{i≤k} σᵢ².
    #[must_use]
    pub fn captured_by(&self, k: usize) -> f64 {
        self.captured.iter().take(k).sum()
    }

    /// Whether the error of rank k is too small for the difference of squares to tell.
    #[must_use]
    pub fn needs_measurement(&self, k: usize) -> bool {
        self.total.is_none_or(|total| total - self.captured_by(k) <= CANCELLED * ROUNDING * self.epsilon * total)
    }

    /// Whether a measurement could lower the smallest rank that meets `target`, a squared error.
    #[must_use]
    pub fn measurement_could_lower_rank(&self, target: f64) -> bool {
        if self.measured.is_some() {
            return false;
        }
        // No bound is below the energy of the triplets that are left out.
        let least = self.tails().iter().position(|&tail| tail <= target);
        least.is_some() && least != smallest_rank(&self.bounds(), target)
    }

    /// The energy that rank k leaves, estimated without bias: for decisions, not for bounds.
    #[must_use]
    pub fn left_after(&self, k: usize, longer_side: usize) -> f64 {
        if let Some(total) = self.total
            && !self.needs_measurement(k)
        {
            return total - self.captured_by(k);
        }
        let seen: f64 = self.captured.iter().skip(k).sum();
        let outside = self.measured.map_or(0.0, |measured| measured.outside);
        // Of an error below it only rounding is left.
        seen + outside + (longer_side as f64 * self.epsilon).powi(2) * self.scale()
    }
}

impl Measured {
    fn squared(&self, tail: f64, rounding: f64) -> f64 {
        let inside = tail.sqrt() + SAFETY * self.defect.sqrt();
        ((SAFETY * SAFETY * self.outside + inside * inside).sqrt() + rounding).powi(2)
    }
}

/// The smallest rank whose bound is at most `target`, if there is one.
#[must_use]
pub fn smallest_rank(bounds: &[Bound], target: f64) -> Option<usize> {
    bounds.iter().position(|bound| bound.squared <= target)
}

/// The probability that one of so many measurements is too small.
#[must_use]
pub fn failure_probability(measurements: usize) -> f64 {
    let s = ERROR_VECTORS as f64;
    measurements as f64 * chi_squared_below(ERROR_VECTORS, s / (SAFETY * SAFETY))
}
