//! Compiling loops for the vector unit that the machine turns out to have.

use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the widest vector instructions found at run time. Only what is inlined into `work` is
/// compiled that way: functions it calls, and closures inside, are marked `inline(always)`.
///
/// `work` is an `FnMut` although it is called once: the adapter by which an `Fn` closure becomes an `FnOnce` is a function of
/// its own, which is not inlined and so would leave the loops scalar.
#[inline(always)]
pub fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}

struct Work<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Work<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
