//! Losses of classification and regression.

use crate::backend::{Backend, CrossEntropy, Loss};
use crate::layers::{in_range, rows_of};
use crate::train::require;
use crate::{NnError, Scalar};

/// The cross-entropy of `logits`, …×classes, with `targets`, a class for each row: the mean over the rows that count, computed
/// without overflow.
///
/// # Errors
/// [`NnError::Shape`] where there is not one target for each row, [`NnError::OutOfRange`] where a target is no class,
/// [`NnError::InvalidNumber`] where the label smoothing is not in \[0, 1\].
pub fn cross_entropy<T: Scalar, B: Backend>(
    backend: &B,
    options: CrossEntropy,
    logits: &B::Tensor<T>,
    targets: &[usize],
) -> Result<Loss<B::Tensor<T>>, NnError> {
    let smoothing = options.label_smoothing;
    require((0.0..=1.0).contains(&smoothing), "label_smoothing", "in [0, 1]", smoothing)?;
    let classes = check_targets::<T, B>("cross_entropy", logits, targets)?;
    for target in targets.iter().filter(|target| options.ignored != Some(**target)) {
        in_range("target", *target, 0, classes - 1)?;
    }
    backend.cross_entropy(options, logits, targets)
}

/// The mean of (y − t)² over all values.
///
/// # Errors
/// [`NnError::Shape`] where the shapes differ.
pub fn mean_squared_error<T: Scalar, B: Backend>(
    backend: &B,
    predictions: &B::Tensor<T>,
    targets: &B::Tensor<T>,
) -> Result<Loss<B::Tensor<T>>, NnError> {
    let shape = B::shape(predictions);
    if shape != B::shape(targets) {
        return Err(NnError::shape("mean_squared_error", "targets", format!("{shape:?}"), B::shape(targets)));
    }
    backend.mean_squared_error(predictions, targets)
}

/// The part of the rows of `logits`, …×classes, whose largest number (the first of equals) is at their target; 0 without
/// rows.
///
/// # Errors
/// [`NnError::Shape`] where there is not one target for each row.
pub fn accuracy<T: Scalar, B: Backend>(backend: &B, logits: &B::Tensor<T>, targets: &[usize]) -> Result<f64, NnError> {
    let classes = check_targets::<T, B>("accuracy", logits, targets)?;
    let logits = backend.download(logits)?;
    let is_right = |(row, target): &(&[T], &usize)| {
        let Some(at_target) = row.get(**target) else { return false };
        row[..**target].iter().all(|x| x < at_target) && row[**target..].iter().all(|x| x <= at_target)
    };
    let right = logits.chunks(classes).zip(targets).filter(is_right).count();
    Ok(right as f64 / targets.len().max(1) as f64)
}

/// The number of classes, at least 1, where there is a target for each row.
fn check_targets<T: Scalar, B: Backend>(
    operation: &'static str,
    logits: &B::Tensor<T>,
    targets: &[usize],
) -> Result<usize, NnError> {
    let shape = B::shape(logits);
    let classes = shape.last().copied().unwrap_or(0);
    in_range("classes", classes, 1, usize::MAX)?;
    if rows_of(operation, "logits", shape, classes)? != targets.len() {
        return Err(NnError::shape(operation, "targets", format!("one for each row of {shape:?}"), &[targets.len()]));
    }
    Ok(classes)
}
