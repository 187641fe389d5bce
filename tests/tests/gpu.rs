//! Every accuracy check of the device, where there is one.

use panther_gpu::Device;

#[test]
fn every_check_passes() {
    let device = match Device::new(0) {
        Ok(device) => device,
        Err(none) => {
            println!("skipped: no CUDA device ({none})");
            return;
        }
    };
    let failures: Vec<String> = panther_tests::gpu::checks()
        .into_iter()
        .filter_map(|check| (check.run)(&device).err().map(|failure| format!("{}: {failure}", check.name)))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    assert!(Device::new(4096).is_err());
}
