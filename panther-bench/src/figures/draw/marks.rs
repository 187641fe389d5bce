//! Lines, markers and crosses.

use plotters::style::{RGBColor, WHITE};

use super::canvas::{Canvas, Position};
use super::style::{Dash, Look, Marker};
use crate::figures::error::FigureError;

const STROKE: f64 = 2.5;
const RADIUS: f64 = 5.5;

/// A line through positions, dashed as its look says.
pub fn line(canvas: &Canvas<'_>, positions: &[Position], look: Look) -> Result<(), FigureError> {
    let (dash, gap) = match look.dash {
        Dash::None => return Ok(()),
        Dash::Solid if positions.len() < 2 => return Ok(()),
        Dash::Solid => return canvas.line(positions, look.color, STROKE),
        Dash::Dashed => (12.0, 7.0),
        Dash::Dotted => (3.0, 5.0),
    };
    // How far along the pattern the line is; it goes on through corners.
    let mut along = 0.0;
    for ends in positions.windows(2) {
        let ((x0, y0), (x1, y1)) = (ends[0], ends[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let at = |distance: f64| (x0 + (x1 - x0) * distance / length, y0 + (y1 - y0) * distance / length);
        let mut done = 0.0;
        while done < length {
            let drawn = along < dash;
            let next = (done + if drawn { dash - along } else { dash + gap - along }).min(length);
            if drawn {
                canvas.line(&[at(done), at(next)], look.color, STROKE)?;
            }
            along = (along + next - done) % (dash + gap);
            // What rounding leaves of a dash would otherwise be walked in steps of nothing.
            if next - done < 1e-6 {
                along = if drawn { dash } else { 0.0 };
            }
            done = next;
        }
    }
    Ok(())
}

/// The marker of a look.
pub fn marker(canvas: &Canvas<'_>, at: Position, look: Look) -> Result<(), FigureError> {
    let (x, y) = at;
    let r = RADIUS;
    let polygon = |corners: &[Position]| {
        let positions: Vec<Position> = corners.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
        canvas.polygon(&positions, look.color)
    };
    match look.marker {
        Marker::None => Ok(()),
        Marker::Disc => canvas.disc(at, r, look.color),
        Marker::Ring => {
            canvas.disc(at, r + 1.0, look.color)?;
            canvas.disc(at, r - 1.5, WHITE)
        }
        Marker::Square => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Marker::Diamond => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
        Marker::Up => polygon(&[(0.0, -1.2), (1.2, 0.9), (-1.2, 0.9)]),
        Marker::Down => polygon(&[(0.0, 1.2), (1.2, -0.9), (-1.2, -0.9)]),
    }
}

/// ×
pub fn cross(canvas: &Canvas<'_>, (x, y): Position, color: RGBColor) -> Result<(), FigureError> {
    let r = RADIUS;
    canvas.line(&[(x - r, y - r), (x + r, y + r)], color, STROKE)?;
    canvas.line(&[(x - r, y + r), (x + r, y - r)], color, STROKE)
}

/// +
pub fn plus(canvas: &Canvas<'_>, (x, y): Position, color: RGBColor) -> Result<(), FigureError> {
    let r = RADIUS + 1.5;
    canvas.line(&[(x - r, y), (x + r, y)], color, STROKE)?;
    canvas.line(&[(x, y - r), (x, y + r)], color, STROKE)
}
