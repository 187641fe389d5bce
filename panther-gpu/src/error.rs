//! What a device refuses to do.

use cudarc::cublas::result::CublasError;
use cudarc::cublas::sys::cublasStatus_t;
use cudarc::cusolver::result::CusolverError;
use cudarc::cusolver::sys::cusolverStatus_t;
use cudarc::driver::DriverError;
use cudarc::driver::sys::CUresult;
use panther_linalg::LinalgError;
use panther_sketch::SketchError;
use thiserror::Error;

/// Something could not be done on a device. Each variant names what was asked for and what came back.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// A library of CUDA is not on this machine: there is no device, or no driver.
    #[error("no CUDA device can be used: {library} is not found")]
    MissingLibrary {
        /// Its name.
        library: &'static str,
    },
    /// There is no device of this number.
    #[error("the device must be below {count}, the number of CUDA devices, got {ordinal}")]
    NoDevice {
        /// The number asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// There is not enough memory, on the device or, for copies, in pages of the host that it can read. The device can be used as
    /// before.
    #[error("{}", out_of_memory(*bytes))]
    OutOfMemory {
        /// The bytes that were asked for; 0 where a library of CUDA allocates for itself and does not tell.
        bytes: usize,
    },
    /// A size is beyond what a library or a kernel counts to. Nothing was computed.
    #[error("{operation}: {argument} must be at most {limit}, got {got}")]
    TooLarge {
        /// What was asked for.
        operation: &'static str,
        /// Which size.
        argument: &'static str,
        /// The largest that works.
        limit: usize,
        /// The size given.
        got: usize,
    },
    /// A call of one of CUDA's libraries failed.
    #[error("{library}: {call} failed with {code}")]
    Call {
        /// `"CUDA driver"`, `"cuBLAS"` or `"cuSOLVER"`.
        library: &'static str,
        /// The function or kernel.
        call: &'static str,
        /// The library's own name of what went wrong.
        code: String,
    },
    /// A [`Graph`](crate::Graph) is being recorded, of which this cannot be a part.
    #[error("{operation} cannot be recorded in a graph: {reason}")]
    NotRecordable {
        /// What was asked for.
        operation: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// A kernel's source was refused.
    #[error("{kernels}: NVRTC refused them: {log}")]
    Compilation {
        /// The file of kernels.
        kernels: &'static str,
        /// The compiler's log.
        log: String,
    },
    /// Two shapes do not go together.
    #[error("{operation}: {argument} must be {expected}, got {got}")]
    Shape {
        /// What was asked for.
        operation: &'static str,
        /// Which operand.
        argument: &'static str,
        /// The shape that fits.
        expected: String,
        /// The shape given.
        got: String,
    },
    /// A decomposition is refused, for the reasons that the CPU's has.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// A sketch operator is refused, for the reasons that the CPU's has.
    #[error(transparent)]
    Sketch(#[from] SketchError),
}

impl GpuError {
    /// A [`Shape`](Self::Shape) error.
    pub fn shape(
        operation: &'static str,
        argument: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self::Shape { operation, argument, expected: expected.into(), got: got.into() }
    }
}

fn out_of_memory(bytes: usize) -> String {
    match bytes {
        0 => "the device has no memory for what a library of CUDA allocates".to_owned(),
        bytes => format!("the device has no memory for {bytes} bytes more"),
    }
}

/// A lack of memory that a library reports without saying of how much.
const UNKNOWN_BYTES: GpuError = GpuError::OutOfMemory { bytes: 0 };

/// Gives a library's error the name of the call that failed.
pub(crate) trait Named<T> {
    /// The result, its error naming `call`.
    fn named(self, call: &'static str) -> Result<T, GpuError>;
}

impl<T> Named<T> for Result<T, DriverError> {
    fn named(self, call: &'static str) -> Result<T, GpuError> {
        self.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => UNKNOWN_BYTES,
            code => GpuError::Call { library: "CUDA driver", call, code: format!("{code:?}") },
        })
    }
}

impl<T> Named<T> for Result<T, CublasError> {
    fn named(self, call: &'static str) -> Result<T, GpuError> {
        self.map_err(|error| match error.0 {
            cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED => UNKNOWN_BYTES,
            code => GpuError::Call { library: "cuBLAS", call, code: format!("{code:?}") },
        })
    }
}

impl<T> Named<T> for Result<T, CusolverError> {
    fn named(self, call: &'static str) -> Result<T, GpuError> {
        self.map_err(|error| match error.0 {
            cusolverStatus_t::CUSOLVER_STATUS_ALLOC_FAILED => UNKNOWN_BYTES,
            code => GpuError::Call { library: "cuSOLVER", call, code: format!("{code:?}") },
        })
    }
}

/// Tells a lack of memory from other failures of an allocation.
pub(crate) fn allocated<T>(result: Result<T, DriverError>, bytes: usize) -> Result<T, GpuError> {
    match result {
        Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Err(GpuError::OutOfMemory { bytes }),
        other => other.named("cuMemAllocAsync"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_memory_has_one_form() {
        let driver = Err::<(), _>(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY));
        let blas = Err::<(), _>(CublasError(cublasStatus_t::CUBLAS_STATUS_ALLOC_FAILED));
        let solver = Err::<(), _>(CusolverError(cusolverStatus_t::CUSOLVER_STATUS_ALLOC_FAILED));
        assert_eq!(allocated(driver, 7).err(), Some(GpuError::OutOfMemory { bytes: 7 }));
        for error in [driver.named("a").err(), blas.named("b").err(), solver.named("c").err()] {
            assert_eq!(error, Some(GpuError::OutOfMemory { bytes: 0 }));
        }
    }
}
