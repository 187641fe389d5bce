//! Kernels: files of CUDA C++, compiled for a device when they are first used, and how they are launched.

use cudarc::driver::sys::{CUfunction_attribute, CUresult};
use cudarc::driver::{CudaFunction, CudaStream, DriverError, LaunchConfig};
use cudarc::nvrtc::result::NvrtcError;
use cudarc::nvrtc::sys::nvrtcResult;
use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};

use crate::GpuError;
use crate::error::Named;
use crate::runtime::scalar::sealed::Libraries as _;

/// What every file begins with.
const COMMON: &str = include_str!("../../kernels/common.cuh");

/// What it shares with Rust.
const COMMON_CONSTANTS: [Constant; 1] = [Constant::u32("WARP", WARP)];

/// Threads of a warp.
pub(crate) const WARP: usize = 32;

/// A file of kernels, written for a type `real` that is float or double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelFile {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
    /// Macros of the source, by which it shares constants and the sizes of structs with the Rust file that launches it.
    pub(crate) constants: &'static [Constant],
}

/// A macro of a file of kernels whose value comes from Rust.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Constant {
    name: &'static str,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    /// A literal of type `int`: what it is compared with or added to decides whether it counts as unsigned.
    Int(i32),
    U32(u32),
    U64(u64),
    Bool(bool),
    /// The size of a struct that has members of type `real`, in f32 and in f64.
    Sizes([u32; 2]),
}

impl Constant {
    /// A count, an extent or an index, unsigned in the kernels.
    pub(crate) const fn u32(name: &'static str, value: usize) -> Self {
        assert!(value <= u32::MAX as usize, "a constant of 32 bits");
        Self { name, value: Value::U32(value as u32) }
    }

    /// As [`u32`](Self::u32), for kernels that count in signed numbers.
    pub(crate) const fn int(name: &'static str, value: usize) -> Self {
        assert!(value <= i32::MAX as usize, "a constant of 31 bits");
        Self { name, value: Value::Int(value as i32) }
    }

    pub(crate) const fn u64(name: &'static str, value: u64) -> Self {
        Self { name, value: Value::U64(value) }
    }

    pub(crate) const fn bool(name: &'static str, value: bool) -> Self {
        Self { name, value: Value::Bool(value) }
    }

    /// The size of T, for a `static_assert` beside the kernels' struct.
    pub(crate) const fn size_of<T>(name: &'static str) -> Self {
        Self::u32(name, size_of::<T>())
    }

    /// The size of a struct of the kernels that is S where `real` is float, and D where it is double.
    pub(crate) const fn sizes_of<S, D>(name: &'static str) -> Self {
        Self { name, value: Value::Sizes([size_of::<S>() as u32, size_of::<D>() as u32]) }
    }

    /// The option of the compiler that defines it.
    fn option(self, real: &str) -> String {
        let value = match self.value {
            Value::Int(value) => value.to_string(),
            Value::U32(value) => format!("{value}u"),
            Value::U64(value) => format!("{value:#x}ull"),
            Value::Bool(value) => value.to_string(),
            Value::Sizes([single, double]) => format!("{}u", if real == f32::CUDA_NAME { single } else { double }),
        };
        format!("-D{}={value}", self.name)
    }
}

/// The file `kernels/<name>.cu`, behind the headers that it needs, which are named with their extension.
macro_rules! kernel_file {
    ($name:literal $(, $header:literal)*) => {
        $crate::runtime::kernel::KernelFile {
            name: $name,
            source: $crate::runtime::kernel::kernel_source!($name $(, $header)*),
            constants: &[],
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
    /// The file with these constants.
    pub(crate) const fn with(self, constants: &'static [Constant]) -> Self {
        Self { constants, ..self }
    }

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
    let mut options = vec![
        architecture(capability),
        format!("-Dreal={real}"),
        format!("-DREAL_IS_{}", real.to_uppercase()),
        "--std=c++17".to_owned(),
        "-default-device".to_owned(),
    ];
    options.extend(COMMON_CONSTANTS.iter().chain(file.constants).map(|constant| constant.option(real)));
    let options = CompileOptions { options, name: Some(format!("{}.cu", file.name)), ..CompileOptions::default() };
    compile_ptx_with_opts(source, options).map_err(|error| match error {
        CompileError::CreationError(NvrtcError(nvrtcResult::NVRTC_ERROR_OUT_OF_MEMORY))
        | CompileError::CompileError { nvrtc: NvrtcError(nvrtcResult::NVRTC_ERROR_OUT_OF_MEMORY), .. } => {
            GpuError::OutOfMemory { bytes: 0 }
        }
        CompileError::CompileError { log, .. } => {
            GpuError::Compilation { kernels: file.name, log: log.to_string_lossy().into_owned() }
        }
        other => GpuError::Compilation { kernels: file.name, log: other.to_string() },
    })
}
