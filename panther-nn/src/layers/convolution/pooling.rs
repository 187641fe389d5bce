//! Pooling layers.

use crate::backend::{Backend, Geometry};
use crate::layers::convolution::window::{as_batch, as_given};
use crate::layers::{Layer, Saved, Window};
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// The largest number under each position of a window; padding is never it. x is batch×C×rows×columns or without batch.
#[derive(Debug)]
pub struct MaxPool2d<T: Scalar, B: Backend> {
    backend: B,
    geometry: Geometry,
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> MaxPool2d<T, B> {
    /// With the given window. PyTorch's default stride is the window's extents.
    ///
    /// # Errors
    /// Those of [`Window::geometry`].
    pub fn new(backend: &B, window: Window) -> Result<Self, NnError> {
        Ok(Self { backend: backend.clone(), geometry: window.geometry()?, saved: Saved::new("max_pool2d") })
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for MaxPool2d<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let images = as_batch(&self.backend, "max_pool2d", "x", x, None)?;
        as_given(&self.backend, self.backend.max_pool(&images, self.geometry)?, x)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let given = self.saved.take(B::shape(dy))?;
        let dy = as_batch(&self.backend, "max_pool2d backward", "dy", dy, None)?;
        let x = as_batch(&self.backend, "max_pool2d", "x", &given, None)?;
        as_given(&self.backend, self.backend.max_pool_backward(&x, &dy, self.geometry)?, &given)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        Vec::new()
    }

    fn save(&self, _: &str, _: &mut State<T>) -> Result<(), NnError> {
        Ok(())
    }

    fn load(&mut self, _: &str, _: &State<T>) -> Result<(), NnError> {
        Ok(())
    }
}

/// The mean under each position of a window, padding counted as zeros. x is batch×C×rows×columns or without batch.
#[derive(Debug)]
pub struct AvgPool2d<T: Scalar, B: Backend> {
    backend: B,
    geometry: Geometry,
    /// The inputs' shapes are all that is needed, but a clone shares its values.
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> AvgPool2d<T, B> {
    /// With the given window. PyTorch's default stride is the window's extents.
    ///
    /// # Errors
    /// Those of [`Window::geometry`].
    pub fn new(backend: &B, window: Window) -> Result<Self, NnError> {
        Ok(Self { backend: backend.clone(), geometry: window.geometry()?, saved: Saved::new("avg_pool2d") })
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for AvgPool2d<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let images = as_batch(&self.backend, "avg_pool2d", "x", x, None)?;
        as_given(&self.backend, self.backend.average_pool(&images, self.geometry)?, x)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let given = self.saved.take(B::shape(dy))?;
        let dy = as_batch(&self.backend, "avg_pool2d backward", "dy", dy, None)?;
        let (rows, columns) = match *B::shape(&given) {
            [.., rows, columns] => (rows, columns),
            _ => return Err(NnError::shape("avg_pool2d", "x", "…×rows×columns", B::shape(&given))),
        };
        let dx = self.backend.average_pool_backward(&dy, [rows, columns], self.geometry)?;
        as_given(&self.backend, dx, &given)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        Vec::new()
    }

    fn save(&self, _: &str, _: &mut State<T>) -> Result<(), NnError> {
        Ok(())
    }

    fn load(&mut self, _: &str, _: &State<T>) -> Result<(), NnError> {
        Ok(())
    }
}
