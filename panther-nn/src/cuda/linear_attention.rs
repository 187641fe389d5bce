//! Linear attention, features in shared memory only.

use panther_gpu::layers::linear_attention::{self, Attention, Features, Shape};

use crate::backend::{Arithmetic, AttentionInputs, AttentionKernel, AttentionSizes, LinearAttention};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

/// What the way back needs beside inputs and output.
#[derive(Debug)]
pub struct SavedAttention<T: Scalar>(linear_attention::Saved<T>);

/// The inputs as panther-gpu has them.
fn attention<'a, T: Scalar>(inputs: AttentionInputs<'a, CudaTensor<T>>, sizes: &AttentionSizes) -> Attention<'a, T> {
    let &AttentionSizes { batch, heads, queries, keys, head_dimension, value_dimension, features } = sizes;
    let shape = Shape {
        batch,
        heads,
        queries,
        keys,
        head_dimension,
        value_dimension,
        features,
        kind: match (inputs.kernel, inputs.arithmetic) {
            (AttentionKernel::Softmax, Arithmetic::Stable) => Features::Softmax,
            (AttentionKernel::Softmax, Arithmetic::Original) => Features::SoftmaxOriginal,
            (AttentionKernel::Relu, Arithmetic::Stable) => Features::Relu { epsilon: 0.0 },
            (AttentionKernel::Relu, Arithmetic::Original) => Features::Relu { epsilon: 1e-5 },
        },
        causal: inputs.causal,
    };
    let [query, key, value] = [inputs.query, inputs.key, inputs.value].map(CudaTensor::into_buffer);
    Attention { query, key, value, projection: inputs.projection.buffer(), mask: inputs.mask, shape }
}

impl LinearAttention for Cuda {
    type SavedAttention<T: Scalar> = SavedAttention<T>;

    fn linear_attention<T: Scalar>(
        &self,
        inputs: &AttentionInputs<'_, CudaTensor<T>>,
    ) -> Result<(CudaTensor<T>, SavedAttention<T>), NnError> {
        let sizes = inputs.sizes::<T, Self>()?;
        let (y, saved) = linear_attention::attend(&attention(inputs.clone(), &sizes))?;
        Ok((CudaTensor::new(&sizes.output(), y), SavedAttention(saved)))
    }

    fn linear_attention_backward<T: Scalar>(
        &self,
        inputs: AttentionInputs<'_, CudaTensor<T>>,
        output: CudaTensor<T>,
        SavedAttention(saved): SavedAttention<T>,
        dy: CudaTensor<T>,
    ) -> Result<[CudaTensor<T>; 3], NnError> {
        let sizes = inputs.sizes_backward::<T, Self>(&output, &dy)?;
        let shapes = [&inputs.query, &inputs.key, &inputs.value].map(|x| x.shape().to_vec());
        let inputs = attention(inputs, &sizes);
        let [dq, dk, dv] = linear_attention::attend_backward(inputs, output.into_buffer(), &saved, dy.into_buffer())?;
        let [of_query, of_key, of_value] = shapes;
        Ok([CudaTensor::new(&of_query, dq), CudaTensor::new(&of_key, dk), CudaTensor::new(&of_value, dv)])
    }
}
