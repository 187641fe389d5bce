//! Attention through random features of queries and keys, linear in the length (Choromanski et al., *Rethinking Attention
//! with Performers*, arXiv 2009.14794).

use std::fmt::Debug;

use crate::backend::{AttentionMarks, Positions, RowMarks, Storage};
use crate::{NnError, Scalar};

/// The kernel that the features stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttentionKernel {
    /// exp(q·k/√d): positive features exp(ω·x − ‖x‖²/2) of x = q/d^¼ and k/d^¼, whose products have that mean.
    #[default]
    Softmax,
    /// Features max(ω·x, 0)/√m. Their weights do not change with the scale of queries and keys, so that there is no d^¼.
    Relu,
}

/// How the features are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arithmetic {
    /// The quotient of sums itself, nothing added to the features. For the softmax kernel the maximum over the keys of each
    /// feature is taken out of the keys and added to the queries' exponents, and then each query's own maximum taken out:
    /// its denominator is then at least 1, whatever the inputs.
    #[default]
    Stable,
    /// What the original package computes, for its checkpoints; inference only. Features (exp(ω·x − ‖x‖²/2 − c) + 10⁻⁵)/√m, c the
    /// largest ω·x of the query, or of all keys of its sequence and head, masked ones and those to come included; and
    /// max(ω·x/√m, 0) + 10⁻⁵.
    Original,
}

/// Attention of B sequences with H heads, which are column blocks of the tensors: d columns of queries and keys, d_v of values.
///
/// Tensors are handles, which the backward pass takes over: a device frees what nobody else holds before the gradients are all there.
#[derive(Clone, Debug)]
pub struct AttentionInputs<'a, X> {
    /// B×L×(H·d).
    pub query: X,
    /// B×S×(H·d).
    pub key: X,
    /// B×S×(H·d_v).
    pub value: X,
    /// Ω, m×d: one feature a row, the same for all heads.
    pub projection: &'a X,
    /// B×S: which keys are attended. All of them where there is none.
    pub mask: Option<&'a [bool]>,
    /// H.
    pub heads: usize,
    /// The kernel.
    pub kernel: AttentionKernel,
    /// How it is computed.
    pub arithmetic: Arithmetic,
    /// Whether position i attends to the keys up to i alone; then L = S.
    pub causal: bool,
}

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttentionSizes {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    /// d.
    pub head_dimension: usize,
    /// d_v.
    pub value_dimension: usize,
    pub features: usize,
}

impl AttentionSizes {
    /// Which positions see which.
    pub const fn positions(&self, causal: bool) -> Positions {
        Positions { batch: self.batch, queries: self.queries, keys: self.keys, causal }
    }

    /// B×L×(H·d_v).
    pub fn output(&self) -> [usize; 3] {
        [self.batch, self.queries, self.heads * self.value_dimension]
    }
}

const NAME: &str = "linear_attention";

impl<X> AttentionInputs<'_, X> {
    /// The sizes, where everything fits together.
    pub(crate) fn sizes<T: Scalar, S: Storage<Tensor<T> = X>>(&self) -> Result<AttentionSizes, NnError> {
        let [[batch, queries, width], [_, keys, value_width]] = self.sequences::<T, S>()?;
        let &[features, head_dimension] = S::shape::<T>(self.projection) else {
            return Err(NnError::shape(NAME, "projection", "features×head dimension", S::shape::<T>(self.projection)));
        };
        let heads = self.heads;
        if features == 0 || head_dimension == 0 || heads.checked_mul(head_dimension) != Some(width) {
            let expected = format!("features×head dimension, with {heads} heads of it in {width}");
            return Err(NnError::shape(NAME, "projection", expected, S::shape::<T>(self.projection)));
        }
        if heads == 0 || value_width == 0 || !value_width.is_multiple_of(heads) {
            let expected = format!("{batch}×{keys}×columns for {heads} heads");
            return Err(NnError::shape(NAME, "value", expected, S::shape::<T>(&self.value)));
        }
        let value_dimension = value_width / heads;
        Ok(AttentionSizes { batch, heads, queries, keys, head_dimension, value_dimension, features })
    }

    /// The shapes of query and value, where the three sequences and the mask fit together.
    pub(crate) fn sequences<T: Scalar, S: Storage<Tensor<T> = X>>(&self) -> Result<[[usize; 3]; 2], NnError> {
        let &[batch, queries, width] = S::shape::<T>(&self.query) else {
            return Err(NnError::shape(NAME, "query", "batch×length×embed", S::shape::<T>(&self.query)));
        };
        let &[key_batch, keys, key_width] = S::shape::<T>(&self.key) else {
            return Err(NnError::shape(NAME, "key", "batch×length×embed", S::shape::<T>(&self.key)));
        };
        if key_batch != batch || key_width != width || (self.causal && keys != queries) {
            let length = if self.causal { queries.to_string() } else { "length".to_owned() };
            return Err(NnError::shape(NAME, "key", format!("{batch}×{length}×{width}"), S::shape::<T>(&self.key)));
        }
        let &[value_batch, values, value_width] = S::shape::<T>(&self.value) else {
            return Err(NnError::shape(NAME, "value", "batch×length×columns", S::shape::<T>(&self.value)));
        };
        if (value_batch, values) != (batch, keys) {
            return Err(NnError::shape(NAME, "value", format!("{batch}×{keys}×columns"), S::shape::<T>(&self.value)));
        }
        if let Some(mask) = self.mask.filter(|mask| mask.len() != batch * keys) {
            return Err(NnError::shape(NAME, "mask", format!("{batch}×{keys}"), &[mask.len()]));
        }
        Ok([[batch, queries, width], [batch, keys, value_width]])
    }

    /// Marks of the rows that must not be read, and of the outputs that depend on such as are not finite.
    pub(crate) fn marks<T: Scalar, B: RowMarks<Tensor<T> = X>>(
        &self,
        backend: &B,
        sizes: &AttentionSizes,
    ) -> Result<AttentionMarks<T, B>, NnError> {
        let only_non_finite = self.arithmetic == Arithmetic::Original;
        let inputs = [&self.query, &self.key, &self.value];
        AttentionMarks::new(backend, sizes.positions(self.causal), inputs, self.mask, only_non_finite)
    }

    /// As [`sizes`](Self::sizes), of the backward pass from `output` with the gradient `dy`, where there is one.
    pub(crate) fn sizes_backward<T: Scalar, S: Storage<Tensor<T> = X>>(
        &self,
        output: &X,
        dy: &X,
    ) -> Result<AttentionSizes, NnError> {
        let sizes = self.sizes::<T, S>()?;
        if self.arithmetic == Arithmetic::Original {
            return Err(NnError::InferenceOnly { layer: "linear_attention" });
        }
        for (argument, tensor) in [("output", output), ("dy", dy)] {
            if S::shape::<T>(tensor) != sizes.output() {
                let expected = format!("{:?}", sizes.output());
                let got = S::shape::<T>(tensor);
                return Err(NnError::shape("linear_attention_backward", argument, expected, got));
            }
        }
        Ok(sizes)
    }
}

/// The output, and what the backward pass needs.
pub type Attended<T, B> = (<B as Storage>::Tensor<T>, <B as LinearAttention>::SavedAttention<T>);

/// Linear attention, one fused operation: time and memory are linear in the length, and features are never held for more than a
/// piece of it.
///
/// yᵢ = Σⱼ φ(qᵢ)·φ(kⱼ) vⱼ / Σⱼ φ(qᵢ)·φ(kⱼ), over the attended keys j (and j ≤ i where causal). A query whose denominator is
/// zero (no key to attend, or with the relu kernel no feature in common, up to rounding) gives 0, and passes no gradient.
/// With `causal` neither value nor rounding of an output depends on anything that comes after it.
///
/// What the mask hides is never read: any values there, NaN and infinity too, give the bytes that zeros give, and gradients of zero. (The
/// original's features read hidden keys that are finite.) A query that holds a NaN or an infinity, or sees a key or value that does,
/// gives NaN, and so do the gradients that depend on it; a row of zeros in the gradient by the output passes nothing to what lies before
/// it. All other rows keep their bytes: a NaN in the future does not reach the past.
pub trait LinearAttention: RowMarks {
    /// What the backward pass needs beside inputs and output: little against them.
    type SavedAttention<T: Scalar>: Debug + Send + Sync;

    /// The output, B×L×(H·d_v). 4·m·(d + d_v) operations a position and head, causal or not, and a piece's length times
    /// 2·(m + d_v) more where causal.
    ///
    /// # Errors
    /// [`NnError::Shape`].
    fn linear_attention<T: Scalar>(
        &self,
        inputs: &AttentionInputs<'_, Self::Tensor<T>>,
    ) -> Result<Attended<T, Self>, NnError>;

    /// The gradients by query, key and value from that by the output, by recomputing the features. Takes what it goes back from, and
    /// frees what it no longer needs.
    ///
    /// # Errors
    /// [`NnError::Shape`] where `dy` does not fit, [`NnError::InferenceOnly`] for the original's arithmetic.
    fn linear_attention_backward<T: Scalar>(
        &self,
        inputs: AttentionInputs<'_, Self::Tensor<T>>,
        output: Self::Tensor<T>,
        saved: Self::SavedAttention<T>,
        dy: Self::Tensor<T>,
    ) -> Result<[Self::Tensor<T>; 3], NnError>;
}
