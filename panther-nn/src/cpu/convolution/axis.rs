//! Where the taps of a convolution's kernel fall along one axis of an image.

use std::ops::Range;

use crate::backend::Geometry;

/// Targets `start + stride·j` for j < `count`, each of which reads the sources `step·j + offset` of the taps. Sources outside of
/// their image are zero.
///
/// Forward, targets are the positions of the window and sources the pixels of x. Backward, targets are pixels of x and sources
/// positions; a pixel is reached by the taps of its phase modulo the stride only, so there is an axis for each phase.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub start: usize,
    pub stride: usize,
    pub count: usize,
    pub step: usize,
    /// In ascending order of the offsets.
    pub taps: Vec<Tap>,
}

/// Tap `index` of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tap {
    pub index: usize,
    pub offset: isize,
}

impl Axis {
    /// Of the positions of a window.
    pub fn forward(geometry: &Geometry, axis: usize, positions: usize) -> Self {
        let offset = |index| (index * geometry.dilation[axis]) as isize - geometry.padding[axis][0] as isize;
        let taps = (0..geometry.kernel[axis]).map(|index| Tap { index, offset: offset(index) }).collect();
        Self { start: 0, stride: 1, count: positions, step: geometry.stride[axis], taps }
    }

    /// Of the pixels of x, a phase each; phases that no tap reaches are left out.
    pub fn backward(geometry: &Geometry, axis: usize, pixels: usize) -> Vec<Self> {
        let stride = geometry.stride[axis];
        let phase = |start: usize| {
            // stride·position = pixel + padding − dilation·index.
            let place = |index: usize| {
                (start + geometry.padding[axis][0]) as isize - (index * geometry.dilation[axis]) as isize
            };
            let taps = (0..geometry.kernel[axis])
                .rev()
                .filter(|&index| place(index).rem_euclid(stride as isize) == 0)
                .map(|index| Tap { index, offset: place(index).div_euclid(stride as isize) })
                .collect();
            Self { start, stride, count: (pixels - start).div_ceil(stride), step: 1, taps }
        };
        (0..stride.min(pixels)).map(phase).filter(|axis| !axis.taps.is_empty()).collect()
    }

    /// The j whose targets lie in a range that starts at a multiple of the stride.
    pub fn within(&self, targets: Range<usize>) -> Range<usize> {
        let below = |end: usize| end.saturating_sub(self.start).div_ceil(self.stride).min(self.count);
        below(targets.start)..below(targets.end)
    }

    /// The sources that some j of a range that is not empty read, and those between them.
    pub fn sources(&self, range: Range<usize>) -> Range<isize> {
        let (first, last) = (self.taps[0].offset, self.taps[self.taps.len() - 1].offset);
        (range.start * self.step) as isize + first..((range.end - 1) * self.step) as isize + last + 1
    }

    /// Ranges of taps that read neighbouring sources.
    pub fn runs(&self) -> Vec<Range<usize>> {
        let mut end = 0;
        let runs = self.taps.chunk_by(|a, b| b.offset == a.offset + 1);
        runs.map(|run| {
            end += run.len();
            end - run.len()..end
        })
        .collect()
    }
}
