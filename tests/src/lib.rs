//! What the accuracy checks share: test matrices with known properties, errors measured in double precision, the
//! bounds that every result must keep, and the strategies that cases are drawn with.
//!
//! The checks themselves are the integration tests in `tests/`.

pub mod attention;
pub mod cases;
pub mod checks;
pub mod fingerprint;
pub mod gpu;
pub mod gradients;
pub mod layer_work;
pub mod layouts;
pub mod matrices;
pub mod measure;
pub mod random;
pub mod snapshots;
pub mod work;
