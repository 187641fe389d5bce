//! Attention through random features, linear in the length.
//!
//! Features of queries and keys are only ever in registers and shared memory. Sums over keys and queries, features×(dv + 1) a head,
//! are made split by split, or where causal chunk by chunk, for as many chunks at a time as a bounded workspace holds.

mod arguments;
pub(crate) mod backward;
pub(crate) mod forward;

use std::sync::Arc;

use arguments::{Arguments, Sums, sizes};
pub use backward::attend_backward;
use cudarc::driver::LaunchConfig;
pub use forward::attend;

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{Constant, KernelFile, WARP, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::limits::blocks_across;
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError};

pub(crate) const STATES: KernelFile =
    kernel_file!("layers/linear_attention/states", "layers/linear_attention/features.cuh").with(&CONSTANTS);
pub(crate) const CAUSAL_SCAN: KernelFile =
    kernel_file!("layers/linear_attention/causal_scan", "layers/linear_attention/features.cuh").with(&CONSTANTS);

/// Positions, features and columns of a tile, and positions of a chunk.
const TILE: usize = 64;

/// What a product sums at a time, and values from one row of a tile in shared memory to the next.
const DEPTH: usize = 16;
const PITCH: usize = TILE + 4;

/// Values of shared memory of a block: two slabs, a tile, four rows; and two tiles more where positions of one chunk meet.
const SHARED: usize = 2 * DEPTH * PITCH + TILE * PITCH + 4 * TILE;
const SHARED_OF_CHUNKS: usize = SHARED + 2 * TILE * PITCH;

/// The kernels' codes of the kinds of features.
const STABLE: usize = 0;
const ORIGINAL: usize = 1;
const RELU: usize = 2;

/// What all files of kernels share with Rust.
const CONSTANTS: [Constant; 13] = [
    Constant::int("TILE", TILE),
    Constant::int("DEPTH", DEPTH),
    Constant::int("PITCH", PITCH),
    Constant::int("BLOCK_THREADS", THREADS as usize),
    Constant::int("RANGES", THREADS as usize / LANES),
    Constant::u32("SHARED_NUMBERS", SHARED),
    Constant::u32("SHARED_NUMBERS_OF_CHUNKS", SHARED_OF_CHUNKS),
    Constant::int("STABLE", STABLE),
    Constant::int("ORIGINAL", ORIGINAL),
    Constant::int("RELU", RELU),
    Constant::sizes_of::<Arguments<f32>, Arguments<f64>>("SIZE_OF_ATTENTION"),
    Constant::size_of::<Sums>("SIZE_OF_SUMS"),
    Constant::size_of::<backward::Slopes>("SIZE_OF_SLOPES"),
];

/// Values of sums over keys or queries that are held at a time, at least one head's.
const WORKSPACE: usize = 5 << 20;

/// Blocks that keep a device busy.
const BLOCKS: usize = 512;

/// Values that a block of a scan takes, one a lane.
const LANES: usize = WARP;

/// What the features are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Features {
    /// exp(ω·x − ‖x‖²/2), x scaled by d^−¼, with the largest exponents taken out.
    Softmax,
    /// (exp(ω·x − ‖x‖²/2 − c) + 10⁻⁵)/√m, c the largest ω·x of the query or of all keys of the head.
    SoftmaxOriginal,
    /// max(ω·x/√m, 0) plus a number.
    Relu {
        /// The number.
        epsilon: f64,
    },
}

/// Attention of `batch` sequences with `heads` heads, in which queries and keys have d columns and values dv.
#[derive(Clone, Debug)]
pub struct Attention<'a, T> {
    /// batch×queries×(heads·d).
    pub query: Arc<Buffer<T>>,
    /// batch×keys×(heads·d).
    pub key: Arc<Buffer<T>>,
    /// batch×keys×(heads·dv).
    pub value: Arc<Buffer<T>>,
    /// Ω, features×d.
    pub projection: &'a Buffer<T>,
    /// batch×keys: which keys are attended. All where there is none.
    pub mask: Option<&'a [bool]>,
    /// Which rows are not read.
    pub marks: Marks<'a, T>,
    /// How large it is, and of which kind.
    pub shape: Shape,
}

/// Marks of rows, as [`row_marks`](crate::layers::row_marks) gives them: a row whose mark is not 0 is taken for zeros and not read.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a, T> {
    /// batch×queries.
    pub query: &'a Buffer<T>,
    /// batch×keys.
    pub key: &'a Buffer<T>,
    /// batch×keys.
    pub value: &'a Buffer<T>,
}

/// How large an attention is, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// How many sequences.
    pub batch: usize,
    /// Heads of each.
    pub heads: usize,
    /// Positions of a sequence of queries.
    pub queries: usize,
    /// Positions of a sequence of keys.
    pub keys: usize,
    /// d.
    pub head_dimension: usize,
    /// dv.
    pub value_dimension: usize,
    /// m.
    pub features: usize,
    /// What they are.
    pub kind: Features,
    /// Whether position i attends to the keys up to i alone; then there are as many keys as queries.
    pub causal: bool,
}

impl Shape {
    /// Values of y.
    const fn output_len(&self) -> usize {
        self.batch * self.queries * self.heads * self.value_dimension
    }
}

/// What the backward pass needs: two values a query and head, and the largest exponents (of each chunk where causal) and the sums over
/// the keys (where not).
#[derive(Debug)]
pub struct Saved<T> {
    bases: Buffer<T>,
    tops: Buffer<T>,
    denominators: Buffer<T>,
    state: Option<Buffer<T>>,
}

/// What all launches of a call share. The tensors are the caller's, to be freed when no launch to come reads them.
struct Call<T> {
    device: Device,
    shape: Shape,
    sizes: Arguments<T>,
    mask: Option<Buffer<u8>>,
    /// The largest ω·k of each head, for the original's features.
    largest: Option<Buffer<T>>,
}

/// A launch of blocks of the kernels' size.
fn blocks<T>([x, y, z]: [usize; 3], is_of_chunks: bool) -> LaunchConfig {
    let numbers = if is_of_chunks { SHARED_OF_CHUNKS } else { SHARED };
    LaunchConfig {
        grid_dim: (x as u32, y as u32, z as u32),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: (numbers * size_of::<T>()) as u32,
    }
}

/// A launch for a scan of so many values.
fn scan_over(count: usize) -> LaunchConfig {
    LaunchConfig { grid_dim: (count.div_ceil(LANES) as u32, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

impl<T: DeviceReal> Call<T> {
    fn new(name: &'static str, inputs: &Attention<'_, T>) -> Result<Self, GpuError> {
        let shape = inputs.shape;
        let Shape { batch, heads, queries, keys, head_dimension: d, value_dimension: dv, features: m, .. } = shape;
        holds(name, "query", &inputs.query, batch * queries * heads * d)?;
        holds(name, "key", &inputs.key, batch * keys * heads * d)?;
        holds(name, "value", &inputs.value, batch * keys * heads * dv)?;
        holds(name, "projection", inputs.projection, m * d)?;
        holds(name, "marks of the query", inputs.marks.query, batch * queries)?;
        holds(name, "marks of the key", inputs.marks.key, batch * keys)?;
        holds(name, "marks of the value", inputs.marks.value, batch * keys)?;
        if m == 0 || d == 0 || dv == 0 || (shape.causal && queries != keys) {
            let expected = "a feature, columns of keys and values and, where causal, as many keys as queries";
            return Err(GpuError::shape(name, "key", expected, format!("{m}, {d}, {dv}, {keys} and {queries}")));
        }
        if let Some(mask) = inputs.mask.filter(|mask| mask.len() != batch * keys) {
            return Err(GpuError::shape(name, "mask", format!("{batch}×{keys}"), mask.len().to_string()));
        }
        for (argument, extent) in [("features", m), ("columns of a key", d), ("columns of a value", dv)] {
            blocks_across(name, argument, extent, TILE)?;
        }
        let device = inputs.query.device().clone();
        let mask = inputs.mask.map(|mask| {
            let mask: Vec<u8> = mask.iter().map(|&attended| u8::from(attended)).collect();
            Buffer::from_host(&device, &mask)
        });
        let mask = mask.transpose()?;
        let mut call = Self { device, shape, sizes: sizes(inputs), mask, largest: None };
        if shape.kind == Features::SoftmaxOriginal && !inputs.key.is_empty() {
            call.largest = Some(call.largest_products()?);
        }
        Ok(call)
    }

    fn arguments(&self) -> Arguments<T> {
        Arguments {
            mask: self.mask.as_ref().map_or(0, Buffer::pointer),
            largest: self.largest.as_ref().map_or(0, Buffer::pointer),
            ..self.sizes
        }
    }

    /// Heads of all sequences.
    fn all(&self) -> usize {
        self.shape.batch * self.shape.heads
    }

    /// Values of a chunk's bases: the features of all heads.
    fn base_len(&self) -> usize {
        self.all() * self.shape.features
    }

    /// Values of the sums over keys or queries of all heads.
    fn state_len(&self) -> usize {
        self.base_len() * (self.shape.value_dimension + 1)
    }

    /// Tiles of features, of columns of queries and keys, and of columns of values.
    fn tiles(&self) -> [usize; 3] {
        let Shape { features, head_dimension, value_dimension, .. } = self.shape;
        [features, head_dimension, value_dimension].map(|extent| extent.div_ceil(TILE))
    }

    /// The kernel for what is causal, or for what is not.
    fn either(&self, causal: &'static str, full: &'static str) -> &'static str {
        if self.shape.causal { causal } else { full }
    }

    /// Chunks that are held at a time, as even as can be: the first and how many.
    fn segments(&self) -> Vec<(usize, usize)> {
        let chunks = self.shape.keys.div_ceil(TILE);
        let most = (WORKSPACE / self.state_len()).max(1);
        let held = chunks.div_ceil(chunks.div_ceil(most).max(1)).max(1);
        (0..chunks).step_by(held).map(|first| (first, held.min(chunks - first))).collect()
    }

    /// Splits of so many positions, and positions of each.
    fn splits(&self, positions: usize) -> (usize, usize) {
        let [features, _, columns] = self.tiles();
        let tiles = positions.div_ceil(TILE);
        let wanted = BLOCKS.div_ceil(self.all() * features * columns).min(WORKSPACE / self.state_len()).clamp(1, tiles);
        let share = tiles.div_ceil(wanted) * TILE;
        (positions.div_ceil(share), share)
    }

    /// Sums with what they stand to: one of each for all, or where causal one for each chunk from `first` on.
    fn sums(&self, bases: &Buffer<T>, states: Pointer, first: usize) -> Sums {
        let stride = |len: usize| if self.shape.causal { len as i64 } else { 0 };
        let (base_stride, state_stride) = (stride(self.base_len()), stride(self.state_len()));
        Sums { bases: bases.pointer(), base_stride, states, state_stride, first: first as i64 }
    }

    /// The largest ω·k of each head.
    fn largest_products(&self) -> Result<Buffer<T>, GpuError> {
        let ((splits, share), [features, ..]) = (self.splits(self.shape.keys), self.tiles());
        let parts = Buffer::<T>::uninitialized(&self.device, splits * features * self.all())?;
        let kernel = STATES.kernel("largest_products");
        let config = blocks::<T>([splits * self.all(), features, 1], false);
        launch!(self.device, T, kernel, config, self.arguments(), share as i64, parts.pointer())?;
        let largest = Buffer::<T>::uninitialized(&self.device, self.all())?;
        let (kernel, config) = (STATES.kernel("largest_of_heads"), grid_over(self.all(), THREADS));
        let count = (splits * features) as u64;
        launch!(self.device, T, kernel, config, parts.pointer(), count, self.all() as u64, largest.pointer())?;
        Ok(largest)
    }

    /// The sums over the keys of each split from `first` on, and what they stand to.
    fn key_states(&self, first: usize, splits: usize, share: usize) -> Result<[Buffer<T>; 2], GpuError> {
        let [features, _, columns] = self.tiles();
        let states = Buffer::<T>::uninitialized(&self.device, splits * self.state_len())?;
        let maxima = Buffer::<T>::uninitialized(&self.device, splits * self.base_len())?;
        launch!(
            self.device,
            T,
            STATES.kernel("key_states"),
            blocks::<T>([splits * self.all(), features, columns], false),
            self.arguments(),
            first as i64,
            share as i64,
            states.pointer(),
            maxima.pointer(),
        )?;
        Ok([states, maxima])
    }

    /// From the sums over the keys of each chunk of a segment to those over the keys before it.
    fn scan_keys(
        &self,
        [states, maxima]: &[Buffer<T>; 2],
        bases: &Buffer<T>,
        (first, chunks): (usize, usize),
        carry: &Buffer<T>,
    ) -> Result<(), GpuError> {
        launch!(
            self.device,
            T,
            CAUSAL_SCAN.kernel("scan_keys"),
            scan_over(self.state_len()),
            states.pointer(),
            maxima.pointer(),
            bases.at(first * self.base_len()),
            chunks as u64,
            self.shape.features as u64,
            self.shape.value_dimension as u64,
            self.base_len() as u64,
            self.state_len() as u64,
            u32::from(first > 0),
            carry.pointer(),
        )
    }

    /// The sum of all splits: to the largest of their maxima, which are written to `bases`, or to what all stand to.
    fn join(
        &self,
        states: Buffer<T>,
        splits: usize,
        of_keys: Option<(&Buffer<T>, &Buffer<T>)>,
    ) -> Result<Buffer<T>, GpuError> {
        let sum = Buffer::<T>::uninitialized(&self.device, self.state_len())?;
        let (maxima, bases) = of_keys.map_or((0, 0), |(maxima, bases)| (maxima.pointer(), bases.pointer()));
        launch!(
            self.device,
            T,
            STATES.kernel("join_states"),
            grid_over(self.state_len(), THREADS),
            states.pointer(),
            maxima,
            splits as u64,
            self.shape.features as u64,
            self.shape.value_dimension as u64,
            self.base_len() as u64,
            self.state_len() as u64,
            sum.pointer(),
            bases,
        )?;
        Ok(sum)
    }
}
