//! Accuracy of the decompositions against dense references, over shapes, precisions, layouts and families of matrices.
//!
//! Every test runs on fixed seeds and gives the same answer each time; where a bound holds with a probability only, the
//! test says how often fresh seeds would break it.

mod bad_input;
mod cholesky_qr;
mod determinism;
mod estimates;
mod multiplicities;
mod ndarray_views;
mod operators;
mod qr;
mod qr_limits;
mod qr_results;
mod rsvd;
mod tolerances;

use panther_tests::checks::Check;
use proptest::test_runner::TestCaseError;

/// Turns what a check found wrong into proptest's failure of a case.
fn case(check: Check) -> Result<(), TestCaseError> {
    check.map_err(TestCaseError::fail)
}
