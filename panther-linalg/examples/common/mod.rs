//! What the examples share: reading a matrix, writing its factors, and talking about both.

pub mod cli;
pub mod compare;
pub mod error;
pub mod format;
pub mod progress;
pub mod read;
pub mod summary;
pub mod write;
