//! Why figures cannot be drawn.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why figures cannot be drawn.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The font that ships with this program is broken.
    #[error("DejaVuSans.ttf cannot be read")]
    Font,
    /// The drawing failed.
    #[error("cannot draw: {0}")]
    Draw(String),
    /// The picture cannot be encoded.
    #[error("cannot encode a picture: {0}")]
    Encode(#[from] image::ImageError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no results.
    #[error("{path} holds no results: {source}")]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Two files of a device come from different machines.
    #[error("results of {suite} on {device} come from two machines that cannot be compared: {first} and {second}")]
    TwoMachines {
        /// Of which suite.
        suite: String,
        /// `cpu` or `h200`.
        device: String,
        /// One of them, with its threads.
        first: String,
        /// The other.
        second: String,
    },
}

impl FigureError {
    pub(super) fn draw(error: impl std::fmt::Display) -> Self {
        Self::Draw(error.to_string())
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
