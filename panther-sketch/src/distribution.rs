//! The families of sketches by name.

use crate::{Gaussian, LessUniform, Rademacher, Real, SketchError, SketchOperator, SparseSign, Srht, Uniform};

/// A family of sketch operators with its parameter: what is drawn, apart from the shape and the
/// seed it is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Distribution {
    /// Entries N(0, 1/d).
    Gaussian,
    /// Entries ±1/√d.
    Rademacher,
    /// Entries uniform on ±√(3/d).
    Uniform,
    /// `vec_nnz` distinct rows of each column hold ±1/√`vec_nnz`.
    SparseSign {
        /// ζ, nonzeros per column, 1..=d.
        vec_nnz: usize,
    },
    /// Each row is `vec_nnz` signed coordinates, sampled with replacement.
    LessUniform {
        /// ζ, samples per row, 1..=n.
        vec_nnz: usize,
    },
    /// Subsampled randomized Hadamard transform.
    Srht,
}

impl Distribution {
    /// CountSketch: one nonzero per column.
    pub const COUNT_SKETCH: Self = Self::SparseSign { vec_nnz: 1 };

    /// Draws the d×n operator of this family that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if a parameter does not
    /// fit the shape.
    pub fn operator<T: Real>(self, d: usize, n: usize, seed: u64) -> Result<Box<dyn SketchOperator<T>>, SketchError> {
        Ok(match self {
            Self::Gaussian => Box::new(Gaussian::new(d, n, seed)?),
            Self::Rademacher => Box::new(Rademacher::new(d, n, seed)?),
            Self::Uniform => Box::new(Uniform::new(d, n, seed)?),
            Self::SparseSign { vec_nnz } => Box::new(SparseSign::new(d, n, vec_nnz, seed)?),
            Self::LessUniform { vec_nnz } => Box::new(LessUniform::new(d, n, vec_nnz, seed)?),
            Self::Srht => Box::new(Srht::new(d, n, seed)?),
        })
    }
}
