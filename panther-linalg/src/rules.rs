//! The rules by which the decompositions decide, for implementations of them on other devices: not part of the interface for
//! those who decompose matrices.

pub use crate::basis::{CANCELLED, EXTENSIONS, FIRST_BLOCK, MISSED, ROUNDING, UNCONVERGED, checked_for_shape, sampled};
pub use crate::cqrrpt::{DISTORTION, DROPPED, SKETCHES, WELL_CONDITIONED, sketch_rows};
pub use crate::magnitude::{exponent_of, power_of_two, scaled_back};
pub use crate::pivoted_qr::rank_tolerance;
pub use crate::probe::{PROBES, QR_PROBES, QR_SAFETY, SAFETY, chi_squared_below, quantum};
pub use crate::projection::fitted;
pub use crate::range_finder::{Plan, VERIFICATION};
pub use crate::seed::derive_seed;
