//! Cutting coordinates into aligned blocks for the Hadamard transform.

use std::ops::Range;

/// Coordinates that are transformed together: part of an aligned block of 2^levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) levels: u32,
    /// The block is `index`·2^levels … of the coordinates.
    pub(super) index: usize,
    /// Coordinates in the piece; the others of the block count as zero.
    pub(super) first: usize,
    pub(super) len: usize,
}

impl Piece {
    /// The piece of a nonempty range that holds coordinate j: pieces are cut at the multiples of
    /// 2^levels, and each is put into the smallest aligned block that holds it.
    pub(super) fn holding(j: usize, columns: &Range<usize>, levels: u32) -> Self {
        let mask = (1 << levels) - 1;
        let first = (j & !mask).max(columns.start);
        // The last coordinate of the aligned block, which cannot overflow.
        let last = (j | mask).min(columns.end - 1);
        let levels = usize::BITS - (first ^ last).leading_zeros();
        Self { levels, index: first >> levels, first, len: last + 1 - first }
    }

    /// The first coordinate of the block.
    pub(super) fn block_start(&self) -> usize {
        self.index << self.levels
    }

    /// Where the piece starts in its block.
    pub(super) fn offset(&self) -> usize {
        self.first - self.block_start()
    }

    /// The coordinate after the last one.
    pub(super) fn end(&self) -> usize {
        self.first + self.len
    }
}

/// All pieces of a range, ascending.
pub(super) fn pieces(columns: Range<usize>, levels: u32) -> impl Iterator<Item = Piece> {
    let mut next = columns.start;
    std::iter::from_fn(move || {
        if next >= columns.end {
            return None;
        }
        let piece = Piece::holding(next, &columns, levels);
        next = piece.end();
        Some(piece)
    })
}
