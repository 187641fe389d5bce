//! Dense attention made linear: the projections stay, features take the place of the softmax.

use crate::backend::Backend;
use crate::layers::{Layer, Linear, MultiHeadAttention, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
use crate::state::{HostTensor, State, join};
use crate::{NnError, Scalar};

/// The linear attention with the projections of a trained dense one and fresh features, and its relative error
/// ‖y − ŷ‖_F/‖y‖_F over the outputs of self-attention on `x`, …×L×E. `options.causal` and `options.bias` are those of the dense one, whatever
/// they are here.
///
/// # Errors
/// As [`RandMultiHeadAttention::from_projections`] and [`Layer::forward`].
pub fn sketched_attention<T: Scalar, B: Backend>(
    backend: &B,
    dense: &MultiHeadAttention<T, B>,
    options: RandMultiHeadAttentionOptions,
    x: &B::Tensor<T>,
) -> Result<(RandMultiHeadAttention<T, B>, f64), NnError> {
    let copied = |linear: &Linear<T, B>| Linear::from_parts(backend, linear.weight().clone(), linear.bias().cloned());
    let [q, k, v, out] = dense.projections();
    let projections = [copied(q)?, copied(k)?, copied(v)?, copied(out)?];
    let options = RandMultiHeadAttentionOptions { causal: dense.options().causal, ..options };
    let sketched = RandMultiHeadAttention::from_projections(backend, projections, dense.heads(), options)?;
    let y = dense.forward(x)?;
    let mut difference = sketched.forward(x)?;
    backend.add_scaled(-T::ONE, &y, &mut difference)?;
    let (error, size) = (backend.sum_of_squares(&difference)?.sqrt(), backend.sum_of_squares(&y)?.sqrt());
    Ok((sketched, if error == 0.0 { 0.0 } else { error / size }))
}

/// The state of a `RandMultiHeadAttention` from that of PyTorch's `MultiheadAttention`.
///
/// `Wq`, `Wk`, `Wv` are the three E×E blocks of rows of `in_proj_weight`, or `q_proj_weight`, `k_proj_weight` and `v_proj_weight` where
/// keys or values have widths of their own; `W0` is `out_proj.weight`; `bq`, `bk`, `bv` are the thirds of `in_proj_bias`, `b0` is
/// `out_proj.bias`, zeros where there are none. `features` becomes `projection_matrix`: m rows, drawn anew, of the length of a head. Nothing is
/// approximated here: the error of the features is that of the outputs, and theirs alone.
///
/// # Errors
/// [`NnError::MissingTensor`], [`NnError::TensorShape`].
pub fn attention_state<T: Scalar>(
    dense: &State<T>,
    prefix: &str,
    features: HostTensor<T>,
) -> Result<State<T>, NnError> {
    let named = |name: &str| join(prefix, name);
    let out = dense.tensor(&named("out_proj.weight"))?;
    let embed = out.shape.first().copied().unwrap_or(0);
    dense.values(&named("out_proj.weight"), &[embed, embed])?;
    let mut state = State::new();
    let packed = dense.contains(&named("in_proj_weight"));
    for (i, letter) in ["q", "k", "v"].into_iter().enumerate() {
        // 1. The weight, E×(width of what it projects).
        let own = named(&format!("{letter}_proj_weight"));
        let (columns, numbers) = if packed {
            let all = dense.values(&named("in_proj_weight"), &[3 * embed, embed])?;
            (embed, &all[i * embed * embed..][..embed * embed])
        } else {
            let columns = dense.tensor(&own)?.shape.get(1).copied().unwrap_or(embed);
            (columns, dense.values(&own, &[embed, columns])?)
        };
        state.insert(named(&format!("W{letter}")), &[embed, columns], numbers.to_vec());
        // 2. The bias.
        let bias = named("in_proj_bias");
        let numbers = if dense.contains(&bias) {
            dense.values(&bias, &[3 * embed])?[i * embed..][..embed].to_vec()
        } else {
            vec![T::ZERO; embed]
        };
        state.insert(named(&format!("b{letter}")), &[embed], numbers);
    }
    state.insert(named("W0"), &[embed, embed], out.values.clone());
    let bias = named("out_proj.bias");
    let numbers = if dense.contains(&bias) { dense.values(&bias, &[embed])?.to_vec() } else { vec![T::ZERO; embed] };
    state.insert(named("b0"), &[embed], numbers);
    state.insert(named("projection_matrix"), &features.shape, features.values);
    Ok(state)
}
