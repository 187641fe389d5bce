//! Attention through random features.

use panther_nn::backend::{Arithmetic, AttentionInputs, AttentionKernel, Backend};
use panther_nn::layers::orthogonal_features;
use panther_nn::{NnError, Scalar};

use super::{Case, Outputs};

/// The extents of an attention: batch, heads, queries, keys, columns of keys, columns of values, features.
type Extents = [usize; 7];

/// Output and gradients of every kernel, arithmetic and mask, causal where the lengths allow it.
fn attention_cases<T: Scalar, B: Backend>(case: &mut Case<'_, B>, extents: Extents, size: f64) -> Result<(), NnError> {
    let backend = case.backend;
    let [batch, heads, queries, keys, d, dv, m] = extents;
    let query = case.gaussian::<T>(&[batch, queries, heads * d], size)?;
    let key = case.gaussian::<T>(&[batch, keys, heads * d], size)?;
    let value = case.gaussian::<T>(&[batch, keys, heads * dv], 1.0)?;
    let projection = orthogonal_features(m, d, 5)?.into_iter().map(T::from_f64).collect();
    let projection = backend.upload(&[m, d], projection)?;
    // The first sequence begins with keys that are not attended.
    let mask: Vec<bool> = (0..batch * keys).map(|i| i % 3 != 1 && i > 1).collect();
    for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
        for arithmetic in [Arithmetic::Stable, Arithmetic::Original] {
            for causal in [false, true] {
                for mask in [None, Some(mask.as_slice())] {
                    if causal && queries != keys {
                        continue;
                    }
                    let [query, key, value] = [&query, &key, &value].map(Clone::clone);
                    let projection = &projection;
                    let inputs =
                        AttentionInputs { query, key, value, projection, mask, heads, kernel, arithmetic, causal };
                    let what = format!("{extents:?} {kernel:?} {arithmetic:?} causal {causal} mask {}", mask.is_some());
                    let (y, saved) = backend.linear_attention(&inputs)?;
                    case.keep(format!("y {what}"), &y)?;
                    if arithmetic == Arithmetic::Original {
                        continue;
                    }
                    let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
                    let gradients = backend.linear_attention_backward(inputs, y, saved, dy)?;
                    for (name, gradient) in ["dq", "dk", "dv"].iter().zip(&gradients) {
                        case.keep(format!("{name} {what}"), gradient)?;
                    }
                }
            }
        }
    }
    Ok(())
}

pub(super) fn linear_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 14);
    for extents in [
        [0, 2, 3, 3, 4, 4, 5],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 2, 0, 5, 4, 4, 8],
        [2, 3, 7, 5, 6, 6, 9],
        [2, 2, 130, 130, 20, 20, 70],
        [1, 1, 64, 200, 80, 80, 64],
        [1, 2, 300, 300, 64, 64, 128],
    ] {
        attention_cases::<T, B>(&mut case, extents, 0.7)?;
    }
    Ok(case.outputs)
}

/// Values of another width than keys.
pub(super) fn wide_values<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 19);
    for extents in [
        [0, 2, 3, 3, 4, 7, 5],
        [1, 2, 0, 5, 4, 1, 8],
        [2, 3, 7, 5, 6, 4, 9],
        [1, 2, 200, 200, 12, 70, 40],
        [1, 2, 130, 130, 100, 24, 33],
        [1, 1, 64, 200, 64, 130, 64],
    ] {
        attention_cases::<T, B>(&mut case, extents, 0.7)?;
    }
    Ok(case.outputs)
}

/// Keys that grow along the sequence, until the largest exponents of a position lie far above those of the one before. What comes
/// behind a position must not change a bit of its output.
pub(super) fn growing_keys<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 20);
    let (length, heads, d, dv, m) = (200, 2, 16, 24, 70);
    let projection = orthogonal_features(m, d, 5)?.into_iter().map(T::from_f64).collect();
    let projection = backend.upload(&[m, d], projection)?;
    let mask: Vec<bool> = (0..length).map(|i| i > 20).collect();
    for growth in [0.0, 0.02, 0.2] {
        let query = case.gaussian::<T>(&[1, length, heads * d], 2.0)?;
        let value = case.gaussian::<T>(&[1, length, heads * dv], 1.0)?;
        let keys = backend.download(&case.gaussian::<T>(&[1, length, heads * d], 2.0)?)?;
        let grown = |from: usize, factor: f64| {
            let grow = |(i, x): (usize, &T)| {
                let position = i / (heads * d);
                let factor = if position < from { 1.0 } else { factor };
                T::from_f64(x.to_f64() * factor * (1.0 + growth * position as f64))
            };
            backend.upload(&[1, length, heads * d], keys.iter().enumerate().map(grow).collect())
        };
        for mask in [None, Some(mask.as_slice())] {
            let key = grown(length, 1.0)?;
            let (kernel, arithmetic, causal) = (AttentionKernel::Softmax, Arithmetic::Stable, true);
            let (query, value, projection) = (query.clone(), value.clone(), &projection);
            let inputs = AttentionInputs { query, key, value, projection, mask, heads, kernel, arithmetic, causal };
            let (y, saved) = backend.linear_attention(&inputs)?;
            case.keep(format!("y, growth {growth}"), &y)?;
            let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
            // Together: where one position takes all the weight, those by queries and keys are what is left of terms as large as those
            // by values.
            let mut gradients = Vec::new();
            for gradient in &backend.linear_attention_backward(inputs.clone(), y.clone(), saved, dy)? {
                gradients.extend(backend.download(gradient)?.into_iter().map(T::to_f64));
            }
            case.outputs.push((format!("gradients, growth {growth}"), gradients));
            let y = backend.download(&y)?;
            for from in [40, 64, 100, 199] {
                let other = backend.linear_attention(&AttentionInputs { key: grown(from, 50.0)?, ..inputs.clone() })?.0;
                let seen = from * heads * dv;
                let is_same = backend.download(&other)?[..seen] == y[..seen];
                case.keep_number("unchanged before", f64::from(u8::from(is_same)) - 1.0);
            }
        }
    }
    Ok(case.outputs)
}

/// Exponents of a million are exact to some units only, so that these may differ: they must be finite.
pub(super) fn large_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 15);
    attention_cases::<T, B>(&mut case, [1, 2, 100, 100, 16, 16, 33], 1e3)?;
    let finite = |numbers: Vec<f64>| vec![f64::from(u8::from(numbers.iter().all(|x| x.is_finite())))];
    Ok(case.outputs.into_iter().map(|(name, numbers)| (name, finite(numbers))).collect())
}
