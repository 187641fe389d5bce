//! What can go wrong between the command line and the files written.

use std::io;
use std::path::PathBuf;

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
    #[error("{0}")]
    Refused(Box<dyn std::error::Error>),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write the report: {0}")]
    Report(#[from] io::Error),
}

impl CliError {
    /// What decomposes will not, or cannot.
    pub fn refused(error: impl std::error::Error + 'static) -> Self {
        Self::Refused(Box::new(error))
    }
}
