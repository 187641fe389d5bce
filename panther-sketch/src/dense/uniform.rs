//! The uniform sketch.

use super::{DenseFamily, Shape};
use crate::stream::{self, LANES, LaneStreams};
use crate::{Real, SketchError};

/// Entries uniform on (−√(3/d), √(3/d)), independent, so that their variance is 1/d.
///
/// One of the dense distributions of RandBLAS (Murray et al., *Randomized numerical linear
/// algebra*, 2023). Costs what [`Gaussian`](crate::Gaussian) does, with cheaper generation.
///
/// **Draws.** The upper and lower 32 bits w of word t of the stream of coordinate j
/// ([`stream::UNIFORM`]) give rows 2t and 2t+1 of column j: (2(w+½)·2⁻³² − 1)·√3/√d.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{SketchOperator, Uniform};
///
/// let a = Mat::<f32>::from_fn(100, 3, |i, j| (i * j) as f32);
/// let s = Uniform::new(20, 100, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (20, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Uniform {
    shape: Shape,
}

impl Uniform {
    /// The d×n operator that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if either exceeds
    /// `isize::MAX`.
    pub fn new(d: usize, n: usize, seed: u64) -> Result<Self, SketchError> {
        Shape::new(d, n, seed, stream::UNIFORM).map(|shape| Self { shape })
    }
}

impl DenseFamily for Uniform {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn scale(&self) -> f64 {
        3.0_f64.sqrt() / (self.shape.d as f64).sqrt()
    }

    #[inline(always)]
    fn rows<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut [[T; LANES]]) {
        for [even, odd] in out.as_chunks_mut().0 {
            let words = streams.next();
            let (hi, lo) = (words.map(|w| (w >> 32) as u32), words.map(|w| w as u32));
            for l in 0..LANES {
                even[l] = T::uniform(hi[l], scale);
                odd[l] = T::uniform(lo[l], scale);
            }
        }
    }

    #[inline(always)]
    fn scalar<T: Real>(words: &mut impl FnMut() -> u64, scale: T, out: &mut [T]) {
        for pair in out.chunks_mut(2) {
            let word = words();
            pair[0] = T::uniform((word >> 32) as u32, scale);
            if let Some(second) = pair.get_mut(1) {
                *second = T::uniform(word as u32, scale);
            }
        }
    }
}
