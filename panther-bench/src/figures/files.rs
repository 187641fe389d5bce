//! Reads files of results and writes pictures of them.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalog::figures;
use super::error::FigureError;
use crate::record::Record;

/// Draws what the files hold, and returns the paths of the pictures.
///
/// # Errors
/// [`FigureError`]: a file that cannot be read, results of two machines, or a folder that cannot be written to.
pub fn plot(files: &[PathBuf], out: &Path) -> Result<Vec<PathBuf>, FigureError> {
    let records = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    fs::create_dir_all(out).map_err(FigureError::io(out))?;
    let mut paths = Vec::new();
    for figure in figures(&records)?.iter().filter(|figure| figure.is_measured()) {
        let path = out.join(format!("{}.png", figure.name));
        fs::write(&path, figure.png()?).map_err(FigureError::io(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

/// A file of results.
///
/// # Errors
/// [`FigureError::Io`], [`FigureError::Json`].
pub fn read(path: &Path) -> Result<Record, FigureError> {
    let text = fs::read_to_string(path).map_err(FigureError::io(path))?;
    serde_json::from_str(&text).map_err(|source| FigureError::Json { path: path.to_owned(), source })
}
