//! Work that is recorded once and launched many times.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::thread;

use cudarc::driver::CudaGraph;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};

use crate::error::Named;
use crate::runtime::pool::{Memory, Pointer};
use crate::runtime::recording::Recording;
use crate::{Device, GpuError};

/// Work of a device, recorded as a CUDA graph. One launch runs all of it, and costs the host about as much as a single kernel's:
/// where kernels are short, as in the steps of small batches, their launches are what takes the time.
///
/// A launch does the recorded work again with the same tensors: it reads what they hold by then, and writes where was written
/// before. So inputs change by [`Buffer::copy_from_host`](crate::Buffer::copy_from_host) or
/// [`Buffer::copy_from`](crate::Buffer::copy_from), and outputs are read from what the recorded work returned. Results are the bytes that
/// the same work gives without a graph. Numbers of the host, such as a learning rate, are as they were when the work was recorded.
///
/// The graph owns the memory that it works with, whatever becomes of the tensors. What the work allocates and frees is used again
/// within it, but by nothing else as long as the graph lives.
///
/// ```no_run
/// use panther_gpu::layers::elementwise::{Activation, activate};
/// use panther_gpu::{Buffer, Device, Graph, GpuError};
///
/// let device = Device::new(0)?;
/// let x = Buffer::from_host(&device, &[-1.0f32, 2.0])?;
/// let (mut graph, y) = Graph::record(&device, || activate(Activation::Relu, &x))?;
/// x.copy_from_host(&[3.0, -4.0])?;
/// graph.launch()?;
/// assert_eq!(y.to_host()?, [3.0, 0.0]);
/// # Ok::<(), GpuError>(())
/// ```
pub struct Graph {
    // The graph goes before its memory.
    graph: CudaGraph,
    kept: HashMap<Pointer, Arc<Memory>>,
    device: Device,
}

// SAFETY: a graph may be used by any thread, one at a time: `launch` and dropping have it alone.
unsafe impl Send for Graph {}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("device", &self.device).finish_non_exhaustive()
    }
}

impl Graph {
    /// Runs `work` as it is, so that everything is there which is compiled, loaded or made on first use, and then once more, recording
    /// it: nothing runs this time. Returns what the second run returned; the numbers in it are undefined until the first launch.
    ///
    /// Tensors that `work` replaces by others, rather than writing them, are not carried from one launch to the next. So a step of
    /// training clears its gradients at its beginning, not between the launches, and after a launch they are those of that launch.
    /// Nothing but `work` may use the device while it is recorded, nor be in the middle of it when the recording begins.
    ///
    /// # Errors
    /// What `work` returns; [`GpuError::NotRecordable`] for what waits for the device, copies from the host, or would be the same at each
    /// launch where it must not: losses, embeddings, dropout, AdamW, decompositions, a graph within a graph. The device can be
    /// used as before.
    pub fn record<O, E: From<GpuError>>(
        device: &Device,
        mut work: impl FnMut() -> Result<O, E>,
    ) -> Result<(Self, O), E> {
        drop(work()?);
        let mut recorder = Recorder::start(device)?;
        let output = work()?;
        let (graph, recording) = recorder.end()?;
        Ok((Self { graph, kept: recording.kept, device: device.clone() }, output))
    }

    /// Does the recorded work, behind everything asked for before. Does not wait for it.
    ///
    /// # Errors
    /// [`GpuError::NotRecordable`], [`GpuError::Call`].
    pub fn launch(&mut self) -> Result<(), GpuError> {
        self.device.refuse_recording("a graph", "one is being recorded already")?;
        self.graph.launch().named("cuGraphLaunch")
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.kept.values().for_each(|memory| self.device.keep_memory(memory));
    }
}

/// A recording that ends, whatever happens.
struct Recorder<'a> {
    device: &'a Device,
}

impl<'a> Recorder<'a> {
    fn start(device: &'a Device) -> Result<Self, GpuError> {
        device.refuse_recording("a graph", "one is being recorded already")?;
        // What is free by now must not have to wait for the stream that is recorded.
        device.synchronize()?;
        let side = device.stream().context().new_stream().named("cuStreamCreate")?;
        let mut recording = device.recording();
        // Relaxed: memory is allocated meanwhile, on another stream. What must not happen is refused by name.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        device.stream().begin_capture(mode).named("cuStreamBeginCapture")?;
        let thread = thread::current().id();
        *recording = Some(Recording { thread, side, kept: HashMap::new(), made: HashSet::new(), free: HashMap::new() });
        drop(recording);
        Ok(Self { device })
    }

    fn end(&mut self) -> Result<(CudaGraph, Recording), GpuError> {
        let stream = self.device.stream();
        // An error that is still to be reported would keep the capture from ending.
        let earlier = stream.context().check_err().named("work of a graph");
        let graph = stream.end_capture(CUgraphInstantiate_flags(0)).named("cuStreamEndCapture");
        let recording = self.device.recording().take();
        let Some(recording) = recording else { return Err(nothing_recorded()) };
        // What the other stream has allocated is used and freed by this one.
        recording.side.synchronize().named("cuStreamSynchronize")?;
        earlier?;
        Ok((graph?.ok_or_else(nothing_recorded)?, recording))
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        if self.device.recording().is_some() {
            // The error of the work itself is what is reported.
            let _ = self.end();
        }
    }
}

fn nothing_recorded() -> GpuError {
    GpuError::Call { library: "CUDA driver", call: "cuStreamEndCapture", code: "no graph".to_owned() }
}
