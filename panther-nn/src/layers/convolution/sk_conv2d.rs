//! The sketched convolution.

use crate::backend::{Backend, Geometry, Layout};
use crate::layers::convolution::conv2d::check_sizes;
use crate::layers::convolution::window::{as_batch, as_given};
use crate::layers::linear::{product_norm, signs};
use crate::layers::{Layer, Saved, Window, check_terms, in_range};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// Options of [`SkConv2d::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkConv2dOptions {
    /// T, at least 1; there are 2T terms.
    pub num_terms: usize,
    /// k, 1..=min(C_in·kh·kw, C_out).
    pub low_rank: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

/// A convolution whose kernel, unfolded to (C_in·kh·kw)×C_out, is 1/(2T)·Σᵢ S1ᵢ·U1ᵢ for i < 2T, with S1ᵢ (C_in·kh·kw)×k learned and
/// U1ᵢ k×C_out fixed: a convolution to 2Tk channels, of which a 1×1 convolution makes C_out.
///
/// x is batch×C_in×rows×columns or without batch; 4Tk·(C_in·kh·kw + C_out) operations a position forward, and 2Tk·C_in·kh·kw values
/// learned, against 2·C_out·C_in·kh·kw and C_out·C_in·kh·kw of the dense layer.
#[derive(Debug)]
pub struct SkConv2d<T: Scalar, B: Backend> {
    backend: B,
    geometry: Geometry,
    num_terms: usize,
    /// All S1ᵢᵀ, 2Tk×C_in×kh×kw.
    s1: Parameter<T, B>,
    /// All U1ᵢ, 2Tk×C_out.
    u1: Parameter<T, B>,
    bias: Option<Parameter<T, B>>,
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> SkConv2d<T, B> {
    /// A fresh layer: U1 from scaled signs ±1/√k, S1ᵢ = W·U1ᵢᵀ for a W uniform on ±1/√(C_in·kh·kw), then scaled so that the kernel
    /// has the norm of W.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where a size is 0 or k is above min(C_in·kh·kw, C_out), or from [`Window::geometry`].
    pub fn new(
        backend: &B,
        c_in: usize,
        c_out: usize,
        window: Window,
        options: SkConv2dOptions,
    ) -> Result<Self, NnError> {
        let SkConv2dOptions { num_terms, low_rank, bias, seed } = options;
        let taps = check_sizes(c_in, c_out, window)?;
        in_range("low_rank", low_rank, 1, taps.min(c_out))?;
        check_terms(num_terms, low_rank, taps.max(c_out))?;
        let limit = (taps as f64).sqrt().recip();
        let weight = backend.uniform::<T>(&[c_out, taps], limit, seed)?;
        let bias = bias.then(|| backend.uniform(&[c_out], limit, seed.wrapping_add(1))).transpose()?;
        let hidden = 2 * num_terms * low_rank;
        // 1. The frozen half.
        let u1 = backend.upload(&[hidden, c_out], signs::<T>(2 * num_terms, low_rank, c_out, seed.wrapping_add(2))?)?;
        // 2. S1ᵀ = U1·Wᵀ, then again scaled by what makes ‖S1·U1‖_F = 2T·‖W‖_F.
        let mut s1 = backend.zeros(&[hidden, taps])?;
        let u1_at = (&u1, Layout::matrix(hidden, c_out));
        let weight_at = (&weight, Layout::matrix(c_out, taps));
        let s1_at = Layout::matrix(hidden, taps);
        backend.gemm(T::ONE, u1_at, weight_at, T::ZERO, (&mut s1, s1_at))?;
        let norm = backend.sum_of_squares(&weight)?.sqrt();
        let scale = 2.0 * num_terms as f64 * norm / product_norm(backend, &s1, &u1)?;
        backend.gemm(T::from_f64(scale), u1_at, weight_at, T::ZERO, (&mut s1, s1_at))?;
        let s1 = backend.reshape(&s1, &[hidden, c_in, window.kernel[0], window.kernel[1]])?;
        Self::from_parts(backend, num_terms, s1, u1, bias, window)
    }

    /// From \[S1₁ᵀ; …\], 2Tk×C_in×kh×kw, and \[U1₁; …\], 2Tk×C_out.
    ///
    /// # Errors
    /// [`NnError::Shape`], [`NnError::OutOfRange`] where the sizes do not fit.
    pub fn from_parts(
        backend: &B,
        num_terms: usize,
        s1: B::Tensor<T>,
        u1: B::Tensor<T>,
        bias: Option<B::Tensor<T>>,
        window: Window,
    ) -> Result<Self, NnError> {
        let (&[hidden, c_in, kernel_rows, kernel_columns], &[rows, c_out]) = (B::shape(&s1), B::shape(&u1)) else {
            return Err(NnError::shape("sk_conv2d", "s1", "2Tk×C_in×kh×kw", B::shape(&s1)));
        };
        let taps = check_sizes(c_in, c_out, window)?;
        if [kernel_rows, kernel_columns] != window.kernel {
            let expected = format!("[{hidden}, {c_in}, {}, {}]", window.kernel[0], window.kernel[1]);
            return Err(NnError::shape("sk_conv2d", "s1", expected, B::shape(&s1)));
        }
        in_range("num_terms", num_terms, 1, usize::MAX / 2)?;
        if rows != hidden || hidden % (2 * num_terms) != 0 {
            let expected = format!("2·{num_terms}·low_rank rows, as many as s1's {hidden}");
            return Err(NnError::shape("sk_conv2d", "u1", expected, B::shape(&u1)));
        }
        in_range("low_rank", hidden / (2 * num_terms), 1, taps.min(c_out))?;
        if let Some(bias) = bias.as_ref().filter(|bias| B::shape(bias) != [c_out]) {
            return Err(NnError::shape("sk_conv2d", "bias", format!("[{c_out}]"), B::shape(bias)));
        }
        Ok(Self {
            backend: backend.clone(),
            geometry: window.geometry()?,
            num_terms,
            s1: Parameter::trainable(s1),
            u1: Parameter::frozen(u1),
            bias: bias.map(Parameter::trainable),
            saved: Saved::new("sk_conv2d"),
        })
    }

    /// (C_in, C_out).
    pub fn channels(&self) -> (usize, usize) {
        (B::shape(&self.s1.value)[1], B::shape(&self.u1.value)[1])
    }

    /// Where the window stands.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// T.
    pub const fn num_terms(&self) -> usize {
        self.num_terms
    }

    /// k.
    pub fn low_rank(&self) -> usize {
        self.hidden() / (2 * self.num_terms)
    }

    /// 2Tk.
    fn hidden(&self) -> usize {
        B::shape(&self.s1.value)[0]
    }

    /// 1/(2T).
    fn mean(&self) -> T {
        T::from_f64(0.5 / self.num_terms as f64)
    }

    /// U1s as files hold it.
    fn u1_shape(&self) -> [usize; 3] {
        [2 * self.num_terms, self.low_rank(), self.channels().1]
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for SkConv2d<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let images = as_batch(&self.backend, "sk_conv2d", "x", x, Some(self.channels().0))?;
        let mix = Some((self.mean(), &self.u1.value));
        let bias = self.bias.as_ref().map(|bias| &bias.value);
        let y = self.backend.convolve(&images, &self.s1.value, mix, bias, self.geometry)?;
        as_given(&self.backend, y, x)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let given = self.saved.take(B::shape(dy))?;
        let ((c_in, c_out), hidden) = (self.channels(), self.hidden());
        let dy = as_batch(&self.backend, "sk_conv2d backward", "dy", dy, Some(c_out))?;
        let x = as_batch(&self.backend, "sk_conv2d", "x", &given, Some(c_in))?;
        // The gradient by the hidden channels is U1/(2T) times dy, image by image.
        let &[batch, _, rows, columns] = B::shape(&dy) else {
            return Err(NnError::shape("sk_conv2d backward", "dy", "batch×C_out×rows×columns", B::shape(&dy)));
        };
        let pixels = rows * columns;
        let u1_at = Layout::matrix(hidden, c_out).batched([batch, 1], [0, 0]);
        let dy_at = Layout::matrix(c_out, pixels).batched([batch, 1], [c_out * pixels, 0]);
        let (u1, shape) = ((&self.u1.value, u1_at), [batch, hidden, rows, columns]);
        let d_hidden = self.backend.product(&shape, self.mean(), u1, (&dy, dy_at))?;
        let gradient = self.s1.gradient_mut(&self.backend)?;
        self.backend.convolve_backward_weight(&x, &d_hidden, self.geometry, gradient)?;
        if let Some(bias) = &mut self.bias {
            self.backend.sum_channels(&dy, bias.gradient_mut(&self.backend)?)?;
        }
        let image = [B::shape(&x)[2], B::shape(&x)[3]];
        let dx = self.backend.convolve_backward_input(&d_hidden, &self.s1.value, image, self.geometry)?;
        as_given(&self.backend, dx, &given)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        std::iter::once(&mut self.s1).chain(&mut self.bias).collect()
    }

    /// As the original package names and shapes them.
    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        state.insert_parameter(&self.backend, join(prefix, "S1s"), &self.s1)?;
        state.insert(join(prefix, "U1s"), &self.u1_shape(), self.backend.download(&self.u1.value)?);
        match &self.bias {
            Some(bias) => state.insert_parameter(&self.backend, join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        let u1 = state.values(&join(prefix, "U1s"), &self.u1_shape())?.to_vec();
        let u1 = self.backend.upload(&[self.hidden(), self.channels().1], u1)?;
        state.load_parameter(&self.backend, &join(prefix, "S1s"), &mut self.s1)?;
        self.u1.value = u1;
        match &mut self.bias {
            Some(bias) => state.load_parameter(&self.backend, &join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }
}
