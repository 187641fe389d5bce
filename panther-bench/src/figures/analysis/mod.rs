//! What stored results say: selections of them, ratios between methods, and errors, in numbers and sentences.

pub mod accuracy;
pub mod comparison;
pub mod data;
