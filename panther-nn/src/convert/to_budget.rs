//! Many weights within a budget.

use faer::Par;

use super::{Conversion, ConversionOptions, DenseWeight, Spectrum, allocate, convert_weight};
use crate::{NnError, Scalar};

/// The factors of each weight, `None` for those that had better stay dense, such that together they store at most `fraction`
/// of the values of the dense weights: [`allocate`], from the exact singular values.
///
/// # Errors
/// As [`allocate`] and [`convert_weight`].
pub fn convert_to_budget<T: Scalar>(
    weights: &[DenseWeight<T>],
    fraction: f64,
    options: &ConversionOptions,
    par: Par,
) -> Result<Vec<Option<Conversion<T>>>, NnError> {
    let spectra: Vec<Spectrum> =
        weights.iter().map(|weight| Spectrum::of(weight, None, par)).collect::<Result<_, _>>()?;
    let chosen = allocate(&spectra, fraction)?;
    weights
        .iter()
        .zip(chosen)
        .map(|(weight, k)| k.map(|k| convert_weight(weight, 1, k, None, options, par)).transpose())
        .collect()
}
