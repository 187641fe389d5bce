//! The look of each method, the same in all figures: color, marker and dashes, so that color is never the only cue.

use plotters::style::RGBColor;

// Okabe and Ito's colors, which the color-blind can tell apart; yellow is left out, as paper is white.
pub const BLACK: RGBColor = RGBColor(0, 0, 0);
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREY: RGBColor = RGBColor(120, 120, 120);

/// Colors and markers of things that have no look of their own.
const CYCLE: [(RGBColor, Marker); 8] = [
    (BLUE, Marker::Disc),
    (VERMILION, Marker::Square),
    (GREEN, Marker::Up),
    (PURPLE, Marker::Diamond),
    (ORANGE, Marker::Down),
    (SKY, Marker::Ring),
    (GREY, Marker::Up),
    (BLACK, Marker::Square),
];

/// What stands at each point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Disc,
    Ring,
    Square,
    Diamond,
    Up,
    Down,
    /// A line alone.
    None,
}

/// How a line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    Solid,
    Dashed,
    Dotted,
    /// No line: points alone.
    None,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub color: RGBColor,
    pub marker: Marker,
    pub dash: Dash,
}

impl Look {
    pub const fn new(color: RGBColor, marker: Marker) -> Self {
        Self { color, marker, dash: Dash::Solid }
    }

    pub const fn dashed(self, dash: Dash) -> Self {
        Self { dash, ..self }
    }

    /// The look of the thing with this number, where nothing else says it.
    pub fn number(index: usize) -> Self {
        let (color, _) = CYCLE[index % CYCLE.len()];
        // Another marker in each round, so that eight times eight things differ.
        let (_, marker) = CYCLE[(index + index / CYCLE.len()) % CYCLE.len()];
        Self::new(color, marker)
    }

    /// The look of a method by its stored name.
    pub fn of(method: &str) -> Self {
        match method {
            "dense" | "exact" | "copy" | "classical" | "unpivoted" => Self::new(BLACK, Marker::Square),
            "randomized" | "panther" | "panther-krylov" => Self::new(BLUE, Marker::Disc),
            "sketch" => Self::new(VERMILION, Marker::Up),
            "panther-subspace" | "rsvd" => Self::new(SKY, Marker::Diamond),
            "pivoted" | "least_squares" => Self::new(ORANGE, Marker::Down),
            "torch" => Self::new(VERMILION, Marker::Up),
            "torch-bf16" => Self::new(PURPLE, Marker::Down),
            "scipy" => Self::new(PURPLE, Marker::Diamond),
            "sklearn" => Self::new(GREEN, Marker::Ring),
            _ => Self::new(GREY, Marker::Ring),
        }
    }
}
