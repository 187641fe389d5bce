//! The Gaussian sketch.

use super::{DenseFamily, Shape};
use crate::stream::{self, LANES, LaneStreams};
use crate::{Real, SketchError};

/// Entries N(0, 1/d), independent: the reference that every other family is compared with.
///
/// Halko, Martinsson and Tropp, *Finding structure with randomness* (2011), section 4. S·A costs
/// 2·d·n·p flops for A of p columns, as a dense product, and S is drawn block by block inside it.
///
/// **Draws.** Word t of the stream of coordinate j ([`stream::GAUSSIAN`]) gives rows 2t and 2t+1 of
/// column j by Box and Muller (1958): with hi and lo its upper and lower 32 bits, u = (hi+½)·2⁻³²
/// and angle 2π·lo·2⁻³², they are √(−2 ln u)·cos and √(−2 ln u)·sin, times 1/√d. In f64 they are
/// within a few ulp of those values; in f32 within 2⁻²⁰ of the f64 ones before the factor 1/√d. No
/// entry exceeds √(66 ln 2)/√d = 6.77/√d.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{Gaussian, SketchOperator};
///
/// let a = Mat::<f64>::from_fn(1000, 3, |i, j| (i + j) as f64);
/// let s = Gaussian::new(50, 1000, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (50, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gaussian {
    shape: Shape,
}

impl Gaussian {
    /// The d×n operator that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if either exceeds
    /// `isize::MAX`.
    pub fn new(d: usize, n: usize, seed: u64) -> Result<Self, SketchError> {
        Shape::new(d, n, seed, stream::GAUSSIAN).map(|shape| Self { shape })
    }
}

impl DenseFamily for Gaussian {
    fn shape(&self) -> &Shape {
        &self.shape
    }

    fn scale(&self) -> f64 {
        1.0 / (self.shape.d as f64).sqrt()
    }

    #[inline(always)]
    fn rows<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut [[T; LANES]]) {
        for [even, odd] in out.as_chunks_mut().0 {
            let words = streams.next();
            // A loop that sees nothing wider than an f32 has twice as many lanes as one that reads
            // the words.
            let (hi, lo) = (words.map(|w| (w >> 32) as u32), words.map(|w| w as u32));
            for l in 0..LANES {
                (even[l], odd[l]) = T::box_muller(hi[l], lo[l], scale);
            }
        }
    }

    #[inline(always)]
    fn scalar<T: Real>(words: &mut impl FnMut() -> u64, scale: T, out: &mut [T]) {
        for pair in out.chunks_mut(2) {
            let word = words();
            let (even, odd) = T::box_muller((word >> 32) as u32, word as u32, scale);
            pair[0] = even;
            if let Some(second) = pair.get_mut(1) {
                *second = odd;
            }
        }
    }
}
