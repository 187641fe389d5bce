//! How long work on a device takes.

use cudarc::driver::sys::CUevent_flags;

use crate::error::Named;
use crate::{Device, GpuError};

impl Device {
    /// Seconds from the start to the end of what `work` asks of the device, by the device's own clock: what the host does
    /// meanwhile counts where the device waits for it.
    ///
    /// # Errors
    /// What `work` returns, and [`GpuError::Call`].
    pub fn seconds_of(&self, work: impl FnOnce() -> Result<(), GpuError>) -> Result<f64, GpuError> {
        self.refuse_recording("timing", "nothing runs meanwhile")?;
        let timed = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let start = self.stream().record_event(timed).named("cuEventRecord")?;
        work()?;
        let end = self.stream().record_event(timed).named("cuEventRecord")?;
        Ok(f64::from(start.elapsed_ms(&end).named("cuEventElapsedTime")?) / 1e3)
    }
}
