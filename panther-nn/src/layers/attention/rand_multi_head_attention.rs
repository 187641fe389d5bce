//! Multi-head attention through random features.

use crate::backend::{Arithmetic, AttentionInputs, AttentionKernel, Backend};
use crate::layers::attention::visible_rows::visible;
use crate::layers::{
    Layer, Linear, Saved, StochasticEncoding, StochasticEncodingOptions, in_range, orthogonal_features,
};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

const NAME: &str = "rand_multi_head_attention";

/// Options of [`RandMultiHeadAttention::new`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandMultiHeadAttentionOptions {
    /// m, at least 1.
    pub num_features: usize,
    /// Whether the four projections have biases.
    pub bias: bool,
    /// Whether position i attends to the positions up to i alone.
    pub causal: bool,
    /// The kernel that the features stand for.
    pub kernel: AttentionKernel,
    /// How it is computed.
    pub arithmetic: Arithmetic,
    /// Whether and how queries and keys know their positions.
    pub positional_encoding: Option<PositionalEncodingOptions>,
    /// The part of the outputs that is dropped in training, at least 0 and below 1.
    pub dropout: f64,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

impl Default for RandMultiHeadAttentionOptions {
    fn default() -> Self {
        Self {
            num_features: 128,
            bias: true,
            causal: false,
            kernel: AttentionKernel::default(),
            arithmetic: Arithmetic::default(),
            positional_encoding: None,
            dropout: 0.0,
            seed: 0,
        }
    }
}

/// The size of a [`StochasticEncoding`] of projected queries and keys, head by head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionalEncodingOptions {
    /// K, sinusoids for each dimension of a head, at least 1.
    pub sines: usize,
    /// R, values of a head that queries and keys have after it, at least 1. The variance that it adds falls as 1/R.
    pub realizations: usize,
}

/// The Performer's attention (Choromanski et al., arXiv 2009.14794): y = A·W0ᵀ + b0, where A is linear attention
/// ([`LinearAttention`](crate::backend::LinearAttention)) of query·Wqᵀ + bq, key·Wkᵀ + bk and value·Wvᵀ + bv with H heads of d = E/H
/// columns.
///
/// Query is …×L×E, key and value …×S×E, the output …×L×E; beside the projections, 8·m·E operations a position, against 4·S·E of
/// softmax attention. Of the softmax kernel the estimate is unbiased, and its error falls as 1/√m where queries and keys are
/// small; its variance grows exponentially with ‖q + k‖²/√d, so that attention which is sharper than that is smoothed.
/// As a [`Layer`] it is self-attention without a mask.
///
/// With a positional encoding (Liutkus et al., arXiv 2105.08399) the features are those of the encoded queries and keys, R columns
/// a head, whose products have the mean Σ_d q_d·k_d·P_d(i − j) with trainable P: 8·K·E·R operations a position more, and
/// 4·m·H·R instead of 4·m·E for the features. The softmax is still that of these products over √d.
#[derive(Debug)]
pub struct RandMultiHeadAttention<T: Scalar, B: Backend> {
    backend: B,
    heads: usize,
    options: RandMultiHeadAttentionOptions,
    /// Wq, Wk, Wv, W0.
    projections: [Linear<T, B>; 4],
    /// Of projected queries and keys.
    encoding: Option<StochasticEncoding<T, B>>,
    /// Ω, m×d, or m×R of encoded queries and keys.
    features: Parameter<T, B>,
    /// Uses in training so far: each drops other outputs.
    uses: u64,
    saved: Saved<Use<T, B>>,
}

/// What one use leaves behind.
#[derive(Debug)]
struct Use<T: Scalar, B: Backend> {
    /// As the features see it, and so is the key.
    query: B::Tensor<T>,
    key: B::Tensor<T>,
    value: B::Tensor<T>,
    attended: B::Tensor<T>,
    state: B::SavedAttention<T>,
    mask: Option<Vec<bool>>,
    dropout_seed: u64,
    /// Of query, key and value as they were given.
    shapes: [Vec<usize>; 3],
}

impl<T: Scalar, B: Backend> RandMultiHeadAttention<T, B> {
    /// A fresh layer: projections uniform on ±√(3/E) (Glorot and Bengio 2010), biases 0, and features from
    /// [`orthogonal_features`].
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where E, H, m, K or R is 0, [`NnError::Shape`] where H does not divide E, [`NnError::InvalidNumber`]
    /// for a dropout outside of \[0, 1).
    pub fn new(
        backend: &B,
        embed: usize,
        heads: usize,
        options: RandMultiHeadAttentionOptions,
    ) -> Result<Self, NnError> {
        in_range("embed", embed, 1, usize::MAX)?;
        check_options(embed, heads, &options)?;
        let limit = (3.0 / embed as f64).sqrt();
        let linear = |index: u64| {
            let weight = backend.uniform(&[embed, embed], limit, options.seed.wrapping_add(index))?;
            let bias = options.bias.then(|| backend.zeros(&[embed])).transpose()?;
            Linear::from_parts(backend, weight, bias)
        };
        Self::from_projections(backend, [linear(1)?, linear(2)?, linear(3)?, linear(4)?], heads, options)
    }

    /// With the projections Wq, Wk, Wv and W0 of another attention, all E×E, and fresh features. `options.bias` is not looked at.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`NnError::Shape`] where the projections are not all E×E, and all or none with bias.
    pub fn from_projections(
        backend: &B,
        projections: [Linear<T, B>; 4],
        heads: usize,
        options: RandMultiHeadAttentionOptions,
    ) -> Result<Self, NnError> {
        let embed = projections[0].dimensions().0;
        let bias = projections[0].bias().is_some();
        for projection in &projections {
            let (d_out, d_in) = projection.dimensions();
            if (d_out, d_in, projection.bias().is_some()) != (embed, embed, bias) {
                let expected = format!("{embed}×{embed}, all or none with bias");
                return Err(NnError::shape(NAME, "projections", expected, &[d_out, d_in]));
            }
        }
        check_options(embed, heads, &options)?;
        let options = RandMultiHeadAttentionOptions { bias, ..options };
        let encoding = options.positional_encoding.map(|PositionalEncodingOptions { sines, realizations }| {
            let options = StochasticEncodingOptions { sines, realizations, seed: encoding_seed(options.seed) };
            StochasticEncoding::new(backend, embed, heads, options)
        });
        let encoding = encoding.transpose()?;
        let dimension = encoding.as_ref().map_or(embed / heads, |encoding| encoding.options().realizations);
        let features = draw(backend, options.num_features, dimension, options.seed)?;
        let backend = backend.clone();
        Ok(Self { backend, heads, options, projections, encoding, features, uses: 0, saved: Saved::new(NAME) })
    }

    /// E.
    pub fn embed(&self) -> usize {
        self.projections[0].dimensions().0
    }

    /// H.
    pub const fn heads(&self) -> usize {
        self.heads
    }

    /// The options it was made with.
    pub const fn options(&self) -> RandMultiHeadAttentionOptions {
        self.options
    }

    /// Ω, m×d, or m×R with a positional encoding.
    pub const fn features(&self) -> &B::Tensor<T> {
        &self.features.value
    }

    /// The positional encoding, where there is one.
    pub const fn positional_encoding(&self) -> Option<&StochasticEncoding<T, B>> {
        self.encoding.as_ref()
    }

    /// Draws other features, and other codes of the positions, which makes training see the kernel and not one draw of it. Not
    /// between a `forward_train` and its `backward`.
    ///
    /// # Errors
    /// Where the copy to the device fails.
    pub fn redraw_features(&mut self, seed: u64) -> Result<(), NnError> {
        let dimension = B::shape(&self.features.value)[1];
        self.features = draw(&self.backend, self.options.num_features, dimension, seed)?;
        // As if the layer were made with this seed.
        self.encoding.iter_mut().try_for_each(|encoding| encoding.redraw(encoding_seed(seed).wrapping_add(1)))
    }

    /// The output for inference. `mask`, batch×S, says which keys are attended.
    ///
    /// # Errors
    /// [`NnError::Shape`] where shapes do not fit.
    pub fn attend(
        &self,
        query: &B::Tensor<T>,
        key: &B::Tensor<T>,
        value: &B::Tensor<T>,
        mask: Option<&[bool]>,
    ) -> Result<B::Tensor<T>, NnError> {
        let shape = B::shape(query);
        let [query, mut key, mut value] = self.checked([query, key, value], mask)?;
        // The original's features read projected keys that are hidden, which must be finite.
        if self.options.arithmetic == Arithmetic::Original {
            key = visible(&self.backend, &key, mask, true)?;
            value = visible(&self.backend, &value, mask, true)?;
        }
        let attended = self.attended([query, key, value], mask)?;
        self.backend.reshape(&self.projections[3].forward(&attended)?, shape)
    }

    /// What the heads give, of query, key and value that fit. Their projections live no longer than this.
    fn attended(&self, [query, key, value]: [B::Tensor<T>; 3], mask: Option<&[bool]>) -> Result<B::Tensor<T>, NnError> {
        let [wq, wk, wv, _] = &self.projections;
        let (query, key, value) = (wq.forward(&query)?, wk.forward(&key)?, wv.forward(&value)?);
        let [query, key] = match &self.encoding {
            Some(encoding) => tempered(encoding, &self.backend, encoding.encode(&query, &key)?)?,
            None => [query, key],
        };
        Ok(self.backend.linear_attention(&self.inputs([query, key, value], mask))?.0)
    }

    /// The output for training, and what the backward pass needs is saved.
    ///
    /// # Errors
    /// As [`attend`](Self::attend), and [`NnError::InferenceOnly`] for the original's arithmetic.
    pub fn attend_train(
        &mut self,
        query: &B::Tensor<T>,
        key: &B::Tensor<T>,
        value: &B::Tensor<T>,
        mask: Option<&[bool]>,
    ) -> Result<B::Tensor<T>, NnError> {
        if self.options.arithmetic == Arithmetic::Original {
            return Err(NnError::InferenceOnly { layer: NAME });
        }
        let shapes = [query, key, value].map(|x| B::shape(x).to_vec());
        let [query, key, value] = self.checked([query, key, value], mask)?;
        let key = visible(&self.backend, &key, mask, false)?;
        let value = visible(&self.backend, &value, mask, false)?;
        let [wq, wk, wv, _] = &mut self.projections;
        let (query, key, value) = (wq.forward_train(&query)?, wk.forward_train(&key)?, wv.forward_train(&value)?);
        let [query, key] = match &mut self.encoding {
            Some(encoding) => {
                let encoded = encoding.encode_train(&query, &key)?;
                tempered(encoding, &self.backend, encoded)?
            }
            None => [query, key],
        };
        let inputs = self.inputs([query, key, value], mask);
        let (attended, state) = self.backend.linear_attention(&inputs)?;
        let AttentionInputs { query, key, value, .. } = inputs;
        let mut y = self.projections[3].forward_train(&attended)?;
        // The seeds up to that + 4 drew the layer.
        let dropout_seed = self.options.seed.wrapping_add(5).wrapping_add(self.uses);
        self.uses += 1;
        self.drop_out(dropout_seed, &mut y)?;
        let y = self.backend.reshape(&y, &shapes[0])?;
        let mask = mask.map(<[bool]>::to_vec);
        self.saved.push(B::shape(&y), Use { query, key, value, attended, state, mask, dropout_seed, shapes });
        Ok(y)
    }

    /// From the gradient by the output of the last use to those by its query, key and value; the gradients by the parameters are
    /// added to theirs.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where dy does not fit.
    pub fn attend_backward(&mut self, dy: &B::Tensor<T>) -> Result<[B::Tensor<T>; 3], NnError> {
        let saved = self.saved.take(B::shape(dy))?;
        let mut dy = self.backend.reshape(dy, B::shape(&saved.attended))?;
        self.drop_out(saved.dropout_seed, &mut dy)?;
        let dy = self.projections[3].backward(&dy)?;
        let shapes = saved.shapes.clone();
        let [dq, dk, dv] = self.heads_backward(saved, dy)?;
        let [dq, dk] = match &mut self.encoding {
            Some(encoding) => {
                let [dq, dk] = tempered(encoding, &self.backend, [dq, dk])?;
                encoding.encode_backward(&dq, &dk)?
            }
            None => [dq, dk],
        };
        let [wq, wk, wv, _] = &mut self.projections;
        // Takes the gradients, so that each is freed once it was used.
        let back = |projection: &mut Linear<T, B>, gradient: B::Tensor<T>, shape: &[usize]| {
            self.backend.reshape(&projection.backward(&gradient)?, shape)
        };
        Ok([back(wq, dq, &shapes[0])?, back(wk, dk, &shapes[1])?, back(wv, dv, &shapes[2])?])
    }

    /// The gradients by what the heads saw. Frees what one use left behind.
    fn heads_backward(&self, saved: Use<T, B>, dy: B::Tensor<T>) -> Result<[B::Tensor<T>; 3], NnError> {
        let Use { query, key, value, attended, state, mask, .. } = saved;
        let inputs = self.inputs([query, key, value], mask.as_deref());
        self.backend.linear_attention_backward(inputs, attended, state, dy)
    }

    /// Query, key and value as batch×length×E, where they and the mask fit.
    fn checked(&self, inputs: [&B::Tensor<T>; 3], mask: Option<&[bool]>) -> Result<[B::Tensor<T>; 3], NnError> {
        let [query, key, value] = [("query", inputs[0]), ("key", inputs[1]), ("value", inputs[2])];
        let whole = |(argument, x): (&'static str, &B::Tensor<T>)| match B::shape(x) {
            [batch @ .., length, embed] if *embed == self.embed() => {
                self.backend.reshape(x, &[batch.iter().product(), *length, *embed])
            }
            shape => Err(NnError::shape(NAME, argument, format!("…×length×{}", self.embed()), shape)),
        };
        let whole = [whole(query)?, whole(key)?, whole(value)?];
        self.inputs(whole.clone(), mask).sequences::<T, B>()?;
        Ok(whole)
    }

    fn inputs<'a>(
        &'a self,
        [query, key, value]: [B::Tensor<T>; 3],
        mask: Option<&'a [bool]>,
    ) -> AttentionInputs<'a, B::Tensor<T>> {
        let RandMultiHeadAttentionOptions { kernel, arithmetic, causal, .. } = self.options;
        let (projection, heads) = (&self.features.value, self.heads);
        AttentionInputs { query, key, value, projection, mask, heads, kernel, arithmetic, causal }
    }

    fn drop_out(&self, seed: u64, x: &mut B::Tensor<T>) -> Result<(), NnError> {
        if self.options.dropout == 0.0 { Ok(()) } else { self.backend.dropout(self.options.dropout, seed, x) }
    }
}

fn check_options(embed: usize, heads: usize, options: &RandMultiHeadAttentionOptions) -> Result<(), NnError> {
    in_range("heads", heads, 1, embed)?;
    in_range("num_features", options.num_features, 1, usize::MAX)?;
    if !embed.is_multiple_of(heads) {
        return Err(NnError::shape(NAME, "embed", format!("a multiple of {heads} heads"), &[embed]));
    }
    if !(0.0..1.0).contains(&options.dropout) {
        let requirement = "at least 0 and below 1";
        return Err(NnError::InvalidNumber { argument: "dropout", requirement, got: options.dropout });
    }
    Ok(())
}

/// Far from the seeds of the projections and of dropout.
const fn encoding_seed(seed: u64) -> u64 {
    seed.wrapping_add(1 << 32)
}

/// q̂ and k̂, or gradients by them, times (R/d)^¼: the features of the softmax kernel divide by the fourth root of the columns that they
/// see, which are R, where its √d is that of the queries.
fn tempered<T: Scalar, B: Backend>(
    encoding: &StochasticEncoding<T, B>,
    backend: &B,
    mut encoded: [B::Tensor<T>; 2],
) -> Result<[B::Tensor<T>; 2], NnError> {
    let d = encoding.embed() / encoding.heads();
    let factor = (encoding.options().realizations as f64 / d as f64).powf(0.25);
    encoded.iter_mut().try_for_each(|x| backend.scale(T::from_f64(factor), x))?;
    Ok(encoded)
}

/// Ω as a frozen parameter.
fn draw<T: Scalar, B: Backend>(backend: &B, m: usize, d: usize, seed: u64) -> Result<Parameter<T, B>, NnError> {
    let values = orthogonal_features(m, d, seed)?.into_iter().map(T::from_f64).collect();
    Ok(Parameter::frozen(backend.upload(&[m, d], values)?))
}

/// The original package's names of the weights and biases.
const NAMES: [[&str; 2]; 4] = [["Wq", "bq"], ["Wk", "bk"], ["Wv", "bv"], ["W0", "b0"]];

/// Where the positional encoding's tensors stand.
const ENCODING: &str = "positional_encoding";

impl<T: Scalar, B: Backend> Layer<T, B> for RandMultiHeadAttention<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.attend(x, x, x, None)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.attend_train(x, x, x, None)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let [mut dx, dk, dv] = self.attend_backward(dy)?;
        self.backend.add_scaled(T::ONE, &dk, &mut dx)?;
        self.backend.add_scaled(T::ONE, &dv, &mut dx)?;
        Ok(dx)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        let encoding = self.encoding.iter_mut().flat_map(StochasticEncoding::parameters_mut);
        self.projections.iter_mut().flat_map(Layer::parameters_mut).chain(encoding).collect()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        for (projection, [weight, bias]) in self.projections.iter().zip(NAMES) {
            for (name, tensor) in
                std::iter::once((weight, projection.weight())).chain(projection.bias().map(|b| (bias, b)))
            {
                state.insert(join(prefix, name), B::shape(tensor), self.backend.download(tensor)?);
            }
        }
        state.insert_parameter(&self.backend, join(prefix, "projection_matrix"), &self.features)?;
        self.encoding.iter().try_for_each(|encoding| encoding.save(&join(prefix, ENCODING), state))
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        for (projection, names) in self.projections.iter_mut().zip(NAMES) {
            // Weight and, where there is one, bias.
            for (parameter, name) in projection.parameters_mut().into_iter().zip(names) {
                state.load_parameter(&self.backend, &join(prefix, name), parameter)?;
            }
        }
        state.load_parameter(&self.backend, &join(prefix, "projection_matrix"), &mut self.features)?;
        self.encoding.iter_mut().try_for_each(|encoding| encoding.load(&join(prefix, ENCODING), state))
    }
}
