//! The decompositions, over the families of test matrices, by the bounds that hold on the CPU.

use faer::{Mat, MatRef, Par};
use panther_gpu::{
    Device, DeviceReal, Matrix, ToHost, cholesky_qr2, cqrrpt, frobenius, gaussian_matrix, pivoted_qr, product, qb,
    range_finder, rsvd, shifted_cholesky_qr3,
};
use panther_linalg::{
    CqrrptOptions, Distribution, LinalgError, PivotedQr, PivotedQrOptions, RangeFinder, Rsvd, RsvdOptions, Target,
};

use super::Check;
use super::common::{Outcome, both, text, upload};
use crate::checks::{self, default_error, slack};
use crate::matrices::{FAMILIES, Family, Spectrum, with_singular_values};
use crate::measure::Reference;

const SHAPES: &[(usize, usize)] =
    &[(1, 1), (1, 7), (9, 1), (2, 2), (64, 64), (65, 63), (33, 129), (300, 40), (300, 65), (40, 300), (257, 200)];

const TALL: &[(usize, usize)] = &[(40, 1), (70, 3), (129, 64), (300, 33), (400, 99), (1000, 128), (700, 513)];

pub(super) fn checks() -> Vec<Check> {
    both![
        "rsvd of every family and shape": rsvd_at_defaults,
        "rsvd by subspace iteration": rsvd_by_subspace_iteration,
        "rsvd with every family of sketches": rsvd_with_distributions,
        "rsvd by tolerance": rsvd_by_tolerance,
        "rsvd of larger matrices": rsvd_of_larger,
        "exact SVD of larger matrices": exact_svd_of_larger,
        "rsvd draws what the CPU draws": rsvd_as_on_the_cpu,
        "qb and range finder": other_stages,
        "cqrrpt of every family": cqrrpt_of_families,
        "cqrrpt of larger matrices": cqrrpt_of_larger,
        "cqrrpt of very tall matrices": cqrrpt_of_very_tall,
        "pivoted QR of every family and shape": pivoted_of_families,
        "pivoted QR of larger matrices": pivoted_of_larger,
        "Cholesky QR": cholesky_qrs,
        "refusals": refusals,
        "row-major and transposed input": layouts,
    ]
}

/// Runs `check` on every family and shape; tells the first few that fail.
fn over<T: DeviceReal>(
    families: &[Family],
    shapes: &[(usize, usize)],
    check: impl Fn(Family, &Mat<T>, u64) -> Outcome,
) -> Outcome {
    let mut failures = Vec::new();
    let mut count = 0;
    for (i, &family) in families.iter().enumerate() {
        for (j, &(m, n)) in shapes.iter().enumerate() {
            let seed = (100 * i + j) as u64;
            let a = family.matrix::<T>(m, n, seed);
            count += 1;
            if let Err(failure) = check(family, &a, seed) {
                failures.push(format!("{family:?} {m}×{n}: {failure}"));
            }
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {count} fail; {}", failures.len(), failures[..failures.len().min(4)].join("; ")))
}

fn device_rsvd<T: DeviceReal>(
    device: &Device,
    a: &Mat<T>,
    target: Target,
    options: &RsvdOptions,
) -> Result<Rsvd<T>, String> {
    let a = upload(device, a)?;
    rsvd(a.as_ref(), target, options).and_then(|found| found.to_host()).map_err(text)
}

fn rsvd_at_defaults<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, SHAPES, |_, a, seed| {
        let reference = Reference::new(a.as_ref());
        let most = a.nrows().min(a.ncols());
        for rank in [1, most.div_ceil(3), most] {
            let options = RsvdOptions { seed, ..RsvdOptions::default() };
            let found = device_rsvd(device, a, Target::Rank(rank), &options)?;
            checks::rsvd(&reference, &found, rank, default_error(&reference, rank))
                .map_err(|failure| format!("rank {rank}: {failure}"))?;
        }
        Ok(())
    })
}

fn rsvd_by_subspace_iteration<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, &[(260, 200), (190, 300)], |_, a, seed| {
        let reference = Reference::new(a.as_ref());
        let options = RsvdOptions { range_finder: RangeFinder::SubspaceIteration, seed, ..RsvdOptions::default() };
        let found = device_rsvd(device, a, Target::Rank(12), &options)?;
        checks::rsvd(&reference, &found, 12, 1.1 * reference.best(12) + slack(&reference))
    })
}

fn rsvd_with_distributions<T: DeviceReal>(device: &Device) -> Outcome {
    for distribution in [
        Distribution::Rademacher,
        Distribution::Uniform,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: 8 },
        Distribution::LessUniform { vec_nnz: 8 },
        Distribution::Srht,
    ] {
        let families = [Family::Gaussian, Family::Spectrum(Spectrum::Polynomial(1.0)), Family::LowRank(5)];
        over::<T>(&families, &[(300, 250), (250, 300)], |_, a, seed| {
            let reference = Reference::new(a.as_ref());
            let options = RsvdOptions { distribution, seed, ..RsvdOptions::default() };
            let found = device_rsvd(device, a, Target::Rank(20), &options)?;
            checks::rsvd(&reference, &found, 20, default_error(&reference, 20))
        })
        .map_err(|failure| format!("{distribution:?}: {failure}"))?;
    }
    Ok(())
}

fn rsvd_by_tolerance<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, &[(300, 260), (70, 300), (5, 4)], |_, a, seed| {
        let reference = Reference::new(a.as_ref());
        for relative in [0.5, 1e-2, 1e-4] {
            let options = RsvdOptions { seed, ..RsvdOptions::default() };
            let found = device_rsvd(device, a, Target::Tolerance { relative, max_rank: None }, &options)?;
            let k = found.s.len();
            let allowed = relative * reference.norm() + slack(&reference);
            checks::rsvd(&reference, &found, k, allowed)
                .map_err(|failure| format!("tolerance {relative}: {failure}"))?;
            if found.tolerance_met != Some(true) {
                return Err(format!("tolerance {relative} is not met with {k} triplets"));
            }
        }
        Ok(())
    })
}

/// σᵢ = 1/i, against the best possible.
fn rsvd_of_larger<T: DeviceReal>(device: &Device) -> Outcome {
    for (m, n, k) in [(1500, 1200, 50), (700, 2000, 120), (2048, 2048, 200)] {
        let sigma: Vec<f64> = (1..=m.min(n)).map(|i| 1.0 / i as f64).collect();
        let exact = with_singular_values(m, n, &sigma, 3);
        let a = Mat::from_fn(m, n, |i, j| T::from_f64(exact[(i, j)]));
        let found = device_rsvd(device, &a, Target::Rank(k), &RsvdOptions::default())?;
        let best = sigma[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
        let error = distance(exact.as_ref(), &found);
        if error > 1.01 * best {
            return Err(format!("{m}×{n}, rank {k}: error {} of the best", error / best));
        }
        if found.error_estimate < error || found.error_estimate > 1.1 * error {
            return Err(format!("{m}×{n}, rank {k}: estimate {} for {error}", found.error_estimate));
        }
        if found.orthogonality > 50.0 * n as f64 * T::EPSILON.to_f64() {
            return Err(format!("{m}×{n}, rank {k}: orthogonality {}", found.orthogonality));
        }
    }
    Ok(())
}

/// Of full rank, with more columns than shared memory holds at a time.
fn exact_svd_of_larger<T: DeviceReal>(device: &Device) -> Outcome {
    let n = if size_of::<T>() == size_of::<f32>() { 2750 } else { 1800 };
    let sigma: Vec<f64> = (1..=n).map(|i| 1.0 / i as f64).collect();
    let exact = with_singular_values(n + 50, n, &sigma, 3);
    let a = Mat::from_fn(n + 50, n, |i, j| T::from_f64(exact[(i, j)]));
    let found = device_rsvd(device, &a, Target::Rank(n), &RsvdOptions::default())?;
    // Rounding errors of n rotations.
    let allowed = 50.0 * n as f64 * T::EPSILON.to_f64();
    let wrong = found.s.iter().zip(&sigma).map(|(s, sigma)| (s.to_f64() - sigma).abs()).fold(0.0, f64::max);
    let error = distance(exact.as_ref(), &found);
    if found.s.len() != n || wrong > allowed || error > allowed || found.orthogonality > allowed {
        let rank = found.s.len();
        return Err(format!(
            "rank {rank}, σ to {wrong:.1e}, error {error:.1e}, orthogonality {:.1e}",
            found.orthogonality
        ));
    }
    Ok(())
}

/// ‖A − UΣVᵀ‖_F.
fn distance<T: DeviceReal>(a: MatRef<'_, f64>, found: &Rsvd<T>) -> f64 {
    let us = Mat::from_fn(found.u.nrows(), found.s.len(), |i, j| found.u[(i, j)].to_f64() * found.s[j].to_f64());
    let v = Mat::from_fn(found.v.nrows(), found.s.len(), |i, j| found.v[(i, j)].to_f64());
    (us * v.transpose() - a).norm_l2()
}

fn rsvd_as_on_the_cpu<T: DeviceReal>(device: &Device) -> Outcome {
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<T>(400, 350, 5);
    for range_finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
        let options = RsvdOptions { range_finder, seed: 11, power_iterations: Some(2), ..RsvdOptions::default() };
        let here = device_rsvd(device, &a, Target::Rank(20), &options)?;
        let there = panther_linalg::rsvd(&a, Target::Rank(20), &options, Par::Seq).map_err(text)?;
        let largest = there.s[0].to_f64();
        for (x, y) in here.s.iter().zip(&there.s) {
            // The draws are the same, and what is made of them differs by rounding.
            if (x.to_f64() - y.to_f64()).abs() > 1e4 * T::EPSILON.to_f64() * largest {
                return Err(format!("{range_finder:?}: σ {x:?} here and {y:?} there"));
            }
        }
        if (here.passes, here.product_columns) != (there.passes, there.product_columns) {
            return Err(format!("{range_finder:?}: {} passes here and {} there", here.passes, there.passes));
        }
    }
    Ok(())
}

fn other_stages<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, &[(250, 200), (30, 170)], |_, a, seed| {
        let reference = Reference::new(a.as_ref());
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        let on_device = upload(device, a)?;
        let found = qb(on_device.as_ref(), Target::Rank(10), &options).and_then(|x| x.to_host()).map_err(text)?;
        checks::qb(&reference, &found, default_error(&reference, 10))?;
        let q = range_finder(on_device.as_ref(), 10, &options).map_err(text)?.to_host().map_err(text)?;
        checks::orthonormal(&reference, "the range", q.as_ref())
    })
}

/// What holds at the default rank tolerance: nothing is lost but rounding, and a rank beyond doubt is found.
fn lossless<T: DeviceReal>(family: Family, a: &Mat<T>, found: &PivotedQr<T>) -> Outcome {
    let reference = Reference::new(a.as_ref());
    checks::pivoted_qr(&reference, found, slack(&reference))?;
    let full = a.nrows().min(a.ncols());
    match reference.clear_rank() {
        Some(exact) if found.rank != exact && (exact == full || family.lacks_rank_exactly()) => {
            Err(format!("rank {} of a matrix of rank {exact}", found.rank))
        }
        _ => Ok(()),
    }
}

fn cqrrpt_of_families<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, TALL, |family, a, seed| {
        let on_device = upload(device, a)?;
        let options = CqrrptOptions { seed, ..CqrrptOptions::default() };
        let found = cqrrpt(on_device.as_ref(), &options).and_then(|found| found.to_host()).map_err(text)?;
        lossless(family, a, &found)
    })
}

fn cqrrpt_of_larger<T: DeviceReal>(device: &Device) -> Outcome {
    let families = [Family::Gaussian, Family::Spectrum(Spectrum::Condition(1e6)), Family::LowRank(40)];
    over::<T>(&families, &[(5000, 300), (9000, 700), (4000, 1100)], |_, a, seed| {
        let on_device = upload(device, a)?;
        let options = CqrrptOptions { seed, ..CqrrptOptions::default() };
        let found = cqrrpt(on_device.as_ref(), &options).and_then(|found| found.to_host()).map_err(text)?;
        reconstructs(a, &found)
    })
}

/// Made and measured on the device, since the host would take minutes.
fn cqrrpt_of_very_tall<T: DeviceReal>(device: &Device) -> Outcome {
    for (m, n) in [(131_072, 256), (131_072, 1024), (300_000, 65)] {
        let a = gaussian_matrix::<T>(device, m, n, 3).map_err(text)?;
        let found = cqrrpt(a.as_ref(), &CqrrptOptions::default()).map_err(text)?;
        let (r, permutation) = (found.r.to_host().map_err(text)?, found.permutation.to_host().map_err(text)?);
        let mut in_place = Mat::<T>::zeros(found.rank, n);
        for (from, &to) in permutation.iter().enumerate() {
            in_place.col_mut(to as usize).copy_from(r.col(from));
        }
        let mut rest = a.try_clone().map_err(text)?;
        let in_place = upload(device, &in_place)?;
        product(rest.as_mut(), -T::ONE, found.q.as_ref(), in_place.as_ref(), T::ONE).map_err(text)?;
        let residual = frobenius(rest.as_ref()).map_err(text)?;
        let mut gram = Matrix::from_host(device, Mat::<T>::identity(n, n).as_ref()).map_err(text)?;
        product(gram.as_mut(), T::ONE, found.q.as_ref().t(), found.q.as_ref(), -T::ONE).map_err(text)?;
        let defect = frobenius(gram.as_ref()).map_err(text)?;
        let epsilon = T::EPSILON.to_f64();
        if residual > 50.0 * m as f64 * epsilon * found.norm || defect > 50.0 * n as f64 * epsilon || found.rank != n {
            return Err(format!("{m}×{n}: residual {residual:e}, orthogonality {defect:e}, rank {}", found.rank));
        }
        // The residual of a backward stable algorithm does not grow with m: far below the promise.
        if residual > 1e3 * epsilon * found.norm || residual > found.error_estimate {
            return Err(format!(
                "{m}×{n}: residual {residual:e} of {}, estimated {}",
                found.norm, found.error_estimate
            ));
        }
    }
    Ok(())
}

/// ‖AP − QR‖_F and ‖QᵀQ − I‖_F within the project's promise, without an exact SVD.
fn reconstructs<T: DeviceReal>(a: &Mat<T>, found: &PivotedQr<T>) -> Outcome {
    let (m, n) = a.shape();
    let double = |x: &Mat<T>| Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)].to_f64());
    let (a, q, r) = (double(a), double(&found.q), double(&found.r));
    let pivoted = Mat::from_fn(m, n, |i, j| a[(i, found.permutation[j])]);
    let residual = (&q * &r - pivoted).norm_l2();
    let allowed = 50.0 * m as f64 * T::EPSILON.to_f64() * a.norm_l2();
    let defect = (q.transpose() * &q - Mat::<f64>::identity(q.ncols(), q.ncols())).norm_l2();
    let defect_allowed = 50.0 * m.min(n) as f64 * T::EPSILON.to_f64();
    if residual > allowed || defect > defect_allowed {
        return Err(format!(
            "residual {residual:e} (allowed {allowed:e}), orthogonality {defect:e} (allowed {defect_allowed:e}), rank {}",
            found.rank
        ));
    }
    Ok(())
}

fn pivoted_of_families<T: DeviceReal>(device: &Device) -> Outcome {
    over::<T>(FAMILIES, SHAPES, |family, a, seed| {
        let on_device = upload(device, a)?;
        let options = PivotedQrOptions { seed, ..PivotedQrOptions::default() };
        let found = pivoted_qr(on_device.as_ref(), &options).and_then(|found| found.to_host()).map_err(text)?;
        lossless(family, a, &found)
    })
}

/// Beyond what fits into shared memory, too: 3000 columns, and so many that a sketch of 152 rows does not fit either.
fn pivoted_of_larger<T: DeviceReal>(device: &Device) -> Outcome {
    let families = [Family::Gaussian, Family::LowRank(40)];
    over::<T>(&families, &[(900, 900), (500, 1500), (3000, 3000), (150, 70_000)], |family, a, seed| {
        let on_device = upload(device, a)?;
        let options = PivotedQrOptions { seed, ..PivotedQrOptions::default() };
        let found = pivoted_qr(on_device.as_ref(), &options).and_then(|found| found.to_host()).map_err(text)?;
        if family == Family::LowRank(40) && found.rank != 40 {
            return Err(format!("rank {} of a matrix of rank 40", found.rank));
        }
        reconstructs(a, &found)
    })
}

fn cholesky_qrs<T: DeviceReal>(device: &Device) -> Outcome {
    for (m, n) in [(1, 1), (50, 50), (300, 40), (1000, 128)] {
        let a = Family::Spectrum(Spectrum::Condition(100.0)).matrix::<T>(m, n, 1);
        let reference = Reference::new(a.as_ref());
        let on_device = upload(device, &a)?;
        for (name, qr) in [
            ("cholesky_qr2", cholesky_qr2(on_device.as_ref())),
            ("shifted_cholesky_qr3", shifted_cholesky_qr3(on_device.as_ref())),
        ] {
            let qr = qr.and_then(|qr| qr.to_host()).map_err(text)?;
            checks::thin_qr(&reference, qr.q.as_ref(), qr.r.as_ref())
                .map_err(|failure| format!("{name}: {failure}"))?;
        }
    }
    Ok(())
}

fn refusals<T: DeviceReal>(device: &Device) -> Outcome {
    use panther_gpu::GpuError::Linalg;
    let mut a = Family::Gaussian.matrix::<T>(30, 20, 1);
    let good = upload(device, &a)?;
    a[(7, 3)] = T::from_f64(f64::NAN);
    let bad = upload(device, &a)?;
    let options = RsvdOptions::default();
    let at = |error| match error {
        Err(Linalg(LinalgError::NonFinite { row: 7, column: 3, .. })) => Ok(()),
        other => Err(format!("NaN at (7, 3) gives {other:?}")),
    };
    at(rsvd(bad.as_ref(), Target::Rank(3), &options).map(drop))?;
    at(cqrrpt(bad.as_ref(), &CqrrptOptions::default()).map(drop))?;
    at(pivoted_qr(bad.as_ref(), &PivotedQrOptions::default()).map(drop))?;
    for rank in [0, 21] {
        match rsvd(good.as_ref(), Target::Rank(rank), &options) {
            Err(Linalg(LinalgError::OutOfRange { argument: "rank", got, .. })) if got == rank => {}
            other => return Err(format!("rank {rank} gives {other:?}")),
        }
    }
    let empty = Matrix::<T>::zeros(device, 0, 5).map_err(text)?;
    match cqrrpt(empty.as_ref(), &CqrrptOptions::default()) {
        Err(Linalg(LinalgError::Empty { .. })) => {}
        other => return Err(format!("0×5 gives {other:?}")),
    }
    match Matrix::<T>::zeros(device, 1 << 24, 1 << 20) {
        Err(panther_gpu::GpuError::OutOfMemory { .. }) => Ok(()),
        other => Err(format!("2⁴⁴ numbers give {other:?}")),
    }
}

fn layouts<T: DeviceReal>(device: &Device) -> Outcome {
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<T>(300, 60, 5);
    let transposed = upload(device, &a.transpose().to_owned())?;
    let reference = Reference::new(a.as_ref());
    let view = transposed.as_ref().t();
    let found = rsvd(view, Target::Rank(6), &RsvdOptions::default()).and_then(|x| x.to_host()).map_err(text)?;
    checks::rsvd(&reference, &found, 6, default_error(&reference, 6))?;
    let found = cqrrpt(view, &CqrrptOptions::default()).and_then(|x| x.to_host()).map_err(text)?;
    checks::pivoted_qr(&reference, &found, slack(&reference))?;
    let found = pivoted_qr(view, &PivotedQrOptions::default()).and_then(|x| x.to_host()).map_err(text)?;
    checks::pivoted_qr(&reference, &found, slack(&reference))
}
