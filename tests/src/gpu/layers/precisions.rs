//! Products in tf32 and bf16.

use panther_gpu::Device;
use panther_nn::backend::{Backend, Convolution, Layout, Products, Random as _, Storage};
use panther_nn::cpu::Cpu;
use panther_nn::cuda::{Cuda, Precision};
use panther_nn::layers::{
    MultiHeadAttention, MultiHeadAttentionOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions,
};
use panther_nn::{NnError, Scalar};

use crate::random::Random;

use super::convolutions::geometry;
use super::{Case, Outputs, compare, same};

/// Products err by no more than their precision allows, and convolutions do not depend on it.
pub(super) fn precisions(device: &Device) -> Result<(), String> {
    let words = |error: NnError| error.to_string();
    let full = convolved(&Cuda::of(device.clone())).map_err(words)?;
    // Factors are off by a unit in their last place at the most, however they are rounded.
    for (precision, unit) in
        [(Precision::F32, 0.0), (Precision::Tf32, (-10.0_f64).exp2()), (Precision::Bf16, (-7.0_f64).exp2())]
    {
        let cuda = Cuda::of(device.clone()).with_precision(precision);
        for [m, n, k] in [[1, 1, 1], [3, 5, 7], [64, 96, 200], [256, 128, 1024]] {
            let mut random = Random::new(19);
            let mut gaussian = |count: usize| (0..count).map(|_| random.gaussian() as f32).collect::<Vec<_>>();
            let (a, b) = (gaussian(m * k), gaussian(k * n));
            let product = cuda.upload(&[m, k], a.clone()).and_then(|a_there| {
                let b_there = cuda.upload(&[k, n], b.clone())?;
                let (a_there, b_there) = ((&a_there, Layout::matrix(m, k)), (&b_there, Layout::matrix(k, n)));
                cuda.download(&cuda.product(&[m, n], 1.0_f32, a_there, b_there)?)
            });
            // Sums of k numbers in f32, truncated.
            let allowed = unit * (2.0 + unit) + (k + 1) as f64 * f64::from(f32::EPSILON);
            for (at, got) in product.map_err(words)?.into_iter().enumerate() {
                let terms = (0..k).map(|l| f64::from(a[at / n * k + l]) * f64::from(b[l * n + at % n]));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                let error = (f64::from(got) - sum).abs();
                if error.is_nan() || error > allowed * size {
                    let bound = allowed * size;
                    return Err(format!(
                        "{precision:?} {m}×{n}×{k}: entry {at} is off by {error:e}, may be by {bound:e}"
                    ));
                }
            }
        }
        if convolved(&cuda).map_err(words)? != full {
            return Err(format!("{precision:?}: a convolution is not that in full precision"));
        }
    }
    Ok(())
}

/// A convolution's output and gradients, bit for bit.
fn convolved(cuda: &Cuda) -> Result<Vec<u32>, NnError> {
    let at = geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1]);
    let (x, weight) = (cuda.normal::<f32>(&[2, 5, 20, 40], 1.0, 1)?, cuda.normal(&[16, 5, 3, 3], 1.0, 2)?);
    let mix = cuda.normal(&[16, 24], 1.0, 3)?;
    let y = cuda.convolve(&x, &weight, None, None, at)?;
    let mixed = cuda.convolve(&x, &weight, Some((0.5, &mix)), None, at)?;
    let dx = cuda.convolve_backward_input(&y, &weight, [20, 40], at)?;
    let mut gradient = cuda.zeros(&[16, 5, 3, 3])?;
    cuda.convolve_backward_weight(&x, &y, at, &mut gradient)?;
    let mut bits = Vec::new();
    for output in [&y, &mixed, &dx, &gradient] {
        bits.extend(cuda.download(output)?.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

/// Layers whose products of f32 matrices honour the device's precision.
fn products_in_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 22);
    for causal in [false, true] {
        let options = MultiHeadAttentionOptions { causal, ..MultiHeadAttentionOptions::default() };
        case.layer("attention", &mut MultiHeadAttention::<T, B>::new(backend, 64, 2, options)?, &[2, 96, 64])?;
        let options = RandMultiHeadAttentionOptions { causal, ..RandMultiHeadAttentionOptions::default() };
        case.layer(
            "random attention",
            &mut RandMultiHeadAttention::<T, B>::new(backend, 64, 2, options)?,
            &[2, 96, 64],
        )?;
    }
    Ok(case.outputs)
}

/// That both differ from the CPU by their rounding of factors, which is more than that of f32: no more than a number of their unit
/// roundoffs for as many products in a row, and more than none.
pub(super) fn precisions_of_attention(device: &Device) -> Result<(), String> {
    /// Eight products in a row at the most, forward and back, each of two rounded factors, and as much again for what stands between.
    const ROUNDINGS: f64 = 32.0;
    for (precision, bits) in [(Precision::Tf32, 11), (Precision::Bf16, 8)] {
        let what = format!("attention layers in {precision:?}");
        let cuda = Cuda::of(device.clone()).with_precision(precision);
        let got = products_in_layers::<f32, Cuda>(&cuda);
        let expected = || products_in_layers::<f32, Cpu>(&Cpu::default());
        compare(&what, ROUNDINGS * 0.5_f64.powi(bits), expected(), &got)?;
        if compare(&what, 64.0 * f64::from(f32::EPSILON), expected(), &got).is_ok() {
            return Err(format!("{what}: products are taken in full precision"));
        }
        same(&what, &got, &products_in_layers::<f32, Cuda>(&cuda))?;
        let double = products_in_layers::<f64, Cuda>(&cuda);
        compare(&what, 8192.0 * f64::EPSILON, products_in_layers::<f64, Cpu>(&Cpu::default()), &double)?;
    }
    Ok(())
}
