//! Seeded random numbers and orthogonal maps for the test matrices, independent of the streams that are tested.

use faer::Mat;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded source of the few distributions that test matrices are made of.
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The source that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Far from the seeds that the tests hand to the sketches, so that no sketch shares a stream with its input.
        Self(Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x7e57_ab1e_5eed_0000))
    }

    /// Uniform on [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Standard normal (Box–Muller, one of the pair).
    pub fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Uniform on 0..bound; the bias of at most bound·2⁻⁵³ does not matter to a test matrix.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }

    /// A random order of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// A random orthogonal map of order n that costs O(n log n) a vector: two rounds of a random permutation and of plane
/// rotations by random angles between the indices that differ in one bit. Every coordinate reaches every other one, for any
/// n, and a matrix put through it keeps its singular values to a few ε.
pub struct OrthogonalMix {
    rounds: Vec<Round>,
}

struct Round {
    order: Vec<usize>,
    rotations: Vec<Rotation>,
}

struct Rotation {
    first: usize,
    second: usize,
    cos: f64,
    sin: f64,
}

impl OrthogonalMix {
    /// The map of order n that `random` draws.
    pub fn new(n: usize, random: &mut Random) -> Self {
        Self { rounds: (0..2).map(|_| Round::new(n, random)).collect() }
    }

    /// Multiplies every column of `a`, which has n rows, by the map.
    pub fn apply_to_columns(&self, a: &mut Mat<f64>) {
        let mut shuffled = vec![0.0; a.nrows()];
        for j in 0..a.ncols() {
            let column = a.col_as_slice_mut(j);
            for round in &self.rounds {
                round.apply(column, &mut shuffled);
            }
        }
    }
}

impl Round {
    fn new(n: usize, random: &mut Random) -> Self {
        let order = random.permutation(n);
        let mut rotations = Vec::new();
        let strides = (0..).map(|bit| 1usize << bit).take_while(|&stride| stride < n);
        for stride in strides {
            for first in (0..n).filter(|first| first & stride == 0 && first + stride < n) {
                let (sin, cos) = (std::f64::consts::TAU * random.uniform()).sin_cos();
                rotations.push(Rotation { first, second: first + stride, cos, sin });
            }
        }
        Self { order, rotations }
    }

    fn apply(&self, x: &mut [f64], shuffled: &mut [f64]) {
        for (to, &from) in shuffled.iter_mut().zip(&self.order) {
            *to = x[from];
        }
        for r in &self.rotations {
            let (a, b) = (shuffled[r.first], shuffled[r.second]);
            shuffled[r.first] = r.cos * a - r.sin * b;
            shuffled[r.second] = r.sin * a + r.cos * b;
        }
        x.copy_from_slice(shuffled);
    }
}
