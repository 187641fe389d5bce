//! The methods that find the factors of a weight.

mod least_squares;
mod problem;
mod rsvd;
mod sketch;

pub(super) use problem::{Pair, Problem};
pub(super) use rsvd::{seeded, times};

use crate::{NnError, Scalar};

/// How the factors are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Frozen factors from a randomized SVD of the weight: the best approximation of rank 2Tk.
    #[default]
    Rsvd,
    /// Frozen factors of random signs, trainable ones that minimize the error for these.
    LeastSquares,
    /// Frozen factors of random signs, and S1 = M·U1ᵀ, S2 = U2ᵀ·M as in the original package: right in expectation only, with
    /// an error above the weight itself.
    Sketch,
}

/// D and E of a problem.
pub(super) fn factors<T: Scalar>(method: Method, problem: &Problem<'_, T>) -> Result<Pair<T>, NnError> {
    match method {
        Method::Rsvd => rsvd::factors(problem),
        Method::LeastSquares => least_squares::factors(problem),
        Method::Sketch => sketch::factors(problem),
    }
}
