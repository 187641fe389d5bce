//! Whether CUDA is there.

use crate::GpuError;

/// What is loaded, by the names that a runtime installation has.
const NEEDED: [(&str, &[&str]); 4] = [
    ("the CUDA driver (libcuda)", &["libcuda.so.1", "libcuda.so", "nvcuda.dll"]),
    ("NVRTC (libnvrtc)", &["libnvrtc.so.13", "libnvrtc.so", "nvrtc64_130_0.dll"]),
    ("cuBLAS (libcublas)", &["libcublas.so.13", "libcublas.so", "cublas64_13.dll"]),
    ("cuSOLVER (libcusolver)", &["libcusolver.so.12", "libcusolver.so", "cusolver64_12.dll"]),
];

/// Looks for the libraries before anything calls them: cudarc panics where one is missing.
pub(crate) fn probe() -> Result<(), GpuError> {
    NEEDED.into_iter().try_for_each(find)
}

/// As [`probe`], for the compiler alone.
#[cfg(test)]
pub(crate) fn probe_compiler() -> Result<(), GpuError> {
    find(NEEDED[1])
}

fn find((library, names): (&'static str, &[&str])) -> Result<(), GpuError> {
    // SAFETY: NVIDIA's libraries may be loaded at any time, by any thread.
    let found = names.iter().any(|name| unsafe { libloading::Library::new(*name) }.is_ok());
    if found { Ok(()) } else { Err(GpuError::MissingLibrary { library }) }
}
