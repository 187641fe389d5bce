//! Softmax attention of all heads, by blocks of query rows.

use crate::backend::{Backend, KeysSeen, Layout, Positions};
use crate::{NnError, Scalar};

/// A block of query rows has at the least so many, for the products' sake.
const MIN_ROWS: usize = 64;

/// The shape of softmax(q·kᵀ/√width)·v for heads that lie side by side: q is (batch·queries)×(heads·width), k and v
/// (batch·keys)×(heads·width).
///
/// The scores of a block of query rows are held at a time, for all heads and batch entries; going back makes them again.
/// 4·batch·heads·queries·keys·width operations forward, 2½ times that backward, half of both where causal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DotProductAttention {
    pub(crate) batch: usize,
    pub(crate) queries: usize,
    pub(crate) keys: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
    /// Whether query i sees the keys 0..=i only.
    pub(crate) causal: bool,
}

/// Some query rows and the keys that any of them sees.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    rows: usize,
    keys: usize,
}

impl DotProductAttention {
    /// Which positions see which.
    pub(crate) const fn positions(&self) -> Positions {
        let Self { batch, queries, keys, causal, .. } = *self;
        Positions { batch, queries, keys, causal }
    }

    /// The attended values, (batch·queries)×(heads·width). The penalty is batch×keys, 0 or −∞.
    pub(crate) fn forward<T: Scalar, B: Backend>(
        &self,
        backend: &B,
        [q, k, v]: [&B::Tensor<T>; 3],
        penalty: Option<&B::Tensor<T>>,
    ) -> Result<B::Tensor<T>, NnError> {
        let mut context = backend.zeros(&[self.batch * self.queries, self.heads * self.width])?;
        for block in self.blocks(B::SCORES_AT_A_TIME) {
            let p = self.probabilities(backend, block, q, k, penalty)?;
            let (p_at, v_at) = (self.scores_at(block), self.keys_at(block));
            backend.gemm(T::ONE, (&p, p_at), (v, v_at), T::ZERO, (&mut context, self.queries_at(block)))?;
        }
        Ok(context)
    }

    /// The gradients by q, k and v.
    pub(crate) fn backward<T: Scalar, B: Backend>(
        &self,
        backend: &B,
        [q, k, v]: [&B::Tensor<T>; 3],
        penalty: Option<&B::Tensor<T>>,
        d_context: &B::Tensor<T>,
    ) -> Result<[B::Tensor<T>; 3], NnError> {
        let mut dq = backend.zeros(B::shape(q))?;
        let (mut dk, mut dv) = (backend.zeros(B::shape(k))?, backend.zeros(B::shape(v))?);
        for block in self.blocks(B::SCORES_AT_A_TIME) {
            let (s_at, q_at, k_at) = (self.scores_at(block), self.queries_at(block), self.keys_at(block));
            let p = self.probabilities(backend, block, q, k, penalty)?;
            // dv += pᵀ·dc and dp = dc·vᵀ.
            backend.gemm(T::ONE, (&p, s_at.t()), (d_context, q_at), T::ONE, (&mut dv, k_at))?;
            let mut ds = backend.product(B::shape(&p), T::ONE, (d_context, q_at), (v, k_at.t()))?;
            // ds of the scores before their scale, so dq = ds·k/√width and dk += dsᵀ·q/√width.
            backend.softmax_backward(&p, &mut ds)?;
            backend.gemm(self.scale(), (&ds, s_at), (k, k_at), T::ZERO, (&mut dq, q_at))?;
            backend.gemm(self.scale(), (&ds, s_at.t()), (q, q_at), T::ONE, (&mut dk, k_at))?;
        }
        Ok([dq, dk, dv])
    }

    /// softmax(q·kᵀ/√width) of the block.
    fn probabilities<T: Scalar, B: Backend>(
        &self,
        backend: &B,
        block: Block,
        q: &B::Tensor<T>,
        k: &B::Tensor<T>,
        penalty: Option<&B::Tensor<T>>,
    ) -> Result<B::Tensor<T>, NnError> {
        let shape = [self.batch, self.heads, block.rows, block.keys];
        let (q_at, k_at) = (self.queries_at(block), self.keys_at(block));
        let mut scores = backend.product(&shape, self.scale(), (q, q_at), (k, k_at.t()))?;
        backend.softmax(&mut scores, KeysSeen { first_sees: self.causal.then_some(block.start), penalty })?;
        Ok(scores)
    }

    fn scale<T: Scalar>(&self) -> T {
        T::from_f64((self.width as f64).sqrt().recip())
    }

    /// The blocks, of about `scores` scores each.
    fn blocks(&self, scores: usize) -> impl Iterator<Item = Block> + use<> {
        let Self { batch, queries, keys, heads, causal, .. } = *self;
        let row = batch * heads * keys;
        let step = scores.checked_div(row).unwrap_or(scores).max(MIN_ROWS);
        // Without keys there is nothing to attend to: the values are zeros.
        let queries = if row == 0 { 0 } else { queries };
        (0..queries).step_by(step).map(move |start| {
            let rows = step.min(queries - start);
            Block { start, rows, keys: if causal { keys.min(start + rows) } else { keys } }
        })
    }

    fn scores_at(&self, block: Block) -> Layout {
        let head = block.rows * block.keys;
        Layout::matrix(block.rows, block.keys).batched([self.batch, self.heads], [self.heads * head, head])
    }

    /// The block's rows of q, or of anything in its shape.
    fn queries_at(&self, block: Block) -> Layout {
        self.heads_at(self.queries).rows(block.start, block.rows)
    }

    /// The block's rows of k or v.
    fn keys_at(&self, block: Block) -> Layout {
        self.heads_at(self.keys).rows(0, block.keys)
    }

    fn heads_at(&self, length: usize) -> Layout {
        let row = self.heads * self.width;
        Layout::matrix(length, row).columns(0, self.width).batched([self.batch, self.heads], [length * row, self.width])
    }
}
