//! When a basis is finished, and what is done until then: decisions on numbers alone.

/// Times that a basis is deepened or extended.
const MAX_ROUNDS: usize = 12;

/// A Krylov basis has converged when its last step brought no more than this part of the energy that is left: the next ones
/// bring about as much again.
const UNCONVERGED: f64 = 0.03;

/// A fresh block may not gain more than this part of the energy that is left, or the Krylov space has missed directions. It
/// sees a few of them and mixes them with others: it was seen to gain 0.9 % where 2 % were missing, and never more than 0.02 %
/// where nothing was.
const MISSED: f64 = 0.004;

/// σ² of a fresh direction that clearly beats the last triplet, as a multiple of the σ² of that.
const BEATS: f64 = 1.04;

/// A finished Krylov basis, by its energies.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Energy that the leading k triplets leave.
    pub left: f64,
    /// σ²_{k+f} for f fresh columns, 0 where there are fewer triplets: the k-th triplet without the fresh block has at least
    /// this energy.
    pub last_triplet: f64,
    /// Energy that the columns of the last step contribute to the leading k triplets.
    pub last_step: f64,
    /// σ² of A seen by the fresh block alone, outside of the Krylov space, descending.
    pub fresh: &'a [f64],
    /// Energy below which a direction is rounding errors.
    pub rounding: f64,
    /// Whether another Krylov step is possible and allowed.
    pub can_deepen: bool,
    /// Whether the basis has as many columns as A has rows or columns.
    pub is_full: bool,
}

/// The next step for a target rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The basis is good enough, or no better one can be had.
    Accept,
    /// One more Krylov step.
    Deepen,
    /// The Krylov space has missed directions: another one, from a fresh start.
    Replenish,
}

/// Decides after round `round`, counted from 0.
#[must_use]
pub fn next_step(round: usize, seen: &Observation<'_>) -> NextStep {
    if round >= MAX_ROUNDS || seen.is_full {
        return NextStep::Accept;
    }
    if seen.can_deepen && !seen.last_step_is_small() {
        NextStep::Deepen
    } else if seen.has_missed_directions() {
        NextStep::Replenish
    } else {
        NextStep::Accept
    }
}

impl Observation<'_> {
    /// Whether further steps bring next to nothing and the fresh block has found nothing.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.is_full || (self.last_step_is_small() && !self.has_missed_directions())
    }

    fn last_step_is_small(&self) -> bool {
        self.last_step <= UNCONVERGED * self.left
    }

    /// Whether the fresh block gained much, or each of its directions beats the last triplet: then there are more of them
    /// than the block has columns.
    fn has_missed_directions(&self) -> bool {
        let real = self.fresh.iter().filter(|&&energy| energy > self.rounding);
        let gain: f64 = real.map(|energy| (energy - self.last_triplet).max(0.0)).sum();
        let least = self.fresh.last().copied().unwrap_or(0.0);
        gain > MISSED * self.left || least > BEATS * self.last_triplet + self.rounding
    }
}

/// Sizes that growth to a tolerance depends on.
#[derive(Clone, Copy, Debug)]
pub struct GrowthLimits {
    /// min(m, n).
    pub smaller_side: usize,
    /// Columns for the largest rank allowed, oversampling included.
    pub largest: usize,
    /// Whether the caller gave a largest rank.
    pub is_capped: bool,
}

/// The next step for a target tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// The bound of the whole basis meets the tolerance.
    Accept,
    /// More columns.
    Extend,
    /// The exact SVD: the basis cannot meet the tolerance, or would cost more.
    Exact,
    /// The computation for the largest rank allowed, whose bound decides.
    LargestRank,
}

impl GrowthLimits {
    /// Decides before an extension to `extended` columns.
    #[must_use]
    pub fn before_extension(&self, extended: usize) -> Growth {
        // Beyond half of the smaller side the exact SVD is cheaper.
        if extended <= self.smaller_side / 2 { Growth::Extend } else { self.last_resort() }
    }

    fn last_resort(&self) -> Growth {
        if self.is_capped { Growth::LargestRank } else { Growth::Exact }
    }

    /// Decides after an extension from `before` to `after` columns; `is_met` if the bound of some allowed rank meets the
    /// tolerance.
    #[must_use]
    pub fn after_extension(&self, before: usize, after: usize, is_met: bool) -> Growth {
        if is_met {
            Growth::Accept
        } else if after >= self.largest || after == before {
            self.last_resort()
        } else {
            Growth::Extend
        }
    }
}
