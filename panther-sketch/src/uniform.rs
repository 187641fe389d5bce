//! The uniform sketch.

use crate::dense::{Chunk, DenseFamily, Shape};
use crate::stream::{self, LANES, LaneStreams};
use crate::{Real, SketchError};

/// Entries uniform on (−√(3/d), √(3/d)), independent, so that their variance is 1/d.
///
/// One of the dense distributions of RandBLAS (Murray et al., *Randomized numerical linear algebra*, 2023). Costs what
/// [`Gaussian`](crate::Gaussian) does, with cheaper generation.
///
/// **Draws.** The upper and lower 32 bits w of word t of the stream of coordinate j ([`stream::UNIFORM`]) give rows 2t
/// and 2t+1 of column j: (2(w+½)·2⁻³² − 1)·√3/√d.
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
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if either exceeds `isize::MAX`.
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
    fn chunk<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut Chunk<T>) {
        for rows in out.chunks_exact_mut(2) {
            let words = streams.next();
            for l in 0..LANES {
                rows[0][l] = T::uniform((words[l] >> 32) as u32, scale);
                rows[1][l] = T::uniform(words[l] as u32, scale);
            }
        }
    }

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
