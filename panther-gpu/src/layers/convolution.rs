//! Correlations of batches of images with small kernels.
//!
//! A tile of targets is made from patches of the source in shared memory, so that no unfolded image is written anywhere. Forward and
//! backward by the input are the same kernel, with the roles of stride and zeros between the pixels exchanged. Everything is
//! computed in full precision.

use cudarc::driver::{DeviceRepr, LaunchConfig};

use crate::buffer::Pointer;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::layers::reductions::add_shares;
use crate::layers::{THREADS, block_a_row, holds};
use crate::{Buffer, Device, DeviceReal, GpuError};

const KERNELS: KernelFile = kernel_file!("convolution");

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

/// As the kernels know it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Correlation {
    batch: u64,
    sources: i64,
    targets: i64,
    source: [i64; 2],
    target: [i64; 2],
    kernel: [i64; 2],
    step: [i64; 2],
    up: [i64; 2],
    dilation: [i64; 2],
    offset: [i64; 2],
    packed: i64,
    block_targets: i64,
    slab: i64,
    patch: [i64; 2],
}

// SAFETY: numbers of eight bytes each, in the order of the kernels' struct.
unsafe impl DeviceRepr for Correlation {}

/// Constants of the kernels: channels a thread makes, rows and columns of a tile, warps below each other, columns of a gradient that a
/// thread makes.
const GROUP: usize = 8;
const TILE_ROWS: usize = 16;
const COLUMNS: usize = 32;
const BANDS: usize = 2;
const PAIRS: usize = 9;
const BLOCK_TARGETS: usize = BANDS * GROUP;
/// Columns that patches wider than a tile have at the least: the kernels know this many at compile time.
const PITCH: i64 = 40;

/// Groups of channels that a block makes at the most.
const MOST_GROUPS: usize = 4;

/// Shared memory in bytes that leaves room for as many blocks as registers do, where less than a channel does not need more: of
/// targets, and of a gradient by the weight.
const SHARED: usize = 60 * 1024;
const WEIGHT_SHARED: usize = 112 * 1024;

/// Blocks of a gradient by the weight that a multiprocessor runs at a time.
const WEIGHT_BLOCKS: usize = 2;

/// The greatest extent of a grid but the first.
const MOST_BLOCKS: usize = 65535;

impl Images {
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

    fn forward(&self) -> Correlation {
        let Window { kernel, stride, before, dilation } = self.window;
        let pair = |x: [usize; 2]| x.map(|x| x as i64);
        Correlation {
            batch: self.batch as u64,
            sources: self.channels[0] as i64,
            targets: self.channels[1] as i64,
            source: pair(self.image),
            target: pair(self.positions),
            kernel: pair(kernel),
            step: pair(stride),
            up: [1, 1],
            dilation: pair(dilation),
            offset: before.map(|before| -(before as i64)),
            packed: self.channels[1].next_multiple_of(4 * GROUP) as i64,
            block_targets: GROUP as i64,
            slab: 1,
            patch: [0, 0],
        }
    }

    /// From dy to dx, the taps in the opposite order.
    fn backward(&self) -> Correlation {
        let forward = self.forward();
        let offset = |axis: usize| forward.dilation[axis] * (forward.kernel[axis] - 1) + forward.offset[axis];
        Correlation {
            sources: forward.targets,
            targets: forward.sources,
            source: forward.target,
            target: forward.source,
            step: [1, 1],
            up: forward.step,
            offset: [-offset(0), -offset(1)],
            packed: self.channels[0].next_multiple_of(4 * GROUP) as i64,
            ..forward
        }
    }
}

impl Correlation {
    fn taps(&self) -> usize {
        (self.kernel[0] * self.kernel[1]) as usize
    }

    /// What the positions of a tile read.
    fn set_patch(&mut self, rows: usize) {
        let reach = |axis: usize, count: usize| {
            (count as i64 - 1)
                .saturating_mul(self.step[axis])
                .saturating_add((self.kernel[axis] - 1).saturating_mul(self.dilation[axis]))
                .saturating_add(1)
        };
        let width = reach(1, COLUMNS);
        self.patch = [reach(0, rows), if width > COLUMNS as i64 { width.max(PITCH) } else { width }];
    }

    /// Numbers of a patch of one channel.
    fn area(&self) -> usize {
        (self.patch[0] as usize).saturating_mul(self.patch[1] as usize)
    }

    /// The launch by tiles, where shared memory holds a channel's patch and weights.
    fn by_tiles<T: DeviceReal>(&mut self, device: &Device) -> Option<(LaunchConfig, usize)> {
        self.set_patch(TILE_ROWS);
        let (sources, targets) = (self.sources as usize, self.targets as usize);
        let groups = targets.div_ceil(GROUP).clamp(1, MOST_GROUPS);
        self.block_targets = (groups * GROUP) as i64;
        let channel = self.area().saturating_add(self.taps() * groups * GROUP).saturating_mul(size_of::<T>());
        // Slabs of about the same size.
        let slabs = sources.div_ceil((SHARED / channel).max(1)).max(1);
        let slab = sources.div_ceil(slabs);
        let bytes = channel.saturating_mul(slab);
        let (down, across) =
            ((self.target[0] as usize).div_ceil(TILE_ROWS), (self.target[1] as usize).div_ceil(COLUMNS));
        let (tiles, blocks) = (down * across, targets.div_ceil(groups * GROUP));
        if bytes > device.shared_bytes() as usize || tiles > i32::MAX as usize || blocks > MOST_BLOCKS {
            return None;
        }
        self.slab = slab as i64;
        let grid_dim = (tiles as u32, blocks as u32, (self.batch as usize).min(MOST_BLOCKS) as u32);
        let block_dim = ((groups * BANDS * COLUMNS) as u32, 1, 1);
        Some((LaunchConfig { grid_dim, block_dim, shared_mem_bytes: bytes as u32 }, across))
    }

    /// As [`by_tiles`](Self::by_tiles), where a block can make all targets of a tile and shared memory holds them too.
    fn by_mixed_tiles<T: DeviceReal>(&mut self, device: &Device) -> Option<(LaunchConfig, usize)> {
        let (config, across) = self.by_tiles::<T>(device)?;
        let targets = self.block_targets as usize * TILE_ROWS * COLUMNS * size_of::<T>();
        let shared_mem_bytes = config.shared_mem_bytes.max(targets as u32);
        let fits = config.grid_dim.1 == 1 && shared_mem_bytes <= device.shared_bytes();
        fits.then_some((LaunchConfig { shared_mem_bytes, ..config }, across))
    }
}

/// A weight, source channels and target channels `strides` apart, its taps one behind the other.
#[derive(Clone, Copy)]
struct Weight<'a, T> {
    numbers: &'a Buffer<T>,
    strides: [usize; 2],
    flipped: bool,
    alpha: T,
}

impl<T: DeviceReal> Weight<'_, T> {
    /// As the kernels read it: source channels, taps, target channels.
    fn pack(self, at: &Correlation) -> Result<Buffer<T>, GpuError> {
        let count = at.sources as usize * at.taps() * at.packed as usize;
        let packed = Buffer::<T>::uninitialized(self.numbers.device(), count)?;
        launch!(
            self.numbers.device(),
            T,
            KERNELS.kernel("pack"),
            grid_over(count, THREADS),
            self.numbers.pointer(),
            self.strides[0] as u64,
            self.strides[1] as u64,
            at.taps() as u64,
            u32::from(self.flipped),
            at.targets as u64,
            at.packed as u64,
            self.alpha,
            packed.pointer(),
            count as u64,
        )?;
        Ok(packed)
    }
}

/// The targets, whose numbers are `count`.
fn correlate<T: DeviceReal>(
    mut at: Correlation,
    source: &Buffer<T>,
    weight: Weight<'_, T>,
    bias: Option<&Buffer<T>>,
    count: usize,
) -> Result<Buffer<T>, GpuError> {
    let device = source.device();
    if count == 0 || source.is_empty() {
        return Buffer::zeros(device, count);
    }
    let (packed, target) = (weight.pack(&at)?, Buffer::uninitialized(device, count)?);
    let (bias, has_bias) = address(bias);
    let (from, with, to) = (source.pointer(), packed.pointer(), target.pointer());
    if let Some((config, across)) = at.by_tiles::<T>(device) {
        let kernel = KERNELS.kernel("correlate");
        launch!(device, T, kernel, config, at, from, with, bias, has_bias, to, across as u64)?;
    } else {
        let (kernel, config) = (KERNELS.kernel("correlate_simply"), grid_over(count, THREADS));
        launch!(device, T, kernel, config, at, from, with, bias, has_bias, to, count as u64)?;
    }
    Ok(target)
}

/// As the kernels take it.
fn address<T: DeviceReal>(bias: Option<&Buffer<T>>) -> (Pointer, u32) {
    bias.map_or((0, 0), |bias| (bias.pointer(), 1))
}

/// y\[o, p\] = Σ weight\[o, c, t\]·x\[c, stride·p + dilation·t − before\], plus the bias of each channel. With a `mix` (α, U), U
/// hidden×channels, the second channels of `images` are the hidden ones, and y is α·Uᵀ times them before the bias is added.
///
/// Up to 32 hidden channels are mixed where they are made and stand nowhere in memory.
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
    holds("convolve", "x", x, images.inputs())?;
    holds("convolve", "weight", weight, images.weights())?;
    let strides = [images.taps(), images.channels[0] * images.taps()];
    let weight = Weight { numbers: weight, strides, flipped: false, alpha: T::ONE };
    let Some((alpha, u)) = mix else {
        check_bias(bias, images.channels[1])?;
        return correlate(images.forward(), x, weight, bias, images.outputs());
    };
    let mixed = images.pixelwise(u.len() / images.channels[1].max(1));
    holds("convolve", "mix", u, mixed.weights())?;
    check_bias(bias, mixed.channels[1])?;
    let mix = Weight { numbers: u, strides: [mixed.channels[1], 1], flipped: false, alpha };
    let (mut at, then) = (images.forward(), mixed.forward());
    let plan = at.by_mixed_tiles::<T>(x.device()).filter(|_| mixed.outputs() > 0 && !x.is_empty());
    let Some((config, across)) = plan else {
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
    holds("convolve_backward_input", "dy", dy, images.outputs())?;
    holds("convolve_backward_input", "weight", weight, images.weights())?;
    let strides = [images.channels[0] * images.taps(), images.taps()];
    let weight = Weight { numbers: weight, strides, flipped: true, alpha: T::ONE };
    correlate(images.backward(), dy, weight, None, images.inputs())
}

/// gradient += the gradient by the weight from that by y.
///
/// # Errors
/// Those of this module's parent.
pub fn convolve_backward_weight<T: DeviceReal>(
    x: &Buffer<T>,
    dy: &Buffer<T>,
    images: Images,
    gradient: &mut Buffer<T>,
) -> Result<(), GpuError> {
    const NAME: &str = "convolve_backward_weight";
    holds(NAME, "x", x, images.inputs())?;
    holds(NAME, "dy", dy, images.outputs())?;
    holds(NAME, "gradient", gradient, images.weights())?;
    if x.is_empty() || dy.is_empty() || gradient.is_empty() {
        return Ok(());
    }
    let (device, mut at) = (x.device(), images.forward());
    let Some(plan) = WeightPlan::new::<T>(device, &mut at) else {
        let (kernel, count) = (KERNELS.kernel("correlate_weights_simply"), gradient.len());
        let config = block_a_row(count, THREADS);
        return launch!(device, T, kernel, config, at, x.pointer(), dy.pointer(), gradient.pointer(), count as u64);
    };
    let shares = Buffer::<T>::uninitialized(device, plan.shares * gradient.len())?;
    launch!(
        device,
        T,
        KERNELS.kernel("correlate_weights"),
        plan.config,
        at,
        x.pointer(),
        dy.pointer(),
        plan.rows as u64,
        plan.across as u64,
        plan.down as u64,
        plan.share as u64,
        plan.tiles as u64,
        shares.pointer(),
    )?;
    add_shares(&shares, 0, plan.shares, gradient.len(), gradient)
}

/// How a gradient by the weight is shared among blocks.
struct WeightPlan {
    config: LaunchConfig,
    rows: usize,
    across: usize,
    down: usize,
    tiles: usize,
    share: usize,
    shares: usize,
}

impl WeightPlan {
    /// Where shared memory holds the patches of the channels that a block's columns come from.
    fn new<T: DeviceReal>(device: &Device, at: &mut Correlation) -> Option<Self> {
        let (taps, columns) = (at.taps(), at.sources as usize * at.taps());
        // Warps side by side: as few columns beyond the last as can be, and then as many warps.
        let wanted = (1..=4).rev().min_by_key(|warps| columns.div_ceil(warps * PAIRS) * warps)?;
        let tallest = (at.target[0] as usize).next_power_of_two();
        let rows = || [32, 16, 8, 4, 2, 1].into_iter().filter(|&rows| rows <= tallest);
        let mut choices = (1..=wanted).rev().flat_map(|warps| rows().map(move |rows| (warps, rows)));
        let (warps, rows, bytes) = choices.find_map(|(warps, rows)| {
            at.set_patch(rows);
            let width = warps * PAIRS;
            let channels = if width.is_multiple_of(taps) { width / taps } else { (width - 1).div_ceil(taps) + 1 };
            let numbers = at.area().saturating_mul(channels.min(at.sources as usize));
            let bytes = numbers.saturating_add(rows * BLOCK_TARGETS * COLUMNS).saturating_mul(size_of::<T>());
            (bytes <= WEIGHT_SHARED.min(device.shared_bytes() as usize)).then_some((warps, rows, bytes))
        })?;
        let (down, across) = ((at.target[0] as usize).div_ceil(rows), (at.target[1] as usize).div_ceil(COLUMNS));
        let tiles = at.batch as usize * down * across;
        let side = columns.div_ceil(warps * PAIRS);
        let depth = (at.targets as usize).div_ceil(BLOCK_TARGETS);
        if side > MOST_BLOCKS || depth > MOST_BLOCKS {
            return None;
        }
        let share = tiles_of_a_share(tiles, side * depth, WEIGHT_BLOCKS * device.multiprocessors() as usize);
        let shares = tiles.div_ceil(share);
        let grid_dim = (shares as u32, side as u32, depth as u32);
        let block_dim = ((warps * BANDS * COLUMNS) as u32, 1, 1);
        let config = LaunchConfig { grid_dim, block_dim, shared_mem_bytes: bytes as u32 };
        Some(Self { config, rows, across, down, tiles, share, shares })
    }
}

/// How many tiles a block takes, with `blocks` for each share of which `slots` run at a time: such as keep the device busy to the end.
fn tiles_of_a_share(tiles: usize, blocks: usize, slots: usize) -> usize {
    let most = (4 * slots).div_ceil(blocks).min(tiles);
    let time = |share: usize| (tiles.div_ceil(share) * blocks).div_ceil(slots) * share;
    (1..=most).map(|shares| tiles.div_ceil(shares)).min_by_key(|&share| time(share)).unwrap_or(tiles)
}
