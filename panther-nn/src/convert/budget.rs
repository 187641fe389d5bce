//! Where a budget of values buys the most.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::NnError;

/// What rank buys in one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Values of the dense weight.
    pub dense_values: usize,
    /// Values that k stores more than k − 1 at T = 1.
    pub values_per_step: usize,
    /// The largest k that saves anything; 0 where none does.
    pub most_steps: usize,
    /// σᵢ², descending.
    pub squared_values: Vec<f64>,
}

impl Spectrum {
    /// Σ σᵢ² beyond rank 2k, for k = 0..=`most_steps`, summed from the smallest on.
    fn tails(&self) -> Vec<f64> {
        let mut tails = vec![0.0; self.most_steps + 1];
        let mut sum = 0.0;
        for i in (0..self.squared_values.len()).rev() {
            sum += self.squared_values[i];
            if i % 2 == 0 && i / 2 <= self.most_steps {
                tails[i / 2] = sum;
            }
        }
        tails
    }

    /// The smallest k at which the best approximation is within this relative error and which saves anything.
    pub(super) fn smallest_within(&self, relative_error: f64) -> Option<usize> {
        let tails = self.tails();
        let allowed = relative_error * relative_error * tails[0];
        (1..=self.most_steps).find(|&k| tails[k] <= allowed)
    }
}

/// A possible purchase.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Squared error a number buys.
    rate: f64,
    layer: usize,
    /// Whether the layer becomes dense again, rather than one step larger.
    to_dense: bool,
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equal rates the first layer's comes first.
        self.rate.total_cmp(&other.rate).then_with(|| other.layer.cmp(&self.layer))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Step {}

/// One layer while the budget is spent.
struct Layer<'a> {
    spectrum: &'a Spectrum,
    tails: Vec<f64>,
    k: usize,
    can_be_dense: bool,
}

impl Layer<'_> {
    fn values(&self) -> usize {
        self.k * self.spectrum.values_per_step
    }

    /// What buys most here: the next step, or everything that is left for the dense weight.
    fn best_step(&self, layer: usize) -> Option<Step> {
        let left = self.tails[self.k];
        if left == 0.0 {
            return None;
        }
        let dense = Step { rate: left / (self.spectrum.dense_values - self.values()) as f64, layer, to_dense: true };
        let next = self.tails.get(self.k + 1).map(|tail| Step {
            rate: (left - tail) / self.spectrum.values_per_step as f64,
            layer,
            to_dense: false,
        });
        [Some(dense).filter(|_| self.can_be_dense), next].into_iter().flatten().max_by(|a, b| a.rate.total_cmp(&b.rate))
    }
}

/// k at T = 1 for each layer, `None` for those that stay dense, such that at most `fraction` of the values of the dense weights are
/// stored and Σ ‖M − M̂‖² is as small as a greedy choice makes it: the next values always go where they lower it most. As
/// singular values descend, that is the optimum but for the last steps, which may not fit.
///
/// # Errors
/// [`NnError::InvalidNumber`] where the fraction is not in (0, 1], [`NnError::BudgetTooSmall`] where k = 1 everywhere is too much.
pub fn allocate(spectra: &[Spectrum], fraction: f64) -> Result<Vec<Option<usize>>, NnError> {
    if !(fraction > 0.0 && fraction <= 1.0) {
        return Err(NnError::InvalidNumber { argument: "budget", requirement: "in (0, 1]", got: fraction });
    }
    let total: usize = spectra.iter().map(|s| s.dense_values).sum();
    let least: usize = spectra.iter().map(|s| if s.most_steps > 0 { s.values_per_step } else { s.dense_values }).sum();
    let budget = (fraction * total as f64).floor() as usize;
    let mut left = budget
        .checked_sub(least)
        .ok_or_else(|| NnError::BudgetTooSmall { least: least as f64 / total as f64, got: fraction })?;
    let mut layers: Vec<Layer<'_>> =
        spectra.iter().map(|spectrum| Layer { spectrum, tails: spectrum.tails(), k: 1, can_be_dense: true }).collect();
    let mut chosen: Vec<Option<usize>> = spectra.iter().map(|s| (s.most_steps > 0).then_some(1)).collect();
    let sketched = (0..layers.len()).filter(|&i| spectra[i].most_steps > 0);
    let mut steps: BinaryHeap<Step> = sketched.filter_map(|i| layers[i].best_step(i)).collect();
    while let Some(step) = steps.pop() {
        let layer = &mut layers[step.layer];
        let price =
            if step.to_dense { layer.spectrum.dense_values - layer.values() } else { layer.spectrum.values_per_step };
        match (left.checked_sub(price), step.to_dense) {
            (Some(rest), true) => {
                (left, chosen[step.layer]) = (rest, None);
                continue;
            }
            (Some(rest), false) => {
                left = rest;
                layer.k += 1;
                chosen[step.layer] = Some(layer.k);
            }
            (None, true) => layer.can_be_dense = false,
            (None, false) => continue,
        }
        steps.extend(layers[step.layer].best_step(step.layer));
    }
    Ok(chosen)
}
