//! Sizes beyond 2³¹: they work, or are refused by name before any work. A device without the memory for them skips the former.

use panther_gpu::{
    Device, DeviceSketch, GpuError, Matrix, cqrrpt, frobenius, gaussian_matrix, householder_qr, pivoted_qr, product,
};
use panther_linalg::{CqrrptOptions, Distribution, PivotedQrOptions};

use super::Check;
use super::common::{Outcome, text};

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check { name: "sizes beyond 2³¹: products", run: |device| if_it_fits(tall_product(device)) },
        Check { name: "sizes beyond 2³¹: Householder QR", run: |device| if_it_fits(tall_householder(device)) },
        Check { name: "sizes beyond 2³¹: pivoted QR", run: |device| if_it_fits(tall_pivoted(device)) },
        Check { name: "sizes beyond 2³¹: refusals", run: refusals },
        Check { name: "pivoted_qr: options of the sketch", run: sketch_options },
    ]
}

/// What went wrong, but for a lack of memory.
fn if_it_fits(outcome: Result<Outcome, GpuError>) -> Outcome {
    match outcome {
        Err(GpuError::OutOfMemory { .. }) => Ok(()),
        Err(error) => Err(text(error)),
        Ok(outcome) => outcome,
    }
}

fn at_most(what: &str, got: f64, limit: f64) -> Outcome {
    if got <= limit { Ok(()) } else { Err(format!("{what} is {got:e}, more than {limit:e}")) }
}

/// A column of more than 2³¹ numbers times one number, and from the left by its transpose.
fn tall_product(device: &Device) -> Result<Outcome, GpuError> {
    let rows = (1_usize << 31) + 5;
    let a = gaussian_matrix::<f32>(device, rows, 1, 1)?;
    let b = gaussian_matrix::<f32>(device, 1, 1, 2)?;
    let mut c = Matrix::zeros(device, rows, 1)?;
    product(c.as_mut(), 1.0, a.as_ref(), b.as_ref(), 0.0)?;
    let (of_a, of_b, of_c) = (frobenius(a.as_ref())?, frobenius(b.as_ref())?, frobenius(c.as_ref())?);
    // Each number is rounded once.
    let outcome = at_most("the error of ‖ab‖", (of_c / (of_a * of_b) - 1.0).abs(), f64::from(f32::EPSILON));
    let mut inner = Matrix::zeros(device, 1, 1)?;
    product(inner.as_mut(), 1.0, a.as_ref().t(), a.as_ref(), 0.0)?;
    let inner = f64::from(inner.to_host()?[(0, 0)]);
    // Sums of 2³¹ squares in single precision.
    Ok(outcome.and_then(|()| at_most("the error of aᵀa", (inner / of_a.powi(2) - 1.0).abs(), 1e-3)))
}

/// More than 2³¹ entries, tall.
const TALL: (usize, usize) = (36_000_000, 60);

/// ‖QᵀQ − I‖_F.
fn defect(q: &Matrix<f64>) -> Result<f64, GpuError> {
    let n = q.ncols();
    let mut gram = Matrix::zeros(q.device(), n, n)?;
    product(gram.as_mut(), 1.0, q.as_ref().t(), q.as_ref(), 0.0)?;
    let gram = gram.to_host()?;
    let square = |i: usize, j: usize| (gram[(i, j)] - f64::from(u8::from(i == j))).powi(2);
    Ok((0..n).map(|j| (0..n).map(|i| square(i, j)).sum::<f64>()).sum::<f64>().sqrt())
}

fn tall_householder(device: &Device) -> Result<Outcome, GpuError> {
    let (m, n) = TALL;
    let (q, r) = householder_qr(gaussian_matrix::<f64>(device, m, n, 3)?)?;
    let mut rest = gaussian_matrix::<f64>(device, m, n, 3)?;
    let norm = frobenius(rest.as_ref())?;
    product(rest.as_mut(), -1.0, q.as_ref(), r.as_ref(), 1.0)?;
    let (residual, defect) = (frobenius(rest.as_ref())?, defect(&q)?);
    let outcome = at_most("‖A − QR‖/‖A‖", residual / norm, 1e-12);
    Ok(outcome.and_then(|()| at_most("‖QᵀQ − I‖", defect, 1e-11)))
}

fn tall_pivoted(device: &Device) -> Result<Outcome, GpuError> {
    let (m, n) = TALL;
    let a = gaussian_matrix::<f64>(device, m, n, 3)?;
    let check = |name: &str, rank: usize, error: f64, norm: f64, defect: f64| {
        if rank != n {
            return Err(format!("{name}: rank {rank} of {n}"));
        }
        at_most(&format!("{name}: ‖AP − QR‖/‖A‖"), error / norm, 1e-12)?;
        at_most(&format!("{name}: ‖QᵀQ − I‖"), defect, 1e-11)
    };
    let found = cqrrpt(a.as_ref(), &CqrrptOptions::default())?;
    let outcome = check("cqrrpt", found.rank, found.error_estimate, found.norm, defect(&found.q)?);
    drop(found);
    let found = pivoted_qr(a.as_ref(), &PivotedQrOptions::default())?;
    let defect = defect(&found.q)?;
    Ok(outcome.and_then(|()| check("pivoted_qr", found.rank, found.error_estimate, found.norm, defect)))
}

/// The argument that is refused, and its limit.
fn refused<T>(what: &str, result: Result<T, GpuError>, expected: (&str, usize)) -> Outcome {
    match result {
        Err(GpuError::TooLarge { argument, limit, got, .. }) if (argument, limit) == expected && got > limit => Ok(()),
        Err(other) => Err(format!("{what}: {other}")),
        Ok(_) => Err(format!("{what} is not refused")),
    }
}

fn refusals(device: &Device) -> Outcome {
    const LIMIT: usize = i32::MAX as usize;
    let sign = Distribution::SparseSign { vec_nnz: 1 };
    refused("a sparse sketch", DeviceSketch::<f32>::new(device, sign, LIMIT + 1, LIMIT + 1, 1), ("d", LIMIT))?;
    let narrow = Distribution::LessUniform { vec_nnz: 1 };
    refused("a sketch with sparse rows", DeviceSketch::<f32>::new(device, narrow, 4, LIMIT + 1, 1), ("n", LIMIT))?;
    // More columns than a sketch of nine rows has in shared memory.
    let wide = gaussian_matrix::<f32>(device, 20, 1 << 21, 1).map_err(text)?;
    match pivoted_qr(wide.as_ref(), &PivotedQrOptions::default()) {
        Err(GpuError::TooLarge { operation: "pivoted_qr", argument: "columns of a", limit, .. }) if limit < 1 << 21 => {
            Ok(())
        }
        other => Err(format!("pivoted_qr of 2²¹ columns: {:?}", other.map(|found| found.rank))),
    }
}

/// Larger blocks need fewer sketches, and sketches have as many rows as asked for, or are refused.
fn sketch_options(device: &Device) -> Outcome {
    // More than shared memory holds, so that pivots are chosen from sketches.
    let a = gaussian_matrix::<f32>(device, 1000, 8000, 5).map_err(text)?;
    let run = |block_size: usize, oversampling: usize| {
        let options = PivotedQrOptions { block_size, oversampling, ..PivotedQrOptions::default() };
        pivoted_qr(a.as_ref(), &options)
    };
    let pivots = |block_size: usize, oversampling: usize| {
        let found = run(block_size, oversampling).map_err(text)?;
        Ok::<_, String>((found.sketches, found.permutation.to_host().map_err(text)?))
    };
    let (default, larger, taller) = (pivots(32, 8)?, pivots(256, 8)?, pivots(32, 60)?);
    if larger.0 == 0 || default.0 <= larger.0 {
        return Err(format!("pivots by 128 and by 256 take {} and {} sketches", default.0, larger.0));
    }
    if default.1 == taller.1 {
        return Err("other rows of the sketch give the same pivots".to_owned());
    }
    match run(32, usize::MAX) {
        Err(GpuError::TooLarge { argument: "columns of a", .. }) => Ok(()),
        other => Err(format!("a sketch as large as the matrix: {:?}", other.map(|found| found.rank))),
    }
}
