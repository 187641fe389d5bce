//! Every accuracy comparison, as a table.

use std::time::Instant;

use panther_gpu::Device;
use panther_tests::gpu::checks;

/// Runs the checks whose name contains `only`; whether all pass.
pub fn run(device: &Device, only: &str) -> bool {
    let mut failures = 0;
    let chosen: Vec<_> = checks().into_iter().filter(|check| check.name.contains(only)).collect();
    for check in &chosen {
        let start = Instant::now();
        let outcome = (check.run)(device);
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => println!("ok    {seconds:7.2} s  {}", check.name),
            Err(failure) => {
                failures += 1;
                println!("FAIL  {seconds:7.2} s  {}: {failure}", check.name);
            }
        }
    }
    println!("{} checks, {failures} failed", chosen.len());
    failures == 0
}
