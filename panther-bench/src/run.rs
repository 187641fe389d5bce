//! Runs suites: measures what is missing, and keeps each result.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use panther_bench::record::{Machine, Outcome};

use crate::measure::failure;
use crate::store::{Store, StoreError};
use crate::suites::{Bench, Task};

/// What became of a suite's cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub measured: usize,
    pub out_of_memory: usize,
    pub failed: usize,
    /// From an earlier run.
    pub kept: usize,
}

/// Measures the tasks that the suite's file in `folder` does not hold yet, in their order.
///
/// # Errors
/// Where results cannot be kept; what a device refuses is a result.
pub fn suite(
    name: &str,
    tasks: &[Box<dyn Task>],
    bench: &Bench,
    machine: &Machine,
    folder: &Path,
) -> Result<Tally, StoreError> {
    let mut store = Store::open(folder, name, machine)?;
    let missing: Vec<_> = tasks.iter().filter(|task| !store.holds(&task.key())).collect();
    let mut tally = Tally { kept: tasks.len() - missing.len(), ..Tally::default() };
    let bar = bar(name, missing.len());
    for task in missing {
        let key = task.key();
        bar.set_message(key.to_string());
        let outcome = task.measure(bench).map_or_else(|error| failure(&error), Outcome::Measured);
        match &outcome {
            Outcome::Measured(_) => tally.measured += 1,
            Outcome::OutOfMemory => tally.out_of_memory += 1,
            Outcome::Failed(reason) => {
                tally.failed += 1;
                bar.suspend(|| eprintln!("{name}: {key}: {reason}"));
            }
        }
        store.add(key.cell(outcome))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Tally { measured, out_of_memory, failed, kept } = tally;
    println!(
        "{}: {measured} measured, {kept} kept from before, {out_of_memory} out of memory, {failed} failed",
        store.path().display()
    );
    Ok(tally)
}

/// On standard error, with the time left; nothing where that is no terminal.
fn bar(name: &str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64).with_prefix(name.to_owned());
    let style = ProgressStyle::with_template("{prefix} {bar:20} {pos}/{len}, {eta} left, {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
