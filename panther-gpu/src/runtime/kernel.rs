//! Kernels: files of CUDA C++, compiled for a device when they are first used, and how they are launched.

use cudarc::driver::sys::{CUfunction_attribute, CUresult};
use cudarc::driver::{CudaFunction, CudaStream, DriverError, LaunchConfig};
use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};

use crate::GpuError;
use crate::error::Named;

/// What every file begins with.
const COMMON: &str = include_str!("../../kernels/common.cuh");

/// A file of kernels, written for a type `real` that is float or double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelFile {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
}

/// The file `kernels/<name>.cu`, behind the headers that it needs, which are named with their extension.
macro_rules! kernel_file {
    ($name:literal $(, $header:literal)*) => {
        $crate::runtime::kernel::KernelFile {
            name: $name,
            source: $crate::runtime::kernel::kernel_source!($name $(, $header)*),
        }
    };
}
pub(crate) use kernel_file;

/// The text of a file of kernels and its headers, each with its own line numbers.
macro_rules! kernel_source {
    ($name:literal $(, $header:literal)*) => {
        concat!(
            $(
                "#line 1 \"", $header, "\"\n",
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/", $header)),
            )*
            "#line 1 \"", $name, ".cu\"\n",
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/", $name, ".cu")),
        )
    };
}
pub(crate) use kernel_source;

/// A kernel of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub(crate) file: KernelFile,
    pub(crate) name: &'static str,
}

impl KernelFile {
    pub(crate) const fn kernel(self, name: &'static str) -> Kernel {
        Kernel { file: self, name }
    }
}

impl Kernel {
    /// How many clusters of a launch run at a time, each of all its blocks; none where the device has none so large.
    pub(crate) fn clusters_at_a_time(
        self,
        function: &CudaFunction,
        config: LaunchConfig,
        stream: &CudaStream,
    ) -> Result<u32, GpuError> {
        // More than 8 blocks must be asked for.
        let large = CUfunction_attribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
        let allowed = function.set_attribute(large, 1);
        match allowed.and_then(|()| function.occupancy_max_active_clusters(config, stream)) {
            Err(DriverError(
                CUresult::CUDA_ERROR_INVALID_CLUSTER_SIZE
                | CUresult::CUDA_ERROR_INVALID_VALUE
                | CUresult::CUDA_ERROR_NOT_SUPPORTED,
            )) => Ok(0),
            count => count.named(self.name),
        }
    }

    /// More than 48 KiB of shared memory must be asked for.
    pub(crate) fn allow_shared_memory(self, function: &CudaFunction, bytes: u32) -> Result<(), GpuError> {
        let fixed = function.shared_size_bytes().named(self.name)?;
        let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, bytes as i32 - fixed).named(self.name)
    }
}

/// What the compiler calls a kind of device; on Hopper with the instructions that no other has.
fn architecture((major, minor): (i32, i32)) -> String {
    let own = if (major, minor) == (9, 0) { "a" } else { "" };
    format!("--gpu-architecture=compute_{major}{minor}{own}")
}

/// Compiles a file for one type and one kind of device. Needs NVRTC, and no device.
pub(crate) fn compile(file: KernelFile, real: &str, capability: (i32, i32)) -> Result<Ptx, GpuError> {
    let source = format!("{COMMON}\n{}", file.source);
    let options = CompileOptions {
        options: vec![
            architecture(capability),
            format!("-Dreal={real}"),
            format!("-DREAL_IS_{}", real.to_uppercase()),
            "--std=c++17".to_owned(),
            "-default-device".to_owned(),
        ],
        name: Some(format!("{}.cu", file.name)),
        ..CompileOptions::default()
    };
    compile_ptx_with_opts(source, options).map_err(|error| GpuError::Compilation {
        kernels: file.name,
        log: match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => other.to_string(),
        },
    })
}
