//! Maxima and means over windows of images.

use cudarc::driver::DeviceRepr;

use crate::layers::convolution::Window;
use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile =
    kernel_file!("layers/pooling").with(&[Constant::size_of::<Windows>("SIZE_OF_WINDOWS")]);

/// Planes of images and the windows on them: the argument of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Windows {
    planes: u64,
    height: u64,
    width: u64,
    rows: u64,
    columns: u64,
    kernel: [i64; 2],
    stride: [i64; 2],
    before: [i64; 2],
    dilation: [i64; 2],
}

// SAFETY: values of eight bytes each, in the order of the kernels' struct.
unsafe impl DeviceRepr for Windows {}

/// `planes` images, and the positions of a window on each, every one of which covers a pixel.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    /// Batch times channels.
    pub planes: usize,
    /// Rows and columns of an image.
    pub image: [usize; 2],
    /// Rows and columns of positions.
    pub positions: [usize; 2],
    /// The window.
    pub window: Window,
}

impl Planes {
    const fn pixels(&self) -> usize {
        self.planes * self.image[0] * self.image[1]
    }

    const fn outputs(&self) -> usize {
        self.planes * self.positions[0] * self.positions[1]
    }

    fn windows(&self) -> Windows {
        let pair = |x: [usize; 2]| x.map(|x| x as i64);
        Windows {
            planes: self.planes as u64,
            height: self.image[0] as u64,
            width: self.image[1] as u64,
            rows: self.positions[0] as u64,
            columns: self.positions[1] as u64,
            kernel: pair(self.window.kernel),
            stride: pair(self.window.stride),
            before: pair(self.window.before),
            dilation: pair(self.window.dilation),
        }
    }

    /// 1/(kh·kw).
    fn share<T: DeviceReal>(&self) -> T {
        T::from_f64((self.window.kernel[0] as f64 * self.window.kernel[1] as f64).recip())
    }
}

/// The largest number in each window; padding is never it.
///
/// # Errors
/// Those of this module's parent.
pub fn max_pool<T: DeviceReal>(x: &Buffer<T>, planes: Planes) -> Result<Buffer<T>, GpuError> {
    holds("max_pool", "x", x, planes.pixels())?;
    let (device, count) = (x.device(), planes.outputs());
    let y = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let (kernel, config) = (KERNELS.kernel("max_pool"), grid_over(count, THREADS));
        launch!(device, T, kernel, config, planes.windows(), x.pointer(), y.pointer(), count as u64)?;
    }
    Ok(y)
}

/// The gradient by x: dy goes to the first largest number of its window.
///
/// # Errors
/// Those of this module's parent.
pub fn max_pool_backward<T: DeviceReal>(x: &Buffer<T>, dy: &Buffer<T>, planes: Planes) -> Result<Buffer<T>, GpuError> {
    holds("max_pool_backward", "x", x, planes.pixels())?;
    holds("max_pool_backward", "dy", dy, planes.outputs())?;
    let (device, count) = (x.device(), planes.pixels());
    let dx = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let (kernel, config) = (KERNELS.kernel("max_pool_backward"), grid_over(count, THREADS));
        let windows = planes.windows();
        launch!(device, T, kernel, config, windows, x.pointer(), dy.pointer(), dx.pointer(), count as u64)?;
    }
    Ok(dx)
}

/// The mean of each window, padding counted as zeros.
///
/// # Errors
/// Those of this module's parent.
pub fn average_pool<T: DeviceReal>(x: &Buffer<T>, planes: Planes) -> Result<Buffer<T>, GpuError> {
    holds("average_pool", "x", x, planes.pixels())?;
    let (device, count) = (x.device(), planes.outputs());
    let y = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let (kernel, config) = (KERNELS.kernel("average_pool"), grid_over(count, THREADS));
        let (windows, share) = (planes.windows(), planes.share::<T>());
        launch!(device, T, kernel, config, windows, share, x.pointer(), y.pointer(), count as u64)?;
    }
    Ok(y)
}

/// The gradient by x.
///
/// # Errors
/// Those of this module's parent.
pub fn average_pool_backward<T: DeviceReal>(dy: &Buffer<T>, planes: Planes) -> Result<Buffer<T>, GpuError> {
    holds("average_pool_backward", "dy", dy, planes.outputs())?;
    let (device, count) = (dy.device(), planes.pixels());
    let dx = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let (kernel, config) = (KERNELS.kernel("average_pool_backward"), grid_over(count, THREADS));
        let (windows, share) = (planes.windows(), planes.share::<T>());
        launch!(device, T, kernel, config, windows, share, dy.pointer(), dx.pointer(), count as u64)?;
    }
    Ok(dx)
}
