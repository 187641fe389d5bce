//! Randomized decompositions.

mod error;
mod operator;
mod options;
mod results;

pub use error::LinalgError;
pub use operator::{LinearOperator, Magnitude};
pub use options::{CqrrptOptions, PivotedQrOptions, RangeFinder, RsvdOptions, Target};
pub use panther_sketch::{Distribution, Input, Real, SketchError};
pub use results::{NormSource, PivotedQr, Qb, QrFallback, Rsvd, RsvdPath};

use faer::{Mat, MatRef, Par};

/// placeholder
pub fn rsvd<T: Real, A: LinearOperator<T> + ?Sized>(
    _a: &A,
    _target: Target,
    _options: &RsvdOptions,
    _par: Par,
) -> Result<Rsvd<T>, LinalgError> {
    todo!()
}
/// placeholder
pub fn qb<T: Real, A: LinearOperator<T> + ?Sized>(
    _a: &A,
    _target: Target,
    _options: &RsvdOptions,
    _par: Par,
) -> Result<Qb<T>, LinalgError> {
    todo!()
}
/// placeholder
pub fn range_finder<T: Real, A: LinearOperator<T> + ?Sized>(
    _a: &A,
    _rank: usize,
    _options: &RsvdOptions,
    _par: Par,
) -> Result<Mat<T>, LinalgError> {
    todo!()
}
/// placeholder
pub fn cqrrpt<'a, T: Real>(
    _a: impl Into<Input<'a, T>>,
    _options: &CqrrptOptions,
    _par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    todo!()
}
/// placeholder
pub fn pivoted_qr<T: Real>(
    _a: MatRef<'_, T>,
    _options: &PivotedQrOptions,
    _par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    todo!()
}
/// placeholder
pub struct FnOperator;
/// Q R = A.
pub struct ThinQr<T> {
    /// m×n
    pub q: Mat<T>,
    /// n×n
    pub r: Mat<T>,
}
/// placeholder
pub fn cholesky_qr2<T: Real>(_a: MatRef<'_, T>, _par: Par) -> Result<ThinQr<T>, LinalgError> {
    todo!()
}
/// placeholder
pub fn shifted_cholesky_qr3<T: Real>(_a: MatRef<'_, T>, _par: Par) -> Result<ThinQr<T>, LinalgError> {
    todo!()
}
