//! A whole checkpoint made smaller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use faer::Par;
use rayon::prelude::*;
use serde_json::json;

use super::selection::{Candidate, select};
use super::spool::Spool;
use super::weight::{most_useful, stored_per_term};
use super::{
    CheckpointReport, Conversion, ConversionOptions, ConversionReport, DenseWeight, KeptTensor, LayerReport, Reason,
    Spectrum, WeightLayout, allocate, convert_to_error, convert_weight,
};
use crate::backend::count;
use crate::checkpoint::{Checkpoint, Dtype, FloatType, LayerInfo, LayerKind, Staged, stage, stage_bytes};
use crate::layers::in_range;
use crate::state::join;
use crate::{NnError, Scalar};

/// How large the sketched layers become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// T and k of all layers.
    Size {
        /// T.
        num_terms: usize,
        /// k.
        low_rank: usize,
    },
    /// The fraction of the values of the weights that may be stored in their place, spent as [`allocate`] does.
    Budget(f64),
    /// The relative error of each layer, with as few values as that takes.
    Error(f64),
}

/// What can be chosen for the conversion of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckpointOptions {
    /// How large the layers become.
    pub choice: Choice,
    /// How the factors are found; they are stored in the type of the weight unless told otherwise.
    pub conversion: ConversionOptions,
    /// Matrices are in×out rather than out×in.
    pub transposed: bool,
}

/// Converts every weight of a linear layer or convolution in the safetensors file (or index of several) `input` that gains by it, and writes
/// the result to `output`.
///
/// Candidates are the tensors called `….weight` of a floating-point type with two extents (out×in, or in×out where `transposed`) or with four
/// (C_out×C_in×kh×kw), but for
/// - those whose name is not `selected`,
/// - embeddings: matrices whose layer's own name (the last part that is no number) holds `embed` or has one of the words `emb`, `wte`, `wpe`, `tok`,
///   `token`, `pos`, `position`, `positional`, `vocab`, `shared`, `codebook`,
/// - tied weights: those whose bytes another tensor of the same type holds too.
///
/// A converted `name.weight` gives way to `name.S1s`, `name.U1s` and for a linear layer `name.S2s`, `name.U2s`
/// ([`Factors::tensors`](super::Factors::tensors)) in its own type; what the layers need beside stands in the metadata as [`LayerInfo`]. All other tensors and
/// metadata are the bytes they were. Weights in half precision are converted in single precision. Whether a convolution is grouped or transposed
/// does not stand in a file: such are for the caller to leave out.
///
/// An `output` that ends in `.json` is written as an index with as many files as `input` has, others as one file. Everything is written under
/// temporary names first: an error leaves nothing behind and nothing overwritten. Results are the same bytes for any number of threads; each
/// thread holds one weight at a time. `progress` is told how many of how many steps are done.
///
/// # Errors
/// [`NnError::Tensor`] with the name of the weight and what is wrong with it or with T and k for it, [`NnError::BudgetTooSmall`],
/// [`NnError::InvalidNumber`], [`NnError::SameFile`], and those of [`Checkpoint::open`].
pub fn convert_checkpoint(
    input: &Path,
    output: &Path,
    options: &CheckpointOptions,
    selected: &dyn Fn(&str) -> bool,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<CheckpointReport, NnError> {
    check_choice(options.choice)?;
    let checkpoint = Checkpoint::open(input)?;
    let outputs = output_files(output, checkpoint.shards().len());
    refuse_overwriting(&checkpoint, outputs.iter().chain([&output.to_owned()]))?;
    let (candidates, kept) = select(&checkpoint, options.transposed, selected)?;
    let job = Job { checkpoint: &checkpoint, options, candidates: &candidates, spool: Spool::new(output)?, progress };
    let plans = job.plan()?;
    let outcomes = job.convert(&plans)?;
    write(&job, output, &outputs, &outcomes)?;
    Ok(job.report(&outcomes, kept))
}

fn check_choice(choice: Choice) -> Result<(), NnError> {
    let fraction = |argument, requirement, got: f64, fits: bool| {
        if fits { Ok(()) } else { Err(NnError::InvalidNumber { argument, requirement, got }) }
    };
    match choice {
        // T and k are checked for each tensor, which the error then names.
        Choice::Size { .. } => Ok(()),
        Choice::Budget(x) => fraction("budget", "in (0, 1]", x, x > 0.0 && x <= 1.0),
        Choice::Error(x) => fraction("error", "in (0, 1)", x, x > 0.0 && x < 1.0),
    }
}

/// The safetensors files to write: `output` itself, or those that go with an index.
fn output_files(output: &Path, shards: usize) -> Vec<PathBuf> {
    if !is_index(output) {
        return vec![output.to_owned()];
    }
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".json").unwrap_or(&name);
    let stem = stem.strip_suffix(".index").unwrap_or(stem);
    let stem = stem.strip_suffix(".safetensors").unwrap_or(stem);
    (1..=shards).map(|i| output.with_file_name(format!("{stem}-{i:05}-of-{shards:05}.safetensors"))).collect()
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// An error where an output is one of the inputs, or cannot be a file.
fn refuse_overwriting<'a>(checkpoint: &Checkpoint, outputs: impl Iterator<Item = &'a PathBuf>) -> Result<(), NnError> {
    let inputs: Vec<PathBuf> = checkpoint
        .shards()
        .iter()
        .map(PathBuf::as_path)
        .chain([checkpoint.path()])
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    for path in outputs {
        if path.is_dir() {
            let reason = "it is a directory".to_owned();
            return Err(NnError::File { action: "write", path: path.clone(), reason });
        }
        if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
            return Err(NnError::SameFile { path: path.clone() });
        }
    }
    Ok(())
}

/// What is to become of a weight.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Keep(Reason),
    Size(usize, usize),
    WithinError(f64),
}

/// What became of it.
enum Outcome {
    Kept(Reason),
    /// With the names and shapes of the factors.
    Converted(ConversionReport, Vec<(String, Vec<usize>)>),
}

struct Job<'a> {
    checkpoint: &'a Checkpoint,
    options: &'a CheckpointOptions,
    candidates: &'a [Candidate],
    spool: Spool,
    progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Job<'_> {
    fn plan(&self) -> Result<Vec<Plan>, NnError> {
        match self.options.choice {
            Choice::Error(error) => {
                let can_gain = |candidate: &Candidate| most_useful(candidate.dimensions) > 0;
                let plan = |c| if can_gain(c) { Plan::WithinError(error) } else { Plan::Keep(Reason::NoGain) };
                Ok(self.candidates.iter().map(plan).collect())
            }
            Choice::Size { num_terms, low_rank } => {
                self.candidates.iter().map(|candidate| planned(candidate, num_terms, low_rank)).collect()
            }
            Choice::Budget(fraction) => {
                let spectra = self.each(0, 2, |_, candidate| match candidate.float {
                    FloatType::F64 => Spectrum::of(&self.weight::<f64>(candidate)?, None, Par::Seq),
                    _ => Spectrum::of(&self.weight::<f32>(candidate)?, None, Par::Seq),
                })?;
                let chosen = allocate(&spectra, fraction)?;
                let plan = |(chosen, spectrum): (Option<usize>, &Spectrum)| match chosen {
                    Some(k) => Plan::Size(1, k),
                    None if spectrum.most_steps == 0 => Plan::Keep(Reason::NoGain),
                    None => Plan::Keep(Reason::WorthItsBudget),
                };
                Ok(chosen.into_iter().zip(&spectra).map(plan).collect())
            }
        }
    }

    fn convert(&self, plans: &[Plan]) -> Result<Vec<Outcome>, NnError> {
        let phases = if matches!(self.options.choice, Choice::Budget(_)) { 2 } else { 1 };
        self.each(phases - 1, phases, |i, candidate| match candidate.float {
            FloatType::F64 => self.convert_one::<f64>(candidate, plans[i]),
            _ => self.convert_one::<f32>(candidate, plans[i]),
        })
    }

    /// `work` on all candidates, several at a time, as one of several phases. Of several errors that of the first candidate is returned.
    fn each<R: Send>(
        &self,
        phase: usize,
        phases: usize,
        work: impl Fn(usize, &Candidate) -> Result<R, NnError> + Sync,
    ) -> Result<Vec<R>, NnError> {
        let count = self.candidates.len();
        let done = AtomicUsize::new(phase * count);
        let results: Vec<Result<R, NnError>> = self
            .candidates
            .par_iter()
            .enumerate()
            .map(|(i, candidate)| {
                let result = work(i, candidate).map_err(|error| error.in_tensor(&candidate.tensor));
                (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, phases * count);
                result
            })
            .collect();
        results.into_iter().collect()
    }

    fn weight<T: Scalar>(&self, candidate: &Candidate) -> Result<DenseWeight<T>, NnError> {
        let tensor = self.checkpoint.values::<T>(&candidate.tensor)?;
        DenseWeight::new(candidate.layout, &tensor.shape, &tensor.values)
    }

    fn convert_one<T: Scalar>(&self, candidate: &Candidate, plan: Plan) -> Result<Outcome, NnError> {
        let storage = self.options.conversion.storage.unwrap_or(candidate.float);
        let options = ConversionOptions { storage: Some(storage), ..self.options.conversion };
        let conversion: Result<Option<Conversion<T>>, NnError> = match plan {
            Plan::Keep(reason) => return Ok(Outcome::Kept(reason)),
            Plan::Size(terms, k) => {
                convert_weight(&self.weight(candidate)?, terms, k, None, &options, Par::Seq).map(Some)
            }
            Plan::WithinError(error) => convert_to_error(&self.weight(candidate)?, error, None, &options, Par::Seq),
        };
        let Conversion { factors, report } = match conversion {
            Ok(Some(conversion)) => conversion,
            Ok(None) => return Ok(Outcome::Kept(Reason::ErrorNotMet)),
            Err(NnError::FactorOverflow { .. }) => return Ok(Outcome::Kept(Reason::Overflow)),
            Err(error) => return Err(error),
        };
        let mut tensors = Vec::new();
        for (name, shape, numbers) in factors.tensors() {
            let name = join(&candidate.layer, name);
            self.spool.put(name.clone(), &storage.encode(&numbers))?;
            tensors.push((name, shape));
        }
        Ok(Outcome::Converted(report, tensors))
    }

    fn storage(&self, candidate: &Candidate) -> FloatType {
        self.options.conversion.storage.unwrap_or(candidate.float)
    }

    fn report(&self, outcomes: &[Outcome], kept: BTreeMap<String, Reason>) -> CheckpointReport {
        let keep = |(name, reason): (String, Reason)| {
            let shape = self.checkpoint.tensors().get(&name).map_or_else(Vec::new, |entry| entry.shape.clone());
            KeptTensor { name, shape, reason }
        };
        let mut kept: Vec<KeptTensor> = kept.into_iter().map(keep).collect();
        let mut layers = Vec::new();
        let (mut before, mut saved, mut saved_bytes) = (0, 0, 0);
        for (candidate, outcome) in self.candidates.iter().zip(outcomes) {
            before += count(&candidate.shape);
            match outcome {
                Outcome::Kept(reason) => kept.push(keep((candidate.tensor.clone(), *reason))),
                Outcome::Converted(conversion, _) => {
                    let bytes_before = conversion.parameters_before * candidate.float.bytes();
                    let conversion = ConversionReport { bytes_before, ..*conversion };
                    saved += conversion.parameters_before - conversion.parameters_after;
                    saved_bytes += bytes_before as i64 - conversion.bytes_after as i64;
                    layers.push(LayerReport {
                        name: candidate.layer.clone(),
                        kind: kind(candidate),
                        shape: candidate.shape.clone(),
                        dtype: self.storage(candidate).name().to_owned(),
                        conversion,
                    });
                }
            }
        }
        kept.sort_by(|a, b| a.name.cmp(&b.name));
        let entries = || self.checkpoint.tensors().values();
        let parameters_before: usize = entries().map(|entry| count(&entry.shape)).sum();
        let bytes_before: usize = entries().map(|entry| entry.bytes).sum();
        CheckpointReport {
            layers,
            kept,
            candidate_parameters_before: before,
            candidate_parameters_after: before - saved,
            parameters_before,
            parameters_after: parameters_before - saved,
            bytes_before,
            bytes_after: (bytes_before as i64 - saved_bytes) as usize,
        }
    }
}

/// T and k for a weight, if they save anything.
fn planned(candidate: &Candidate, num_terms: usize, low_rank: usize) -> Result<Plan, NnError> {
    let (d_in, d_out) = candidate.dimensions;
    in_range("num_terms", num_terms, 1, usize::MAX)
        .and_then(|()| in_range("low_rank", low_rank, 1, d_in.min(d_out)))
        .map_err(|error| error.in_tensor(&candidate.tensor))?;
    let stored = num_terms.saturating_mul(low_rank).saturating_mul(stored_per_term(candidate.dimensions));
    Ok(if stored < d_in * d_out { Plan::Size(num_terms, low_rank) } else { Plan::Keep(Reason::NoGain) })
}

const fn kind(candidate: &Candidate) -> LayerKind {
    match candidate.layout {
        WeightLayout::Conv2d => LayerKind::SkConv2d,
        _ => LayerKind::SkLinear,
    }
}

/// All files under temporary names, then under their own, the index last.
fn write(job: &Job<'_>, output: &Path, outputs: &[PathBuf], outcomes: &[Outcome]) -> Result<(), NnError> {
    // 1. What goes into which file.
    let mut tensors: BTreeMap<String, (usize, Dtype, Vec<usize>)> = BTreeMap::new();
    for (name, entry) in job.checkpoint.tensors() {
        let file = entry.shard.min(outputs.len() - 1);
        tensors.insert(name.clone(), (file, entry.dtype, entry.shape.clone()));
    }
    let mut layers = BTreeMap::new();
    for (candidate, outcome) in job.candidates.iter().zip(outcomes) {
        let Outcome::Converted(report, factors) = outcome else { continue };
        let Some((file, ..)) = tensors.remove(&candidate.tensor) else { continue };
        for (name, shape) in factors {
            tensors.insert(name.clone(), (file, job.storage(candidate).dtype(), shape.clone()));
        }
        let (num_terms, low_rank) = (report.num_terms, report.low_rank);
        let transposed = candidate.layout == WeightLayout::InOut;
        layers.insert(candidate.layer.clone(), LayerInfo { kind: kind(candidate), num_terms, low_rank, transposed });
    }
    let mut metadata = job.checkpoint.metadata().clone();
    if !layers.is_empty() {
        LayerInfo::write_all(layers, &mut metadata);
    }
    // 2. The files.
    let mut staged: Vec<Staged> = Vec::new();
    for (i, path) in outputs.iter().enumerate() {
        let own = tensors.iter().filter(|(_, tensor)| tensor.0 == i);
        let own = own.map(|(name, (_, dtype, shape))| (name.clone(), *dtype, shape.clone())).collect();
        staged.push(stage(path, &metadata, own, |name| match job.spool.take(name)? {
            Some(bytes) => Ok(bytes),
            None => job.checkpoint.bytes(name),
        })?);
    }
    if is_index(output) {
        staged.push(stage_bytes(output, index(outputs, &tensors).as_bytes())?);
    }
    // 3. Their names.
    staged.into_iter().try_for_each(Staged::commit)
}

fn index(outputs: &[PathBuf], tensors: &BTreeMap<String, (usize, Dtype, Vec<usize>)>) -> String {
    let file = |i: usize| outputs[i].file_name().unwrap_or_default().to_string_lossy();
    let size: usize = tensors.values().map(|(_, dtype, shape)| count(shape) * dtype.bitsize() / 8).sum();
    let map: BTreeMap<&str, _> = tensors.iter().map(|(name, (i, ..))| (name.as_str(), file(*i))).collect();
    format!("{:#}\n", json!({ "metadata": { "total_size": size }, "weight_map": map }))
}
