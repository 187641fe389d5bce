//! A suite's file of results, which stays complete if interrupted at any time.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use panther_bench::record::{Cell, FORMAT, Machine, Outcome, Record};
use tempfile::NamedTempFile;
use thiserror::Error;

use crate::machine;
use crate::suites::Key;

/// Why results cannot be stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system reports an error.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `"read"` or `"write"`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file holds other content.
    #[error("{}: {reason}; move it away, or give another folder with --out", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its content.
        reason: String,
    },
}

/// The results of a suite on a device, on disk after each one.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    record: Record,
    today: String,
}

impl Store {
    /// Opens a file of results, new or existing. Stored failures are dropped, so that they are tried again.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] where it holds results of another machine or with other versions.
    pub fn open(path: &Path, suite: &str, machine: &Machine) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let empty = Record { format: FORMAT, suite: suite.to_owned(), machine: machine.clone(), cells: Vec::new() };
        let mut record = match fs::read_to_string(&path) {
            Ok(text) => {
                continued(&text, &empty).map_err(|reason| StoreError::Foreign { path: path.clone(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => empty,
            Err(source) => return Err(StoreError::File { action: "read", path, source }),
        };
        record.cells.retain(|cell| !matches!(cell.outcome, Outcome::Failed(_)));
        Ok(Self { path, record, today: machine.date.clone() })
    }

    /// Whether it has a result for this key.
    pub fn holds(&self, key: &Key) -> bool {
        self.record.cells.iter().any(|cell| key.matches(cell))
    }

    /// Adds a result and writes the file.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn add(&mut self, cell: Cell) -> Result<(), StoreError> {
        self.record.cells.push(cell);
        self.record.machine.date = machine::days(&self.record.machine.date, &self.today);
        self.write().map_err(|source| StoreError::File { action: "write", path: self.path.clone(), source })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a temporary file and renames it, so that a complete file exists at any time.
    fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(text(&self.record)?.as_bytes())?;
        readable_by_others(file.as_file())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Parses a file to which results like those of `empty` may be added.
fn continued(text: &str, empty: &Record) -> Result<Record, String> {
    let found: Record = serde_json::from_str(text).map_err(|error| format!("it is no file of results ({error})"))?;
    if (found.format, &found.suite) != (empty.format, &empty.suite) {
        return Err(format!("it holds {} in format {}", found.suite, found.format));
    }
    if !machine::same(&found.machine, &empty.machine) {
        return Err(format!("it holds results of {}, not of {}", words(&found.machine), words(&empty.machine)));
    }
    Ok(found)
}

fn words(machine: &Machine) -> String {
    format!("{} with {} threads, {}", machine.name, machine.threads, machine.versions.join(", "))
}

/// JSON with one line per result.
fn text(record: &Record) -> serde_json::Result<String> {
    let Record { format, suite, machine, cells } = record;
    let (suite, machine) = (serde_json::to_string(suite)?, serde_json::to_string(machine)?);
    let cells = cells.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?.join(",\n");
    Ok(format!("{{\"format\":{format},\"suite\":{suite},\"machine\":{machine},\"cells\":[\n{cells}\n]}}\n"))
}

/// Temporary files are private to their owner; results are readable by all.
#[cfg(unix)]
fn readable_by_others(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_others(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use panther_bench::record::{Measured, Time};

    use super::*;
    use crate::device::{BenchDevice, parallelism};

    fn machine() -> Machine {
        machine::describe(&BenchDevice::Cpu(parallelism(1)), 1).unwrap()
    }

    /// Awkward numbers, words and absences.
    fn cells() -> Vec<Cell> {
        let time = Time { median: 0.1 + 0.2, min: 5e-324, max: 1.0, runs: 3 };
        let measured = Measured {
            forward: Some(time),
            memory_backward: Some(u64::MAX),
            metrics: vec![("error".to_owned(), 1.234_567_890_123_456_7e-300)],
            ..Measured::default()
        };
        let outcomes = [
            Outcome::Measured(measured),
            Outcome::Measured(Measured::default()),
            Outcome::OutOfMemory,
            Outcome::Failed("\"no\"\n".to_owned()),
        ];
        let key = |number: usize| Key::new("dense", "f32").of("in", number).of("kernel", "relu").with("low_rank", 16);
        outcomes.into_iter().enumerate().map(|(number, outcome)| key(number).cell(outcome)).collect()
    }

    #[test]
    fn records_survive_a_round_trip() {
        let record = Record { format: FORMAT, suite: "linear".into(), machine: machine(), cells: cells() };
        assert_eq!(serde_json::from_str::<Record>(&text(&record).unwrap()).unwrap(), record);
        let empty = Record { cells: Vec::new(), ..record };
        assert_eq!(serde_json::from_str::<Record>(&text(&empty).unwrap()).unwrap(), empty);
    }

    #[test]
    fn file_is_complete_after_every_result() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linear_cpu.json");
        let mut store = Store::open(&path, "linear", &machine()).unwrap();
        for (count, cell) in cells().into_iter().enumerate() {
            store.add(cell).unwrap();
            let found: Record = serde_json::from_str(&fs::read_to_string(store.path()).unwrap()).unwrap();
            assert_eq!(found.cells, cells()[..=count]);
            // Nothing half-written beside it.
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        // An interruption while writing leaves a part of a file of another name.
        fs::write(folder.path().join(".tmp0"), "{\"format\":1,").unwrap();
        let again = Store::open(&path, "linear", &machine()).unwrap();
        // The failure is to be tried again.
        assert_eq!(again.record.cells, cells()[..3]);
    }

    #[test]
    fn date_spans_first_to_last_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linear_cpu.json");
        let mut date = String::new();
        for (day, cell) in ["2000-01-01", "2000-01-01", "2000-01-03", "2000-02-01"].into_iter().zip(cells()) {
            let mut store = Store::open(&path, "linear", &Machine { date: day.to_owned(), ..machine() }).unwrap();
            // Nothing is added by opening.
            assert!(date.is_empty() || store.record.machine.date == date);
            store.add(cell).unwrap();
            date.clone_from(&store.record.machine.date);
        }
        assert_eq!(date, "2000-01-01 to 2000-02-01");
    }

    #[test]
    fn foreign_files_are_rejected_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linear_cpu.json");
        let mut store = Store::open(&path, "linear", &machine()).unwrap();
        store.add(cells().remove(0)).unwrap();
        let refused =
            |machine: &Machine| matches!(Store::open(&path, "linear", machine), Err(StoreError::Foreign { .. }));
        assert!(refused(&Machine { threads: 7, ..machine() }));
        assert!(refused(&Machine { versions: Vec::new(), ..machine() }));
        assert!(!refused(&Machine { date: "2000-01-01".into(), ..machine() }));
        fs::write(store.path(), "[]").unwrap();
        assert!(refused(&machine()));
        assert_eq!(fs::read_to_string(store.path()).unwrap(), "[]");
    }
}
