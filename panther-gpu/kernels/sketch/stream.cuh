// The random words of panther-sketch's module `stream` and what its families make of them, bit for bit.

// Word k of a key's SplitMix64 sequence.
__device__ __forceinline__ u64 splitmix_word(u64 key, u64 k) {
    u64 z = key + (k + 1) * PHI;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

__device__ __forceinline__ u64 rotate_left(u64 x, int by) { return x << by | x >> (64 - by); }

// Xoshiro256++ of a coordinate.
struct Stream {
    u64 s0, s1, s2, s3;

    __device__ __forceinline__ Stream(u64 key, u64 j)
        : s0(splitmix_word(key, 4 * j)),
          s1(splitmix_word(key, 4 * j + 1)),
          s2(splitmix_word(key, 4 * j + 2)),
          s3(splitmix_word(key, 4 * j + 3)) {}

    __device__ __forceinline__ u64 next() {
        u64 word = rotate_left(s0 + s3, 23) + s0;
        u64 shifted = s1 << 17;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = rotate_left(s3, 45);
        return word;
    }

    // An index below `bound`, which lies in 1..=2^63, and a sign bit.
    __device__ __forceinline__ u64 signed_index(u64 bound, u32 &sign) {
        constexpr u64 HALF = 1ull << 63;
        for (;;) {
            u64 word = next();
            u64 x = word >> 1;
            u64 product = x * bound;
            u64 low = product & (HALF - 1);
            if (low < bound && low < HALF % bound) continue;
            sign = (u32)(word & 1);
            return __umul64hi(x, bound) << 1 | product >> 63;
        }
    }
};

// Bit 0 of the first word of coordinate j.
__device__ __forceinline__ u32 first_bit(u64 key, u64 j) {
    u64 s0 = splitmix_word(key, 4 * j), s3 = splitmix_word(key, 4 * j + 3);
    return (u32)((rotate_left(s0 + s3, 23) + s0) & 1);
}

// −x if bit 0 of `sign` is set.
__device__ __forceinline__ float with_sign(float x, u32 sign) { return __uint_as_float(__float_as_uint(x) ^ sign << 31); }
__device__ __forceinline__ double with_sign(double x, u32 sign) {
    return __hiloint2double((int)(__double2hiint(x) ^ sign << 31), __double2loint(x));
}

// (2(w+½)·2⁻³² − 1)·scale, by the signed integer w − 2³¹; a sum before a product, which no compiler fuses.
__device__ __forceinline__ float uniform(u32 w, float scale) {
    return (__int2float_rn((int)(w ^ 0x80000000u)) + 0.5f) * (scale * (1.0f / 2147483648.0f));
}

__device__ __forceinline__ double uniform(u32 w, double scale) {
    return ((double)(int)(w ^ 0x80000000u) + 0.5) * (scale * (1.0 / 2147483648.0));
}
