//! The sketched linear layer.

use panther_sketch::Distribution;

use crate::backend::{Backend, Layout};
use crate::layers::{Layer, Saved, check_terms, in_range, rows_of, with_last};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// Options of [`SkLinear::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkLinearOptions {
    /// T, at least 1.
    pub num_terms: usize,
    /// k, 1..=min(d_in, d_out).
    pub low_rank: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

/// y = 1/(2T)·Σᵢ (x·S1ᵢ·U1ᵢ + x·U2ᵢ·S2ᵢ) + b, with S1ᵢ d_in×k and S2ᵢ k×d_out trainable, U1ᵢ k×d_out and U2ᵢ d_in×k frozen.
///
/// x is …×d_in, y …×d_out; 4Tk·(d_in + d_out) operations a row forward, and T·k·(d_in + d_out) trainable values, against
/// 2·d_in·d_out and d_in·d_out of the dense layer. The terms are not multiplied one by one: with
/// D = \[S1₁ … S1_T U2₁ … U2_T\] and E = \[U1₁; …; U1_T; S2₁; …; S2_T\], y = (x·D)·E/(2T) + b, two products.
#[derive(Debug)]
pub struct SkLinear<T: Scalar, B: Backend> {
    backend: B,
    num_terms: usize,
    low_rank: usize,
    /// Dᵀ, 2Tk×d_in: the first half, S1ᵀ, is trainable.
    down: Parameter<T, B>,
    /// E, 2Tk×d_out: the second half, S2, is trainable.
    up: Parameter<T, B>,
    bias: Option<Parameter<T, B>>,
    saved: Saved<Projected<B::Tensor<T>>>,
}

/// What one use leaves behind.
#[derive(Debug)]
struct Projected<X> {
    x: X,
    /// x·D.
    hidden: X,
}

impl<T: Scalar, B: Backend> SkLinear<T, B> {
    /// A fresh layer: U from scaled signs ±1/√k, S1ᵢ = W·U1ᵢᵀ and S2ᵢ = U2ᵢᵀ·W for a W uniform on ±1/√d_in, then both scaled so that
    /// the layer's weight has the norm of W.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where a dimension is 0 or k is above min(d_in, d_out).
    pub fn new(backend: &B, d_in: usize, d_out: usize, options: SkLinearOptions) -> Result<Self, NnError> {
        let SkLinearOptions { num_terms, low_rank, bias, seed } = options;
        check_sizes(d_in, d_out, num_terms, low_rank)?;
        let limit = (d_in as f64).sqrt().recip();
        let weight = backend.uniform::<T>(&[d_out, d_in], limit, seed)?;
        let bias = bias.then(|| backend.uniform(&[d_out], limit, seed.wrapping_add(1))).transpose()?;
        let half = num_terms * low_rank;
        // 1. The frozen halves.
        let mut down = vec![T::ZERO; half * d_in];
        let mut up = signs::<T>(num_terms, low_rank, d_out, seed.wrapping_add(2))?;
        down.extend(signs::<T>(num_terms, low_rank, d_in, seed.wrapping_add(3))?);
        up.resize(2 * half * d_out, T::ZERO);
        let (mut down, mut up) = (backend.upload(&[2 * half, d_in], down)?, backend.upload(&[2 * half, d_out], up)?);
        // 2. S1ᵀ = U1·Wᵀ and S2 = U2ᵀ·W, then again scaled by what makes ‖D·E‖_F = 2T·‖W‖_F.
        sketch_weight(backend, &weight, T::ONE, &mut down, &mut up)?;
        let norm = backend.sum_of_squares(&weight)?.sqrt();
        let scale = 2.0 * num_terms as f64 * norm / product_norm(backend, &down, &up)?;
        sketch_weight(backend, &weight, T::from_f64(scale), &mut down, &mut up)?;
        Self::from_packed(backend, num_terms, down, up, bias)
    }

    /// From Dᵀ = \[S1₁ᵀ; …; S1_Tᵀ; U2₁ᵀ; …; U2_Tᵀ\], 2Tk×d_in, and E = \[U1₁; …; U1_T; S2₁; …; S2_T\], 2Tk×d_out.
    ///
    /// # Errors
    /// [`NnError::Shape`], [`NnError::OutOfRange`] where the sizes do not fit.
    pub fn from_packed(
        backend: &B,
        num_terms: usize,
        down: B::Tensor<T>,
        up: B::Tensor<T>,
        bias: Option<B::Tensor<T>>,
    ) -> Result<Self, NnError> {
        let (&[rows, d_in], &[up_rows, d_out]) = (B::shape(&down), B::shape(&up)) else {
            return Err(NnError::shape("sk_linear", "down", "2Tk×d_in", B::shape(&down)));
        };
        if num_terms == 0 || rows % (2 * num_terms) != 0 || up_rows != rows {
            let expected = format!("2·{num_terms}·low_rank rows, as many as down's {rows}");
            return Err(NnError::shape("sk_linear", "up", expected, B::shape(&up)));
        }
        let low_rank = rows / (2 * num_terms);
        check_sizes(d_in, d_out, num_terms, low_rank)?;
        if let Some(bias) = bias.as_ref().filter(|bias| B::shape(bias) != [d_out]) {
            return Err(NnError::shape("sk_linear", "bias", format!("[{d_out}]"), B::shape(bias)));
        }
        Ok(Self {
            backend: backend.clone(),
            num_terms,
            low_rank,
            down: Parameter::partly_trainable(down, 0..rows / 2),
            up: Parameter::partly_trainable(up, rows / 2..rows),
            bias: bias.map(Parameter::trainable),
            saved: Saved::new("sk_linear"),
        })
    }

    /// (d_in, d_out).
    pub fn dimensions(&self) -> (usize, usize) {
        (B::shape(&self.down.value)[1], B::shape(&self.up.value)[1])
    }

    /// T.
    pub const fn num_terms(&self) -> usize {
        self.num_terms
    }

    /// k.
    pub const fn low_rank(&self) -> usize {
        self.low_rank
    }

    /// Where x, x·D, y, Dᵀ and E lie for so many rows of x.
    fn layouts(&self, rows: usize) -> Layouts {
        let ((d_in, d_out), width) = (self.dimensions(), 2 * self.num_terms * self.low_rank);
        Layouts {
            x: Layout::matrix(rows, d_in),
            hidden: Layout::matrix(rows, width),
            y: Layout::matrix(rows, d_out),
            down: Layout::matrix(width, d_in),
            up: Layout::matrix(width, d_out),
        }
    }

    /// 1/(2T).
    fn mean(&self) -> T {
        T::from_f64(0.5 / self.num_terms as f64)
    }

    /// x·D.
    fn project(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let at = self.layouts(rows_of("sk_linear", "x", B::shape(x), self.dimensions().0)?);
        let shape = [at.hidden.rows, at.hidden.columns];
        self.backend.product(&shape, T::ONE, (x, at.x), (&self.down.value, at.down.t()))
    }

    /// y, in the shape of x but for its last extent.
    fn combine(&self, x: &B::Tensor<T>, hidden: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let at = self.layouts(B::shape(hidden)[0]);
        let shape = with_last(B::shape(x), at.y.columns);
        let mut y = self.backend.product(&shape, self.mean(), (hidden, at.hidden), (&self.up.value, at.up))?;
        if let Some(bias) = &self.bias {
            self.backend.add_rows(&bias.value, &mut y)?;
        }
        Ok(y)
    }

    /// The four factors as the original package names and shapes them: for each whether it is the first half of its packed
    /// tensor, and whether it stands there transposed.
    const FACTORS: [(&'static str, bool, bool); 4] =
        [("S1s", true, true), ("U2s", false, true), ("U1s", true, false), ("S2s", false, false)];
}

struct Layouts {
    x: Layout,
    hidden: Layout,
    y: Layout,
    down: Layout,
    up: Layout,
}

fn check_sizes(d_in: usize, d_out: usize, num_terms: usize, low_rank: usize) -> Result<(), NnError> {
    in_range("d_in", d_in, 1, usize::MAX)?;
    in_range("d_out", d_out, 1, usize::MAX)?;
    in_range("low_rank", low_rank, 1, d_in.min(d_out))?;
    check_terms(num_terms, low_rank, d_in.max(d_out))
}

/// T matrices k×n of signs ±1/√k, one below the other.
pub(crate) fn signs<T: Scalar>(num_terms: usize, k: usize, n: usize, seed: u64) -> Result<Vec<T>, NnError> {
    let mut all = Vec::with_capacity(num_terms * k * n);
    for term in 0..num_terms {
        let seed = seed.wrapping_add((term as u64) << 32);
        let u = Distribution::Rademacher.operator::<T>(k, n, seed)?.to_dense()?;
        all.extend((0..k).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| u[(i, j)]));
    }
    Ok(all)
}

/// The trainable halves from the frozen ones: S1ᵀ = α·U1·Wᵀ in `down` and S2 = α·U2ᵀ·W in `up`, with `weight` = Wᵀ, out×in.
fn sketch_weight<T: Scalar, B: Backend>(
    backend: &B,
    weight: &B::Tensor<T>,
    alpha: T,
    down: &mut B::Tensor<T>,
    up: &mut B::Tensor<T>,
) -> Result<(), NnError> {
    let (&[d_out, d_in], half) = (B::shape(weight), B::shape(down)[0] / 2) else {
        return Err(NnError::shape("sk_linear", "weight", "out×in", B::shape(weight)));
    };
    let (down_at, up_at) = (Layout::matrix(2 * half, d_in), Layout::matrix(2 * half, d_out));
    let weight_at = Layout::matrix(d_out, d_in);
    let (u1, s1) = (up_at.rows(0, half), down_at.rows(0, half));
    backend.gemm(alpha, (up, u1), (weight, weight_at), T::ZERO, (down, s1))?;
    let (u2, s2) = (down_at.rows(half, half), up_at.rows(half, half));
    backend.gemm(alpha, (down, u2), (weight, weight_at.t()), T::ZERO, (up, s2))
}

/// ‖D·E‖_F, from the Gram matrices of D and of Eᵀ.
pub(crate) fn product_norm<T: Scalar, B: Backend>(
    backend: &B,
    down: &B::Tensor<T>,
    up: &B::Tensor<T>,
) -> Result<f64, NnError> {
    let gram = |factor: &B::Tensor<T>| -> Result<Vec<T>, NnError> {
        let at = Layout::matrix(B::shape(factor)[0], B::shape(factor)[1]);
        let mut gram = backend.zeros(&[at.rows, at.rows])?;
        let gram_at = Layout::matrix(at.rows, at.rows);
        backend.gemm(T::ONE, (factor, at), (factor, at.t()), T::ZERO, (&mut gram, gram_at))?;
        backend.download(&gram)
    };
    // ‖D·E‖² = tr((DᵀD)(EEᵀ)), both symmetric.
    let squared: f64 = gram(down)?.iter().zip(gram(up)?).map(|(d, e)| d.to_f64() * e.to_f64()).sum();
    Ok(squared.max(0.0).sqrt())
}

impl<T: Scalar, B: Backend> Layer<T, B> for SkLinear<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.combine(x, &self.project(x)?)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let hidden = self.project(x)?;
        let y = self.combine(x, &hidden)?;
        self.saved.push(B::shape(&y), Projected { x: x.clone(), hidden });
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let Projected { x, hidden } = self.saved.take(B::shape(dy))?;
        let rows = rows_of("sk_linear backward", "dy", B::shape(dy), self.dimensions().1)?;
        let (at, mean, half) = (self.layouts(rows), self.mean(), self.num_terms * self.low_rank);
        // d(x·D) = dy·Eᵀ/(2T).
        let up = (&self.up.value, at.up.t());
        let d_hidden = self.backend.product(&[rows, 2 * half], mean, (dy, at.y), up)?;
        // dS1ᵀ += d(x·D)ᵀ·x and dS2 += (x·D)ᵀ·dy/(2T), each from its half of the columns.
        let ds1 = (self.down.gradient_mut(&self.backend)?, at.down.rows(0, half));
        self.backend.gemm(T::ONE, (&d_hidden, at.hidden.columns(0, half).t()), (&x, at.x), T::ONE, ds1)?;
        let ds2 = (self.up.gradient_mut(&self.backend)?, at.up.rows(0, half));
        self.backend.gemm(mean, (&hidden, at.hidden.columns(half, half).t()), (dy, at.y), T::ONE, ds2)?;
        if let Some(bias) = &mut self.bias {
            self.backend.sum_rows(dy, bias.gradient_mut(&self.backend)?)?;
        }
        self.backend.product(B::shape(&x), T::ONE, (&d_hidden, at.hidden), (&self.down.value, at.down))
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        [&mut self.down, &mut self.up].into_iter().chain(&mut self.bias).collect()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        let (terms, k, (d_in, d_out)) = (self.num_terms, self.low_rank, self.dimensions());
        let (down, up) = (self.backend.download(&self.down.value)?, self.backend.download(&self.up.value)?);
        for (name, is_first, is_transposed) in Self::FACTORS {
            let (packed, n) = if is_transposed { (&down, d_in) } else { (&up, d_out) };
            let half = terms * k * n;
            let factor = &packed[if is_first { 0 } else { half }..][..half];
            if is_transposed {
                let numbers = factor.chunks(k * n).flat_map(|term| transposed(term, k, n)).collect();
                state.insert(join(prefix, name), &[terms, n, k], numbers);
            } else {
                state.insert(join(prefix, name), &[terms, k, n], factor.to_vec());
            }
        }
        match &self.bias {
            Some(bias) => state.insert_parameter(&self.backend, join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        let (terms, k, (d_in, d_out)) = (self.num_terms, self.low_rank, self.dimensions());
        let (mut down, mut up) = (Vec::new(), Vec::new());
        for (name, _, is_transposed) in Self::FACTORS {
            if is_transposed {
                let factor = state.values(&join(prefix, name), &[terms, d_in, k])?;
                down.extend(factor.chunks(d_in * k).flat_map(|term| transposed(term, d_in, k)));
            } else {
                up.extend(state.values(&join(prefix, name), &[terms, k, d_out])?);
            }
        }
        self.down.value = self.backend.upload(&[2 * terms * k, d_in], down)?;
        self.up.value = self.backend.upload(&[2 * terms * k, d_out], up)?;
        match &mut self.bias {
            Some(bias) => state.load_parameter(&self.backend, &join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }
}

/// A rows×columns matrix, row-major, as its transpose.
fn transposed<T: Scalar>(matrix: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns).flat_map(|j| (0..rows).map(move |i| matrix[i * columns + j])).collect()
}
