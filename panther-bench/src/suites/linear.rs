//! Linear layers: dense, and sketched with several terms and ranks.

use panther_bench::record::Measured;
use panther_gpu::Precision;
use panther_nn::backend::Backend;
use panther_nn::layers::{Layer, Linear, SkLinear};
use panther_nn::{NnError, Scalar};

use super::layer::{self, LayerCase};
use super::preset::limits::LINEAR_FEATURES;
use super::{Bench, DeviceKind, Key, Preset, SEED, Task};

/// Features in and out.
const FEATURES: [usize; 7] = [256, 512, 1024, 8192, 16384, 32768, 65536];
const TERMS: [usize; 3] = [1, 2, 3];
const RANKS: [usize; 6] = [16, 32, 64, 128, 256, 512];
/// Rows of the input.
pub const BATCH: usize = 128;

/// One layer.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub d_in: usize,
    pub d_out: usize,
    pub batch: usize,
    /// Terms and rank; `None` for the dense layer.
    pub sketch: Option<(usize, usize)>,
    /// Of products on a GPU.
    pub precision: Precision,
}

impl Case {
    /// Whether a sketched layer holds fewer numbers than the dense one, and so takes fewer operations too.
    fn is_smaller(&self) -> bool {
        self.sketch.is_none_or(|(terms, rank)| 2 * terms * rank * (self.d_in + self.d_out) < self.d_in * self.d_out)
    }
}

impl LayerCase for Case {
    fn layer<T: Scalar, B: Backend>(&self, backend: &B) -> Result<Box<dyn Layer<T, B>>, NnError> {
        let Self { d_in, d_out, .. } = *self;
        let Some((terms, rank)) = self.sketch else {
            return Ok(Box::new(Linear::new(backend, d_in, d_out, true, SEED)?));
        };
        // Drawn where it is used, without the dense weight that a fresh layer is sketched from: the times are the same.
        let hidden = 2 * terms * rank;
        let down = backend.normal(&[hidden, d_in], (d_in as f64).sqrt().recip(), SEED)?;
        let up = backend.normal(&[hidden, d_out], 1.0, SEED + 1)?;
        let bias = backend.zeros(&[d_out])?;
        Ok(Box::new(SkLinear::from_packed(backend, terms, down, up, Some(bias))?))
    }

    fn input(&self) -> Vec<usize> {
        vec![self.batch, self.d_in]
    }

    fn checked_input(&self) -> Vec<usize> {
        self.input()
    }

    fn precision(&self) -> Precision {
        self.precision
    }
}

/// As results call it.
pub const fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Tf32 => "tf32",
        Precision::Bf16 => "bf16",
    }
}

impl Task for Case {
    fn key(&self) -> Key {
        let method = if self.sketch.is_some() { "sketched" } else { "dense" };
        let key =
            Key::new(method, name(self.precision)).of("in", self.d_in).of("out", self.d_out).of("batch", self.batch);
        match self.sketch {
            Some((terms, rank)) => key.with("num_terms", terms).with("low_rank", rank),
            None => key,
        }
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        layer::measure(self, bench)
    }
}

/// Dense layers first, then one term, squares before the rest.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    let ranks: &[usize] = preset.choose(&[16, 64], &[16, 64, 256], &RANKS);
    let terms: &[usize] = preset.choose(&[1, 2], &TERMS, &TERMS);
    let mut ways = vec![None];
    ways.extend(terms.iter().flat_map(|&terms| ranks.iter().map(move |&rank| Some((terms, rank)))));
    let mut cases = Vec::new();
    for sketch in ways {
        for (d_in, d_out) in sizes(kind, preset) {
            let case = Case { d_in, d_out, batch: BATCH, sketch, precision: Precision::F32 };
            cases.extend(precisions(kind, sketch).iter().map(|&precision| Case { precision, ..case }));
        }
    }
    cases.retain(Case::is_smaller);
    cases.sort_by_key(|case| case.d_in != case.d_out);
    cases
}

fn sizes(kind: DeviceKind, preset: Preset) -> Vec<(usize, usize)> {
    let some = FEATURES.into_iter().filter(|&features| kind.allows(LINEAR_FEATURES, features as f64));
    let some: Vec<usize> = some.filter(|&features| preset != Preset::Quick || features >= 512).collect();
    let all = some.iter().flat_map(|&d_in| some.iter().map(move |&d_out| (d_in, d_out)));
    all.filter(|(d_in, d_out)| preset != Preset::Quick || d_in == d_out).collect()
}

/// Tensor cores are measured too: they are what a dense layer would use.
fn precisions(kind: DeviceKind, sketch: Option<(usize, usize)>) -> &'static [Precision] {
    match (kind, sketch) {
        (DeviceKind::Gpu, None | Some((1, 16 | 64))) => &[Precision::F32, Precision::Tf32, Precision::Bf16],
        _ => &[Precision::F32],
    }
}
