//! Charts as PNG pictures, independent of their content.

pub mod axis;
pub mod canvas;
pub mod chart;
mod marks;
pub mod style;
