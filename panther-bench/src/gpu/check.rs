//! Runs every accuracy check and prints a table.

use std::time::Instant;

use panther_gpu::Device;
use panther_tests::gpu::{checks, repeats};

/// Runs the checks whose name contains `only`, those of repetition so many `times`; whether all pass.
pub fn run(device: &Device, only: &str, times: usize) -> bool {
    let mut table = Table { only, checks: 0, failures: 0 };
    for check in checks() {
        table.line(check.name, || (check.run)(device));
    }
    for repeat in repeats() {
        table.line(repeat.name, || (repeat.run)(device, times));
    }
    println!("{} checks, {} failed", table.checks, table.failures);
    table.failures == 0
}

struct Table<'a> {
    only: &'a str,
    checks: usize,
    failures: usize,
}

impl Table<'_> {
    fn line(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        if !name.contains(self.only) {
            return;
        }
        self.checks += 1;
        let start = Instant::now();
        let outcome = check();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ok    {seconds:7.2} s  {name}"),
            Err(failure) => {
                self.failures += 1;
                println!("FAIL  {seconds:7.2} s  {name}: {failure}");
            }
        }
    }
}
