//! Small steps of the decompositions, each a kernel.

use std::sync::Arc;

use panther_linalg::LinalgError;
use panther_linalg::rules::exponent_of;

use crate::buffer::{Buffer, Pointer};
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::{Device, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef};
use cudarc::driver::LaunchConfig;

const KERNELS: KernelFile = kernel_file!("small");

/// Blocks that a sum is taken in: fixed, so that its value does not depend on the device.
const PARTS: usize = 64;

/// One block of `threads` threads for each of `count` things.
pub(crate) fn block_each(count: usize, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (count as u32, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// Numbers that kernels report, read by the host in one go.
pub(crate) struct Report {
    numbers: Arc<Buffer<f64>>,
    /// Where those of this report begin.
    start: usize,
}

/// How many numbers there are to a report.
const LENGTH: usize = 2 * PARTS + 2;

impl Report {
    /// So many reports that are read together.
    pub(crate) fn several<const N: usize>(device: &Device) -> Result<[Self; N], GpuError> {
        let numbers = Arc::new(Buffer::zeros(device, N * LENGTH)?);
        Ok(std::array::from_fn(|i| Self { numbers: Arc::clone(&numbers), start: i * LENGTH }))
    }

    pub(crate) fn new(device: &Device) -> Result<Self, GpuError> {
        let [report] = Self::several(device)?;
        Ok(report)
    }

    /// Σ x² for [`Reported::squares`].
    pub(crate) fn squares<T: DeviceReal>(&self, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let (down, right) = x.place().strides();
        launch!(
            x.device,
            T,
            KERNELS.kernel("partial_squares"),
            block_each(PARTS, 256),
            x.place().pointer,
            down as u64,
            right as u64,
            x.nrows() as u64,
            x.ncols() as u64,
            self.numbers.at(self.start),
        )
    }

    /// ‖G − I‖_F of the upper triangle of G for [`Reported::defect`].
    pub(crate) fn defect<T: DeviceReal>(&self, g: MatrixRef<'_, T>) -> Result<(), GpuError> {
        launch!(
            g.device,
            T,
            KERNELS.kernel("partial_defect"),
            block_each(PARTS, 256),
            g.place().pointer,
            g.place().stride as u64,
            g.ncols() as u64,
            self.defect_at(),
        )
    }

    /// Where the kernel of a small factor writes ‖G − I‖²_F.
    pub(crate) fn defect_at(&self) -> Pointer {
        self.numbers.at(self.start + PARTS)
    }

    /// Where what is told of a factor goes: two numbers.
    pub(crate) fn judgement_at(&self) -> Pointer {
        self.numbers.at(self.start + 2 * PARTS)
    }

    /// Waits for the numbers.
    pub(crate) fn read(self) -> Result<Reported, GpuError> {
        let [reported] = Self::read_all([self])?;
        Ok(reported)
    }

    /// Waits for the numbers of all, which were made together.
    pub(crate) fn read_all<const N: usize>(reports: [Self; N]) -> Result<[Reported; N], GpuError> {
        let all = reports[0].numbers.to_host()?;
        Ok(reports.map(|Self { start, .. }| {
            let numbers = &all[start..start + LENGTH];
            Reported {
                squares: numbers[..PARTS].iter().sum(),
                defect: numbers[PARTS..2 * PARTS].iter().sum::<f64>().sqrt(),
                breakdown: numbers[2 * PARTS] as usize,
                sound: numbers[2 * PARTS + 1] != 0.0,
            }
        }))
    }
}

/// What was reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported {
    pub(crate) squares: f64,
    pub(crate) defect: f64,
    /// The column, from 1 on, at which a Gram matrix is not positive definite.
    pub(crate) breakdown: usize,
    /// Whether the factor was used.
    pub(crate) sound: bool,
}

/// ‖x‖_F, summed in double precision and unscaled: infinite where squares are beyond 1e308. One reading of x, and the host waits
/// for the result.
///
/// # Errors
/// [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn frobenius<T: DeviceReal>(x: MatrixRef<'_, T>) -> Result<f64, GpuError> {
    let report = Report::new(x.device)?;
    report.squares(x)?;
    Ok(report.read()?.squares.sqrt())
}

/// A\[:, columns\].
pub(crate) fn gather_columns<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    columns: &Buffer<i32>,
    start: usize,
    count: usize,
) -> Result<Matrix<T>, GpuError> {
    let mut out = Matrix::uninitialized(a.device, a.nrows(), count)?;
    if a.nrows() * count > 0 {
        let (down, right) = a.place().strides();
        launch!(
            a.device,
            T,
            KERNELS.kernel("gather_columns"),
            grid_over(a.nrows() * count, 256),
            out.as_mut().place().pointer,
            a.nrows() as u64,
            a.place().pointer,
            down as u64,
            right as u64,
            columns.at(start),
            a.nrows() as u64,
            count as u64,
        )?;
    }
    Ok(out)
}

/// The matrix whose column `columns[j]` is column j of A.
pub(crate) fn scatter_columns<T: DeviceReal>(a: &Matrix<T>, columns: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    scattered("scatter_columns", a, columns)
}

/// The matrix whose row `rows[i]` is row i of A.
pub(crate) fn scatter_rows<T: DeviceReal>(a: &Matrix<T>, rows: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    scattered("scatter_rows", a, rows)
}

fn scattered<T: DeviceReal>(kernel: &'static str, a: &Matrix<T>, places: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut out = Matrix::uninitialized(a.device(), m, n)?;
    if m * n > 0 {
        launch!(
            a.device(),
            T,
            KERNELS.kernel(kernel),
            grid_over(m * n, 256),
            out.as_mut().place().pointer,
            m as u64,
            a.as_ref().place().pointer,
            m as u64,
            places.pointer(),
            m as u64,
            n as u64,
        )?;
    }
    Ok(out)
}

/// x\[i, :\] *= factors\[i\].
pub(crate) fn scale_rows<T: DeviceReal>(x: &mut Matrix<T>, factors: &[f64]) -> Result<(), GpuError> {
    let (m, n) = (x.nrows(), x.ncols());
    if m * n == 0 {
        return Ok(());
    }
    let factors = Buffer::from_host(x.device(), factors)?;
    let place = x.as_mut().place();
    launch!(
        x.device(),
        T,
        KERNELS.kernel("scale_rows"),
        grid_over(m * n, 256),
        place.pointer,
        m as u64,
        factors.pointer(),
        m as u64,
        n as u64,
    )
}

/// The upper triangle of a column-major matrix, zeros below.
pub(crate) fn upper_triangle<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut r = Matrix::uninitialized(a.device, m, n)?;
    if m * n > 0 {
        launch!(
            a.device,
            T,
            KERNELS.kernel("upper_triangle"),
            grid_over(m * n, 256),
            r.as_mut().place().pointer,
            m as u64,
            a.place().pointer,
            a.place().stride as u64,
            m as u64,
            n as u64,
        )?;
    }
    Ok(r)
}

/// The n×n identity.
pub(crate) fn identity<T: DeviceReal>(device: &Device, n: usize) -> Result<Matrix<T>, GpuError> {
    let mut a = Matrix::uninitialized(device, n, n)?;
    let pointer = a.as_mut().place().pointer;
    launch!(
        device,
        T,
        KERNELS.kernel("identity"),
        grid_over(n * n, 256),
        pointer,
        n.max(1) as u64,
        n as u64,
        n as u64
    )?;
    Ok(a)
}

/// G += shift·I.
pub(crate) fn add_to_diagonal<T: DeviceReal>(g: &mut Matrix<T>, shift: T) -> Result<(), GpuError> {
    let (n, pointer) = (g.ncols(), g.as_mut().place().pointer);
    launch!(g.device(), T, KERNELS.kernel("add_to_diagonal"), grid_over(n, 256), pointer, n as u64, n as u64, shift)
}

/// Σⱼ≥ᵢ r\[i, j\]² for each row i.
pub(crate) fn row_energies<T: DeviceReal>(r: MatrixRef<'_, T>) -> Result<Vec<f64>, GpuError> {
    let energies = Buffer::<f64>::zeros(r.device, r.nrows())?;
    if r.nrows() > 0 {
        launch!(
            r.device,
            T,
            KERNELS.kernel("row_energies"),
            block_each(r.nrows(), 128),
            r.place().pointer,
            r.place().stride as u64,
            r.ncols() as u64,
            energies.pointer(),
        )?;
    }
    energies.to_host()
}

/// Σᵢ u\[i, j\]² for each column j.
pub(crate) fn column_energies<T: DeviceReal>(u: MatrixRef<'_, T>) -> Result<Vec<f64>, GpuError> {
    let energies = Buffer::<f64>::zeros(u.device, u.ncols())?;
    if u.ncols() > 0 && u.nrows() > 0 {
        launch!(
            u.device,
            T,
            KERNELS.kernel("column_energies"),
            block_each(u.ncols(), 128),
            u.place().pointer,
            u.place().stride as u64,
            u.nrows() as u64,
            energies.pointer(),
        )?;
    }
    energies.to_host()
}

/// In each column of U the entry of largest magnitude, the first of equals, becomes positive.
pub(crate) fn fix_signs<T: DeviceReal>(u: &mut Matrix<T>, v: &mut Matrix<T>) -> Result<(), GpuError> {
    let (m, n, k) = (u.nrows(), v.nrows(), u.ncols());
    if k == 0 {
        return Ok(());
    }
    let (up, vp) = (u.as_mut().place().pointer, v.as_mut().place().pointer);
    launch!(
        u.device(),
        T,
        KERNELS.kernel("fix_signs"),
        block_each(k, 256),
        up,
        m as u64,
        m as u64,
        vp,
        n as u64,
        n as u64
    )
}

/// R·2^exponent in place, if the type can hold it.
pub(crate) fn rescale<T: DeviceReal>(
    quantity: &'static str,
    mut r: MatrixMut<'_, T>,
    exponent: i32,
) -> Result<(), GpuError> {
    if exponent == 0 {
        return Ok(());
    }
    let largest = crate::magnitude::survey(r.rb(), 1.0)?.largest;
    let power = panther_linalg::rules::power_of_two;
    r.scale(T::from_f64(power(exponent / 2)))?;
    r.scale(T::from_f64(power(exponent - exponent / 2)))?;
    let highest = (T::from_f64(2.0) - T::EPSILON).to_f64() * power(-exponent_of(T::MIN_POSITIVE.to_f64()) + 1);
    if largest > highest * power(-exponent / 2) * power(-(exponent - exponent / 2)) {
        let exponent = exponent + exponent_of(largest);
        return Err(LinalgError::Overflow { quantity, exponent, scalar: T::NAME }.into());
    }
    Ok(())
}
