//! A grid of panels with shared axes, its titles and its legend.

use plotters::style::RGBColor;

use super::axis::{Axis, label};
use super::canvas::{Align, Canvas, Position, png, width as width_of};
use super::marks;
use super::style::{GREY, Look};
use crate::figures::error::FigureError;

const WIDTH: f64 = 1600.0;
const MARGIN: f64 = 20.0;
const GAP: f64 = 22.0;
/// Room above the lines for each failure marked there.
const MARK: f64 = 18.0;
const TITLE: f64 = 29.0;
const TEXT: f64 = 20.0;
const LINE: f64 = 30.0;
/// Left of the panels: what the axis is, and its ticks.
const LEFT: f64 = 140.0;
const RIGHT: f64 = 44.0;
const BOTTOM: f64 = 72.0;

const MESH: RGBColor = RGBColor(226, 226, 226);
const FRAME: RGBColor = RGBColor(150, 150, 150);

/// A point of a series, by its position on the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Point {
    At(f64, f64),
    OutOfMemory(f64),
    Failed(f64),
}

/// What a picture shows.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What was measured.
    pub title: String,
    /// Where, when and with what.
    pub subtitle: String,
    /// What the shared horizontal axis is, with its unit.
    pub x: String,
    /// Names of the columns; none for a column that needs none.
    pub columns: Vec<String>,
    /// From the top.
    pub rows: Vec<Row>,
}

/// Panels that share a vertical axis.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What tells this row from the others.
    pub name: String,
    /// What the vertical axis is, with its unit.
    pub y: String,
    /// From the left, one a column.
    pub panels: Vec<Panel>,
}

/// Series drawn over one another.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// A few words above.
    pub caption: String,
    /// Later ones cover earlier ones.
    pub series: Vec<Series>,
}

/// Points of one method.
#[derive(Clone, Debug)]
pub struct Series {
    /// As in the legend.
    pub name: String,
    pub look: Look,
    /// Through the whole panel at the height of its one point, wherever that stands.
    pub level: bool,
    /// From left to right.
    pub points: Vec<Point>,
}

impl Series {
    pub fn new(name: impl Into<String>, look: Look, points: Vec<Point>) -> Self {
        Self { name: name.into(), look, level: false, points }
    }

    pub fn level(self) -> Self {
        Self { level: true, ..self }
    }

    fn values(&self) -> impl Iterator<Item = Position> {
        self.points.iter().filter_map(|point| match *point {
            Point::At(x, y) => Some((x, y)),
            Point::OutOfMemory(_) | Point::Failed(_) => None,
        })
    }

    fn abscissas(&self) -> impl Iterator<Item = f64> {
        let points: &[Point] = if self.level { &[] } else { &self.points };
        points.iter().map(|point| match *point {
            Point::At(x, _) | Point::OutOfMemory(x) | Point::Failed(x) => x,
        })
    }
}

/// The rectangle of a panel.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Where values stand in a frame.
#[derive(Clone, Copy)]
struct Axes {
    x: Option<Axis>,
    y: Option<Axis>,
    /// Height at the upper edge that only failures are marked in.
    marks: f64,
}

impl Axes {
    fn across(&self, frame: Frame, x: f64) -> f64 {
        frame.left + frame.width * self.x.map_or(0.5, |axis| axis.part(x))
    }

    fn up(&self, frame: Frame, axis: Axis, y: f64) -> f64 {
        frame.bottom() - axis.part(y) * (frame.height - self.marks)
    }
}

impl Chart {
    fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        self.panels().flat_map(|panel| &panel.series)
    }

    /// Whether there is any point, a failed one counted.
    pub fn is_measured(&self) -> bool {
        self.series().any(|series| !series.points.is_empty())
    }

    /// The picture as PNG.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        let columns = self.columns.len().max(1) as f64;
        let width = (WIDTH - LEFT - RIGHT - (columns - 1.0) * GAP) / columns;
        let height = (0.72 * width).clamp(170.0, 460.0);
        let captions = if self.panels().any(|panel| !panel.caption.is_empty()) { LINE } else { 0.0 };
        let legend = placed(self.legend())?;
        let lines = legend.last().map_or(0.0, |entry| entry.line + 1.0);
        let top = MARGIN + 2.0 * LINE + 16.0 + lines * LINE + 8.0 + LINE;
        let total = top + self.rows.len() as f64 * (height + captions + GAP) + BOTTOM;
        let x_axis = Axis::around(self.series().flat_map(Series::abscissas), 0.06);
        png((WIDTH as u32, total as u32), |canvas| {
            canvas.text(&self.title, (MARGIN, MARGIN + 16.0), TITLE, Align::Left)?;
            canvas.text(&self.subtitle, (MARGIN, MARGIN + 16.0 + LINE + 6.0), TEXT, Align::Left)?;
            draw_legend(canvas, &legend, MARGIN + 2.0 * LINE + 32.0)?;
            for (i, column) in self.columns.iter().enumerate() {
                let middle = LEFT + i as f64 * (width + GAP) + 0.5 * width;
                canvas.text(column, (middle, top - 0.5 * LINE), TEXT, Align::Centre)?;
            }
            for (i, row) in self.rows.iter().enumerate() {
                let top = top + captions + i as f64 * (height + captions + GAP);
                let marked = row.panels.iter().map(most_failures).max().unwrap_or(0);
                let y = Axis::around(row.panels.iter().flat_map(heights), 0.07);
                let axes = Axes { x: x_axis, y, marks: MARK * marked as f64 };
                canvas.text_upwards(&row.y, (MARGIN + 4.0, top + 0.5 * height), TEXT)?;
                canvas.text_upwards(&row.name, (WIDTH - 0.5 * RIGHT, top + 0.5 * height), TEXT)?;
                for (j, panel) in row.panels.iter().enumerate() {
                    let frame = Frame { left: LEFT + j as f64 * (width + GAP), top, width, height };
                    let captioned = (frame.left + 0.5 * width, top - 0.5 * LINE);
                    canvas.text(&panel.caption, captioned, TEXT - 2.0, Align::Centre)?;
                    draw_panel(canvas, panel, frame, axes)?;
                    if let (0, Some(axis)) = (j, axes.y) {
                        for tick in axis.ticks() {
                            let at = (LEFT - 10.0, axes.up(frame, axis, tick));
                            canvas.text(&label(tick), at, TEXT - 1.0, Align::Right)?;
                        }
                    }
                    if let (true, Some(axis)) = (i + 1 == self.rows.len(), x_axis) {
                        self.draw_abscissas(canvas, frame, axis)?;
                    }
                }
            }
            let middle = LEFT + 0.5 * (WIDTH - LEFT - RIGHT);
            canvas.text(&self.x, (middle, total - 24.0), TEXT, Align::Centre)
        })
    }

    /// Below a panel, the values that were measured: all of them, or every second, third … so that they fit.
    fn draw_abscissas(&self, canvas: &Canvas<'_>, frame: Frame, axis: Axis) -> Result<(), FigureError> {
        let mut ticks = Vec::new();
        for value in self.abscissas(axis) {
            let text = label(value);
            let half = 0.5 * width_of(&text, TEXT - 1.0)?;
            // Not into the gap to the next panel's.
            let (least, greatest) = (frame.left + half, frame.right() - half);
            let middle = (frame.left + axis.part(value) * frame.width).max(least).min(greatest);
            ticks.push((middle, half, text));
        }
        // The greatest is always named.
        ticks.reverse();
        let fits = |every: &usize| {
            let named: Vec<_> = ticks.iter().step_by(*every).collect();
            named.windows(2).all(|pair| pair[0].0 - pair[0].1 > pair[1].0 + pair[1].1 + 9.0)
        };
        let every = (1..=ticks.len()).find(fits).unwrap_or(1);
        ticks.iter().step_by(every).try_for_each(|(middle, _, text)| {
            canvas.text(text, (*middle, frame.bottom() + 18.0), TEXT - 1.0, Align::Centre)
        })
    }

    /// Where vertical lines stand: what was measured, or round values where that is too much.
    fn abscissas(&self, axis: Axis) -> Vec<f64> {
        let mut values: Vec<f64> = self.series().flat_map(Series::abscissas).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() <= 10 { values } else { axis.ticks() }
    }

    /// One of each series, and of what marks failures.
    fn legend(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for series in self.series().filter(|series| !series.points.is_empty()) {
            if !entries.iter().any(|entry| entry.name == series.name) {
                entries.push(Entry { name: series.name.clone(), sign: Sign::Line(series.look, series.level) });
            }
        }
        let any = |of: fn(&Point) -> bool| self.series().any(|series| series.points.iter().any(of));
        if any(|point| matches!(point, Point::OutOfMemory(_))) {
            entries.push(Entry { name: "out of memory (color of its line)".to_owned(), sign: Sign::OutOfMemory });
        }
        if any(|point| matches!(point, Point::Failed(_))) {
            entries.push(Entry { name: "failed".to_owned(), sign: Sign::Failed });
        }
        entries
    }
}

/// A line of the legend.
struct Entry {
    name: String,
    sign: Sign,
}

enum Sign {
    Line(Look, bool),
    OutOfMemory,
    Failed,
}

fn heights(panel: &Panel) -> impl Iterator<Item = f64> {
    panel.series.iter().flat_map(Series::values).map(|(_, y)| y)
}

/// Width of a sign of the legend.
const SIGN: f64 = 46.0;

/// An entry, how far from the left it stands, and on which line.
struct PlacedEntry {
    entry: Entry,
    x: f64,
    line: f64,
}

/// Entries one after another, on as many lines as they need.
fn placed(entries: Vec<Entry>) -> Result<Vec<PlacedEntry>, FigureError> {
    let (mut x, mut line) = (MARGIN, 0.0);
    let mut placed = Vec::with_capacity(entries.len());
    for entry in entries {
        let width = SIGN + 8.0 + width_of(&entry.name, TEXT)?;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            (x, line) = (MARGIN, line + 1.0);
        }
        placed.push(PlacedEntry { entry, x, line });
        x += width + 30.0;
    }
    Ok(placed)
}

fn draw_legend(canvas: &Canvas<'_>, legend: &[PlacedEntry], top: f64) -> Result<(), FigureError> {
    for PlacedEntry { entry: Entry { name, sign }, x, line } in legend {
        let (x, y) = (*x, top + line * LINE);
        let middle = (x + 0.5 * SIGN, y);
        match *sign {
            Sign::Line(look, level) => {
                marks::line(canvas, &[(x, y), (x + SIGN, y)], look)?;
                if !level {
                    marks::marker(canvas, middle, look)?;
                }
            }
            Sign::OutOfMemory => marks::cross(canvas, middle, GREY)?,
            Sign::Failed => marks::plus(canvas, middle, GREY)?,
        }
        canvas.text(name, (x + SIGN + 8.0, y), TEXT, Align::Left)?;
    }
    Ok(())
}

fn draw_panel(canvas: &Canvas<'_>, panel: &Panel, frame: Frame, axes: Axes) -> Result<(), FigureError> {
    let measured = panel.series.iter().any(|series| !series.points.is_empty());
    if let (true, Some(axis)) = (measured, axes.y) {
        for tick in axis.ticks() {
            let y = axes.up(frame, axis, tick);
            canvas.line(&[(frame.left, y), (frame.right(), y)], MESH, 1.0)?;
        }
    }
    let corners = [
        (frame.left, frame.top),
        (frame.right(), frame.top),
        (frame.right(), frame.bottom()),
        (frame.left, frame.bottom()),
        (frame.left, frame.top),
    ];
    canvas.line(&corners, FRAME, 1.0)?;
    if !measured {
        let middle = (frame.left + 0.5 * frame.width, frame.top + 0.5 * frame.height);
        return canvas.text("not measured", middle, TEXT - 2.0, Align::Centre);
    }
    if let Some(axis) = axes.y {
        for series in &panel.series {
            let position = |(x, y): Position| (axes.across(frame, x), axes.up(frame, axis, y));
            let positions: Vec<Position> = series.values().filter(|(_, y)| *y > 0.0).map(position).collect();
            draw_series(canvas, series, &positions, frame)?;
        }
    }
    draw_failures(canvas, panel, frame, axes)
}

/// Marks at the upper edge, those of the same position below one another.
fn draw_failures(canvas: &Canvas<'_>, panel: &Panel, frame: Frame, axes: Axes) -> Result<(), FigureError> {
    let failures = failures(panel);
    for (i, failure) in failures.iter().enumerate() {
        let x = failure.x.map_or(frame.left + 0.5 * frame.width, |x| axes.across(frame, x));
        let above = failures[..i].iter().filter(|other| other.x == failure.x).count();
        let at = (x, frame.top + MARK * (0.6 + above as f64));
        if failure.out_of_memory {
            marks::cross(canvas, at, failure.color)?;
        } else {
            marks::plus(canvas, at, failure.color)?;
        }
    }
    Ok(())
}

/// What failed at a position; none is the whole width of a panel.
#[derive(PartialEq)]
struct Failure {
    x: Option<f64>,
    out_of_memory: bool,
    color: RGBColor,
}

/// The failures of a panel, one for all lines of a color.
fn failures(panel: &Panel) -> Vec<Failure> {
    let mut failures = Vec::new();
    for series in &panel.series {
        for point in &series.points {
            let (x, out_of_memory) = match *point {
                Point::At(..) => continue,
                Point::OutOfMemory(x) => (x, true),
                Point::Failed(x) => (x, false),
            };
            let failure = Failure { x: (!series.level).then_some(x), out_of_memory, color: series.look.color };
            if !failures.contains(&failure) {
                failures.push(failure);
            }
        }
    }
    failures
}

/// How many failures stand below one another.
fn most_failures(panel: &Panel) -> usize {
    let failures = failures(panel);
    failures.iter().map(|one| failures.iter().filter(|other| other.x == one.x).count()).max().unwrap_or(0)
}

fn draw_series(canvas: &Canvas<'_>, series: &Series, positions: &[Position], frame: Frame) -> Result<(), FigureError> {
    if series.level {
        return positions
            .iter()
            .try_for_each(|(_, y)| marks::line(canvas, &[(frame.left, *y), (frame.right(), *y)], series.look));
    }
    marks::line(canvas, positions, series.look)?;
    positions.iter().try_for_each(|position| marks::marker(canvas, *position, series.look))
}
