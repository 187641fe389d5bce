//! The Box–Muller transform: two Gaussian values from one random word, without branches.

use std::f64::consts::{LN_2, PI};

/// ⌈√½·2³²⌉: from here on u is at least √½.
const SQRT_HALF: u32 = 3_037_000_500;

// 2 atanh(s) = ln((1+s)/(1−s)) = 2s + s³(2/3 + 2s²/5 + …); with m in [√½, √2) |s| ≤ 0.172, so that
// each term gains a factor of 34: 5 terms for f32, 10 for f64. sin and cos are Taylor series in x ≤
// π/4, long enough for the first term left out to be below half an ulp.

/// √(−2 ln u)·(cos, sin)·scale for one word, in single precision.
#[inline(always)]
pub(crate) fn box_muller_f32(hi: u32, lo: u32, scale: f32) -> (f32, f32) {
    let radius = radius_f32(hi) * scale;
    let (quadrant, cos_less_one, sin) = circle_f32(lo);
    // cos itself is never rounded.
    turn_f32(quadrant, radius.mul_add(cos_less_one, radius), radius * sin)
}

/// √(−2 ln u), u = (hi+½)·2⁻³².
#[inline(always)]
fn radius_f32(hi: u32) -> f32 {
    const BOTTOM: u32 = 0x3f35_04f3; // √½
    const LN_2_TWICE: f32 = (2.0 * LN_2) as f32;
    // Near 1 the logarithm is that of 1−u, whose leading bits are those of the complement: rounding
    // u itself to 24 bits would lose them.
    let near_one = hi >= SQRT_HALF;
    let y = (if near_one { !hi } else { hi }) as f32 + 0.5;
    let bits = y.to_bits().wrapping_add(0x3f80_0000 - BOTTOM);
    let exponent = (bits >> 23).cast_signed() - (127 + 32);
    let mantissa = f32::from_bits((bits & 0x007f_ffff) + BOTTOM);
    let f = if near_one { y * -(1.0 / 4_294_967_296.0) } else { mantissa - 1.0 };
    let e = if near_one { 0.0 } else { exponent as f32 };

    let s = f / (2.0 + f);
    let z = s * s;
    let mut p = 4.0 / 11.0_f32;
    for c in [4.0 / 9.0, 4.0 / 7.0, 4.0 / 5.0, 4.0 / 3.0] {
        p = p.mul_add(z, c);
    }
    let twice_log = (-e).mul_add(LN_2_TWICE, -(s * z).mul_add(p, 4.0 * s));
    twice_log.sqrt()
}

/// The angle 2π·lo·2⁻³² as a number of quadrants, and cos − 1 and sin of the rest, which is at most
/// π/4.
#[inline(always)]
fn circle_f32(lo: u32) -> (u32, f32, f32) {
    const STEP: f64 = 2.0 * PI / 4_294_967_296.0;
    const STEP_HIGH: f32 = STEP as f32;
    const STEP_LOW: f32 = (STEP - STEP_HIGH as f64) as f32;
    let quadrant = lo.wrapping_add(1 << 29) >> 30;
    let rest = lo.wrapping_sub(quadrant << 30).cast_signed();
    // |rest| ≤ 2²⁹ has more bits than a float: both parts are exact.
    let high = (rest & !63) as f32;
    let low = (rest & 63) as f32;
    let x = high * STEP_HIGH;
    let x_low = high.mul_add(STEP_HIGH, -x) + high.mul_add(STEP_LOW, low * STEP_HIGH);
    let z = x * x;

    let mut q = -1.0 / 3_628_800.0_f32;
    for c in [1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5] {
        q = q.mul_add(z, c);
    }
    let cos_less_one = z.mul_add(q, -x * x_low);
    let mut p = 1.0 / 362_880.0_f32;
    for c in [-1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0] {
        p = p.mul_add(z, c);
    }
    let sin = x + (x * z).mul_add(p, x_low.mul_add(cos_less_one, x_low));
    (quadrant, cos_less_one, sin)
}

/// Turns a point by a number of quadrants.
#[inline(always)]
fn turn_f32(quadrant: u32, cos: f32, sin: f32) -> (f32, f32) {
    let odd = quadrant & 1 == 1;
    let (c, s) = if odd { (sin, cos) } else { (cos, sin) };
    let c = f32::from_bits(c.to_bits() ^ (((quadrant + 1) & 2) << 30));
    let s = f32::from_bits(s.to_bits() ^ ((quadrant & 2) << 30));
    (c, s)
}

/// √(−2 ln u)·(cos, sin)·scale for one word, in double precision.
#[inline(always)]
pub(crate) fn box_muller_f64(hi: u32, lo: u32, scale: f64) -> (f64, f64) {
    let radius = radius_f64(hi) * scale;
    let (cos, sin) = circle_f64(lo);
    (radius * cos, radius * sin)
}

/// √(−2 ln u), u = (hi+½)·2⁻³², which is exact.
#[inline(always)]
fn radius_f64(hi: u32) -> f64 {
    const BOTTOM: u64 = 0x3fe6_a09e_667f_3bcd; // √½
    let y = f64::from(hi) + 0.5;
    let bits = y.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - BOTTOM);
    let exponent = (bits >> 52) as i32 - (1023 + 32);
    let f = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + BOTTOM) - 1.0;

    let s = f / (2.0 + f);
    let z = s * s;
    let mut p = 4.0 / 21.0_f64;
    for k in [19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        p = p.mul_add(z, 4.0 / k);
    }
    let twice_log = f64::from(-exponent).mul_add(2.0 * LN_2, -(s * z).mul_add(p, 4.0 * s));
    twice_log.sqrt()
}

/// (cos, sin) of 2π·lo·2⁻³².
#[inline(always)]
fn circle_f64(lo: u32) -> (f64, f64) {
    let quadrant = lo.wrapping_add(1 << 29) >> 30;
    let rest = lo.wrapping_sub(quadrant << 30).cast_signed();
    let x = f64::from(rest) * (2.0 * PI / 4_294_967_296.0);
    let z = x * x;

    let mut p = 1.0 / 355_687_428_096_000.0_f64;
    for c in [
        -1.0 / 1_307_674_368_000.0,
        1.0 / 6_227_020_800.0,
        -1.0 / 39_916_800.0,
        1.0 / 362_880.0,
        -1.0 / 5040.0,
        1.0 / 120.0,
        -1.0 / 6.0,
    ] {
        p = p.mul_add(z, c);
    }
    let sin = (x * z).mul_add(p, x);
    let mut q = 1.0 / 20_922_789_888_000.0_f64;
    for c in [
        -1.0 / 87_178_291_200.0,
        1.0 / 479_001_600.0,
        -1.0 / 3_628_800.0,
        1.0 / 40_320.0,
        -1.0 / 720.0,
        1.0 / 24.0,
        -0.5,
    ] {
        q = q.mul_add(z, c);
    }
    let cos = z.mul_add(q, 1.0);

    let odd = quadrant & 1 == 1;
    let (c, s) = if odd { (sin, cos) } else { (cos, sin) };
    let c = f64::from_bits(c.to_bits() ^ (u64::from((quadrant + 1) & 2) << 62));
    let s = f64::from_bits(s.to_bits() ^ (u64::from(quadrant & 2) << 62));
    (c, s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::splitmix_word;

    /// Words that cover the edges of every piece, and many between.
    fn halves() -> impl Iterator<Item = u32> + Clone {
        let edges = (0..32).flat_map(|k| {
            let p = 1_u32 << k;
            [p.wrapping_sub(1), p, p + 1, !p, p.wrapping_neg(), p | (1 << 29), p | (1 << 30)]
        });
        let middle = [SQRT_HALF - 1, SQRT_HALF, SQRT_HALF + 1, (1 << 29) - 1, 3 << 29, 5 << 29, 7 << 29, 0, u32::MAX];
        edges.chain(middle).chain((0..200_000).map(|k| splitmix_word(5, k) as u32))
    }

    fn true_radius(hi: u32) -> f64 {
        // ln_1p keeps the bits of 1−u, which is exact in f64.
        let u = (f64::from(hi) + 0.5) / 4_294_967_296.0;
        let log = if u > 0.5 { (u - 1.0).ln_1p() } else { u.ln() };
        (-2.0 * log).sqrt()
    }

    fn true_circle(lo: u32) -> (f64, f64) {
        // The quadrant is taken off exactly, so that libm sees a small argument.
        let quadrant = lo.wrapping_add(1 << 29) >> 30;
        let rest = lo.wrapping_sub(quadrant << 30).cast_signed();
        let (sin, cos) = (f64::from(rest) * (PI / 2_147_483_648.0)).sin_cos();
        match quadrant {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        }
    }

    #[test]
    fn f64_is_within_a_few_ulp() {
        for (hi, lo) in halves().zip(halves().skip(17)) {
            let radius = true_radius(hi);
            assert!((radius_f64(hi) - radius).abs() <= 3.0 * f64::EPSILON * radius, "radius of {hi}");
            let (cos, sin) = circle_f64(lo);
            let (true_cos, true_sin) = true_circle(lo);
            assert!((cos - true_cos).abs() <= 3.0 * f64::EPSILON * true_cos.abs(), "cos of {lo}");
            assert!((sin - true_sin).abs() <= 3.0 * f64::EPSILON * true_sin.abs(), "sin of {lo}");
        }
    }

    #[test]
    fn f32_is_within_two_to_the_minus_20() {
        let bound = 2.0_f64.powi(-20);
        // Small u, where the radius is large, meets every angle there is an edge for.
        let large = (0..2000_u32).zip(halves().cycle());
        for (hi, lo) in halves().zip(halves().skip(17)).chain(large) {
            let (a, b) = box_muller_f32(hi, lo, 1.0);
            let (x, y) = box_muller_f64(hi, lo, 1.0);
            assert!((f64::from(a) - x).abs() <= bound && (f64::from(b) - y).abs() <= bound, "{hi} {lo}");
        }
    }

    /// 2⁻²⁰ holds for each of the 2⁶⁴ words: from the errors of every radius and every point of the
    /// circle, the largest of each in intervals of their size, comes a bound for all pairs.
    #[test]
    #[ignore = "walks through all 2³² half words"]
    fn f32_bound_for_all_words() {
        const STEPS: f64 = 64.0;
        let (mut circle, mut radius) = ([0.0_f64; 65], [0.0_f64; 7 * 64]);
        let note = |worst: &mut [f64], size: f64, error: f64| {
            let worst = &mut worst[(size * STEPS) as usize];
            *worst = worst.max(error);
        };
        // Sizes and errors of a block are computed in vector code and noted afterwards.
        const BLOCK: usize = 4096;
        let mut block = vec![[0.0_f64; 6]; BLOCK];
        for first in (0..=u32::MAX).step_by(BLOCK) {
            pulp::Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (slot, half) in block.iter_mut().zip(first..=u32::MAX) {
                        let (quadrant, cos_less_one, sin) = circle_f32(half);
                        let (x, y) = circle_f64(half);
                        let (x, y) = if quadrant & 1 == 1 { (y, x) } else { (x, y) };
                        let (a, b) = (1.0 + f64::from(cos_less_one), f64::from(sin));
                        let (s, r) = (radius_f32(half), radius_f64(half));
                        let errors = [a - x.abs(), b.abs() - y.abs(), f64::from(s) - r];
                        *slot = [x.abs(), errors[0].abs(), y.abs(), errors[1].abs(), r, errors[2].abs()];
                    }
                },
            );
            for &[x, x_error, y, y_error, r, r_error] in &block {
                note(&mut circle, x, x_error);
                note(&mut circle, y, y_error);
                note(&mut radius, r, r_error);
            }
        }
        let mut worst = 0.0_f64;
        for (i, circle) in circle.into_iter().enumerate() {
            for (j, radius) in radius.into_iter().enumerate().filter(|(_, radius)| *radius > 0.0) {
                let (c, r) = ((i + 1) as f64 / STEPS, (j + 1) as f64 / STEPS);
                // The product's own rounding is at most half an ulp of it.
                let rounding = 2.0_f64.powi((c.min(1.0) * r).log2().floor() as i32 - 24);
                worst = worst.max(c.min(1.0) * radius + r * circle + radius * circle + rounding);
            }
        }
        println!("bound {worst:e}");
        assert!(worst <= 2.0_f64.powi(-20));
    }
}
