//! Numbers of the decompositions that kernels report, read by the host in one go.

use std::sync::Arc;

use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{block_each, launch};
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("matrix/report");

/// Blocks that a sum is taken in: fixed, so that its value does not depend on the device.
const PARTS: usize = 64;

/// Numbers that kernels report, read by the host in one go.
pub(crate) struct Report {
    numbers: Arc<Buffer<f64>>,
    /// Where those of this report begin.
    start: usize,
}

/// Of the numbers that are told of a factor, the places of the column of a breakdown and of whether the factor was used.
pub(crate) const BREAKDOWN: usize = 0;
pub(crate) const SOUND: usize = 1;

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
                breakdown: numbers[2 * PARTS + BREAKDOWN] as usize,
                sound: numbers[2 * PARTS + SOUND] != 0.0,
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
