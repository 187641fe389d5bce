// Box and Muller's transform: the CPU's, operation by operation. What it rounds is rounded here, what it fuses is fused.

// √(−2 ln u), u = (hi+½)·2⁻³². Near 1 the logarithm is that of 1−u, whose leading bits are those of the complement.
__device__ __forceinline__ float radius(u32 hi, float) {
    constexpr u32 BOTTOM = 0x3f3504f3u;                 // √½
    constexpr float LN_2_TWICE = 1.3862943611198906f;   // 2 ln 2
    bool near_one = hi >= 3037000500u;                  // ⌈√½·2³²⌉
    float y = __fadd_rn(__uint2float_rn(near_one ? ~hi : hi), 0.5f);
    u32 bits = __float_as_uint(y) + (0x3f800000u - BOTTOM);
    int exponent = (int)(bits >> 23) - (127 + 32);
    float mantissa = __uint_as_float((bits & 0x007fffffu) + BOTTOM);
    float f = near_one ? __fmul_rn(y, -(1.0f / 4294967296.0f)) : __fadd_rn(mantissa, -1.0f);
    float e = near_one ? 0.0f : __int2float_rn(exponent);

    float s = __fdiv_rn(f, __fadd_rn(2.0f, f));
    float z = __fmul_rn(s, s);
    float p = 4.0f / 11.0f;
    p = fmaf(p, z, 4.0f / 9.0f);
    p = fmaf(p, z, 4.0f / 7.0f);
    p = fmaf(p, z, 4.0f / 5.0f);
    p = fmaf(p, z, 4.0f / 3.0f);
    float twice_log = fmaf(-e, LN_2_TWICE, -fmaf(__fmul_rn(s, z), p, __fmul_rn(4.0f, s)));
    return __fsqrt_rn(twice_log);
}

__device__ __forceinline__ double radius(u32 hi, double) {
    constexpr u64 BOTTOM = 0x3fe6a09e667f3bcdull;        // √½
    constexpr double LN_2_TWICE = 1.3862943611198906;    // 2 ln 2
    double y = __dadd_rn((double)hi, 0.5);
    u64 bits = (u64)__double_as_longlong(y) + (0x3ff0000000000000ull - BOTTOM);
    int exponent = (int)(bits >> 52) - (1023 + 32);
    double f = __dadd_rn(__longlong_as_double((i64)((bits & 0x000fffffffffffffull) + BOTTOM)), -1.0);

    double s = __ddiv_rn(f, __dadd_rn(2.0, f));
    double z = __dmul_rn(s, s);
    double p = 4.0 / 21.0;
    p = fma(p, z, 4.0 / 19.0);
    p = fma(p, z, 4.0 / 17.0);
    p = fma(p, z, 4.0 / 15.0);
    p = fma(p, z, 4.0 / 13.0);
    p = fma(p, z, 4.0 / 11.0);
    p = fma(p, z, 4.0 / 9.0);
    p = fma(p, z, 4.0 / 7.0);
    p = fma(p, z, 4.0 / 5.0);
    p = fma(p, z, 4.0 / 3.0);
    double twice_log = fma((double)-exponent, LN_2_TWICE, -fma(__dmul_rn(s, z), p, __dmul_rn(4.0, s)));
    return __dsqrt_rn(twice_log);
}

// Turns a point by a number of quadrants.
template <typename T>
__device__ __forceinline__ void turn(u32 quadrant, T &cos, T &sin) {
    bool odd = quadrant & 1;
    T c = odd ? sin : cos, s = odd ? cos : sin;
    cos = (quadrant + 1) & 2 ? -c : c;
    sin = quadrant & 2 ? -s : s;
}

// √(−2 ln u)·(cos, sin)·scale for one word: the angle is 2π·lo·2⁻³², a number of quadrants and a rest of at most π/4.
__device__ __forceinline__ void box_muller(u32 hi, u32 lo, float scale, float &even, float &odd) {
    constexpr double STEP = 6.283185307179586 / 4294967296.0;
    constexpr float STEP_HIGH = (float)STEP;
    constexpr float STEP_LOW = (float)(STEP - (double)STEP_HIGH);
    float r = __fmul_rn(radius(hi, 0.0f), scale);
    u32 quadrant = (lo + (1u << 29)) >> 30;
    int rest = (int)(lo - (quadrant << 30));
    // |rest| ≤ 2²⁹ has more bits than a float: both parts are exact.
    float high = __int2float_rn(rest & ~63), low = __int2float_rn(rest & 63);
    float x = __fmul_rn(high, STEP_HIGH);
    float x_low = __fadd_rn(fmaf(high, STEP_HIGH, -x), fmaf(high, STEP_LOW, __fmul_rn(low, STEP_HIGH)));
    float z = __fmul_rn(x, x);

    float q = -1.0f / 3628800.0f;
    q = fmaf(q, z, 1.0f / 40320.0f);
    q = fmaf(q, z, -1.0f / 720.0f);
    q = fmaf(q, z, 1.0f / 24.0f);
    q = fmaf(q, z, -0.5f);
    float cos_less_one = fmaf(z, q, __fmul_rn(-x, x_low));
    float p = 1.0f / 362880.0f;
    p = fmaf(p, z, -1.0f / 5040.0f);
    p = fmaf(p, z, 1.0f / 120.0f);
    p = fmaf(p, z, -1.0f / 6.0f);
    float sin = __fadd_rn(x, fmaf(__fmul_rn(x, z), p, fmaf(x_low, cos_less_one, x_low)));
    // cos itself is never rounded.
    even = fmaf(r, cos_less_one, r);
    odd = __fmul_rn(r, sin);
    turn(quadrant, even, odd);
}

__device__ __forceinline__ void box_muller(u32 hi, u32 lo, double scale, double &even, double &odd) {
    double r = __dmul_rn(radius(hi, 0.0), scale);
    u32 quadrant = (lo + (1u << 29)) >> 30;
    int rest = (int)(lo - (quadrant << 30));
    double x = __dmul_rn((double)rest, 6.283185307179586 / 4294967296.0);
    double z = __dmul_rn(x, x);

    double p = 1.0 / 355687428096000.0;
    p = fma(p, z, -1.0 / 1307674368000.0);
    p = fma(p, z, 1.0 / 6227020800.0);
    p = fma(p, z, -1.0 / 39916800.0);
    p = fma(p, z, 1.0 / 362880.0);
    p = fma(p, z, -1.0 / 5040.0);
    p = fma(p, z, 1.0 / 120.0);
    p = fma(p, z, -1.0 / 6.0);
    double sin = fma(__dmul_rn(x, z), p, x);
    double q = 1.0 / 20922789888000.0;
    q = fma(q, z, -1.0 / 87178291200.0);
    q = fma(q, z, 1.0 / 479001600.0);
    q = fma(q, z, -1.0 / 3628800.0);
    q = fma(q, z, 1.0 / 40320.0);
    q = fma(q, z, -1.0 / 720.0);
    q = fma(q, z, 1.0 / 24.0);
    q = fma(q, z, -0.5);
    double cos = fma(z, q, 1.0);
    turn(quadrant, cos, sin);
    even = __dmul_rn(r, cos);
    odd = __dmul_rn(r, sin);
}
