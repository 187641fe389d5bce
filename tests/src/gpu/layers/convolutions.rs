//! Convolutions and pooling.

use panther_nn::Scalar;
use panther_nn::backend::{Backend, Geometry};

use super::{Case, Outputs};

pub(super) const fn geometry(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
) -> Geometry {
    Geometry { kernel, stride, padding, dilation }
}

pub(super) fn pooling<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 12);
    for (shape, at) in [
        ([0, 2, 5, 5], geometry([2, 2], [2, 2], [[0; 2]; 2], [1, 1])),
        ([2, 3, 8, 9], geometry([2, 2], [2, 2], [[0; 2]; 2], [1, 1])),
        ([1, 2, 11, 7], geometry([3, 2], [2, 1], [[1, 0], [1, 1]], [2, 1])),
        ([2, 1, 40, 33], geometry([5, 3], [1, 1], [[2, 2], [1, 1]], [1, 1])),
    ] {
        let x = case.gaussian::<T>(&shape, 1.0)?;
        let (largest, mean) = (backend.max_pool(&x, at)?, backend.average_pool(&x, at)?);
        case.keep("largest", &largest)?;
        case.keep("mean", &mean)?;
        let dy = case.gaussian::<T>(B::shape(&mean), 1.0)?;
        case.keep("by largest", &backend.max_pool_backward(&x, &dy, at)?)?;
        case.keep("by mean", &backend.average_pool_backward(&dy, [shape[2], shape[3]], at)?)?;
    }
    Ok(case.outputs)
}

pub(super) fn convolutions<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 13);
    for (shape, c_out, at) in [
        ([0, 2, 5, 5], 3, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        ([1, 1, 1, 1], 1, geometry([1, 1], [1, 1], [[0; 2]; 2], [1, 1])),
        ([2, 3, 17, 35], 5, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        ([3, 20, 9, 10], 33, geometry([1, 1], [1, 1], [[0; 2]; 2], [1, 1])),
        ([2, 4, 23, 19], 9, geometry([3, 5], [2, 3], [[1, 0], [2, 1]], [1, 2])),
        ([1, 2, 70, 66], 17, geometry([9, 9], [1, 1], [[4; 2]; 2], [1, 1])),
        ([1, 40, 12, 40], 40, geometry([3, 3], [1, 1], [[0, 2], [3, 0]], [2, 2])),
        // Several tiles each way, several shares of them, and channels in several slabs.
        ([3, 37, 70, 75], 20, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        // Few pixels and many channels, which several blocks then share.
        ([2, 150, 9, 11], 20, geometry([3, 3], [2, 1], [[1; 2]; 2], [1, 1])),
        ([1, 70, 10, 8], 70, geometry([9, 9], [1, 1], [[4; 2]; 2], [1, 1])),
        // A patch that shared memory does not hold.
        ([1, 1, 420, 430], 2, geometry([2, 2], [1, 1], [[0; 2]; 2], [400, 400])),
    ] {
        let [_, c_in, rows, columns] = shape;
        let x = case.gaussian::<T>(&shape, 1.0)?;
        let weight = case.gaussian::<T>(&[c_out, c_in, at.kernel[0], at.kernel[1]], 1.0)?;
        let bias = case.gaussian::<T>(&[c_out], 1.0)?;
        let y = backend.convolve(&x, &weight, None, Some(&bias), at)?;
        case.keep(format!("y {shape:?}"), &y)?;
        let (mix, mixed_bias) = (case.gaussian::<T>(&[c_out, 11], 1.0)?, case.gaussian::<T>(&[11], 1.0)?);
        let mixed = backend.convolve(&x, &weight, Some((T::from_f64(0.25), &mix)), Some(&mixed_bias), at)?;
        case.keep(format!("mixed {shape:?}"), &mixed)?;
        let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
        case.keep(format!("dx {shape:?}"), &backend.convolve_backward_input(&dy, &weight, [rows, columns], at)?)?;
        let mut gradient = case.gaussian::<T>(B::shape(&weight), 1.0)?;
        backend.convolve_backward_weight(&x, &dy, at, &mut gradient)?;
        case.keep(format!("dw {shape:?}"), &gradient)?;
    }
    Ok(case.outputs)
}
