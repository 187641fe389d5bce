//! A device with everything that belongs to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use cudarc::cublas::CudaBlas;
use cudarc::cublas::sys::cublasSetWorkspace_v2;
use cudarc::cusolver::safe::DnHandle;
use cudarc::driver::sys::{CUdevice_attribute, CUstream};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, CudaStream, DevicePtr, LaunchConfig};
use cudarc::nvrtc::sys::nvrtcVersion;

use crate::error::{Named, allocated};
use crate::runtime::kernel::{Kernel, compile};
use crate::runtime::libraries;
use crate::runtime::pinned::Staging;
use crate::runtime::pool::{Memory, keep_freed_memory};
use crate::runtime::recording::Recording;
use crate::{DeviceReal, GpuError};

/// A CUDA device: its stream, its handles of cuBLAS and cuSOLVER, and the kernels compiled so far.
///
/// A handle: cheap to clone, and usable from any thread. All work of one device runs in one stream, in the order in which it was
/// asked for; nothing waits for it but copies to the host. Threads that share a device get the bytes that each gets alone. While one thread records a [`Graph`](crate::Graph), what others begin to ask
/// for is refused.
#[derive(Clone)]
pub struct Device {
    inner: Arc<Inner>,
}

struct Inner {
    // Handles go before their stream.
    libraries: Mutex<Libraries>,
    // cuBLAS's, held but not looked at again.
    _workspace: Memory,
    recording: Mutex<Option<Recording>>,
    /// What copies to and from the host go through, as many as there were copies at a time.
    staging: Mutex<Vec<Staging>>,
    /// By the names of file, kernel and type.
    functions: Mutex<HashMap<[&'static str; 3], CudaFunction>>,
    modules: Mutex<HashMap<(&'static str, &'static str), Arc<CudaModule>>>,
    /// Whether clusters of a function run, of those that were asked about.
    clusters: Mutex<HashMap<[&'static str; 3], bool>>,
    stream: Arc<CudaStream>,
    name: String,
    multiprocessors: u32,
    shared_bytes: u32,
    capability: (i32, i32),
}

/// The handles of cuBLAS and cuSOLVER. How a library does its work may depend on whether another thread is within a call of the same
/// handle: two at a time choose other kernels than one after the other, and so other bytes. One lock covers both libraries, since
/// cuSOLVER calls cuBLAS.
pub(crate) struct Libraries {
    blas: CudaBlas,
    solver: DnHandle,
}

impl Libraries {
    pub(crate) fn blas(&self) -> cudarc::cublas::sys::cublasHandle_t {
        *self.blas.handle()
    }

    pub(crate) fn solver(&self) -> cudarc::cusolver::sys::cusolverDnHandle_t {
        self.solver.cu()
    }
}

// SAFETY: the handles of cuBLAS and cuSOLVER may be used by any thread, one at a time, which the lock ensures; their calls only
// enqueue work in the one stream.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Device {
    /// The CUDA device of this number, from 0 on.
    ///
    /// # Errors
    /// [`GpuError::MissingLibrary`] where there is no driver or a library of CUDA 13 is not found, [`GpuError::NoDevice`] for a number
    /// that no device has, [`GpuError::Call`] where the driver refuses.
    pub fn new(ordinal: usize) -> Result<Self, GpuError> {
        libraries::probe()?;
        cudarc::driver::result::init().named("cuInit")?;
        let count = CudaContext::device_count().named("cuDeviceGetCount")? as usize;
        if ordinal >= count {
            return Err(GpuError::NoDevice { ordinal, count });
        }
        let context = CudaContext::new(ordinal).named("cuDevicePrimaryCtxRetain")?;
        // SAFETY: there is one stream, so that no slice needs events to know when it may be freed.
        unsafe { context.disable_event_tracking() };
        keep_freed_memory(&context)?;
        let stream = context.new_stream().named("cuStreamCreate")?;
        let blas = CudaBlas::new(stream.clone()).named("cublasCreate")?;
        let solver = DnHandle::new(stream.clone()).named("cusolverDnCreate")?;
        let attribute = |attribute| context.attribute(attribute).named("cuDeviceGetAttribute");
        let capability = context.compute_capability().named("cuDeviceGetAttribute")?;
        let inner = Inner {
            _workspace: give_workspace(&stream, &blas, capability)?,
            libraries: Mutex::new(Libraries { blas, solver }),
            recording: Mutex::default(),
            staging: Mutex::default(),
            functions: Mutex::default(),
            modules: Mutex::default(),
            clusters: Mutex::default(),
            name: context.name().named("cuDeviceGetName")?,
            multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)? as u32,
            shared_bytes: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as u32,
            capability,
            stream,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The version of CUDA's libraries, major and minor.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn cuda_version(&self) -> Result<(i32, i32), GpuError> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the library was found when the device was opened, and the out-pointers live through the call.
        let code = unsafe { nvrtcVersion(&raw mut major, &raw mut minor) };
        let failure = |code: String| GpuError::Call { library: "NVRTC", call: "nvrtcVersion", code };
        code.result().map_err(|error| failure(format!("{:?}", error.0)))?;
        Ok((major, minor))
    }

    /// Waits until everything that was asked for is done.
    ///
    /// # Errors
    /// [`GpuError::Call`] with what went wrong meanwhile.
    pub fn synchronize(&self) -> Result<(), GpuError> {
        self.refuse_recording("waiting for the device", "nothing runs meanwhile")?;
        self.inner.stream.synchronize().named("cuStreamSynchronize")
    }

    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.inner.stream
    }

    /// The stream as the driver knows it; this thread may enqueue work there.
    pub(crate) fn raw_stream(&self) -> Result<CUstream, GpuError> {
        self.enter()?;
        Ok(self.stream().cu_stream())
    }

    /// Makes this thread one that may call the driver and the libraries, unless another records a graph.
    pub(crate) fn enter(&self) -> Result<(), GpuError> {
        self.check_turn()?;
        self.stream().context().bind_to_thread().named("cuCtxSetCurrent")
    }

    /// What is being recorded.
    pub(crate) fn recording(&self) -> MutexGuard<'_, Option<Recording>> {
        self.inner.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What copies to and from the host can go through now.
    pub(crate) fn staging(&self) -> MutexGuard<'_, Vec<Staging>> {
        self.inner.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handles of cuBLAS and cuSOLVER for one call, which no other thread calls meanwhile. Memory is allocated before.
    pub(crate) fn libraries(&self) -> Result<MutexGuard<'_, Libraries>, GpuError> {
        let libraries = self.inner.libraries.lock().unwrap_or_else(PoisonError::into_inner);
        self.enter()?;
        Ok(libraries)
    }

    /// An error while a graph is recorded, by whatever thread.
    pub(crate) fn refuse_recording(&self, operation: &'static str, reason: &'static str) -> Result<(), GpuError> {
        match *self.recording() {
            Some(_) => Err(GpuError::NotRecordable { operation, reason }),
            None => Ok(()),
        }
    }

    /// An error while another thread records a graph.
    pub(crate) fn check_turn(&self) -> Result<(), GpuError> {
        match &*self.recording() {
            Some(recording) if recording.thread != thread::current().id() => Err(GpuError::NotRecordable {
                operation: "work of another thread",
                reason: "it is no part of the graph",
            }),
            _ => Ok(()),
        }
    }

    /// How many multiprocessors there are.
    pub(crate) fn multiprocessors(&self) -> u32 {
        self.inner.multiprocessors
    }

    /// Whether the matrix units are Hopper's.
    pub(crate) fn is_hopper(&self) -> bool {
        self.inner.capability == (9, 0)
    }

    /// Whether the matrix units take bfloat16.
    pub(crate) fn has_bfloat(&self) -> bool {
        self.inner.capability >= (8, 0)
    }

    /// Shared memory that one block can have, in bytes.
    pub(crate) fn shared_bytes(&self) -> u32 {
        self.inner.shared_bytes
    }

    /// Whether the blocks of a kernel, which are one cluster, run at once with all the shared memory that each can have. From Hopper on
    /// they do where the device, or the part of it that is lent, has as many multiprocessors side by side.
    pub(crate) fn runs_cluster<T: DeviceReal>(
        &self,
        kernel: Kernel,
        blocks: u32,
        threads: u32,
    ) -> Result<bool, GpuError> {
        if self.inner.capability < (9, 0) {
            return Ok(false);
        }
        let key = [kernel.file.name, kernel.name, T::CUDA_NAME];
        let known = self.inner.clusters.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(runs) = known {
            return Ok(runs);
        }
        let function = self.function::<T>(kernel)?;
        let shared_mem_bytes = self.shared_bytes() - function.shared_size_bytes().named(kernel.name)? as u32;
        let config = LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes };
        let runs = kernel.clusters_at_a_time(&function, config, self.stream())? > 0;
        self.inner.clusters.lock().unwrap_or_else(PoisonError::into_inner).insert(key, runs);
        Ok(runs)
    }

    /// A kernel for numbers of type T, compiled with its file on first use.
    pub(crate) fn function<T: DeviceReal>(&self, kernel: Kernel) -> Result<CudaFunction, GpuError> {
        self.check_turn()?;
        let key = [kernel.file.name, kernel.name, T::CUDA_NAME];
        let mut functions = self.inner.functions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = functions.get(&key) {
            return Ok(function.clone());
        }
        let function = self.module::<T>(kernel)?.load_function(kernel.name).named(kernel.name)?;
        kernel.allow_shared_memory(&function, self.shared_bytes())?;
        functions.insert(key, function.clone());
        Ok(function)
    }

    fn module<T: DeviceReal>(&self, kernel: Kernel) -> Result<Arc<CudaModule>, GpuError> {
        let key = (kernel.file.name, T::CUDA_NAME);
        let mut modules = self.inner.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(&key) {
            return Ok(module.clone());
        }
        let image = compile(kernel.file, T::CUDA_NAME, self.inner.capability)?;
        let module = self.stream().context().load_module(image).named(kernel.file.name)?;
        modules.insert(key, module.clone());
        Ok(module)
    }
}

/// A workspace for cuBLAS, as large as its own: in a graph it would otherwise allocate one for each product.
fn give_workspace(stream: &Arc<CudaStream>, blas: &CudaBlas, capability: (i32, i32)) -> Result<Memory, GpuError> {
    let bytes: usize = if capability >= (9, 0) { 32 << 20 } else { 4 << 20 };
    // SAFETY: cuBLAS writes it before it reads it.
    let workspace: Memory = allocated(unsafe { stream.alloc(bytes) }, bytes)?;
    let (address, _) = workspace.device_ptr(stream);
    // SAFETY: the workspace is as long, of the handle's stream, and freed after the handle.
    unsafe { cublasSetWorkspace_v2(*blas.handle(), address as *mut _, bytes) }.result().named("cublasSetWorkspace")?;
    Ok(workspace)
}
