//! A dense convolution made sketched.

use faer::Par;

use crate::backend::Backend;
use crate::convert::convert_weight::{ConversionOptions, convert_weight};
use crate::convert::report::ConversionReport;
use crate::convert::weight::{DenseWeight, WeightLayout};
use crate::layers::{Conv2d, SkConv2d};
use crate::{NnError, Scalar};

/// The sketched convolution that stands for a trained dense one, and how near its kernel is. The bias is kept as it is.
///
/// # Errors
/// As [`convert_weight`].
pub fn sketched_conv2d<T: Scalar, B: Backend>(
    backend: &B,
    layer: &Conv2d<T, B>,
    num_terms: usize,
    low_rank: usize,
    options: &ConversionOptions,
    par: Par,
) -> Result<(SkConv2d<T, B>, ConversionReport), NnError> {
    let values = backend.download(layer.weight())?;
    let weight = DenseWeight::new(WeightLayout::Conv2d, B::shape(layer.weight()), &values)?;
    let conversion = convert_weight(&weight, num_terms, low_rank, None, options, par)?;
    Ok((conversion.factors.sk_conv2d(backend, layer.bias().cloned(), layer.window())?, conversion.report))
}
