//! Linear attention, features in shared memory only.

use panther_gpu::layers::linear_attention::{self, Attention, Features, Marks, Shape};

use crate::backend::{
    Arithmetic, AttentionInputs, AttentionKernel, AttentionMarks, AttentionSizes, LinearAttention, Marked, RowMarks,
};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

/// What the backward pass needs beside inputs and output.
#[derive(Debug)]
pub struct SavedAttention<T: Scalar> {
    saved: linear_attention::Saved<T>,
    marks: AttentionMarks<T, Cuda>,
}

/// The inputs as panther-gpu has them.
fn attention<'a, T: Scalar>(
    inputs: AttentionInputs<'a, CudaTensor<T>>,
    sizes: &AttentionSizes,
    marks: &'a AttentionMarks<T, Cuda>,
) -> Attention<'a, T> {
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
    let marks = Marks { query: marks.query.buffer(), key: marks.key.buffer(), value: marks.value.buffer() };
    Attention { query, key, value, projection: inputs.projection.buffer(), mask: inputs.mask, marks, shape }
}

impl LinearAttention for Cuda {
    type SavedAttention<T: Scalar> = SavedAttention<T>;

    fn linear_attention<T: Scalar>(
        &self,
        inputs: &AttentionInputs<'_, CudaTensor<T>>,
    ) -> Result<(CudaTensor<T>, SavedAttention<T>), NnError> {
        let sizes = inputs.sizes::<T, Self>()?;
        let marks = inputs.marks(self, &sizes)?;
        let (y, saved) = linear_attention::attend(&attention(inputs.clone(), &sizes, &marks))?;
        let mut y = CudaTensor::new(&sizes.output(), y);
        self.fill_marked(&marks.output, Marked::Tainted, T::from_f64(f64::NAN), &mut y)?;
        Ok((y, SavedAttention { saved, marks }))
    }

    fn linear_attention_backward<T: Scalar>(
        &self,
        inputs: AttentionInputs<'_, CudaTensor<T>>,
        output: CudaTensor<T>,
        SavedAttention { saved, marks }: SavedAttention<T>,
        dy: CudaTensor<T>,
    ) -> Result<[CudaTensor<T>; 3], NnError> {
        let sizes = inputs.sizes_backward::<T, Self>(&output, &dy)?;
        let shapes = [&inputs.query, &inputs.key, &inputs.value].map(|x| x.shape().to_vec());
        let spoilt = marks.of_gradients(self, sizes.positions(inputs.causal), &dy)?;
        let inputs = attention(inputs, &sizes, &marks);
        let (y, dy, of_rows) = (output.into_buffer(), dy.into_buffer(), [marks.output.buffer(), spoilt.query.buffer()]);
        let [dq, dk, dv] = linear_attention::attend_backward(inputs, y, &saved, dy, of_rows)?;
        let [of_query, of_key, of_value] = shapes;
        let (mut dq, mut dk) = (CudaTensor::new(&of_query, dq), CudaTensor::new(&of_key, dk));
        let mut dv = CudaTensor::new(&of_value, dv);
        marks.spoil_gradients(self, &spoilt, [&mut dq, &mut dk, &mut dv])?;
        Ok([dq, dk, dv])
    }
}
