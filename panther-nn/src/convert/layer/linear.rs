//! A dense linear layer made sketched.

use faer::Par;

use crate::backend::Backend;
use crate::convert::convert_weight::{ConversionOptions, convert_weight};
use crate::convert::report::ConversionReport;
use crate::convert::weight::{DenseWeight, WeightLayout};
use crate::layers::{Linear, SkLinear};
use crate::{NnError, Scalar};

/// The sketched layer that stands for a trained dense one, and how near it is. The bias is kept as it is.
///
/// # Errors
/// As [`convert_weight`].
pub fn sketched_linear<T: Scalar, B: Backend>(
    backend: &B,
    layer: &Linear<T, B>,
    num_terms: usize,
    low_rank: usize,
    options: &ConversionOptions,
    par: Par,
) -> Result<(SkLinear<T, B>, ConversionReport), NnError> {
    let (d_out, d_in) = layer.dimensions();
    let weight = DenseWeight::new(WeightLayout::OutIn, &[d_out, d_in], &backend.download(layer.weight())?)?;
    let conversion = convert_weight(&weight, num_terms, low_rank, None, options, par)?;
    Ok((conversion.factors.sk_linear(backend, layer.bias().cloned())?, conversion.report))
}
