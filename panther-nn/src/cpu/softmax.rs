//! Softmax, row by row.

use panther_sketch::simd::{self, vectorized};

use crate::backend::{KeysSeen, Softmax, score_sizes};
use crate::cpu::elementwise::same_count;
use crate::cpu::parallel::{PIECE, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Softmax for Cpu {
    const SCORES_AT_A_TIME: usize = 1 << 20;

    fn softmax<T: Scalar>(&self, scores: &mut CpuTensor<T>, seen: KeysSeen<'_, CpuTensor<T>>) -> Result<(), NnError> {
        let ([_, heads, rows, keys], penalty_width) = score_sizes(scores.shape(), seen.penalty.map(CpuTensor::shape))?;
        if keys == 0 {
            return Ok(());
        }
        let penalty = seen.penalty.map(CpuTensor::as_slice);
        let piece = (PIECE / keys).max(1);
        on_pieces(self.par, piece * keys, scores.as_mut_slice(), |index, scores| {
            for (at, scores) in (index * piece..).zip(scores.chunks_mut(keys)) {
                let count = seen.first_sees.map_or(keys, |first| keys.min(first.saturating_add(at % rows + 1)));
                let (scores, unseen) = scores.split_at_mut(count);
                unseen.fill(T::ZERO);
                let penalty = penalty.map(|penalty| &penalty[at / (heads * rows) * penalty_width..][..count]);
                vectorized(|| softmax_row(scores, penalty));
            }
        });
        Ok(())
    }

    fn softmax_backward<T: Scalar>(
        &self,
        probabilities: &CpuTensor<T>,
        gradient: &mut CpuTensor<T>,
    ) -> Result<(), NnError> {
        same_count("softmax_backward", "gradient", probabilities, gradient)?;
        let keys = probabilities.shape().last().copied().unwrap_or(0);
        if keys == 0 {
            return Ok(());
        }
        let p = probabilities.as_slice();
        let piece = (PIECE / keys).max(1) * keys;
        on_pieces(self.par, piece, gradient.as_mut_slice(), |index, gradient| {
            for (gradient, p) in gradient.chunks_mut(keys).zip(p[index * piece..].chunks(keys)) {
                vectorized(|| {
                    let mean = simd::sum_of_pairs(p, gradient, |p, g| p * g);
                    gradient.iter_mut().zip(p).for_each(|(g, p)| *g = *p * (*g - mean));
                });
            }
        });
        Ok(())
    }
}

#[inline(always)]
fn softmax_row<T: Scalar>(scores: &mut [T], penalty: Option<&[T]>) {
    let nothing = T::from_f64(f64::NEG_INFINITY);
    // Finite first: an overflow in a product is ±∞ or, where two met, NaN.
    for s in &mut *scores {
        let bounded = s.larger(T::LOWEST);
        *s = if bounded > -T::LOWEST { -T::LOWEST } else { bounded };
    }
    if let Some(penalty) = penalty {
        scores.iter_mut().zip(penalty).for_each(|(s, penalty)| *s += *penalty);
    }
    let largest = simd::largest(scores, nothing, |s| s);
    if largest == nothing {
        scores.fill(T::ZERO);
        return;
    }
    scores.iter_mut().for_each(|s| *s = (*s - largest).exp());
    let inverse = T::ONE / simd::sum(scores, |e| e);
    scores.iter_mut().for_each(|e| *e *= inverse);
}
