//! Selections of stored results, ratios between methods, errors, and the sentences about them.

pub mod accuracy;
pub mod comparison;
pub mod data;
