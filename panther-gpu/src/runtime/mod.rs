//! What lies between this crate and the libraries of CUDA; knows of no device handle.

pub(crate) mod kernel;
pub(crate) mod launch;
pub(crate) mod libraries;
pub(crate) mod limits;
pub(crate) mod pinned;
pub(crate) mod pool;
pub(crate) mod recording;
pub(crate) mod scalar;
