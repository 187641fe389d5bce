//! MatrixMarket (Boisvert, Pozo and Remington 1996): coordinate files stay sparse, array files become dense, both in
//! float64. Read line by line, because such files are large; the readers on crates.io hold the parsed text too, or
//! panic at sizes that do not fit.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;

use faer::sparse::{SparseColMat, Triplet};

use super::{Dense, Matrix, Order, ReadError};

pub fn read(path: &Path) -> Result<Matrix, ReadError> {
    let mut lines = Lines { reader: BufReader::new(File::open(path)?), text: String::new(), number: 0 };
    let header = Header::read(&mut lines)?;
    if header.array { read_array(&mut lines, &header) } else { read_coordinates(&mut lines, &header) }
}

/// What the first line says.
struct Header {
    array: bool,
    pattern: bool,
    symmetry: Symmetry,
}

#[derive(Clone, Copy, PartialEq)]
enum Symmetry {
    General,
    Symmetric,
    Skew,
}

impl Header {
    fn read(lines: &mut Lines) -> Result<Self, ReadError> {
        if !lines.advance()? {
            return Err(lines.error("the file is empty"));
        }
        let text = lines.text.to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let &["%%matrixmarket", "matrix", format, field, symmetry] = words.as_slice() else {
            return Err(lines.error("expected '%%MatrixMarket matrix <format> <field> <symmetry>'"));
        };
        let symmetry = match symmetry {
            "general" => Symmetry::General,
            "symmetric" => Symmetry::Symmetric,
            "skew-symmetric" => Symmetry::Skew,
            other => return Err(lines.error(format!("symmetry '{other}' is not supported"))),
        };
        let (array, pattern) = match (format, field) {
            ("array", "real" | "integer" | "unsigned-integer") => (true, false),
            ("coordinate", "real" | "integer" | "unsigned-integer") => (false, false),
            ("coordinate", "pattern") => (false, true),
            (format, field) => return Err(lines.error(format!("'{format} {field}' is not supported"))),
        };
        Ok(Self { array, pattern, symmetry })
    }

    fn check_square(&self, lines: &Lines, nrows: usize, ncols: usize) -> Result<(), ReadError> {
        if self.symmetry == Symmetry::General || nrows == ncols {
            Ok(())
        } else {
            Err(lines.error(format!("a symmetric matrix must be square, got {nrows}×{ncols}")))
        }
    }
}

fn read_coordinates(lines: &mut Lines, header: &Header) -> Result<Matrix, ReadError> {
    let [nrows, ncols, count] = lines.sizes()?;
    header.check_square(lines, nrows, ncols)?;
    let mut entries = Vec::new();
    let mut read = 0;
    while lines.next_data()? {
        let entry = lines.entry(header.pattern)?;
        if entry.row >= nrows || entry.col >= ncols {
            return Err(lines.error(format!("the entry lies outside of the {nrows}×{ncols} matrix")));
        }
        push_with_mirror(&mut entries, entry, header.symmetry);
        read += 1;
    }
    lines.check_count(count, read)?;
    Ok(Matrix::Sparse(SparseColMat::try_new_from_triplets(nrows, ncols, &entries)?))
}

/// The file holds one triangle of a symmetric matrix.
fn push_with_mirror(
    entries: &mut Vec<Triplet<usize, usize, f64>>,
    entry: Triplet<usize, usize, f64>,
    symmetry: Symmetry,
) {
    let Triplet { row, col, val } = entry;
    entries.push(entry);
    match symmetry {
        Symmetry::Symmetric if row != col => entries.push(Triplet::new(col, row, val)),
        Symmetry::Skew if row != col => entries.push(Triplet::new(col, row, -val)),
        _ => {}
    }
}

fn read_array(lines: &mut Lines, header: &Header) -> Result<Matrix, ReadError> {
    let [nrows, ncols] = lines.sizes()?;
    header.check_square(lines, nrows, ncols)?;
    let expected = match header.symmetry {
        Symmetry::General => nrows.checked_mul(ncols),
        Symmetry::Symmetric => nrows.checked_mul(nrows).map(|squared| (squared + nrows) / 2),
        Symmetry::Skew => nrows.checked_mul(nrows).map(|squared| (squared - nrows) / 2),
    };
    let stored = lines.values()?;
    lines.check_count(expected.unwrap_or(usize::MAX), stored.len())?;
    let entries = if header.symmetry == Symmetry::General { stored } else { unfold(&stored, nrows, header.symmetry) };
    Ok(Matrix::Double(Dense { nrows, ncols, order: Order::ColumnMajor, entries }))
}

/// The full n×n matrix from its lower triangle by columns, without the diagonal if it is skew.
fn unfold(stored: &[f64], n: usize, symmetry: Symmetry) -> Vec<f64> {
    let (first, sign) = if symmetry == Symmetry::Skew { (1, -1.0) } else { (0, 1.0) };
    let lower = (0..n).flat_map(|col| (col + first..n).map(move |row| (row, col)));
    let mut full = vec![0.0; n * n];
    for ((row, col), &value) in lower.zip(stored) {
        full[row * n + col] = sign * value;
        full[col * n + row] = value;
    }
    full
}

/// The lines of the file, one at a time.
struct Lines {
    reader: BufReader<File>,
    text: String,
    number: usize,
}

impl Lines {
    /// Goes to the next line; false at the end of the file.
    fn advance(&mut self) -> Result<bool, ReadError> {
        self.text.clear();
        self.number += 1;
        Ok(self.reader.read_line(&mut self.text)? > 0)
    }

    /// Goes to the next line that is neither empty nor a comment; false at the end of the file.
    fn next_data(&mut self) -> Result<bool, ReadError> {
        while self.advance()? {
            let text = self.text.trim_start();
            if !text.is_empty() && !text.starts_with('%') {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The line that holds the shape, and for coordinates the number of entries.
    fn sizes<const N: usize>(&mut self) -> Result<[usize; N], ReadError> {
        self.next_data()?;
        let mut words = self.text.split_whitespace();
        let sizes = [(); N].map(|()| words.next().and_then(|word| word.parse().ok()));
        if sizes.contains(&None) || words.next().is_some() {
            return Err(self.error(format!("expected {N} sizes")));
        }
        Ok(sizes.map(Option::unwrap_or_default))
    }

    /// One entry of a sparse matrix, counted from 0 here and from 1 in the file.
    fn entry(&self, pattern: bool) -> Result<Triplet<usize, usize, f64>, ReadError> {
        let mut words = self.text.split_whitespace();
        let row = parse(words.next()).and_then(|row: usize| row.checked_sub(1));
        let col = parse(words.next()).and_then(|col: usize| col.checked_sub(1));
        let val = if pattern { Some(1.0) } else { parse(words.next()) };
        match (row, col, val, words.next()) {
            (Some(row), Some(col), Some(val), None) => Ok(Triplet::new(row, col, val)),
            _ => Err(self.error(if pattern {
                "expected a row and a column"
            } else {
                "expected a row, a column and a value"
            })),
        }
    }

    /// All remaining numbers.
    fn values(&mut self) -> Result<Vec<f64>, ReadError> {
        let mut values = Vec::new();
        while self.next_data()? {
            for word in self.text.split_whitespace() {
                values.push(parse(Some(word)).ok_or_else(|| self.error(format!("'{word}' is not a number")))?);
            }
        }
        Ok(values)
    }

    fn check_count(&self, expected: usize, got: usize) -> Result<(), ReadError> {
        if expected == got { Ok(()) } else { Err(self.error(format!("expected {expected} entries, got {got}"))) }
    }

    fn error(&self, reason: impl Into<String>) -> ReadError {
        ReadError::MatrixMarket { line: self.number, reason: reason.into() }
    }
}

fn parse<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}
