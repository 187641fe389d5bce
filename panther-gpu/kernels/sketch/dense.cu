// Columns of the dense families, a stream each. Neighbouring threads have neighbouring columns, and so write neighbouring numbers where
// `right` is 1. Entry (i, c) of S[:, first..first+columns], times factor, goes to out[i·down + c·right].

// Words of each stream that a block hands over at a time.
constexpr u32 DRAWN_WORDS = 32;

// Normal numbers take longer than their words. A block has as many streams as a warp has threads: its first warp draws words while
// the others turn those before into numbers, so that few columns keep a device busy too.
extern "C" __global__ void draw_gaussian(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                         real scale, real factor) {
    __shared__ u64 words[2][DRAWN_WORDS][WARP];
    u32 lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, others = blockDim.x / WARP - 1;
    u64 pairs = (d + 1) / 2, stages = (pairs + DRAWN_WORDS - 1) / DRAWN_WORDS;
    for (u64 left = (u64)blockIdx.x * WARP; left < columns; left += (u64)gridDim.x * WARP) {
        Stream stream(key, first + left + lane);
        real *column = out + (left + lane) * right;
        for (u64 stage = 0; stage <= stages; ++stage) {
            if (warp == 0 && stage < stages) {
#pragma unroll 4
                for (u32 w = 0; w < DRAWN_WORDS; ++w) words[stage % 2][w][lane] = stream.next();
            } else if (warp > 0 && stage > 0 && left + lane < columns) {
                u64 top = (stage - 1) * DRAWN_WORDS;
                for (u32 w = warp - 1; w < DRAWN_WORDS && top + w < pairs; w += others) {
                    u64 i = 2 * (top + w);
                    real even, odd;
                    GaussianPairs<real>::draw(words[(stage - 1) % 2][w][lane], scale, even, odd);
                    column[i * down] = even * factor;
                    if (i + 1 < d) column[(i + 1) * down] = odd * factor;
                }
            }
            __syncthreads();
        }
    }
}

// A thread draws a column from top to bottom.
extern "C" __global__ void draw_uniform(real *out, u64 down, u64 right, u64 key, u64 first, u64 columns, u64 d,
                                        real scale, real factor) {
    FOR_EACH(c, columns) {
        Stream words(key, first + c);
        real *column = out + c * right;
        for (u64 i = 0; i < d; i += 2) {
            real even, odd;
            UniformPairs<real>::draw(words.next(), scale, even, odd);
            column[i * down] = even * factor;
            if (i + 1 < d) column[(i + 1) * down] = odd * factor;
        }
    }
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
