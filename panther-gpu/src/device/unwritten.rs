//! Memory of the host that was not written yet.

use std::ptr;

/// Memory of the host for the columns of a matrix, which threads write and so touch for the first time.
pub(crate) struct Unwritten<T> {
    first: *mut T,
    rows: usize,
    stride: usize,
}

// SAFETY: who writes promises that nobody else writes the same.
unsafe impl<T: Send> Sync for Unwritten<T> {}

impl<T: Copy> Unwritten<T> {
    /// Columns of `rows` numbers, one at least, that begin at `first` and then `stride` numbers apart.
    pub(crate) const fn new(first: *mut T, rows: usize, stride: usize) -> Self {
        Self { first, rows, stride }
    }

    /// Numbers in the order of the columns, from number `start` on.
    ///
    /// # Safety
    /// There is memory for them, and no other thread has to do with it.
    pub(crate) unsafe fn write(&self, start: usize, mut numbers: &[T]) {
        let (mut row, mut column) = (start % self.rows, start / self.rows);
        while !numbers.is_empty() {
            let (now, later) = numbers.split_at(numbers.len().min(self.rows - row));
            // SAFETY: the caller's promise.
            unsafe { ptr::copy_nonoverlapping(now.as_ptr(), self.first.add(column * self.stride + row), now.len()) };
            numbers = later;
            (row, column) = (0, column + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unwritten;

    #[test]
    fn columns_are_written_from_anywhere_on() {
        let all: Vec<u32> = (0..12).collect();
        for rows in [1, 3, 4, 12] {
            let stride = rows + 2;
            let expected: Vec<u32> =
                all.chunks(rows).flat_map(|column| column.iter().copied().chain([u32::MAX; 2])).collect();
            for middle in 0..12 {
                let mut memory = vec![u32::MAX; expected.len()];
                let columns = Unwritten::new(memory.as_mut_ptr(), rows, stride);
                for (start, part) in [(middle, &all[middle..]), (0, &all[..middle])] {
                    // SAFETY: there is memory for all.
                    unsafe { columns.write(start, part) };
                }
                assert_eq!(memory, expected, "{rows} rows, from {middle} on");
            }
        }
    }
}
