//! A matrix from a file.

mod image;
mod mtx;
mod npy;

use std::io;
use std::path::Path;

use faer::MatRef;
use faer::sparse::{CreationError, SparseColMat};
use ndarray_npy::ReadDataError;
use ndarray_npy::npy::header::ReadHeaderError;
use panther_linalg::Real;
use thiserror::Error;

use super::error::CliError;

pub enum Matrix {
    Single(Dense<f32>),
    /// The luminance of a picture, between 0 and 1.
    Picture(Dense<f32>),
    Double(Dense<f64>),
    Sparse(SparseColMat<usize, f64>),
}

/// What is decomposed, and what it is called.
pub struct Source {
    pub name: String,
    pub matrix: Matrix,
}

/// A dense matrix as the file holds it.
pub struct Dense<T> {
    nrows: usize,
    ncols: usize,
    order: Order,
    entries: Vec<T>,
}

#[derive(Clone, Copy)]
enum Order {
    RowMajor,
    ColumnMajor,
}

impl<T: Real> Dense<T> {
    /// Nothing is copied, whichever the order.
    pub fn view(&self) -> MatRef<'_, T> {
        match self.order {
            Order::RowMajor => MatRef::from_row_major_slice(&self.entries, self.nrows, self.ncols),
            Order::ColumnMajor => MatRef::from_column_major_slice(&self.entries, self.nrows, self.ncols),
        }
    }
}

#[derive(Debug, Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("expected a file named .npy, .mtx, .png, .jpg or .jpeg")]
    Extension,
    #[error("not a .npy file: {0}")]
    NpyHeader(#[from] ReadHeaderError),
    #[error("expected a two-dimensional array, got shape {0:?}")]
    Dimensions(Vec<usize>),
    #[error("expected dtype float32 or float64, got {0}")]
    Dtype(String),
    #[error("an integer beyond 2^53 has no exact float64")]
    Integer,
    #[error("the array needs {expected} bytes, the file holds {got}")]
    Length { expected: u128, got: u64 },
    #[error(transparent)]
    NpyData(#[from] ReadDataError),
    #[error("line {line}: {reason}")]
    MatrixMarket { line: usize, reason: String },
    #[error("the sparse matrix does not fit into memory: {0}")]
    Sparse(#[from] CreationError),
    #[error(transparent)]
    Image(#[from] ::image::ImageError),
}

/// The matrix in `file`, or the photograph that ships with the crate.
pub fn read(file: Option<&Path>) -> Result<Source, CliError> {
    let (name, path) = match file {
        None => ("photograph of the astronaut Eileen Collins".to_owned(), Path::new(image::PHOTOGRAPH_NAME)),
        Some(path) => (path.display().to_string(), path),
    };
    let fail = |source| CliError::Read { path: path.to_owned(), source };
    let matrix = file.map_or_else(image::photograph, read_file).map_err(fail)?;
    Ok(Source { name, matrix })
}

fn read_file(path: &Path) -> Result<Matrix, ReadError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "npy" => npy::read(path),
        "mtx" => mtx::read(path),
        "png" | "jpg" | "jpeg" => image::read(path),
        _ => Err(ReadError::Extension),
    }
}
