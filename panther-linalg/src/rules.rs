//! The rules by which the decompositions decide, for implementations of them on other devices: not part of the interface for
//! those who decompose matrices.

pub use crate::estimate::{RESIDUAL_SAFETY, RESIDUAL_VECTORS, chi_squared_below, quantum};
pub use crate::operator::{exponent_of, power_of_two, scaled_back};
pub use crate::qr::cqrrpt::{DROPPED, SKETCHES, sketch_rows};
pub use crate::qr::preconditioned::{DISTORTION, WELL_CONDITIONED};
pub use crate::rank::{singular_value_tolerance, sketch_tolerance as rank_tolerance};
pub use crate::svd::bound::{Bound, ERROR_VECTORS, Energies, Measured, failure_probability, smallest_rank};
pub use crate::svd::decision::{Growth, GrowthLimits, NextStep, Observation, next_step};
pub use crate::svd::plan::{FIRST_BLOCK, Plan, VERIFICATION, checked_target, sampled};
pub use crate::svd::projection::clamped_to_shape;
