//! The scalar types of a device, with the functions of CUDA's libraries for each.

use cudarc::cublas::sys as blas;
use cudarc::cusolver::sys as solver;
use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use panther_sketch::Real;

pub(crate) mod sealed {
    use super::{blas, solver};

    type Int = core::ffi::c_int;
    type Solver = solver::cusolverDnHandle_t;
    type Status = solver::cusolverStatus_t;

    /// Cholesky.
    pub type Potrf<T> = unsafe fn(Solver, solver::cublasFillMode_t, Int, *mut T, Int, *mut T, Int, *mut Int) -> Status;
    pub type PotrfSize<T> = unsafe fn(Solver, solver::cublasFillMode_t, Int, *mut T, Int, *mut Int) -> Status;
    /// Householder QR.
    pub type Geqrf<T> = unsafe fn(Solver, Int, Int, *mut T, Int, *mut T, *mut T, Int, *mut Int) -> Status;
    pub type GeqrfSize<T> = unsafe fn(Solver, Int, Int, *mut T, Int, *mut Int) -> Status;
    /// Q from its reflectors.
    pub type Orgqr<T> = unsafe fn(Solver, Int, Int, Int, *mut T, Int, *const T, *mut T, Int, *mut Int) -> Status;
    pub type OrgqrSize<T> = unsafe fn(Solver, Int, Int, Int, *const T, Int, *const T, *mut Int) -> Status;
    /// Products with Q from its reflectors.
    pub type Ormqr<T> = unsafe fn(
        Solver,
        solver::cublasSideMode_t,
        solver::cublasOperation_t,
        Int,
        Int,
        Int,
        *const T,
        Int,
        *const T,
        *mut T,
        Int,
        *mut T,
        Int,
        *mut Int,
    ) -> Status;
    pub type OrmqrSize<T> = unsafe fn(
        Solver,
        solver::cublasSideMode_t,
        solver::cublasOperation_t,
        Int,
        Int,
        Int,
        *const T,
        Int,
        *const T,
        *const T,
        Int,
        *mut Int,
    ) -> Status;

    /// The functions of a precision, by their names in BLAS and LAPACK, with those that tell the size of their workspace.
    pub trait Libraries: Sized {
        /// What `real` is in the kernels.
        const CUDA_NAME: &'static str;
        const DATA_TYPE: blas::cudaDataType;
        const COMPUTE_TYPE: blas::cublasComputeType_t;
        const POTRF: Potrf<Self>;
        const POTRF_SIZE: PotrfSize<Self>;
        const GEQRF: Geqrf<Self>;
        const GEQRF_SIZE: GeqrfSize<Self>;
        const ORGQR: Orgqr<Self>;
        const ORGQR_SIZE: OrgqrSize<Self>;
        const ORMQR: Ormqr<Self>;
        const ORMQR_SIZE: OrmqrSize<Self>;
    }

    impl Libraries for f32 {
        const CUDA_NAME: &'static str = "float";
        const DATA_TYPE: blas::cudaDataType = blas::cudaDataType::CUDA_R_32F;
        const COMPUTE_TYPE: blas::cublasComputeType_t = blas::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        const POTRF: Potrf<Self> = solver::cusolverDnSpotrf;
        const POTRF_SIZE: PotrfSize<Self> = solver::cusolverDnSpotrf_bufferSize;
        const GEQRF: Geqrf<Self> = solver::cusolverDnSgeqrf;
        const GEQRF_SIZE: GeqrfSize<Self> = solver::cusolverDnSgeqrf_bufferSize;
        const ORGQR: Orgqr<Self> = solver::cusolverDnSorgqr;
        const ORGQR_SIZE: OrgqrSize<Self> = solver::cusolverDnSorgqr_bufferSize;
        const ORMQR: Ormqr<Self> = solver::cusolverDnSormqr;
        const ORMQR_SIZE: OrmqrSize<Self> = solver::cusolverDnSormqr_bufferSize;
    }

    impl Libraries for f64 {
        const CUDA_NAME: &'static str = "double";
        const DATA_TYPE: blas::cudaDataType = blas::cudaDataType::CUDA_R_64F;
        const COMPUTE_TYPE: blas::cublasComputeType_t = blas::cublasComputeType_t::CUBLAS_COMPUTE_64F;
        const POTRF: Potrf<Self> = solver::cusolverDnDpotrf;
        const POTRF_SIZE: PotrfSize<Self> = solver::cusolverDnDpotrf_bufferSize;
        const GEQRF: Geqrf<Self> = solver::cusolverDnDgeqrf;
        const GEQRF_SIZE: GeqrfSize<Self> = solver::cusolverDnDgeqrf_bufferSize;
        const ORGQR: Orgqr<Self> = solver::cusolverDnDorgqr;
        const ORGQR_SIZE: OrgqrSize<Self> = solver::cusolverDnDorgqr_bufferSize;
        const ORMQR: Ormqr<Self> = solver::cusolverDnDormqr;
        const ORMQR_SIZE: OrmqrSize<Self> = solver::cusolverDnDormqr_bufferSize;
    }
}

/// `f32` or `f64` on a device.
pub trait DeviceReal: Real + DeviceRepr + ValidAsZeroBits + sealed::Libraries {}

impl DeviceReal for f32 {}
impl DeviceReal for f64 {}

/// What a [`Buffer`](crate::Buffer) can hold: a number that has the same bytes on the host and on the device, and that any bytes are one of.
pub trait DeviceNumber: DeviceRepr + ValidAsZeroBits + Copy + Send + Sync {}

impl<T: DeviceRepr + ValidAsZeroBits + Copy + Send + Sync> DeviceNumber for T {}
