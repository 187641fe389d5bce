//! Sketch operators and random fill on a device: the draws are the CPU's bit for bit, products are theirs up to rounding, and
//! a repetition gives the same bytes.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use panther_gpu::{
    Buffer, Device, DeviceReal, DeviceSketch, GpuError, Matrix, MatrixRef, dropout, fill_normal, fill_uniform,
    gaussian_matrix,
};
use panther_nn::Scalar;
use panther_nn::backend::{Random as _, Storage as _};
use panther_nn::cpu::Cpu;
use panther_sketch::{Distribution, SketchError};

use super::Check;
use crate::measure::to_double;
use crate::random::Random;

const SEED: u64 = 11;
/// Rounding of a sum, in ε times the sum of magnitudes.
const SLACK: f64 = 40.0;

/// (d, n, p): one of everything, n no power of two, d above n, more rows and columns than a block takes, n above a block.
const SHAPES: [(usize, usize, usize); 12] = [
    (1, 1, 1),
    (1, 7, 3),
    (7, 9, 1),
    (8, 64, 16),
    (65, 9, 3),
    (64, 1000, 257),
    (130, 1025, 17),
    (700, 300, 3),
    (33, 5000, 257),
    (600, 8000, 40),
    (40, 70_000, 1),
    (40, 70_000, 3),
];

macro_rules! checks {
    ($($name:literal: $check:expr;)*) => {
        vec![$(Check { name: $name, run: $check }),*]
    };
}

/// The checks of this file.
#[must_use]
pub fn checks() -> Vec<Check> {
    checks! {
        "sketch: gaussian, f32": |device| families::<f32>(device, |_, _| vec![Distribution::Gaussian]);
        "sketch: gaussian, f64": |device| families::<f64>(device, |_, _| vec![Distribution::Gaussian]);
        "sketch: rademacher, f32": |device| families::<f32>(device, |_, _| vec![Distribution::Rademacher]);
        "sketch: rademacher, f64": |device| families::<f64>(device, |_, _| vec![Distribution::Rademacher]);
        "sketch: uniform, f32": |device| families::<f32>(device, |_, _| vec![Distribution::Uniform]);
        "sketch: uniform, f64": |device| families::<f64>(device, |_, _| vec![Distribution::Uniform]);
        "sketch: sparse signs, f32": |device| families::<f32>(device, sparse_signs);
        "sketch: sparse signs, f64": |device| families::<f64>(device, sparse_signs);
        "sketch: less uniform, f32": |device| families::<f32>(device, less_uniform);
        "sketch: less uniform, f64": |device| families::<f64>(device, less_uniform);
        "sketch: srht, f32": |device| families::<f32>(device, srht);
        "sketch: srht, f64": |device| families::<f64>(device, srht);
        "sketch: draws in several blocks, f32": several_blocks::<f32>;
        "sketch: draws in several blocks, f64": several_blocks::<f64>;
        "sketch: more rows than shared memory, f32": many_rows::<f32>;
        "sketch: more rows than shared memory, f64": many_rows::<f64>;
        "sketch: large products, f32": large::<f32>;
        "sketch: large products, f64": large::<f64>;
        "sketch: refusals": refusals;
        "random: gaussian matrices, f32": gaussian_matrices::<f32>;
        "random: gaussian matrices, f64": gaussian_matrices::<f64>;
        "random: fill and dropout, f32": fill::<f32>;
        "random: fill and dropout, f64": fill::<f64>;
    }
}

fn sparse_signs(d: usize, n: usize) -> Vec<Distribution> {
    let small = [1, 4, 8].into_iter().filter(|&vec_nnz| vec_nnz <= d);
    // Every row of every column, where that is no matter of minutes.
    let all = (d * n < 150_000 && d > 8).then_some(d);
    small.chain(all).map(|vec_nnz| Distribution::SparseSign { vec_nnz }).collect()
}

fn less_uniform(_: usize, n: usize) -> Vec<Distribution> {
    let small = [1, 3, 40].into_iter().filter(|&vec_nnz| vec_nnz <= n);
    let all = (n > 40 && n < 1100).then_some(n);
    small.chain(all).map(|vec_nnz| Distribution::LessUniform { vec_nnz }).collect()
}

fn srht(d: usize, n: usize) -> Vec<Distribution> {
    if d <= n.next_power_of_two() { vec![Distribution::Srht] } else { Vec::new() }
}

/// Every shape with the families that it allows.
fn families<T: DeviceReal>(device: &Device, allowed: fn(usize, usize) -> Vec<Distribution>) -> Result<(), String> {
    for (d, n, p) in SHAPES {
        for family in allowed(d, n) {
            whole(device, &Case::<T>::new(family, d, n, p))
                .map_err(|wrong| format!("{family:?} {d}×{n}, p {p}: {wrong}"))?;
        }
    }
    Ok(())
}

/// A family, a shape, and what it is applied to.
struct Case<T> {
    family: Distribution,
    d: usize,
    n: usize,
    /// n×p.
    a: Mat<T>,
    /// d×p.
    x: Mat<T>,
}

impl<T: DeviceReal> Case<T> {
    fn new(family: Distribution, d: usize, n: usize, p: usize) -> Self {
        Self { family, d, n, a: matrix(n, p, 1), x: matrix(d, p, 2) }
    }

    fn on_device(&self, device: &Device) -> Result<DeviceSketch<T>, String> {
        DeviceSketch::new(device, self.family, self.d, self.n, SEED).map_err(text)
    }
}

/// Numbers in (−1, 1).
fn matrix<T: DeviceReal>(rows: usize, columns: usize, seed: u64) -> Mat<T> {
    let mut random = Random::new(seed);
    let mut a = Mat::zeros(rows, columns);
    for j in 0..columns {
        a.col_mut(j).iter_mut().for_each(|x| *x = T::from_f64(2.0 * random.uniform() - 1.0));
    }
    a
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// S itself, and all products in all layouts against products with it in double precision.
fn whole<T: DeviceReal>(device: &Device, case: &Case<T>) -> Result<(), String> {
    let cpu = case.family.operator::<T>(case.d, case.n, SEED).map_err(text)?;
    let gpu = case.on_device(device)?;
    ensure((gpu.nrows(), gpu.ncols()) == (case.d, case.n), "the shape")?;
    let dense = cpu.to_dense().map_err(text)?;
    same("S", host(&gpu.to_dense().map_err(text)?)?.as_ref(), dense.as_ref())?;
    let dense = to_double(dense.as_ref());

    let expected = Product::new::<T>(dense.as_ref(), case.a.as_ref());
    in_every_layout(device, &case.a, |layout, a| {
        let left = host(&gpu.left(a).map_err(text)?)?;
        expected.close(&format!("S·A, A {layout}"), left.as_ref())?;
        let again = host(&gpu.left(a).map_err(text)?)?;
        same(&format!("S·A again, A {layout}"), again.as_ref(), left.as_ref())?;
        let right = host(&gpu.right(a.t()).map_err(text)?)?;
        expected.close(&format!("Aᵀ·Sᵀ, A {layout}"), right.transpose())?;
        let (rows, columns) = left.shape();
        let into = framed(device, rows, columns, |frame, transposed| {
            let out = frame.as_mut();
            let out = if transposed { out.t() } else { out };
            gpu.left_into(out.block(2, 1, rows, columns)?, a)
        })?;
        into.iter().try_for_each(|into| expected.close(&format!("S·A into a frame, A {layout}"), into.as_ref()))
    })?;

    let expected = Product::new::<T>(dense.transpose(), case.x.as_ref());
    in_every_layout(device, &case.x, |layout, x| {
        let adjoint = host(&gpu.adjoint(x).map_err(text)?)?;
        expected.close(&format!("Sᵀ·X, X {layout}"), adjoint.as_ref())?;
        let again = host(&gpu.adjoint(x).map_err(text)?)?;
        same(&format!("Sᵀ·X again, X {layout}"), again.as_ref(), adjoint.as_ref())?;
        let (rows, columns) = adjoint.shape();
        let into = framed(device, rows, columns, |frame, transposed| {
            let out = frame.as_mut();
            let out = if transposed { out.t() } else { out };
            gpu.adjoint_into(out.block(2, 1, rows, columns)?, x)
        })?;
        into.iter().try_for_each(|into| expected.close(&format!("Sᵀ·X into a frame, X {layout}"), into.as_ref()))
    })
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what} is wrong")) }
}

fn host<T: DeviceReal>(a: &Matrix<T>) -> Result<Mat<T>, String> {
    a.to_host().map_err(text)
}

/// NaN with three rows and two columns more than `inside`.
fn frame_of<T: DeviceReal>(rows: usize, columns: usize, inside: impl Fn(usize, usize) -> T) -> Mat<T> {
    let within = |i: usize, j: usize| (2..rows + 2).contains(&i) && (1..=columns).contains(&j);
    Mat::from_fn(rows + 3, columns + 2, |i, j| if within(i, j) { inside(i - 2, j - 1) } else { T::from_f64(f64::NAN) })
}

/// Hands `a` on by columns, by rows, and as windows of both kinds in a frame of NaN.
fn in_every_layout<T: DeviceReal>(
    device: &Device,
    a: &Mat<T>,
    work: impl Fn(&str, MatrixRef<'_, T>) -> Result<(), String>,
) -> Result<(), String> {
    let (rows, columns) = a.shape();
    let upload = |a: MatRef<'_, T>| Matrix::from_host(device, a).map_err(text);
    work("by columns", upload(a.as_ref())?.as_ref())?;
    work("by rows", upload(a.transpose())?.as_ref().t())?;
    let frame = frame_of(rows, columns, |i, j| a[(i, j)]);
    let window = |frame: MatrixRef<'_, T>, layout: &str| work(layout, frame.block(2, 1, rows, columns).map_err(text)?);
    window(upload(frame.as_ref())?.as_ref(), "a window by columns")?;
    window(upload(frame.transpose())?.as_ref().t(), "a window by rows")
}

/// What `work` writes into a window of a frame of NaN, by columns and by rows; the frame must stay.
fn framed<T: DeviceReal>(
    device: &Device,
    rows: usize,
    columns: usize,
    work: impl Fn(&mut Matrix<T>, bool) -> Result<(), GpuError>,
) -> Result<[Mat<T>; 2], String> {
    let one = |transposed: bool| {
        let nothing = frame_of(rows, columns, |_, _| T::from_f64(f64::NAN));
        let nothing = if transposed { nothing.transpose().to_owned() } else { nothing };
        let mut frame = Matrix::from_host(device, nothing.as_ref()).map_err(text)?;
        work(&mut frame, transposed).map_err(text)?;
        let written = host(&frame)?;
        let written = if transposed { written.transpose().to_owned() } else { written };
        let around = frame_of(rows, columns, |_, _| T::ZERO);
        for i in 0..rows + 3 {
            for j in 0..columns + 2 {
                let stays = around[(i, j)].is_finite() || !written[(i, j)].is_finite();
                ensure(stays, "what stands around the result")?;
            }
        }
        Ok::<_, String>(written.as_ref().submatrix(2, 1, rows, columns).to_owned())
    };
    Ok([one(false)?, one(true)?])
}

/// Bit for bit.
fn same<T: DeviceReal>(what: &str, got: MatRef<'_, T>, expected: MatRef<'_, T>) -> Result<(), String> {
    ensure(got.shape() == expected.shape(), what)?;
    for j in 0..got.ncols() {
        for i in 0..got.nrows() {
            let (x, y) = (got[(i, j)].to_f64(), expected[(i, j)].to_f64());
            if x.to_bits() != y.to_bits() {
                return Err(format!("{what} at ({i}, {j}): {x:e}, not {y:e}"));
            }
        }
    }
    Ok(())
}

/// A product in double precision, and how large an error of each entry may be.
struct Product {
    exact: Mat<f64>,
    bound: Mat<f64>,
}

impl Product {
    fn new<T: DeviceReal>(s: MatRef<'_, f64>, a: MatRef<'_, T>) -> Self {
        let a = to_double(a);
        let times = |s: MatRef<'_, f64>, a: MatRef<'_, f64>| {
            let mut out = Mat::zeros(s.nrows(), a.ncols());
            matmul(&mut out, Accum::Replace, s, a, 1.0, Par::rayon(0));
            out
        };
        let magnitudes = |x: MatRef<'_, f64>| Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)].abs());
        let largest = |x: MatRef<'_, f64>| x.col_iter().flat_map(|c| c.iter()).fold(0.0, |m: f64, x| m.max(x.abs()));
        // Entries of S may be sums of draws that cancel: no bound is below that of one large product.
        let least = largest(s) * largest(a.as_ref());
        let sizes = times(magnitudes(s).as_ref(), magnitudes(a.as_ref()).as_ref());
        let unit = SLACK * T::EPSILON.to_f64();
        let bound = Mat::from_fn(sizes.nrows(), sizes.ncols(), |i, j| unit * sizes[(i, j)].max(least));
        Self { exact: times(s, a.as_ref()), bound }
    }

    fn close<T: DeviceReal>(&self, what: &str, got: MatRef<'_, T>) -> Result<(), String> {
        ensure(got.shape() == self.exact.shape(), what)?;
        for j in 0..got.ncols() {
            for i in 0..got.nrows() {
                let (x, y, bound) = (got[(i, j)].to_f64(), self.exact[(i, j)], self.bound[(i, j)]);
                let error = (x - y).abs();
                if error.is_nan() || error > bound {
                    return Err(format!("{what} at ({i}, {j}): {x:e} instead of {y:e}, more than {bound:e} off"));
                }
            }
        }
        Ok(())
    }
}

/// Products against the CPU's, where S in full is too much. `row` and `column` bound the sums of |S| over rows and columns.
fn against_cpu<T: DeviceReal>(device: &Device, case: &Case<T>, row: f64, column: f64) -> Result<(), String> {
    let wrong = |wrong: String| format!("{:?} {}×{}, p {}: {wrong}", case.family, case.d, case.n, case.a.ncols());
    let cpu = case.family.operator::<T>(case.d, case.n, SEED).map_err(text)?;
    let gpu = case.on_device(device)?;
    let expected = |exact: Mat<T>, size: f64| Product {
        bound: Mat::from_fn(exact.nrows(), exact.ncols(), |_, _| SLACK * T::EPSILON.to_f64() * size.max(1.0)),
        exact: to_double(exact.as_ref()),
    };
    let a = Matrix::from_host(device, case.a.as_ref()).map_err(text)?;
    let by_rows = Matrix::from_host(device, case.a.transpose()).map_err(text)?;
    let exact = expected(cpu.left(case.a.as_ref().into(), Par::rayon(0)).map_err(text)?, row);
    let left = host(&gpu.left(a.as_ref()).map_err(text)?)?;
    exact.close("S·A", left.as_ref()).map_err(wrong)?;
    same("S·A again", host(&gpu.left(a.as_ref()).map_err(text)?)?.as_ref(), left.as_ref()).map_err(wrong)?;
    let right = host(&gpu.right(by_rows.as_ref()).map_err(text)?)?;
    exact.close("A·Sᵀ", right.transpose()).map_err(wrong)?;
    let x = Matrix::from_host(device, case.x.as_ref()).map_err(text)?;
    let exact = expected(cpu.adjoint(case.x.as_ref(), Par::rayon(0)).map_err(text)?, column);
    exact.close("Sᵀ·X", host(&gpu.adjoint(x.as_ref()).map_err(text)?)?.as_ref()).map_err(wrong)
}

/// As [`against_cpu`] with the sums of |S| that the family leads one to expect.
fn large_case<T: DeviceReal>(
    device: &Device,
    family: Distribution,
    d: usize,
    n: usize,
    p: usize,
) -> Result<(), String> {
    let mean = match family {
        Distribution::SparseSign { vec_nnz } => (vec_nnz as f64).sqrt() / d as f64,
        Distribution::LessUniform { vec_nnz } => (vec_nnz as f64 / (n as f64 * d as f64)).sqrt(),
        _ => 1.0 / (d as f64).sqrt(),
    };
    against_cpu(device, &Case::<T>::new(family, d, n, p), mean * n as f64, mean * d as f64)
}

/// More draws than are held at a time.
fn several_blocks<T: DeviceReal>(device: &Device) -> Result<(), String> {
    large_case::<T>(device, Distribution::Gaussian, 600, 70_000, 3)?;
    large_case::<T>(device, Distribution::SparseSign { vec_nnz: 64 }, 80, 200_000, 3)?;
    large_case::<T>(device, Distribution::LessUniform { vec_nnz: 9000 }, 500, 10_000, 2)
}

fn many_rows<T: DeviceReal>(device: &Device) -> Result<(), String> {
    large_case::<T>(device, Distribution::SparseSign { vec_nnz: 4 }, 5000, 300, 20)?;
    large_case::<T>(device, Distribution::SparseSign { vec_nnz: 3 }, 50_000, 20_000, 3)?;
    large_case::<T>(device, Distribution::Srht, 5001, 8000, 20)?;
    large_case::<T>(device, Distribution::LessUniform { vec_nnz: 2 }, 50_000, 300, 3)
}

/// As large as people have them.
fn large<T: DeviceReal>(device: &Device) -> Result<(), String> {
    large_case::<T>(device, Distribution::SparseSign { vec_nnz: 4 }, 1280, 16_384, 1024)?;
    large_case::<T>(device, Distribution::SparseSign { vec_nnz: 8 }, 512, 65_536, 256)?;
    large_case::<T>(device, Distribution::COUNT_SKETCH, 512, 65_536, 256)?;
    large_case::<T>(device, Distribution::Srht, 512, 65_536, 256)
}

fn refusals(device: &Device) -> Result<(), String> {
    let new = |family, d, n| DeviceSketch::<f32>::new(device, family, d, n, 0);
    let families = [
        Distribution::Gaussian,
        Distribution::Rademacher,
        Distribution::Uniform,
        Distribution::COUNT_SKETCH,
        Distribution::LessUniform { vec_nnz: 1 },
        Distribution::Srht,
    ];
    for family in families {
        let empty = |argument| GpuError::Sketch(SketchError::Empty { argument });
        ensure(new(family, 0, 5).err() == Some(empty("d")), "an operator without rows")?;
        ensure(new(family, 5, 0).err() == Some(empty("n")), "an operator without columns")?;
        let s = new(family, 4, 7).map_err(text)?;
        let a = Matrix::<f32>::zeros(device, 6, 2).map_err(text)?;
        let refused = |result: Result<Matrix<f32>, GpuError>| matches!(result, Err(GpuError::Shape { .. }));
        ensure(refused(s.left(a.as_ref())), "a product of matrices that do not fit")?;
        ensure(refused(s.right(a.as_ref())), "a product from the right of matrices that do not fit")?;
        ensure(refused(s.adjoint(a.as_ref())), "an adjoint product of matrices that do not fit")?;
        let none = Matrix::<f32>::zeros(device, 7, 0).map_err(text)?;
        let none = s.left(none.as_ref()).map_err(text)?;
        ensure((none.nrows(), none.ncols()) == (4, 0), "a product with no columns")?;
    }
    for family in [Distribution::SparseSign { vec_nnz: 5 }, Distribution::LessUniform { vec_nnz: 7 }] {
        let refused = matches!(new(family, 4, 6), Err(GpuError::Sketch(SketchError::OutOfRange { .. })));
        ensure(refused, "more nonzeros than there is room for")?;
    }
    let refused = matches!(new(Distribution::Srht, 9, 6), Err(GpuError::Sketch(SketchError::OutOfRange { .. })));
    ensure(refused, "an SRHT of more rows than there are")
}

fn gaussian_matrices<T: DeviceReal>(device: &Device) -> Result<(), String> {
    for (n, s) in [(1, 1), (1000, 8), (70, 33)] {
        let unscaled = T::from_f64((s as f64).sqrt());
        let operator = Distribution::Gaussian.operator::<T>(s, n, SEED).map_err(text)?.to_dense().map_err(text)?;
        let expected = Mat::from_fn(n, s, |i, j| operator[(j, i)] * unscaled);
        let g = host(&gaussian_matrix::<T>(device, n, s, SEED).map_err(text)?)?;
        same(&format!("a Gaussian matrix of {n}×{s}"), g.as_ref(), expected.as_ref())?;
    }
    Ok(())
}

fn fill<T: DeviceReal + Scalar>(device: &Device) -> Result<(), String> {
    let cpu = Cpu::new(Par::Seq);
    for count in [0, 1, 31, 1024, 1025, 300_000] {
        let equal = |what: &str, got: &Buffer<T>, expected: &[T]| {
            let got = got.to_host().map_err(text)?;
            ensure(got == expected, &format!("{what} of {count} numbers"))
        };
        let mut buffer = Buffer::<T>::zeros(device, count).map_err(text)?;
        fill_uniform(&mut buffer, 0.3, SEED).map_err(text)?;
        equal("a uniform fill", &buffer, cpu.uniform::<T>(&[count], 0.3, SEED).map_err(text)?.as_slice())?;
        fill_normal(&mut buffer, 2.5, SEED).map_err(text)?;
        equal("a normal fill", &buffer, cpu.normal::<T>(&[count], 2.5, SEED).map_err(text)?.as_slice())?;
        for rate in [0.0, 0.1, 0.5, 0.9] {
            let numbers: Vec<T> = (0..count).map(|e| T::from_f64((e as f64).cos())).collect();
            let mut x = Buffer::from_host(device, &numbers).map_err(text)?;
            dropout(&mut x, rate, SEED).map_err(text)?;
            let mut expected = cpu.upload(&[count], numbers).map_err(text)?;
            cpu.dropout(rate, SEED, &mut expected).map_err(text)?;
            equal("a dropout", &x, expected.as_slice())?;
        }
    }
    Ok(())
}
