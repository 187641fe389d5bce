//! Pooling, a plane at a time.

use crate::backend::{Geometry, Pooling, Storage, batch_shape, check_pooled, images, pixels_along, pooled_positions};
use crate::cpu::parallel::on_each;
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Pooling for Cpu {
    fn max_pool<T: Scalar>(&self, x: &CpuTensor<T>, geometry: Geometry) -> Result<CpuTensor<T>, NnError> {
        pool(*self, "max_pool", x, geometry, |windows, x, row, column| x[windows.largest(x, row, column)])
    }

    fn max_pool_backward<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        dy: &CpuTensor<T>,
        geometry: Geometry,
    ) -> Result<CpuTensor<T>, NnError> {
        let (batch, channels, extents) = images("max_pool_backward", "x", x.shape())?;
        let windows = Windows::new("max_pool_backward", extents, geometry)?;
        let shape = [batch, channels, extents[0], extents[1]];
        let plane = extents[0] * extents[1];
        let x = x.as_slice();
        spread(*self, "max_pool_backward", dy, shape, &windows, |index, row, column, dy, dx| {
            dx[windows.largest(&x[index * plane..][..plane], row, column)] += dy;
        })
    }

    fn average_pool<T: Scalar>(&self, x: &CpuTensor<T>, geometry: Geometry) -> Result<CpuTensor<T>, NnError> {
        let share = share::<T>(geometry);
        pool(*self, "average_pool", x, geometry, |windows, x, row, column| {
            windows.pixels(row, column).fold(T::ZERO, |sum, at| sum + x[at]) * share
        })
    }

    fn average_pool_backward<T: Scalar>(
        &self,
        dy: &CpuTensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<CpuTensor<T>, NnError> {
        let (batch, channels, _) = images("average_pool_backward", "dy", dy.shape())?;
        let windows = Windows::new("average_pool_backward", image, geometry)?;
        let shape = batch_shape("average_pool_backward", batch, channels, image)?;
        let share = share::<T>(geometry);
        spread(*self, "average_pool_backward", dy, shape, &windows, |_, row, column, dy, dx| {
            windows.pixels(row, column).for_each(|at| dx[at] += dy * share);
        })
    }
}

/// 1/(kh·kw).
fn share<T: Scalar>(geometry: Geometry) -> T {
    T::from_f64((geometry.kernel[0] as f64 * geometry.kernel[1] as f64).recip())
}

/// What the windows on an image cover.
struct Windows {
    geometry: Geometry,
    extents: [usize; 2],
    positions: [usize; 2],
}

impl Windows {
    /// Refuses windows that cover nothing but padding.
    fn new(operation: &'static str, extents: [usize; 2], geometry: Geometry) -> Result<Self, NnError> {
        Ok(Self { geometry, extents, positions: pooled_positions(operation, extents, geometry)? })
    }

    /// The pixels under the taps at one position along an axis.
    fn along(&self, axis: usize, position: usize) -> impl Iterator<Item = usize> + Clone {
        pixels_along(self.geometry, axis, position, self.extents[axis])
    }

    /// The pixels under the window, by rows.
    fn pixels(&self, row: usize, column: usize) -> impl Iterator<Item = usize> {
        let (width, columns) = (self.extents[1], self.along(1, column));
        self.along(0, row).flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }

    /// The first pixel under the window whose number none exceeds; a NaN exceeds all.
    fn largest<T: Scalar>(&self, x: &[T], row: usize, column: usize) -> usize {
        let mut pixels = self.pixels(row, column);
        // There is one.
        let first = pixels.next().unwrap_or(0);
        let is_nan = |x: T| x.partial_cmp(&x).is_none();
        pixels.fold(first, |best, at| if x[at] > x[best] || is_nan(x[at]) && !is_nan(x[best]) { at } else { best })
    }
}

/// y from a function of the window and the plane that it stands on.
fn pool<T: Scalar>(
    cpu: Cpu,
    operation: &'static str,
    x: &CpuTensor<T>,
    geometry: Geometry,
    value: impl Fn(&Windows, &[T], usize, usize) -> T + Sync + Send,
) -> Result<CpuTensor<T>, NnError> {
    let (batch, channels, extents) = images(operation, "x", x.shape())?;
    let windows = Windows::new(operation, extents, geometry)?;
    let [rows, columns] = windows.positions;
    let mut y = cpu.zeros(&batch_shape(operation, batch, channels, windows.positions)?)?;
    let planes = x.as_slice().chunks((extents[0] * extents[1]).max(1));
    let tasks: Vec<_> = planes.zip(y.as_mut_slice().chunks_mut(rows * columns)).collect();
    on_each(
        cpu.par,
        tasks,
        || (),
        |(), (x, y)| {
            for (row, y) in y.chunks_mut(columns).enumerate() {
                for (column, y) in y.iter_mut().enumerate() {
                    *y = value(&windows, x, row, column);
                }
            }
        },
    );
    Ok(y)
}

/// dx, to each plane of which every position of the window adds its part: `add`(plane, row, column, dy, dx).
fn spread<T: Scalar>(
    cpu: Cpu,
    operation: &'static str,
    dy: &CpuTensor<T>,
    shape: [usize; 4],
    windows: &Windows,
    add: impl Fn(usize, usize, usize, T, &mut [T]) + Sync + Send,
) -> Result<CpuTensor<T>, NnError> {
    let [rows, columns] = windows.positions;
    check_pooled(operation, shape, windows.positions, dy.shape())?;
    let mut dx = cpu.zeros(&shape)?;
    let planes = dx.as_mut_slice().chunks_mut((shape[2] * shape[3]).max(1));
    let tasks: Vec<_> = planes.zip(dy.as_slice().chunks(rows * columns)).enumerate().collect();
    on_each(
        cpu.par,
        tasks,
        || (),
        |(), (index, (dx, dy))| {
            for (row, dy) in dy.chunks(columns).enumerate() {
                for (column, dy) in dy.iter().enumerate() {
                    add(index, row, column, *dy, dx);
                }
            }
        },
    );
    Ok(dx)
}
