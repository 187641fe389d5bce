//! Matrices of results in serde's data model: rows, columns, and the entries by columns.

use faer::Mat;
use panther_sketch::Real;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A matrix that can be stored.
pub trait StoredMatrix: Sized {
    /// The type of its entries.
    type Entry: Serialize + for<'de> Deserialize<'de>;

    /// Rows, columns, and the entries by columns.
    fn to_parts(&self) -> (usize, usize, Vec<Self::Entry>);

    /// The matrix, if there is an entry for each place.
    fn from_parts(rows: usize, columns: usize, entries: Vec<Self::Entry>) -> Option<Self>;
}

impl<T: Real + Serialize + for<'de> Deserialize<'de>> StoredMatrix for Mat<T> {
    type Entry = T;

    fn to_parts(&self) -> (usize, usize, Vec<T>) {
        let entries = self.col_iter().flat_map(|column| column.iter().copied().collect::<Vec<_>>()).collect();
        (self.nrows(), self.ncols(), entries)
    }

    fn from_parts(rows: usize, columns: usize, entries: Vec<T>) -> Option<Self> {
        let fits = rows.checked_mul(columns) == Some(entries.len());
        fits.then(|| Self::from_fn(rows, columns, |i, j| entries[j * rows + i]))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
struct Parts<E> {
    rows: usize,
    columns: usize,
    entries: Vec<E>,
}

pub(crate) fn serialize<M: StoredMatrix, S: Serializer>(matrix: &M, serializer: S) -> Result<S::Ok, S::Error> {
    let (rows, columns, entries) = matrix.to_parts();
    Parts { rows, columns, entries }.serialize(serializer)
}

pub(crate) fn deserialize<'de, M: StoredMatrix, D: Deserializer<'de>>(deserializer: D) -> Result<M, D::Error> {
    let Parts { rows, columns, entries } = Parts::<M::Entry>::deserialize(deserializer)?;
    let found = entries.len();
    M::from_parts(rows, columns, entries).ok_or_else(|| {
        D::Error::custom(format_args!("a {rows}×{columns} matrix needs rows·columns entries, got {found}"))
    })
}
