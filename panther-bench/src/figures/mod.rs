//! Figures of stored results: one file per suite, each with the figures and observations of that suite.

mod analysis;
mod attention;
mod catalog;
mod conv;
mod convert;
mod cqrrpt;
mod draw;
mod error;
mod figure;
mod files;
mod layer_grid;
mod linear;
mod pivots;
mod roofline;
mod rsvd;
mod sketch;

pub use analysis::comparison::Summary;
pub use catalog::{figures, observations, remarks};
pub use error::FigureError;
pub use figure::{DEVICES, Figure, Observation};
pub use files::{plot, read};
