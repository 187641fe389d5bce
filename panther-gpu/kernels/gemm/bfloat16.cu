// Numbers rounded to eight bits (bfloat16), for tensor cores.

#ifdef REAL_IS_FLOAT

// To the nearest, ties to even; what is finite stays finite, and what is no number none.
__device__ __forceinline__ u32 rounded(float x) {
    constexpr u32 EXPONENT = 0x7f800000, LARGEST = 0x7f7f;
    const u32 bits = __float_as_uint(x);
    if ((bits & EXPONENT) == EXPONENT) return bits >> 16 | ((bits & 0x7fffff) != 0 ? 0x40 : 0);
    const u32 nearest = bits + 0x7fff + (bits >> 16 & 1) >> 16;
    return (nearest & EXPONENT >> 16) == EXPONENT >> 16 ? bits >> 16 & 0x8000 | LARGEST : nearest;
}

// Lines of `length` numbers that begin `stride` apart, as lines `pitch` apart, an even number; two numbers a thread.
extern "C" __global__ void round_lines(const float *from, u64 stride, u64 length, u64 pitch, u32 *to, u64 count) {
    FOR_EACH(k, count) {
        u64 pair, line;
        split(k, pitch / 2, pair, line);
        const float *at = from + line * stride + 2 * pair;
        const u32 low = 2 * pair < length ? rounded(at[0]) : 0, high = 2 * pair + 1 < length ? rounded(at[1]) : 0;
        to[k] = high << 16 | low;
    }
}

#endif
