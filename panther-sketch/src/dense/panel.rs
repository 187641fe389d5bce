//! Panels of S: a few hundred columns, drawn in vector code.

use std::ops::Range;

use faer::{MatRef, Par};

use super::{DenseFamily, Shape};
use crate::parallel::{self, for_each};
use crate::simd::vectorized;
use crate::stream::{LANES, LaneStreams};
use crate::{Real, SketchError, try_vec};

/// Rows that one word of signs is enough for; rows are drawn in multiples of it.
pub(super) const CHUNK_ROWS: usize = 64;
/// Columns of a panel. It is the depth of one matrix product, so it is fixed: the order of
/// summation must not depend on the number of threads.
pub(super) const PANEL_COLUMNS: usize = LANES;
/// Rows of a panel: a multiple of [`CHUNK_ROWS`]. Larger d is taken in several goes, which continue
/// the streams.
pub(super) const PANEL_ROWS: usize = 2048;

/// Some columns of S, as many rows of them as are wanted next.
struct Panel<T> {
    columns: Range<usize>,
    streams: LaneStreams,
    entries: Vec<[T; PANEL_COLUMNS]>,
}

impl<T: Real> Panel<T> {
    fn new(rows: usize) -> Result<Self, SketchError> {
        let rows = rows.min(PANEL_ROWS).next_multiple_of(CHUNK_ROWS);
        let entries = try_vec("panel of S", rows, 1, [T::ZERO; PANEL_COLUMNS])?;
        Ok(Self { columns: 0..0, streams: LaneStreams::new(0, 0), entries })
    }

    /// Goes to the top of other columns.
    fn start(&mut self, key: u64, columns: Range<usize>) {
        self.streams = LaneStreams::new(key, columns.start);
        self.columns = columns;
    }

    /// Draws the next `rows` rows.
    fn draw<F: DenseFamily>(&mut self, rows: usize, scale: T) {
        let Self { streams, entries, .. } = self;
        let entries = &mut entries[..rows.next_multiple_of(CHUNK_ROWS)];
        vectorized(
            #[inline(always)]
            || F::rows(streams, scale, entries),
        );
    }

    /// The last `rows` rows drawn, rows × columns.
    fn view(&self, rows: usize) -> MatRef<'_, T> {
        MatRef::from_column_major_slice_with_stride(
            self.entries[..rows].as_flattened(),
            self.columns.len(),
            rows,
            PANEL_COLUMNS,
        )
        .transpose()
    }
}

/// Draws S\[:, columns\] and calls `work(panel, its rows, its columns)` in an order that `par` does
/// not change: with more threads more panels are drawn ahead, each by one of them.
pub(super) fn for_each_panel<F: DenseFamily, T: Real>(
    family: &F,
    columns: Range<usize>,
    par: Par,
    mut work: impl FnMut(MatRef<'_, T>, Range<usize>, Range<usize>),
) -> Result<(), SketchError> {
    let &Shape { d, key, .. } = family.shape();
    let scale = T::from_f64(family.scale());
    let mut starts = columns.clone().step_by(PANEL_COLUMNS);
    let ahead = parallel::threads(par).min(starts.len());
    let mut panels: Vec<_> = (0..ahead).map(|_| Panel::<T>::new(d)).collect::<Result<_, _>>()?;
    loop {
        let mut used = 0;
        for (panel, start) in panels.iter_mut().zip(starts.by_ref().take(ahead)) {
            panel.start(key, start..columns.end.min(start + PANEL_COLUMNS));
            used += 1;
        }
        if used == 0 {
            return Ok(());
        }
        let panels = &mut panels[..used];
        for top in (0..d).step_by(PANEL_ROWS) {
            let rows = PANEL_ROWS.min(d - top);
            for_each(par, panels.iter_mut(), |panel| panel.draw::<F>(rows, scale));
            for panel in &*panels {
                work(panel.view(rows), top..top + rows, panel.columns.clone());
            }
        }
    }
}
