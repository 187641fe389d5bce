//! Charts as PNG pictures, knowing nothing of what they show.

pub mod axis;
pub mod canvas;
pub mod chart;
mod marks;
pub mod style;
