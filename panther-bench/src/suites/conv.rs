//! Convolutions of one image: dense, and sketched with several terms and ranks.

use panther_bench::record::Measured;
use panther_nn::backend::Backend;
use panther_nn::layers::{Conv2d, Layer, Padding, SkConv2d, Window};
use panther_nn::{NnError, Scalar};

use super::layer::{self, LayerCase};
use super::preset::limits::CONV_FLOPS;
use super::{Bench, DeviceKind, Key, Preset, SEED, Task};

const KERNELS: [usize; 3] = [3, 5, 9];
const IMAGES: [usize; 3] = [64, 128, 256];
const CHANNELS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const TERMS: [usize; 3] = [1, 2, 3];
const RANKS: [usize; 3] = [8, 16, 32];

/// A convolution that keeps the extents of its images.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub kernel: usize,
    pub image: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub batch: usize,
    /// Terms and rank; `None` for the dense layer.
    pub sketch: Option<(usize, usize)>,
}

impl Case {
    /// Operations of the dense layer forward.
    fn dense_flops(&self) -> f64 {
        (2 * self.kernel * self.kernel * self.image * self.image * self.batch * self.c_in * self.c_out) as f64
    }

    /// Whether it belongs to the smallest corner of its figure, which every device can do.
    const fn is_smallest(&self) -> bool {
        self.c_in == CHANNELS[0] && self.c_out == CHANNELS[0]
    }
}

impl LayerCase for Case {
    fn layer<T: Scalar, B: Backend>(&self, backend: &B) -> Result<Box<dyn Layer<T, B>>, NnError> {
        let Self { kernel, c_in, c_out, .. } = *self;
        let window = Window { padding: Padding::Same, ..Window::new([kernel, kernel]) };
        let Some((terms, rank)) = self.sketch else {
            return Ok(Box::new(Conv2d::new(backend, c_in, c_out, window, true, SEED)?));
        };
        // As for the linear layer: without the dense weight.
        let (hidden, taps) = (2 * terms * rank, c_in * kernel * kernel);
        let s1 = backend.normal(&[hidden, c_in, kernel, kernel], (taps as f64).sqrt().recip(), SEED)?;
        let u1 = backend.normal(&[hidden, c_out], 1.0, SEED + 1)?;
        let bias = backend.zeros(&[c_out])?;
        Ok(Box::new(SkConv2d::from_parts(backend, terms, s1, u1, Some(bias), window)?))
    }

    fn input(&self) -> Vec<usize> {
        vec![self.batch, self.c_in, self.image, self.image]
    }

    fn checked_input(&self) -> Vec<usize> {
        let pixels = self.image.min(2 * self.kernel);
        vec![1, self.c_in, pixels, pixels]
    }
}

impl Task for Case {
    fn key(&self) -> Key {
        let method = if self.sketch.is_some() { "sketched" } else { "dense" };
        let key = Key::new(method, "f32").of("kernel", self.kernel).of("image", self.image);
        let key = key.of("in_channels", self.c_in).of("out_channels", self.c_out).of("batch", self.batch);
        match self.sketch {
            Some((terms, rank)) => key.with("num_terms", terms).with("low_rank", rank),
            None => key,
        }
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        layer::measure(self, bench)
    }
}

/// Every figure gets some of its cells before any gets more.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    const SOME: [usize; 3] = [64, 256, 1024];
    let channels: &[usize] = preset.choose(&CHANNELS[..1], &SOME, &CHANNELS);
    let terms: &[usize] = preset.choose(&TERMS[..1], &TERMS, &TERMS);
    let ranks: &[usize] = preset.choose(&RANKS[..1], &[8, 32], &RANKS);
    let mut ways = vec![None];
    ways.extend(terms.iter().flat_map(|&terms| ranks.iter().map(move |&rank| Some((terms, rank)))));
    let mut cases = Vec::new();
    for &c_in in channels {
        for &c_out in channels {
            for &sketch in &ways {
                for kernel in KERNELS {
                    cases.extend(IMAGES.map(|image| Case { kernel, image, c_in, c_out, batch: 1, sketch }));
                }
            }
        }
    }
    cases.retain(|case| case.is_smallest() || kind.allows(CONV_FLOPS, case.dense_flops()));
    // The usual ones before what only the whole has.
    let is_usual = |case: &Case| SOME.contains(&case.c_in) && SOME.contains(&case.c_out);
    cases.sort_by_key(|case| (!is_usual(case), case.c_in != case.c_out));
    cases
}
