//! Selections of stored results.

use crate::figures::draw::chart::Point;
use crate::record::{Cell, Machine, Measured, Outcome, Record, Time, Value};

/// The results of one suite on one machine, or a part of them.
#[derive(Clone)]
pub struct Data<'a> {
    /// `cpu` or `h200`.
    pub device: &'a str,
    records: Vec<&'a Record>,
    cells: Vec<&'a Cell>,
}

impl<'a> Data<'a> {
    /// All cells of a suite on a device.
    pub fn of(records: &'a [Record], suite: &str, device: &'a str) -> Self {
        let records: Vec<_> = records.iter().filter(|r| r.suite == suite && r.machine.device == device).collect();
        let cells = records.iter().flat_map(|record| &record.cells).collect();
        Self { device, records, cells }
    }

    pub fn cells(&self) -> &[&'a Cell] {
        &self.cells
    }

    /// Name of the machine, days, and threads of a CPU.
    pub fn machine(&self) -> String {
        let Some(Machine { name, threads, .. }) = self.records.first().map(|record| &record.machine) else {
            return String::new();
        };
        // Of a file that several days wrote the first and the last.
        let mut days: Vec<_> = self.records.iter().flat_map(|record| record.machine.date.split(" to ")).collect();
        days.sort_unstable();
        let days = match (days.first(), days.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (first, _) => first.map_or_else(String::new, |&day| day.to_owned()),
        };
        match (self.device, threads) {
            ("cpu", 1) => format!("{name}, 1 thread, {days}"),
            ("cpu", _) => format!("{name}, {threads} threads, {days}"),
            _ => format!("{name}, {days}"),
        }
    }

    /// The cells of which this is so.
    pub fn filter(&self, keep: impl Fn(&Cell) -> bool) -> Self {
        let cells = self.cells.iter().copied().filter(|cell| keep(cell)).collect();
        Self { cells, records: self.records.clone(), ..*self }
    }

    /// The cells with this value; a cell that does not name it does not depend on it.
    pub fn at(&self, key: &str, value: u64) -> Self {
        self.filter(|cell| number(cell, key).is_none_or(|found| found == value as f64))
    }

    /// The cells with this word, likewise.
    pub fn with(&self, key: &str, value: &str) -> Self {
        self.filter(|cell| word(cell, key).is_none_or(|found| found == value))
    }

    pub fn method(&self, method: &str) -> Self {
        self.filter(|cell| cell.method == method)
    }

    pub fn precision(&self, precision: &str) -> Self {
        self.filter(|cell| cell.precision == precision)
    }

    /// All values of a parameter, ascending.
    pub fn values(&self, key: &str) -> Vec<u64> {
        let mut values: Vec<u64> =
            self.cells.iter().filter_map(|cell| number(cell, key)).map(|value| value as u64).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// All values of a word, in the order in which they were measured.
    pub fn words(&self, key: &str) -> Vec<&'a str> {
        distinct(self.cells.iter().filter_map(|cell| word(cell, key)))
    }

    pub fn methods(&self) -> Vec<&'a str> {
        distinct(self.cells.iter().map(|cell| cell.method.as_str()))
    }

    pub fn precisions(&self) -> Vec<&'a str> {
        distinct(self.cells.iter().map(|cell| cell.precision.as_str()))
    }

    /// The cells that have numbers, with these.
    pub fn measured(&self) -> impl Iterator<Item = (&'a Cell, &'a Measured)> {
        self.cells.iter().filter_map(|cell| match &cell.outcome {
            Outcome::Measured(measured) => Some((*cell, measured)),
            Outcome::OutOfMemory | Outcome::Failed(_) => None,
        })
    }

    /// The largest value of a metric.
    pub fn largest(&self, name: &str) -> Option<f64> {
        self.measured().filter_map(|(_, measured)| measured.metric(name)).max_by(f64::total_cmp)
    }

    /// A point for every cell that has numbers, from left to right, by two of these.
    pub fn curve(&self, x: impl Fn(&Measured) -> Option<f64>, y: impl Fn(&Measured) -> Option<f64>) -> Vec<Point> {
        let mut points: Vec<(f64, f64)> = self.measured().filter_map(|(_, m)| Some((x(m)?, y(m)?))).collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        points.into_iter().map(|(x, y)| Point::At(x, y)).collect()
    }

    /// A point for every cell, from left to right. Of two at the same place the one measured last counts.
    pub fn points(&self, x: impl Fn(&Cell) -> Option<f64>, y: impl Fn(&Cell, &Measured) -> Option<f64>) -> Vec<Point> {
        let mut points: Vec<(f64, Point)> = Vec::new();
        for cell in &self.cells {
            let Some(x) = x(cell) else { continue };
            let point = match &cell.outcome {
                Outcome::Measured(measured) => y(cell, measured).map(|y| Point::At(x, y)),
                Outcome::OutOfMemory => Some(Point::OutOfMemory(x)),
                Outcome::Failed(_) => Some(Point::Failed(x)),
            };
            points.extend(point.map(|point| (x, point)));
        }
        points.reverse();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        points.dedup_by(|(b, _), (a, _)| a == b);
        points.into_iter().map(|(_, point)| point).collect()
    }
}

/// Names with commas, and an `and` before the last.
pub fn in_words(names: &[&str]) -> String {
    match names {
        [others @ .., one, last] if !others.is_empty() => format!("{}, {one} and {last}", others.join(", ")),
        names => names.join(" and "),
    }
}

fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for word in words {
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn value<'a>(cell: &'a Cell, key: &str) -> Option<&'a Value> {
    cell.case.iter().chain(&cell.parameters).find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A number of the case or of the parameters.
pub fn number(cell: &Cell, key: &str) -> Option<f64> {
    match value(cell, key)? {
        Value::Whole(whole) => Some(*whole as f64),
        Value::Number(number) => Some(*number),
        Value::Word(_) => None,
    }
}

/// A word of the case or of the parameters.
pub fn word<'a>(cell: &'a Cell, key: &str) -> Option<&'a str> {
    match value(cell, key)? {
        Value::Word(word) => Some(word),
        Value::Whole(_) | Value::Number(_) => None,
    }
}

/// Which of the two times of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Forward,
    Backward,
}

impl Pass {
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Backward];

    /// As in names of figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }

    /// As in titles: what is called backward is forward and backward.
    pub fn words(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "forward and backward",
        }
    }

    pub fn time(self, measured: &Measured) -> Option<Time> {
        match self {
            Self::Forward => measured.forward,
            Self::Backward => measured.backward,
        }
    }

    pub fn milliseconds(self, measured: &Measured) -> Option<f64> {
        self.time(measured).map(|time| 1e3 * time.median)
    }
}
