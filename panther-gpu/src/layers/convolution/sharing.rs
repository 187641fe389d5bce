//! How the parts of a sum are shared among blocks.

/// How many of the parts of a sum a block takes, with `blocks` for each share of which `slots` run at a time: such as keep the device busy to
/// the end.
pub(super) fn parts_of_a_share(parts: usize, blocks: usize, slots: usize) -> usize {
    let most = (4 * slots).div_ceil(blocks).min(parts);
    let time = |share: usize| time_of(parts, blocks, slots, share);
    (1..=most).map(|shares| parts.div_ceil(shares)).min_by_key(|&share| time(share)).unwrap_or(parts)
}

/// Parts that are summed one after the other until all blocks are done.
fn time_of(parts: usize, blocks: usize, slots: usize, share: usize) -> usize {
    (parts.div_ceil(share) * blocks).div_ceil(slots) * share
}

#[cfg(test)]
mod tests {
    use super::{parts_of_a_share, time_of};

    #[test]
    fn sharing_keeps_the_device_busy() {
        for parts in [1, 2, 3, 7, 20, 341] {
            for blocks in [1, 8, 128, 264, 265, 4000] {
                let slots = 264;
                let share = parts_of_a_share(parts, blocks, slots);
                assert!((1..=parts).contains(&share));
                let (shared, alone) = (time_of(parts, blocks, slots, share), time_of(parts, blocks, slots, parts));
                assert!(shared <= alone);
                // One wave of as many blocks as there is room for is among the choices.
                let shares = (slots / blocks).clamp(1, parts);
                assert!(blocks > slots || shared <= parts.div_ceil(shares), "{parts} parts, {blocks} blocks: {share}");
                assert!(blocks < 4 * slots || share == parts, "many blocks need no help");
            }
        }
    }
}
