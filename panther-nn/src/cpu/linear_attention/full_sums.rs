//! Every query attends to every key: sums over all keys first, then the queries.

use faer::{Accum, Mat, MatMut, Par};
use panther_sketch::product;
use panther_sketch::simd::vectorized;

use crate::Scalar;
use crate::cpu::linear_attention::favor_features::{FeatureMap, dot};
use crate::cpu::linear_attention::quotient::{QuotientGradient, divide};
use crate::cpu::linear_attention::{CHUNK, Gradients, Head, Output, State, chunks};

/// Writes the output and gives the sums over the keys.
pub(super) fn forward<T: Scalar>(map: &FeatureMap<T>, head: &Head<'_, T>, mut out: MatMut<'_, T>) -> State<T> {
    let mut features = map.room();
    // 1. Σ κ(kⱼ) and Σ κ(kⱼ)·vⱼᵀ, scaled anew wherever the largest exponents grow.
    let mut state = State::new(map.no_keys(head), head.value.nrows());
    let mut largest = state.base.clone();
    for (start, n) in chunks(head.key.ncols()) {
        map.key_exponents(head.key.subcols(start, n), &mut features);
        for j in (0..n).filter(|j| head.attends(start + j)) {
            map.raise(&mut largest, features.col_as_slice(j));
        }
        state.rebase(&largest);
        for j in 0..n {
            map.key_features(features.col_as_slice_mut(j), &largest, head.attends(start + j));
        }
        state.add(features.as_ref().subcols(0, n), head.value.subcols(start, n), &[T::ONE; CHUNK][..n]);
    }
    // 2. Their products with the features of the queries.
    for (start, n) in chunks(head.query.ncols()) {
        map.query_exponents(head.query.subcols(start, n), &mut features);
        let denominators = query_chunk(map, &state, &mut features, n);
        let mut out = out.as_mut().subcols_mut(start, n);
        let features = features.as_ref().subcols(0, n);
        product(out.as_mut(), Accum::Replace, state.vectors.transpose(), features, T::ONE, Par::Seq);
        divide(out, &denominators[..n]);
    }
    state
}

/// The gradients by queries, keys and values.
pub(super) fn backward<T: Scalar>(
    map: &FeatureMap<T>,
    head: &Head<'_, T>,
    state: &State<T>,
    output: &Output<'_, T>,
    mut gradients: Gradients<'_, T>,
) {
    let (mut features, mut slopes) = (map.room(), map.room());
    let mut quotient = QuotientGradient::room(head.value.nrows());
    // 1. Queries, and the gradients by the sums over the keys.
    let mut sums = State::new(state.base.clone(), head.value.nrows());
    for (start, n) in chunks(head.query.ncols()) {
        map.query_exponents(head.query.subcols(start, n), &mut features);
        let denominators = query_chunk(map, state, &mut features, n);
        quotient.compute(output, start, &denominators[..n]);
        let numerators = quotient.numerators.as_ref().subcols(0, n);
        let out = slopes.as_mut().subcols_mut(0, n);
        product(out, Accum::Replace, state.vectors.as_ref(), numerators, T::ONE, Par::Seq);
        for i in 0..n {
            let (slopes, features) = (slopes.col_as_slice_mut(i), features.col_as_slice(i));
            map.slopes(slopes, features, quotient.denominators[i], &state.weights);
        }
        map.project_back(slopes.as_ref().subcols(0, n), gradients.query.as_mut().subcols_mut(start, n));
        sums.add(features.as_ref().subcols(0, n), numerators, &quotient.denominators[..n]);
    }
    // 2. Keys and values.
    for (start, n) in chunks(head.key.ncols()) {
        map.key_exponents(head.key.subcols(start, n), &mut features);
        for j in 0..n {
            map.key_features(features.col_as_slice_mut(j), &state.base, head.attends(start + j));
        }
        let (key, value) = (head.key.subcols(start, n), head.value.subcols(start, n));
        let dv = gradients.value.as_mut().subcols_mut(start, n);
        let kept = features.as_ref().subcols(0, n);
        product(dv, Accum::Replace, sums.vectors.transpose(), kept, T::ONE, Par::Seq);
        product(slopes.as_mut().subcols_mut(0, n), Accum::Replace, sums.vectors.as_ref(), value, T::ONE, Par::Seq);
        let dk = gradients.key.as_mut().subcols_mut(start, n);
        map.key_gradients(&mut slopes, &features, &sums.weights, key, dk);
    }
}

/// From the exponents of n queries to their features, in place, and their denominators.
fn query_chunk<T: Scalar>(map: &FeatureMap<T>, state: &State<T>, features: &mut Mat<T>, n: usize) -> [T; CHUNK] {
    let mut denominators = [T::ZERO; CHUNK];
    for (i, denominator) in denominators[..n].iter_mut().enumerate() {
        let features = features.col_as_slice_mut(i);
        map.query_features(features, &state.base, &state.base);
        *denominator = vectorized(|| dot(features, &state.weights));
    }
    denominators
}
