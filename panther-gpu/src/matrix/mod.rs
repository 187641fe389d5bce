//! Matrices of a device: views, norms, scaling, and loops over their entries.

pub(crate) mod entries;
pub(crate) mod growing;
pub(crate) mod norms;
mod owned;
pub(crate) mod permute;
pub(crate) mod raw;
pub(crate) mod report;
pub(crate) mod scaling;
mod to_host;
pub(crate) mod view;

pub use norms::frobenius;
pub use owned::Matrix;
pub use to_host::ToHost;
pub use view::{MatrixMut, MatrixRef};
