//! A 64-bit fingerprint of the bits of a result.

use faer::Mat;
use panther_linalg::Real;

/// Folds values into one word, in order: a change of any bit changes it, except with probability 2⁻⁶⁴.
#[derive(Debug, Default)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// Adds the bits of these values.
    pub fn values<T: Real>(&mut self, values: &[T]) {
        for x in values {
            self.word(x.to_f64().to_bits());
        }
    }

    /// Adds one word.
    pub fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Adds the entries of a matrix by columns.
    pub fn matrix<T: Real>(&mut self, a: &Mat<T>) {
        a.col_iter().for_each(|column| column.iter().for_each(|x| self.word(x.to_f64().to_bits())));
    }
}
