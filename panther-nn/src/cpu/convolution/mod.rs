//! Convolutions as products with overlapping views of the image.
//!
//! Images are taken some rows at a time into a [`ImageRows`], channels innermost, where the unfolded image of a row of taps is a strided
//! view. Forward and backward by the input are the same computation, with the roles of x and y exchanged and a phase for
//! each residue of the stride; the gradient by the weight is its adjoint.

mod axis;
mod image_rows;
mod pooling;

use std::ops::Range;

use faer::prelude::*;
use faer::{Accum, MatMut};
use panther_sketch::product;
use panther_sketch::simd::vectorized;

use crate::backend::{Convolution, ConvolutionSizes as Sizes, Geometry, Storage, batch_shape, channel_sums};
use crate::cpu::convolution::axis::Axis;
use crate::cpu::convolution::image_rows::ImageRows;
use crate::cpu::parallel::{on_each, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

/// Values of the source rows that are held at a time, about: they stay in the cache of a core, and neighbouring pieces share few rows.
const SOURCE_VALUES: usize = 256 * 1024;

/// Targets of one product, about, where rows are short enough to be joined.
const TARGETS: usize = 128;

/// Pixels that are stored together, for all channels.
const STORED: usize = 32;

/// Partial sums of a gradient by the weight, at the most.
const SUMS: usize = 8;

impl Convolution for Cpu {
    fn convolve<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        weight: &CpuTensor<T>,
        mix: Option<(T, &CpuTensor<T>)>,
        bias: Option<&CpuTensor<T>>,
        geometry: Geometry,
    ) -> Result<CpuTensor<T>, NnError> {
        let sizes = Sizes::new("convolve", x.shape(), weight.shape(), geometry)?;
        let channels = sizes.mixed(mix.map(|(_, mix)| mix.shape()), bias.map(CpuTensor::shape))?;
        let bias = bias.map(CpuTensor::as_slice);
        let mut y = self.zeros(&batch_shape("convolve", sizes.batch, channels, sizes.positions)?)?;
        let plan = sizes.forward();
        let kernel = plan.pack(weight.as_slice());
        let blocks = blocks(y.as_mut_slice(), channels, sizes.positions, plan.rows_at_a_time());
        let mix = mix.map(|(alpha, mix)| (alpha, MatRef::from_row_major_slice(mix.as_slice(), sizes.c_out, channels)));
        let inner_bias = if mix.is_none() { bias } else { None };
        on_each(self.par, blocks, Scratch::new, |scratch, mut block| {
            let image = (sizes.image(x.as_slice(), block.image), sizes.extents);
            let rows = block.rows.clone();
            plan.correlate(image, &kernel, inner_bias, rows.clone(), scratch);
            match mix {
                None => plan.store(rows, &scratch.targets, &mut block, sizes.positions[1]),
                Some(mix) => plan.store_mixed(&scratch.targets, &mut block, mix, bias, &mut scratch.mixed),
            }
        });
        Ok(y)
    }

    fn convolve_backward_input<T: Scalar>(
        &self,
        dy: &CpuTensor<T>,
        weight: &CpuTensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<CpuTensor<T>, NnError> {
        let sizes = Sizes::of_gradient("convolve_backward_input", dy.shape(), weight.shape(), image, geometry)?;
        let (shape, c_in) = (sizes.images(), sizes.c_in);
        let mut dx = self.zeros(&shape)?;
        let plans: Vec<_> = sizes.backward().map(|plan| (plan.pack(weight.as_slice()), plan)).collect();
        // Blocks start at a multiple of the stride, so that each phase has whole rows of its own.
        let rows = plans.iter().map(|(_, plan)| plan.rows_at_a_time()).min().unwrap_or(1);
        let blocks = blocks(dx.as_mut_slice(), c_in, image, rows.saturating_mul(geometry.stride[0]));
        on_each(self.par, blocks, Scratch::new, |scratch, mut block| {
            let dy = (sizes.image_of_gradient(dy.as_slice(), block.image), sizes.positions);
            for (kernel, plan) in &plans {
                let rows = plan.rows.within(block.rows.clone());
                if !rows.is_empty() {
                    plan.correlate(dy, kernel, None, rows.clone(), scratch);
                    plan.store(rows, &scratch.targets, &mut block, image[1]);
                }
            }
        });
        Ok(dx)
    }

    fn convolve_backward_weight<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        dy: &CpuTensor<T>,
        geometry: Geometry,
        gradient: &mut CpuTensor<T>,
    ) -> Result<(), NnError> {
        let sizes = Sizes::new("convolve_backward_weight", x.shape(), gradient.shape(), geometry)?;
        sizes.check_gradient("convolve_backward_weight", dy.shape())?;
        let plan = sizes.forward();
        let rows = plan.rows_at_a_time();
        let tasks: Vec<(usize, Range<usize>)> = (0..sizes.batch)
            .flat_map(|image| {
                let all = sizes.positions[0];
                (0..all).step_by(rows).map(move |start| (image, start..all.min(start.saturating_add(rows))))
            })
            .collect();
        if tasks.is_empty() || gradient.as_slice().is_empty() {
            return Ok(());
        }
        let mut sums = vec![Vec::new(); SUMS.min(tasks.len())];
        let shares: Vec<_> = tasks.chunks(tasks.len().div_ceil(SUMS)).zip(&mut sums).collect();
        on_each(self.par, shares, Scratch::new, |scratch, (tasks, sum)| {
            sum.resize(plan.kernel_len(), T::ZERO);
            for (image, rows) in tasks {
                let dy = (sizes.image_of_gradient(dy.as_slice(), *image), sizes.positions);
                let x = (sizes.image(x.as_slice(), *image), sizes.extents);
                plan.correlate_adjoint(x, dy, rows.clone(), scratch, sum);
            }
        });
        let gradient = gradient.as_mut_slice();
        for sum in sums.iter().filter(|sum| !sum.is_empty()) {
            plan.for_each_weight(|at, weight| gradient[weight] += sum[at]);
        }
        Ok(())
    }

    fn sum_channels<T: Scalar>(&self, x: &CpuTensor<T>, sum: &mut CpuTensor<T>) -> Result<(), NnError> {
        let (_, channels, [rows, columns]) = channel_sums(x.shape(), sum.shape())?;
        let plane = rows * columns;
        if plane == 0 {
            return Ok(());
        }
        let x = x.as_slice();
        on_pieces(self.par, 1, sum.as_mut_slice(), |channel, sum| {
            for image in x.chunks(channels * plane) {
                sum[0] += total(&image[channel * plane..][..plane]);
            }
        });
        Ok(())
    }
}

/// Σ xᵢ, in a fixed order that vectors follow.
fn total<T: Scalar>(x: &[T]) -> T {
    const LANES: usize = 64;
    vectorized(|| {
        let mut sums = [T::ZERO; LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += chunk[lane];
            }
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += *x);
        sums.iter().fold(T::ZERO, |all, sum| all + *sum)
    })
}

impl Sizes {
    /// Image `index` of x.
    fn image<'a, T>(&self, x: &'a [T], index: usize) -> &'a [T] {
        let length = self.c_in * self.extents[0] * self.extents[1];
        &x[index * length..][..length]
    }

    /// Image `index` of dy.
    fn image_of_gradient<'a, T>(&self, dy: &'a [T], index: usize) -> &'a [T] {
        let length = self.c_out * self.positions[0] * self.positions[1];
        &dy[index * length..][..length]
    }

    /// From x to y.
    fn forward(&self) -> Plan {
        let axis = |axis: usize| Axis::forward(&self.geometry, axis, self.positions[axis]);
        let taps = self.geometry.kernel[0] * self.geometry.kernel[1];
        let (source, target) = ((self.c_in, taps), (self.c_out, self.c_in * taps));
        Plan { rows: axis(0), columns: axis(1), source, target, kernel_columns: self.geometry.kernel[1] }
    }

    /// From dy to dx: a plan for each phase of the stride.
    fn backward(&self) -> impl Iterator<Item = Plan> {
        let axes = |axis: usize| Axis::backward(&self.geometry, axis, self.extents[axis]);
        let taps = self.geometry.kernel[0] * self.geometry.kernel[1];
        let (source, target) = ((self.c_out, self.c_in * taps), (self.c_in, taps));
        let kernel_columns = self.geometry.kernel[1];
        axes(0).into_iter().flat_map(move |rows| {
            let plan = move |columns| Plan { rows: rows.clone(), columns, source, target, kernel_columns };
            axes(1).into_iter().map(plan)
        })
    }
}

/// Which sources each target reads with which weights.
struct Plan {
    rows: Axis,
    columns: Axis,
    /// Channels of the sources, and values of the weight from one to the next.
    source: (usize, usize),
    /// The same of the targets.
    target: (usize, usize),
    /// Values of the weight from one row of taps to the next.
    kernel_columns: usize,
}

/// Memory of a thread: the sources, and the targets as rows×columns×channels.
struct Scratch<T> {
    sources: ImageRows<T>,
    targets: ImageRows<T>,
    /// A row of targets after their mix.
    mixed: Vec<T>,
}

impl<T: Scalar> Scratch<T> {
    const fn new() -> Self {
        Self { sources: ImageRows::new(), targets: ImageRows::new(), mixed: Vec::new() }
    }
}

/// A product target×K times K×n that is part of a correlation.
struct Part<'a, T> {
    /// The targets as pixels, n of them.
    targets: Range<usize>,
    /// Where the target×K matrix stands in the packed kernel, by columns.
    kernel: Range<usize>,
    /// What the targets read.
    sources: MatRef<'a, T>,
}

impl Plan {
    /// Values of the kernel in the order of the products: for each row of taps and each run of taps in it a target×K matrix by
    /// columns, K running over taps and source channels.
    fn kernel_len(&self) -> usize {
        self.rows.taps.len() * self.columns.taps.len() * self.source.0 * self.target.0
    }

    /// For each number of the packed kernel, its place there and in the weight.
    fn for_each_weight(&self, mut work: impl FnMut(usize, usize)) {
        let mut at = 0;
        for row in &self.rows.taps {
            for column in &self.columns.taps {
                for source in 0..self.source.0 {
                    let first = source * self.source.1 + row.index * self.kernel_columns + column.index;
                    for target in 0..self.target.0 {
                        work(at, first + target * self.target.1);
                        at += 1;
                    }
                }
            }
        }
    }

    /// The packed kernel.
    fn pack<T: Scalar>(&self, weight: &[T]) -> Vec<T> {
        let mut kernel = vec![T::ZERO; self.kernel_len()];
        self.for_each_weight(|at, from| kernel[at] = weight[from]);
        kernel
    }

    /// How many rows of targets are taken at a time.
    fn rows_at_a_time(&self) -> usize {
        let (rows, columns) = (self.rows.sources(0..1).len(), self.columns.sources(0..self.columns.count.max(1)).len());
        let row = self.rows.step * columns * self.source.0;
        (SOURCE_VALUES / row.max(1)).max(2 * rows.div_ceil(self.rows.step))
    }

    /// Takes the sources that some rows of targets read from an image, and says how many pixels of the targets a row has.
    fn take_sources<T: Scalar>(
        &self,
        (image, extents): (&[T], [usize; 2]),
        rows: Range<usize>,
        sources: &mut ImageRows<T>,
    ) -> usize {
        let columns = self.columns.sources(0..self.columns.count);
        let pitch = if self.columns.step == 1 { columns.len() } else { self.columns.count };
        sources.fill((image, self.source.0), extents, self.rows.sources(rows), columns);
        pitch
    }

    /// The products that make up some rows of targets, each `pitch` pixels from the last.
    fn for_each_part<T: Scalar>(
        &self,
        rows: Range<usize>,
        pitch: usize,
        sources: &ImageRows<T>,
        mut work: impl FnMut(Part<'_, T>),
    ) {
        let runs = self.columns.runs();
        // Where both strides are 1, the view of a row goes on into the next one. What stands between two rows is not used.
        let joined = if self.rows.step == 1 && self.columns.step == 1 { TARGETS.div_ceil(pitch) } else { 1 };
        for first in rows.clone().step_by(joined) {
            let count = joined.min(rows.end - first);
            let start = (first - rows.start) * pitch;
            let targets = start..start + (count - 1) * pitch + self.columns.count;
            for (index, row) in self.rows.taps.iter().enumerate() {
                for run in &runs {
                    let depth = run.len() * self.source.0;
                    let tap = index * self.columns.taps.len() + run.start;
                    let kernel = tap * self.source.0 * self.target.0;
                    let row = (first * self.rows.step) as isize + row.offset;
                    let values = &sources.values[sources.at(row, self.columns.taps[run.start].offset)..];
                    let step = self.columns.step * self.source.0;
                    work(Part {
                        targets: targets.clone(),
                        kernel: kernel..kernel + depth * self.target.0,
                        sources: MatRef::from_column_major_slice_with_stride(values, depth, targets.len(), step),
                    });
                }
            }
        }
    }

    /// Some rows of targets, into the scratch's targets: the bias plus the correlation of the sources with the kernel.
    fn correlate<T: Scalar>(
        &self,
        image: (&[T], [usize; 2]),
        kernel: &[T],
        bias: Option<&[T]>,
        rows: Range<usize>,
        scratch: &mut Scratch<T>,
    ) {
        let Scratch { sources, targets, .. } = scratch;
        let (pitch, channels) = (self.take_sources(image, rows.clone(), sources), self.target.0);
        targets.clear(rows.len(), pitch, channels);
        if let Some(bias) = bias {
            targets.values.chunks_mut(channels).for_each(|pixel| pixel.copy_from_slice(bias));
        }
        self.for_each_part(rows, pitch, sources, |part| {
            let values = &mut targets.values[part.targets.start * channels..part.targets.end * channels];
            let out = MatMut::from_column_major_slice_mut(values, channels, part.targets.len());
            let kernel = MatRef::from_column_major_slice(&kernel[part.kernel], channels, part.sources.nrows());
            product(out, Accum::Add, kernel, part.sources, T::ONE, Par::Seq);
        });
    }

    /// `sum` += the gradient by the packed kernel from that by some rows of targets.
    fn correlate_adjoint<T: Scalar>(
        &self,
        image: (&[T], [usize; 2]),
        (gradient, positions): (&[T], [usize; 2]),
        rows: Range<usize>,
        scratch: &mut Scratch<T>,
        sum: &mut [T],
    ) {
        let Scratch { sources, targets, .. } = scratch;
        let (pitch, channels) = (self.take_sources(image, rows.clone(), sources), self.target.0);
        // Zeros between the rows.
        targets.fill((gradient, channels), positions, rows.start as isize..rows.end as isize, 0..pitch as isize);
        self.for_each_part(rows, pitch, sources, |part| {
            let values = &targets.values[part.targets.start * channels..part.targets.end * channels];
            let gradient = MatRef::from_column_major_slice(values, channels, part.targets.len());
            let out = MatMut::from_column_major_slice_mut(&mut sum[part.kernel], channels, part.sources.nrows());
            product(out, Accum::Add, gradient, part.sources.transpose(), T::ONE, Par::Seq);
        });
    }

    /// Puts the targets, some rows of this plan, where they belong in a block.
    fn store<T: Scalar>(&self, rows: Range<usize>, targets: &ImageRows<T>, block: &mut Block<'_, T>, width: usize) {
        let (pitch, channels, stride) = (targets.columns.len(), self.target.0, self.columns.stride);
        for (row, targets) in rows.zip(targets.values.chunks(pitch * channels)) {
            let first = (self.rows.start + row * self.rows.stride - block.rows.start) * width + self.columns.start;
            let pixels = &targets[..self.columns.count * channels];
            for (piece, pixels) in pixels.chunks(STORED * channels).enumerate() {
                let first = first + piece * STORED * stride;
                let count = pixels.len() / channels;
                for (channel, plane) in block.pixels.rb_mut().col_iter_mut().enumerate() {
                    let Some(plane) = plane.try_as_col_major_mut() else { continue };
                    let plane = &mut plane.as_slice_mut()[first..first + (count - 1) * stride + 1];
                    for pixel in 0..count {
                        plane[pixel * stride] = pixels[pixel * channels + channel];
                    }
                }
            }
        }
    }

    /// The block = α·Uᵀ·targets + bias, for the U, hidden×C_out, of a mix. Only for a plan forward.
    fn store_mixed<T: Scalar>(
        &self,
        targets: &ImageRows<T>,
        block: &mut Block<'_, T>,
        (alpha, mix): (T, MatRef<'_, T>),
        bias: Option<&[T]>,
        mixed: &mut Vec<T>,
    ) {
        let (pitch, hidden, width) = (targets.columns.len(), self.target.0, self.columns.count);
        // The planes of an image are apart by what is often a power of two, for which caches are bad, so the product is not made there.
        mixed.resize(width * mix.ncols(), T::ZERO);
        for (row, pixels) in targets.values.chunks(pitch * hidden).enumerate() {
            let pixels = MatRef::from_row_major_slice(&pixels[..width * hidden], width, hidden);
            let out = MatMut::from_column_major_slice_mut(mixed, width, mix.ncols());
            product(out, Accum::Replace, pixels, mix, alpha, Par::Seq);
            let planes = block.pixels.rb_mut().subrows_mut(row * width, width).col_iter_mut();
            for (channel, (plane, mixed)) in planes.zip(mixed.chunks(width)).enumerate() {
                let Some(plane) = plane.try_as_col_major_mut() else { continue };
                let bias = bias.map_or(T::ZERO, |bias| bias[channel]);
                plane.as_slice_mut().iter_mut().zip(mixed).for_each(|(y, x)| *y = *x + bias);
            }
        }
    }
}

/// Some rows of an image that is written.
struct Block<'a, T> {
    image: usize,
    rows: Range<usize>,
    /// Pixels×channels, a column for each channel.
    pixels: MatMut<'a, T>,
}

/// A batch of images of so many channels, some rows of an image each.
fn blocks<T: Scalar>(y: &mut [T], channels: usize, extents: [usize; 2], rows: usize) -> Vec<Block<'_, T>> {
    let [height, width] = extents;
    let mut blocks = Vec::new();
    for (image, y) in y.chunks_mut((channels * height * width).max(1)).enumerate() {
        let mut rest = MatMut::from_column_major_slice_mut(y, height * width, channels);
        for start in (0..height).step_by(rows) {
            let rows = start..height.min(start.saturating_add(rows));
            let (pixels, below) = rest.split_at_row_mut(rows.len() * width);
            rest = below;
            blocks.push(Block { image, rows, pixels });
        }
    }
    blocks
}
