//! The exponential function, branch-free, so that a loop of it becomes vector code.

/// e^x = 2ⁿ·eʳ with n the whole number next to x/ln 2 and |r| ≤ ln 2/2; ln 2 comes in two parts, the first of which times n is
/// exact, and eʳ from its Taylor series. n is read off the bits of x/ln 2 + 1.5·2^(fraction bits). The power of two is applied
/// as 2ⁿ⁻¹·2, since 2ⁿ itself may lie above the largest number where e^x does not.
macro_rules! exponential {
    ($(#[$doc:meta])* $name:ident, $t:ident, ln_2: ($high:expr, $low:literal), range: ($least:literal, $most:literal),
     series: [$last:literal $(, $coefficient:literal)*]) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name(x: $t) -> $t {
            const FRACTION: u32 = $t::MANTISSA_DIGITS - 1;
            const ROUND: $t = 1.5 * (1u64 << FRACTION) as $t;
            // The exponent field of ½.
            const HALF: u64 = $t::MAX_EXP as u64 - 2;
            // A comparison, not `min`: NaN stays NaN.
            let bounded = if x > $most { $most } else { x };
            let shifted = bounded * std::$t::consts::LOG2_E + ROUND;
            let n = shifted - ROUND;
            let r = (bounded - n * ($high)) - n * $low;
            let mut series: $t = 1.0 / $last;
            $(series = series * r + 1.0 / $coefficient;)*
            let half_power = $t::from_bits(shifted.to_bits().wrapping_add(HALF as _) << FRACTION);
            if x < $least { 0.0 } else { series * half_power * 2.0 }
        }
    };
}

exponential!(
    /// e^x to 2 ulp; 0 below 2⁻¹²⁵.
    exp_f32,
    f32,
    ln_2: (355.0 / 512.0, -2.121_944_4e-4),
    range: (-86.6, 89.0),
    series: [5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0]
);

exponential!(
    /// e^x to 2 ulp; 0 below 2⁻¹⁰²¹.
    exp_f64,
    f64,
    ln_2: (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10),
    range: (-707.7, 710.0),
    series: [6_227_020_800.0, 479_001_600.0, 39_916_800.0, 3_628_800.0, 362_880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0]
);
