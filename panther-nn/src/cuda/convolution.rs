//! Convolutions from patches of the images in shared memory.

use panther_gpu::layers::convolution::{self, Images, Window};
use panther_gpu::layers::reductions;

use crate::backend::{Convolution, ConvolutionSizes, Geometry, batch_shape, channel_sums};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

/// A geometry as panther-gpu has it: the padding behind is in the count of positions.
pub(super) fn window(geometry: Geometry) -> Window {
    let Geometry { kernel, stride, padding, dilation } = geometry;
    Window { kernel, stride, before: padding.map(|[before, _]| before), dilation }
}

fn images(sizes: &ConvolutionSizes) -> Images {
    let &ConvolutionSizes { geometry, batch, c_in, c_out, extents, positions } = sizes;
    Images { batch, channels: [c_in, c_out], image: extents, positions, window: window(geometry) }
}

impl Convolution for Cuda {
    fn convolve<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        weight: &CudaTensor<T>,
        mix: Option<(T, &CudaTensor<T>)>,
        bias: Option<&CudaTensor<T>>,
        geometry: Geometry,
    ) -> Result<CudaTensor<T>, NnError> {
        let sizes = ConvolutionSizes::new("convolve", x.shape(), weight.shape(), geometry)?;
        let channels = sizes.mixed(mix.map(|(_, mix)| mix.shape()), bias.map(CudaTensor::shape))?;
        let shape = batch_shape("convolve", sizes.batch, channels, sizes.positions)?;
        let (mix, bias) = (mix.map(|(alpha, mix)| (alpha, mix.buffer())), bias.map(CudaTensor::buffer));
        let y = convolution::convolve(x.buffer(), weight.buffer(), mix, bias, images(&sizes))?;
        Ok(CudaTensor::new(&shape, y))
    }

    fn convolve_backward_input<T: Scalar>(
        &self,
        dy: &CudaTensor<T>,
        weight: &CudaTensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<CudaTensor<T>, NnError> {
        const NAME: &str = "convolve_backward_input";
        let sizes = ConvolutionSizes::of_gradient(NAME, dy.shape(), weight.shape(), image, geometry)?;
        let dx = convolution::convolve_backward_input(dy.buffer(), weight.buffer(), images(&sizes))?;
        Ok(CudaTensor::new(&sizes.images(), dx))
    }

    fn convolve_backward_weight<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        dy: &CudaTensor<T>,
        geometry: Geometry,
        gradient: &mut CudaTensor<T>,
    ) -> Result<(), NnError> {
        const NAME: &str = "convolve_backward_weight";
        let sizes = ConvolutionSizes::new(NAME, x.shape(), gradient.shape(), geometry)?;
        sizes.check_gradient(NAME, dy.shape())?;
        let images = images(&sizes);
        Ok(convolution::convolve_backward_weight(x.buffer(), dy.buffer(), images, gradient.buffer_mut()?)?)
    }

    fn sum_channels<T: Scalar>(&self, x: &CudaTensor<T>, sum: &mut CudaTensor<T>) -> Result<(), NnError> {
        let (batch, channels, [rows, columns]) = channel_sums(x.shape(), sum.shape())?;
        Ok(reductions::sum_channels(x.buffer(), [batch, channels, rows * columns], sum.buffer_mut()?)?)
    }
}
