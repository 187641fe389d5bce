//! Differences between two files of results.

use std::fmt;

use thiserror::Error;

use crate::record::{Cell, Machine, Measured, Outcome, Record, Time, Value};

/// Errors are compared by name; other metrics, such as counts of operations, do not depend on the machine.
const ERRORS: [&str; 5] = ["error", "error_over_best", "estimate", "orthogonality", "distance_from_dense"];

/// Relative difference of memory and errors that counts as none.
const SAME: f64 = 0.02;

/// Why two files cannot be compared.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompareError {
    /// They are of different suites.
    #[error("{first} and {second} are different suites")]
    Suites {
        /// Suite of the first file.
        first: String,
        /// Suite of the second file.
        second: String,
    },
}

/// Differences between two files.
#[derive(Debug)]
pub struct Changes {
    /// Both machines in words, if they differ.
    pub machines: Option<String>,
    /// Cells in both files.
    pub matched: usize,
    /// Cells in one file alone.
    pub unmatched: usize,
    /// Changed values, largest ratio first.
    pub changes: Vec<Change>,
}

/// A changed value.
#[derive(Debug)]
pub struct Change {
    /// Case, method, parameters and precision.
    pub cell: String,
    /// The value: `forward`, `memory forward`, `error`, `outcome`.
    pub what: String,
    /// Before and after, in words.
    pub values: [String; 2],
    /// After over before; infinite if one of the two failed.
    pub ratio: f64,
}

/// Times that changed beyond their spread, memory and errors that changed by more than 2 %, and outcomes of another kind.
///
/// # Errors
/// [`CompareError::Suites`].
pub fn compare(before: &Record, after: &Record) -> Result<Changes, CompareError> {
    if before.suite != after.suite {
        return Err(CompareError::Suites { first: before.suite.clone(), second: after.suite.clone() });
    }
    let mut changes = Vec::new();
    let mut matched = 0;
    for cell in &after.cells {
        if let Some(earlier) = before.cells.iter().find(|earlier| same(earlier, cell)) {
            matched += 1;
            changes.extend(moved(earlier, cell));
        }
    }
    changes.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    let unmatched = before.cells.len() + after.cells.len() - 2 * matched;
    Ok(Changes { machines: machines(&before.machine, &after.machine), matched, unmatched, changes })
}

/// Logarithmic size of a change in either direction.
fn distance(moved: &Change) -> f64 {
    moved.ratio.ln().abs()
}

fn same(a: &Cell, b: &Cell) -> bool {
    (&a.case, &a.method, &a.parameters, &a.precision) == (&b.case, &b.method, &b.parameters, &b.precision)
}

fn machines(before: &Machine, after: &Machine) -> Option<String> {
    let words = |machine: &Machine| {
        format!("{} ({}), threads: {}, {}", machine.name, machine.device, machine.threads, machine.versions.join(", "))
    };
    let (before, after) = (words(before), words(after));
    (before != after).then(|| format!("{before} and {after}"))
}

fn moved(before: &Cell, after: &Cell) -> Vec<Change> {
    let (old, new) = match (&before.outcome, &after.outcome) {
        (Outcome::Measured(old), Outcome::Measured(new)) => (old, new),
        (old, new) if old == new => return Vec::new(),
        (old, new) => {
            let values = [old, new].map(|outcome| outcome_words(outcome).to_owned());
            return vec![Change { cell: name(after), what: "outcome".to_owned(), values, ratio: f64::INFINITY }];
        }
    };
    let mut changes = Vec::new();
    let mut add = |what: &str, values: [String; 2], ratio: f64| {
        changes.push(Change { cell: name(after), what: what.to_owned(), values, ratio });
    };
    for (what, old, new) in [("forward", old.forward, new.forward), ("backward", old.backward, new.backward)] {
        if let (Some(old), Some(new)) = (old, new)
            && apart(old, new)
        {
            add(what, [old, new].map(|time| format!("{:.4} ms", 1e3 * time.median)), new.median / old.median);
        }
    }
    for (what, old, new) in memory_and_errors(old, new) {
        let ratio = new / old;
        if old != new && !((1.0 - SAME)..=(1.0 + SAME)).contains(&ratio) {
            add(&what, [old, new].map(|number| format!("{number:.4e}")), ratio);
        }
    }
    changes
}

/// Whether the ranges of two times are disjoint.
fn apart(old: Time, new: Time) -> bool {
    old.max < new.min || new.max < old.min
}

/// Memory and errors that both have.
fn memory_and_errors(old: &Measured, new: &Measured) -> Vec<(String, f64, f64)> {
    let bytes = [
        ("memory forward", old.memory_forward, new.memory_forward),
        ("memory backward", old.memory_backward, new.memory_backward),
    ];
    let bytes = bytes.into_iter().filter_map(|(what, old, new)| Some((what.to_owned(), old? as f64, new? as f64)));
    let errors = ERRORS.iter().filter_map(|name| Some(((*name).to_owned(), old.metric(name)?, new.metric(name)?)));
    bytes.chain(errors).collect()
}

fn outcome_words(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Measured(_) => "measured",
        Outcome::OutOfMemory => "out of memory",
        Outcome::Failed(reason) => reason,
    }
}

fn name(cell: &Cell) -> String {
    let value = |value: &Value| match value {
        Value::Whole(whole) => whole.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Word(word) => word.clone(),
    };
    let pairs = cell.case.iter().chain(&cell.parameters).map(|(key, of)| format!("{key} {}", value(of)));
    let words: Vec<String> = [cell.method.clone(), cell.precision.clone()].into_iter().chain(pairs).collect();
    words.join(" ")
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machines) = &self.machines {
            writeln!(f, "taken on or with different things, so that ratios say little: {machines}")?;
        }
        writeln!(
            f,
            "{} results in both files, {} in one alone, {} moved",
            self.matched,
            self.unmatched,
            self.changes.len()
        )?;
        for Change { cell, what, values: [old, new], ratio } in &self.changes {
            writeln!(f, "×{ratio:<8.3} {what:<16} {old} → {new}  {cell}")?;
        }
        Ok(())
    }
}
