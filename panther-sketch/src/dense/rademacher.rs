//! The Rademacher sketch.

use super::{CHUNK_ROWS, DenseFamily, Shape};
use crate::stream::{self, LANES, LaneStreams};
use crate::{Real, SketchError};

/// Entries ±1/√d, independent; Panther for PyTorch calls it the scaled sign sketch.
///
/// Achlioptas, *Database-friendly random projections* (2003). Costs what
/// [`Gaussian`](crate::Gaussian) does, with cheaper generation: 64 entries per word.
///
/// **Draws.** Bit b, the least significant first, of word t of the stream of coordinate j
/// ([`stream::RADEMACHER`]) is the sign of row 64t+b of column j; a set bit means −.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{Rademacher, SketchOperator};
///
/// let a = Mat::<f32>::from_fn(100, 3, |i, j| (i * j) as f32);
/// let s = Rademacher::new(20, 100, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (20, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rademacher {
    shape: Shape,
}

impl Rademacher {
    /// The d×n operator that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if either exceeds
    /// `isize::MAX`.
    pub fn new(d: usize, n: usize, seed: u64) -> Result<Self, SketchError> {
        Shape::new(d, n, seed, stream::RADEMACHER).map(|shape| Self { shape })
    }
}

impl DenseFamily for Rademacher {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn scale(&self) -> f64 {
        1.0 / (self.shape.d as f64).sqrt()
    }

    #[inline(always)]
    fn rows<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut [[T; LANES]]) {
        for chunk in out.chunks_exact_mut(CHUNK_ROWS) {
            let words = streams.next();
            // Halves of 32 bits keep the lanes as narrow as an f32.
            let halves = [words.map(|w| w as u32), words.map(|w| (w >> 32) as u32)];
            for (rows, half) in chunk.chunks_exact_mut(32).zip(&halves) {
                for (b, row) in rows.iter_mut().enumerate() {
                    for l in 0..LANES {
                        row[l] = scale.with_sign((half[l] >> b) & 1);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn scalar<T: Real>(words: &mut impl FnMut() -> u64, scale: T, out: &mut [T]) {
        for rows in out.chunks_mut(64) {
            let word = words();
            for (b, entry) in rows.iter_mut().enumerate() {
                *entry = if (word >> b) & 1 == 1 { -scale } else { scale };
            }
        }
    }
}
