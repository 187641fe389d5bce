//! Products with sinusoids.

use panther_gpu::layers::sinusoids;

use crate::backend::{SequenceRows, Sinusoids, WaveSizes, Waves, wave_gradient_sizes, wave_sizes};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Sinusoids for Cuda {
    fn modulate<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        at: &SequenceRows,
        waves: &Waves<&CudaTensor<T>>,
    ) -> Result<CudaTensor<T>, NnError> {
        let sizes = wave_sizes("modulate", x.shape(), at, &waves.map(|wave| wave.shape()))?;
        let y = sinusoids::modulate(x.buffer(), &at.rows, at.length, buffers(waves, &sizes))?;
        Ok(CudaTensor::new(&[at.rows.len(), 2 * sizes.columns * sizes.waves], y))
    }

    fn modulate_backward<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        at: &SequenceRows,
        waves: &Waves<&CudaTensor<T>>,
        dy: &CudaTensor<T>,
        dx: &mut CudaTensor<T>,
        gradients: &mut Waves<CudaTensor<T>>,
    ) -> Result<(), NnError> {
        let (shapes, by) = (waves.map(|wave| wave.shape()), gradients.map(CudaTensor::shape));
        let sizes = wave_gradient_sizes("modulate_backward", x.shape(), at, &shapes, [dy.shape(), dx.shape()], &by)?;
        let Waves { frequencies, phases, gains } = gradients;
        let gradients = sinusoids::WaveGradients {
            frequencies: frequencies.buffer_mut()?,
            phases: phases.as_mut().map(CudaTensor::buffer_mut).transpose()?,
            gains: gains.buffer_mut()?,
        };
        let (waves, dx) = (buffers(waves, &sizes), dx.buffer_mut()?);
        Ok(sinusoids::modulate_backward(x.buffer(), &at.rows, at.length, waves, dy.buffer(), dx, gradients)?)
    }
}

fn buffers<'a, T: Scalar>(waves: &Waves<&'a CudaTensor<T>>, sizes: &WaveSizes) -> sinusoids::Waves<'a, T> {
    sinusoids::Waves {
        frequencies: waves.frequencies.buffer(),
        phases: waves.phases.map(CudaTensor::buffer),
        gains: waves.gains.buffer(),
        shape: [sizes.columns, sizes.waves],
    }
}
