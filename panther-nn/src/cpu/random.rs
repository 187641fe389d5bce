//! Random fill from the streams of panther-sketch.

use panther_sketch::Distribution;

use crate::backend::Random;
use crate::cpu::parallel::on_pairs;
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

/// Values that come from one stream: number e of a tensor is entry (e mod 1024, ⌊e/1024⌋) of the operator.
const STREAM: usize = 1024;

impl Random for Cpu {
    fn uniform<T: Scalar>(&self, shape: &[usize], limit: f64, seed: u64) -> Result<CpuTensor<T>, NnError> {
        // Entries are uniform on ±√(3/d).
        draw(Distribution::Uniform, shape, limit * (STREAM as f64 / 3.0).sqrt(), seed)
    }

    fn normal<T: Scalar>(&self, shape: &[usize], deviation: f64, seed: u64) -> Result<CpuTensor<T>, NnError> {
        // Entries have variance 1/d.
        draw(Distribution::Gaussian, shape, deviation * (STREAM as f64).sqrt(), seed)
    }

    fn dropout<T: Scalar>(&self, rate: f64, seed: u64, x: &mut CpuTensor<T>) -> Result<(), NnError> {
        // Single precision whatever the type, so that both drop the same places.
        let draws = self.uniform::<f32>(x.shape(), 1.0, seed)?;
        let threshold = (2.0 * rate - 1.0) as f32;
        let kept = T::from_f64(1.0 / (1.0 - rate));
        on_pairs(self.par, draws.as_slice(), x.as_mut_slice(), |draws, x| {
            for (draw, x) in draws.iter().zip(x) {
                *x = if *draw < threshold { T::ZERO } else { kept * *x };
            }
        });
        Ok(())
    }
}

fn draw<T: Scalar>(family: Distribution, shape: &[usize], scale: f64, seed: u64) -> Result<CpuTensor<T>, NnError> {
    let count = crate::backend::count(shape);
    if count == 0 {
        return CpuTensor::new(shape, Vec::new());
    }
    let streams = count.div_ceil(STREAM);
    let entries = family.operator::<T>(STREAM, streams, seed)?.to_dense()?;
    let scale = T::from_f64(scale);
    let values = (0..streams).flat_map(|j| entries.col(j).iter().map(move |x| scale * *x)).take(count).collect();
    CpuTensor::new(shape, values)
}
