//! The factors of a sketched weight.

use faer::{Accum, Mat, MatRef, Par};
use panther_sketch::product;

use super::method::{Pair, times};
use super::weight::DenseWeight;
use crate::backend::Backend;
use crate::checkpoint::FloatType;
use crate::layers::{SkConv2d, SkLinear, Window};
use crate::{NnError, Scalar};

/// M̂ = D·E/(2T) in the form of its layer. For a linear layer D = \[S1₁ … S1_T U2₁ … U2_T\] and E = \[U1₁; …; U1_T; S2₁; …; S2_T\],
/// for a convolution D is all S1 and E all U1.
#[derive(Clone, Debug)]
pub struct Factors<T> {
    num_terms: usize,
    low_rank: usize,
    /// C_in, kh and kw of a convolution.
    kernel: Option<[usize; 3]>,
    down: Mat<T>,
    up: Mat<T>,
}

impl<T: Scalar> Factors<T> {
    /// From D and E, rounded to the type they will be stored in.
    pub(super) fn rounded(
        weight: &DenseWeight<T>,
        (num_terms, low_rank): (usize, usize),
        (mut down, mut up): Pair<T>,
        storage: FloatType,
    ) -> Result<Self, NnError> {
        if storage == FloatType::F16 {
            balance(&mut down, &mut up);
        }
        for factor in [&mut down, &mut up] {
            for j in 0..factor.ncols() {
                for x in factor.col_as_slice_mut(j) {
                    *x = storage.rounded(*x);
                    if !x.is_finite() {
                        return Err(NnError::FactorOverflow { scalar: storage.name() });
                    }
                }
            }
        }
        let kernel = match *weight.shape() {
            [_, c_in, height, width] => Some([c_in, height, width]),
            _ => None,
        };
        Ok(Self { num_terms, low_rank, kernel, down, up })
    }

    /// T.
    #[must_use]
    pub const fn num_terms(&self) -> usize {
        self.num_terms
    }

    /// k.
    #[must_use]
    pub const fn low_rank(&self) -> usize {
        self.low_rank
    }

    /// M̂, d_in×d_out.
    #[must_use]
    pub fn approximation(&self, par: Par) -> Mat<T> {
        let mut out = Mat::zeros(self.down.nrows(), self.up.ncols());
        product(out.as_mut(), Accum::Replace, self.down.as_ref(), self.up.as_ref(), self.mean(), par);
        out
    }

    /// 1/(2T).
    fn mean(&self) -> T {
        T::from_f64(0.5 / self.num_terms as f64)
    }

    /// ‖X(M − M̂)‖_F/‖XM‖_F, X the identity where there are no inputs; 0 where both are zero.
    pub(super) fn relative_error(&self, weight: &DenseWeight<T>, inputs: Option<MatRef<'_, T>>, par: Par) -> f64 {
        let m = weight.matrix();
        let mut difference = m.to_owned();
        product(difference.as_mut(), Accum::Add, self.down.as_ref(), self.up.as_ref(), -self.mean(), par);
        let (error, size) = match inputs {
            None => (norm(difference.as_ref()), norm(m)),
            Some(x) => (norm(times(x, difference.as_ref(), par).as_ref()), norm(times(x, m, par).as_ref())),
        };
        if error == 0.0 { 0.0 } else { error / size }
    }

    /// The tensors of the layer: name, shape and row-major values, in the names and shapes of the original package. A linear
    /// layer has `S1s` and `U2s` T×d_in×k, `U1s` and `S2s` T×k×d_out, a convolution `S1s` 2Tk×C_in×kh×kw and `U1s`
    /// 2T×k×C_out.
    #[must_use]
    pub fn tensors(&self) -> Vec<(&'static str, Vec<usize>, Vec<T>)> {
        let (terms, k) = (self.num_terms, self.low_rank);
        let (d_in, d_out, half) = (self.down.nrows(), self.up.ncols(), terms * k);
        if let Some([c_in, height, width]) = self.kernel {
            let s1 = (0..2 * half).flat_map(|j| self.down.col_as_slice(j).iter().copied()).collect();
            return vec![
                ("S1s", vec![2 * half, c_in, height, width], s1),
                ("U1s", vec![2 * terms, k, d_out], rows(self.up.as_ref())),
            ];
        }
        let blocks =
            |start: usize| -> Vec<T> { (0..terms).flat_map(|t| rows(self.down.subcols(start + t * k, k))).collect() };
        vec![
            ("S1s", vec![terms, d_in, k], blocks(0)),
            ("S2s", vec![terms, k, d_out], rows(self.up.subrows(half, half))),
            ("U1s", vec![terms, k, d_out], rows(self.up.subrows(0, half))),
            ("U2s", vec![terms, d_in, k], blocks(half)),
        ]
    }

    /// The sketched linear layer with these factors.
    ///
    /// # Errors
    /// [`NnError::Shape`] for the factors of a convolution, or a bias that does not fit.
    pub fn sk_linear<B: Backend>(&self, backend: &B, bias: Option<B::Tensor<T>>) -> Result<SkLinear<T, B>, NnError> {
        let (d_in, d_out, width) = (self.down.nrows(), self.up.ncols(), self.up.nrows());
        if let Some([c_in, height, columns]) = self.kernel {
            let shape = [d_out, c_in, height, columns];
            return Err(NnError::shape("sk_linear", "weight", "that of a linear layer", &shape));
        }
        let down = backend.upload(&[width, d_in], rows(self.down.transpose()))?;
        let up = backend.upload(&[width, d_out], rows(self.up.as_ref()))?;
        SkLinear::from_packed(backend, self.num_terms, down, up, bias)
    }

    /// The sketched convolution with these factors.
    ///
    /// # Errors
    /// [`NnError::Shape`] for the factors of a linear layer, or a bias or window that does not fit.
    pub fn sk_conv2d<B: Backend>(
        &self,
        backend: &B,
        bias: Option<B::Tensor<T>>,
        window: Window,
    ) -> Result<SkConv2d<T, B>, NnError> {
        let (d_in, d_out, width) = (self.down.nrows(), self.up.ncols(), self.up.nrows());
        let Some([c_in, height, columns]) = self.kernel else {
            return Err(NnError::shape("sk_conv2d", "weight", "that of a convolution", &[d_out, d_in]));
        };
        let s1 = backend.upload(&[width, c_in, height, columns], rows(self.down.transpose()))?;
        let u1 = backend.upload(&[width, d_out], rows(self.up.as_ref()))?;
        SkConv2d::from_parts(backend, self.num_terms, s1, u1, bias, window)
    }
}

/// Gives a column of D and its row of E values of about the same size, by a power of two: half precision has no room for
/// orthonormal ones beside those that carry a weight near either end of its range.
fn balance<T: Scalar>(down: &mut Mat<T>, up: &mut Mat<T>) {
    for j in 0..down.ncols() {
        let (of_down, of_up) = (down.col(j).norm_max().to_f64(), up.row(j).norm_max().to_f64());
        if of_down == 0.0 || of_up == 0.0 {
            continue;
        }
        let exponent = ((of_up / of_down).log2() / 2.0).round() as i32;
        let scale = T::from_f64(2f64.powi(exponent));
        down.col_mut(j).iter_mut().for_each(|x| *x *= scale);
        up.row_mut(j).iter_mut().for_each(|x| *x /= scale);
    }
}

/// The values row by row.
fn rows<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| a[(i, j)])).collect()
}

/// ‖A‖_F, summed in double precision and scaled so that no square leaves its range.
pub(super) fn norm<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    let entries = || (0..a.ncols()).flat_map(move |j| a.col(j).iter()).map(|x| x.to_f64());
    let largest = entries().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 { 0.0 } else { largest * entries().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt() }
}
