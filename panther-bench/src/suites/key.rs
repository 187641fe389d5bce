//! The key of a cell: all of it but the outcome.

use std::fmt;

use panther_bench::record::{Cell, Measured, Outcome, Value};

type Pairs = Vec<(String, Value)>;

/// A cell's case, method, parameters and precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    case: Pairs,
    method: String,
    parameters: Pairs,
    precision: String,
}

impl Key {
    pub fn new(method: &str, precision: &str) -> Self {
        Self { case: Vec::new(), method: method.to_owned(), parameters: Vec::new(), precision: precision.to_owned() }
    }

    /// Adds a value to the case.
    #[must_use]
    pub fn of<V: Into<Value>>(mut self, name: &str, value: V) -> Self {
        self.case.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a parameter of the method.
    #[must_use]
    pub fn with<V: Into<Value>>(mut self, name: &str, value: V) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// Whether a stored cell has this key.
    pub fn matches(&self, cell: &Cell) -> bool {
        (&self.case, &self.method, &self.parameters, &self.precision)
            == (&cell.case, &cell.method, &cell.parameters, &cell.precision)
    }

    /// The cell with an outcome.
    pub fn cell(self, outcome: Outcome) -> Cell {
        let Self { case, method, parameters, precision } = self;
        Cell { case, method, parameters, precision, outcome }
    }

    /// The value of a case's or parameter's name.
    #[cfg(test)]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.case.iter().chain(&self.parameters).find(|(own, _)| own == name).map(|(_, value)| value)
    }

    #[cfg(test)]
    pub fn method(&self) -> &str {
        &self.method
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        for (name, value) in self.case.iter().chain(&self.parameters) {
            write!(f, " {name} {value}")?;
        }
        write!(f, " {}", self.precision)
    }
}

/// Adds a metric if it is finite: JSON holds no other values.
pub fn add_metric(measured: &mut Measured, name: &str, value: f64) {
    if value.is_finite() {
        measured.metrics.push((name.to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_matches_only_its_cell() {
        let key = |rank: usize| Key::new("sketched", "f32").of("in", 256).with("low_rank", rank);
        let cell = key(16).cell(Outcome::OutOfMemory);
        assert!(key(16).matches(&cell) && !key(32).matches(&cell));
        assert_eq!(key(16).to_string(), "sketched in 256 low_rank 16 f32");
    }

    #[test]
    fn metrics_are_finite() {
        let mut measured = Measured::default();
        add_metric(&mut measured, "error_over_best", f64::INFINITY);
        add_metric(&mut measured, "error", f64::NAN);
        add_metric(&mut measured, "best", 0.5);
        assert_eq!(measured.metrics, [("best".to_owned(), 0.5)]);
    }
}
