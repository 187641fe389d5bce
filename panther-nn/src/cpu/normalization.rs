//! Normalization of rows, in two passes over each.

use panther_sketch::simd::{self, vectorized};

use crate::backend::{Normalization, Normalized, normalized_width};
use crate::cpu::elementwise::same_count;
use crate::cpu::parallel::{PIECE, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

/// Rows whose share of the gradients by w and b is summed before the shares are.
const GRADIENT_ROWS: usize = 64;

/// What is kept of a row: x̂ = (x·scale − mean)·inverse, so that no square overflows. The scale is 1 but for rows of huge values.
#[derive(Clone, Copy, Debug)]
struct Moments<T> {
    scale: T,
    mean: T,
    inverse: T,
}

impl Normalization for Cpu {
    fn normalize<T: Scalar>(
        &self,
        epsilon: f64,
        x: &CpuTensor<T>,
        weight: &CpuTensor<T>,
        bias: &CpuTensor<T>,
    ) -> Result<Normalized<CpuTensor<T>>, NnError> {
        let width = normalized_width("normalize", x.shape(), weight.shape())?;
        same_count("normalize", "bias", weight, bias)?;
        let (x_numbers, weight, bias) = (x.as_slice(), weight.as_slice(), bias.as_slice());
        let rows = x_numbers.len() / width;
        let mut moments = CpuTensor::new(&[rows, 3], vec![T::ZERO; 3 * rows])?;
        let piece = (PIECE / width).max(1);
        on_pieces(self.par, 3 * piece, moments.as_mut_slice(), |index, moments| {
            let x = &x_numbers[index * piece * width..];
            for (moments, x) in moments.as_chunks_mut::<3>().0.iter_mut().zip(x.chunks(width)) {
                let Moments { scale, mean, inverse } = vectorized(|| moments_of(x, epsilon));
                *moments = [scale, mean, inverse];
            }
        });
        let kept = moments.as_slice().as_chunks::<3>().0;
        let mut y = x.clone();
        on_pieces(self.par, piece * width, y.as_mut_slice(), |index, y| {
            for (y, &[scale, mean, inverse]) in y.chunks_mut(width).zip(&kept[index * piece..]) {
                vectorized(|| {
                    for ((y, w), b) in y.iter_mut().zip(weight).zip(bias) {
                        *y = ((*y * scale - mean) * inverse).mul_add(*w, *b);
                    }
                });
            }
        });
        Ok(Normalized { y, moments })
    }

    fn normalize_backward<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        moments: &CpuTensor<T>,
        weight: &CpuTensor<T>,
        dy: &CpuTensor<T>,
        (d_weight, d_bias): (&mut CpuTensor<T>, &mut CpuTensor<T>),
    ) -> Result<CpuTensor<T>, NnError> {
        let width = normalized_width("normalize_backward", x.shape(), weight.shape())?;
        same_count("normalize_backward", "dy", x, dy)?;
        same_count("normalize_backward", "gradient of the weight", weight, d_weight)?;
        same_count("normalize_backward", "gradient of the bias", weight, d_bias)?;
        let rows = x.as_slice().len() / width;
        if moments.shape() != [rows, 3] {
            return Err(NnError::shape("normalize_backward", "moments", format!("[{rows}, 3]"), moments.shape()));
        }
        let kept = moments.as_slice().as_chunks::<3>().0;
        let (x, dy_numbers, weight) = (x.as_slice(), dy.as_slice(), weight.as_slice());
        // 1. dx = (g − mean(g) − x̂·mean(g·x̂))/σ with g = dy·w.
        let piece = (PIECE / width).max(1);
        let mut dx = dy.clone();
        on_pieces(self.par, piece * width, dx.as_mut_slice(), |index, dx| {
            let x = &x[index * piece * width..];
            for ((dx, x), &[scale, mean, inverse]) in
                dx.chunks_mut(width).zip(x.chunks(width)).zip(&kept[index * piece..])
            {
                vectorized(|| row_backward(Moments { scale, mean, inverse }, x, weight, dx));
            }
        });
        // 2. dw = Σ dy·x̂ and db = Σ dy, share by share.
        let mut shares = vec![T::ZERO; rows.div_ceil(GRADIENT_ROWS) * 2 * width];
        on_pieces(self.par, 2 * width, &mut shares, |index, share| {
            let (dw, db) = share.split_at_mut(width);
            let start = index * GRADIENT_ROWS;
            let rows =
                x[start * width..].chunks(width).zip(dy_numbers[start * width..].chunks(width)).zip(&kept[start..]);
            for ((x, dy), &[scale, mean, inverse]) in rows.take(GRADIENT_ROWS) {
                vectorized(|| {
                    for (((dw, db), x), dy) in dw.iter_mut().zip(&mut *db).zip(x).zip(dy) {
                        *dw = ((*x * scale - mean) * inverse).mul_add(*dy, *dw);
                        *db += *dy;
                    }
                });
            }
        });
        for share in shares.chunks(2 * width) {
            let (dw, db) = share.split_at(width);
            d_weight.as_mut_slice().iter_mut().zip(dw).for_each(|(sum, x)| *sum += *x);
            d_bias.as_mut_slice().iter_mut().zip(db).for_each(|(sum, x)| *sum += *x);
        }
        Ok(dx)
    }
}

#[inline(always)]
fn moments_of<T: Scalar>(x: &[T], epsilon: f64) -> Moments<T> {
    let count = T::from_f64(x.len() as f64);
    // Squares of values up to the fourth root of the largest one are summed as they are.
    let greatest = -T::LOWEST;
    let largest = simd::largest(x, T::ZERO, |x| x.abs());
    let scale = if largest > greatest.sqrt().sqrt() { T::ONE / largest } else { T::ONE };
    // From the first number on, so that a row of equal values has that mean and variance 0, whatever the number; x·scale is
    // rounded each time for the same end.
    let first = x[0] * scale;
    let mean = first + simd::sum(x, |x| x * scale - first) / count;
    let squares = simd::sum(x, |x| {
        let d = x * scale - mean;
        d * d
    });
    let scale_squared = scale.to_f64() * scale.to_f64();
    let variance = (squares / count).to_f64() + epsilon * scale_squared;
    let inverse = T::from_f64(variance.sqrt().recip().min(greatest.to_f64()));
    Moments { scale, mean, inverse }
}

/// dx from dy, in its place.
#[inline(always)]
fn row_backward<T: Scalar>(at: Moments<T>, x: &[T], weight: &[T], dx: &mut [T]) {
    let Moments { scale, mean, inverse } = at;
    dx.iter_mut().zip(weight).for_each(|(g, w)| *g *= *w);
    let per_count = T::ONE / T::from_f64(x.len() as f64);
    let mean_g = simd::sum(dx, |g| g) * per_count;
    // Σ g·x̂ = (Σ g·(x·scale − mean))·inverse.
    let along = simd::sum_of_pairs(dx, x, |g, x| g * (x * scale - mean)) * inverse * per_count;
    for (g, x) in dx.iter_mut().zip(x) {
        let normal = (*x * scale - mean) * inverse;
        *g = (inverse * scale) * (*g - mean_g - normal * along);
    }
}
