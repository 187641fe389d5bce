//! Exact singular values, for choosing ranks.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Mat, MatRef, Par};
use panther_linalg::{Target, rsvd};

use super::budget::Spectrum;
use super::factors::norm;
use super::method::{seeded, times};
use super::weight::{DenseWeight, check_inputs};
use super::weight::{most_useful, stored_per_term};
use crate::{NnError, Scalar};

impl Spectrum {
    /// That of a weight, or with inputs of X·M: O(d_in·d_out·min(d_in, d_out)) operations in double precision on one thread.
    ///
    /// # Errors
    /// [`NnError::Shape`] for X, [`NnError::Linalg`] where a number is not finite.
    pub fn of<T: Scalar>(weight: &DenseWeight<T>, inputs: Option<MatRef<'_, T>>, par: Par) -> Result<Self, NnError> {
        check_inputs(weight, inputs)?;
        let (d_in, d_out) = weight.dimensions();
        let values = match inputs {
            None => singular_values(weight.matrix())?,
            Some(x) => singular_values(times(x, weight.matrix(), par).as_ref())?,
        };
        Ok(Self {
            dense_values: d_in * d_out,
            values_per_step: stored_per_term((d_in, d_out)),
            most_steps: most_useful((d_in, d_out)),
            squared_values: values.iter().map(|s| s * s).collect(),
        })
    }
}

/// The singular values of A, descending.
fn singular_values<T: Scalar>(a: MatRef<'_, T>) -> Result<Vec<f64>, NnError> {
    let size = norm(a);
    let count = a.nrows().min(a.ncols());
    if size == 0.0 {
        return Ok(vec![0.0; count]);
    }
    let scaled = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64() / size);
    let values = match values_only(scaled.as_ref()) {
        Some(values) => values,
        // The slower way, which checks itself.
        None => rsvd(&scaled, Target::Rank(count), &seeded(0), Par::Seq)?.s,
    };
    Ok(values.into_iter().map(|s| s * size).collect())
}

/// The singular values of a matrix of norm one, where they come out descending and with their squares adding up.
fn values_only(a: MatRef<'_, f64>) -> Option<Vec<f64>> {
    let (m, n) = a.shape();
    let (none, params) = (ComputeSvdVectors::No, Default::default());
    let mut values = Diag::zeros(m.min(n));
    let mut memory = MemBuffer::new(svd_scratch::<f64>(m, n, none, none, Par::Seq, params));
    svd(a, values.as_mut(), None, None, Par::Seq, MemStack::new(&mut memory), params).ok()?;
    let values: Vec<f64> = values.column_vector().iter().copied().collect();
    let total: f64 = values.iter().map(|s| s * s).sum();
    (values.is_sorted_by(|a, b| a >= b) && (total - 1.0).abs() < 1e-10).then_some(values)
}
