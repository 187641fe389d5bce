// Columns of the dense families: a thread draws a column from top to bottom, so that neighbouring threads write neighbouring
// numbers where `right` is 1.

// Entry (i, c) of S[:, first..first+columns], times factor, goes to out[i·down + c·right].
template <typename Pairs>
__device__ __forceinline__ void draw_pairs(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                           real scale, real factor) {
    FOR_EACH(c, columns) {
        Stream words(key, first + c);
        real *column = out + c * right;
        for (u64 i = 0; i < d; i += 2) {
            real even, odd;
            Pairs::draw(words.next(), scale, even, odd);
            column[i * down] = even * factor;
            if (i + 1 < d) column[(i + 1) * down] = odd * factor;
        }
    }
}

extern "C" __global__ void draw_gaussian(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                         real scale, real factor) {
    draw_pairs<GaussianPairs<real>>(out, down, right, key, first, columns, d, scale, factor);
}

extern "C" __global__ void draw_uniform(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                        real scale, real factor) {
    draw_pairs<UniformPairs<real>>(out, down, right, key, first, columns, d, scale, factor);
}

extern "C" __global__ void draw_rademacher(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                           real scale, real factor) {
    real value = scale * factor;
    FOR_EACH(c, columns) {
        Stream words(key, first + c);
        real *column = out + c * right;
        for (u64 top = 0; top < d; top += 64) {
            u64 word = words.next();
            u32 rows = d - top < 64 ? (u32)(d - top) : 64;
            for (u32 b = 0; b < rows; ++b) column[(top + b) * down] = with_sign(value, (u32)(word >> b) & 1);
        }
    }
}
