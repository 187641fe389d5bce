//! Stored fingerprints of results, so that a change that should move no byte is shown to move none.
//!
//! A table is a text file with one row per result: `name = fingerprint`. A change that is meant to move bytes renews its
//! rows and says why in the commit:
//!
//! ```sh
//! PANTHER_SNAPSHOTS=$PWD/tests/snapshots/cpu.txt cargo test -p panther-tests --test snapshots
//! PANTHER_SNAPSHOTS=$PWD/tests/snapshots/cuda.txt cargo run --release -p panther-bench -- gpu-check snapshots
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Rows by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(pub BTreeMap<String, String>);

impl Table {
    /// Reads a stored table.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let rows = text.lines().filter_map(|line| line.rsplit_once(" = "));
        Self(rows.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Adds a fingerprint.
    ///
    /// # Panics
    /// If the name is taken: two results would share one row.
    pub fn add(&mut self, name: impl Into<String>, fingerprint: u64) {
        let (name, value) = (name.into(), format!("{fingerprint:016x}"));
        assert!(self.0.insert(name.clone(), value).is_none(), "two results are called {name}");
    }

    /// The rows whose name starts with `prefix`.
    #[must_use]
    pub fn starting_with(&self, prefix: &str) -> Self {
        Self(self.0.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(n, v)| (n.clone(), v.clone())).collect())
    }

    /// Compares this table with the stored one; where `PANTHER_SNAPSHOTS` names a file, writes it there instead.
    ///
    /// # Errors
    /// The rows that are missing, new or different.
    pub fn compare(&self, stored: &Self) -> Result<(), String> {
        if let Some(path) = std::env::var_os("PANTHER_SNAPSHOTS") {
            return std::fs::write(&path, self.to_text()).map_err(|error| format!("{}: {error}", path.display()));
        }
        let mut differences = String::new();
        for (name, value) in &self.0 {
            match stored.0.get(name) {
                Some(before) if before == value => {}
                Some(_) => writeln!(differences, "other bytes: {name}").expect("a string takes any text"),
                None => writeln!(differences, "not stored: {name}").expect("a string takes any text"),
            }
        }
        for name in stored.0.keys().filter(|name| !self.0.contains_key(*name)) {
            writeln!(differences, "stored, not computed: {name}").expect("a string takes any text");
        }
        if differences.is_empty() { Ok(()) } else { Err(format!("{differences}see tests/src/snapshots.rs")) }
    }

    fn to_text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, value)| {
            writeln!(text, "{name} = {value}").expect("a string takes any text");
            text
        })
    }
}
