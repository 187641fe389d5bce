//! Results on disk: all of them or none.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use faer::Mat;
use ndarray_npy::WritableElement;
use ndarray_npy::npy::header::{Header, Layout};
use panther_linalg::Real;

use super::error::CliError;

/// Files that have been written under temporary names, and get their own at the end.
pub struct Staged {
    folder: PathBuf,
    names: Vec<String>,
}

impl Staged {
    pub fn new(folder: &Path) -> Result<Self, CliError> {
        fs::create_dir_all(folder).map_err(|source| CliError::Write { path: folder.to_owned(), source })?;
        Ok(Self { folder: folder.to_owned(), names: Vec::new() })
    }

    /// Writes one file through `content`.
    pub fn add(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), CliError> {
        self.names.push(name.to_owned());
        let write = || {
            let mut file = BufWriter::new(File::create(self.temporary(name))?);
            content(&mut file)?;
            file.flush()
        };
        write().map_err(|source| CliError::Write { path: self.folder.join(name), source })
    }

    /// Gives all files their names.
    pub fn publish(mut self) -> Result<String, CliError> {
        for name in &self.names {
            let path = self.folder.join(name);
            fs::rename(self.temporary(name), &path).map_err(|source| CliError::Write { path, source })?;
        }
        let written = std::mem::take(&mut self.names).join(", ");
        Ok(format!("{} in {}", written, self.folder.display()))
    }

    fn temporary(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}.{}", process::id()))
    }
}

impl Drop for Staged {
    /// Leaves nothing behind after a failure.
    fn drop(&mut self) {
        for name in &self.names {
            // What was never made or has been renamed is not there to be removed.
            let _ = fs::remove_file(self.temporary(name));
        }
    }
}

/// The first `ncols` columns of a matrix as .npy, in Fortran order as faer stores them.
pub fn matrix<T: Real + WritableElement>(out: &mut impl Write, a: &Mat<T>, ncols: usize) -> io::Result<()> {
    header::<T>(out, Layout::Fortran, vec![a.nrows(), ncols])?;
    (0..ncols).try_for_each(|j| values(out, a.col_as_slice(j)))
}

/// A vector as .npy.
pub fn vector<T: WritableElement>(out: &mut impl Write, x: &[T]) -> io::Result<()> {
    header::<T>(out, Layout::Standard, vec![x.len()])?;
    values(out, x)
}

fn header<T: WritableElement>(out: &mut impl Write, layout: Layout, shape: Vec<usize>) -> io::Result<()> {
    Header { type_descriptor: T::type_descriptor(), layout, shape }.write(out).map_err(io::Error::other)
}

fn values<T: WritableElement>(out: &mut impl Write, x: &[T]) -> io::Result<()> {
    T::write_slice(x, out).map_err(io::Error::other)
}
