//! What can go wrong between the command line and the files written.

use std::io;
use std::path::PathBuf;

use panther_linalg::LinalgError;
use thiserror::Error;

use super::read::ReadError;

/// Ends the program with exit code 2; shown as one line.
#[derive(Debug, Error)]
pub enum CliError {
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: ReadError },
    #[error("cannot start {threads} threads: {source}")]
    Threads { threads: usize, source: rayon::ThreadPoolBuildError },
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}
