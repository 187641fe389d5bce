//! Rows of an image with the channels innermost.

use std::ops::Range;

use panther_sketch::simd::vectorized;

use crate::Scalar;

/// Rows and columns of an image, surrounded by zeros, as rows×columns×channels.
///
/// In this order what the taps of one row of a kernel read, all channels of neighbouring pixels, is contiguous, and the same for the
/// next position only some channels later: the unfolded image is a matrix with overlapping columns, which a product reads
/// where it lies.
#[derive(Debug)]
pub(super) struct ImageRows<T> {
    pub values: Vec<T>,
    pub channels: usize,
    pub rows: Range<isize>,
    pub columns: Range<isize>,
}

/// Pixels that are transposed together: of some tens of channels they stay in the first cache.
const PIXELS: usize = 64;

/// Channels that are transposed together.
const LANES: usize = 8;

impl<T: Scalar> ImageRows<T> {
    pub const fn new() -> Self {
        Self { values: Vec::new(), channels: 0, rows: 0..0, columns: 0..0 }
    }

    /// Takes the given rows and columns from an image, channels×height×width.
    pub fn fill(
        &mut self,
        (image, channels): (&[T], usize),
        [height, width]: [usize; 2],
        rows: Range<isize>,
        columns: Range<isize>,
    ) {
        let (plane, pitch) = (height * width, columns.len());
        self.clear(rows.len(), pitch, channels);
        let (first, last) = (columns.start.clamp(0, width as isize), columns.end.clamp(0, width as isize));
        let inside = first as usize..last as usize;
        let before = (first - columns.start) as usize;
        for (row, to) in rows.clone().zip(self.values.chunks_mut((pitch * channels).max(1))) {
            if (0..height as isize).contains(&row) && !inside.is_empty() {
                let from = &image[row as usize * width + inside.start..];
                transpose(from, plane, inside.len(), channels, &mut to[before * channels..]);
            }
        }
        (self.rows, self.columns) = (rows, columns);
    }

    /// Zeros.
    pub fn clear(&mut self, rows: usize, columns: usize, channels: usize) {
        self.values.clear();
        self.values.resize(rows * columns * channels, T::ZERO);
        (self.channels, self.rows, self.columns) = (channels, 0..rows as isize, 0..columns as isize);
    }

    /// Where the channels of a pixel start.
    pub fn at(&self, row: isize, column: isize) -> usize {
        let (row, column) = ((row - self.rows.start) as usize, (column - self.columns.start) as usize);
        (row * self.columns.len() + column) * self.channels
    }
}

/// `to`\[pixel, channel\] = `from`\[channel, pixel\], channels `plane` apart.
fn transpose<T: Scalar>(from: &[T], plane: usize, pixels: usize, channels: usize, to: &mut [T]) {
    vectorized(|| {
        for first in (0..pixels).step_by(PIXELS) {
            let pixels = PIXELS.min(pixels - first);
            let to = &mut to[first * channels..][..pixels * channels];
            let mut channel = 0;
            while channel + LANES <= channels {
                let mut planes = [[].as_slice(); LANES];
                for (lane, values) in planes.iter_mut().enumerate() {
                    *values = &from[(channel + lane) * plane + first..][..pixels];
                }
                for (pixel, to) in to.chunks_exact_mut(channels).enumerate() {
                    let to = &mut to[channel..channel + LANES];
                    for lane in 0..LANES {
                        to[lane] = planes[lane][pixel];
                    }
                }
                channel += LANES;
            }
            for channel in channel..channels {
                let from = &from[channel * plane + first..][..pixels];
                for (x, to) in from.iter().zip(to[channel..].iter_mut().step_by(channels)) {
                    *to = *x;
                }
            }
        }
    });
}
