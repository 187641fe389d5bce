//! The test matrices: every family is a function of its shape and a seed, is made in double precision and rounded to
//! the precision under test once.

use faer::Mat;
use panther_linalg::Real;

use crate::random::{OrthogonalMix, Random};

/// Singular values that a matrix is made to have; the largest is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spectrum {
    /// σᵢ = i^−p.
    Polynomial(f64),
    /// σᵢ = ratio^(i−1).
    Exponential(f64),
    /// σᵢ = 1 up to `rank`, `tail` beyond.
    Step {
        /// How many are 1.
        rank: usize,
        /// The others.
        tail: f64,
    },
    /// Runs of `size` equal singular values, each run `ratio` times the one before: harder for a block Krylov method
    /// than any gap, as a block smaller than a multiplicity sees only part of it.
    Clusters {
        /// Multiplicity.
        size: usize,
        /// From one run to the next.
        ratio: f64,
    },
    /// A geometric sequence from 1 to 1/condition.
    Condition(f64),
    /// All 1 but the last, which is 1/condition.
    OneSmall(f64),
    /// σᵢ = 1/i up to `rank`, a flat floor of `noise` beyond.
    LowRankNoise {
        /// Of the signal.
        rank: usize,
        /// The floor.
        noise: f64,
    },
}

impl Spectrum {
    /// The first `count` singular values where `count` is the smaller side of the matrix.
    #[must_use]
    pub fn values(self, count: usize) -> Vec<f64> {
        let last = count.saturating_sub(1).max(1) as f64;
        (0..count)
            .map(|i| match self {
                Self::Polynomial(p) => ((i + 1) as f64).powf(-p),
                Self::Exponential(ratio) => ratio.powi(i as i32),
                Self::Step { rank, tail } => {
                    if i < rank {
                        1.0
                    } else {
                        tail
                    }
                }
                Self::Clusters { size, ratio } => ratio.powi((i / size) as i32),
                Self::Condition(condition) => condition.powf(-(i as f64) / last),
                Self::OneSmall(condition) => {
                    if i > 0 && i + 1 == count {
                        condition.recip()
                    } else {
                        1.0
                    }
                }
                Self::LowRankNoise { rank, noise } => {
                    if i < rank {
                        ((i + 1) as f64).recip()
                    } else {
                        noise
                    }
                }
            })
            .collect()
    }
}

/// The entries of a matrix with few distinct ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// 0 and 1.
    Bits,
    /// −1 and 1.
    Signs,
    /// 0, 1 and 2.
    Ternary,
}

impl Alphabet {
    fn letters(self) -> &'static [f64] {
        match self {
            Self::Bits => &[0.0, 1.0],
            Self::Signs => &[-1.0, 1.0],
            Self::Ternary => &[0.0, 1.0, 2.0],
        }
    }
}

/// A family of test matrices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Family {
    /// Independent standard normal entries.
    Gaussian,
    /// Standard normal entries times 10^exponent.
    Scaled(i32),
    /// Prescribed singular values between random orthogonal factors.
    Spectrum(Spectrum),
    /// A diagonal 1, 1/2, 1/3, …: singular vectors as coherent as they can be.
    Coordinates,
    /// Gaussian noise with a few strong rank-one terms, as in the spiked covariance model.
    Spiked,
    /// Kahan's upper trapezoidal matrix with sin θ = 0.9 (Kahan 1966): column pivoting overestimates its smallest
    /// singular value by an exponential factor.
    Kahan,
    /// Gaussian rows scaled from 10^−x to 10^x in random order, x = 150 in f64 and 30 in f32: squares overflow.
    GradedRows,
    /// Läuchli's matrix: a row of ones above √ε/4 times the identity, so that the Gram matrix is singular in working
    /// precision although the columns are independent.
    Lauchli,
    /// A product of integer matrices with inner dimension `rank`, exact in both precisions.
    LowRank(usize),
    /// An outer product of Gaussian vectors, rounded.
    RankOne,
    /// All zero.
    Zero,
    /// Gaussian columns, about half of which are copies of others.
    DuplicatedColumns,
    /// Independent entries from a small alphabet: rank-deficient surprisingly often while small.
    FewDistinct(Alphabet),
}

/// One family of each kind, with parameters that suit matrices of a few hundred rows and columns.
pub const FAMILIES: &[Family] = &[
    Family::Gaussian,
    Family::Scaled(30),
    Family::Scaled(-30),
    Family::Spectrum(Spectrum::Polynomial(1.0)),
    Family::Spectrum(Spectrum::Polynomial(3.0)),
    Family::Spectrum(Spectrum::Exponential(0.7)),
    Family::Spectrum(Spectrum::Step { rank: 10, tail: 1e-3 }),
    Family::Spectrum(Spectrum::Clusters { size: 20, ratio: 0.1 }),
    Family::Spectrum(Spectrum::Clusters { size: 40, ratio: 0.5 }),
    Family::Spectrum(Spectrum::Condition(1e6)),
    Family::Spectrum(Spectrum::Condition(1e15)),
    Family::Spectrum(Spectrum::OneSmall(1e10)),
    Family::Spectrum(Spectrum::LowRankNoise { rank: 8, noise: 1e-4 }),
    Family::Coordinates,
    Family::Spiked,
    Family::Kahan,
    Family::GradedRows,
    Family::Lauchli,
    Family::LowRank(5),
    Family::LowRank(40),
    Family::RankOne,
    Family::Zero,
    Family::DuplicatedColumns,
    Family::FewDistinct(Alphabet::Bits),
    Family::FewDistinct(Alphabet::Signs),
    Family::FewDistinct(Alphabet::Ternary),
];

impl Family {
    /// The m×n matrix of this family that belongs to `seed`, in the precision `T`.
    #[must_use]
    pub fn matrix<T: Real>(self, m: usize, n: usize, seed: u64) -> Mat<T> {
        let a = self.in_double(m, n, seed, T::EPSILON.to_f64());
        Mat::from_fn(m, n, |i, j| T::from_f64(a[(i, j)]))
    }

    /// Whether a matrix of this family that lacks rank does so exactly, up to the rounding of its entries: then pivots
    /// show it as clearly as singular values do, which those of Kahan's matrix, say, do not.
    #[must_use]
    pub fn lacks_rank_exactly(self) -> bool {
        matches!(self, Self::LowRank(_) | Self::RankOne | Self::Zero | Self::DuplicatedColumns | Self::FewDistinct(_))
    }

    /// Whether the matrix is dominated by a few of its coordinates: a sketch that samples coordinates misses them.
    #[must_use]
    pub fn is_coherent(self) -> bool {
        matches!(self, Self::Coordinates | Self::Kahan | Self::Lauchli)
    }

    fn in_double(self, m: usize, n: usize, seed: u64, epsilon: f64) -> Mat<f64> {
        let mut random = Random::new(seed);
        match self {
            Self::Gaussian => gaussian(m, n, &mut random),
            Self::Scaled(exponent) => scaled(gaussian(m, n, &mut random), 10f64.powi(exponent)),
            Self::Spectrum(spectrum) => with_singular_values(m, n, &spectrum.values(m.min(n)), seed),
            Self::Coordinates => Mat::from_fn(m, n, |i, j| if i == j { ((i + 1) as f64).recip() } else { 0.0 }),
            Self::Spiked => spiked(m, n, &mut random),
            Self::Kahan => kahan(m, n, epsilon),
            Self::GradedRows => graded_rows(m, n, if epsilon < 1e-10 { 150.0 } else { 30.0 }, &mut random),
            Self::Lauchli => lauchli(m, n, epsilon.sqrt() / 4.0),
            Self::LowRank(rank) => low_rank(m, n, rank, &mut random),
            Self::RankOne => gaussian(m, 1, &mut random) * gaussian(1, n, &mut random),
            Self::Zero => Mat::zeros(m, n),
            Self::DuplicatedColumns => duplicated_columns(m, n, &mut random),
            Self::FewDistinct(alphabet) => few_distinct(m, n, alphabet.letters(), &mut random),
        }
    }
}

/// An m×n matrix with the singular values `sigma`, min(m, n) of them, between random orthogonal factors.
///
/// The singular values are exact to a few ε·σ₁; making it costs O(mn log(mn)), so that it serves benchmarks too.
///
/// # Panics
/// If `sigma` has another length.
#[must_use]
pub fn with_singular_values(m: usize, n: usize, sigma: &[f64], seed: u64) -> Mat<f64> {
    assert_eq!(sigma.len(), m.min(n), "an {m}×{n} matrix has {} singular values", m.min(n));
    let mut random = Random::new(seed);
    let mut transposed = Mat::from_fn(n, m, |i, j| if i == j { sigma[i] } else { 0.0 });
    OrthogonalMix::new(n, &mut random).apply_to_columns(&mut transposed);
    let mut a = transposed.transpose().to_owned();
    OrthogonalMix::new(m, &mut random).apply_to_columns(&mut a);
    a
}

/// Independent standard normal entries.
pub fn gaussian(m: usize, n: usize, random: &mut Random) -> Mat<f64> {
    Mat::from_fn(m, n, |_, _| random.gaussian())
}

fn scaled(mut a: Mat<f64>, factor: f64) -> Mat<f64> {
    for j in 0..a.ncols() {
        a.col_as_slice_mut(j).iter_mut().for_each(|x| *x *= factor);
    }
    a
}

fn spiked(m: usize, n: usize, random: &mut Random) -> Mat<f64> {
    let mut a = gaussian(m, n, random);
    // Well above √m + √n, where the noise ends; two of the spikes are equal.
    for strength in [30.0, 10.0, 10.0, 3.0] {
        a += scaled(gaussian(m, 1, random) * gaussian(1, n, random), strength);
    }
    a
}

fn kahan(m: usize, n: usize, epsilon: f64) -> Mat<f64> {
    let sin: f64 = 0.9;
    let cos = (1.0 - sin * sin).sqrt();
    // The usual perturbation of the diagonal, so that rounding does not decide between columns of equal residuals.
    let diagonal = |i: usize| 1.0 + 25.0 * epsilon * (m.min(n) - i) as f64;
    Mat::from_fn(m, n, |i, j| match i.cmp(&j) {
        std::cmp::Ordering::Less => -cos * sin.powi(i as i32),
        std::cmp::Ordering::Equal => diagonal(i) * sin.powi(i as i32),
        std::cmp::Ordering::Greater => 0.0,
    })
}

fn graded_rows(m: usize, n: usize, decades: f64, random: &mut Random) -> Mat<f64> {
    let order = random.permutation(m);
    let step = 2.0 * decades / m.saturating_sub(1).max(1) as f64;
    Mat::from_fn(m, n, |i, _| random.gaussian() * 10f64.powf(order[i] as f64 * step - decades))
}

fn lauchli(m: usize, n: usize, small: f64) -> Mat<f64> {
    Mat::from_fn(m, n, |i, j| match i {
        0 => 1.0,
        _ if i == j + 1 => small,
        _ => 0.0,
    })
}

fn low_rank(m: usize, n: usize, rank: usize, random: &mut Random) -> Mat<f64> {
    let mut factor = |rows, columns| Mat::from_fn(rows, columns, |_, _| random.below(9) as f64 - 4.0);
    factor(m, rank) * factor(rank, n)
}

fn duplicated_columns(m: usize, n: usize, random: &mut Random) -> Mat<f64> {
    let distinct = gaussian(m, n.div_ceil(2), random);
    let source: Vec<usize> = (0..n).map(|_| random.below(distinct.ncols())).collect();
    Mat::from_fn(m, n, |i, j| distinct[(i, source[j])])
}

fn few_distinct(m: usize, n: usize, letters: &[f64], random: &mut Random) -> Mat<f64> {
    Mat::from_fn(m, n, |_, _| letters[random.below(letters.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Reference, orthogonality};

    #[test]
    fn prescribed_singular_values_are_exact() {
        for (m, n) in [(1, 1), (1, 5), (5, 1), (40, 40), (63, 20), (20, 65), (128, 100)] {
            for spectrum in [
                Spectrum::Polynomial(1.0),
                Spectrum::Exponential(0.7),
                Spectrum::Clusters { size: 7, ratio: 0.1 },
                Spectrum::Condition(1e15),
                Spectrum::OneSmall(1e10),
            ] {
                let sigma = spectrum.values(m.min(n));
                let reference = Reference::new::<f64>(Family::Spectrum(spectrum).matrix(m, n, 3).as_ref());
                for (found, wanted) in reference.singular_values().iter().zip(sigma.iter().map(|&s| reference.scale(s)))
                {
                    // About 30 rotations an entry and a backward stable SVD: some tens of ε·σ₁, which is up to 2 here.
                    assert!((found - wanted).abs() < 400.0 * f64::EPSILON, "{spectrum:?} {m}×{n}: {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn mixing_is_orthogonal_and_spreads_every_coordinate() {
        for n in [1, 2, 3, 64, 65, 100] {
            let mut q = Mat::identity(n, n);
            OrthogonalMix::new(n, &mut Random::new(1)).apply_to_columns(&mut q);
            assert!(orthogonality(q.as_ref()) < 200.0 * f64::EPSILON);
        }
        let n = 64;
        let mut q = Mat::identity(n, n);
        OrthogonalMix::new(n, &mut Random::new(1)).apply_to_columns(&mut q);
        let largest = (0..n).flat_map(|j| q.col_as_slice(j).to_vec()).fold(0.0, |x: f64, y| x.max(y.abs()));
        // A Haar matrix of this order has its largest entry near √(2 ln n² / n) = 0.51.
        assert!(largest < 0.7, "{largest}");
    }

    #[test]
    fn integer_products_are_exact_and_have_their_rank() {
        for (m, n, rank) in [(50, 30, 5), (30, 50, 1), (100, 64, 40)] {
            let single = Family::LowRank(rank).matrix::<f32>(m, n, 9);
            let double = Family::LowRank(rank).matrix::<f64>(m, n, 9);
            assert!((0..m).all(|i| (0..n).all(|j| f64::from(single[(i, j)]) == double[(i, j)])));
            assert_eq!(Reference::new(double.as_ref()).clear_rank(), Some(rank));
        }
    }

    #[test]
    fn graded_rows_span_the_range_they_promise() {
        for (found, decades) in [
            (Family::GradedRows.matrix::<f64>(100, 30, 4), 150.0),
            (crate::measure::to_double(Family::GradedRows.matrix::<f32>(100, 30, 4).as_ref()), 30.0),
        ] {
            let row_sizes: Vec<f64> =
                (0..100).map(|i| (0..30).map(|j| found[(i, j)].abs()).fold(0.0, f64::max).log10()).collect();
            let (low, high) = row_sizes.iter().fold((0.0f64, 0.0f64), |(l, h), &x| (l.min(x), h.max(x)));
            assert!((high - decades).abs() < 1.0 && (low + decades).abs() < 1.0, "{low} {high}");
        }
    }
}
