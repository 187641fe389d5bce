//! The scalar types of a device, with the functions of CUDA's libraries for each.

use cudarc::cublas::sys as blas;
use cudarc::cusolver::sys as solver;
use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use panther_sketch::Real;

pub(crate) mod sealed {
    use super::{blas, solver};

    type Int = core::ffi::c_int;
    type Handle = blas::cublasHandle_t;
    type Solver = solver::cusolverDnHandle_t;

    /// Function pointers: the two precisions differ in nothing else.
    #[expect(clippy::type_complexity, reason = "the signatures are those of BLAS and LAPACK")]
    pub trait Libraries: Sized {
        /// What `real` is in the kernels.
        const CUDA_NAME: &'static str;
        const DATA_TYPE: blas::cudaDataType;
        const COMPUTE_TYPE: blas::cublasComputeType_t;
        const TRSM: unsafe fn(
            Handle,
            blas::cublasSideMode_t,
            blas::cublasFillMode_t,
            blas::cublasOperation_t,
            blas::cublasDiagType_t,
            Int,
            Int,
            *const Self,
            *const Self,
            Int,
            *mut Self,
            Int,
        ) -> blas::cublasStatus_t;
        const POTRF: unsafe fn(
            Solver,
            solver::cublasFillMode_t,
            Int,
            *mut Self,
            Int,
            *mut Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const POTRF_SIZE: unsafe fn(
            Solver,
            solver::cublasFillMode_t,
            Int,
            *mut Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const GEQRF: unsafe fn(
            Solver,
            Int,
            Int,
            *mut Self,
            Int,
            *mut Self,
            *mut Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const GEQRF_SIZE: unsafe fn(Solver, Int, Int, *mut Self, Int, *mut Int) -> solver::cusolverStatus_t;
        const ORGQR: unsafe fn(
            Solver,
            Int,
            Int,
            Int,
            *mut Self,
            Int,
            *const Self,
            *mut Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const ORGQR_SIZE: unsafe fn(
            Solver,
            Int,
            Int,
            Int,
            *const Self,
            Int,
            *const Self,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const ORMQR: unsafe fn(
            Solver,
            solver::cublasSideMode_t,
            solver::cublasOperation_t,
            Int,
            Int,
            Int,
            *const Self,
            Int,
            *const Self,
            *mut Self,
            Int,
            *mut Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
        const ORMQR_SIZE: unsafe fn(
            Solver,
            solver::cublasSideMode_t,
            solver::cublasOperation_t,
            Int,
            Int,
            Int,
            *const Self,
            Int,
            *const Self,
            *const Self,
            Int,
            *mut Int,
        ) -> solver::cusolverStatus_t;
    }
}

/// `f32` or `f64` on a device.
pub trait DeviceReal: Real + DeviceRepr + ValidAsZeroBits + sealed::Libraries {}

macro_rules! device_real {
    ($t:ty, $name:literal, $data:ident, $compute:ident, $trsm:ident, $potrf:ident, $potrf_size:ident, $geqrf:ident,
     $geqrf_size:ident, $orgqr:ident, $orgqr_size:ident, $ormqr:ident, $ormqr_size:ident) => {
        impl sealed::Libraries for $t {
            const CUDA_NAME: &'static str = $name;
            const DATA_TYPE: blas::cudaDataType = blas::cudaDataType::$data;
            const COMPUTE_TYPE: blas::cublasComputeType_t = blas::cublasComputeType_t::$compute;
            const TRSM: unsafe fn(
                blas::cublasHandle_t,
                blas::cublasSideMode_t,
                blas::cublasFillMode_t,
                blas::cublasOperation_t,
                blas::cublasDiagType_t,
                i32,
                i32,
                *const Self,
                *const Self,
                i32,
                *mut Self,
                i32,
            ) -> blas::cublasStatus_t = blas::$trsm;
            const POTRF: unsafe fn(
                solver::cusolverDnHandle_t,
                solver::cublasFillMode_t,
                i32,
                *mut Self,
                i32,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$potrf;
            const POTRF_SIZE: unsafe fn(
                solver::cusolverDnHandle_t,
                solver::cublasFillMode_t,
                i32,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$potrf_size;
            const GEQRF: unsafe fn(
                solver::cusolverDnHandle_t,
                i32,
                i32,
                *mut Self,
                i32,
                *mut Self,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$geqrf;
            const GEQRF_SIZE: unsafe fn(
                solver::cusolverDnHandle_t,
                i32,
                i32,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$geqrf_size;
            const ORGQR: unsafe fn(
                solver::cusolverDnHandle_t,
                i32,
                i32,
                i32,
                *mut Self,
                i32,
                *const Self,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$orgqr;
            const ORGQR_SIZE: unsafe fn(
                solver::cusolverDnHandle_t,
                i32,
                i32,
                i32,
                *const Self,
                i32,
                *const Self,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$orgqr_size;
            const ORMQR: unsafe fn(
                solver::cusolverDnHandle_t,
                solver::cublasSideMode_t,
                solver::cublasOperation_t,
                i32,
                i32,
                i32,
                *const Self,
                i32,
                *const Self,
                *mut Self,
                i32,
                *mut Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$ormqr;
            const ORMQR_SIZE: unsafe fn(
                solver::cusolverDnHandle_t,
                solver::cublasSideMode_t,
                solver::cublasOperation_t,
                i32,
                i32,
                i32,
                *const Self,
                i32,
                *const Self,
                *const Self,
                i32,
                *mut i32,
            ) -> solver::cusolverStatus_t = solver::$ormqr_size;
        }

        impl DeviceReal for $t {}
    };
}

device_real!(
    f32,
    "float",
    CUDA_R_32F,
    CUBLAS_COMPUTE_32F,
    cublasStrsm_v2,
    cusolverDnSpotrf,
    cusolverDnSpotrf_bufferSize,
    cusolverDnSgeqrf,
    cusolverDnSgeqrf_bufferSize,
    cusolverDnSorgqr,
    cusolverDnSorgqr_bufferSize,
    cusolverDnSormqr,
    cusolverDnSormqr_bufferSize
);
device_real!(
    f64,
    "double",
    CUDA_R_64F,
    CUBLAS_COMPUTE_64F,
    cublasDtrsm_v2,
    cusolverDnDpotrf,
    cusolverDnDpotrf_bufferSize,
    cusolverDnDgeqrf,
    cusolverDnDgeqrf_bufferSize,
    cusolverDnDorgqr,
    cusolverDnDorgqr_bufferSize,
    cusolverDnDormqr,
    cusolverDnDormqr_bufferSize
);
