//! Every accuracy check of the device, where there is one.

use panther_gpu::Device;
use panther_tests::gpu::{checks, repeats};

#[test]
fn every_check_passes() {
    let device = match Device::new(0) {
        Ok(device) => device,
        Err(none) => {
            println!("skipped: no CUDA device ({none})");
            return;
        }
    };
    let checked = checks().into_iter().map(|check| (check.name, (check.run)(&device)));
    let repeated = repeats().into_iter().map(|repeat| (repeat.name, (repeat.run)(&device, 20)));
    let failures: Vec<String> = checked
        .chain(repeated)
        .filter_map(|(name, outcome)| outcome.err().map(|failure| format!("{name}: {failure}")))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    assert!(Device::new(4096).is_err());
}
