//! Copies between host and device: the same bytes, of any size and layout.

use faer::{Mat, MatRef};
use panther_gpu::{Buffer, Device, DeviceReal, Matrix};

use super::Check;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check { name: "copies: matrices, f32", run: matrices::<f32> },
        Check { name: "copies: matrices, f64", run: matrices::<f64> },
        Check { name: "copies: one after the other", run: one_after_the_other },
    ]
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

fn there_and_back<T: DeviceReal>(device: &Device, a: MatRef<'_, T>) -> Result<(), String> {
    let back = Matrix::from_host(device, a).map_err(text)?.to_host().map_err(text)?;
    if back.as_ref() == a { Ok(()) } else { Err(format!("{}×{}: other numbers", a.nrows(), a.ncols())) }
}

/// Empty ones, small ones, and some that are longer than what is copied at a time, by a column, by a part of one, by several.
fn matrices<T: DeviceReal>(device: &Device) -> Result<(), String> {
    for (rows, columns) in [(0, 0), (0, 3), (3, 0), (1, 1), (1000, 700), (3_000_001, 1), (1, 300_000), (2500, 2500)] {
        let a = Mat::from_fn(rows, columns, |i, j| T::from_f64(((i * 31 + j * 17) % 65_521) as f64 - 7.5));
        there_and_back(device, a.as_ref())?;
        there_and_back(device, a.as_ref().transpose())?;
        if rows > 2 && columns > 2 {
            let part = a.as_ref().submatrix(1, 2, rows - 2, columns - 2);
            there_and_back(device, part)?;
            there_and_back(device, part.transpose())?;
            there_and_back(device, part.reverse_rows())?;
            there_and_back(device, part.transpose().reverse_rows())?;
        }
    }
    Ok(())
}

/// No copy takes the place of one that is not through, be they long or short.
fn one_after_the_other(device: &Device) -> Result<(), String> {
    let numbers = |seed: u32, count: usize| -> Vec<u32> {
        (0..count as u32).map(|i| i.wrapping_mul(2_654_435_761).wrapping_add(seed)).collect()
    };
    let counts = [5_000_000, 3, 300_000, 2_097_152, 2_097_153, 1, 262_144, 9_000_000];
    let mut buffers = Vec::new();
    for (seed, count) in (1..).zip(counts) {
        buffers.push((seed, Buffer::from_host(device, &numbers(seed, count)).map_err(text)?));
    }
    for (seed, buffer) in &buffers {
        if buffer.to_host().map_err(text)? != numbers(*seed, buffer.len()) {
            return Err(format!("{} numbers: others came back", buffer.len()));
        }
    }
    Ok(())
}
