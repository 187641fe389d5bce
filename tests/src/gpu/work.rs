//! What a device offers, on small inputs and by a fingerprint of what comes out: for the checks of its memory and of repetition.

use std::rc::Rc;

use faer::Mat;
use panther_gpu::{
    Device, DevicePivotedQr, DeviceReal, DeviceSketch, DeviceThinQr, GpuError, Matrix, MatrixRef, cholesky_qr2, cqrrpt,
    gaussian_matrix, pivoted_qr, qb, range_finder, rsvd, shifted_cholesky_qr3,
};
use panther_linalg::{CqrrptOptions, Distribution, PivotedQrOptions, RangeFinder, RsvdOptions, Target};
use panther_nn::backend::Random as _;
use panther_nn::cuda::Cuda;
use panther_nn::layers::{Layer, Linear};
use panther_nn::{NnError, Scalar};

use crate::fingerprint::Fingerprint;
use crate::layer_work;
use crate::matrices::{Family, Spectrum};
use crate::work::Work;

/// Makes the inputs of some works.
pub(super) type Works = fn(&Device) -> Result<Vec<Work>, NnError>;

/// All that succeed.
pub(super) fn all<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    let mut works = Vec::new();
    for some in [sketches::<T>, svds::<T>, qrs::<T>, layers::<T>] {
        works.extend(some(device)?);
    }
    Ok(works)
}

/// A fingerprint of matrices.
pub(super) fn of<T: DeviceReal>(matrices: &[&Matrix<T>]) -> Result<Fingerprint, GpuError> {
    let mut fingerprint = Fingerprint::default();
    for a in matrices {
        fingerprint.matrix(&a.to_host()?);
    }
    Ok(fingerprint)
}

fn upload<T: DeviceReal>(device: &Device, a: &Mat<T>) -> Result<Rc<Matrix<T>>, GpuError> {
    Matrix::from_host(device, a.as_ref()).map(Rc::new)
}

/// Products with every family from both sides.
pub(super) fn sketches<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    let (d, n, p) = (150, 2000, 60);
    let a = upload(device, &Family::Gaussian.matrix::<T>(n, p, 3))?;
    let families = [
        Distribution::Gaussian,
        Distribution::Rademacher,
        Distribution::Uniform,
        Distribution::SparseSign { vec_nnz: 4 },
        Distribution::COUNT_SKETCH,
        Distribution::LessUniform { vec_nnz: 3 },
        Distribution::Srht,
    ];
    let work = |family| {
        let (device, a) = (device.clone(), Rc::clone(&a));
        Work::new(format!("sketch {family:?}"), move || {
            let s = DeviceSketch::<T>::new(&device, family, d, n, 5)?;
            let left = s.left((*a).as_ref())?;
            let right = s.right((*a).as_ref().t())?;
            let back = s.adjoint(left.as_ref())?;
            Ok(of(&[&left, &right, &back])?.0)
        })
    };
    Ok(families.map(work).into())
}

/// The SVD and its stages, by rank and by tolerance.
pub(super) fn svds<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    let a = upload(device, &Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<T>(900, 300, 5))?;
    let mut works = Vec::new();
    for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
        let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
        for target in [Target::Rank(30), Target::Tolerance { relative: 0.2, max_rank: None }] {
            let a = Rc::clone(&a);
            works.push(Work::new(format!("rsvd {finder:?} {target:?}"), move || {
                let found = rsvd((*a).as_ref(), target, &options)?;
                let mut fingerprint = of(&[&found.u, &found.v])?;
                fingerprint.values(&found.s);
                Ok(fingerprint.0)
            }));
        }
        let a = Rc::clone(&a);
        works.push(Work::new(format!("qb and range finder {finder:?}"), move || {
            let found = qb((*a).as_ref(), Target::Rank(30), &options)?;
            let range = range_finder((*a).as_ref(), 30, &options)?;
            Ok(of(&[&found.q, &found.b, &range])?.0)
        }));
    }
    Ok(works)
}

/// Every QR: CQRRPT with the preconditioner, without it and of low rank, the pivots in one launch and in blocks.
pub(super) fn qrs<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    let mut works = Vec::new();
    for family in [Family::Gaussian, Family::Spectrum(Spectrum::Condition(1e5)), Family::LowRank(40)] {
        let a = upload(device, &family.matrix::<T>(1500, 120, 7))?;
        works.push(Work::new(format!("cqrrpt {family:?}"), {
            let a = Rc::clone(&a);
            move || pivoted(&cqrrpt((*a).as_ref(), &CqrrptOptions::default())?)
        }));
        works.push(Work::new(format!("pivoted_qr {family:?}"), move || {
            pivoted(&pivoted_qr((*a).as_ref(), &PivotedQrOptions::default())?)
        }));
    }
    // More than shared memory holds.
    let wide = gaussian_matrix::<T>(device, 4000 / size_of::<T>(), 8000, 7)?;
    works.push(Work::new("pivoted_qr in blocks", move || {
        let found = pivoted_qr(wide.as_ref(), &PivotedQrOptions::default())?;
        // The copy of all of R would take longer than the rest.
        let (rank, n) = (found.rank, found.r.ncols());
        let mut last = Matrix::zeros(wide.device(), rank, rank)?;
        last.as_mut().copy_from(found.r.as_ref().block(0, n - rank, rank, rank)?)?;
        pivots(of(&[&found.q, &last])?, &found)
    }));
    let a = upload(device, &Family::Spectrum(Spectrum::Condition(100.0)).matrix::<T>(1000, 128, 1))?;
    for (name, qr) in [("cholesky_qr2", cholesky_qr2 as ThinQr<T>), ("shifted_cholesky_qr3", shifted_cholesky_qr3)] {
        let a = Rc::clone(&a);
        works.push(Work::new(name, move || {
            let found = qr((*a).as_ref())?;
            Ok(of(&[&found.q, &found.r])?.0)
        }));
    }
    Ok(works)
}

type ThinQr<T> = fn(MatrixRef<'_, T>) -> Result<DeviceThinQr<T>, GpuError>;

pub(super) fn pivoted<T: DeviceReal>(found: &DevicePivotedQr<T>) -> Result<u64, NnError> {
    pivots(of(&[&found.q, &found.r])?, found)
}

fn pivots<T>(mut fingerprint: Fingerprint, found: &DevicePivotedQr<T>) -> Result<u64, NnError> {
    found.permutation.to_host()?.into_iter().for_each(|j| fingerprint.word(j as u64));
    Ok(fingerprint.0)
}

/// A step forward and backward of every layer that has kernels of its own.
pub(super) fn layers<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    Ok(layer_work::layers::<T, Cuda>(&Cuda::of(device.clone())))
}

/// What is refused, some of it on the way only.
pub(super) fn refused<T: Scalar>(device: &Device) -> Result<Vec<Work>, NnError> {
    let mut a = Family::Gaussian.matrix::<T>(900, 60, 1);
    let good = upload(device, &a)?;
    a.col_mut(7).fill(T::ZERO);
    let dependent = upload(device, &a)?;
    a[(500, 3)] = T::from_f64(f64::NAN);
    let bad = upload(device, &a)?;
    let cuda = Cuda::of(device.clone());
    Ok(vec![
        refusal("rsvd of rank 0", &good, |a| rsvd(a, Target::Rank(0), &RsvdOptions::default()).map(drop)),
        refusal("rsvd of NaN", &bad, |a| rsvd(a, Target::Rank(5), &RsvdOptions::default()).map(drop)),
        refusal("cqrrpt of NaN", &bad, |a| cqrrpt(a, &CqrrptOptions::default()).map(drop)),
        refusal("pivoted_qr of NaN", &bad, |a| pivoted_qr(a, &PivotedQrOptions::default()).map(drop)),
        refusal("cholesky_qr2 that breaks down", &dependent, |a| cholesky_qr2(a).map(drop)),
        refusal("shifted_cholesky_qr3 of a wide matrix", &good, |a| shifted_cholesky_qr3(a.t()).map(drop)),
        refusal("a sketch that does not fit", &good, {
            let device = device.clone();
            move |a| DeviceSketch::<T>::new(&device, Distribution::Gaussian, 5, 899, 1)?.left(a).map(drop)
        }),
        Work::new("a layer's input that does not fit", {
            let cuda = cuda.clone();
            move || {
                let mut layer = Linear::<T, _>::new(&cuda, 64, 48, true, 1)?;
                layer.forward_train(&cuda.normal(&[33, 63], 1.0, 2)?).map(|_| 0)
            }
        }),
        Work::new("a layer's gradient that does not fit", move || {
            let mut layer = Linear::<T, _>::new(&cuda, 64, 48, true, 1)?;
            layer.forward_train(&cuda.normal(&[33, 64], 1.0, 2)?)?;
            layer.backward(&cuda.normal(&[33, 47], 1.0, 2)?).map(|_| 0)
        }),
    ])
}

fn refusal<T: DeviceReal>(
    name: &str,
    a: &Rc<Matrix<T>>,
    run: impl Fn(MatrixRef<'_, T>) -> Result<(), GpuError> + 'static,
) -> Work {
    let a = Rc::clone(a);
    Work::new(name, move || Ok(run((*a).as_ref()).map(|()| 0)?))
}
