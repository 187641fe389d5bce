//! The dense linear layer.

use crate::backend::{Backend, Layout};
use crate::layers::{Layer, Saved, in_range, rows_of, with_last};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// y = x·Wᵀ + b with W out×in, as PyTorch keeps it. x is …×in, y …×out; 2·rows·in·out operations forward, twice that backward.
#[derive(Debug)]
pub struct Linear<T: Scalar, B: Backend> {
    backend: B,
    weight: Parameter<T, B>,
    bias: Option<Parameter<T, B>>,
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> Linear<T, B> {
    /// W and b uniform on ±1/√in (He et al. 2015 with a = √5, PyTorch's default).
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where a dimension is 0.
    pub fn new(backend: &B, d_in: usize, d_out: usize, bias: bool, seed: u64) -> Result<Self, NnError> {
        in_range("d_in", d_in, 1, usize::MAX)?;
        in_range("d_out", d_out, 1, usize::MAX)?;
        let limit = (d_in as f64).sqrt().recip();
        let weight = backend.uniform(&[d_out, d_in], limit, seed)?;
        let bias = bias.then(|| backend.uniform(&[d_out], limit, seed.wrapping_add(1))).transpose()?;
        Self::from_parts(backend, weight, bias)
    }

    /// From W, out×in, and b of length out.
    ///
    /// # Errors
    /// [`NnError::Shape`] where they do not fit.
    pub fn from_parts(backend: &B, weight: B::Tensor<T>, bias: Option<B::Tensor<T>>) -> Result<Self, NnError> {
        let &[d_out, _] = B::shape(&weight) else {
            return Err(NnError::shape("linear", "weight", "out×in", B::shape(&weight)));
        };
        if let Some(bias) = bias.as_ref().filter(|bias| B::shape(bias) != [d_out]) {
            return Err(NnError::shape("linear", "bias", format!("[{d_out}]"), B::shape(bias)));
        }
        Ok(Self {
            backend: backend.clone(),
            weight: Parameter::trainable(weight),
            bias: bias.map(Parameter::trainable),
            saved: Saved::new("linear"),
        })
    }

    /// W, out×in.
    pub fn weight(&self) -> &B::Tensor<T> {
        &self.weight.value
    }

    /// b.
    pub fn bias(&self) -> Option<&B::Tensor<T>> {
        self.bias.as_ref().map(|bias| &bias.value)
    }

    /// (out, in).
    pub fn dimensions(&self) -> (usize, usize) {
        let shape = B::shape(&self.weight.value);
        (shape[0], shape[1])
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for Linear<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let (d_out, d_in) = self.dimensions();
        let rows = rows_of("linear", "x", B::shape(x), d_in)?;
        let weight = (&self.weight.value, Layout::matrix(d_out, d_in).t());
        let shape = with_last(B::shape(x), d_out);
        let mut y = self.backend.product(&shape, T::ONE, (x, Layout::matrix(rows, d_in)), weight)?;
        if let Some(bias) = &self.bias {
            self.backend.add_rows(&bias.value, &mut y)?;
        }
        Ok(y)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let x = self.saved.take(B::shape(dy))?;
        let (d_out, d_in) = self.dimensions();
        let rows = rows_of("linear backward", "dy", B::shape(dy), d_out)?;
        let (x_at, dy_at, weight_at) =
            (Layout::matrix(rows, d_in), Layout::matrix(rows, d_out), Layout::matrix(d_out, d_in));
        // dW += dyᵀ·x, db += Σ dy, dx = dy·W.
        let gradient = self.weight.gradient_mut(&self.backend)?;
        self.backend.gemm(T::ONE, (dy, dy_at.t()), (&x, x_at), T::ONE, (gradient, weight_at))?;
        if let Some(bias) = &mut self.bias {
            self.backend.sum_rows(dy, bias.gradient_mut(&self.backend)?)?;
        }
        self.backend.product(B::shape(&x), T::ONE, (dy, dy_at), (&self.weight.value, weight_at))
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
