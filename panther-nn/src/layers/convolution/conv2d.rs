//! The dense convolution.

use crate::backend::{Backend, Geometry};
use crate::layers::convolution::window::{as_batch, as_given};
use crate::layers::{Layer, Saved, Window, in_range};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// A 2-D convolution (cross-correlation) of x, batch×C_in×rows×columns or without batch, with a weight C_out×C_in×kh×kw, as PyTorch
/// keeps it, and a bias for each channel. 2·positions·C_out·C_in·kh·kw operations an image forward, twice that backward.
#[derive(Debug)]
pub struct Conv2d<T: Scalar, B: Backend> {
    backend: B,
    window: Window,
    geometry: Geometry,
    weight: Parameter<T, B>,
    bias: Option<Parameter<T, B>>,
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> Conv2d<T, B> {
    /// Weight and bias uniform on ±1/√(C_in·kh·kw) (He et al. 2015 with a = √5, PyTorch's default).
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where a size is 0, or from [`Window::geometry`].
    pub fn new(backend: &B, c_in: usize, c_out: usize, window: Window, bias: bool, seed: u64) -> Result<Self, NnError> {
        let taps = check_sizes(c_in, c_out, window)?;
        let limit = (taps as f64).sqrt().recip();
        let weight = backend.uniform(&[c_out, c_in, window.kernel[0], window.kernel[1]], limit, seed)?;
        let bias = bias.then(|| backend.uniform(&[c_out], limit, seed.wrapping_add(1))).transpose()?;
        Self::from_parts(backend, weight, bias, window)
    }

    /// From a weight, C_out×C_in×kh×kw, and a bias of length C_out.
    ///
    /// # Errors
    /// [`NnError::Shape`] where they do not fit each other or the window, or as [`new`](Self::new).
    pub fn from_parts(
        backend: &B,
        weight: B::Tensor<T>,
        bias: Option<B::Tensor<T>>,
        window: Window,
    ) -> Result<Self, NnError> {
        let [kernel_rows, kernel_columns] = window.kernel;
        let &[c_out, c_in, _, _] = B::shape(&weight) else {
            return Err(NnError::shape("conv2d", "weight", "C_out×C_in×kh×kw", B::shape(&weight)));
        };
        check_sizes(c_in, c_out, window)?;
        if B::shape(&weight)[2..] != window.kernel {
            let expected = format!("[{c_out}, {c_in}, {kernel_rows}, {kernel_columns}]");
            return Err(NnError::shape("conv2d", "weight", expected, B::shape(&weight)));
        }
        if let Some(bias) = bias.as_ref().filter(|bias| B::shape(bias) != [c_out]) {
            return Err(NnError::shape("conv2d", "bias", format!("[{c_out}]"), B::shape(bias)));
        }
        Ok(Self {
            backend: backend.clone(),
            window,
            geometry: window.geometry()?,
            weight: Parameter::trainable(weight),
            bias: bias.map(Parameter::trainable),
            saved: Saved::new("conv2d"),
        })
    }

    /// The weight, C_out×C_in×kh×kw.
    pub fn weight(&self) -> &B::Tensor<T> {
        &self.weight.value
    }

    /// The bias.
    pub fn bias(&self) -> Option<&B::Tensor<T>> {
        self.bias.as_ref().map(|bias| &bias.value)
    }

    /// The window.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Where the window stands.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// (C_in, C_out).
    pub fn channels(&self) -> (usize, usize) {
        let shape = B::shape(&self.weight.value);
        (shape[1], shape[0])
    }
}

/// C_in·kh·kw, where that is a number and nothing is 0.
pub(super) fn check_sizes(c_in: usize, c_out: usize, window: Window) -> Result<usize, NnError> {
    window.geometry()?;
    in_range("c_in", c_in, 1, usize::MAX)?;
    in_range("c_out", c_out, 1, usize::MAX)?;
    let [rows, columns] = window.kernel;
    let taps = c_in.checked_mul(rows).and_then(|taps| taps.checked_mul(columns));
    let fits = |taps: &usize| taps.checked_mul(c_out).is_some_and(|all| all <= isize::MAX as usize / 8);
    taps.filter(fits)
        .ok_or_else(|| NnError::shape("conv2d", "weight", "one that memory can hold", &[c_out, c_in, rows, columns]))
}

impl<T: Scalar, B: Backend> Layer<T, B> for Conv2d<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let images = as_batch(&self.backend, "conv2d", "x", x, Some(self.channels().0))?;
        let y = self.backend.convolve(&images, &self.weight.value, None, self.bias(), self.geometry)?;
        as_given(&self.backend, y, x)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let given = self.saved.take(B::shape(dy))?;
        let (c_in, c_out) = self.channels();
        let dy = as_batch(&self.backend, "conv2d backward", "dy", dy, Some(c_out))?;
        let x = as_batch(&self.backend, "conv2d", "x", &given, Some(c_in))?;
        let gradient = self.weight.gradient_mut(&self.backend)?;
        self.backend.convolve_backward_weight(&x, &dy, self.geometry, gradient)?;
        if let Some(bias) = &mut self.bias {
            self.backend.sum_channels(&dy, bias.gradient_mut(&self.backend)?)?;
        }
        let image = [B::shape(&x)[2], B::shape(&x)[3]];
        let dx = self.backend.convolve_backward_input(&dy, &self.weight.value, image, self.geometry)?;
        as_given(&self.backend, dx, &given)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        std::iter::once(&mut self.weight).chain(&mut self.bias).collect()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        state.insert_parameter(&self.backend, join(prefix, "weight"), &self.weight)?;
        match &self.bias {
            Some(bias) => state.insert_parameter(&self.backend, join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        state.load_parameter(&self.backend, &join(prefix, "weight"), &mut self.weight)?;
        match &mut self.bias {
            Some(bias) => state.load_parameter(&self.backend, &join(prefix, "bias"), bias),
            None => Ok(()),
        }
    }
}
