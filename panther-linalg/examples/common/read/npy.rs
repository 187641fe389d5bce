//! NumPy's .npy: float32 and float64 as they are, whole numbers and booleans as float64 where that is exact.

use std::fs::File;
use std::io::{BufReader, Seek};
use std::path::Path;

use ndarray_npy::ReadableElement;
use ndarray_npy::npy::header::{Header, Layout};

use super::{Dense, Matrix, Order, ReadError};

pub fn read(path: &Path) -> Result<Matrix, ReadError> {
    let file = Npy::open(path)?;
    match file.dtype.trim_start_matches(['<', '>', '|']) {
        "f4" => Ok(Matrix::Single(file.floats()?)),
        "f8" => Ok(Matrix::Double(file.floats()?)),
        "b1" => Ok(Matrix::Double(file.integers::<bool>()?)),
        "i1" => Ok(Matrix::Double(file.integers::<i8>()?)),
        "i2" => Ok(Matrix::Double(file.integers::<i16>()?)),
        "i4" => Ok(Matrix::Double(file.integers::<i32>()?)),
        "i8" => Ok(Matrix::Double(file.integers::<i64>()?)),
        "u1" => Ok(Matrix::Double(file.integers::<u8>()?)),
        "u2" => Ok(Matrix::Double(file.integers::<u16>()?)),
        "u4" => Ok(Matrix::Double(file.integers::<u32>()?)),
        "u8" => Ok(Matrix::Double(file.integers::<u64>()?)),
        _ => Err(ReadError::Dtype(file.dtype)),
    }
}

/// A file whose header has been read.
struct Npy {
    reader: BufReader<File>,
    header: Header,
    dtype: String,
    nrows: usize,
    ncols: usize,
}

impl Npy {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let mut reader = BufReader::new(File::open(path)?);
        let header = Header::from_reader(&mut reader)?;
        let &[nrows, ncols] = header.shape.as_slice() else {
            return Err(ReadError::Dimensions(header.shape));
        };
        let descriptor = header.type_descriptor.to_string();
        let dtype = header.type_descriptor.as_string().cloned().unwrap_or(descriptor);
        Ok(Self { reader, header, dtype, nrows, ncols })
    }

    fn floats<T: ReadableElement>(self) -> Result<Dense<T>, ReadError> {
        self.dense(Ok)
    }

    fn integers<I: ReadableElement + Into<i128>>(self) -> Result<Dense<f64>, ReadError> {
        self.dense(|x: I| exact(x.into()).ok_or(ReadError::Integer))
    }

    fn dense<I, T>(mut self, convert: impl Fn(I) -> Result<T, ReadError>) -> Result<Dense<T>, ReadError>
    where
        I: ReadableElement,
    {
        self.check_length(size_of::<I>())?;
        let (nrows, ncols) = (self.nrows, self.ncols);
        let raw = I::read_to_end_exact_vec(&mut self.reader, &self.header.type_descriptor, nrows * ncols)?;
        let order = match self.header.layout {
            Layout::Standard => Order::RowMajor,
            Layout::Fortran => Order::ColumnMajor,
        };
        Ok(Dense { nrows, ncols, order, entries: raw.into_iter().map(convert).collect::<Result<_, _>>()? })
    }

    /// A damaged header must not make us ask for memory that the file cannot fill.
    fn check_length(&mut self, item: usize) -> Result<(), ReadError> {
        let got = self.reader.get_ref().metadata()?.len() - self.reader.stream_position()?;
        let expected = (self.nrows as u128).saturating_mul(self.ncols as u128).saturating_mul(item as u128);
        if expected == u128::from(got) { Ok(()) } else { Err(ReadError::Length { expected, got }) }
    }
}

fn exact(x: i128) -> Option<f64> {
    (x.unsigned_abs() <= 1 << 53).then_some(x as f64)
}
