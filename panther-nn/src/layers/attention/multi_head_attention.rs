//! Dense multi-head attention.

use crate::backend::{AttentionMarks, Backend, Marked};
use crate::layers::attention::dot_product_attention::DotProductAttention;
use crate::layers::attention::visible_rows::visible;
use crate::layers::{Layer, Linear, Saved, in_range, rows_of};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

const NAME: &str = "multi_head_attention";

/// Options of [`MultiHeadAttention::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiHeadAttentionOptions {
    /// Whether the four projections have biases.
    pub bias: bool,
    /// Whether position i attends to the positions up to i alone; then L = S.
    pub causal: bool,
    /// The part of the outputs that is dropped in training, at least 0 and below 1.
    pub dropout: f64,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

impl Default for MultiHeadAttentionOptions {
    fn default() -> Self {
        Self { bias: true, causal: false, dropout: 0.0, seed: 0 }
    }
}

/// softmax(q·kᵀ/√d)·v in each head (Vaswani et al. 2017), between projections of query, key and value and one of the output.
///
/// Query is …×L×E, key and value …×S×E with the same leading extents, the output …×L×E. 4·L·S·E operations forward beside the
/// projections, so quadratic in the length; of the L×S scores only those of a block of query rows are held. A position that sees
/// no key gets 0 from its heads. As a [`Layer`] it is self-attention without a mask.
#[derive(Debug)]
pub struct MultiHeadAttention<T: Scalar, B: Backend> {
    backend: B,
    heads: usize,
    options: MultiHeadAttentionOptions,
    /// Of query, key and value.
    projections: [Linear<T, B>; 3],
    output: Linear<T, B>,
    /// Uses in training so far: each drops other outputs.
    uses: u64,
    saved: Saved<Use<T, B>>,
}

/// What one use leaves behind.
#[derive(Debug)]
struct Use<T: Scalar, B: Backend> {
    heads: Heads<T, B>,
    dropout_seed: u64,
}

/// What the heads work on.
#[derive(Debug)]
struct Heads<T: Scalar, B: Backend> {
    shape: DotProductAttention,
    /// q, k and v, with zeros in the marked rows.
    projected: [B::Tensor<T>; 3],
    marks: AttentionMarks<T, B>,
    penalty: Option<B::Tensor<T>>,
}

/// Names of the packed projections in PyTorch's files.
const PACKED_WEIGHT: &str = "in_proj_weight";
const PACKED_BIAS: &str = "in_proj_bias";

impl<T: Scalar, B: Backend> MultiHeadAttention<T, B> {
    /// A fresh layer as PyTorch's: weights of q, k and v uniform on ±√(6/4E), that of the output on ±1/√E, biases 0.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`], [`NnError::InvalidNumber`] for an option out of its range, [`NnError::Shape`] where the heads do not
    /// divide the width.
    pub fn new(backend: &B, embed: usize, heads: usize, options: MultiHeadAttentionOptions) -> Result<Self, NnError> {
        let MultiHeadAttentionOptions { bias, dropout, seed, .. } = options;
        in_range("embed", embed, 1, usize::MAX)?;
        in_range("heads", heads, 1, embed)?;
        if !embed.is_multiple_of(heads) {
            return Err(NnError::shape(NAME, "embed", format!("a multiple of {heads} heads"), &[embed]));
        }
        if !(0.0..1.0).contains(&dropout) {
            let requirement = "at least 0 and below 1";
            return Err(NnError::InvalidNumber { argument: "dropout", requirement, got: dropout });
        }
        let linear = |limit: f64, seed: u64| {
            let weight = backend.uniform(&[embed, embed], limit, seed)?;
            let bias = bias.then(|| backend.zeros(&[embed])).transpose()?;
            Linear::from_parts(backend, weight, bias)
        };
        let packed = |part| linear((1.5 / embed as f64).sqrt(), seed.wrapping_add(part));
        Ok(Self {
            backend: backend.clone(),
            heads,
            options,
            projections: [packed(0)?, packed(1)?, packed(2)?],
            output: linear((embed as f64).sqrt().recip(), seed.wrapping_add(3))?,
            uses: 0,
            saved: Saved::new(NAME),
        })
    }

    /// E.
    pub fn embed(&self) -> usize {
        self.output.dimensions().0
    }

    /// H.
    pub const fn heads(&self) -> usize {
        self.heads
    }

    /// The options it was made with.
    pub const fn options(&self) -> MultiHeadAttentionOptions {
        self.options
    }

    /// Wq, Wk, Wv and that of the output, each with its bias.
    pub const fn projections(&self) -> [&Linear<T, B>; 4] {
        let [q, k, v] = &self.projections;
        [q, k, v, &self.output]
    }

    /// The output for inference. `mask`, batch×S, says which keys are attended.
    ///
    /// # Errors
    /// [`NnError::Shape`] where the tensors do not fit.
    pub fn attend(
        &self,
        query: &B::Tensor<T>,
        key: &B::Tensor<T>,
        value: &B::Tensor<T>,
        mask: Option<&[bool]>,
    ) -> Result<B::Tensor<T>, NnError> {
        let shape = self.shape([query, key, value])?;
        let [of_query, of_key, of_value] = &self.projections;
        let projected = [of_query.forward(query)?, of_key.forward(key)?, of_value.forward(value)?];
        let heads = self.readable(shape, projected, mask, self.penalty(shape, mask)?)?;
        self.output.forward(&self.context(&heads, query)?)
    }

    /// The output for training, with dropout, and and what the backward pass needs is saved.
    ///
    /// # Errors
    /// As [`attend`](Self::attend).
    pub fn attend_train(
        &mut self,
        query: &B::Tensor<T>,
        key: &B::Tensor<T>,
        value: &B::Tensor<T>,
        mask: Option<&[bool]>,
    ) -> Result<B::Tensor<T>, NnError> {
        let shape = self.shape([query, key, value])?;
        let penalty = self.penalty(shape, mask)?;
        let [key, value] = [visible(&self.backend, key, mask, false)?, visible(&self.backend, value, mask, false)?];
        let [of_query, of_key, of_value] = &mut self.projections;
        let projected = [of_query.forward_train(query)?, of_key.forward_train(&key)?, of_value.forward_train(&value)?];
        let heads = self.readable(shape, projected, mask, penalty)?;
        let context = self.context(&heads, query)?;
        let mut y = self.output.forward_train(&context)?;
        // Far from the seeds of the weights.
        let dropout_seed = !self.options.seed.wrapping_add(self.uses);
        self.uses = self.uses.wrapping_add(1);
        if self.options.dropout > 0.0 {
            self.backend.dropout(self.options.dropout, dropout_seed, &mut y)?;
        }
        self.saved.push(B::shape(&y), Use { heads, dropout_seed });
        Ok(y)
    }

    /// From the gradient by the output to those by query, key and value; the gradients by the parameters are added to theirs.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where dy does not fit.
    pub fn attend_backward(&mut self, dy: &B::Tensor<T>) -> Result<[B::Tensor<T>; 3], NnError> {
        let Use { heads: Heads { shape, projected, marks, penalty }, dropout_seed } = self.saved.take(B::shape(dy))?;
        let mut dy = dy.clone();
        if self.options.dropout > 0.0 {
            self.backend.dropout(self.options.dropout, dropout_seed, &mut dy)?;
        }
        let mut d_context = self.output.backward(&dy)?;
        let spoilt = marks.of_gradients(&self.backend, shape.positions(), &d_context)?;
        self.backend.fill_marked(&spoilt.query, Marked::Any, T::ZERO, &mut d_context)?;
        let [q, k, v] = &projected;
        let [mut dq, mut dk, mut dv] = shape.backward(&self.backend, [q, k, v], penalty.as_ref(), &d_context)?;
        marks.spoil_gradients(&self.backend, &spoilt, [&mut dq, &mut dk, &mut dv])?;
        let [of_query, of_key, of_value] = &mut self.projections;
        Ok([of_query.backward(&dq)?, of_key.backward(&dk)?, of_value.backward(&dv)?])
    }

    /// The heads' results side by side, in the query's shape.
    fn context(&self, heads: &Heads<T, B>, query: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let [q, k, v] = &heads.projected;
        let mut context = heads.shape.forward(&self.backend, [q, k, v], heads.penalty.as_ref())?;
        let nan = T::from_f64(f64::NAN);
        self.backend.fill_marked(&heads.marks.output, Marked::Tainted, nan, &mut context)?;
        self.backend.reshape(&context, B::shape(query))
    }

    /// The heads with marks of what must not be read of query, key and value.
    fn readable(
        &self,
        shape: DotProductAttention,
        [mut q, mut k, mut v]: [B::Tensor<T>; 3],
        mask: Option<&[bool]>,
        penalty: Option<B::Tensor<T>>,
    ) -> Result<Heads<T, B>, NnError> {
        let marks = AttentionMarks::new(&self.backend, shape.positions(), [&q, &k, &v], mask, false)?;
        marks.clear(&self.backend, [&mut q, &mut k, &mut v])?;
        Ok(Heads { shape, projected: [q, k, v], marks, penalty })
    }

    fn shape(&self, [query, key, value]: [&B::Tensor<T>; 3]) -> Result<DotProductAttention, NnError> {
        let width = self.embed();
        let (of_query, of_key) = (B::shape(query), B::shape(key));
        rows_of(NAME, "query", of_query, width)?;
        let &[ref leading @ .., queries, _] = of_query else {
            return Err(NnError::shape(NAME, "query", format!("…×length×{width}"), of_query));
        };
        let keys = match of_key {
            &[ref others @ .., keys, last] if others == leading && last == width => keys,
            _ => return Err(NnError::shape(NAME, "key", format!("{leading:?}×keys×{width}"), of_key)),
        };
        if B::shape(value) != of_key {
            return Err(NnError::shape(NAME, "value", format!("{of_key:?}"), B::shape(value)));
        }
        let (heads, causal) = (self.heads, self.options.causal);
        if causal && keys != queries {
            return Err(NnError::shape(NAME, "key", format!("as long as the query's {queries}"), of_key));
        }
        let batch = leading.iter().product();
        Ok(DotProductAttention { batch, queries, keys, heads, width: width / heads, causal })
    }

    /// 0 for a key to attend to, −∞ for another: batch×keys.
    fn penalty(&self, shape: DotProductAttention, mask: Option<&[bool]>) -> Result<Option<B::Tensor<T>>, NnError> {
        let Some(mask) = mask else { return Ok(None) };
        let expected = [shape.batch, shape.keys];
        if mask.len() != shape.batch * shape.keys {
            return Err(NnError::shape(NAME, "mask", format!("{expected:?}"), &[mask.len()]));
        }
        let never = T::from_f64(f64::NEG_INFINITY);
        let penalty = mask.iter().map(|attend| if *attend { T::ZERO } else { never }).collect();
        self.backend.upload(&expected, penalty).map(Some)
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for MultiHeadAttention<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.attend(x, x, x, None)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.attend_train(x, x, x, None)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let [mut dx, by_key, by_value] = self.attend_backward(dy)?;
        self.backend.add_scaled(T::ONE, &by_key, &mut dx)?;
        self.backend.add_scaled(T::ONE, &by_value, &mut dx)?;
        Ok(dx)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        self.projections.iter_mut().chain([&mut self.output]).flat_map(Layer::parameters_mut).collect()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        let width = self.embed();
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for projection in &self.projections {
            weights.extend(self.backend.download(projection.weight())?);
            if let Some(bias) = projection.bias() {
                biases.extend(self.backend.download(bias)?);
            }
        }
        state.insert(join(prefix, PACKED_WEIGHT), &[3 * width, width], weights);
        if self.options.bias {
            state.insert(join(prefix, PACKED_BIAS), &[3 * width], biases);
        }
        self.output.save(&join(prefix, "out_proj"), state)
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        let width = self.embed();
        let weights = state.values(&join(prefix, PACKED_WEIGHT), &[3 * width, width])?;
        let biases = self.options.bias.then(|| state.values(&join(prefix, PACKED_BIAS), &[3 * width])).transpose()?;
        for (part, projection) in self.projections.iter_mut().enumerate() {
            let mut own = State::new();
            own.insert("weight".to_owned(), &[width, width], weights[part * width * width..][..width * width].to_vec());
            if let Some(biases) = biases {
                own.insert("bias".to_owned(), &[width], biases[part * width..][..width].to_vec());
            }
            projection.load("", &own)?;
        }
        self.output.load(&join(prefix, "out_proj"), state)
    }
}
