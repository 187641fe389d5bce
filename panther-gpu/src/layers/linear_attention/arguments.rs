//! What the kernels are given.

use cudarc::driver::DeviceRepr;

use super::{Attention, Features, ORIGINAL, RELU, STABLE, Shape};
use crate::DeviceReal;
use crate::runtime::pool::Pointer;

/// The argument `Attention` of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Arguments<T> {
    pub query: Pointer,
    pub key: Pointer,
    pub value: Pointer,
    pub projection: Pointer,
    pub mask: Pointer,
    pub largest: Pointer,
    pub query_marks: Pointer,
    pub key_marks: Pointer,
    pub value_marks: Pointer,
    pub batch: i64,
    pub heads: i64,
    pub queries: i64,
    pub keys: i64,
    pub d: i64,
    pub dv: i64,
    pub m: i64,
    pub mode: i64,
    pub scale: T,
    pub half_square: T,
    pub most: T,
    pub most_relu: T,
    pub headroom: T,
    pub least: T,
    pub start: T,
    pub ratio: T,
    pub epsilon: T,
}

// SAFETY: values in the order of the kernels' struct, which has no padding but at its end.
unsafe impl<T: DeviceReal> DeviceRepr for Arguments<T> {}

/// Sums over keys or queries, and what they stand to: an argument of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub bases: Pointer,
    pub base_stride: i64,
    pub states: Pointer,
    pub state_stride: i64,
    pub first: i64,
}

// SAFETY: values in the order of the kernels' struct.
unsafe impl DeviceRepr for Sums {}

/// What queries and keys are multiplied by.
fn input_scale(shape: &Shape) -> f64 {
    match shape.kind {
        Features::Softmax | Features::SoftmaxOriginal => (shape.head_dimension as f64).powf(-0.25),
        Features::Relu { .. } => (shape.features as f64).sqrt().recip(),
    }
}

/// All arguments but what [`Call::arguments`](super::Call::arguments) adds.
pub(super) fn sizes<T: DeviceReal>(inputs: &Attention<'_, T>) -> Arguments<T> {
    /// What the original package adds to each feature.
    const ORIGINAL_EPSILON: f64 = 1e-5;
    let is_single = size_of::<T>() == size_of::<f32>();
    let (highest, smallest) =
        if is_single { (f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)) } else { (f64::MAX, f64::MIN_POSITIVE) };
    let precision = if is_single { f64::from(f32::EPSILON) } else { f64::EPSILON };
    // Bounds of the exponents, so that sums and differences of two are finite, and of relu features, for their products.
    let most = 0.25 * highest;
    let shape = &inputs.shape;
    let (mode, epsilon) = match shape.kind {
        Features::Softmax => (STABLE, 0.0),
        Features::SoftmaxOriginal => (ORIGINAL, ORIGINAL_EPSILON),
        Features::Relu { epsilon } => (RELU, epsilon),
    };
    Arguments {
        query: inputs.query.pointer(),
        key: inputs.key.pointer(),
        value: inputs.value.pointer(),
        projection: inputs.projection.pointer(),
        mask: 0,
        largest: 0,
        query_marks: inputs.marks.query.pointer(),
        key_marks: inputs.marks.key.pointer(),
        value_marks: inputs.marks.value.pointer(),
        batch: shape.batch as i64,
        heads: shape.heads as i64,
        queries: shape.queries as i64,
        keys: shape.keys as i64,
        d: shape.head_dimension as i64,
        dv: shape.value_dimension as i64,
        m: shape.features as i64,
        mode: mode as i64,
        scale: T::from_f64(input_scale(shape)),
        half_square: T::from_f64(0.5 * input_scale(shape).powi(2)),
        most: T::from_f64(most),
        most_relu: T::from_f64(most.sqrt().sqrt()),
        headroom: T::from_f64(-2.0 * precision.ln()),
        least: T::from_f64(smallest / precision),
        start: T::from_f64(if shape.kind == Features::Softmax { -most } else { 0.0 }),
        ratio: T::from_f64((shape.features as f64).sqrt().recip()),
        epsilon: T::from_f64(epsilon),
    }
}
