//! Stochastic positional encoding by sinusoids.

use crate::backend::{Backend, Layout, SequenceRows, Waves};
use crate::layers::{Saved, in_range, rows_of, with_last};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

const NAME: &str = "stochastic_encoding";

/// Values of the modulated rows that are held at a time.
const BLOCK: usize = 1 << 20;

/// Options of [`StochasticEncoding::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StochasticEncodingOptions {
    /// K, sinusoids for each dimension of a head.
    pub sines: usize,
    /// R, realizations of the codes.
    pub realizations: usize,
    /// The seed of everything that is drawn.
    pub seed: u64,
}

/// Relative positions for attention of linear cost (Liutkus et al., *Relative Positional Encoding for Transformers with Linear
/// Complexity*, arXiv 2105.08399, sineSPE).
///
/// For each dimension d of each head there are random codes of the positions with
/// E\[Q̄_d(m)·K̄_d(n)\] = P_d(m, n) = Σ_k λ²_kd·cos(2πf_kd·(m − n) + θ_kd), with trainable f, θ and λ. Queries and keys times their
/// codes, summed over d, are q̂ and k̂ with R values a head, and
/// E\[q̂_m·k̂_n\] = Σ_d q_md·k_nd·P_d(m, n), with a variance that falls as 1/R.
///
/// The codes are Q̄_d = Ω(θ_d)·diag(λ_d)·Z_d and K̄_d = Ω(0)·diag(λ_d)·Z_d, Ω the cosines and sines and Z_d 2K×R independent normal
/// values of variance 1/R. They are never formed: q times the sinusoids is multiplied by all Z_d of a head at once, which
/// takes 4K·E·R operations a position and memory for a block of positions.
#[derive(Debug)]
pub struct StochasticEncoding<T: Scalar, B: Backend> {
    backend: B,
    heads: usize,
    options: StochasticEncodingOptions,
    /// f, E×K.
    frequencies: Parameter<T, B>,
    /// θ, E×K.
    phases: Parameter<T, B>,
    /// λ, E×K.
    gains: Parameter<T, B>,
    /// Z, (E·2K)×R.
    codes: Parameter<T, B>,
    /// Query and key of each use.
    saved: Saved<[B::Tensor<T>; 2]>,
}

/// Whether queries are encoded or keys, which have no phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Query,
    Key,
}

impl<T: Scalar, B: Backend> StochasticEncoding<T, B> {
    /// λ = 1/√K and θ = 0, so that P_d(m, m) = 1, and f = 1/(2 + 2e^(4 − g)) with g normal: mostly long periods, as in the paper.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where a number is 0, [`NnError::Shape`] where the heads do not divide the width.
    pub fn new(backend: &B, embed: usize, heads: usize, options: StochasticEncodingOptions) -> Result<Self, NnError> {
        let StochasticEncodingOptions { sines, realizations, seed } = options;
        for (argument, number) in [("embed", embed), ("heads", heads), ("sines", sines), ("realizations", realizations)]
        {
            in_range(argument, number, 1, usize::MAX)?;
        }
        if !embed.is_multiple_of(heads) {
            return Err(NnError::shape(NAME, "embed", format!("a multiple of {heads} heads"), &[embed]));
        }
        let shape = [embed, sines];
        let normal = backend.download(&backend.normal::<T>(&shape, 1.0, seed)?)?;
        let frequencies = normal.iter().map(|g| T::from_f64(0.5 / (1.0 + (4.0 - g.to_f64()).exp()))).collect();
        let gain = T::from_f64((sines as f64).sqrt().recip());
        Ok(Self {
            frequencies: Parameter::trainable(backend.upload(&shape, frequencies)?),
            phases: Parameter::trainable(backend.zeros(&shape)?),
            gains: Parameter::trainable(backend.upload(&shape, vec![gain; embed * sines])?),
            codes: draw(backend, embed, options, seed.wrapping_add(1))?,
            backend: backend.clone(),
            heads,
            options,
            saved: Saved::new(NAME),
        })
    }

    /// Draws other codes, which makes training see the template and not one draw of it. Not between an `encode_train` and its
    /// `encode_backward`.
    ///
    /// # Errors
    /// Where the device has not the memory.
    pub fn redraw(&mut self, seed: u64) -> Result<(), NnError> {
        self.codes = draw(&self.backend, self.embed(), self.options, seed)?;
        Ok(())
    }

    /// E.
    pub fn embed(&self) -> usize {
        B::shape(&self.gains.value)[0]
    }

    /// H.
    pub const fn heads(&self) -> usize {
        self.heads
    }

    /// The options it was made with.
    pub const fn options(&self) -> StochasticEncodingOptions {
        self.options
    }

    /// q̂ and k̂, …×(H·R), of queries …×L×E and keys …×S×E, whose positions count from 0.
    ///
    /// # Errors
    /// [`NnError::Shape`] where they do not fit.
    pub fn encode(&self, query: &B::Tensor<T>, key: &B::Tensor<T>) -> Result<[B::Tensor<T>; 2], NnError> {
        Ok([self.encode_side(Side::Query, query)?, self.encode_side(Side::Key, key)?])
    }

    /// As [`encode`](Self::encode), and what the backward pass needs is saved.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_train(&mut self, query: &B::Tensor<T>, key: &B::Tensor<T>) -> Result<[B::Tensor<T>; 2], NnError> {
        let encoded = self.encode(query, key)?;
        self.saved.push(B::shape(&encoded[0]), [query.clone(), key.clone()]);
        Ok(encoded)
    }

    /// From the gradients by q̂ and k̂ to those by queries and keys; the gradients by the parameters are added to theirs.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where they do not fit.
    pub fn encode_backward(
        &mut self,
        d_query: &B::Tensor<T>,
        d_key: &B::Tensor<T>,
    ) -> Result<[B::Tensor<T>; 2], NnError> {
        let width = self.heads * self.options.realizations;
        let [query, key] = self.saved.take_if(|_, [query, key]| {
            for (side, x, gradient) in [(Side::Query, query, d_query), (Side::Key, key, d_key)] {
                let (expected, got) = (with_last(B::shape(x), width), B::shape(gradient));
                if got != expected {
                    return Err(NnError::shape(NAME, side.argument(), format!("{expected:?}"), got));
                }
            }
            Ok(())
        })?;
        Ok([self.backward_side(Side::Query, &query, d_query)?, self.backward_side(Side::Key, &key, d_key)?])
    }

    /// The trainable parameters.
    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        vec![&mut self.frequencies, &mut self.phases, &mut self.gains]
    }

    /// Adds all tensors to `state`, with names that begin with `prefix`; the codes too, so that a loaded layer gives the same.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    pub fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        let parameters = [&self.frequencies, &self.phases, &self.gains, &self.codes];
        NAMES
            .iter()
            .zip(parameters)
            .try_for_each(|(name, parameter)| state.insert_parameter(&self.backend, join(prefix, name), parameter))
    }

    /// Takes all tensors from `state`.
    ///
    /// # Errors
    /// [`NnError::MissingTensor`], [`NnError::TensorShape`].
    pub fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        let parameters = [&mut self.frequencies, &mut self.phases, &mut self.gains, &mut self.codes];
        NAMES
            .iter()
            .zip(parameters)
            .try_for_each(|(name, parameter)| state.load_parameter(&self.backend, &join(prefix, name), parameter))
    }

    fn encode_side(&self, side: Side, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let shape = B::shape(x);
        let rows = rows_of(NAME, side.argument(), shape, self.embed())?;
        let width = self.heads * self.options.realizations;
        let mut encoded = self.backend.zeros(&with_last(shape, width))?;
        for at in self.blocks(shape, rows) {
            let modulated = self.backend.modulate(x, &at, &self.waves(side))?;
            let [modulated_at, codes_at, encoded_at] = self.layouts(&at);
            let (codes, encoded) = ((&self.codes.value, codes_at), (&mut encoded, encoded_at));
            self.backend.gemm(T::ONE, (&modulated, modulated_at), codes, T::ZERO, encoded)?;
        }
        Ok(encoded)
    }

    fn backward_side(
        &mut self,
        side: Side,
        x: &B::Tensor<T>,
        d_encoded: &B::Tensor<T>,
    ) -> Result<B::Tensor<T>, NnError> {
        let shape = B::shape(x);
        let rows = rows_of(NAME, side.argument(), shape, self.embed())?;
        let mut dx = self.backend.zeros(shape)?;
        let zeros = || self.backend.zeros(B::shape(&self.gains.value));
        let phases = (side == Side::Query).then(zeros).transpose()?;
        let mut gradients = Waves { frequencies: zeros()?, phases, gains: zeros()? };
        for at in self.blocks(shape, rows) {
            let [modulated_at, codes_at, encoded_at] = self.layouts(&at);
            let mut d_modulated = self.backend.zeros(&[at.rows.len(), self.modulated_width()])?;
            let codes = (&self.codes.value, codes_at.t());
            self.backend.gemm(T::ONE, (d_encoded, encoded_at), codes, T::ZERO, (&mut d_modulated, modulated_at))?;
            self.backend.modulate_backward(x, &at, &self.waves(side), &d_modulated, &mut dx, &mut gradients)?;
        }
        let Waves { frequencies, phases, gains } = gradients;
        let by_parameter =
            [(&mut self.frequencies, Some(frequencies)), (&mut self.phases, phases), (&mut self.gains, Some(gains))];
        for (parameter, gradient) in by_parameter {
            if let Some(gradient) = gradient {
                self.backend.add_scaled(T::ONE, &gradient, parameter.gradient_mut(&self.backend)?)?;
            }
        }
        Ok(dx)
    }

    fn waves(&self, side: Side) -> Waves<&B::Tensor<T>> {
        Waves {
            frequencies: &self.frequencies.value,
            phases: (side == Side::Query).then_some(&self.phases.value),
            gains: &self.gains.value,
        }
    }

    /// E·2K.
    fn modulated_width(&self) -> usize {
        2 * self.embed() * self.options.sines
    }

    /// Blocks of the rows of a tensor of this shape.
    fn blocks(&self, shape: &[usize], rows: usize) -> impl Iterator<Item = SequenceRows> + use<T, B> {
        // One row alone is a sequence of length 1.
        let length = shape.iter().rev().nth(1).copied().unwrap_or(1);
        let step = (BLOCK / self.modulated_width()).max(1);
        (0..rows).step_by(step).map(move |start| SequenceRows { rows: start..rows.min(start + step), length })
    }

    /// Where each head's part lies in the modulated rows of a block, in Z, and in the encoded rows.
    fn layouts(&self, at: &SequenceRows) -> [Layout; 3] {
        let (count, width, realizations) = (at.rows.len(), self.modulated_width(), self.options.realizations);
        let (batch, head) = ([1, self.heads], width / self.heads);
        [
            Layout::matrix(count, width).columns(0, head).batched(batch, [0, head]),
            Layout::matrix(head, realizations).batched(batch, [0, head * realizations]),
            Layout::matrix(at.rows.end, self.heads * realizations)
                .rows(at.rows.start, count)
                .columns(0, realizations)
                .batched(batch, [0, realizations]),
        ]
    }
}

/// Names of frequencies, phases, gains and Z in files.
const NAMES: [&str; 4] = ["frequencies", "phases", "gains", "codes"];

impl Side {
    const fn argument(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Key => "key",
        }
    }
}

/// Z.
fn draw<T: Scalar, B: Backend>(
    backend: &B,
    embed: usize,
    options: StochasticEncodingOptions,
    seed: u64,
) -> Result<Parameter<T, B>, NnError> {
    let StochasticEncodingOptions { sines, realizations, .. } = options;
    let deviation = (realizations as f64).sqrt().recip();
    Ok(Parameter::frozen(backend.normal(&[2 * embed * sines, realizations], deviation, seed)?))
}
