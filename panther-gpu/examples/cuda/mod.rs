//! The GPU that the examples run on.

use std::time::Duration;

use clap::{Args, Parser};
use faer::Mat;
use faer::sparse::SparseColMatRef;
use panther_gpu::{Device, DeviceName, DeviceReal, GpuError, Matrix, MatrixRef};
use panther_linalg::Input;

use crate::common::error::CliError;
use crate::common::progress::timed;

// The command line of an example of panther-linalg, whose description it keeps, with a device.
#[derive(Parser)]
pub struct OnDevice<A: Args> {
    #[command(flatten)]
    pub args: A,
    /// The GPU: cuda or cuda:N
    #[arg(long, value_name = "GPU", value_parser = ordinal, default_value = "cuda:0")]
    device: usize,
}

impl<A: Args> OnDevice<A> {
    pub fn open(&self) -> Result<Cuda, CliError> {
        let (device, _) = timed("starting the device", || Device::new(self.device));
        Ok(Cuda { device: device.map_err(CliError::refused)? })
    }
}

/// The number of a GPU by its name.
fn ordinal(name: &str) -> Result<usize, String> {
    match name.parse() {
        Ok(DeviceName::Cuda(ordinal)) => Ok(ordinal),
        _ => Err("expected cuda or cuda:N".to_owned()),
    }
}

pub struct Cuda {
    pub device: Device,
}

impl Cuda {
    /// What `work` makes of the matrix, sent once, and the time from the matrix to the result on the device.
    pub fn measure<T: DeviceReal, R>(
        &self,
        a: Input<'_, T>,
        work: impl Fn(MatrixRef<'_, T>) -> Result<R, GpuError>,
    ) -> Result<(R, Duration), CliError> {
        let (a, _) = timed("sending", || self.send(a));
        let a = a.map_err(CliError::refused)?;
        let run = |message| {
            let (result, elapsed) = timed(message, || {
                let result = work(a.as_ref())?;
                self.device.synchronize()?;
                Ok(result)
            });
            result.map(|result| (result, elapsed)).map_err(|error: GpuError| CliError::refused(error))
        };
        // Kernels are compiled when they are first used, which takes seconds.
        run("compiling kernels")?;
        run("decomposing")
    }

    /// A copy on the device; of a sparse matrix with its zeros.
    fn send<T: DeviceReal>(&self, a: Input<'_, T>) -> Result<Matrix<T>, GpuError> {
        match a {
            Input::Dense(a) => Matrix::from_host(&self.device, a),
            Input::Csc(a) => self.send_columns(a),
            Input::Csr(a) => {
                let mut sent = Matrix::zeros(&self.device, a.nrows(), a.ncols())?;
                sent.as_mut().copy_from(self.send_columns(a.transpose())?.as_ref().t())?;
                Ok(sent)
            }
        }
    }

    /// A few columns at a time: with its zeros, the matrix may be too big for the host.
    fn send_columns<T: DeviceReal>(&self, a: SparseColMatRef<'_, usize, T>) -> Result<Matrix<T>, GpuError> {
        const PIECE: usize = 1 << 22;
        let (m, n) = (a.nrows(), a.ncols());
        let mut sent = Matrix::zeros(&self.device, m, n)?;
        let width = (PIECE / m.max(1)).max(1);
        for start in (0..n).step_by(width) {
            let mut piece = Mat::zeros(m, width.min(n - start));
            for j in 0..piece.ncols() {
                for (i, &x) in a.row_idx_of_col(start + j).zip(a.val_of_col(start + j)) {
                    piece[(i, j)] = x;
                }
            }
            let piece = Matrix::from_host(&self.device, piece.as_ref())?;
            sent.as_mut().block(0, start, m, piece.ncols())?.copy_from(piece.as_ref())?;
        }
        Ok(sent)
    }
}
