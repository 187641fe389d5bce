//! Throughput of S·A for each family, drawing included, beside the product with a dense matrix and beside a copy of A.

use faer::{Mat, Par};
use panther_bench::product;
use panther_bench::record::Measured;
use panther_gpu::{Buffer, Device, DeviceSketch, Matrix, gaussian_matrix};
use panther_linalg::Distribution;
use panther_nn::NnError;
use panther_tests::matrices::Family;
use rayon::prelude::*;

use super::{Bench, DeviceKind, INPUT_SEED, Key, Preset, SEED, Task, add_metric};
use crate::device::BenchDevice;
use crate::measure::Budget;

/// A of these rows, sketched to those.
const ROWS: usize = 65536;
const COLUMNS: usize = 256;
const SKETCHED: [usize; 4] = [512, 128, 1024, 2048];

/// Every family, by the name that figures give it.
pub const FAMILIES: [(&str, Distribution); 7] = [
    ("CountSketch", Distribution::COUNT_SKETCH),
    ("SparseSign 8", Distribution::SparseSign { vec_nnz: 8 }),
    ("SRHT", Distribution::Srht),
    ("SparseRows 64", Distribution::LessUniform { vec_nnz: 64 }),
    ("Gaussian", Distribution::Gaussian),
    ("Rademacher", Distribution::Rademacher),
    ("Uniform", Distribution::Uniform),
];

/// What is done with A.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Only copied: what memory allows.
    Copy,
    /// Multiplied by a matrix of so many rows that is there already.
    Product(usize),
    /// Sketched to so many rows.
    Sketch(&'static str, Distribution, usize),
}

/// Something done with an A, in f32.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub rows: usize,
    pub columns: usize,
    pub work: Work,
}

impl Case {
    /// Bytes read and written where A is read once and S not at all.
    pub fn bytes(&self) -> f64 {
        let rows = match self.work {
            Work::Copy => 2 * self.rows,
            Work::Product(sketched) => self.rows + sketched,
            // Only the sampled rows are read.
            Work::Sketch(_, Distribution::LessUniform { vec_nnz }, sketched) => {
                self.rows.min(sketched * vec_nnz) + sketched
            }
            Work::Sketch(_, _, sketched) => self.rows + sketched,
        };
        (rows * self.columns * size_of::<f32>()) as f64
    }

    /// Additions and multiplications.
    pub fn flops(&self) -> f64 {
        let (rows, columns) = (self.rows as f64, self.columns as f64);
        match self.work {
            Work::Copy => 0.0,
            Work::Product(sketched) => 2.0 * sketched as f64 * rows * columns,
            Work::Sketch(_, Distribution::SparseSign { vec_nnz }, _) => vec_nnz as f64 * rows * columns,
            Work::Sketch(_, Distribution::LessUniform { vec_nnz }, sketched) => (sketched * vec_nnz) as f64 * columns,
            Work::Sketch(_, Distribution::Srht, sketched) => rows * columns * (sketched as f64).log2(),
            Work::Sketch(_, _, sketched) => 2.0 * sketched as f64 * rows * columns,
        }
    }

    fn on_cpu(&self, par: Par, budget: Budget) -> Result<Measured, NnError> {
        let a = Family::Gaussian.matrix::<f32>(self.rows, self.columns, INPUT_SEED);
        match self.work {
            Work::Copy => {
                let from = vec![1.0_f32; self.rows * self.columns];
                let mut to = vec![0.0_f32; from.len()];
                budget.measure(&par, || {
                    copy(&from, &mut to);
                    Ok(())
                })
            }
            Work::Product(sketched) => {
                let s = Family::Gaussian.matrix::<f32>(sketched, self.rows, SEED);
                budget.measure(&par, || {
                    drop::<Mat<f32>>(product(s.as_ref(), a.as_ref(), par));
                    Ok(())
                })
            }
            Work::Sketch(_, family, sketched) => budget.measure(&par, || {
                let s = family.operator::<f32>(sketched, self.rows, SEED)?;
                Ok(s.left(a.as_ref().into(), par).map(drop)?)
            }),
        }
    }

    fn on_gpu(&self, device: &Device, budget: Budget) -> Result<Measured, NnError> {
        let a = gaussian_matrix::<f32>(device, self.rows, self.columns, INPUT_SEED)?;
        match self.work {
            Work::Copy => {
                let from = Buffer::<f32>::zeros(device, self.rows * self.columns)?;
                let to = from.try_clone()?;
                budget.measure(device, || Ok(to.copy_from(&from)?))
            }
            Work::Product(sketched) => {
                let s = gaussian_matrix::<f32>(device, sketched, self.rows, SEED)?;
                let mut out = Matrix::zeros(device, sketched, self.columns)?;
                budget.measure(device, || Ok(panther_gpu::product(out.as_mut(), 1.0, s.as_ref(), a.as_ref(), 0.0)?))
            }
            Work::Sketch(_, family, sketched) => budget.measure(device, || {
                let s = DeviceSketch::<f32>::new(device, family, sketched, self.rows, SEED)?;
                Ok(s.left(a.as_ref()).map(drop)?)
            }),
        }
    }
}

/// With all threads.
fn copy(from: &[f32], to: &mut [f32]) {
    const PART: usize = 1 << 16;
    to.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| to.copy_from_slice(from));
}

impl Task for Case {
    fn key(&self) -> Key {
        let key = |method| Key::new(method, "f32").of("rows", self.rows).of("columns", self.columns);
        match self.work {
            Work::Copy => key("copy"),
            Work::Product(sketched) => key("product").of("sketched", sketched).of("family", "dense product"),
            Work::Sketch(name, _, sketched) => key("panther").of("sketched", sketched).of("family", name),
        }
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        let mut measured = match &bench.device {
            BenchDevice::Cpu(par) => self.on_cpu(*par, bench.budget),
            BenchDevice::Cuda(device) => self.on_gpu(device, bench.budget),
        }?;
        add_metric(&mut measured, "bytes", self.bytes());
        add_metric(&mut measured, "flops", self.flops());
        Ok(measured)
    }
}

/// The copy first: it is the line that all else is held against.
pub fn grid(_: DeviceKind, preset: Preset) -> Vec<Case> {
    let sketched: &[usize] = preset.choose(&SKETCHED[..1], &SKETCHED, &SKETCHED);
    let rows = preset.choose(ROWS / 4, ROWS, ROWS);
    let mut works = vec![Work::Copy];
    for &sketched in sketched {
        works.extend(FAMILIES.map(|(name, family)| Work::Sketch(name, family, sketched)));
        works.push(Work::Product(sketched));
    }
    works.into_iter().map(|work| Case { rows, columns: COLUMNS, work }).collect()
}
