//! What the sparse families share.

/// Nonzeros of a sparse operator that are held at a time where no lists are made of them, unless one coordinate or row has more.
pub(super) const WINDOW: usize = 1 << 22;
