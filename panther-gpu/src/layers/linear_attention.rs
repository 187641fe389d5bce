//! Attention through random features, linear in the length.
//!
//! Features of queries and keys are only ever in registers and shared memory. Sums over keys and queries, features×(d + 1) a head,
//! are made split by split, or where causal chunk by chunk, for as many chunks at a time as a bounded workspace holds.

use cudarc::driver::{DeviceRepr, LaunchConfig};

use crate::buffer::Pointer;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::layers::elementwise::scale;
use crate::layers::{THREADS, holds};
use crate::{Buffer, Device, DeviceReal, GpuError};

const KERNELS: KernelFile = kernel_file!("linear_attention");

/// Positions, features and columns of a tile, and positions of a chunk.
const TILE: usize = 64;

/// Numbers of shared memory of a block: two slabs, a tile, four rows; and two tiles more where positions of one chunk meet.
const SHARED: usize = 2 * 16 * (TILE + 4) + TILE * (TILE + 4) + 4 * TILE;
const SHARED_OF_CHUNKS: usize = SHARED + 2 * TILE * (TILE + 4);

/// Numbers of sums over keys or queries that are held at a time, at least one head's.
const WORKSPACE: usize = 1 << 22;

/// Blocks that keep a device busy.
const BLOCKS: usize = 512;

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

/// Attention of `batch` sequences with `heads` heads of dimension `head_dimension`.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a, T> {
    /// batch×queries×(heads·d).
    pub query: &'a Buffer<T>,
    /// batch×keys×(heads·d).
    pub key: &'a Buffer<T>,
    /// batch×keys×(heads·d).
    pub value: &'a Buffer<T>,
    /// Ω, features×d.
    pub projection: &'a Buffer<T>,
    /// batch×keys: which keys are attended. All where there is none.
    pub mask: Option<&'a [bool]>,
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
    /// m.
    pub features: usize,
    /// What they are.
    pub kind: Features,
    /// Whether position i attends to the keys up to i alone; then there are as many keys as queries.
    pub causal: bool,
}

/// What the way back needs: two numbers a query and head, and the largest exponents (of each chunk where causal) and the sums over
/// the keys (where not).
#[derive(Debug)]
pub struct Saved<T> {
    bases: Bases<T>,
    tops: Buffer<T>,
    denominators: Buffer<T>,
    state: Option<Buffer<T>>,
}

/// What the features of each chunk stand to.
#[derive(Debug)]
struct Bases<T> {
    numbers: Buffer<T>,
    /// Where the first is.
    start: usize,
    /// Numbers from one chunk's to the next: 0 where there is one for all.
    stride: usize,
}

impl<T: DeviceReal> Bases<T> {
    fn pointer(&self) -> Pointer {
        self.numbers.at(self.start)
    }
}

/// As the kernels know it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Sizes<T> {
    batch: i64,
    heads: i64,
    queries: i64,
    keys: i64,
    d: i64,
    m: i64,
    mode: u32,
    has_mask: u32,
    half_square: T,
    most: T,
    most_relu: T,
    headroom: T,
    least: T,
    ratio: T,
    epsilon: T,
    unused: T,
}

// SAFETY: numbers in the order of the kernels' struct, which has no padding but at its end.
unsafe impl<T: DeviceReal> DeviceRepr for Sizes<T> {}

/// What all launches of a call share.
struct Call<'a, T> {
    device: &'a Device,
    inputs: &'a Attention<'a, T>,
    sizes: Sizes<T>,
    /// Ω with the scale of the inputs.
    projection: Buffer<T>,
    mask: Option<Buffer<u8>>,
}

/// y, batch×queries×(heads·d), and what the way back needs.
///
/// # Errors
/// Those of this module's parent.
pub fn attend<T: DeviceReal>(inputs: &Attention<'_, T>) -> Result<(Buffer<T>, Saved<T>), GpuError> {
    let call = Call::new("attend", inputs)?;
    let (device, positions) = (call.device, call.all() * inputs.queries);
    let tops = Buffer::<T>::uninitialized(device, positions)?;
    let denominators = Buffer::<T>::uninitialized(device, positions)?;
    if inputs.query.is_empty() || inputs.key.is_empty() {
        let bases = Bases { numbers: Buffer::zeros(device, 0)?, start: 0, stride: 0 };
        return Ok((Buffer::zeros(device, inputs.query.len())?, Saved { bases, tops, denominators, state: None }));
    }
    let y = Buffer::<T>::uninitialized(device, inputs.query.len())?;
    let bases = call.bases()?;
    let mut saved = Saved { bases, tops, denominators, state: None };
    if inputs.causal {
        let carry = Buffer::<T>::zeros(device, call.state_len())?;
        for (first, chunks) in call.segments() {
            let states = Buffer::<T>::uninitialized(device, chunks * call.state_len())?;
            call.key_states(&saved.bases, &states, first, chunks, TILE)?;
            call.scan("scan_forward", &saved.bases, &states, first, chunks, &carry)?;
            call.outputs(&saved, (&states, call.state_len()), first, chunks, &y)?;
        }
    } else {
        let state = call.sum_over_splits(inputs.keys, |states, splits, share| {
            call.key_states(&saved.bases, states, 0, splits, share)
        })?;
        call.outputs(&saved, (&state, 0), 0, inputs.queries.div_ceil(TILE), &y)?;
        saved.state = Some(state);
    }
    Ok((y, saved))
}

/// The gradients by query, key and value from that by y.
///
/// # Errors
/// Those of this module's parent.
pub fn attend_backward<T: DeviceReal>(
    inputs: &Attention<'_, T>,
    y: &Buffer<T>,
    saved: &Saved<T>,
    dy: &Buffer<T>,
) -> Result<[Buffer<T>; 3], GpuError> {
    const NAME: &str = "attend_backward";
    let call = Call::new(NAME, inputs)?;
    let (device, positions) = (call.device, call.all() * inputs.queries);
    holds(NAME, "y", y, inputs.query.len())?;
    holds(NAME, "dy", dy, inputs.query.len())?;
    holds(NAME, "saved", &saved.tops, positions)?;
    if inputs.query.is_empty() || inputs.key.is_empty() {
        let zeros = |like: &Buffer<T>| Buffer::zeros(device, like.len());
        return Ok([zeros(inputs.query)?, zeros(inputs.key)?, zeros(inputs.value)?]);
    }
    call.check_saved(NAME, saved)?;
    let like = |x: &Buffer<T>| Buffer::<T>::uninitialized(device, x.len());
    let gradients = [like(inputs.query)?, like(inputs.key)?, like(inputs.value)?];
    let back = Back { call: &call, saved, dy, quotient: call.quotients(saved, y, dy)? };
    match &saved.state {
        Some(state) => back.full(state, &gradients)?,
        None => back.causal(&gradients)?,
    }
    Ok(gradients)
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

impl<'a, T: DeviceReal> Call<'a, T> {
    fn new(name: &'static str, inputs: &'a Attention<'a, T>) -> Result<Self, GpuError> {
        let &Attention { batch, heads, queries, keys, head_dimension: d, features: m, .. } = inputs;
        holds(name, "query", inputs.query, batch * queries * heads * d)?;
        holds(name, "key", inputs.key, batch * keys * heads * d)?;
        holds(name, "value", inputs.value, batch * keys * heads * d)?;
        holds(name, "projection", inputs.projection, m * d)?;
        if m == 0 || d == 0 || (inputs.causal && queries != keys) {
            let expected = "a feature, a dimension and, where causal, as many keys as queries";
            return Err(GpuError::shape(name, "key", expected, format!("{m}, {d}, {keys} and {queries}")));
        }
        if let Some(mask) = inputs.mask.filter(|mask| mask.len() != batch * keys) {
            return Err(GpuError::shape(name, "mask", format!("{batch}×{keys}"), mask.len().to_string()));
        }
        let device = inputs.query.device();
        let mut projection = inputs.projection.try_clone()?;
        scale(T::from_f64(input_scale(inputs)), &mut projection)?;
        let mask = inputs.mask.map(|mask| {
            let mask: Vec<u8> = mask.iter().map(|&attended| u8::from(attended)).collect();
            Buffer::from_host(device, &mask)
        });
        Ok(Self { device, inputs, sizes: sizes(inputs), projection, mask: mask.transpose()? })
    }

    /// Heads of all sequences.
    fn all(&self) -> usize {
        self.inputs.batch * self.inputs.heads
    }

    /// Numbers of a chunk's bases.
    fn base_len(&self) -> usize {
        self.all() * self.inputs.features
    }

    /// Numbers of the sums over keys or queries of all heads.
    fn state_len(&self) -> usize {
        self.base_len() * (self.inputs.head_dimension + 1)
    }

    /// Tiles of features and of columns.
    fn tiles(&self) -> [usize; 2] {
        [self.inputs.features.div_ceil(TILE), self.inputs.head_dimension.div_ceil(TILE)]
    }

    fn mask(&self) -> Pointer {
        self.mask.as_ref().map_or(0, Buffer::pointer)
    }

    /// Chunks that are held at a time: the first and how many.
    fn segments(&self) -> Vec<(usize, usize)> {
        let chunks = self.inputs.keys.div_ceil(TILE);
        let held = (WORKSPACE / self.state_len()).clamp(1, chunks.max(1));
        (0..chunks).step_by(held).map(|first| (first, held.min(chunks - first))).collect()
    }

    /// Splits of so many positions, and positions of each.
    fn splits(&self, positions: usize) -> (usize, usize) {
        let [features, columns] = self.tiles();
        let tiles = positions.div_ceil(TILE);
        let wanted = BLOCKS.div_ceil(self.all() * features * columns).min(WORKSPACE / self.state_len()).clamp(1, tiles);
        let share = tiles.div_ceil(wanted) * TILE;
        (positions.div_ceil(share), share)
    }

    /// What the features stand to.
    fn bases(&self) -> Result<Bases<T>, GpuError> {
        let (device, width) = (self.device, self.base_len());
        if matches!(self.inputs.kind, Features::Relu { .. }) {
            return Ok(Bases { numbers: Buffer::zeros(device, width)?, start: 0, stride: 0 });
        }
        let is_running = self.inputs.causal && self.inputs.kind == Features::Softmax;
        let (splits, share) =
            if is_running { (self.inputs.keys.div_ceil(TILE), TILE) } else { self.splits(self.inputs.keys) };
        let numbers = Buffer::<T>::uninitialized(device, (splits + 1) * width)?;
        launch!(
            device,
            T,
            KERNELS.kernel("key_maxima"),
            blocks::<T>([splits * self.all(), self.tiles()[0], 1], false),
            self.sizes,
            self.inputs.key.pointer(),
            self.mask(),
            self.projection.pointer(),
            share as i64,
            numbers.at(width),
        )?;
        let start = T::ZERO - self.sizes.most;
        let (kernel, config) = (KERNELS.kernel("prefix_maxima"), grid_over(width, THREADS));
        launch!(device, T, kernel, config, numbers.pointer(), splits as u64, width as u64, start)?;
        if is_running {
            return Ok(Bases { numbers, start: 0, stride: width });
        }
        if self.inputs.kind == Features::SoftmaxOriginal {
            let (kernel, heads) = (KERNELS.kernel("spread_maxima"), self.all());
            let (last, config) = (numbers.at(splits * width), grid_over(heads, THREADS));
            launch!(device, T, kernel, config, last, heads as u64, self.inputs.features as u64)?;
        }
        Ok(Bases { numbers, start: splits * width, stride: 0 })
    }

    /// The sums over the keys of each split from `first` on.
    fn key_states(
        &self,
        bases: &Bases<T>,
        states: &Buffer<T>,
        first: usize,
        splits: usize,
        share: usize,
    ) -> Result<(), GpuError> {
        let [features, columns] = self.tiles();
        launch!(
            self.device,
            T,
            KERNELS.kernel("key_states"),
            blocks::<T>([splits * self.all(), features, columns], false),
            self.sizes,
            self.inputs.key.pointer(),
            self.inputs.value.pointer(),
            self.mask(),
            self.projection.pointer(),
            bases.pointer(),
            bases.stride as i64,
            first as i64,
            share as i64,
            states.pointer(),
        )
    }

    /// The sum of what `work`(states, splits, positions of each) writes for each split.
    fn sum_over_splits(
        &self,
        positions: usize,
        work: impl Fn(&Buffer<T>, usize, usize) -> Result<(), GpuError>,
    ) -> Result<Buffer<T>, GpuError> {
        let ((splits, share), width) = (self.splits(positions), self.state_len());
        let states = Buffer::<T>::uninitialized(self.device, splits * width)?;
        work(&states, splits, share)?;
        if splits == 1 {
            return Ok(states);
        }
        // What is kept for the way back should not be larger than it must.
        let sum = Buffer::<T>::uninitialized(self.device, width)?;
        let (kernel, config) = (KERNELS.kernel("sum_states"), grid_over(width, THREADS));
        let (from, to) = (states.pointer(), sum.pointer());
        launch!(self.device, T, kernel, config, from, splits as u64, width as u64, to)?;
        Ok(sum)
    }

    fn scan(
        &self,
        kernel: &'static str,
        bases: &Bases<T>,
        states: &Buffer<T>,
        first: usize,
        chunks: usize,
        carry: &Buffer<T>,
    ) -> Result<(), GpuError> {
        launch!(
            self.device,
            T,
            KERNELS.kernel(kernel),
            grid_over(self.state_len(), THREADS),
            states.pointer(),
            bases.pointer(),
            bases.stride as u64,
            first as u64,
            chunks as u64,
            (self.inputs.head_dimension + 1) as u64,
            self.state_len() as u64,
            carry.pointer(),
        )
    }

    /// y of so many tiles of queries, with their tops and denominators.
    fn outputs(
        &self,
        saved: &Saved<T>,
        (states, state_stride): (&Buffer<T>, usize),
        first: usize,
        tiles: usize,
        y: &Buffer<T>,
    ) -> Result<(), GpuError> {
        launch!(
            self.device,
            T,
            KERNELS.kernel("outputs"),
            blocks::<T>([tiles * self.all(), self.tiles()[1], 1], self.inputs.causal),
            self.sizes,
            self.inputs.query.pointer(),
            self.inputs.key.pointer(),
            self.inputs.value.pointer(),
            self.mask(),
            self.projection.pointer(),
            saved.bases.pointer(),
            saved.bases.stride as i64,
            states.pointer(),
            state_stride as i64,
            first as i64,
            u32::from(self.inputs.causal),
            saved.tops.pointer(),
            saved.denominators.pointer(),
            y.pointer(),
        )
    }

    fn check_saved(&self, name: &'static str, saved: &Saved<T>) -> Result<(), GpuError> {
        holds(name, "saved", &saved.denominators, self.all() * self.inputs.queries)?;
        let chunks = if saved.bases.stride > 0 { self.inputs.keys.div_ceil(TILE) } else { 0 };
        let end = saved.bases.start + chunks * saved.bases.stride + self.base_len();
        let is_whole = end <= saved.bases.numbers.len() && saved.state.is_none() == self.inputs.causal;
        if !is_whole || saved.state.as_ref().is_some_and(|state| state.len() != self.state_len()) {
            return Err(GpuError::shape(name, "saved", "that of this attention", "that of another"));
        }
        Ok(())
    }

    fn quotients(&self, saved: &Saved<T>, y: &Buffer<T>, dy: &Buffer<T>) -> Result<[Buffer<T>; 2], GpuError> {
        let count = self.all() * self.inputs.queries;
        let inverses = Buffer::<T>::uninitialized(self.device, count)?;
        let slopes = Buffer::<T>::uninitialized(self.device, count)?;
        launch!(
            self.device,
            T,
            KERNELS.kernel("quotients"),
            grid_over(count, 64),
            self.sizes,
            y.pointer(),
            dy.pointer(),
            saved.denominators.pointer(),
            inverses.pointer(),
            slopes.pointer(),
            count as u64,
        )?;
        Ok([inverses, slopes])
    }
}

/// The way back.
struct Back<'a, T> {
    call: &'a Call<'a, T>,
    saved: &'a Saved<T>,
    dy: &'a Buffer<T>,
    /// 1/denominator and dy·y/denominator of each query.
    quotient: [Buffer<T>; 2],
}

impl<T: DeviceReal> Back<'_, T> {
    fn full(&self, state: &Buffer<T>, [dq, dk, dv]: &[Buffer<T>; 3]) -> Result<(), GpuError> {
        let Attention { queries, keys, .. } = *self.call.inputs;
        self.query_gradients((state, 0), 0, queries.div_ceil(TILE), dq)?;
        let sums =
            self.call.sum_over_splits(queries, |states, splits, share| self.query_states(states, 0, splits, share))?;
        self.key_gradients((&sums, 0), 0, keys.div_ceil(TILE), dk, dv)
    }

    fn causal(&self, [dq, dk, dv]: &[Buffer<T>; 3]) -> Result<(), GpuError> {
        let (call, bases) = (self.call, &self.saved.bases);
        let (device, width) = (call.device, call.state_len());
        // 1. Queries, with the sums over the keys before.
        let carry = Buffer::<T>::zeros(device, width)?;
        for (first, chunks) in call.segments() {
            let states = Buffer::<T>::uninitialized(device, chunks * width)?;
            call.key_states(bases, &states, first, chunks, TILE)?;
            call.scan("scan_forward", bases, &states, first, chunks, &carry)?;
            self.query_gradients((&states, width), first, chunks, dq)?;
        }
        // 2. Keys and values, with the sums over the queries behind.
        let carry = Buffer::<T>::zeros(device, width)?;
        for (first, chunks) in call.segments().into_iter().rev() {
            let states = Buffer::<T>::uninitialized(device, chunks * width)?;
            self.query_states(&states, first, chunks, TILE)?;
            call.scan("scan_backward", bases, &states, first, chunks, &carry)?;
            self.key_gradients((&states, width), first, chunks, dk, dv)?;
        }
        Ok(())
    }

    /// The sums over the queries of each split from `first` on.
    fn query_states(&self, states: &Buffer<T>, first: usize, splits: usize, share: usize) -> Result<(), GpuError> {
        let (call, saved, [inverses, slopes]) = (self.call, self.saved, &self.quotient);
        let [features, columns] = call.tiles();
        launch!(
            call.device,
            T,
            KERNELS.kernel("query_states"),
            blocks::<T>([splits * call.all(), features, columns], false),
            call.sizes,
            call.inputs.query.pointer(),
            self.dy.pointer(),
            call.projection.pointer(),
            saved.bases.pointer(),
            saved.bases.stride as i64,
            saved.tops.pointer(),
            inverses.pointer(),
            slopes.pointer(),
            first as i64,
            share as i64,
            states.pointer(),
        )
    }

    fn query_gradients(
        &self,
        (states, state_stride): (&Buffer<T>, usize),
        first: usize,
        tiles: usize,
        dq: &Buffer<T>,
    ) -> Result<(), GpuError> {
        let (call, saved, [inverses, slopes]) = (self.call, self.saved, &self.quotient);
        launch!(
            call.device,
            T,
            KERNELS.kernel("query_gradients"),
            blocks::<T>([tiles * call.all(), call.tiles()[1], 1], call.inputs.causal),
            call.sizes,
            call.inputs.query.pointer(),
            call.inputs.key.pointer(),
            call.inputs.value.pointer(),
            call.mask(),
            call.projection.pointer(),
            saved.bases.pointer(),
            saved.bases.stride as i64,
            states.pointer(),
            state_stride as i64,
            first as i64,
            u32::from(call.inputs.causal),
            self.dy.pointer(),
            saved.tops.pointer(),
            inverses.pointer(),
            slopes.pointer(),
            dq.pointer(),
        )
    }

    fn key_gradients(
        &self,
        (states, state_stride): (&Buffer<T>, usize),
        first: usize,
        tiles: usize,
        dk: &Buffer<T>,
        dv: &Buffer<T>,
    ) -> Result<(), GpuError> {
        let (call, saved, [inverses, slopes]) = (self.call, self.saved, &self.quotient);
        launch!(
            call.device,
            T,
            KERNELS.kernel("key_gradients"),
            blocks::<T>([tiles * call.all(), call.tiles()[1], 1], call.inputs.causal),
            call.sizes,
            call.inputs.query.pointer(),
            call.inputs.key.pointer(),
            call.inputs.value.pointer(),
            call.mask(),
            call.projection.pointer(),
            saved.bases.pointer(),
            saved.bases.stride as i64,
            states.pointer(),
            state_stride as i64,
            first as i64,
            u32::from(call.inputs.causal),
            self.dy.pointer(),
            saved.tops.pointer(),
            inverses.pointer(),
            slopes.pointer(),
            dk.pointer(),
            dv.pointer(),
        )
    }
}

/// What queries and keys are multiplied by.
fn input_scale<T>(inputs: &Attention<'_, T>) -> f64 {
    match inputs.kind {
        Features::Softmax | Features::SoftmaxOriginal => (inputs.head_dimension as f64).powf(-0.25),
        Features::Relu { .. } => (inputs.features as f64).sqrt().recip(),
    }
}

fn sizes<T: DeviceReal>(inputs: &Attention<'_, T>) -> Sizes<T> {
    /// What the original package adds to each feature.
    const ORIGINAL_EPSILON: f64 = 1e-5;
    let is_single = size_of::<T>() == size_of::<f32>();
    let (highest, smallest) =
        if is_single { (f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)) } else { (f64::MAX, f64::MIN_POSITIVE) };
    let precision = if is_single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    // Bounds of the exponents, so that sums and differences of two are finite, and of relu features, for their products.
    let most = 0.25 * highest;
    let (mode, epsilon) = match inputs.kind {
        Features::Softmax => (0, 0.0),
        Features::SoftmaxOriginal => (1, ORIGINAL_EPSILON),
        Features::Relu { epsilon } => (2, epsilon),
    };
    Sizes {
        batch: inputs.batch as i64,
        heads: inputs.heads as i64,
        queries: inputs.queries as i64,
        keys: inputs.keys as i64,
        d: inputs.head_dimension as i64,
        m: inputs.features as i64,
        mode,
        has_mask: u32::from(inputs.mask.is_some()),
        half_square: T::from_f64(0.5 * input_scale(inputs).powi(2)),
        most: T::from_f64(most),
        most_relu: T::from_f64(most.sqrt().sqrt()),
        headroom: T::from_f64(-2.0 * precision.ln()),
        least: T::from_f64(smallest / precision),
        ratio: T::from_f64((inputs.features as f64).sqrt().recip()),
        epsilon: T::from_f64(epsilon),
        unused: T::ZERO,
    }
}
