//! Runs suites: measures the missing cells and stores each result.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use panther_bench::record::{Machine, Outcome};

use crate::measure::failure;
use crate::store::{Store, StoreError};
use crate::suites::{Bench, Task};

/// Counts of a suite's cells by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub measured: usize,
    pub out_of_memory: usize,
    pub failed: usize,
    /// From an earlier run.
    pub kept: usize,
}

/// Measures the tasks that the file at `path` does not hold yet, in their order.
///
/// # Errors
/// If results cannot be stored; an error of the device is a result.
pub fn suite(
    name: &str,
    tasks: &[Box<dyn Task>],
    bench: &Bench,
    machine: &Machine,
    path: &Path,
) -> Result<Tally, StoreError> {
    if tasks.is_empty() {
        // Not for this device.
        return Ok(Tally::default());
    }
    let mut store = Store::open(path, name, machine)?;
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

/// A progress bar on standard error, with the time left; hidden if that is no terminal.
fn bar(name: &str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64).with_prefix(name.to_owned());
    let style = ProgressStyle::with_template("{prefix} {bar:20} {pos}/{len}, {eta} left, {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::rc::Rc;

    use panther_bench::record::{Measured, Record};
    use panther_gpu::{GpuError, Precision};
    use panther_nn::NnError;

    use super::*;
    use crate::device::{BenchDevice, parallelism};
    use crate::machine::describe;
    use crate::suites::{DeviceKind, Key, Preset, linear};

    /// Returns its number or an error, and counts its calls.
    struct Fake {
        number: usize,
        error: Option<NnError>,
        calls: Rc<Cell<usize>>,
    }

    impl Task for Fake {
        fn key(&self) -> Key {
            Key::new("fake", "f32").of("number", self.number)
        }

        fn measure(&self, _: &Bench) -> Result<Measured, NnError> {
            self.calls.set(self.calls.get() + 1);
            match &self.error {
                Some(error) => Err(error.clone()),
                None => Ok(Measured { memory_forward: Some(self.number as u64), ..Measured::default() }),
            }
        }
    }

    fn fakes(errors: [Option<NnError>; 4], calls: &Rc<Cell<usize>>) -> Vec<Box<dyn Task>> {
        let fake = |(number, error)| Box::new(Fake { number, error, calls: calls.clone() }) as Box<dyn Task>;
        errors.into_iter().enumerate().map(fake).collect()
    }

    fn bench() -> (Bench, Machine) {
        let device = BenchDevice::Cpu(parallelism(1));
        let machine = describe(&device, 1).unwrap();
        (Bench { device, budget: Preset::Quick.budget(DeviceKind::Cpu) }, machine)
    }

    fn stored(path: &Path) -> Record {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn interrupted_run_resumes_without_duplicates() {
        let (folder, (bench, machine)) = (tempfile::tempdir().unwrap(), bench());
        let calls = Rc::new(Cell::new(0));
        let memory = || Some(NnError::Gpu(GpuError::OutOfMemory { bytes: 1 }));
        let broken = || Some(NnError::BackwardWithoutForward { layer: "fake" });
        let path = folder.path().join("fake.json");
        let run = |tasks: &[Box<dyn Task>]| suite("fake", tasks, &bench, &machine, &path).unwrap();
        // As far as the third.
        let first = run(&fakes([None, memory(), broken(), None], &calls)[..3]);
        assert_eq!(first, Tally { measured: 1, out_of_memory: 1, failed: 1, kept: 0 });
        // What failed is tried again, a lack of memory is final.
        let second = run(&fakes([None, None, None, None], &calls));
        assert_eq!(second, Tally { measured: 2, out_of_memory: 0, failed: 0, kept: 2 });
        assert_eq!(calls.get(), 5);
        let cells = stored(&path).cells;
        let outcome =
            |number: u64| cells.iter().filter(|cell| cell.case[0].1 == (number as usize).into()).collect::<Vec<_>>();
        assert_eq!(cells.len(), 4);
        for number in [0, 2, 3] {
            let measured = Measured { memory_forward: Some(number), ..Measured::default() };
            assert!(matches!(outcome(number)[..], [cell] if cell.outcome == Outcome::Measured(measured.clone())));
        }
        assert!(matches!(outcome(1)[..], [cell] if cell.outcome == Outcome::OutOfMemory));
    }

    #[test]
    fn linear_suite_stores_times_memory_and_sizes() {
        let (folder, (bench, machine)) = (tempfile::tempdir().unwrap(), bench());
        let case = |sketch| linear::Case { d_in: 64, d_out: 48, batch: 4, sketch, precision: Precision::F32 };
        let tasks: [Box<dyn Task>; 2] = [Box::new(case(None)), Box::new(case(Some((2, 3))))];
        let path = folder.path().join("linear.json");
        suite("linear", &tasks, &bench, &machine, &path).unwrap();
        let record = stored(&path);
        assert_eq!((record.suite.as_str(), &record.machine), ("linear", &machine));
        for (cell, (held, learned)) in
            record.cells.iter().zip([(64 * 48 + 48, 64 * 48 + 48), (2 * 6 * 112 + 48, 6 * 112 + 48)])
        {
            let Outcome::Measured(measured) = &cell.outcome else { panic!("{cell:?}") };
            let (forward, backward) = (measured.forward.unwrap(), measured.backward.unwrap());
            assert!(0.0 < forward.min && forward.min <= forward.median && forward.median <= forward.max);
            assert!(forward.runs >= 3 && backward.runs >= 3 && backward.min > 0.0);
            // Other tests allocate meanwhile, so that the numbers mean nothing here.
            assert!(measured.memory_forward.is_some() && measured.memory_backward.is_some());
            let [(_, parameters), (_, learned_there), (name, error)] = &measured.metrics[..] else {
                panic!("{cell:?}")
            };
            assert_eq!((*parameters, *learned_there), (f64::from(held), f64::from(learned)));
            // Of sums of 64 products, rounded once each, and of numbers that are rounded.
            assert!(name == "error" && (1e-9..64.0 * f64::from(f32::EPSILON)).contains(error), "{cell:?}");
        }
    }
}
