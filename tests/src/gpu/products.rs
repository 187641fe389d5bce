//! Products of matrices.

use faer::Mat;
use half::bf16;
use panther_gpu::{Device, DeviceReal, GpuError, Matrix, MatrixRef, Precision, product};
use panther_nn::backend::{Layout, Products, Storage};
use panther_nn::cuda::Cuda;

use super::Check;
use super::common::{Outcome, both, text, upload};
use crate::matrices::Family;

pub(super) fn checks() -> Vec<Check> {
    let mut checks = both![
        "copies, views and products": products,
        "products of any layout": products_of_layouts,
    ];
    checks.push(Check { name: "products of fewer bits, f32", run: products_of_fewer_bits });
    checks
}

fn products<T: DeviceReal>(device: &Device) -> Outcome {
    for (m, n, k) in [(1, 1, 1), (17, 33, 65), (128, 1, 300), (5, 70, 0)] {
        let a = Family::Gaussian.matrix::<T>(m, k, 1);
        let b = Family::Gaussian.matrix::<T>(n, k, 2);
        let (on_a, on_b) = (upload(device, &a)?, upload(device, &b)?);
        if on_a.to_host().map_err(text)? != a {
            return Err(format!("{m}×{k} comes back changed"));
        }
        // With β = 0 it does not matter what was there.
        let mut c = upload(device, &Mat::from_fn(n, m, |_, _| T::from_f64(f64::NAN)))?;
        product(c.as_mut().t(), T::ONE, on_a.as_ref(), on_b.as_ref().t(), T::ZERO).map_err(text)?;
        let found = c.to_host().map_err(text)?;
        let expected = &b * a.transpose();
        let allowed = 10.0 * T::EPSILON.to_f64() * (k as f64 + 1.0);
        for (i, j) in (0..m).flat_map(|j| (0..n).map(move |i| (i, j))) {
            let error = (found[(i, j)] - expected[(i, j)]).to_f64().abs();
            if error.is_nan() || error > allowed {
                return Err(format!("product {m}×{k}×{n}: off by {error:e}, allowed {allowed:e}"));
            }
        }
    }
    Ok(())
}

/// How a matrix is stored: by columns or by rows, from (at, at) of a larger one on that has no other numbers.
#[derive(Clone, Copy)]
struct Stored {
    by_rows: bool,
    at: usize,
}

impl Stored {
    fn whole<T: DeviceReal>(self, a: &Mat<T>) -> Mat<T> {
        let at = self.at;
        let whole = Mat::from_fn(a.nrows() + at, a.ncols() + at, |i, j| {
            if i >= at && j >= at { a[(i - at, j - at)] } else { T::from_f64(f64::NAN) }
        });
        if self.by_rows { whole.transpose().to_owned() } else { whole }
    }

    fn part<'a, T: DeviceReal>(self, whole: &'a Matrix<T>, of: &Mat<T>) -> Result<MatrixRef<'a, T>, GpuError> {
        let whole = if self.by_rows { whole.as_ref().t() } else { whole.as_ref() };
        whole.block(self.at, self.at, of.nrows(), of.ncols())
    }
}

const ALPHA: f64 = 0.75;
const BETA: f64 = -0.5;

/// Factors, what the result adds to, and what it must be, each entry with the error that is allowed.
struct Case<T> {
    a: Mat<T>,
    b: Mat<T>,
    c: Mat<T>,
    exact: Mat<f64>,
    allowed: Mat<f64>,
}

impl<T: DeviceReal> Case<T> {
    /// √k·ε of the sums of absolute values: rounding errors of either sign, each of half of ε, add up to that (Higham and Mary 2019, with
    /// λ = 2). Factors of 11 bits would be off by more.
    fn new(m: usize, n: usize, k: usize) -> Self {
        let [a, b, c] = [(m, k, 1), (k, n, 2), (m, n, 3)]
            .map(|(rows, columns, seed)| Family::Gaussian.matrix::<T>(rows, columns, seed));
        let map = |x: &Mat<T>, f: fn(f64) -> f64| Mat::from_fn(x.nrows(), x.ncols(), |i, j| f(x[(i, j)].to_f64()));
        let (product, most) = (map(&a, |x| x) * map(&b, |x| x), map(&a, f64::abs) * map(&b, f64::abs));
        let exact = Mat::from_fn(m, n, |i, j| ALPHA * product[(i, j)] + BETA * c[(i, j)].to_f64());
        let unit = (k as f64).sqrt() * T::EPSILON.to_f64();
        let allowed = Mat::from_fn(m, n, |i, j| unit * (most[(i, j)] + c[(i, j)].to_f64().abs()));
        Self { a, b, c, exact, allowed }
    }

    fn check(&self, device: &Device, [a, b, c]: [Stored; 3]) -> Outcome {
        let (on_a, on_b) = (upload(device, &a.whole(&self.a))?, upload(device, &b.whole(&self.b))?);
        let mut on_c = upload(device, &c.whole(&self.c))?;
        let to = if c.by_rows { on_c.as_mut().t() } else { on_c.as_mut() };
        let to = to.block(c.at, c.at, self.c.nrows(), self.c.ncols()).map_err(text)?;
        let (from_a, from_b) = (a.part(&on_a, &self.a).map_err(text)?, b.part(&on_b, &self.b).map_err(text)?);
        product(to, T::from_f64(ALPHA), from_a, from_b, T::from_f64(BETA)).map_err(text)?;
        let found = on_c.to_host().map_err(text)?;
        let found = if c.by_rows { found.transpose() } else { found.as_ref() };
        for (i, j) in (0..found.ncols()).flat_map(|j| (0..found.nrows()).map(move |i| (i, j))) {
            let x = found[(i, j)].to_f64();
            if i < c.at || j < c.at {
                if !x.is_nan() {
                    return Err(format!("entry ({i}, {j}), which is not of the result, has become {x:e}"));
                }
                continue;
            }
            let entry = (i - c.at, j - c.at);
            let (error, allowed) = ((x - self.exact[entry]).abs(), self.allowed[entry]);
            if error.is_nan() || error > allowed {
                return Err(format!("entry {entry:?} is off by {error:e}, allowed {allowed:e}"));
            }
        }
        Ok(())
    }
}

/// C = α·A·B + β·C for factors and results by rows and by columns, whole and as parts of larger matrices, with extents on both sides of
/// those of tiles.
fn products_of_layouts<T: DeviceReal>(device: &Device) -> Outcome {
    for (m, n, k) in [
        (90, 33, 700),
        (1000, 130, 4200),
        (600, 520, 2001),
        (4100, 64, 2112),
        (1000, 1000, 600),
        (90, 1100, 6000),
        (2100, 45, 6000),
    ] {
        let case = Case::<T>::new(m, n, k);
        for bits in 0..8 {
            for at in [0, 1, 4] {
                let stored = [1, 2, 4].map(|bit| Stored { by_rows: bits & bit != 0, at });
                case.check(device, stored)
                    .map_err(|failure| format!("{m}×{k}×{n} from {at} on, layouts {bits:03b}: {failure}"))?;
            }
        }
    }
    Ok(())
}

/// A·B of row-major factors, or of transposed ones, in a precision; row-major.
fn product_in(
    device: &Device,
    precision: Precision,
    [(a, m), (b, n)]: [(&[f32], usize); 2],
    transposed: bool,
) -> Result<Vec<f32>, String> {
    let k = a.len() / m;
    let at = |rows: usize, columns: usize| {
        if transposed { Layout::matrix(columns, rows).t() } else { Layout::matrix(rows, columns) }
    };
    let backend = Cuda::of(device.clone()).with_precision(precision);
    let (a, b) =
        (backend.upload(&[m, k], a.to_vec()).map_err(text)?, backend.upload(&[k, n], b.to_vec()).map_err(text)?);
    let c = backend.product(&[m, n], 1.0, (&a, at(m, k)), (&b, at(k, n))).map_err(text)?;
    backend.download(&c).map_err(text)
}

/// Factors of 11 or 8 bits, perhaps cut off and not rounded, sums in f32. Of large products in Bf16 the factors are those that bfloat16
/// has, so that with them the error is that of sums in f32; or they are the whole ones, where a device does not know bfloat16.
fn products_of_fewer_bits(device: &Device) -> Outcome {
    for (m, n, k) in [(70, 90, 500), (1500, 1301, 700)] {
        let [a, b] = [(m * k, 1), (k * n, 2)].map(|(count, seed)| Family::Gaussian.matrix::<f32>(count, 1, seed));
        let [a, b] = [&a, &b].map(|x| x.col_as_slice(0));
        for transposed in [false, true] {
            let entry = |x: &[f32], rows: usize, columns: usize, i: usize, j: usize| {
                if transposed { x[j * rows + i] } else { x[i * columns + j] }
            };
            let of = |f: fn(f32) -> f32| {
                Mat::from_fn(m, k, |i, j| f64::from(f(entry(a, m, k, i, j))))
                    * Mat::from_fn(k, n, |i, j| f64::from(f(entry(b, k, n, i, j))))
            };
            let (whole, most) = (of(|x| x), of(f32::abs));
            let rounded = of(|x| bf16::from_f32(x).to_f32());
            let check = |precision: Precision, expected: &[(&Mat<f64>, f64)]| {
                let found = product_in(device, precision, [(a, m), (b, n)], transposed)?;
                let far = |&(exact, cut): &(&Mat<f64>, f64)| {
                    let unit = cut + (k as f64).sqrt() * f64::from(f32::EPSILON);
                    first_far(&found, exact, unit, &most)
                };
                let errors: Vec<String> = expected.iter().filter_map(far).collect();
                let fails = errors.len() == expected.len();
                if fails { Err(format!("{precision:?} {m}×{k}×{n}: {}", errors.join("; or "))) } else { Ok(()) }
            };
            // Twice the last bit of two factors.
            check(Precision::Tf32, &[(&whole, f64::powi(2.0, -9))])?;
            if m < 1500 {
                check(Precision::Bf16, &[(&whole, f64::powi(2.0, -6))])?;
            } else {
                check(Precision::Bf16, &[(&rounded, 0.0), (&whole, 0.0)])?;
            }
        }
    }
    // The largest number rounds to one that is finite.
    let (large, zeros) = (vec![f32::MAX; 1500 * 512], vec![0.0; 512 * 1500]);
    let product = product_in(device, Precision::Bf16, [(&large, 1500), (&zeros, 1500)], false)?;
    if product.iter().any(|&x| x != 0.0) {
        return Err("zero times the largest number is not zero".to_owned());
    }
    Ok(())
}

/// The first entry of a row-major matrix that is off by more than `unit` of the sum of absolute values.
fn first_far(found: &[f32], exact: &Mat<f64>, unit: f64, most: &Mat<f64>) -> Option<String> {
    let (m, n) = (exact.nrows(), exact.ncols());
    (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).find_map(|(i, j)| {
        let (error, allowed) = ((f64::from(found[i * n + j]) - exact[(i, j)]).abs(), unit * most[(i, j)]);
        let is_far = error.is_nan() || error > allowed;
        is_far.then(|| format!("entry ({i}, {j}) is off by {error:e}, allowed {allowed:e}"))
    })
}
