//! Randomized decompositions.
