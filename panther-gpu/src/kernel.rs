//! Kernels: files of CUDA C++, compiled for a device when they are first used, and how they are launched.

use cudarc::driver::sys::{CUfunction_attribute, CUresult};
use cudarc::driver::{CudaFunction, CudaStream, DriverError, LaunchConfig};
use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};

use crate::GpuError;
use crate::error::Named;

/// What every file begins with.
const COMMON: &str = concat!(
    include_str!("../kernels/common.cuh"),
    include_str!("../kernels/barrier.cuh"),
    include_str!("../kernels/stream.cuh"),
);

/// A file of kernels, written for a type `real` that is float or double.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelFile {
    pub(crate) name: &'static str,
    pub(crate) source: &'static str,
}

/// The file `kernels/<name>.cu`, or `kernels/<folder>/<name>.cu`, which begins with the folder's `common.cuh`.
macro_rules! kernel_file {
    ($folder:literal, $name:literal) => {
        $crate::kernel::KernelFile {
            name: concat!($folder, "/", $name),
            source: concat!(
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/", $folder, "/common.cuh")),
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/", $folder, "/", $name, ".cu")),
            ),
        }
    };
    ($name:literal) => {
        $crate::kernel::KernelFile {
            name: $name,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/", $name, ".cu")),
        }
    };
}
pub(crate) use kernel_file;

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
    let source = format!("{COMMON}\n#line 1 \"{}.cu\"\n{}", file.name, file.source);
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

/// Blocks of a launch, with a thread or so for each of `count` things: kernels walk on in steps of the whole grid.
pub(crate) fn grid_over(count: usize, threads: u32) -> LaunchConfig {
    const MOST_BLOCKS: usize = 1 << 16;
    let blocks = count.div_ceil(threads as usize).clamp(1, MOST_BLOCKS);
    LaunchConfig { grid_dim: (blocks as u32, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// Launches a kernel for numbers of type `$t` with the given arguments, which must be those of its source: numbers, and
/// pointers as [`Pointer`](crate::buffer::Pointer) gives them. With `cooperative: true` all blocks run at once, or the driver refuses.
macro_rules! launch {
    ($device:expr, $t:ty, $kernel:expr, $config:expr, cooperative: $cooperative:expr, $($argument:expr),* $(,)?) => {{
        let kernel: $crate::kernel::Kernel = $kernel;
        let function = $device.function::<$t>(kernel)?;
        let mut builder = $device.stream().launch_builder(&function);
        $(
            let argument = $argument;
            cudarc::driver::PushKernelArg::arg(&mut builder, &argument);
        )*
        // SAFETY: the arguments are those of the kernel, which keeps to the extents among them.
        let launched = unsafe {
            if $cooperative { builder.launch_cooperative($config) } else { builder.launch($config) }
        };
        $crate::error::Named::named(launched, kernel.name).map(|_| ())
    }};
    ($device:expr, $t:ty, $kernel:expr, $config:expr, $($argument:expr),* $(,)?) => {
        $crate::kernel::launch!($device, $t, $kernel, $config, cooperative: false, $($argument),*)
    };
}
pub(crate) use launch;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// How many files of a folder there are; all are compiled, in both precisions, with what they begin with.
    fn compile_folder(folder: &Path, name: &str, head: &str) -> usize {
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{name}{}", path.file_stem().unwrap().to_str().unwrap());
            if path.is_dir() {
                let head = std::fs::read_to_string(path.join("common.cuh")).unwrap();
                count += compile_folder(&path, &format!("{name}/"), &head);
            } else if path.extension().is_some_and(|extension| extension == "cu") {
                let source = (head.to_owned() + &std::fs::read_to_string(path).unwrap()).leak();
                let file = KernelFile { name: name.leak(), source };
                for real in ["float", "double"] {
                    compile(file, real, (9, 0)).unwrap();
                }
                count += 1;
            }
        }
        count
    }

    /// Needs NVRTC, and no device.
    #[test]
    fn all_files_compile() {
        if let Err(missing) = crate::libraries::probe_compiler() {
            println!("skipped: {missing}");
            return;
        }
        assert!(compile_folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels")), "", "") > 0);
    }
}
