//! The checks that all families share.

use std::ops::Range;

use crate::SketchError;

/// A dimension of an operator: 1..=`isize::MAX`, so that no product of it with a small number
/// overflows and every index has a 63-bit bound.
pub(crate) fn dimension(argument: &'static str, got: usize) -> Result<(), SketchError> {
    if got == 0 {
        return Err(SketchError::Empty { argument });
    }
    within(argument, got, 1, isize::MAX.cast_unsigned())
}

/// A parameter in `low..=high`.
pub(crate) fn within(argument: &'static str, got: usize, low: usize, high: usize) -> Result<(), SketchError> {
    if (low..=high).contains(&got) { Ok(()) } else { Err(SketchError::OutOfRange { argument, low, high, got }) }
}

/// A column range in 0..n.
fn columns_fit(n: usize, columns: &Range<usize>) -> Result<(), SketchError> {
    within("columns.end", columns.end, 0, n)?;
    within("columns.start", columns.start, 0, columns.end)
}

fn shape(
    operation: &'static str,
    argument: &'static str,
    expected: (usize, usize),
    got: (usize, usize),
) -> Result<(), SketchError> {
    if expected == got { Ok(()) } else { Err(SketchError::Shape { operation, argument, expected, got }) }
}

/// The operands of out += S\[:, columns\]·A for a d×n operator.
pub(crate) fn accumulate(
    (d, n): (usize, usize),
    columns: &Range<usize>,
    out: (usize, usize),
    a: (usize, usize),
) -> Result<(), SketchError> {
    columns_fit(n, columns)?;
    shape("out += S[:, columns]·A", "a", (columns.len(), a.1), a)?;
    shape("out += S[:, columns]·A", "out", (d, a.1), out)
}

/// The operands of out = S\[:, columns\]ᵀ·X for a d×n operator.
pub(crate) fn adjoint(
    (d, n): (usize, usize),
    columns: &Range<usize>,
    out: (usize, usize),
    x: (usize, usize),
) -> Result<(), SketchError> {
    columns_fit(n, columns)?;
    shape("out = S[:, columns]ᵀ·X", "x", (d, x.1), x)?;
    shape("out = S[:, columns]ᵀ·X", "out", (columns.len(), x.1), out)
}
