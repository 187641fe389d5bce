//! Each position attends to those up to itself: a scan over chunks with the sums over all keys before, and within a chunk a
//! masked product of all with all.

use faer::{Accum, Mat, MatMut, Par};
use panther_sketch::product;
use panther_sketch::simd::vectorized;

use crate::Scalar;
use crate::cpu::linear_attention::favor_features::{FeatureMap, dot, largest_difference, sum};
use crate::cpu::linear_attention::quotient::{QuotientGradient, divide};
use crate::cpu::linear_attention::{CHUNK, Gradients, Head, Output, State};

/// How the scan went.
#[derive(Debug)]
pub(super) struct Course<T> {
    /// Of each position.
    denominators: Vec<T>,
    /// The first position of each chunk.
    starts: Vec<usize>,
    /// The bases of each chunk, m after m.
    bases: Vec<T>,
}

/// Features and weights of one chunk.
struct Chunk<T: Scalar> {
    query: Mat<T>,
    key: Mat<T>,
    /// Entry (j, i) is φ(qᵢ)·κ(kⱼ) for j ≤ i, and 0 otherwise.
    weights: Mat<T>,
    /// What the features of the chunk are relative to: the largest exponents of the keys up to its first.
    base: Vec<T>,
    /// The largest exponents of the keys so far.
    largest: Vec<T>,
}

impl<T: Scalar> Chunk<T> {
    fn room(map: &FeatureMap<T>, head: &Head<'_, T>) -> Self {
        let base = map.no_keys(head);
        Self { query: map.room(), key: map.room(), weights: Mat::zeros(CHUNK, CHUNK), largest: base.clone(), base }
    }

    /// Features of up to `n` positions from `start` on, and their weights; gives for how many positions they hold.
    ///
    /// A position's query can only be scaled by keys up to itself, and what later keys add to the maxima must not reach it. So the
    /// base is that of the chunk's first position, later keys lie above it by what they lie above it, and the chunk ends before the
    /// first position where that is too much. How long the products are depends on `n` alone: the rounding of a position does
    /// not tell where the chunk ends.
    fn compute(&mut self, map: &FeatureMap<T>, head: &Head<'_, T>, start: usize, n: usize, headroom: T) -> usize {
        map.query_exponents(head.query.subcols(start, n), &mut self.query);
        map.key_exponents(head.key.subcols(start, n), &mut self.key);
        let mut taken = n;
        for i in 0..n {
            if head.attends(start + i) {
                map.raise(&mut self.largest, self.key.col_as_slice(i));
            }
            if i == 0 {
                self.base.copy_from_slice(&self.largest);
            } else if vectorized(|| largest_difference(&self.largest, &self.base)) > headroom {
                taken = i;
                break;
            }
            map.query_features(self.query.col_as_slice_mut(i), &self.base, &self.largest);
        }
        for j in 0..n {
            map.key_features(self.key.col_as_slice_mut(j), &self.base, head.attends(start + j));
        }
        let (key, query) = (self.key.as_ref().subcols(0, n), self.query.as_ref().subcols(0, n));
        let weights = self.weights.as_mut().submatrix_mut(0, 0, n, n);
        product(weights, Accum::Replace, key.transpose(), query, T::ONE, Par::Seq);
        for i in 0..n {
            self.weights.col_as_slice_mut(i)[i + 1..n].fill(T::ZERO);
        }
        taken
    }
}

/// Writes the output and gives the course.
pub(super) fn forward<T: Scalar>(map: &FeatureMap<T>, head: &Head<'_, T>, mut out: MatMut<'_, T>) -> Course<T> {
    let length = head.query.ncols();
    let mut chunk = Chunk::room(map, head);
    let mut state = State::new(chunk.base.clone(), head.value.nrows());
    let mut course = Course { denominators: vec![T::ZERO; length], starts: Vec::new(), bases: Vec::new() };
    let mut start = 0;
    while start < length {
        let n = CHUNK.min(length - start);
        let taken = chunk.compute(map, head, start, n, FeatureMap::<T>::headroom());
        state.rebase(&chunk.base);
        course.starts.push(start);
        course.bases.extend(&chunk.base);
        // 1. Denominators: the keys before the chunk and those in it.
        for (i, denominator) in course.denominators[start..start + taken].iter_mut().enumerate() {
            let (features, weights) = (chunk.query.col_as_slice(i), &chunk.weights.col_as_slice(i)[..n]);
            *denominator = vectorized(|| dot(features, &state.weights) + sum(weights, weights));
        }
        // 2. Numerators likewise. Columns after `taken` are garbage, which the next chunk overwrites.
        let (features, weights) = (chunk.query.as_ref().subcols(0, n), chunk.weights.as_ref().submatrix(0, 0, n, n));
        let mut out = out.as_mut().subcols_mut(start, n);
        product(out.as_mut(), Accum::Replace, state.vectors.transpose(), features, T::ONE, Par::Seq);
        product(out.as_mut(), Accum::Add, head.value.subcols(start, n), weights, T::ONE, Par::Seq);
        divide(out, &course.denominators[start..start + taken]);
        // 3. The keys of the chunk join those before.
        let values = head.value.subcols(start, taken);
        state.add(chunk.key.as_ref().subcols(0, taken), values, &[T::ONE; CHUNK][..taken]);
        start += taken;
    }
    course
}

/// What goes back through a chunk.
struct Back<T: Scalar> {
    chunk: Chunk<T>,
    quotient: QuotientGradient<T>,
    /// Gradient by the weights.
    weights: Mat<T>,
    /// Gradient by the features of queries or keys, then by their exponents.
    slopes: Mat<T>,
}

impl<T: Scalar> Back<T> {
    /// Recomputes the chunk of `taken` positions from `start` on, which had the given base.
    fn compute(
        &mut self,
        map: &FeatureMap<T>,
        head: &Head<'_, T>,
        output: &Output<'_, T>,
        (start, base, denominators): (usize, &[T], &[T]),
    ) {
        let taken = denominators.len();
        self.chunk.largest.copy_from_slice(base);
        self.chunk.compute(map, head, start, taken, -T::LOWEST);
        self.quotient.compute(output, start, denominators);
        let numerators = self.quotient.numerators.as_ref().subcols(0, taken);
        let weights = self.weights.as_mut().submatrix_mut(0, 0, taken, taken);
        let values = head.value.subcols(start, taken);
        product(weights, Accum::Replace, values.transpose(), numerators, T::ONE, Par::Seq);
        for i in 0..taken {
            let (by_denominator, weights) = (self.quotient.denominators[i], self.weights.col_as_slice_mut(i));
            let (before, after) = weights[..taken].split_at_mut(i + 1);
            vectorized(|| before.iter_mut().for_each(|w| *w -= by_denominator));
            after.fill(T::ZERO);
        }
    }
}

impl<T> Course<T> {
    /// First position, bases and denominators of each chunk.
    fn chunks(&self, m: usize) -> impl DoubleEndedIterator<Item = (usize, &[T], &[T])> {
        (0..self.starts.len()).map(move |c| {
            let (start, end) = (self.starts[c], self.starts.get(c + 1).copied().unwrap_or(self.denominators.len()));
            (start, &self.bases[c * m..][..m], &self.denominators[start..end])
        })
    }
}

/// The gradients by queries, keys and values.
pub(super) fn backward<T: Scalar>(
    map: &FeatureMap<T>,
    head: &Head<'_, T>,
    course: &Course<T>,
    output: &Output<'_, T>,
    mut gradients: Gradients<'_, T>,
) {
    let (m, d) = (map.features(), head.value.nrows());
    let mut back = Back {
        chunk: Chunk::room(map, head),
        quotient: QuotientGradient::room(d),
        weights: Mat::zeros(CHUNK, CHUNK),
        slopes: map.room(),
    };
    // 1. Queries, with the sums over the keys before.
    let mut state = State::new(map.no_keys(head), d);
    for piece in course.chunks(m) {
        back.compute(map, head, output, piece);
        let (start, n) = (piece.0, piece.2.len());
        state.rebase(&back.chunk.base);
        let (query, key) = (&back.chunk.query, back.chunk.key.as_ref().subcols(0, n));
        let numerators = back.quotient.numerators.as_ref().subcols(0, n);
        let weights = back.weights.as_ref().submatrix(0, 0, n, n);
        let mut slopes = back.slopes.as_mut().subcols_mut(0, n);
        product(slopes.as_mut(), Accum::Replace, state.vectors.as_ref(), numerators, T::ONE, Par::Seq);
        product(slopes.as_mut(), Accum::Add, key, weights, T::ONE, Par::Seq);
        for i in 0..n {
            let by_denominator = back.quotient.denominators[i];
            map.slopes(back.slopes.col_as_slice_mut(i), query.col_as_slice(i), by_denominator, &state.weights);
        }
        map.project_back(back.slopes.as_ref().subcols(0, n), gradients.query.as_mut().subcols_mut(start, n));
        state.add(key, head.value.subcols(start, n), &[T::ONE; CHUNK][..n]);
    }
    // 2. Keys and values, backwards, with the sums over the queries behind. Queries' features are e^base too large, not too small;
    //    going back the bases fall, so that these sums shrink too.
    let mut sums = State::new(negated(&back.chunk.base), d);
    for piece in course.chunks(m).rev() {
        back.compute(map, head, output, piece);
        let (start, n) = (piece.0, piece.2.len());
        sums.rebase(&negated(&back.chunk.base));
        let (query, key) = (back.chunk.query.as_ref().subcols(0, n), back.chunk.key.as_ref().subcols(0, n));
        let numerators = back.quotient.numerators.as_ref().subcols(0, n);
        let mut dv = gradients.value.as_mut().subcols_mut(start, n);
        product(dv.as_mut(), Accum::Replace, sums.vectors.transpose(), key, T::ONE, Par::Seq);
        let weights = back.chunk.weights.as_ref().submatrix(0, 0, n, n);
        product(dv, Accum::Add, numerators, weights.transpose(), T::ONE, Par::Seq);
        let (mut slopes, values) = (back.slopes.as_mut().subcols_mut(0, n), head.value.subcols(start, n));
        product(slopes.as_mut(), Accum::Replace, sums.vectors.as_ref(), values, T::ONE, Par::Seq);
        let weights = back.weights.as_ref().submatrix(0, 0, n, n);
        product(slopes, Accum::Add, query, weights.transpose(), T::ONE, Par::Seq);
        let dk = gradients.key.as_mut().subcols_mut(start, n);
        map.key_gradients(&mut back.slopes, &back.chunk.key, &sums.weights, head.key.subcols(start, n), dk);
        sums.add(query, numerators, &back.quotient.denominators[..n]);
    }
}

fn negated<T: Scalar>(x: &[T]) -> Vec<T> {
    x.iter().map(|x| -*x).collect()
}
