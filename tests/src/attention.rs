//! Linear attention as its formula says, in double precision and quadratic time.

use panther_nn::Scalar;
use panther_nn::backend::{Arithmetic, AttentionInputs, AttentionKernel};
use panther_nn::cpu::CpuTensor;

/// Outputs, and by how much rounding of size ε may move each: what the exponents or the arguments of the relus lose to it.
pub struct Reference {
    /// B×L×(H·d_v).
    pub y: Vec<f64>,
    /// In units of ε, per output.
    pub sensitivity: Vec<f64>,
}

/// One vector's features, as ln of them where they are exponentials.
struct Features {
    values: Vec<f64>,
    /// Σ|ωᵢxᵢ| (and ‖x‖²/2 for keys): what the arguments are sums of.
    sizes: Vec<f64>,
}

/// The output of the inputs as they are rounded to `T`.
///
/// # Panics
/// Where the shapes are not those of attention.
#[must_use]
pub fn reference<T: Scalar>(inputs: &AttentionInputs<'_, CpuTensor<T>>) -> Reference {
    let &[batch, queries, width] = inputs.query.shape() else { panic!("query") };
    let keys = inputs.key.shape()[1];
    let d = width / inputs.heads;
    let double = |x: &CpuTensor<T>| -> Vec<f64> { x.as_slice().iter().map(|x| x.to_f64()).collect() };
    let (q, k, v, omega) =
        (double(&inputs.query), double(&inputs.key), double(&inputs.value), double(inputs.projection));
    let m = omega.len() / d;
    let value_width = inputs.value.shape()[2];
    let d_v = value_width / inputs.heads;
    let (mut y, mut sensitivity) = (vec![0.0; batch * queries * value_width], vec![0.0; batch * queries * value_width]);
    for b in 0..batch {
        for h in 0..inputs.heads {
            let at = |x: &[f64], length: usize, i: usize, d: usize| {
                x[((b * length + i) * inputs.heads + h) * d..][..d].to_vec()
            };
            let (query_rows, key_rows): (Vec<_>, Vec<_>) = (
                (0..queries).map(|i| at(&q, queries, i, d)).collect(),
                (0..keys).map(|j| at(&k, keys, j, d)).collect(),
            );
            let phi = features(inputs, &omega, &query_rows, true);
            let kappa = features(inputs, &omega, &key_rows, false);
            for (i, phi) in phi.iter().enumerate() {
                let attended: Vec<usize> = (0..keys)
                    .filter(|&j| inputs.mask.is_none_or(|mask| mask[b * keys + j]) && !(inputs.causal && j > i))
                    .collect();
                let is_exponential =
                    (inputs.kernel, inputs.arithmetic) == (AttentionKernel::Softmax, Arithmetic::Stable);
                let largest = attended
                    .iter()
                    .flat_map(|&j| (0..m).map(move |p| (j, p)))
                    .map(|(j, p)| phi.values[p] + kappa[j].values[p])
                    .fold(f64::NEG_INFINITY, f64::max);
                let (mut total, mut moved) = (0.0, 0.0);
                let mut numerator = vec![0.0; d_v];
                let mut most: f64 = 0.0;
                for &j in &attended {
                    let value = at(&v, keys, j, d_v);
                    most = value.iter().fold(most, |m, v| m.max(v.abs()));
                    let mut weight = 0.0;
                    for p in 0..m {
                        let (f, g) = (phi.values[p], kappa[j].values[p]);
                        let (f_size, g_size) = (phi.sizes[p], kappa[j].sizes[p]);
                        if is_exponential {
                            let product = (f + g - largest).exp();
                            weight += product;
                            moved += product * (f_size + g_size);
                        } else {
                            weight += f * g;
                            moved += f * g_size + g * f_size;
                        }
                    }
                    total += weight;
                    numerator.iter_mut().zip(&value).for_each(|(n, v)| *n += weight * v);
                }
                if total > 0.0 {
                    for (c, n) in numerator.iter().enumerate() {
                        let place = (b * queries + i) * value_width + h * d_v + c;
                        y[place] = n / total;
                        sensitivity[place] = most * (moved / total * d as f64 + (m + keys) as f64);
                    }
                }
            }
        }
    }
    Reference { y, sensitivity }
}

fn features<T: Scalar>(
    inputs: &AttentionInputs<'_, CpuTensor<T>>,
    omega: &[f64],
    rows: &[Vec<f64>],
    is_query: bool,
) -> Vec<Features> {
    let Some(d) = rows.first().map(Vec::len) else { return Vec::new() };
    let m = omega.len() / d;
    let temperature = match inputs.kernel {
        AttentionKernel::Softmax => (d as f64).powf(-0.25),
        AttentionKernel::Relu => 1.0 / (m as f64).sqrt(),
    };
    let projected = |row: &[f64], p: usize, f: fn(f64) -> f64| -> f64 {
        row.iter().zip(&omega[p * d..]).map(|(x, w)| f(temperature * x * w)).sum()
    };
    let square = |row: &[f64]| row.iter().map(|x| (temperature * x).powi(2)).sum::<f64>() / 2.0;
    let largest_of = |row: &Vec<f64>| (0..m).map(|p| projected(row, p, |x| x)).fold(f64::NEG_INFINITY, f64::max);
    let overall = rows.iter().map(largest_of).fold(f64::NEG_INFINITY, f64::max);
    let feature = |row: &Vec<f64>, p: usize| {
        let argument = projected(row, p, |x| x);
        match (inputs.kernel, inputs.arithmetic) {
            // The query's ‖q‖²/2 is the same for all keys.
            (AttentionKernel::Softmax, Arithmetic::Stable) => argument - if is_query { 0.0 } else { square(row) },
            (AttentionKernel::Softmax, Arithmetic::Original) => {
                let largest = if is_query { largest_of(row) } else { overall };
                ((argument - square(row) - largest).exp() + 1e-5) / (m as f64).sqrt()
            }
            (AttentionKernel::Relu, Arithmetic::Stable) => argument.max(0.0),
            (AttentionKernel::Relu, Arithmetic::Original) => argument.max(0.0) + 1e-5,
        }
    };
    let size = |row: &Vec<f64>, p: usize| projected(row, p, f64::abs) + square(row);
    rows.iter()
        .map(|row| Features {
            values: (0..m).map(|p| feature(row, p)).collect(),
            sizes: (0..m).map(|p| size(row, p)).collect(),
        })
        .collect()
}
