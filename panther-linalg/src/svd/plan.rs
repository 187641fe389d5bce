//! How large a basis the options ask for.

use crate::{LinalgError, RangeFinder, RsvdOptions, Target};

/// Columns of the fresh block that looks for directions that a Krylov basis has missed.
pub const VERIFICATION: usize = 8;

/// Directions of the first extension for a tolerance; later ones are half of the basis.
pub const FIRST_BLOCK: usize = 32;

/// The largest number of power iterations: singular values that differ by 1 % are 10⁸ apart after it.
pub const MAX_POWER_ITERATIONS: usize = 1000;

/// The target, if it and the options fit a matrix of this shape.
///
/// # Errors
/// [`LinalgError::Empty`], [`LinalgError::OutOfRange`], [`LinalgError::InvalidNumber`].
pub fn checked_target(shape: (usize, usize), target: Target, options: &RsvdOptions) -> Result<Target, LinalgError> {
    let smaller = shape.0.min(shape.1);
    if smaller == 0 {
        return Err(LinalgError::Empty { argument: "a", shape });
    }
    let (argument, rank) = match target {
        Target::Rank(rank) => ("rank", rank),
        Target::Tolerance { relative, max_rank } => {
            if !(relative > 0.0 && relative < 1.0) {
                let requirement = "above 0 and below 1";
                return Err(LinalgError::InvalidNumber { argument: "tolerance", requirement, got: relative });
            }
            ("max_rank", max_rank.unwrap_or(smaller))
        }
    };
    in_range(argument, rank, 1, smaller)?;
    in_range("power_iterations", options.power_iterations.unwrap_or(0), 0, MAX_POWER_ITERATIONS)?;
    Ok(target)
}

fn in_range(argument: &'static str, got: usize, low: usize, high: usize) -> Result<(), LinalgError> {
    if (low..=high).contains(&got) { Ok(()) } else { Err(LinalgError::OutOfRange { argument, low, high, got }) }
}

/// k + p.
#[must_use]
pub fn sampled(rank: usize, options: &RsvdOptions) -> usize {
    rank.saturating_add(options.oversampling.unwrap_or_else(|| rank.div_ceil(10).max(10)))
}

/// The cost and the effect of extending a basis.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which subspace is searched.
    pub range_finder: RangeFinder,
    /// q.
    pub power_iterations: usize,
    /// Whether a Krylov basis that has not converged may be deepened: q was not chosen by the caller.
    pub adaptive: bool,
}

impl Plan {
    /// The plan for the options.
    #[must_use]
    pub fn new(options: &RsvdOptions) -> Self {
        let default = match options.range_finder {
            RangeFinder::BlockKrylov => 5,
            RangeFinder::SubspaceIteration => 2,
        };
        Self {
            range_finder: options.range_finder,
            power_iterations: options.power_iterations.unwrap_or(default),
            adaptive: options.power_iterations.is_none(),
        }
    }

    /// Columns of Ω for a basis that is to hold `columns` directions: a third of them where there are enough steps to
    /// make up for it, since higher powers gain more than wider blocks.
    #[must_use]
    pub fn block(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov => columns.div_ceil((self.power_iterations + 1).min(3)),
            RangeFinder::SubspaceIteration => columns,
        }
    }

    /// Columns that the basis grows by.
    #[must_use]
    pub fn growth(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov => self.block(columns).saturating_mul(self.power_iterations + 1),
            RangeFinder::SubspaceIteration => columns,
        }
    }
}
