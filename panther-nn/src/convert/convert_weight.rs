//! One dense weight as sketched factors.

use faer::{MatRef, Par};

use crate::checkpoint::FloatType;
use crate::convert::factors::Factors;
use crate::convert::method::{self, Method, Problem};
use crate::convert::report::ConversionReport;
use crate::convert::weight::{DenseWeight, check_inputs};
use crate::layers::in_range;
use crate::{NnError, Scalar};

/// What can be chosen for a conversion beside its size.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConversionOptions {
    /// How the factors are found.
    pub method: Method,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The type that the factors are rounded to, which counts in the error; `None` for that of the weight.
    pub storage: Option<FloatType>,
}

/// A sketched weight, and how near it is.
#[derive(Clone, Debug)]
pub struct Conversion<T> {
    /// The factors, rounded to the type they are stored in.
    pub factors: Factors<T>,
    /// What it costs and what it saves.
    pub report: ConversionReport,
}

/// The factors of one weight for T and k.
///
/// With `inputs` X, n×d_in (for a convolution rows of unfolded patches, (C_in·kh·kw) long), the error minimized and reported is
/// ‖X(M − M̂)‖_F/‖XM‖_F, otherwise ‖M − M̂‖_F/‖M‖_F. X may be rank-deficient or have fewer rows than columns. 2Tk beyond
/// min(d_in, d_out) pads with zeros. [`Method::Rsvd`](crate::convert::Method::Rsvd) is within 1.01 of the best possible of rank 2Tk.
///
/// # Cost
/// That of [`rsvd`](panther_linalg::rsvd()) of rank 2Tk of the weight (of X·M, n×d_out, with inputs).
///
/// # Errors
/// [`NnError::OutOfRange`] where T is 0 or k not in 1..=min(d_in, d_out), [`NnError::Shape`] for X, [`NnError::Linalg`] for
/// values that are not finite, [`NnError::FactorOverflow`].
pub fn convert_weight<T: Scalar>(
    weight: &DenseWeight<T>,
    num_terms: usize,
    low_rank: usize,
    inputs: Option<MatRef<'_, T>>,
    options: &ConversionOptions,
    par: Par,
) -> Result<Conversion<T>, NnError> {
    let (d_in, d_out) = weight.dimensions();
    in_range("num_terms", num_terms, 1, usize::MAX / 4 / d_in.max(d_out))?;
    in_range("low_rank", low_rank, 1, d_in.min(d_out))?;
    check_inputs(weight, inputs)?;
    let problem = Problem { weight, inputs, half: num_terms * low_rank, num_terms, low_rank, seed: options.seed, par };
    let (down, up) = method::factors(options.method, &problem)?;
    let storage = options.storage.unwrap_or_else(FloatType::of::<T>);
    let factors = Factors::rounded(weight, (num_terms, low_rank), (down, up), storage)?;
    let relative_error = factors.relative_error(weight, inputs, par);
    let report = ConversionReport::new(weight, num_terms, low_rank, storage, relative_error);
    Ok(Conversion { factors, report })
}
