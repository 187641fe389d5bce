//! Reports for people: labelled lines, and numbers that are easy to read.

use std::fmt::Display;

/// Lines of a label and a value.
#[derive(Default)]
pub struct Report {
    text: String,
}

impl Report {
    pub fn line(&mut self, label: &str, value: impl Display) {
        self.text += &format!("{label:<18}{value}\n");
    }

    pub fn finish(self) -> String {
        self.text
    }
}

/// An error or a probability.
pub fn small(x: f64) -> String {
    if x == 0.0 { "0".to_owned() } else { format!("{x:.3e}") }
}

/// A few digits, with an exponent only where it is needed.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        size if (1e-2..1e5).contains(&size) => format!("{x:.4}"),
        _ => format!("{x:.3e}"),
    }
}

/// The first few of many numbers.
pub fn leading(values: impl ExactSizeIterator<Item = f64>) -> String {
    const SHOWN: usize = 6;
    let more = if values.len() > SHOWN { "  …" } else { "" };
    let shown: Vec<String> = values.take(SHOWN).map(number).collect();
    shown.join("  ") + more
}
