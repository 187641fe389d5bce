//! Trained dense layers made sketched: the same function, nearly, from fewer numbers.
//!
//! | function | does |
//! |---|---|
//! | [`convert_weight`] | one weight, given T and k |
//! | [`convert_to_error`] | one weight, the smallest k within an error |
//! | [`convert_to_budget`] | many weights, the numbers to be stored spent where they buy the most |
//! | [`sketched_linear`], [`sketched_conv2d`] | one [`Linear`](crate::layers::Linear) or [`Conv2d`](crate::layers::Conv2d) layer |
//! | [`sketched_attention`] | one [`MultiHeadAttention`](crate::layers::MultiHeadAttention), with its error on given inputs |
//! | [`convert_checkpoint`] | a whole file |
//! | [`attention_state`] | the projections of PyTorch's attention, by their names in a file |
//!
//! A weight matrix M = Wᵀ, d_in×d_out, becomes M̂ = D·E/(2T) of rank 2Tk, of which 2Tk·(d_in + d_out) numbers are stored. With
//! [`Method::Rsvd`] that is the best there is of this rank, in the norm of the weights or, given inputs X, of the outputs
//! ‖X(M − M̂)‖_F.
//!
//! ```
//! use faer::Par;
//! use panther_nn::convert::{ConversionOptions, DenseWeight, WeightLayout, convert_weight};
//!
//! // A trained weight decays; this one as 1/(i + j).
//! let numbers: Vec<f32> = (0..96 * 64).map(|e| 1.0 / (1 + e / 64 + e % 64) as f32).collect();
//! let weight = DenseWeight::new(WeightLayout::OutIn, &[96, 64], &numbers)?;
//! let conversion = convert_weight(&weight, 1, 4, None, &ConversionOptions::default(), Par::Seq)?;
//! assert!(conversion.report.relative_error < 1e-3);
//! assert_eq!(conversion.report.parameters_after, 8 * (96 + 64));
//! # Ok::<(), panther_nn::NnError>(())
//! ```

mod attention;
mod budget;
mod checkpoint;
mod conv2d;
mod factors;
mod least_squares;
mod linear;
mod report;
mod rsvd;
mod selection;
mod sketch;
mod spectrum;
mod spool;
mod to_budget;
mod to_error;
mod weight;

use faer::{Mat, MatRef, Par};

pub use attention::{attention_state, sketched_attention};
pub use budget::{Spectrum, allocate};
pub use checkpoint::{CheckpointOptions, Choice, convert_checkpoint};
pub use conv2d::sketched_conv2d;
pub use factors::Factors;
pub use linear::sketched_linear;
pub use report::{CheckpointReport, ConversionReport, KeptTensor, LayerReport};
pub use selection::Reason;
pub use to_budget::convert_to_budget;
pub use to_error::convert_to_error;
pub use weight::{DenseWeight, WeightLayout};

use crate::checkpoint::FloatType;
use crate::layers::in_range;
use crate::{NnError, Scalar};

/// How the factors are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Fixed factors from a randomized SVD of the weight: the best approximation of rank 2Tk.
    #[default]
    Rsvd,
    /// Fixed factors of random signs, learned ones that minimise the error for these.
    LeastSquares,
    /// Fixed factors of random signs, and S1 = M·U1ᵀ, S2 = U2ᵀ·M as in the original package: right in expectation only, with
    /// an error above the weight itself.
    Sketch,
}

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
/// With `inputs` X, n×d_in (for a convolution rows of unfolded patches, (C_in·kh·kw) long), the error minimised and reported is
/// ‖X(M − M̂)‖_F/‖XM‖_F, otherwise ‖M − M̂‖_F/‖M‖_F. X may be rank-deficient or have fewer rows than columns. 2Tk beyond
/// min(d_in, d_out) pads with zeros. [`Method::Rsvd`] is within 1.01 of the best possible of rank 2Tk.
///
/// # Cost
/// That of [`rsvd`](panther_linalg::rsvd()) of rank 2Tk of the weight (of X·M, n×d_out, with inputs).
///
/// # Errors
/// [`NnError::OutOfRange`] where T is 0 or k not in 1..=min(d_in, d_out), [`NnError::Shape`] for X, [`NnError::Linalg`] for
/// numbers that are not finite, [`NnError::FactorOverflow`].
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
    let (down, up) = match options.method {
        Method::Rsvd => rsvd::factors(&problem)?,
        Method::LeastSquares => least_squares::factors(&problem)?,
        Method::Sketch => sketch::factors(&problem)?,
    };
    let storage = options.storage.unwrap_or_else(FloatType::of::<T>);
    let factors = Factors::rounded(weight, (num_terms, low_rank), (down, up), storage)?;
    let relative_error = factors.relative_error(weight, inputs, par);
    let report = ConversionReport::new(weight, num_terms, low_rank, storage, relative_error);
    Ok(Conversion { factors, report })
}

/// What a method works on.
struct Problem<'a, T: Scalar> {
    weight: &'a DenseWeight<T>,
    inputs: Option<MatRef<'a, T>>,
    num_terms: usize,
    low_rank: usize,
    /// Tk.
    half: usize,
    seed: u64,
    par: Par,
}

impl<T: Scalar> Problem<'_, T> {
    /// Rows of E whose factors U1 are fixed: half of them, but all of a convolution's.
    fn fixed_up(&self) -> usize {
        if self.weight.is_convolution() { 2 * self.half } else { self.half }
    }

    /// 2T.
    fn count(&self) -> T {
        T::from_f64(2.0 * self.num_terms as f64)
    }
}

/// D, d_in×2Tk, and E, 2Tk×d_out.
type Pair<T> = (Mat<T>, Mat<T>);

fn check_inputs<T: Scalar>(weight: &DenseWeight<T>, inputs: Option<MatRef<'_, T>>) -> Result<(), NnError> {
    match inputs {
        Some(x) if x.ncols() != weight.dimensions().0 || x.nrows() == 0 => {
            let expected = format!("n×{} with n at least 1", weight.dimensions().0);
            Err(NnError::shape("convert", "inputs", expected, &[x.nrows(), x.ncols()]))
        }
        Some(x) => weight::check_finite("inputs", x),
        None => Ok(()),
    }
}
