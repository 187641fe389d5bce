//! One weight, as small as an error allows.

use faer::{MatRef, Par};

use super::{Conversion, ConversionOptions, DenseWeight, Spectrum, convert_weight};
use crate::{NnError, Scalar};

/// The factors at T = 1 with the smallest k whose measured relative error, rounding included, is at most `error`; `None` where no k that
/// saves anything is enough, so that the weight had better stay dense.
///
/// k starts at what the exact singular values allow, below which no factors can be; with [`Method::Rsvd`](super::Method::Rsvd) in full precision
/// that or the next one meets the error. For the other methods, and types too coarse for the error, larger and larger steps are
/// tried, then halved.
///
/// # Errors
/// [`NnError::InvalidNumber`] where `error` is not in (0, 1), and those of [`convert_weight`].
pub fn convert_to_error<T: Scalar>(
    weight: &DenseWeight<T>,
    error: f64,
    inputs: Option<MatRef<'_, T>>,
    options: &ConversionOptions,
    par: Par,
) -> Result<Option<Conversion<T>>, NnError> {
    if !(error > 0.0 && error < 1.0) {
        return Err(NnError::InvalidNumber { argument: "error", requirement: "in (0, 1)", got: error });
    }
    let spectrum = Spectrum::of(weight, inputs, par)?;
    let Some(mut low) = spectrum.smallest_within(error) else { return Ok(None) };
    let attempt = |k: usize| -> Result<Option<Conversion<T>>, NnError> {
        let conversion = convert_weight(weight, 1, k, inputs, options, par)?;
        Ok(Some(conversion).filter(|conversion| conversion.report.relative_error <= error))
    };
    // 1. Steps of 1, 2, 4, … until the error is met; all below `low` fail.
    let (mut k, mut step) = (low, 1);
    let mut best = loop {
        match attempt(k)? {
            Some(conversion) => break conversion,
            None if k == spectrum.most_steps => return Ok(None),
            None => {
                low = k + 1;
                k = (k + step).min(spectrum.most_steps);
                step *= 2;
            }
        }
    };
    // 2. Bisection between what failed and what did not.
    while low < best.report.low_rank {
        let middle = low.midpoint(best.report.low_rank);
        match attempt(middle)? {
            Some(conversion) => best = conversion,
            None => low = middle + 1,
        }
    }
    Ok(Some(best))
}
