//! Correlations of batches of images with small kernels.
//!
//! A tile of targets is made from patches of the source in shared memory, so that no unfolded image is written anywhere. Forward and
//! backward by the input are the same kernel, with the roles of stride and zeros between the pixels exchanged. Everything is
//! computed in full precision.

mod correlation;
mod sharing;
mod weights;

use correlation::{Correlation, MOST_GROUPS, TILE_ROWS, Tiles, Weight, address, correlate};
use weights::PAIRS;
pub use weights::convolve_backward_weight;

use crate::layers::holds;
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::runtime::limits::index;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/convolution").with(&[
    Constant::int("GROUP", GROUP),
    Constant::int("ROWS", TILE_ROWS / BANDS),
    Constant::int("COLUMNS", COLUMNS),
    Constant::int("BANDS", BANDS),
    Constant::int("PITCH", PITCH as usize),
    Constant::int("PAIRS", PAIRS),
    Constant::u32("BLOCK_THREADS", MOST_GROUPS * BANDS * COLUMNS),
    Constant::size_of::<Correlation>("SIZE_OF_CORRELATION"),
]);

/// A window of taps: rows first, columns second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Pixels from one position to the next.
    pub stride: [usize; 2],
    /// Zeros before the first pixel.
    pub before: [usize; 2],
    /// Pixels from one tap to the next.
    pub dilation: [usize; 2],
}

/// A batch of images and a window's positions on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    /// How many.
    pub batch: usize,
    /// Channels of x and of y.
    pub channels: [usize; 2],
    /// Rows and columns of x.
    pub image: [usize; 2],
    /// Rows and columns of y.
    pub positions: [usize; 2],
    /// The window.
    pub window: Window,
}

/// Constants of the kernels: target channels that a thread makes, columns of a tile, warps below each other. Columns that patches wider
/// than a tile have at the least: the kernels know this many at compile time.
const GROUP: usize = 8;
const COLUMNS: usize = 32;
const BANDS: usize = 2;
const PITCH: i64 = 40;

/// The greatest extent of a grid but the first.
const MAX_BLOCKS: usize = 65535;

impl Images {
    /// A window that moves, of a tap or more.
    fn check(&self, operation: &'static str) -> Result<(), GpuError> {
        for (argument, extents) in [("image", self.image), ("positions", self.positions)] {
            // Tiles count their pixels in 32 bits.
            extents.into_iter().try_for_each(|extent| index(operation, argument, extent))?;
        }
        let Window { kernel, stride, dilation, .. } = self.window;
        if [kernel, stride, dilation].into_iter().flatten().all(|extent| extent > 0) {
            return Ok(());
        }
        let got = format!("{kernel:?}, {stride:?} and {dilation:?}");
        Err(GpuError::shape(operation, "window", "a kernel, a stride and a dilation of at least 1 each way", got))
    }

    fn taps(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    const fn inputs(&self) -> usize {
        self.batch * self.channels[0] * self.image[0] * self.image[1]
    }

    const fn outputs(&self) -> usize {
        self.batch * self.channels[1] * self.positions[0] * self.positions[1]
    }

    fn weights(&self) -> usize {
        self.channels[0] * self.channels[1] * self.taps()
    }

    /// From y to `channels`, pixel by pixel. Which rows the pixels stand in does not matter: such as fill the tiles.
    fn pixelwise(&self, channels: usize) -> Self {
        let [rows, columns] = self.positions;
        let pixels = rows * columns;
        let image = if pixels.is_multiple_of(COLUMNS) { [pixels / COLUMNS, COLUMNS] } else { [rows, columns] };
        let window = Window { kernel: [1, 1], stride: [1, 1], before: [0, 0], dilation: [1, 1] };
        Self { channels: [self.channels[1], channels], image, positions: image, window, ..*self }
    }
}

/// y\[o, p\] = Σ weight\[o, c, t\]·x\[c, stride·p + dilation·t − before\], plus the bias of each channel. With a `mix` (α, U), U
/// hidden×channels, the second channels of `images` are the hidden ones, and y is α·Uᵀ times them before the bias is added.
///
/// Up to 32 hidden channels are mixed where they are made and stand nowhere in memory, unless there are too few pixels to keep the device
/// busy: then blocks share the channels of x, and hold up to 66 MiB of partial sums.
///
/// # Errors
/// Those of this module's parent.
pub fn convolve<T: DeviceReal>(
    x: &Buffer<T>,
    weight: &Buffer<T>,
    mix: Option<(T, &Buffer<T>)>,
    bias: Option<&Buffer<T>>,
    images: Images,
) -> Result<Buffer<T>, GpuError> {
    images.check("convolve")?;
    holds("convolve", "x", x, images.inputs())?;
    holds("convolve", "weight", weight, images.weights())?;
    let strides = [images.taps(), images.channels[0] * images.taps()];
    let weight = Weight { values: weight, strides, flipped: false, alpha: T::ONE };
    let Some((alpha, u)) = mix else {
        check_bias(bias, images.channels[1])?;
        return correlate(images.forward(), x, weight, bias, images.outputs());
    };
    let mixed = images.pixelwise(u.len() / images.channels[1].max(1));
    holds("convolve", "mix", u, mixed.weights())?;
    check_bias(bias, mixed.channels[1])?;
    let mix = Weight { values: u, strides: [mixed.channels[1], 1], flipped: false, alpha };
    let (mut at, then) = (images.forward(), mixed.forward());
    let is_empty = mixed.outputs() == 0 || x.is_empty();
    let plan = if is_empty { None } else { at.by_mixed_tiles::<T>(x.device()) };
    let Some(Tiles { config, across, .. }) = plan else {
        let hidden = correlate(at, x, weight, None, images.outputs())?;
        return correlate(then, &hidden, mix, bias, mixed.outputs());
    };
    let (weight, mix) = (weight.pack(&at)?, mix.pack(&then)?);
    let y = Buffer::uninitialized(x.device(), mixed.outputs())?;
    let (bias, has_bias) = address(bias);
    launch!(
        x.device(),
        T,
        KERNELS.kernel("correlate_mixed"),
        config,
        at,
        x.pointer(),
        weight.pointer(),
        mix.pointer(),
        then.packed as u64,
        then.targets as u64,
        bias,
        has_bias,
        y.pointer(),
        across as u64,
    )?;
    Ok(y)
}

fn check_bias<T: DeviceReal>(bias: Option<&Buffer<T>>, channels: usize) -> Result<(), GpuError> {
    bias.map_or(Ok(()), |bias| holds("convolve", "bias", bias, channels))
}

/// The gradient by x from that by y.
///
/// # Errors
/// Those of this module's parent.
pub fn convolve_backward_input<T: DeviceReal>(
    dy: &Buffer<T>,
    weight: &Buffer<T>,
    images: Images,
) -> Result<Buffer<T>, GpuError> {
    images.check("convolve_backward_input")?;
    holds("convolve_backward_input", "dy", dy, images.outputs())?;
    holds("convolve_backward_input", "weight", weight, images.weights())?;
    let strides = [images.channels[0] * images.taps(), images.taps()];
    let weight = Weight { values: weight, strides, flipped: true, alpha: T::ONE };
    correlate(images.backward(), dy, weight, None, images.inputs())
}
