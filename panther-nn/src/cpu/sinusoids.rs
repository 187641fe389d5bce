//! Products with sinusoids. The angle is reduced in double precision, so that far positions are as exact as near ones.

use std::f64::consts::TAU;

use crate::backend::{SequenceRows, Sinusoids, WaveSizes, Waves, wave_gradient_sizes, wave_sizes};
use crate::cpu::parallel::{PIECE, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

/// Rows whose share of the gradients by the sinusoids is summed before the shares are.
const GRADIENT_ROWS: usize = 32;

impl Sinusoids for Cpu {
    fn modulate<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        at: &SequenceRows,
        waves: &Waves<&CpuTensor<T>>,
    ) -> Result<CpuTensor<T>, NnError> {
        let shapes = waves.map(|wave| wave.shape());
        let WaveSizes { columns, waves: count } = wave_sizes("modulate", x.shape(), at, &shapes)?;
        let values = &x.as_slice()[at.rows.start * columns..at.rows.end * columns];
        let width = 2 * columns * count;
        let mut y = CpuTensor::new(&[at.rows.len(), width], vec![T::ZERO; at.rows.len() * width])?;
        let piece = (PIECE / width).max(1);
        on_pieces(self.par, piece * width, y.as_mut_slice(), |index, y| {
            let rows = index * piece..;
            for ((row, y), x) in rows.zip(y.chunks_mut(width)).zip(values[index * piece * columns..].chunks(columns)) {
                let position = (at.rows.start + row) % at.length;
                for (column, (y, x)) in y.chunks_mut(2 * count).zip(x).enumerate() {
                    for (wave, pair) in y.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                        let place = column * count + wave;
                        let (cos, sin) = circle(waves, place, position);
                        let size = waves.gains.as_slice()[place] * *x;
                        *pair = [size * cos, size * sin];
                    }
                }
            }
        });
        Ok(y)
    }

    fn modulate_backward<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        at: &SequenceRows,
        waves: &Waves<&CpuTensor<T>>,
        dy: &CpuTensor<T>,
        dx: &mut CpuTensor<T>,
        gradients: &mut Waves<CpuTensor<T>>,
    ) -> Result<(), NnError> {
        const NAME: &str = "modulate_backward";
        let (shapes, by) = (waves.map(|wave| wave.shape()), gradients.map(CpuTensor::shape));
        let WaveSizes { columns, waves: count } =
            wave_gradient_sizes(NAME, x.shape(), at, &shapes, [dy.shape(), dx.shape()], &by)?;
        let width = 2 * columns * count;
        let (x, dy) = (&x.as_slice()[at.rows.start * columns..at.rows.end * columns], dy.as_slice());
        // Each share: dx of its rows, then the gradients by f, θ and λ.
        let parameters = columns * count;
        let share_width = GRADIENT_ROWS * columns + 3 * parameters;
        let mut shares = vec![T::ZERO; at.rows.len().div_ceil(GRADIENT_ROWS) * share_width];
        on_pieces(self.par, share_width, &mut shares, |index, share| {
            let (dx, by_waves) = share.split_at_mut(GRADIENT_ROWS * columns);
            let start = index * GRADIENT_ROWS;
            let rows = (start..at.rows.len()).zip(dx.chunks_mut(columns)).zip(dy[start * width..].chunks(width));
            for ((row, dx), dy) in rows {
                let position = (at.rows.start + row) % at.length;
                let x = &x[row * columns..][..columns];
                for (place, &[by_cos, by_sin]) in dy.as_chunks::<2>().0.iter().enumerate() {
                    let (column, gain) = (place / count, waves.gains.as_slice()[place]);
                    let (cos, sin) = circle(waves, place, position);
                    let along = cos * by_cos + sin * by_sin;
                    let turn = x[column] * gain * (cos * by_sin - sin * by_cos);
                    dx[column] += gain * along;
                    by_waves[place] += T::from_f64(TAU * position as f64) * turn;
                    by_waves[parameters + place] += turn;
                    by_waves[2 * parameters + place] += x[column] * along;
                }
            }
        });
        let dx = &mut dx.as_mut_slice()[at.rows.start * columns..at.rows.end * columns];
        for (share, dx) in shares.chunks(share_width).zip(dx.chunks_mut(GRADIENT_ROWS * columns)) {
            let (own, by_waves) = share.split_at(GRADIENT_ROWS * columns);
            dx.copy_from_slice(&own[..dx.len()]);
            let Waves { frequencies, phases, gains } = &mut *gradients;
            for (gradient, share) in
                [Some(frequencies), phases.as_mut(), Some(gains)].into_iter().zip(by_waves.chunks(parameters))
            {
                let sums = gradient.into_iter().flat_map(|gradient| gradient.as_mut_slice());
                sums.zip(share).for_each(|(sum, x)| *sum += *x);
            }
        }
        Ok(())
    }
}

/// cos and sin of 2πf·m + θ.
fn circle<T: Scalar>(waves: &Waves<&CpuTensor<T>>, place: usize, position: usize) -> (T, T) {
    let turns = waves.frequencies.as_slice()[place].to_f64() * position as f64;
    let phase = waves.phases.map_or(0.0, |phases| phases.as_slice()[place].to_f64());
    let angle = T::from_f64(TAU * (turns - turns.floor()) + phase);
    (angle.cos(), angle.sin())
}
