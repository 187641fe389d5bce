//! The bytes that a device gave before, by its name and the version of its libraries.

use panther_gpu::Device;
use panther_nn::Scalar;

use super::{Check, work};
use crate::snapshots::Table;

const STORED: &str = include_str!("../../snapshots/cuda.txt");

pub(super) fn checks() -> Vec<Check> {
    vec![Check { name: "snapshots: the bytes of every result as stored", run: compare }]
}

/// Compares with the rows of this device and these libraries; others give other bytes, and there is nothing to compare.
fn compare(device: &Device) -> Result<(), String> {
    let (major, minor) = device.cuda_version().map_err(|error| error.to_string())?;
    let prefix = format!("{}, CUDA {major}.{minor}: ", device.name());
    let stored = Table::parse(STORED).starting_with(&prefix);
    if stored.0.is_empty() && std::env::var_os("PANTHER_SNAPSHOTS").is_none() {
        println!("no stored bytes of {prefix}nothing to compare");
        return Ok(());
    }
    let mut table = Table::default();
    add::<f32>(device, &prefix, &mut table)?;
    add::<f64>(device, &prefix, &mut table)?;
    table.compare(&stored)
}

fn add<T: Scalar>(device: &Device, prefix: &str, table: &mut Table) -> Result<(), String> {
    for work in work::all::<T>(device).map_err(|error| error.to_string())? {
        let fingerprint = (work.run)().map_err(|error| format!("{}: {error}", work.name))?;
        table.add(format!("{prefix}{}, {}", work.name, T::NAME), fingerprint);
    }
    Ok(())
}
